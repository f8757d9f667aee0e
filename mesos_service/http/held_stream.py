"""A response that stays open: events to a scheduler, an executor or an agent link.

Producers call :meth:`HeldStream.write` from the loop and never wait. One record becomes one HTTP chunk: a record
split over chunks, or two glued into one, breaks strict readers. The chunks of one turn of the loop leave in one write,
as writes are what a busy stream costs. What the client has not taken yet is
bounded: a reader that falls further behind than ``unsent_bytes_max`` loses its stream, not the master its memory
(N17), and everybody else is undisturbed. What all streams of a service hold together is bounded too (``Backlog``).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from mesos_service.http.asgi import CHUNKED, Message, Receive, Send
from mesos_service.http.connections import UnderlyingConnection

UNSENT_BYTES_MAX = 64 * 1024 * 1024
"""Holds the largest single event, offers of 50,000 agents to one framework (some 40 MB), and what follows it."""

BACKLOG_BYTES_MAX = 512 * 1024 * 1024
"""Eight streams at their bound: readers that lag one by one are rare, all at once a failure outside of us."""

START = "http.response.start"
BODY = "http.response.body"
GONE = "the client closed the connection"

WRITE_BYTES = 64 * 1024
"""What is handed to the transport at once, unless one record is larger: what it holds is in no sum of ours."""


class Backlog:
    """What the streams of one service have not sent yet, all together.

    Beyond ``bytes_max`` the stream that is furthest behind is given up, and the next, until the sum fits: many slow
    readers cost no more memory than that, however many they are.
    """

    __slots__ = ("_streams", "bytes_max", "unsent_bytes")

    def __init__(self, bytes_max: int = BACKLOG_BYTES_MAX) -> None:
        self.bytes_max = bytes_max
        self.unsent_bytes = 0
        self._streams: set[HeldStream] = set()

    def join(self, stream: HeldStream) -> None:
        self._streams.add(stream)
        self.grow(stream.unsent_bytes)

    def leave(self, stream: HeldStream) -> None:
        self._streams.discard(stream)
        self.unsent_bytes -= stream.unsent_bytes

    def grow(self, size: int) -> None:
        """A stream holds ``size`` bytes more, or fewer if negative."""
        self.unsent_bytes += size
        while self.unsent_bytes > self.bytes_max:
            furthest = max(self._streams, key=lambda stream: stream.unsent_bytes)
            furthest.give_up(f"all readers together were more than {self.bytes_max} bytes behind, and this one most")


class HeldStream:
    """One open response. ``frame`` turns a payload into the bytes of one record in the negotiated encoding."""

    __slots__ = (
        "_backlog",
        "_closing",
        "_connection",
        "_flushing",
        "_frame",
        "_joined",
        "_loop",
        "_pending",
        "_task",
        "_unsent_bytes",
        "_wake",
        "_why",
        "lag_bytes_max",
        "overrun",
        "protobuf",
        "records_sent",
    )

    def __init__(
        self,
        frame: Callable[[bytes], bytes],
        lag_bytes_max: int = UNSENT_BYTES_MAX,
        backlog: Backlog | None = None,
        *,
        protobuf: bool = False,
    ) -> None:
        self._frame = frame
        self._pending: deque[bytes] = deque()
        self._unsent_bytes = 0
        self._wake = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self._backlog = backlog
        self._joined: Backlog | None = None
        """The backlog while the stream is served: one that never is must not count for ever."""
        self._connection: UnderlyingConnection | None = None
        """Where records may be written to from the loop; only while ``serve`` has nothing to send itself."""
        self._flushing = False
        self._loop: asyncio.AbstractEventLoop | None = None
        """That of ``serve``: to ask for the running one is a system call in CPython 3.11, and records are many."""
        self._why = ""
        self.lag_bytes_max = lag_bytes_max
        self.protobuf = protobuf
        """Which form of an event its producers are to write here; JSON otherwise."""
        self.overrun = False
        """Set when the reader was too slow and the stream was given up."""
        self.records_sent = 0

    @property
    def unsent_bytes(self) -> int:
        return self._unsent_bytes

    def write(self, payload: bytes) -> None:
        """Queue one record; dropped without a word once the stream is closing."""
        if self._closing:
            return
        if self._pending and self._unsent_bytes + len(payload) > self.lag_bytes_max:
            self.give_up(f"the reader fell more than {self.lag_bytes_max} bytes behind")
            return
        record = self._frame(payload)
        self._pending.append(record)
        if self._connection is None:
            self._wake.set()
        elif not self._flushing and self._loop is not None:
            self._flushing = True
            self._loop.call_soon(self._flush)
        self._account(len(record))

    def close(self) -> None:
        """End the stream after what was written before."""
        self._closing = True
        self._wake.set()

    def give_up(self, why: str) -> None:
        """End the stream at once and drop what was not sent: its reader is too slow."""
        self.overrun = True
        self._why = why
        self._drop()
        if self._task is not None:
            self._task.cancel()

    def _flush(self) -> None:
        """Send what was written in this turn of the loop, as long as the client takes it; the rest is ``serve``'s."""
        self._flushing = False
        connection, pending = self._connection, self._pending
        if connection is None:
            return
        while pending:
            if connection.is_closed or connection.is_choked:
                self._wake.set()
                return
            chunks: list[bytes] = []
            size = 0
            while pending and size < WRITE_BYTES:
                record = pending.popleft()
                size += len(record)
                chunks.append(b"%x\r\n%b\r\n" % (len(record), record))
            self._account(-size)
            self.records_sent += len(chunks)
            connection.write(b"".join(chunks))

    def _account(self, size: int) -> None:
        self._unsent_bytes += size
        if self._joined is not None:
            self._joined.grow(size)

    def _drop(self) -> None:
        self._closing = True
        self._pending.clear()
        self._account(-self._unsent_bytes)

    async def serve(
        self,
        receive: Receive,
        send: Send,
        status: int,
        headers: Sequence[tuple[bytes, bytes]],
    ) -> str:
        """Send the head and then records until either side ends; returns why it ended.

        A disconnect is noticed through ``receive``: uvicorn tells it there whether or not anything is being sent.
        """
        self._loop = asyncio.get_running_loop()
        self._task = task = asyncio.current_task()
        watcher = asyncio.ensure_future(self._watch(receive))
        connection = UnderlyingConnection(receive)
        connection.end_with_client()
        if self._backlog is not None:
            self._joined = self._backlog
            self._joined.join(self)
        try:
            if not await sent(send, connection, {"type": START, "status": status, "headers": [CHUNKED, *headers]}):
                return GONE
            return await self._pump(send, connection, watcher)
        except asyncio.CancelledError:
            if not self.overrun or task is None:
                raise
            task.uncancel()
            # uvicorn 0.54 would close in an orderly way: a client that never reads would keep its socket, and what
            # the transport holds for it, for as long as it likes.
            if connection.abort():
                connection.tell_gone()
            return self._why
        finally:
            self._drop()
            if self._joined is not None:
                self._joined.leave(self)
                self._joined = None
            self._task = None
            self._connection = None
            watcher.cancel()

    async def _pump(self, send: Send, connection: UnderlyingConnection, watcher: asyncio.Future[None]) -> str:
        pending = self._pending
        while True:
            while pending:
                if watcher.done():
                    return GONE
                record = pending.popleft()
                self._account(-len(record))
                self.records_sent += 1
                if not await sent(send, connection, {"type": BODY, "body": record, "more_body": True}):
                    return GONE
            if watcher.done():
                return GONE
            if self._closing:
                await sent(send, connection, {"type": BODY, "body": b"", "more_body": False})
                return "closed"
            self._wake.clear()
            self._connection = connection if connection.takes_chunks else None
            await self._wake.wait()
            self._connection = None

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._wake.set()


async def sent(send: Send, connection: UnderlyingConnection, message: Message) -> bool:
    """Send; ``False`` when the connection turns out to be closed.

    The watcher does not always know: of several pipelined requests uvicorn tells the last one alone. Writing to a
    closed connection raises ``RuntimeError`` in uvloop and does nothing in asyncio.
    """
    if not connection.is_closed:
        try:
            await send(message)
        except OSError:
            pass
        except RuntimeError:
            if not connection.is_closed:
                raise
        else:
            return True
    connection.tell_gone()
    return False
