"""The client for long-lived connections, against a real server and against peers that misbehave."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mesos_service.http.asgi import Receive, Scope, Send, read_body, respond
from mesos_service.http.client import Connection, ConnectionFault
from mesos_service.http.dialing import Dialing
from mesos_service.http.server import HttpServer, bind


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await scenario()

    asyncio.run(bounded())


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the path and the body; ``/missing`` with 404."""
    body = await read_body(receive)
    status = 404 if scope["path"] == "/missing" else 200
    await respond(send, status, scope["path"].encode() + b" " + body, ((b"x-seen", b"yes"),))


async def tell_host(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the header ``Host``."""
    await respond(send, 200, dict(scope["headers"])[b"host"])


async def misbehave(answer: bytes) -> tuple[asyncio.Server, int]:
    """A server that answers anything with ``answer`` and closes."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


def test_pipelined_requests_are_answered_in_order_on_one_connection() -> None:
    async def scenario() -> None:
        server = HttpServer(echo, bind("127.0.0.1", 0))
        await server.start()
        connection = await Connection.open("127.0.0.1", server.port)
        answers = await asyncio.gather(
            *(connection.send("POST", f"/{number}", b"body", {"A": "b"}) for number in range(50))
        )
        assert [answer.body for answer in answers] == [b"/%d body" % number for number in range(50)]
        assert answers[0].headers["x-seen"] == "yes"
        missing = await connection.request("GET", "/missing")
        assert (missing.status, connection.is_open) == (404, True)
        connection.close()
        with pytest.raises(ConnectionFault, match="closed by this side"):
            await connection.request("GET", "/")
        await server.stop()

    run(scenario)


def test_a_refused_stream_is_read_whole() -> None:
    async def scenario() -> None:
        server = HttpServer(echo, bind("127.0.0.1", 0))
        await server.start()
        connection = await Connection.open("127.0.0.1", server.port)
        head, chunks = await connection.stream("POST", "/missing", b"why")
        assert (head.status, head.body) == (404, b"/missing why")
        assert [chunk async for chunk in chunks] == []
        connection.close()
        await server.stop()

    run(scenario)


def test_nobody_there_is_said_with_the_address() -> None:
    async def scenario() -> None:
        with socket.socket() as nobody:  # The port is taken, and nobody listens.
            nobody.bind(("127.0.0.1", 0))
            port = nobody.getsockname()[1]
            with pytest.raises(ConnectionFault, match=f"127.0.0.1:{port} cannot be reached"):
                await Connection.open("127.0.0.1", port)

    run(scenario)


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-hello\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"",
    ],
)
def test_a_peer_that_breaks_off_or_speaks_no_http_is_a_fault_not_a_hang(answer: bytes) -> None:
    async def scenario() -> None:
        server, port = await misbehave(answer)
        connection = await Connection.open("127.0.0.1", port)
        with pytest.raises(ConnectionFault):
            await connection.request("GET", "/")
        assert not connection.is_open
        server.close()

    run(scenario)


def test_a_stream_that_breaks_tells_its_reader() -> None:
    async def scenario() -> None:
        server, port = await misbehave(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        connection = await Connection.open("127.0.0.1", port)
        head, chunks = await connection.stream("GET", "/")
        assert head.status == 200
        heard: list[bytes] = []
        with pytest.raises(ConnectionFault):
            async for chunk in chunks:
                heard.append(chunk)  # noqa: PERF401 - what was heard before the break is what is asserted.
        assert heard == [b"abc"]
        server.close()

    run(scenario)


def test_a_request_that_is_given_up_costs_those_behind_it_nothing() -> None:
    async def scenario() -> None:
        asked, go = asyncio.Event(), asyncio.Event()

        async def late(scope: Scope, receive: Receive, send: Send) -> None:
            asked.set()
            await go.wait()
            await echo(scope, receive, send)

        server = HttpServer(late, bind("127.0.0.1", 0))
        await server.start()
        connection = await Connection.open("127.0.0.1", server.port)
        given_up = asyncio.create_task(connection.request("GET", "/1"))
        await asked.wait()
        behind = connection.send("GET", "/2")
        given_up.cancel()
        await asyncio.wait((given_up,))
        go.set()
        assert (await behind).body == b"/2 "
        assert connection.is_open
        connection.close()
        await server.stop()

    run(scenario)


@pytest.mark.parametrize(("host", "named"), [("::1", "[::1]:5050"), ("127.0.0.1", "127.0.0.1:5050"), ("m", "m:5050")])
def test_whom_a_request_is_for_is_written_as_urls_write_it(tmp_path: Path, host: str, named: str) -> None:
    dialing = Dialing(unix_socket=str(tmp_path / "socket"))

    async def scenario() -> None:
        server = HttpServer(tell_host, tmp_path / "socket")
        await server.start()
        connection = await Connection.open(host, 5050, dialing=dialing)
        assert (await connection.request("GET", "/")).body == named.encode()
        connection.close()
        await server.stop()

    run(scenario)
