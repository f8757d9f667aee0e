"""Tries of HTTP and TCP checks, against tasks that answer well, badly, or not at all (M-AG-19, M-AG-20)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from mesos_service.containers.network_probe import probe_network
from mesos_service.domain.checks import Check, CheckType, ProbeResult

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
BOUND_SECONDS = 60.0


@contextlib.asynccontextmanager
async def serving(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server that does this with each connection; gives its port."""

    handling: set[asyncio.Task[None]] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handling.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await serve(reader, writer)
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(one, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in handling:
            task.cancel()
        if handling:
            await asyncio.wait(handling)
        await asyncio.sleep(0)  # Aborted transports are closed in the loop's next turn.


def answering(text: str) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(text.encode())
        await writer.drain()

    return serve


def probe(
    serve: Serve, kind: CheckType = CheckType.HTTP, path: str = "", tls: ssl.SSLContext | None = None
) -> ProbeResult:
    async def tried() -> ProbeResult:
        async with asyncio.timeout(BOUND_SECONDS), serving(serve, tls) as port:
            return await probe_network(Check(type=kind, port=port, path=path, scheme="https" if tls else "http"))

    return asyncio.run(tried())


@pytest.mark.parametrize("status", [200, 204, 301, 404, 500, 599])
def test_m_ag_19_the_status_of_an_answer_is_what_counts(status: int) -> None:
    assert probe(answering(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n")) == ProbeResult(status)


def test_m_ag_19_the_path_is_asked_for_as_it_was_written() -> None:
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.0 200 OK\r\n\r\n")

    assert probe(serve, path="/health?deep=1&x=%20") == ProbeResult(200)
    assert asked[0].startswith(b"GET /health?deep=1&x=%20 HTTP/1.1\r\n")


def test_m_ag_19_a_body_without_an_end_is_not_read() -> None:
    sent = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(bytes(65536))
            await writer.drain()
            sent += 65536

    assert probe(serve) == ProbeResult(200)
    assert sent < 64 * 1024 * 1024


def test_m_ag_19_a_head_without_an_end_is_given_up() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X: " + bytes(1000).replace(b"\0", b"y") + b"\r\n")
            await writer.drain()

    result = probe(serve)
    assert result.result is None
    assert result.error


@pytest.mark.parametrize("text", ["", "nonsense\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-"])
def test_m_ag_19_what_is_no_answer_is_a_failure_with_a_reason(text: str) -> None:
    result = probe(answering(text))
    assert (result.result, result.aborted) == (None, False)
    assert result.error


def test_m_ag_19_redirects_are_followed_on_the_task_itself_and_nowhere_else() -> None:
    elsewhere = socket.create_server(("127.0.0.1", 0))
    elsewhere.setblocking(False)
    leads_to = {
        "/same": "/there",
        "/circle": "/circle",
        "/away": f"http://127.0.0.1:{elsewhere.getsockname()[1]}/",
        "/file": "file:///etc/passwd",
        "/odd": "http://[::1",
    }

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        if path in leads_to:
            writer.write(f"HTTP/1.1 302 X\r\nLocation: {leads_to[path]}\r\nContent-Length: 0\r\n\r\n".encode())
        else:
            writer.write(b"HTTP/1.1 418 X\r\nContent-Length: 0\r\n\r\n")

    assert probe(serve, path="/same") == ProbeResult(418)
    for path in ("/circle", "/away", "/file"):
        assert probe(serve, path=path) == ProbeResult(302), path
    assert probe(serve, path="/odd").result in (None, 302)
    with elsewhere, pytest.raises(BlockingIOError):
        elsewhere.accept()


def test_m_ag_19_many_redirects_come_to_an_end() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        writer.write(f"HTTP/1.1 302 X\r\nLocation: {path}x\r\nContent-Length: 0\r\n\r\n".encode())

    assert probe(serve, path="/") == ProbeResult(302)


def test_m_ag_19_a_certificate_is_not_looked_at(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=nobody"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    assert probe(answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), tls=tls) == ProbeResult(200)


def test_m_ag_19_tcp_says_whether_somebody_listens() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    assert probe(serve, CheckType.TCP) == ProbeResult(True)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        check = Check(type=CheckType.TCP, port=closed.getsockname()[1])
        result = asyncio.run(probe_network(check))
    assert result.result is False


def test_m_ag_19_who_never_answers_is_waited_for_until_that_is_called_off() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def tried() -> None:
        async with serving(serve) as port:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await probe_network(Check(type=CheckType.HTTP, port=port))

    asyncio.run(tried())
