"""Lets people look into sandboxes, and nowhere else (Mesos docs, ``/files/{browse,read,download,debug}``).

What may be looked at is attached: a virtual path leads to a real file or directory. A path that is asked for begins
with a virtual path; the rest must stay inside what was attached, wherever symbolic links lead. Files are opened step
by step below the attached directory without following any link, so that a link which a task swaps in between changes
nothing.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat as file_modes
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import IO

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
READ_BYTES_MAX = 16 * PAGE_BYTES
"""The most that one read gives (Mesos: 16 pages)."""


class FilesError(Exception):
    """A request about files that gets no answer; the text says why."""


class NoSuchFile(FilesError):
    """Nothing of that name may be seen: 404."""


class NotAllowed(FilesError):
    """It is there, and may not be seen by us: 403."""


class BadRequest(FilesError):
    """The request makes no sense: 400."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of a listing."""

    path: str
    """Virtual."""
    size: int
    nlink: int
    mode: int
    """``st_mode``."""
    mtime: float
    """Unix seconds."""
    uid: str
    gid: str
    """Names where the machine knows them, numbers where not."""

    def as_json(self) -> dict[str, str | int | float]:
        """The shape of ``/files/browse``."""
        return {
            "gid": self.gid,
            "mode": file_modes.filemode(self.mode),
            "mtime": self.mtime,
            "nlink": self.nlink,
            "path": self.path,
            "size": self.size,
            "uid": self.uid,
        }


@dataclass(frozen=True, slots=True)
class FileData:
    """A piece of a file. ``size`` is that of the whole file."""

    data: bytes
    offset: int
    size: int


class Files:
    """The attached paths of one service."""

    def __init__(self) -> None:
        self._attached: dict[str, Path] = {}

    def attach(self, virtual: str, real: Path) -> None:
        """Show ``real`` (which need not exist yet) as ``virtual``; replaces what was shown under it."""
        self._attached[_normal(virtual)] = real

    def detach(self, virtual: str) -> None:
        """Show it no more; does nothing for what is not shown."""
        self._attached.pop(_normal(virtual), None)

    def attached(self) -> dict[str, str]:
        """Virtual to real paths, as ``/files/debug`` gives them."""
        return {virtual: str(real) for virtual, real in sorted(self._attached.items())}

    def resolve(self, path: str) -> Path:
        """The real path, free of links. Raises :class:`NoSuchFile` and :class:`NotAllowed`."""
        root, rest = self._locate(path)
        return root.joinpath(*rest)

    def browse(self, path: str) -> list[FileEntry]:
        """What is in a directory, by name; a file is listed alone. Raises :class:`FilesError`."""
        with self._opened(path) as (handle, status):
            prefix = _shown(path)
            if not file_modes.S_ISDIR(status.st_mode):
                return [_entry(prefix, status)]
            entries = []
            for name in sorted(os.listdir(handle)):  # noqa: PTH208 - an open directory
                try:
                    inner = os.stat(name, dir_fd=handle, follow_symlinks=False)
                except FileNotFoundError:
                    continue  # Gone since it was listed.
                entries.append(_entry(f"{prefix.rstrip('/')}/{name}", inner))
            return entries

    def read(self, path: str, offset: int = 0, length: int | None = None) -> FileData:
        """Read a piece of a file: up to ``length`` bytes and never more than :data:`READ_BYTES_MAX`.

        An ``offset`` of -1 asks for the size: no data, and the size as offset. Beyond the end there is no data.
        ``length`` of -1 is as good as none. Raises :class:`FilesError`.
        """
        if offset < -1:
            raise BadRequest(f"offset {offset} is negative")
        if length is not None and length < -1:
            raise BadRequest(f"length {length} is negative")
        with self._opened(path) as (handle, status):
            _demand_file(path, status, "read")
            if offset == -1:
                return FileData(b"", status.st_size, status.st_size)
            if offset >= status.st_size:
                return FileData(b"", offset, status.st_size)
            wanted = READ_BYTES_MAX if length is None or length == -1 else min(length, READ_BYTES_MAX)
            return FileData(os.pread(handle, wanted, offset), offset, status.st_size)

    def open(self, path: str) -> IO[bytes]:
        """Open a whole file for download; the caller closes it. Raises :class:`FilesError`."""
        with self._opened(path) as (handle, status):
            _demand_file(path, status, "download")
            return os.fdopen(os.dup(handle), "rb")

    def _locate(self, path: str) -> tuple[Path, tuple[str, ...]]:
        """The attached real path and the link-free way below it."""
        if not path:
            raise BadRequest("Expecting a 'path'")
        if "\0" in path or ".." in PurePosixPath(path).parts:
            raise NoSuchFile(f"'{path}' is not a path that can be shown")
        parts = _normal(path).split("/")
        for length in range(len(parts), 0, -1):
            real = self._attached.get("/".join(parts[:length]))
            if real is None:
                continue
            try:
                root = real.resolve(strict=True)
                target = root.joinpath(*parts[length:]).resolve(strict=True)
            except PermissionError as error:
                raise NotAllowed(f"'{path}' may not be read") from error
            except (OSError, RuntimeError) as error:  # RuntimeError: links that lead in a circle.
                raise NoSuchFile(f"There is no '{path}'") from error
            if not target.is_relative_to(root):
                raise NoSuchFile(f"'{path}' leads out of what may be shown")
            return root, target.relative_to(root).parts
        raise NoSuchFile(f"There is no '{path}'")

    @contextmanager
    def _opened(self, path: str) -> Iterator[tuple[int, os.stat_result]]:
        root, rest = self._locate(path)
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        handle = -1
        try:
            handle = os.open(root, flags)
            for part in rest:
                inner = os.open(part, flags, dir_fd=handle)
                os.close(handle)
                handle = inner
            yield handle, os.fstat(handle)
        except PermissionError as error:
            raise NotAllowed(f"'{path}' may not be read") from error
        except OSError as error:
            raise NoSuchFile(f"'{path}' cannot be opened: {error.strerror}") from error
        finally:
            if handle >= 0:
                os.close(handle)


def _demand_file(path: str, status: os.stat_result, doing: str) -> None:
    if file_modes.S_ISDIR(status.st_mode):
        raise BadRequest(f"Cannot {doing} a directory")
    if not file_modes.S_ISREG(status.st_mode):
        raise BadRequest(f"'{path}' is not a file")


def _normal(path: str) -> str:
    """Without doubled and closing slashes; virtual paths may begin with a slash or not, as Mesos' do."""
    inner = "/".join(part for part in path.split("/") if part not in ("", "."))
    return f"/{inner}" if path.startswith("/") else inner


def _shown(path: str) -> str:
    return _normal(path) or "/"


def _entry(path: str, status: os.stat_result) -> FileEntry:
    return FileEntry(
        path,
        status.st_size,
        status.st_nlink,
        status.st_mode,
        status.st_mtime,
        _user_name(status.st_uid),
        _group_name(status.st_gid),
    )


@lru_cache(maxsize=1024)
def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


@lru_cache(maxsize=1024)
def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
