"""A small HTTP/1.1 client for long-lived connections: keep-alive calls in order, and responses held open.

Agents, schedulers and executors keep one connection for calls and one for events for hours. httpx would do (and does,
in the command line); this exists because a call through it costs about 300 us against 30 here, and the emulated fleet
of ``bench`` makes ten thousand of them a second. Parsing is httptools', the parser under uvicorn.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import cast

import httptools

from mesos_service.domain.addresses import join_host_port
from mesos_service.domain.errors import OperatingFault
from mesos_service.http.dialing import PLAIN, Dialing


class ConnectionFault(OperatingFault):
    """The peer could not be reached, closed, or did not speak HTTP."""


@dataclass(slots=True)
class Response:
    """A whole answer, or the head of one that is held open. Header names are in lower case."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class _Exchange:
    """One request under way: collects the head, then either the body or chunks for a reader."""

    __slots__ = ("body", "chunks", "head", "headers", "readable", "streaming", "unread_bytes", "whole")

    def __init__(self, loop: asyncio.AbstractEventLoop, streaming: bool) -> None:
        self.head: asyncio.Future[Response] = loop.create_future()
        self.whole: asyncio.Future[Response] = loop.create_future()
        self.headers: dict[str, str] = {}
        self.body: list[bytes] = []
        self.streaming = streaming
        self.chunks: deque[bytes] = deque()
        self.unread_bytes = 0
        self.readable = asyncio.Event()


KEEP_ALIVE_IDLE_SECONDS = 30
KEEP_ALIVE_INTERVAL_SECONDS = 10
KEEP_ALIVE_PROBES = 3
"""A peer whose machine is gone says nothing about it; after a minute the kernel takes the connection down."""

READ_AHEAD_BYTES_MAX = 1024 * 1024
"""A reader that is behind by this much stops the socket instead of filling memory."""


class Connection(asyncio.Protocol):
    """One connection. Requests are answered in the order in which they were made."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._exchanges: deque[_Exchange] = deque()
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._fault: ConnectionFault | None = None
        self._host = ""
        self._always = ""
        """Headers of every request."""
        self._paused = False

    @classmethod
    async def open(cls, host: str, port: int, timeout_seconds: float = 10.0, dialing: Dialing = PLAIN) -> Connection:
        """Connect, as ``dialing`` says.

        Raises:
            ConnectionFault: naming the address and what went wrong.
        """
        loop = asyncio.get_running_loop()
        address = join_host_port(host, port)
        where = dialing.unix_socket or address
        try:
            async with asyncio.timeout(timeout_seconds):
                if dialing.unix_socket is None:
                    _, connection = await loop.create_connection(cls, host, port, ssl=dialing.tls)
                else:
                    _, connection = await loop.create_unix_connection(cls, dialing.unix_socket)
        except TimeoutError as error:
            raise ConnectionFault(f"{where} did not answer within {timeout_seconds:g} s") from error
        except ssl.SSLCertVerificationError as error:
            raise ConnectionFault(f"{where} is not to be believed: {error.verify_message}") from error
        except ssl.SSLError as error:
            reason = error.reason or error
            raise ConnectionFault(f"{where} cannot be spoken with over TLS: {reason}") from error
        except OSError as error:
            hung_up = dialing.tls is not None and isinstance(error, ConnectionResetError)
            what = "hung up; does it speak TLS?" if hung_up else "cannot be reached"
            raise ConnectionFault(f"{where} {what}: {error.strerror or error}") from error
        connection._host = address
        connection._always = "".join(f"{name}: {value}\r\n" for name, value in dialing.headers.items())
        return connection

    @property
    def is_open(self) -> bool:
        return self._fault is None

    def close(self) -> None:
        """Close at once; whoever still waits gets a fault."""
        self._fail("was closed by this side")
        if self._transport is not None:
            self._transport.close()

    async def request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Response:
        """Send a request and read the whole answer.

        Raises:
            ConnectionFault: the connection broke before the answer was complete.
        """
        return await self.send(method, path, body, headers)

    def send(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> asyncio.Future[Response]:
        """Send a request now; the future is its whole answer. Requests may be pipelined."""
        return self._send(method, path, body, headers, streaming=False).whole

    async def stream(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[Response, AsyncIterator[bytes]]:
        """Send a request whose answer is held open: its head, and its bytes as they come.

        An answer that is not 200 is read whole, and the iterator gives nothing.
        """
        exchange = self._send(method, path, body, headers, streaming=True)
        head = await exchange.head
        return head, self._chunks(exchange)

    def _send(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str] | None, *, streaming: bool
    ) -> _Exchange:
        if self._fault is not None or self._transport is None:
            raise self._fault or ConnectionFault("not connected")
        exchange = _Exchange(self._loop, streaming)
        self._exchanges.append(exchange)
        extra = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        start = f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\n{self._always}"
        head = f"{start}{extra}Content-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode("latin-1") + body)
        return exchange

    async def _chunks(self, exchange: _Exchange) -> AsyncIterator[bytes]:
        while True:
            while exchange.chunks:
                chunk = exchange.chunks.popleft()
                exchange.unread_bytes -= len(chunk)
                yield chunk
            if self._paused and self._transport is not None:
                self._paused = False
                self._transport.resume_reading()
            if exchange.whole.done():
                exchange.whole.result()
                return
            exchange.readable.clear()
            await exchange.readable.wait()

    # -- asyncio.Protocol ------------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, as uvloop's transports are asyncio's in all but ancestry.
        self._transport = cast("asyncio.Transport", transport)
        _keep_alive(transport.get_extra_info("socket"))

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"does not speak HTTP/1.1: {error}")
            if self._transport is not None:
                self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(f"broke: {error}" if error else "was closed by the other side")

    def _fail(self, what: str) -> None:
        if self._fault is None:
            self._fault = ConnectionFault(f"the connection to {self._host} {what}")
        for exchange in self._exchanges:
            for future in (exchange.head, exchange.whole):
                if not future.done():
                    future.set_exception(self._fault)
                    future.exception()  # Marks it as seen: nobody may be waiting for this one.
            exchange.readable.set()
        self._exchanges.clear()

    # -- httptools callbacks ---------------------------------------------------------------------------------
    def on_header(self, name: bytes, value: bytes) -> None:
        if self._exchanges:
            self._exchanges[0].headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if not self._exchanges:
            return
        exchange = self._exchanges[0]
        status = self._parser.get_status_code()
        if status != 200:
            exchange.streaming = False
        elif exchange.streaming and not exchange.head.done():
            exchange.head.set_result(Response(status, exchange.headers))

    def on_body(self, body: bytes) -> None:
        if not self._exchanges:
            return
        exchange = self._exchanges[0]
        if not exchange.streaming:
            exchange.body.append(body)
            return
        exchange.chunks.append(body)
        exchange.unread_bytes += len(body)
        exchange.readable.set()
        if exchange.unread_bytes > READ_AHEAD_BYTES_MAX and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        if not self._exchanges:
            return
        exchange = self._exchanges.popleft()
        response = Response(self._parser.get_status_code(), exchange.headers, b"".join(exchange.body))
        for future in (exchange.head, exchange.whole):
            if not future.done():  # Whoever asked may have been cancelled; those behind wait for their answers.
                future.set_result(response)
        exchange.readable.set()
        if not self._parser.should_keep_alive():
            self._fail("was ended by the other side")
            if self._transport is not None:
                self._transport.close()


def _keep_alive(connection: socket.socket) -> None:
    if connection.family == socket.AF_UNIX:
        return  # Who is on this machine does not go without a word.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_KEEPIDLE, KEEP_ALIVE_IDLE_SECONDS),
        (socket.TCP_KEEPINTVL, KEEP_ALIVE_INTERVAL_SECONDS),
        (socket.TCP_KEEPCNT, KEEP_ALIVE_PROBES),
    ):
        connection.setsockopt(socket.IPPROTO_TCP, option, value)
