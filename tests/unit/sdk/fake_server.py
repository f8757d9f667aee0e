"""A master or agent in small, for the SDK's tests: it records calls, holds streams open and says what it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from mesos_service.http.asgi import CallHeaders, HeaderName, Receive, Scope, Send, read_body, respond
from mesos_service.http.held_stream import HeldStream
from mesos_service.http.server import HttpServer, bind
from mesos_service.wire.recordio import record

# Any: what is in a JSON call is the test's business.
Json = dict[str, Any]


@dataclass
class Answer:
    """How to answer a call of one type."""

    status: int = 202
    text: str = ""
    headers: dict[str, str] = field(default_factory=dict)


class FakeServer:
    """One listening server. ``answers`` replaces the 202, or SUBSCRIBE's stream, by call type."""

    def __init__(self, path: str = "/api/v1/scheduler") -> None:
        self.path = path
        self.calls: list[tuple[CallHeaders, Json]] = []
        self.streams: list[HeldStream] = []
        self.answers: dict[str, Answer] = {}
        self.unanswered: set[str] = set()
        """Types of calls that are never answered, as by a server that is frozen."""
        self.files: dict[str, bytes] = {}
        """What ``/files/read`` shows, by path."""
        self.on_call: Callable[[Json], None] = lambda call: None
        self.on_subscribe: Callable[[HeldStream, Json], None] = lambda stream, call: None
        self._changed = asyncio.Event()
        self._ends = asyncio.Event()
        self._server = HttpServer(self, bind("127.0.0.1", 0))

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.port}"

    async def start(self) -> None:
        await self._server.start()

    async def stop(self) -> None:
        self._ends.set()
        for stream in self.streams:
            stream.close()
        await self._server.stop()

    async def called(self, call_type: str, count: int = 1) -> list[Json]:
        """Wait until there were ``count`` calls of this type, and give them all."""
        async with asyncio.timeout(60):
            while True:
                found = [call for _, call in self.calls if call["type"] == call_type]
                if len(found) >= count:
                    return found
                self._changed.clear()
                await self._changed.wait()

    def send(self, event: Json) -> None:
        """Put an event on the newest stream."""
        self.streams[-1].write(json.dumps(event).encode())

    def thaw(self) -> None:
        """Answer what is unanswered."""
        self._ends.set()

    def end_stream(self) -> None:
        self.streams[-1].close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "GET":
            await self._read_file(scope, send)
            return
        call: Json = json.loads(await read_body(receive))
        headers = CallHeaders.of(scope)
        answer = self.answers.get(call["type"])
        if scope["path"] != self.path:
            answer = Answer(404)
        streams = call["type"] == "SUBSCRIBE" and answer is None
        stream = HeldStream(record)
        if streams:
            self.streams.append(stream)
            self.on_subscribe(stream, call)
        self.calls.append((headers, call))
        self._changed.set()
        if streams:
            stream_id = (HeaderName(b"Mesos-Stream-Id"), f"stream-{len(self.streams)}".encode())
            # Executor streams carry none.
            await stream.serve(receive, send, 200, [stream_id] if "scheduler" in self.path else [])
            return
        self.on_call(call)
        if call["type"] in self.unanswered:
            await self._ends.wait()
        answer = answer or Answer()
        extra = tuple((name.encode(), value.encode()) for name, value in answer.headers.items())
        await respond(send, answer.status, answer.text.encode(), extra)

    async def _read_file(self, scope: Scope, send: Send) -> None:
        asked = parse_qs(scope["query_string"].decode())
        content = self.files.get(asked["path"][0])
        if content is None:
            await respond(send, 404)
            return
        offset, length = int(asked["offset"][0]), int(asked["length"][0])
        shown = b"" if offset < 0 else content[offset : offset + length]
        answer = {"data": shown.decode(errors="replace"), "offset": len(content) if offset < 0 else offset}
        await respond(send, 200, json.dumps(answer).encode())


def subscribe_framework(stream: HeldStream, call: Json, heartbeat_seconds: float = 15.0) -> None:
    """SUBSCRIBED as a master sends it; a framework without an id becomes F1."""
    framework_id = call.get("framework_id", {"value": "F1"})
    subscribed = {"framework_id": framework_id, "heartbeat_interval_seconds": heartbeat_seconds}
    stream.write(json.dumps({"type": "SUBSCRIBED", "subscribed": subscribed}).encode())


@contextlib.asynccontextmanager
async def fake_master() -> AsyncIterator[FakeServer]:
    """A master that takes every subscription."""
    server = FakeServer()
    server.on_subscribe = subscribe_framework
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
