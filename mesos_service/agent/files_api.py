"""Sandboxes over HTTP: ``/files/{browse,read,download,debug}`` (M-LE-03), and the same for the v1 calls (M-OA-02).

What may be seen is what is attached (``containers.files``); nothing here makes a path. Answers have Mesos' shapes and
status codes: what is not there is 404 without a word, what a request lacks is 400 with a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import IO, Annotated, Final
from urllib.parse import quote

import msgspec
from fastapi import FastAPI, Query, Request
from fastapi.responses import StreamingResponse
from starlette.responses import Response

from mesos_service.containers.files import BadRequest, FileData, FileEntry, Files, FilesError, NoSuchFile, NotAllowed
from mesos_service.http.answers import legacy_answer, text_answer

_CHUNK_BYTES: Final = 256 * 1024
_NUMBER: Final = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_BARE_NAME: Final = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)
_NO_PATH: Final = "Expecting 'path=value' in query.\n"

Path = Annotated[str | None, Query(description="A virtual path, as `/files/debug` lists them, or one below.")]
Number = Annotated[str | None, Query()]
Jsonp = Annotated[str | None, Query(description="A function's name: the answer becomes a call of it.")]
"""Read from the request by ``legacy_answer``, and declared for the OpenAPI document."""


class SandboxFiles:
    """What the file routes and the operator calls share. Every method raises ``FilesError``.

    They look at the disk, so they belong in a thread and not in the loop's.
    """

    def __init__(self, files: Files) -> None:
        self._files = files

    def list_files(self, path: str) -> list[FileEntry]:
        """A directory's entries by name; a file has none (recorded: LIST_FILES)."""
        return self._files.browse(path) if self._files.resolve(path).is_dir() else []

    def read_file(self, path: str, offset: int = 0, length: int | None = None) -> FileData:
        """A piece of a file, and the size of the whole; an offset of -1 asks for the size alone."""
        return self._files.read(path, offset, length)

    def open_file(self, path: str) -> IO[bytes]:
        """The whole file; the caller closes it."""
        return self._files.open(path)

    def attached(self) -> dict[str, str]:
        """Real paths by virtual ones."""
        return self._files.attached()


def add_file_routes(application: FastAPI, files: SandboxFiles) -> None:
    """Mount the four endpoints, each under its plain name and with ``.json``, as Mesos does."""

    def browse(request: Request, path: Path = None, jsonp: Jsonp = None) -> Response:
        """List a directory."""
        if not path:
            return text_answer(400, _NO_PATH)
        return _answer(lambda: _json(request, [one.as_json() for one in files.list_files(path)]))

    def read(
        request: Request, path: Path = None, offset: Number = None, length: Number = None, jsonp: Jsonp = None
    ) -> Response:
        """Read a piece of a file as text, 16 pages at most; without an offset, or with -1, its size. Bytes that are no
        UTF-8 are replaced: READ_FILE of the v1 API and `/files/download` give them as they are."""
        if not path:
            return text_answer(400, _NO_PATH)
        numbers: list[int | None] = []
        for name, text in (("offset", offset), ("length", length)):
            if text is not None and not _NUMBER.fullmatch(text):
                return text_answer(400, f"Failed to parse {name}: '{text}' is not a number.\n")
            number = None if text is None else int(text)
            if number is not None and number < -1:
                return text_answer(400, f"Negative {name} provided: {number}.\n")
            numbers.append(number)
        start = -1 if numbers[0] is None else numbers[0]
        return _answer(lambda: _json(request, _as_text(files.read_file(path, start, numbers[1]))))

    def download(path: Path = None) -> Response:
        """Download a whole file."""
        if not path:
            return text_answer(400, _NO_PATH)
        return _answer(lambda: _download(path, files.open_file(path)))

    async def debug(request: Request, jsonp: Jsonp = None) -> Response:
        """Which virtual paths there are, and where they lead."""
        return _json(request, files.attached())

    for endpoint in (browse, read, download, debug):
        name = f"/files/{endpoint.__name__}"
        operation_id = f"{endpoint.__name__}_files"
        application.get(name, operation_id=operation_id, tags=["files"], response_class=Response)(endpoint)
        application.get(f"{name}.json", include_in_schema=False, response_class=Response)(endpoint)


def _answer(work: Callable[[], Response]) -> Response:
    try:
        return work()
    except NoSuchFile:
        return text_answer(404, "")
    except NotAllowed:
        return text_answer(403, "")
    except (BadRequest, FilesError) as error:
        return text_answer(400, f"{error}.\n")


def _json(request: Request, value: object) -> Response:
    return legacy_answer(request, msgspec.json.encode(value))


def _as_text(piece: FileData) -> dict[str, str | int]:
    data = piece.data
    if piece.offset + len(data) < piece.size:
        # A character that is cut in two comes whole with the next piece, unless it is all that was asked for.
        whole = data[: len(data) - _cut_bytes(data)]
        data = whole or data
    return {"data": data.decode(errors="replace"), "offset": piece.offset}


def _cut_bytes(data: bytes) -> int:
    """How many bytes at the end begin a UTF-8 character that they do not complete."""
    for back in range(1, min(4, len(data) + 1)):
        byte = data[-back]
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return back if back < length else 0
        if byte < 0x80:
            return 0
    return 0


def _download(path: str, file: IO[bytes]) -> Response:
    size = file.seek(0, 2)
    file.seek(0)
    name = path.rstrip("/").rpartition("/")[2]
    return StreamingResponse(
        _pieces(file, size),
        media_type="application/octet-stream",
        headers={
            "Content-Length": str(size),
            "Content-Disposition": f"attachment; {_file_name(name)}",
            # What a task wrote must never be taken for a page of ours.
            "X-Content-Type-Options": "nosniff",
        },
    )


def _file_name(name: str) -> str:
    """Bare, as Mesos writes it, where no client could misread that (RFC 6266)."""
    return f"filename={name}" if _BARE_NAME.fullmatch(name) else f"filename*=UTF-8''{quote(name, safe='')}"


def _pieces(file: IO[bytes], size: int) -> Iterator[bytes]:
    """Exactly ``size`` bytes: a task may go on writing meanwhile. A file that shrinks breaks the answer off."""
    with file:
        while size > 0:
            piece = file.read(min(size, _CHUNK_BYTES))
            if not piece:
                raise OSError("the file shrank while it was being sent")
            size -= len(piece)
            yield piece
