"""Sandboxes over HTTP (M-LE-03, M-OA-02; status codes as recorded: ``files-*``)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from mesos_service.agent.files_api import SandboxFiles, add_file_routes
from mesos_service.containers.files import Files
from mesos_service.http.asgi import Message, Receive, Scope, Send

TEXT = "text/plain; charset=utf-8"


class Client:
    """Asks the application without a socket."""

    def __init__(self, application: FastAPI) -> None:
        async def plain(scope: Scope, receive: Receive, send: Send) -> None:
            async def send_plain(message: Message) -> None:
                # On a socket names keep their case; httpx, which compares them in lower case, sees plain bytes there.
                headers = [(bytes(name).lower(), value) for name, value in message.get("headers", ())]
                await send({**message, "headers": headers})

            await application(scope, receive, send_plain)

        self._application = plain

    def get(self, path: str, params: Mapping[str, str | int] | None = None) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._application)
            async with httpx.AsyncClient(transport=transport, base_url="http://agent", trust_env=False) as client:
                return await client.get(path, params=params)

        return asyncio.run(ask())


@pytest.fixture
def shown(tmp_path: Path) -> Client:
    """``/box`` with a file, a folder, and links that lead out of it."""
    box = tmp_path / "box"
    (box / "inner").mkdir(parents=True)
    (box / "stdout").write_bytes(b"0123456789")
    (box / "inner" / "a b").write_bytes("grüße".encode())
    (tmp_path / "secret").write_text("secret")
    (box / "way_out").symlink_to(tmp_path / "secret")
    files = Files()
    files.attach("/box", box)
    application = FastAPI()
    add_file_routes(application, SandboxFiles(files))
    return Client(application)


def test_m_le_03_browse(shown: Client) -> None:
    entries = shown.get("/files/browse", params={"path": "/box"}).json()
    assert [entry["path"] for entry in entries] == ["/box/inner", "/box/stdout", "/box/way_out"]
    assert set(entries[1]) == {"gid", "mode", "mtime", "nlink", "path", "size", "uid"}
    assert entries[1]["size"] == 10
    assert entries[0]["mode"].startswith("d")
    assert shown.get("/files/browse.json", params={"path": "/box/inner"}).json()[0]["path"] == "/box/inner/a b"
    assert shown.get("/files/browse", params={"path": "/box/stdout"}).json() == [], "a file has no entries (recorded)"


def test_m_le_03_read_in_pieces(shown: Client) -> None:
    answer = shown.get("/files/read", params={"path": "/box/stdout", "offset": 3, "length": 4})
    assert answer.json() == {"data": "3456", "offset": 3}
    assert answer.headers["content-type"] == "application/json"
    pieces: list[tuple[dict[str, str], dict[str, str | int]]] = [
        ({}, {"data": "", "offset": 10}),
        ({"length": "3"}, {"data": "", "offset": 10}),
        ({"offset": "0"}, {"data": "0123456789", "offset": 0}),
        ({"offset": "-1"}, {"data": "", "offset": 10}),
        ({"offset": "99"}, {"data": "", "offset": 99}),
        ({"offset": "8", "length": "-1"}, {"data": "89", "offset": 8}),
    ]
    for parameters, expected in pieces:
        assert shown.get("/files/read", params={"path": "/box/stdout", **parameters}).json() == expected


def test_a_character_is_not_cut_in_two(shown: Client) -> None:
    raw = "grüße".encode()
    text, offset = "", 0
    while offset < len(raw):
        piece = shown.get("/files/read", params={"path": "/box/inner/a b", "offset": offset, "length": 3}).json()
        text += piece["data"]
        offset = piece["offset"] + len(piece["data"].encode())
    assert text == "grüße"


def test_one_byte_of_a_character_is_given_rather_than_nothing_for_ever(shown: Client) -> None:
    piece = shown.get("/files/read", params={"path": "/box/inner/a b", "offset": 2, "length": 1}).json()
    assert piece == {"data": "\ufffd", "offset": 2}


@pytest.mark.parametrize("endpoint", ["browse", "read", "download"])
@pytest.mark.parametrize(
    "path", ["/nope", "/box/nope", "/box/way_out", "/box/../secret", "/box/inner/../../secret", "/box/\0", "/"]
)
def test_what_is_not_shown_is_not_there(shown: Client, endpoint: str, path: str) -> None:
    answer = shown.get(f"/files/{endpoint}", params={"path": path})
    assert (answer.status_code, answer.text, answer.headers["content-type"]) == (404, "", TEXT)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("", "Expecting 'path=value' in query.\n"),
        ("?path=", "Expecting 'path=value' in query.\n"),
        ("?path=/box/stdout&offset=x", "Failed to parse offset: 'x' is not a number.\n"),
        ("?path=/box/stdout&offset=-2", "Negative offset provided: -2.\n"),
        ("?path=/box/stdout&length=-2", "Negative length provided: -2.\n"),
        ("?path=/box/stdout&length=99999999999999999999", None),
        ("?path=/box", "Cannot read a directory.\n"),
    ],
)
def test_requests_that_lack_something_are_told_what(shown: Client, query: str, text: str | None) -> None:
    answer = shown.get(f"/files/read{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (400, TEXT)
    assert text is None or answer.text == text


def test_m_le_03_download_gives_the_bytes_and_is_never_a_page(shown: Client) -> None:
    answer = shown.get("/files/download", params={"path": "/box/inner/a b"})
    assert answer.content == "grüße".encode()
    assert answer.headers["content-length"] == "7"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''a%20b"
    assert answer.headers["x-content-type-options"] == "nosniff"
    bare = shown.get("/files/download", params={"path": "/box/stdout"})
    assert bare.headers["content-disposition"] == "attachment; filename=stdout"
    refusal = shown.get("/files/download", params={"path": "/box"})
    assert (refusal.status_code, refusal.text) == (400, "Cannot download a directory.\n")


def test_jsonp_and_debug(shown: Client, tmp_path: Path) -> None:
    assert shown.get("/files/debug").json() == {"/box": str(tmp_path / "box")}
    answer = shown.get("/files/read", params={"path": "/box/stdout", "offset": 0, "length": 1, "jsonp": "cb"})
    assert (answer.text, answer.headers["content-type"]) == ('cb({"data":"0","offset":0})', "text/javascript")
    assert shown.get("/files/debug", params={"jsonp": "alert(1);x"}).status_code == 400
