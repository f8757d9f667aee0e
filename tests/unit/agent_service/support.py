"""A master that does as it is told, on a real socket, and how to wait for things."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from mesos_service.http.asgi import Receive, Scope, Send, respond, respond_text
from mesos_service.http.calls import receive_call
from mesos_service.http.held_stream import HeldStream
from mesos_service.http.server import HttpServer, bind
from mesos_service.wire.agent_link import (
    Downlink,
    LinkMessages,
    SubscribeLink,
    Uplink,
    UplinkBatch,
    decode_link_call,
    encode_downlink,
)
from mesos_service.wire.streams import Encoding
from tests.support.waiting import PATIENCE


async def until(condition: Callable[[], object], seconds: float = 30.0 * PATIENCE) -> None:
    """Return when ``condition`` holds; fail when it does not within ``seconds``."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "what was waited for did not happen"
        await asyncio.sleep(0.002)


class FakeMaster:
    """Speaks the agent link and remembers what it was told. ``answering`` off leaves calls without an answer."""

    def __init__(self, port: int = 0) -> None:
        self._server = HttpServer(self, bind("127.0.0.1", port))
        self.port = self._server.port
        self.streams: dict[str, HeldStream] = {}
        self.links: list[str] = []
        """Every link that was opened, oldest first."""
        self.attempts = 0
        """How often somebody tried to open one."""
        self.calls: list[LinkMessages] = []
        self.answering = asyncio.Event()
        self.answering.set()
        self.call_status = 202
        self.redirect: str | None = None
        self.refusal: tuple[int, str] | None = None

    @property
    def batches(self) -> list[UplinkBatch]:
        return [batch for call in self.calls for batch in call.batches]

    def said(self, agent_id: str | None = None) -> list[Uplink]:
        """All that one agent has said, in order."""
        return [message for batch in self.batches if batch.agent_id == agent_id for message in batch.messages]

    def tell(self, agent_id: str | None, *messages: Downlink) -> None:
        self.streams[self.links[-1]].write(encode_downlink(agent_id, messages))

    def hang_up(self) -> None:
        for stream in self.streams.values():
            stream.close()

    async def start(self) -> None:
        await self._server.start()

    async def stop(self) -> None:
        self.answering.set()
        self.hang_up()
        await self._server.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["path"].endswith("/api/v1/agent"), scope["path"]
        posted = await receive_call(scope, receive, send)
        assert posted is not None
        call = decode_link_call(posted.body)
        if isinstance(call, LinkMessages):
            self.calls.append(call)
            await self.answering.wait()
            await respond(send, self.call_status)
            return
        await self._subscribe(call, receive, send)

    async def _subscribe(self, call: SubscribeLink, receive: Receive, send: Send) -> None:
        self.attempts += 1
        if self.redirect is not None:
            await respond(send, 307, headers=((b"location", self.redirect.encode()),))
            return
        if self.refusal is not None:
            await respond_text(send, *self.refusal)
            return
        stream = self.streams[call.link_id] = HeldStream(Encoding.RECORDIO.framer())
        self.links.append(call.link_id)
        try:
            await stream.serve(receive, send, 200, [(b"content-type", b"application/json")])
        finally:
            del self.streams[call.link_id]


@asynccontextmanager
async def fake_master(port: int = 0) -> AsyncIterator[FakeMaster]:
    """A fake master that listens, until the end of the context."""
    master = FakeMaster(port)
    await master.start()
    try:
        yield master
    finally:
        await master.stop()
