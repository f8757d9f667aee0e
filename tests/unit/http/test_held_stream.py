"""Streams that are held open: one record per chunk, a bound on what a slow reader may cost, an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import uvloop

from mesos_service.http.asgi import HeaderName, Message, Receive, Scope, Send
from mesos_service.http.client import Connection
from mesos_service.http.connections import UnderlyingConnection
from mesos_service.http.held_stream import Backlog, HeldStream
from mesos_service.http.server import HttpServer, bind
from mesos_service.wire.recordio import record


def line(payload: bytes) -> bytes:
    return payload + b"\n"


class Client:
    """The other end of an ASGI application: collects what is sent, and hangs up when told."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.gone = asyncio.Event()
        self.taking = asyncio.Event()
        self.taking.set()

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        await self.taking.wait()
        self.sent.append(message)

    def bodies(self) -> list[bytes]:
        return [message["body"] for message in self.sent if message["type"] == "http.response.body"]


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await scenario()

    asyncio.run(bounded())


def test_each_record_is_a_chunk_of_its_own_and_the_end_comes_after_them() -> None:
    async def scenario() -> None:
        client, stream = Client(), HeldStream(line)
        stream.write(b"one")
        stream.write(b"two")
        stream.close()
        stream.write(b"too late")
        assert await stream.serve(client.receive, client.send, 200, [(b"x", b"y")]) == "closed"
        assert client.sent[0]["status"] == 200
        assert client.bodies() == [b"one\n", b"two\n", b""]
        assert client.sent[-1]["more_body"] is False

    run(scenario)


def test_a_client_that_hangs_up_ends_the_stream() -> None:
    async def scenario() -> None:
        client, stream = Client(), HeldStream(line)
        serving = asyncio.create_task(stream.serve(client.receive, client.send, 200, []))
        client.gone.set()
        assert await serving == "the client closed the connection"
        stream.write(b"nobody is there")
        assert stream.unsent_bytes == 0

    run(scenario)


def test_n17_a_reader_that_falls_behind_loses_its_stream_and_holds_no_memory() -> None:
    async def scenario() -> None:
        client, stream = Client(), HeldStream(line, lag_bytes_max=1000)
        client.taking.clear()
        serving = asyncio.create_task(stream.serve(client.receive, client.send, 200, []))
        await asyncio.sleep(0)
        written = 0
        while not stream.overrun:
            stream.write(b"x" * 99)
            written += 100
            assert stream.unsent_bytes <= 1000
        assert written > 1000
        assert "behind" in await serving
        assert stream.unsent_bytes == 0

    run(scenario)


def test_n17_one_event_larger_than_the_bound_still_goes_through() -> None:
    async def scenario() -> None:
        client, stream = Client(), HeldStream(line, lag_bytes_max=10)
        stream.write(b"x" * 100)
        stream.close()
        await stream.serve(client.receive, client.send, 200, [])
        assert client.bodies()[0] == b"x" * 100 + b"\n"

    run(scenario)


def test_n17_all_streams_together_are_bounded_and_the_furthest_behind_goes_first() -> None:
    async def scenario() -> None:
        backlog = Backlog(bytes_max=1000)
        clients = [Client() for _ in range(3)]
        streams = [HeldStream(line, lag_bytes_max=900, backlog=backlog) for _ in clients]
        for client in clients:
            client.taking.clear()
        ends = [
            asyncio.create_task(stream.serve(client.receive, client.send, 200, []))
            for stream, client in zip(streams, clients, strict=True)
        ]
        await asyncio.sleep(0)
        for stream, size in zip(streams, (300, 400, 200), strict=True):
            stream.write(b"x" * (size - 1))
        assert backlog.unsent_bytes == 900
        streams[0].write(b"x" * 49)
        assert not any(stream.overrun for stream in streams)
        streams[2].write(b"x" * 99)
        assert [stream.overrun for stream in streams] == [False, True, False]
        assert "all readers together" in await ends[1]
        assert backlog.unsent_bytes == 350 + 300
        for client in clients:
            client.taking.set()
        streams[0].close()
        assert await ends[0] == "closed"
        clients[2].gone.set()
        await ends[2]
        assert backlog.unsent_bytes == 0

    run(scenario)


def test_a_stream_that_was_never_served_counts_in_no_sum() -> None:
    async def scenario() -> None:
        backlog = Backlog(bytes_max=100)
        HeldStream(line, backlog=backlog).write(b"x" * 1000)
        assert backlog.unsent_bytes == 0

    run(scenario)


def test_a_defect_is_not_taken_for_a_closed_connection() -> None:
    async def scenario() -> None:
        async def send(message: Message) -> None:
            raise RuntimeError("not the connection's")

        with pytest.raises(RuntimeError, match="not the connection's"):
            await HeldStream(line).serve(Client().receive, send, 200, [])

    run(scenario)


# -- over real sockets ---------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def serving(application: Callable[[Scope, Receive, Send], Awaitable[None]]) -> AsyncIterator[int]:
    server = HttpServer(application, bind("127.0.0.1", 0))
    await server.start()
    try:
        yield server.port
    finally:
        await server.stop()


def test_x60_records_and_chunks_coincide_on_the_wire_and_header_names_keep_their_case() -> None:
    async def scenario() -> None:
        stream = HeldStream(record)

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await stream.serve(receive, send, 200, [(HeaderName(b"Mesos-Stream-Id"), b"s")])

        async with serving(application) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            assert "Mesos-Stream-Id: s\r\n" in head
            assert "transfer-encoding: chunked" in head.lower()
            for payload in (b'{"type":"A"}', b'{"type":"BB"}'):
                stream.write(payload)
            assert await reader.readuntil(b"}\r\n") == b'f\r\n12\n{"type":"A"}\r\n'
            assert await reader.readuntil(b"}\r\n") == b'10\r\n13\n{"type":"BB"}\r\n'
            stream.close()
            assert await reader.read() == b"0\r\n\r\n"
            writer.close()

    run(scenario)


def test_what_is_written_in_one_turn_of_the_loop_leaves_in_one_write_a_chunk_for_each_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario() -> None:
        stream = HeldStream(record)
        writes: list[bytes] = []
        write = UnderlyingConnection.write

        def noted(self: UnderlyingConnection, data: bytes) -> None:
            writes.append(data)
            write(self, data)

        monkeypatch.setattr(UnderlyingConnection, "write", noted)

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await stream.serve(receive, send, 200, [])

        async with serving(application) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            for round_of in (b"one", b"two"):
                for number in range(3):
                    stream.write(b"%b %d" % (round_of, number))
                await reader.readuntil(b"2\r\n")
            assert writes == [
                b"7\r\n5\n%b 0\r\n7\r\n5\n%b 1\r\n7\r\n5\n%b 2\r\n" % (text, text, text) for text in (b"one", b"two")
            ]
            assert (stream.records_sent, stream.unsent_bytes) == (6, 0)
            stream.close()
            assert await reader.readuntil(b"\r\n\r\n") == b"0\r\n\r\n"
            writer.close()

    run(scenario)


def test_n17_a_client_that_never_reads_costs_a_bounded_amount_and_disturbs_nobody() -> None:
    async def scenario() -> None:
        streams: list[HeldStream] = []

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            stream = HeldStream(record, lag_bytes_max=256 * 1024)
            streams.append(stream)
            await stream.serve(receive, send, 200, [])

        async with serving(application) as port:
            loop = asyncio.get_running_loop()
            stalled = socket.socket()
            stalled.setblocking(False)
            await loop.sock_connect(stalled, ("127.0.0.1", port))
            await loop.sock_sendall(stalled, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await loop.sock_recv(stalled, 1)
            healthy = await Connection.open("127.0.0.1", port)
            _, chunks = await healthy.stream("GET", "/")
            slow, quick = streams
            payload = b"x" * 16 * 1024
            heard = 0
            while not slow.overrun:
                slow.write(payload)
                quick.write(b"still here")
                assert slow.unsent_bytes <= 256 * 1024 + len(payload)
                await asyncio.sleep(0)
            quick.close()
            async for chunk in chunks:
                heard += chunk.count(b"still here")
            assert heard == quick.records_sent > 0
            stalled.close()
            healthy.close()

    run(scenario)


@pytest.mark.parametrize("loop_factory", [uvloop.new_event_loop, asyncio.new_event_loop])
def test_a_client_that_pipelined_behind_its_stream_and_left_is_noticed(
    loop_factory: Callable[[], asyncio.AbstractEventLoop], caplog: pytest.LogCaptureFixture
) -> None:
    """uvicorn tells the last request of a connection alone that it is gone; the stream learns it as it writes."""

    async def scenario() -> None:
        streams: list[HeldStream] = []
        ended: asyncio.Queue[str] = asyncio.Queue()

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            streams.append(HeldStream(record))
            ended.put_nowait(await streams[-1].serve(receive, send, 200, []))

        async with asyncio.timeout(60), serving(application) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
            await reader.readuntil(b"\r\n\r\n")
            writer.close()
            await writer.wait_closed()
            while ended.empty():
                streams[0].write(b"heartbeat")
                await asyncio.sleep(0)
            assert await ended.get() == "the client closed the connection"

    with caplog.at_level(logging.INFO), asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(scenario())
    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("loop_factory", [uvloop.new_event_loop, asyncio.new_event_loop])
def test_n17_a_reader_that_was_given_up_loses_its_connection_though_it_never_reads(
    loop_factory: Callable[[], asyncio.AbstractEventLoop], caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        streams: list[HeldStream] = []

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            streams.append(HeldStream(record, lag_bytes_max=256 * 1024))
            assert "behind" in await streams[-1].serve(receive, send, 200, [])

        async with asyncio.timeout(60), serving(application) as port:
            loop = asyncio.get_running_loop()
            stalled = socket.socket()
            stalled.setblocking(False)
            await loop.sock_connect(stalled, ("127.0.0.1", port))
            await loop.sock_sendall(stalled, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await loop.sock_recv(stalled, 1)
            streams[0].write(b"x" * 32 * 1024 * 1024)
            await asyncio.sleep(0)
            while not streams[0].overrun:
                streams[0].write(b"x" * 64 * 1024)
                await asyncio.sleep(0)
            # An abort is a reset: it is told at once, in front of whatever the socket still holds.
            error = 0
            while not error:
                await asyncio.sleep(0)
                error = stalled.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            assert error == errno.ECONNRESET
            stalled.close()

    with caplog.at_level(logging.INFO), asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(scenario())
    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.ERROR] == []
