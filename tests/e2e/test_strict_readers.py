"""Readers of JSON that take it for protobuf, and refuse fields that they do not know and messages that lack a required
one, as Go's ``protojson`` does for mesos-compose and its like (M-PK-03, M-SC-01).

What this project adds to Mesos' messages has to be asked for, then, and what Mesos requires always has to be there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from mesos_service.http.client import Connection
from mesos_service.local import LocalCluster
from mesos_service.wire import agent_operator, operator, scheduler
from mesos_service.wire.protobuf.decode import read_message
from mesos_service.wire.protobuf.encode import encode_protobuf
from tests.e2e.conftest import Play
from tests.e2e.raw import Json, RawFramework, command_task, scalar
from tests.support.descriptors import as_protobuf_has_it

INFO = {"user": "root", "name": "strict", "roles": ["strict"], "failover_timeout": 3600, "checkpoint": True}
CAPABILITIES = ["MULTI_ROLE", "PARTITION_AWARE", "RESERVATION_REFINEMENT", "TASK_KILLING_STATE"]
MASTER_READS = (
    "GET_HEALTH GET_FLAGS GET_VERSION GET_LOGGING_LEVEL GET_STATE GET_AGENTS GET_FRAMEWORKS GET_EXECUTORS GET_TASKS "
    "GET_OPERATIONS GET_ROLES GET_WEIGHTS GET_MASTER GET_MAINTENANCE_STATUS GET_MAINTENANCE_SCHEDULE GET_QUOTA"
)
AGENT_READS = (
    "GET_HEALTH GET_FLAGS GET_VERSION GET_LOGGING_LEVEL GET_STATE GET_AGENT GET_FRAMEWORKS GET_EXECUTORS GET_TASKS "
    "GET_OPERATIONS GET_CONTAINERS GET_RESOURCE_PROVIDERS"
)


def read_strictly(cls: type[msgspec.Struct], document: Json) -> None:
    assert as_protobuf_has_it(cls, document) == document
    # Refuses what lacks a required field.
    read_message(cls, encode_protobuf(msgspec.convert(document, cls)))


def agents_in(document: Any) -> Iterator[Json]:
    """Every AgentInfo of an answer. Any: JSON documents."""
    if isinstance(document, dict):
        for name, one in document.items():
            if name == "agent_info":
                yield one
            yield from agents_in(one)
    elif isinstance(document, list):
        for one in document:
            yield from agents_in(one)


async def answer(address: str, call: str) -> Json:
    host, _, port = address.rpartition(":")
    connection = await Connection.open(host, int(port))
    try:
        sent = json.dumps({"type": call}).encode()
        found = await connection.request("POST", "/api/v1", sent, {"Content-Type": "application/json"})
        assert found.status == 200, found.body
        document: Json = json.loads(found.body)
        return document
    finally:
        connection.close()


async def strictly_read(cluster: LocalCluster) -> None:
    """Both services, by all reads. Masters print ``checkpoint`` of agents, which v1's .proto has not (recorded)."""
    for call in MASTER_READS.split():
        document = await answer(cluster.master, call)
        for agent in agents_in(document):
            assert agent.pop("checkpoint") in (True, False)
        read_strictly(operator.Response, document)
    for call in AGENT_READS.split():
        read_strictly(agent_operator.Response, await answer(cluster.agents[0], call))


def test_m_sc_01_events_and_answers_hold_what_mesos_has_and_no_more(play: Play) -> None:
    async def scenario(cluster: LocalCluster) -> None:
        info = {**INFO, "capabilities": [{"type": one} for one in CAPABILITIES]}
        framework = await RawFramework.subscribe(cluster.master, info)
        seen: set[str] = set()

        async def event(kind: str) -> Json:
            while True:
                one = await framework.event()
                read_strictly(scheduler.Event, one)
                seen.add(one["type"])
                if one["type"] == kind:
                    return one

        await event("SUBSCRIBED")
        offer = (await event("OFFERS"))["offers"]["offers"][0]
        needs = [scalar("cpus", 0.1), scalar("mem", 32), scalar("disk", 16)]
        checked = {
            **command_task("checked", offer, "exec sleep 1000"),
            "health_check": {"type": "COMMAND", "command": {"value": "true"}, "delay_seconds": 0},
            "check": {"type": "COMMAND", "command": {"command": {"value": "exit 3"}}},
            "discovery": {"visibility": "FRAMEWORK", "ports": {"ports": [{"number": 80, "name": "http"}]}},
            "labels": {"labels": [{"key": "k"}]},
        }
        invalid = {**command_task("invalid", offer, "true"), "resources": []}
        pod = {"type": "DEFAULT", "executor_id": {"value": "pod"}, "resources": needs}
        group = {"executor": pod, "task_group": {"tasks": [command_task("in-pod", offer, "exit 1")]}}
        # Of the role that the offer is for.
        reserved = {**scalar("cpus", 0.1), "reservations": [{"type": "DYNAMIC", "role": "strict"}]}
        operations = [
            {"type": "LAUNCH", "launch": {"task_infos": [checked, invalid]}},
            {"type": "LAUNCH_GROUP", "launch_group": group},
            {"type": "RESERVE", "id": {"value": "op"}, "reserve": {"resources": [reserved]}},
        ]
        assert (await framework.call("ACCEPT", offer_ids=[offer["id"]], operations=operations))[0] == 202
        states: dict[str, list[str]] = {}
        while states.get("checked", [])[-1:] != ["TASK_RUNNING"] or "TASK_FAILED" not in states.get("in-pod", []):
            update = await event("UPDATE")
            status = update["update"]["status"]
            states.setdefault(status["task_id"]["value"], []).append(status["state"])
            await framework.acknowledge(update)
        assert states["invalid"] == ["TASK_ERROR"]
        await strictly_read(cluster)
        await framework.call("RECONCILE", tasks=[{"task_id": {"value": "nobody"}}])
        await framework.call("KILL", task_id={"value": "checked"})
        while not {"UPDATE_OPERATION_STATUS", "FAILURE", "HEARTBEAT"} <= seen or states["checked"][-1] != "TASK_KILLED":
            one = await framework.event()
            read_strictly(scheduler.Event, one)
            seen.add(one["type"])
            if one["type"] == "UPDATE":
                status = one["update"]["status"]
                states.setdefault(status["task_id"]["value"], []).append(status["state"])
                await framework.acknowledge(one)
        assert states["checked"][-2:] == ["TASK_KILLING", "TASK_KILLED"]
        await framework.call("TEARDOWN")
        await strictly_read(cluster)
        framework.close()

    play(scenario)
