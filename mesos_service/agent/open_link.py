"""One link to the master from its opening to its end: a stream that comes down, and batched calls that go up.

At most one MESSAGES call is on its way; what is said meanwhile goes into the next one, or beyond ``CALL_BYTES_MAX``
into the next ones. So order is kept, and a busy agent makes fewer calls rather than a longer queue (X62). An open link
is made when the master grants it and dropped whole when anything breaks: nothing of it is of use to the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Hashable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import msgspec

from mesos_service.agent.master_detector import MasterAddress
from mesos_service.domain.errors import OperatingFault
from mesos_service.domain.ids import AgentId, LinkId
from mesos_service.http.client import Connection, ConnectionFault, Response
from mesos_service.http.dialing import PLAIN, Dialing
from mesos_service.wire import agent_link
from mesos_service.wire.recordio import RecordReader

log = logging.getLogger(__name__)

PATH: Final = "/api/v1/agent"
REDIRECTS_MAX: Final = 5
HTTP_PORT: Final = 80
CALL_BYTES_MAX: Final = 8 * 1024 * 1024
"""What one MESSAGES call holds, unless a single message is larger: far below what a master takes (64 MiB)."""
WAITING_BYTES_MAX: Final = 4 * CALL_BYTES_MAX
"""With so much waiting, executors' messages are dropped: nobody promised to deliver them (M-EX-02)."""
ACCEPTED: Final = 202
UNAUTHORIZED: Final = 401
NOT_NOW: Final = 503
AGAIN_SECONDS: Final = (0.1, 0.4)
"""Between two attempts at a call that the master cannot take just now."""
_HEADERS: Final = {"Content-Type": "application/json", "Accept": "application/json"}


class LinkBroken(OperatingFault):
    """The master does not want the link, does not answer on it, or ended it."""


@dataclass(frozen=True, slots=True)
class _Granted:
    """The answer to SUBSCRIBE: from whom, and what comes."""

    master: MasterAddress
    path: str
    stream: Connection
    chunks: AsyncIterator[bytes]


class OpenLink:
    """One open link. Everything that it carries is said with :meth:`say` and heard from :meth:`records`."""

    def __init__(self, link_id: LinkId, granted: _Granted, calls: Connection, call_seconds_max: float) -> None:
        self.link_id = link_id
        self.master = granted.master
        self.calls_sent = 0
        self.messages_sent = 0
        self._granted = granted
        self._calls = calls
        self._call_seconds_max = call_seconds_max
        self._loop = asyncio.get_running_loop()
        self._batches: dict[tuple[Hashable, AgentId | None], deque[msgspec.Raw]] = {}
        self._waiting_bytes = 0
        self._choked = False
        self._in_flight = False
        self._planned = False
        self._refused_since: float | None = None
        """Since when the master has not been able to take the call that is under way."""
        self._fault: LinkBroken | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, master: MasterAddress, link_id: LinkId, call_seconds_max: float, dialing: Dialing = PLAIN
    ) -> AsyncIterator[OpenLink]:
        """Open a link where ``master`` says; its connections are closed at the end of the context.

        ``call_seconds_max``: a master that has not answered a call for so long is frozen or gone.

        Raises:
            ConnectionFault: nobody is there.
            LinkBroken: somebody is, and does not want the link.
        """
        async with contextlib.AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(call_seconds_max):
                    granted = await _subscribe(stack, master, link_id, dialing)
                    calls = await Connection.open(granted.master.host, granted.master.port, dialing=dialing)
            except TimeoutError:
                raise LinkBroken(f"no answer within {call_seconds_max:g} s") from None
            stack.callback(calls.close)
            yield cls(link_id, granted, calls, call_seconds_max)

    # -- down ------------------------------------------------------------------------------------------------
    async def records(self) -> AsyncGenerator[agent_link.DownlinkBatch, None]:
        """What the master says, until the link ends.

        Raises:
            ConnectionFault: the connection broke.
            LinkBroken: a call went unanswered or was refused, or the master said that the link is over.
            WireError: what the master sends cannot be read.
        """
        reader = RecordReader()
        try:
            async for chunk in self._granted.chunks:
                for record in reader.feed(chunk):
                    yield agent_link.decode_downlink(record)
        except ConnectionFault:
            raise self._fault or LinkBroken("the connection broke") from None
        raise self._fault or LinkBroken("the master ended the stream")

    # -- up --------------------------------------------------------------------------------------------------
    def say(self, speaker: Hashable, agent_id: AgentId | None, message: agent_link.Uplink) -> None:
        """Queue one message. ``speaker`` tells agents apart that have no id yet."""
        encoded = agent_link.encode_uplink(message)
        size = len(memoryview(encoded))
        if isinstance(message, agent_link.MessageFromExecutor) and self._waiting_bytes + size > WAITING_BYTES_MAX:
            level = logging.DEBUG if self._choked else logging.WARNING
            log.log(level, "A message of executor %s is dropped: the master is far behind", message.executor_id)
            self._choked = True
            return
        self.say_encoded(speaker, agent_id, encoded)

    def say_encoded(self, speaker: Hashable, agent_id: AgentId | None, encoded: msgspec.Raw) -> None:
        """Queue what :func:`~mesos_service.wire.agent_link.encode_uplink` has made, and nobody has to take."""
        self._waiting_bytes += len(memoryview(encoded))
        self._batches.setdefault((speaker, agent_id), deque()).append(encoded)
        self._idle.clear()
        if not self._in_flight and not self._planned:
            # At the end of this turn of the loop: whatever else is said in it goes along.
            self._planned = True
            self._loop.call_soon(self._flush)

    async def idle(self) -> None:
        """Wait until the master has answered all that was said, or the link is broken."""
        await self._idle.wait()

    def break_off(self, why: str) -> None:
        """End the link from this side; who reads :meth:`records` learns why."""
        if self._fault is None:
            self._fault = LinkBroken(why)
        self._batches.clear()
        self._waiting_bytes = 0
        self._idle.set()
        self._granted.stream.close()

    def _flush(self) -> None:
        self._planned = False
        if self._in_flight or not self._batches:
            return
        batches, messages = self._next_call()
        self.calls_sent += 1
        self.messages_sent += messages
        self._send(agent_link.encode_link_messages(self.link_id, batches))

    def _send(self, body: bytes) -> None:
        if self._fault is not None:
            return
        try:
            answer = self._calls.send("POST", self._granted.path, body, _HEADERS)
        except ConnectionFault as fault:
            self.break_off(str(fault))
            return
        self._in_flight = True
        late = f"a call was not answered within {self._call_seconds_max:g} s"
        watch = self._loop.call_later(self._call_seconds_max, self.break_off, late)
        answer.add_done_callback(lambda done: self._answered(watch, body, done))

    def _next_call(self) -> tuple[list[tuple[AgentId | None, list[msgspec.Raw]]], int]:
        """Take the oldest of what waits, up to ``CALL_BYTES_MAX`` and at least one message; and how many these are."""
        batches: list[tuple[AgentId | None, list[msgspec.Raw]]] = []
        count = size = 0
        for speaker, waiting in tuple(self._batches.items()):
            taken: list[msgspec.Raw] = []
            while waiting and (count == 0 or size + len(memoryview(waiting[0])) <= CALL_BYTES_MAX):
                message = waiting.popleft()
                size += len(memoryview(message))
                count += 1
                taken.append(message)
            if taken:
                batches.append((speaker[1], taken))
            if waiting:
                break
            del self._batches[speaker]
        self._waiting_bytes -= size
        return batches, count

    def _answered(self, watch: asyncio.TimerHandle, body: bytes, answer: asyncio.Future[Response]) -> None:
        watch.cancel()
        error = answer.exception()
        if error is not None:
            self._in_flight = False
            self.break_off(str(error))
            return
        response = answer.result()
        if response.status == NOT_NOW and self._may_wait():
            # It has taken nothing, and the link stands: a leader that makes sure that it still leads (X22).
            self._loop.call_later(random.uniform(*AGAIN_SECONDS), self._send, body)
            return
        self._in_flight = False
        self._refused_since = None
        if response.status != ACCEPTED:
            self.break_off(f"a call was answered {_describe(response)}")
        elif self._batches:
            self._flush()
        else:
            self._idle.set()

    def _may_wait(self) -> bool:
        if self._refused_since is None:
            self._refused_since = self._loop.time()
        return self._loop.time() - self._refused_since < self._call_seconds_max


async def _subscribe(
    stack: contextlib.AsyncExitStack, master: MasterAddress, link_id: LinkId, dialing: Dialing
) -> _Granted:
    """Open the stream, where redirects lead if they must."""
    body = agent_link.encode_link_call(agent_link.SubscribeLink(link_id=link_id))
    path = PATH
    for _ in range(REDIRECTS_MAX + 1):
        connection = await Connection.open(master.host, master.port, dialing=dialing)
        stack.callback(connection.close)
        head, chunks = await connection.stream("POST", path, body, _HEADERS)
        if head.status == 200:
            return _Granted(master, path, connection, chunks)
        if head.status != 307:
            advice = "; it knows nobody with this --credential" if head.status == UNAUTHORIZED else ""
            raise LinkBroken(f"{master} answered {_describe(head)}{advice}")
        connection.close()
        master, path = _redirected(head, master)
    raise LinkBroken(f"{master} answered with one redirect too many")


def _redirected(head: Response, master: MasterAddress) -> tuple[MasterAddress, str]:
    """Where a 307 leads. Mesos names the leader without a scheme: ``//host:port/path``."""
    location = head.headers.get("location", "")
    unusable = LinkBroken(f"{master} answered with a redirect to '{location}', which cannot be followed")
    url = urlsplit(location)
    try:
        port = url.port or HTTP_PORT
    except ValueError:
        raise unusable from None
    if not url.hostname or url.scheme not in ("", "http", "https"):
        raise unusable
    return MasterAddress(url.hostname, port), url.path if url.path.endswith(PATH) else PATH


def _describe(response: Response) -> str:
    text = response.body.decode(errors="replace").strip()
    return f"{response.status} {text}".strip()
