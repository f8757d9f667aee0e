"""A framework and an operator that speak protobuf, from the first call to the last (M-PK-03).

Their bytes are made by our own writer, which ``tests/properties/test_protobuf_laws.py`` holds against protobuf's own
library; ``test_mesos_go.py`` runs a client that is all somebody else's.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, Self, TypeVar

import msgspec
import pytest

from mesos_service.http.client import Connection, Response
from mesos_service.local import LocalCluster
from mesos_service.wire import agent_operator, operator, scheduler
from mesos_service.wire.protobuf.decode import read_message
from mesos_service.wire.protobuf.encode import encode_protobuf
from mesos_service.wire.recordio import RecordReader
from tests.e2e.conftest import Play
from tests.e2e.raw import PATH, command_task

PROTOBUF = "application/x-protobuf"
HEADERS = {"Content-Type": PROTOBUF, "Accept": PROTOBUF}
S = TypeVar("S", bound=msgspec.Struct)


async def post(address: str, path: str, body: bytes, headers: dict[str, str]) -> Response:
    host, _, port = address.rpartition(":")
    connection = await Connection.open(host, int(port))
    try:
        return await connection.request("POST", path, body, headers)
    finally:
        connection.close()


def call_of(**fields: Any) -> bytes:
    return encode_protobuf(msgspec.convert(fields, scheduler.Call))


class ProtobufFramework:
    """One subscription; calls go over connections of their own."""

    def __init__(self, master: str, connection: Connection, head: Response, chunks: AsyncIterator[bytes]) -> None:
        self.head = head
        self._master = master
        self._connection = connection
        self._chunks = chunks
        self._reader = RecordReader()
        self._events: list[scheduler.Event] = []
        self.framework_id = ""

    @classmethod
    async def subscribe(cls, master: str, headers: dict[str, str], body: bytes) -> Self:
        host, _, port = master.rpartition(":")
        connection = await Connection.open(host, int(port))
        return cls(master, connection, *await connection.stream("POST", PATH, body, headers))

    async def event(self, kind: str) -> scheduler.Event:
        """The next event of that type."""
        while True:
            while not self._events:
                chunk = await anext(self._chunks)
                records = self._reader.feed(chunk)
                assert len(records) == 1, "one whole record in each chunk"
                self._events += [read_message(scheduler.Event, record) for record in records]
            event = self._events.pop(0)
            if event.subscribed is not None:
                self.framework_id = event.subscribed.framework_id.value
            if event.type == kind:
                return event

    async def call(self, kind: str, **fields: Any) -> tuple[int, bytes]:
        more = {kind.lower(): fields} if fields else {}
        body = call_of(type=kind, framework_id={"value": self.framework_id}, **more)
        headers = {"Content-Type": PROTOBUF, "Mesos-Stream-Id": self.head.headers["mesos-stream-id"]}
        answer = await post(self._master, PATH, body, headers)
        return answer.status, answer.body

    def close(self) -> None:
        self._connection.close()


SUBSCRIBE = call_of(type="SUBSCRIBE", subscribe={"framework_info": {"user": "root", "name": "binary"}})


def test_m_pk_03_a_framework_in_protobuf_from_subscribe_to_teardown(play: Play) -> None:
    async def scenario(cluster: LocalCluster) -> None:
        framework = await ProtobufFramework.subscribe(cluster.master, HEADERS, SUBSCRIBE)
        assert framework.head.status == 200
        assert framework.head.headers["content-type"] == PROTOBUF
        subscribed = (await framework.event("SUBSCRIBED")).subscribed
        assert subscribed is not None
        assert subscribed.heartbeat_interval_seconds == 15.0
        assert subscribed.master_info is not None
        await framework.event("HEARTBEAT")
        offers = (await framework.event("OFFERS")).offers
        assert offers is not None
        offer = max(offers.offers, key=lambda one: len(one.attributes))
        assert [one.text for one in offer.attributes] != []
        assert {"cpus", "mem", "disk", "ports"} == {one.name for one in offer.resources}
        assert offer.url is not None
        task = command_task("t", msgspec.to_builtins(offer), "echo héllo")
        launch = {"type": "LAUNCH", "launch": {"task_infos": [task]}}
        assert await framework.call(
            "ACCEPT", offer_ids=[msgspec.to_builtins(offer.id)], operations=[launch], filters={"refuse_seconds": 0.5}
        ) == (202, b"")
        states = []
        while "TASK_FINISHED" not in states:
            update = (await framework.event("UPDATE")).update
            assert update is not None
            status = update.status
            states.append(status.state)
            assert status.uuid is not None
            assert status.agent_id is not None
            acknowledged = {"agent_id": {"value": status.agent_id.value}, "task_id": {"value": "t"}}
            assert await framework.call("ACKNOWLEDGE", **acknowledged, uuid=status.uuid) == (202, b"")
        assert states == ["TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"]
        assert await framework.call("TEARDOWN") == (202, b"")
        framework.close()

    play(scenario)


@pytest.mark.parametrize(("content_type", "accept"), [(PROTOBUF, "application/json"), ("application/json", PROTOBUF)])
def test_calls_and_events_need_not_be_of_one_form(play: Play, content_type: str, accept: str) -> None:
    async def scenario(cluster: LocalCluster) -> None:
        body = SUBSCRIBE if content_type == PROTOBUF else msgspec.json.encode(read_message(scheduler.Call, SUBSCRIBE))
        host, _, port = cluster.master.rpartition(":")
        connection = await Connection.open(host, int(port))
        head, chunks = await connection.stream("POST", PATH, body, {"Content-Type": content_type, "Accept": accept})
        assert head.headers["content-type"] == accept
        record = RecordReader().feed(await anext(chunks))[0]
        if accept == PROTOBUF:
            assert read_message(scheduler.Event, record).type == "SUBSCRIBED"
        else:
            assert json.loads(record)["type"] == "SUBSCRIBED"
        connection.close()

    play(scenario)


@pytest.mark.parametrize("content_type", [PROTOBUF, "application/json"])
def test_m_pk_03_an_operator_in_protobuf_hears_the_same_as_in_json(play: Play, content_type: str) -> None:
    async def told(address: str, kind: str, call: type[S], response: type[msgspec.Struct]) -> None:
        asked = msgspec.convert({"type": kind}, call)
        in_json = await post(address, "/api/v1", msgspec.json.encode(asked), {"Content-Type": "application/json"})
        body = encode_protobuf(asked) if content_type == PROTOBUF else msgspec.json.encode(asked)
        answer = await post(address, "/api/v1", body, {"Content-Type": content_type, "Accept": PROTOBUF})
        assert answer.status == 200, answer.body
        assert answer.headers["content-type"] == PROTOBUF
        told_in_json = encode_protobuf(msgspec.json.decode(in_json.body, type=response))
        assert read_message(response, answer.body) == read_message(response, told_in_json)

    async def scenario(cluster: LocalCluster) -> None:
        for kind in ("GET_HEALTH", "GET_VERSION", "GET_FLAGS", "GET_AGENTS", "GET_TASKS", "GET_ROLES", "GET_MASTER"):
            await told(cluster.master, kind, operator.Call, operator.Response)
        for kind in ("GET_HEALTH", "GET_VERSION", "GET_FLAGS", "GET_TASKS", "GET_AGENT"):
            await told(cluster.agents[0], kind, agent_operator.Call, agent_operator.Response)

    play(scenario)


def test_m_pk_03_the_recorded_health_is_six_bytes(play: Play) -> None:
    async def scenario(cluster: LocalCluster) -> None:
        for address in (cluster.master, cluster.agents[0]):
            headers = {"Content-Type": "application/json", "Accept": PROTOBUF}
            answer = await post(address, "/api/v1", b'{"type":"GET_HEALTH"}', headers)
            assert (answer.status, len(answer.body)) == (200, 6)

    play(scenario)


def test_m_pk_03_bad_bytes_are_refused_and_nobody_else_is_disturbed(play: Play) -> None:
    async def scenario(cluster: LocalCluster) -> None:
        framework = await ProtobufFramework.subscribe(cluster.master, HEADERS, SUBSCRIBE)
        await framework.event("OFFERS")
        agent = cluster.agents[0]
        for address, path, what in (
            (cluster.master, PATH, b"Call protobuf"),
            (cluster.master, "/api/v1", b"Call protobuf"),
            (agent, "/api/v1/executor", b"Call protobuf"),
            (agent, "/api/v1", b"a protobuf object"),
        ):
            for body in (b"\xff\xff", b"\x0a\x7f", bytes(range(256)), b'{"type":"SUBSCRIBE"}'):
                answer = await post(address, path, body, {"Content-Type": PROTOBUF})
                assert (answer.status, answer.body) == (400, b"Failed to parse body into " + what)
            answer = await post(address, path, b"{}", {"Content-Type": "application/x-protobuf; charset=utf-8"})
            assert answer.status == 415
        answer = await post(agent, "/api/v1/executor", b"\x18\x01", {"Content-Type": PROTOBUF})
        assert answer.body == (
            b"Failed to parse body into Call protobuf: Missing required fields: executor_id, framework_id"
        )
        answer = await post(cluster.master, "/api/v1/agent", b"", {"Content-Type": PROTOBUF})
        assert answer.status == 415, "the link to agents is ours, and JSON"
        assert await framework.call("REVIVE") == (202, b"")
        framework.close()

    play(scenario)
