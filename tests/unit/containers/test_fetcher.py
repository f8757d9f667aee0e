"""Fetching: every kind of URI, and every way in which it can go wrong (M-AG-14)."""

from __future__ import annotations

import asyncio
import gzip
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO

import pytest

from mesos_service.containers import fetcher
from mesos_service.containers.archive import ArchiveLimits
from mesos_service.containers.fetcher import Fetcher, FetchFailed, FetchLimits
from mesos_service.containers.plan import UriSpec
from mesos_service.containers.users import find_user
from tests.support.archives import PACKED, member, tar_bytes
from tests.support.waiting import PATIENCE
from tests.unit.containers.room import Run, until

LIMITS = FetchLimits(
    connect_seconds_max=20.0 * PATIENCE,
    stall_seconds_max=20.0 * PATIENCE,
    redirects_max=3,
    download_bytes_max=100_000,
    archive=ArchiveLimits(bytes_max=100_000, entries_max=10),
)
IMPATIENT = replace(LIMITS, stall_seconds_max=0.05)
"""With a server that never answers, however slow the machine is."""


class Handler(BaseHTTPRequestHandler):
    """A web server that is helpful at some paths."""

    protocol_version = "HTTP/1.1"
    stopping = threading.Event()
    at_once = most_at_once = 0
    """Requests that are being answered, and the most that were."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/hello":
            self._answer(200, b"hello")
        elif path == "/packed.tgz":
            self._answer(200, PACKED)
        elif path == "/moved":
            self._answer(302, b"", Location="/hello")
        elif path == "/circle":
            self._answer(302, b"", Location="/circle")
        elif path == "/elsewhere":
            self._answer(302, b"", Location="file:///etc/passwd")
        elif path == "/big":
            self._answer(200, bytes(100_001))
        elif path == "/encoded":
            self._answer(200, gzip.compress(b"kept as sent"), **{"Content-Encoding": "gzip"})
        elif path == "/counted":
            Handler.at_once += 1
            Handler.most_at_once = max(Handler.most_at_once, Handler.at_once)
            self.stopping.wait(0.05)  # Whoever comes beside this one finds it here.
            Handler.at_once -= 1
            self._answer(200, self.path.encode())
        elif path == "/silent":
            self.stopping.wait()
        elif path == "/short":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"only this")
            self.close_connection = True
        else:
            self._answer(404, b"no")

    def _answer(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        """Say nothing."""


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The server's address."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    Handler.stopping.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        Handler.stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def sandbox(tmp_path: Path) -> Path:
    path = tmp_path / "sandbox"
    path.mkdir()
    return path


def test_m_ag_14_files_by_path_and_by_file_uri(run: Run, tmp_path: Path, sandbox: Path) -> None:
    (tmp_path / "plain name").write_text("local")
    (tmp_path / "tool").write_text("#!/bin/sh")
    (tmp_path / "tool").chmod(0o755)
    uris = [
        UriSpec(value=str(tmp_path / "plain name")),
        UriSpec(value=f"file://{tmp_path}/plain%20name", output_file="deep/er/name", executable=True),
        UriSpec(value=f"FILE://localhost{tmp_path}/tool"),
    ]
    run(Fetcher(LIMITS).fetch(uris, sandbox))
    assert (sandbox / "plain name").read_text() == "local"
    assert (sandbox / "deep" / "er" / "name").stat().st_mode & 0o777 == 0o755
    assert (sandbox / "tool").stat().st_mode & 0o111, "a program stays one"
    assert not (sandbox / "plain name").stat().st_mode & 0o111


def test_relative_paths_begin_at_the_frameworks_home(run: Run, tmp_path: Path, sandbox: Path) -> None:
    (tmp_path / "lib").write_text("home")
    run(Fetcher(LIMITS, frameworks_home=tmp_path).fetch([UriSpec(value="lib")], sandbox))
    assert (sandbox / "lib").read_text() == "home"
    with pytest.raises(FetchFailed, match="frameworks_home"):
        run(Fetcher(LIMITS).fetch([UriSpec(value="lib")], sandbox))


def test_m_ag_14_http_with_redirects_names_and_archives(run: Run, web: str, sandbox: Path) -> None:
    uris = [
        UriSpec(value=f"{web}/hello?version=1#part"),
        UriSpec(value=f"{web}/moved"),
        UriSpec(value=f"{web}/encoded"),
        UriSpec(value=f"{web}/packed.tgz"),
    ]
    run(Fetcher(LIMITS).fetch(uris, sandbox))
    assert (sandbox / "hello").read_text() == "hello"
    assert (sandbox / "moved").read_text() == "hello"
    assert gzip.decompress((sandbox / "encoded").read_bytes()) == b"kept as sent"
    assert (sandbox / "inside").read_text() == "inside"
    assert (sandbox / "tool").stat().st_mode & 0o100
    assert (sandbox / "packed.tgz").read_bytes() == PACKED


def test_an_archive_is_unpacked_only_when_asked_and_never_when_executable(run: Run, web: str, sandbox: Path) -> None:
    run(Fetcher(LIMITS).fetch([UriSpec(value=f"{web}/packed.tgz", extract=False)], sandbox))
    assert [path.name for path in sandbox.iterdir()] == ["packed.tgz"]
    run(Fetcher(LIMITS).fetch([UriSpec(value=f"{web}/packed.tgz", executable=True)], sandbox))
    assert [path.name for path in sandbox.iterdir()] == ["packed.tgz"]
    run(Fetcher(LIMITS).fetch([UriSpec(value=f"{web}/hello", output_file="x.zip", extract=False)], sandbox))
    with pytest.raises(FetchFailed, match="unpacked"):
        run(Fetcher(LIMITS).fetch([UriSpec(value=f"{web}/hello", output_file="x.zip")], sandbox))


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/missing", "404"),
        ("/circle", "redirected more than 3"),
        ("/elsewhere", "file"),
        ("/big", "bigger than 100000"),
        ("/short", "."),
        ("/", "output_file"),
    ],
)
def test_what_a_server_does_wrong_is_told_with_the_uri(
    run: Run, web: str, sandbox: Path, path: str, reason: str
) -> None:
    with pytest.raises(FetchFailed, match=reason) as caught:
        run(Fetcher(LIMITS).fetch([UriSpec(value=web + path)], sandbox))
    assert f"'{web}{path}'" in str(caught.value)


def test_a_server_that_says_nothing_is_given_up_after_a_while(run: Run, web: str, sandbox: Path) -> None:
    with pytest.raises(FetchFailed, match=rf"'{web}/silent'.* silent for 0\.05 s"):
        run(Fetcher(IMPATIENT).fetch([UriSpec(value=f"{web}/silent")], sandbox))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("ftp://host/file", "'ftp' is not supported"),
        ("hdfs://host/file", "'hdfs' is not supported"),
        ("file://elsewhere/file", "not this machine"),
        ("/no/such/file", "No such file"),
        ("/", "file"),
        ("/etc", "regular file"),
        ("/dev/zero", "regular file"),
        ("/x\0y", "NUL"),
        ("http://", "."),
        ("http://[broken/file", "."),
        ("", "."),
    ],
)
def test_uris_that_cannot_be_fetched_are_refused(run: Run, sandbox: Path, value: str, reason: str) -> None:
    with pytest.raises(FetchFailed, match=reason):
        run(Fetcher(LIMITS).fetch([UriSpec(value=value)], sandbox))
    assert list(sandbox.iterdir()) == []


@pytest.mark.parametrize("output_file", ["/etc/x", "../x", "a/../../x", "", ".", "a\0b"])
def test_an_output_file_never_leaves_the_sandbox(run: Run, tmp_path: Path, sandbox: Path, output_file: str) -> None:
    (tmp_path / "source").write_text("s")
    with pytest.raises(FetchFailed):
        run(Fetcher(LIMITS).fetch([UriSpec(value=str(tmp_path / "source"), output_file=output_file)], sandbox))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sandbox", "source"]


def test_links_in_the_sandbox_lead_no_file_out_of_it(run: Run, tmp_path: Path, sandbox: Path) -> None:
    (tmp_path / "source").write_text("new")
    (tmp_path / "precious").write_text("untouched")
    (sandbox / "source").symlink_to(tmp_path / "precious")
    (sandbox / "up").symlink_to(tmp_path)
    run(Fetcher(LIMITS).fetch([UriSpec(value=str(tmp_path / "source"))], sandbox))
    assert (sandbox / "source").read_text() == "new"
    with pytest.raises(FetchFailed, match="symbolic link"):
        run(Fetcher(LIMITS).fetch([UriSpec(value=str(tmp_path / "source"), output_file="up/precious")], sandbox))
    assert (tmp_path / "precious").read_text() == "untouched"


def test_a_password_is_not_repeated(run: Run, web: str, sandbox: Path) -> None:
    address = web.replace("http://", "http://me:secret@")
    with pytest.raises(FetchFailed, match="404") as caught:
        run(Fetcher(LIMITS).fetch([UriSpec(value=f"{address}/missing")], sandbox))
    assert "secret" not in str(caught.value)


def test_the_first_failure_ends_it(run: Run, tmp_path: Path, sandbox: Path) -> None:
    (tmp_path / "one").write_text("1")
    (tmp_path / "two").write_text("2")
    values = [str(tmp_path / name) for name in ("one", "missing", "two")]
    with pytest.raises(FetchFailed, match="missing"):
        run(Fetcher(LIMITS).fetch([UriSpec(value=value) for value in values], sandbox))
    assert [path.name for path in sandbox.iterdir()] == ["one"]


def test_files_belong_to_the_user_who_could_read_them(run: Run, tmp_path: Path, sandbox: Path) -> None:
    stranger = find_user("daemon")
    (tmp_path / "private").write_text("s")
    (tmp_path / "private").chmod(0o600)
    with pytest.raises(FetchFailed, match="may not read"):
        run(Fetcher(LIMITS).fetch([UriSpec(value=str(tmp_path / "private"))], sandbox, stranger))
    assert list(sandbox.iterdir()) == []
    if os.geteuid() == 0:  # Giving files away takes root.
        run(Fetcher(LIMITS).fetch([UriSpec(value="/etc/passwd", output_file="deep/passwd")], sandbox, stranger))
        (tmp_path / "packed.tgz").write_bytes(PACKED)
        (tmp_path / "packed.tgz").chmod(0o644)
        (sandbox / "inside").write_text("older")
        for directory in tmp_path.parents[:-1]:
            directory.chmod(directory.stat().st_mode | 0o055)
        tmp_path.chmod(0o755)
        run(Fetcher(LIMITS).fetch([UriSpec(value=str(tmp_path / "packed.tgz"))], sandbox, stranger))
        assert {path.owner() for path in sandbox.iterdir()} == {"daemon"}
        assert (sandbox / "deep").owner() == (sandbox / "deep" / "passwd").owner() == "daemon"


@pytest.mark.parametrize("executable", [False, True])
def test_a_link_in_place_of_what_was_fetched_changes_no_other_file(
    run: Run, tmp_path: Path, sandbox: Path, monkeypatch: pytest.MonkeyPatch, executable: bool
) -> None:
    """The sandbox is the user's, and another task of his may turn a name there at any moment, as here at the worst."""
    private = tmp_path / "private"
    private.write_text("secret")
    private.chmod(0o600)
    (tmp_path / "tool").write_text("content")
    create = fetcher._create

    def turned(place: fetcher._Place) -> IO[bytes]:
        target = create(place)
        (sandbox / place.name).unlink()
        (sandbox / place.name).symlink_to(private)
        return target

    monkeypatch.setattr(fetcher, "_create", turned)
    run(Fetcher(LIMITS).fetch([UriSpec(value=str(tmp_path / "tool"), executable=executable)], sandbox))
    assert private.stat().st_mode & 0o777 == 0o600


def test_an_archive_that_is_turned_into_a_link_shows_no_other_one(
    run: Run, tmp_path: Path, sandbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is unpacked is what was fetched: another file of its name may be one that the user may not read."""
    (tmp_path / "secret.tar").write_bytes(tar_bytes(member("secret", b"secret")))
    (tmp_path / "a.tgz").write_bytes(PACKED)
    create = fetcher._create

    def turned(place: fetcher._Place) -> IO[bytes]:
        target = create(place)
        (sandbox / place.name).unlink()
        (sandbox / place.name).symlink_to(tmp_path / "secret.tar")
        return target

    monkeypatch.setattr(fetcher, "_create", turned)
    run(Fetcher(LIMITS).fetch([UriSpec(value=str(tmp_path / "a.tgz"))], sandbox))
    assert (sandbox / "inside").read_text() == "inside" and not (sandbox / "secret").exists()


def test_a_link_that_is_turned_opens_no_directory(tmp_path: Path) -> None:
    """Whether a user may read a file is asked of the file that is open, and of the directories around that one."""
    shut = tmp_path / "shut"
    shut.mkdir(mode=0o700)
    (shut / "file").write_text("secret")
    (shut / "file").chmod(0o644)
    handle = os.open(shut / "file", os.O_RDONLY)
    try:
        assert not fetcher._may_read(find_user("daemon"), os.fstat(handle), handle)
    finally:
        os.close(handle)


def test_a_cancelled_fetch_writes_nothing_more(run: Run, web: str, sandbox: Path) -> None:
    async def body() -> None:
        fetching = asyncio.create_task(
            Fetcher(FetchLimits()).fetch([UriSpec(value=f"{web}/hello"), UriSpec(value=f"{web}/silent")], sandbox)
        )
        await until(lambda: (sandbox / "hello").exists())
        fetching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetching

    run(body())
    assert [path.name for path in sandbox.iterdir()] == ["hello"]


def test_m_ag_14_one_task_fetches_one_after_the_other_in_order(run: Run, web: str, sandbox: Path) -> None:
    Handler.most_at_once = 0
    uris = [UriSpec(value=f"{web}/counted?{number}", output_file="same") for number in range(4)]
    run(Fetcher(LIMITS).fetch(uris, sandbox))
    assert Handler.most_at_once == 1
    assert (sandbox / "same").read_text() == "/counted?3", "the last of them wins"
