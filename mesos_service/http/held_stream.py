"""A response that stays open: events to a scheduler, an executor or an agent link.

Producers call :meth:`HeldStream.write` from the loop and never wait. One record becomes one HTTP chunk: a record
split over chunks, or two glued into one, breaks strict readers. What the client has not taken yet is
bounded: a reader that falls further behind than ``unsent_bytes_max`` loses its stream, not the master its memory
(N17), and everybody else is undisturbed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from mesos_service.http.asgi import Receive, Send

UNSENT_BYTES_MAX = 64 * 1024 * 1024
"""Holds the largest single event, offers of 50,000 agents to one framework (some 40 MB), and what follows it."""


class HeldStream:
    """One open response. ``frame`` turns a payload into the bytes of one record in the negotiated encoding."""

    __slots__ = (
        "_closing",
        "_frame",
        "_pending",
        "_task",
        "_unsent_bytes",
        "_wake",
        "lag_bytes_max",
        "overrun",
        "records_sent",
    )

    def __init__(self, frame: Callable[[bytes], bytes], lag_bytes_max: int = UNSENT_BYTES_MAX) -> None:
        self._frame = frame
        self._pending: deque[bytes] = deque()
        self._unsent_bytes = 0
        self._wake = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self.lag_bytes_max = lag_bytes_max
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
            self._give_up()
            return
        record = self._frame(payload)
        self._pending.append(record)
        self._unsent_bytes += len(record)
        self._wake.set()

    def close(self) -> None:
        """End the stream after what was written before."""
        self._closing = True
        self._wake.set()

    def _give_up(self) -> None:
        self.overrun = True
        self._closing = True
        self._pending.clear()
        self._unsent_bytes = 0
        if self._task is not None:
            self._task.cancel()

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
        self._task = task = asyncio.current_task()
        watcher = asyncio.ensure_future(self._watch(receive))
        try:
            await send({"type": "http.response.start", "status": status, "headers": list(headers)})
            return await self._pump(send, watcher)
        except asyncio.CancelledError:
            if not self.overrun or task is None:
                raise
            task.uncancel()
            return f"the reader fell more than {self.lag_bytes_max} bytes behind"
        finally:
            self._closing = True
            self._pending.clear()
            self._unsent_bytes = 0
            self._task = None
            watcher.cancel()

    async def _pump(self, send: Send, watcher: asyncio.Future[None]) -> str:
        pending = self._pending
        while True:
            while pending:
                if watcher.done():
                    return "the client closed the connection"
                record = pending.popleft()
                self._unsent_bytes -= len(record)
                self.records_sent += 1
                await send({"type": "http.response.body", "body": record, "more_body": True})
            if watcher.done():
                return "the client closed the connection"
            if self._closing:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                return "closed"
            self._wake.clear()
            await self._wake.wait()

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._wake.set()
