"""The operators' stream: a snapshot, and then what changes (M-OM-06)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Self

from mesos_service.http.client import Connection, Response
from mesos_service.local import LocalCluster
from mesos_service.wire import operator
from mesos_service.wire.protobuf.decode import read_message
from mesos_service.wire.recordio import RecordReader
from tests.contract.shapes import differences, recorded
from tests.e2e.conftest import Play
from tests.e2e.raw import Json, RawFramework, command_task

INFO = {"user": "root", "name": "watched", "capabilities": [{"type": "PARTITION_AWARE"}], "failover_timeout": 60}
PROTOBUF = "application/x-protobuf"


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
        async with asyncio.timeout(20):
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


def test_m_om_06_an_operator_follows_a_framework_from_its_first_call_to_its_last(play: Play) -> None:
    async def scenario(cluster: LocalCluster) -> None:
        watcher = await Watcher.subscribe(cluster.master)
        subscribed = await watcher.next("SUBSCRIBED")
        assert subscribed["heartbeat_interval_seconds"] == 15.0
        assert set(subscribed["get_state"]) == {"get_tasks", "get_executors", "get_frameworks", "get_agents"}
        assert len(subscribed["get_state"]["get_agents"]["agents"]) == 2
        assert await watcher.event() == {"type": "HEARTBEAT"}

        framework = await RawFramework.subscribe(cluster.master, INFO)
        added = (await watcher.next("FRAMEWORK_ADDED"))["framework"]
        assert added["framework_info"]["name"] == "watched"
        assert (added["active"], added["connected"], added["recovered"]) == (True, True, False)
        offer = (await framework.event("OFFERS"))["offers"]["offers"][0]
        launch = {"type": "LAUNCH", "launch": {"task_infos": [command_task("t", offer, "exit 3")]}}
        await framework.call("ACCEPT", offer_ids=[offer["id"]], operations=[launch])
        task = (await watcher.next("TASK_ADDED"))["task"]
        assert (task["task_id"], task["state"]) == ({"value": "t"}, "TASK_STAGING")
        for state in ("TASK_STARTING", "TASK_RUNNING", "TASK_FAILED"):
            update = await framework.event("UPDATE")
            told = await watcher.next("TASK_UPDATED")
            assert told["framework_id"] == {"value": framework.framework_id}
            # The latest state may be ahead of the one that is told.
            assert told["status"]["state"] == state
            assert told["status"] == update["update"]["status"]
            await framework.acknowledge(update)

        renamed = {**INFO, "id": {"value": framework.framework_id}, "name": "renamed"}
        assert await framework.call("UPDATE_FRAMEWORK", framework_info=renamed) == (200, "")
        assert (await watcher.next("FRAMEWORK_UPDATED"))["framework"]["framework_info"]["name"] == "renamed"
        await framework.call("TEARDOWN")
        removed = await watcher.next("FRAMEWORK_REMOVED")
        assert removed["framework_info"]["id"] == {"value": framework.framework_id}
        assert watcher.unlike == []
        watcher.close()

    play(scenario)


def test_m_om_06_in_protobuf(play: Play) -> None:
    async def scenario(cluster: LocalCluster) -> None:
        watcher = await Watcher.subscribe(cluster.master, PROTOBUF)
        assert watcher.head.headers["content-type"] == PROTOBUF
        first = read_message(operator.Event, await watcher.record())
        assert first.type == "SUBSCRIBED"
        assert first.subscribed is not None
        assert read_message(operator.Event, await watcher.record()) == operator.Event(type="HEARTBEAT")
        framework = await RawFramework.subscribe(cluster.master, INFO)
        assert read_message(operator.Event, await watcher.record()).type == "FRAMEWORK_ADDED"
        framework.close()
        watcher.close()

    play(scenario)
