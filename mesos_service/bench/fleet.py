"""Emulated agents: many on a few links, over real HTTP. They run nothing; they say what agents say, when they say it.

What is emulated is the body only: registration, one status update at a time per task (RUNNING, then after the task's
length FINISHED), the next only once the one before is acknowledged. Bodies are written by hand where a full codec
would make the driver, not the master, the thing measured.
"""

from __future__ import annotations

import asyncio
import base64
import os
import random
import time
from collections.abc import Callable

import msgspec

from mesos_service.http.client import Connection, ConnectionFault
from mesos_service.wire.agent_link import (
    AgentDescription,
    LinkMessages,
    Register,
    SubscribeLink,
    UplinkBatch,
    encode_link_call,
)
from mesos_service.wire.agents import AgentInfo
from mesos_service.wire.recordio import RecordReader
from mesos_service.wire.resources import Resource, ValueRange, ValueRanges, ValueScalar

HEADERS = {"Content-Type": "application/json"}
SLOT_CPUS = 1.0
SLOT_MEM = 1024.0


class _Id(msgspec.Struct):
    value: str


class _Task(msgspec.Struct):
    task_id: _Id


class _Framework(msgspec.Struct):
    id: _Id


class _Down(msgspec.Struct):
    """The few fields of a downlink message that matter here; of all message types at once."""

    type: str
    registration: str = ""
    agent_id: str = ""
    framework: _Framework | None = None
    task: _Task | None = None
    framework_id: str = ""
    task_id: str = ""


class _Batch(msgspec.Struct):
    messages: list[_Down]
    agent_id: str | None = None


_BATCH = msgspec.json.Decoder(_Batch)


def _resources(cpus: float, mem: float) -> tuple[Resource, ...]:
    return (
        Resource(name="cpus", type="SCALAR", scalar=ValueScalar(value=cpus)),
        Resource(name="mem", type="SCALAR", scalar=ValueScalar(value=mem)),
        Resource(name="disk", type="SCALAR", scalar=ValueScalar(value=mem)),
        Resource(name="ports", type="RANGES", ranges=ValueRanges(range=(ValueRange(begin=31000, end=32000),))),
    )


class Fleet:
    """``agents`` emulated agents of one slot each on ``links`` links to one master.

    ``starts`` counts RUN_TASKs; ``idle_seconds`` has, for each, how long its slot had been free, since FINISHED was
    handed to the link.
    """

    def __init__(self, host: str, port: int, agents: int, links: int, task_seconds: Callable[[], float]) -> None:
        self._address = (host, port)
        self._count = agents
        self._links = [_Link(self, index) for index in range(links)]
        self.task_seconds = task_seconds
        self.registered = 0
        self.starts = 0
        self.idle_seconds: list[float] = []
        self.freed_at: dict[str, float] = {}
        self.all_registered = asyncio.Event()

    async def start(self) -> None:
        """Connect and register everybody; returns when all are registered."""
        share, rest = divmod(self._count, len(self._links))
        for index, link in enumerate(self._links):
            await link.open(*self._address)
            link.register(share + (1 if index < rest else 0))
        await self.all_registered.wait()

    def on_registered(self) -> None:
        self.registered += 1
        if self.registered == self._count:
            self.all_registered.set()

    def close(self) -> None:
        for link in self._links:
            link.close()


class _Link:
    """One link: a stream down, and at most one MESSAGES call up at a time."""

    def __init__(self, fleet: Fleet, index: int) -> None:
        self._fleet = fleet
        self._index = index
        self._id = f"fleet-{os.getpid()}-{index}"
        self._up: list[bytes] = []
        self._flushing: asyncio.Task[None] | None = None
        self._calls: Connection | None = None
        self._stream: Connection | None = None
        self._reader: asyncio.Task[None] | None = None
        # Per (agent, task): the framework, and the state whose acknowledgement is awaited.
        self._tasks: dict[tuple[str, str], tuple[str, str]] = {}
        self._random = random.Random(index)
        self._closed = False

    async def open(self, host: str, port: int) -> None:
        self._calls = await Connection.open(host, port)
        self._stream = await Connection.open(host, port)
        body = encode_link_call(SubscribeLink(link_id=self._id))
        head, chunks = await self._stream.stream("POST", "/api/v1/agent", body, HEADERS)
        if head.status != 200:
            raise RuntimeError(f"the master refused the link: {head.status} {head.body!r}")

        async def read() -> None:
            decoder = RecordReader()
            async for chunk in chunks:
                for record in decoder.feed(chunk):
                    self._on_batch(_BATCH.decode(record))

        self._reader = asyncio.create_task(read())

    def close(self) -> None:
        self._closed = True
        for connection in (self._calls, self._stream):
            if connection is not None:
                connection.close()
        if self._reader is not None:
            self._reader.cancel()

    def register(self, count: int) -> None:
        for number in range(count):
            name = f"agent-{self._index}-{number}"
            info = AgentInfo(hostname=name, port=5051, resources=_resources(SLOT_CPUS, SLOT_MEM))
            description = AgentDescription(info=info, ip="127.0.0.1")
            message = Register(agent=description, registration=name)
            call = encode_link_call(LinkMessages(link_id="", batches=(UplinkBatch(messages=(message,)),)))
            self._say(call[call.index(b'"batches":[') + len(b'"batches":[') : -2])

    def _say(self, batch: bytes) -> None:
        self._up.append(batch)
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())

    async def _flush(self) -> None:
        assert self._calls is not None
        while self._up:
            batches, self._up = self._up, []
            body = b'{"type":"MESSAGES","link_id":"%s","batches":[%s]}' % (self._id.encode(), b",".join(batches))
            try:
                response = await self._calls.send("POST", "/api/v1/agent", body, HEADERS)
            except ConnectionFault:
                if self._closed:
                    return
                raise
            if response.status != 202:
                raise RuntimeError(f"the master refused messages: {response.status} {response.body!r}")

    def _on_batch(self, batch: _Batch) -> None:
        agent_id = batch.agent_id or ""
        for message in batch.messages:
            match message.type:
                case "RUN_TASK":
                    self._on_run(agent_id, message)
                case "ACKNOWLEDGE":
                    self._on_acknowledged(agent_id, message)
                case "PING":
                    self._say(b'{"agent_id":"%s","messages":[{"type":"PONG"}]}' % agent_id.encode())
                case "REGISTERED":
                    self._fleet.on_registered()

    def _on_run(self, agent_id: str, message: _Down) -> None:
        assert message.framework is not None and message.task is not None
        fleet = self._fleet
        fleet.starts += 1
        freed = fleet.freed_at.pop(agent_id, None)
        if freed is not None:
            fleet.idle_seconds.append(time.monotonic() - freed)
        framework_id, task_id = message.framework.id.value, message.task.task_id.value
        self._tasks[agent_id, task_id] = (framework_id, "TASK_RUNNING")
        self._update(agent_id, framework_id, task_id, "TASK_RUNNING")

    def _on_acknowledged(self, agent_id: str, message: _Down) -> None:
        key = (agent_id, message.task_id)
        framework_id, state = self._tasks.get(key, ("", ""))
        if state == "TASK_RUNNING":
            self._tasks[key] = (framework_id, "")
            loop = asyncio.get_running_loop()
            loop.call_later(self._fleet.task_seconds(), self._finish, agent_id, framework_id, message.task_id)
        elif state == "TASK_FINISHED":
            del self._tasks[key]

    def _finish(self, agent_id: str, framework_id: str, task_id: str) -> None:
        if self._closed:
            return
        self._tasks[agent_id, task_id] = (framework_id, "TASK_FINISHED")
        self._fleet.freed_at[agent_id] = time.monotonic()
        self._update(agent_id, framework_id, task_id, "TASK_FINISHED")

    def _update(self, agent_id: str, framework_id: str, task_id: str, state: str) -> None:
        raw = bytearray(self._random.getrandbits(128).to_bytes(16, "big"))
        raw[6] = raw[6] & 0x0F | 0x40
        self._say(
            (
                '{"agent_id":"%s","messages":[{"type":"UPDATE","framework_id":"%s","executor_id":"%s",'
                '"latest_state":"%s","status":{"task_id":{"value":"%s"},"state":"%s","source":"SOURCE_EXECUTOR",'
                '"agent_id":{"value":"%s"},"executor_id":{"value":"%s"},"timestamp":%.6f,"uuid":"%s"}}]}'
                % (
                    agent_id,
                    framework_id,
                    task_id,
                    state,
                    task_id,
                    state,
                    agent_id,
                    task_id,
                    time.time(),
                    base64.b64encode(raw).decode(),
                )
            ).encode()
        )
