"""Answers that may be large: made in slices, one a turn of the loop, so that nobody waits for them.

Many readers cost little more than one. ``AT_ONCE_MAX`` answers are made at the same time, in turns; the others wait,
and those who ask the same before it is begun get the same bytes. What they have not taken yet is bounded: beyond
``UNSENT_BYTES_MAX`` whoever reads the oldest answer is cut off (N17).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from mesos_service.http.answers import (
    CODED,
    GZIP_BYTES_MIN,
    JAVASCRIPT,
    JSON,
    Compressor,
    Headers,
    accepts_gzip,
    gzip_compressor,
    is_jsonp_name,
    jsonp_refused,
)
from mesos_service.http.asgi import CONTENT_LENGTH, Receive, Scope, Send
from mesos_service.http.connections import UnderlyingConnection
from mesos_service.http.held_stream import BODY, START, sent
from mesos_service.wire.sliced import SlicedObject, json_slices

AT_ONCE_MAX: Final = 4
"""Each holds a moment of the master's memory while it is made."""
UNSENT_BYTES_MAX: Final = 256 * 1024 * 1024


class Large(NamedTuple):
    """An answer to be. ``make`` is called when its turn has come; equal ``key`` means that the answers are equal."""

    key: Hashable
    make: Callable[[], msgspec.Struct]


class LargeObject(NamedTuple):
    """As ``Large``, of names with numbers."""

    key: Hashable
    make: Callable[[], SlicedObject]


@dataclass(eq=False, slots=True)
class Body:
    """What was made, and who is still to be sent it."""

    pieces: Sequence[bytes]
    coding: Headers
    readers: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def size(self) -> int:
        return sum(map(len, self.pieces))


class _Work:
    """An answer that is being made, compressed as it grows if ``gzip``."""

    def __init__(self, slices: Callable[[], Iterator[bytes]], gzip: bool) -> None:
        self.made: Final[asyncio.Future[Body]] = asyncio.get_running_loop().create_future()
        self.wanted = 0
        """By how many."""
        self._make = slices
        self._slices: Iterator[bytes] | None = None
        self._gzip = gzip
        self._pieces: list[bytes] = []
        self._size = 0
        self._compressor: Compressor | None = None

    def step(self) -> bool:
        """Make one slice; whether more may follow."""
        if self._slices is None:
            self._slices = self._make()
        piece = next(self._slices, None)
        if piece is None:
            if self._compressor is not None:
                self._pieces.append(self._compressor.flush())
            self.made.set_result(Body(self._pieces, (CODED,) if self._compressor is not None else ()))
            return False
        if self._compressor is not None:
            piece = self._compressor.compress(piece)
        self._size += len(piece)
        self._pieces.append(piece)
        if self._gzip and self._compressor is None and self._size >= GZIP_BYTES_MIN:
            self._compressor = gzip_compressor()
            self._pieces = [self._compressor.compress(b"".join(self._pieces))]
        return True


class LargeAnswers:
    """Of one service."""

    def __init__(self, at_once_max: int = AT_ONCE_MAX, unsent_bytes_max: int = UNSENT_BYTES_MAX) -> None:
        self.at_once_max: Final = at_once_max
        self.unsent_bytes_max: Final = unsent_bytes_max
        self._begun: deque[_Work] = deque()
        self._waiting: dict[Hashable, _Work] = {}
        self._bodies: dict[Body, None] = {}
        """Those that are being sent, the oldest first."""
        self._planned = False
        self.cut_off = 0
        """Readers that were cut off."""

    @property
    def unsent_bytes(self) -> int:
        """Of the answers that are being sent, each counted once."""
        return sum(body.size for body in self._bodies)

    @property
    def under_way(self) -> int:
        """Answers that are being made, or wait to be."""
        return len(self._begun) + len(self._waiting)

    # -- making ----------------------------------------------------------------------------------------------
    async def made(self, key: Hashable, slices: Callable[[], Iterator[bytes]], gzip: bool = False) -> Body:
        """The bytes of ``slices``, which is called at its turn, but not before this was.

        Raises what that raises. It is given up when nobody waits for it any more.
        """
        place = key, gzip
        work = self._waiting.get(place)
        if work is None:
            work = self._waiting[place] = _Work(slices, gzip)
            self._plan()
        work.wanted += 1
        try:
            return await asyncio.shield(work.made)
        finally:
            work.wanted -= 1
            if not work.wanted and not work.made.done():
                self._give_up(place, work)

    def _plan(self) -> None:
        while self._waiting and len(self._begun) < self.at_once_max:
            self._begun.append(self._waiting.pop(next(iter(self._waiting))))
        if self._begun and not self._planned:
            self._planned = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """One slice of one answer."""
        self._planned = False
        if self._begun:
            work = self._begun.popleft()
            try:
                if work.step():
                    self._begun.append(work)
            except Exception as error:  # noqa: BLE001 - it is raised where somebody waits for it.
                work.made.set_exception(error)
        self._plan()

    def _give_up(self, place: Hashable, work: _Work) -> None:
        work.made.cancel()
        if work in self._begun:
            self._begun.remove(work)
        elif self._waiting.get(place) is work:
            del self._waiting[place]
        self._plan()

    async def made_for(
        self, receive: Receive, key: Hashable, slices: Callable[[], Iterator[bytes]], gzip: bool = False
    ) -> Body | None:
        """As :meth:`made`; ``None`` when the client leaves before."""
        making = asyncio.ensure_future(self.made(key, slices, gzip))
        leaving = asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait((making, leaving), return_when=asyncio.FIRST_COMPLETED)
            return making.result() if making.done() else None
        finally:
            making.cancel()
            leaving.cancel()

    # -- answering -------------------------------------------------------------------------------------------
    async def serve(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        key: Hashable,
        slices: Callable[[], Iterator[bytes]],
        head: Callable[[Headers, bytes], Headers],
    ) -> None:
        """Answer 200, unless the client leaves before. ``head`` makes the headers of those of the coding and of the
        length."""
        body = await self.made_for(receive, key, slices, accepts_gzip(scope))
        if body is not None:
            await self._send(body, receive, send, head)

    async def _send(self, body: Body, receive: Receive, send: Send, head: Callable[[Headers, bytes], Headers]) -> None:
        task = asyncio.current_task()
        assert task is not None, "it runs in a task"
        body.readers.add(task)
        self._bodies[body] = None
        self._bound()
        connection = UnderlyingConnection(receive)
        try:
            headers = head(body.coding, b"%d" % body.size)
            there = await sent(send, connection, {"type": START, "status": 200, "headers": list(headers)})
            unsent = deque(filter(None, body.pieces))
            while there and unsent:
                piece = unsent.popleft()
                there = await sent(send, connection, {"type": BODY, "body": piece, "more_body": bool(unsent)})
        except asyncio.CancelledError:
            if task in body.readers:
                raise
            # Cut off. An orderly end would wait until the client has taken everything.
            task.uncancel()
            if connection.abort():
                connection.tell_gone()
        finally:
            body.readers.discard(task)
            if not body.readers:
                self._bodies.pop(body, None)

    def _bound(self) -> None:
        while len(self._bodies) > 1 and self.unsent_bytes > self.unsent_bytes_max:
            oldest = next(iter(self._bodies))
            del self._bodies[oldest]
            self.cut_off += len(oldest.readers)
            readers, oldest.readers = oldest.readers, set()
            for reader in readers:
                reader.cancel()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class LargeText(Response):
    """An answer of some ``kind``, a content type's header, that is made of pieces and not of a message."""

    def __init__(
        self, answers: LargeAnswers, key: Hashable, kind: tuple[bytes, bytes], make: Callable[[], Iterator[bytes]]
    ) -> None:
        # Not the parent's: its body is not there yet.
        self.status_code = 200
        self.background = None
        self.raw_headers = []
        self._answers = answers
        self._key = key
        self._kind = kind
        self._make = make

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        def head(coding: Headers, length: bytes) -> Headers:
            return (*coding, (CONTENT_LENGTH, length), self._kind)

        await self._answers.serve(scope, receive, send, self._key, self._make, head)


class LargeAnswer(Response):
    """The answer of one of the old paths: JSON, or with ``jsonp`` a call of a function."""

    def __init__(self, request: Request, answers: LargeAnswers, large: Large | LargeObject) -> None:
        # Not the parent's: its body is not there yet.
        self.status_code = 200
        self.background = None
        self.raw_headers = []
        self._callback = request.query_params.get("jsonp")
        self._answers = answers
        self._large = large

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        callback = self._callback
        if callback is not None and not is_jsonp_name(callback):
            await jsonp_refused(callback)(scope, receive, send)
            return
        kind = JSON if callback is None else JAVASCRIPT

        def slices() -> Iterator[bytes]:
            made = json_slices(self._large.make())
            return made if callback is None else chain((b"%b(" % callback.encode(),), made, (b")",))

        def head(coding: Headers, length: bytes) -> Headers:
            return (*coding, (CONTENT_LENGTH, length), kind)

        await self._answers.serve(scope, receive, send, (self._large.key, callback), slices, head)
