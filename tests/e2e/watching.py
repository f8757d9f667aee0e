"""Who watches a master's or an agent's events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Self

from mesos_service.http.client import Connection, Response
from mesos_service.wire.recordio import RecordReader
from tests.contract.shapes import differences, recorded
from tests.e2e.raw import Json


class Watcher:
    """One operator's SUBSCRIBE."""

    def __init__(self, connection: Connection, head: Response, chunks: AsyncIterator[bytes]) -> None:
        self.head = head
        self._connection = connection
        self._chunks = chunks
        self._reader = RecordReader()
        self.unlike: list[str] = []
        """How the events differed from those that were recorded."""

    @classmethod
    async def subscribe(cls, master: str, accept: str = "application/json") -> Self:
        host, _, port = master.rpartition(":")
        connection = await Connection.open(host, int(port))
        headers = {"Content-Type": "application/json", "Accept": accept}
        return cls(connection, *await connection.stream("POST", "/api/v1", b'{"type":"SUBSCRIBE"}', headers))

    async def record(self) -> bytes:
        async with asyncio.timeout(60):
            (record,) = self._reader.feed(await anext(self._chunks))
        return record

    async def event(self) -> Json:
        event: Json = json.loads(await self.record())
        found = differences(event, recorded()["events"]["operator"][event["type"]])
        # What this cluster and framework have no use for may be missing.
        self.unlike += [f"{event['type']}: {one}" for one in found if one.kind != "missing"]
        return event

    async def next(self, kind: str) -> Json:
        """The next event, which is of this type; what it tells."""
        event = await self.event()
        while event["type"] == "HEARTBEAT":
            event = await self.event()
        assert event["type"] == kind, event
        told: Json = event[kind.lower()]
        return told

    def close(self) -> None:
        self._connection.close()


async def begin(master: str) -> Watcher:
    watcher = await Watcher.subscribe(master)
    assert watcher.head.status == 200
    assert watcher.head.headers["content-type"] == "application/json"
    await watcher.next("SUBSCRIBED")
    assert await watcher.event() == {"type": "HEARTBEAT"}
    return watcher
