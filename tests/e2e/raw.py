"""A framework without the SDK: JSON over HTTP as anybody could write it, and a stream in any of its three encodings."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, Self

import msgspec

from mesos_service.domain.resources import Resources
from mesos_service.http.client import Connection, Response
from mesos_service.wire.convert.values import resources_from_wire
from mesos_service.wire.offers import Offer

PATH: Final = "/api/v1/scheduler"
WAIT_SECONDS: Final = 60.0
FOREVER: Final = {"refuse_seconds": 1e6}

Json = dict[str, Any]  # Any: JSON documents
Cutter = Callable[[bytearray], bytes | None]
"""Takes the next whole record off the front of what has come; ``None`` while there is none."""


def cut_record(buffer: bytearray) -> bytes | None:
    """RecordIO: the length in bytes, a newline, and so many bytes."""
    length, newline, rest = bytes(buffer).partition(b"\n")
    if not newline or len(rest) < int(length):
        return None
    del buffer[: len(length) + 1 + int(length)]
    return rest[: int(length)]


def cut_line(buffer: bytearray) -> bytes | None:
    """JSON Lines: up to the newline."""
    line, newline, _ = bytes(buffer).partition(b"\n")
    if not newline:
        return None
    del buffer[: len(line) + 1]
    return line


def cut_sent_event(buffer: bytearray) -> bytes | None:
    """Server-sent events: fields up to an empty line."""
    block, end, _ = bytes(buffer).partition(b"\n\n")
    if not end:
        return None
    del buffer[: len(block) + 2]
    return block


class RawFramework:
    """One subscription and a connection for calls; made by :meth:`subscribe`."""

    def __init__(self, stream: Connection, calls: Connection, head: Response, chunks: AsyncIterator[bytes]) -> None:
        self.head = head
        self.stream = stream
        self.framework_id = ""
        self._calls = calls
        self._chunks = chunks
        self._buffer = bytearray()

    @classmethod
    async def subscribe(cls, master: str, info: Json, accept: str = "application/json", **more: object) -> Self:
        """POST a SUBSCRIBE, ``more`` beside its FrameworkInfo, and wait for the head of its answer."""
        host, _, port = master.rpartition(":")
        stream = await Connection.open(host, int(port))
        call = {"type": "SUBSCRIBE", "subscribe": {"framework_info": info, **more}}
        if "id" in info:
            # Who comes back says so twice.
            call["framework_id"] = info["id"]
        body = json.dumps(call).encode()
        head, chunks = await stream.stream("POST", PATH, body, {"Content-Type": "application/json", "Accept": accept})
        assert head.status == 200, head.body
        return cls(stream, await Connection.open(host, int(port)), head, chunks)

    async def record(self, cut: Cutter = cut_record) -> bytes:
        """The next record as it stands on the stream, without its frame."""
        async with asyncio.timeout(WAIT_SECONDS):
            while (found := cut(self._buffer)) is None:
                self._buffer += await anext(self._chunks)
        return found

    async def event(self, kind: str | None = None) -> Json:
        """The next event of a RecordIO stream; the next of that type, when one is named."""
        while True:
            event: Json = json.loads(await self.record())
            if event["type"] == "SUBSCRIBED":
                self.framework_id = event["subscribed"]["framework_id"]["value"]
            if kind in (None, event["type"]):
                return event

    async def call(self, kind: str, **fields: object) -> tuple[int, str]:
        """Make a call; its status and text. The fields are the sub-message's, which goes by the type's name."""
        return await self.post({"type": kind, **({kind.lower(): fields} if fields else {})})

    async def post(self, call: Json) -> tuple[int, str]:
        """Send any document as a call of this framework."""
        body = json.dumps({"framework_id": {"value": self.framework_id}, **call}).encode()
        headers = {"Content-Type": "application/json", "Mesos-Stream-Id": self.head.headers["mesos-stream-id"]}
        answer = await self._calls.request("POST", PATH, body, headers)
        return answer.status, answer.body.decode()

    async def acknowledge(self, update: Json, uuid: str | None = None) -> None:
        """Acknowledge an UPDATE event; ``uuid`` where it is to be spelled in another way."""
        status = update["update"]["status"]
        if "uuid" in status:
            uuid = uuid or status["uuid"]
            done = await self.call("ACKNOWLEDGE", agent_id=status["agent_id"], task_id=status["task_id"], uuid=uuid)
            assert done == (202, "")

    def close(self) -> None:
        """Go away without a word."""
        self.stream.close()
        self._calls.close()


def scalar(name: str, value: object) -> Json:
    return {"name": name, "type": "SCALAR", "scalar": {"value": value}}


def command_task(task_id: str, offer: Json, command: str) -> Json:
    """A small command task on the agent of an offer."""
    return {
        "name": task_id,
        "task_id": {"value": task_id},
        "agent_id": offer["agent_id"],
        "resources": [scalar("cpus", 0.1), scalar("mem", 16)],
        "command": {"value": command},
    }


async def get(address: str, path: str) -> Any:  # Any: JSON documents
    """What a service answers to a GET."""
    host, _, port = address.rpartition(":")
    connection = await Connection.open(host, int(port))
    try:
        answer = await connection.request("GET", path)
        assert answer.status == 200, answer.body
        return json.loads(answer.body)
    finally:
        connection.close()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Ask again and again, as another process or machine would have to."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not await condition():  # noqa: ASYNC110 - what is waited for happens elsewhere
            await asyncio.sleep(0.01)


def info(name: str, role: str) -> Json:
    capabilities = [{"type": "MULTI_ROLE"}, {"type": "RESERVATION_REFINEMENT"}]
    return {"user": "root", "name": name, "roles": [role], "capabilities": capabilities}


def held(offer: Json) -> Resources:
    """All that an offer holds."""
    resources, refusal = resources_from_wire(msgspec.convert(offer, Offer).resources)
    assert refusal is None
    return resources.unallocated()


def task(task_id: str, offer: Json, cpus: float, mem: float, command: str = "sleep 1000") -> Json:
    return command_task(task_id, offer, command) | {"resources": [scalar("cpus", cpus), scalar("mem", mem)]}


async def offers_of(framework: RawFramework, count: int) -> list[Json]:
    """The next so many offers, the largest first."""
    found: list[Json] = []
    while len(found) < count:
        found += (await framework.event("OFFERS"))["offers"]["offers"]
    assert len(found) == count
    return sorted(found, key=lambda one: -held(one).scalar("cpus"))


async def launch(framework: RawFramework, offer: Json, *infos: Json) -> None:
    operation = {"type": "LAUNCH", "launch": {"task_infos": infos}}
    accepted = await framework.call("ACCEPT", offer_ids=[offer["id"]], operations=[operation], filters=FOREVER)
    assert accepted == (202, "")


async def reach(framework: RawFramework, state: str, *task_ids: str) -> None:
    """Acknowledge updates until all these tasks have come to that state."""
    missing = set(task_ids)
    while missing:
        update = await framework.event("UPDATE")
        await framework.acknowledge(update)
        status = update["update"]["status"]
        assert status["state"] in ("TASK_STARTING", "TASK_RUNNING", state), status
        if status["state"] == state:
            missing.discard(status["task_id"]["value"])
