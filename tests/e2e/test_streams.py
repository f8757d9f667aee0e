"""The scheduler API over real HTTP, byte by byte: three encodings of one stream, lenient calls, readers who leave."""

from __future__ import annotations

import asyncio
import base64
import json
import re

import pytest

from mesos_service.local import LocalCluster
from tests.e2e.conftest import Play
from tests.e2e.raw import Cutter, Json, RawFramework, command_task, cut_line, cut_record, cut_sent_event, get, scalar

INFO: Json = {"user": "root", "name": "raw", "roles": ["r"], "capabilities": [{"type": "MULTI_ROLE"}]}
ENCODINGS: dict[str, Cutter] = {
    "application/json": cut_record,
    "application/jsonl": cut_line,
    "text/event-stream": cut_sent_event,
}


def without_names(event: str, framework_id: str) -> str:
    """What differs between two frameworks that go through the same: ids that count up, random ones, and times."""
    event = event.replace(framework_id, "FRAMEWORK")
    event = re.sub(r'-O\d+"', '-O"', event)
    return re.sub(r'"timestamp":[0-9.e+]+', '"timestamp":0', event)


async def one_life(cluster: LocalCluster, accept: str) -> tuple[list[bytes], list[str]]:
    """The records of a framework that does a bit of everything at once, as they came and as events to compare."""
    framework = await RawFramework.subscribe(cluster.master, {**INFO, "roles": ["r"]}, accept)
    cut = ENCODINGS[accept]
    records: list[bytes] = []

    async def hear() -> Json:
        records.append(await framework.record(cut))
        event: Json = json.loads(payload(records[-1], accept))
        return event

    subscribed = await hear()
    framework.framework_id = subscribed["subscribed"]["framework_id"]["value"]
    assert (await hear())["type"] == "HEARTBEAT"
    (offer, _) = offers = sorted((await hear())["offers"]["offers"], key=lambda one: str(one["agent_id"]))
    giant = command_task("giant", offer, "true") | {"resources": [scalar("cpus", 1000)]}
    launch = {"type": "LAUNCH", "launch": {"task_infos": [giant]}}
    reserve = {"type": "RESERVE", "id": {"value": "op"}, "reserve": {"resources": []}}
    forever = {"refuse_seconds": 1e6}
    ids = [one["id"] for one in offers]
    assert await framework.call("ACCEPT", offer_ids=ids[:1], operations=[launch, reserve], filters=forever) == (202, "")
    assert await framework.call("DECLINE", offer_ids=ids[1:], filters=forever) == (202, "")
    assert await framework.call("RECONCILE", tasks=[{"task_id": {"value": 'ärger\n\n"quoted"'}}]) == (202, "")
    asked = [{"operation_id": {"value": "op"}}]
    assert await framework.call("RECONCILE_OPERATIONS", operations=asked) == (202, "")
    while len(records) < 7:
        await hear()
    assert await framework.call("TEARDOWN") == (202, "")
    framework.close()
    return records, [without_names(payload(one, accept), framework.framework_id) for one in records]


def payload(record: bytes, accept: str) -> str:
    text = record.decode()
    return text.partition("\ndata: ")[2] if accept == "text/event-stream" else text


def test_n05_the_same_events_in_recordio_json_lines_and_server_sent_events(play: Play) -> None:
    async def scenario(cluster: LocalCluster) -> None:
        lives = {accept: await one_life(cluster, accept) for accept in ENCODINGS}
        events = lives["application/json"][1]
        assert [json.loads(event)["type"] for event in events] == [
            "SUBSCRIBED",
            "HEARTBEAT",
            "OFFERS",
            "UPDATE",
            "UPDATE_OPERATION_STATUS",
            "UPDATE",
            "UPDATE_OPERATION_STATUS",
        ]
        assert in_any_order(lives["application/jsonl"][1]) == in_any_order(events)
        assert in_any_order(lives["text/event-stream"][1]) == in_any_order(events)
        heads = [record.partition(b"\n")[0] for record in lives["text/event-stream"][0]]
        assert heads == [b"id: %d" % number for number in range(1, 8)], "numbered, so that a browser knows where it is"

    play(scenario)


def in_any_order(events: list[str]) -> list[str]:
    """Agents come in an order drawn anew for each pass, and so do the offers within the one OFFERS event."""
    found = []
    for text in events:
        event = json.loads(text)
        if event["type"] == "OFFERS":
            event["offers"]["offers"].sort(key=lambda one: one["agent_id"]["value"])
        found.append(json.dumps(event))
    return found


@pytest.mark.parametrize("accept", ENCODINGS)
def test_n05_the_answer_says_which_encoding_it_is(play: Play, accept: str) -> None:
    async def scenario(cluster: LocalCluster) -> None:
        framework = await RawFramework.subscribe(cluster.master, INFO, accept)
        assert framework.head.headers["content-type"] == accept
        assert framework.head.headers["transfer-encoding"] == "chunked"
        framework.close()

    play(scenario)


def test_m_se_07_a_framework_that_reserves_hears_that_it_cannot(play: Play) -> None:
    async def scenario(cluster: LocalCluster) -> None:
        framework = await RawFramework.subscribe(cluster.master, INFO)
        offers = await framework.event("OFFERS")
        offer = offers["offers"]["offers"][0]
        reserve = {"type": "RESERVE", "id": {"value": "op-1"}, "reserve": {"resources": [scalar("cpus", 1)]}}
        assert await framework.call("ACCEPT", offer_ids=[offer["id"]], operations=[reserve]) == (202, "")
        told = await framework.event("UPDATE_OPERATION_STATUS")
        status = told["update_operation_status"]["status"]
        assert (status["operation_id"], status["state"]) == ({"value": "op-1"}, "OPERATION_ERROR")
        assert "op-1" in status["message"]
        assert "uuid" not in status
        prefix = f"master/frameworks/raw/{framework.framework_id}/events"
        assert (await get(cluster.master, "/metrics/snapshot"))[f"{prefix}/update_operation_status"] == 1.0
        framework.close()

    play(scenario)


def test_x61_forgiving_json_is_understood_from_subscribe_to_acknowledge(play: Play) -> None:
    """Unknown fields, null, one object for a list, numbers as text, an unknown enum name, base64 without its end."""

    async def scenario(cluster: LocalCluster) -> None:
        info: Json = {
            "user": "root",
            "name": "lenient",
            "roles": "r",
            "failover_timeout": "0",
            "checkpoint": "true",
            "hostname": None,
            "capabilities": [{"type": "MULTI_ROLE"}, {"type": "NOT_INVENTED_YET"}, None],
            "not_invented_yet": {"deep": [1, None]},
        }
        framework = await RawFramework.subscribe(cluster.master, info)
        offers = (await framework.event("OFFERS"))["offers"]["offers"]
        task = command_task("t", offers[0], 'test "$WORD" = "word" && echo "$WORD"') | {
            "resources": [scalar("cpus", "0.1"), [scalar("mem", "16")]],
            "labels": None,
            "data": base64.b64encode(b"abcd").decode().rstrip("="),
        }
        variables = {"name": "WORD", "value": "word", "type": None}
        task["command"] |= {"shell": "true", "environment": {"variables": variables}}
        operation = {"type": "LAUNCH", "launch": {"task_infos": task, "not_invented_yet": 1}}
        accepted = await framework.call(
            "ACCEPT",
            offer_ids=offers[0]["id"],
            operations=operation,
            filters={"refuse_seconds": "1e6"},
        )
        assert accepted == (202, "")
        states: list[str] = []
        while not states or states[-1] in ("TASK_STARTING", "TASK_RUNNING"):
            update = await framework.event("UPDATE")
            status = update["update"]["status"]
            states.append(status["state"])
            uuid = status["uuid"]
            assert len(base64.b64decode(uuid, validate=True)) == 16, "ours is exact base64, whatever we take"
            await framework.acknowledge(update, uuid=uuid.rstrip("="))
        assert states == ["TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"], status
        framework.close()

    play(scenario)


def test_x61_a_limit_may_be_infinite(play: Play) -> None:
    """It is understood: what the agent minds is that it has no isolator to lift a limit with."""

    async def scenario(cluster: LocalCluster) -> None:
        framework = await RawFramework.subscribe(cluster.master, INFO)
        offer = (await framework.event("OFFERS"))["offers"]["offers"][0]
        task = command_task("t", offer, "true") | {"limits": {"mem": {"value": "Infinity"}}}
        launch = {"type": "LAUNCH", "launch": {"task_infos": [task]}}
        assert await framework.call("ACCEPT", offer_ids=[offer["id"]], operations=[launch]) == (202, "")
        status = (await framework.event("UPDATE"))["update"]["status"]
        assert "'cgroups/mem' isolator" in status["message"]
        task["limits"] = {"mem": {"value": "Endless"}}
        text = "Failed to parse 'Endless' as a JSON number for field 'value'"
        refused = await framework.call("ACCEPT", offer_ids=[offer["id"]], operations=[launch])
        assert refused[0] == 400 and text in refused[1]
        framework.close()

    play(scenario)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ({"type": "NOT_INVENTED_YET"}, "Failed to validate scheduler::Call: Expecting 'type' to be present"),
        (
            {"type": "KILL", "kill": {"task_id": "t"}},
            "Failed to convert JSON into Call protobuf: Not expecting a JSON string for field 'task_id'",
        ),
        (
            {"type": "MESSAGE", "message": {"agent_id": {"value": "a"}, "executor_id": {"value": "e"}, "data": "%"}},
            "Failed to convert JSON into Call protobuf: Failed to base64 decode bytes field 'data': "
            "Invalid character '%'",
        ),
        (
            {"type": "DECLINE", "decline": {"filters": {"refuse_seconds": "soon"}}},
            "Failed to convert JSON into Call protobuf: Failed to parse 'soon' as a JSON number for field "
            "'refuse_seconds': syntax error at line 1 near: ",
        ),
    ],
)
def test_x61_what_cannot_be_understood_is_400_with_the_reason(play: Play, call: Json, text: str) -> None:
    async def scenario(cluster: LocalCluster) -> None:
        framework = await RawFramework.subscribe(cluster.master, INFO)
        await framework.event("SUBSCRIBED")
        assert await framework.post(call) == (400, text)
        framework.close()

    play(scenario)


def test_x63_a_reader_who_leaves_is_noticed_while_nothing_is_being_sent(play: Play) -> None:
    """The next heartbeat is 15 s away, and the framework has suppressed offers: only the closed connection tells."""

    async def scenario(cluster: LocalCluster) -> None:
        framework = await RawFramework.subscribe(cluster.master, {**INFO, "failover_timeout": 600.0})
        events = [await framework.event() for _ in range(2)]
        assert [event["type"] for event in events] == ["SUBSCRIBED", "HEARTBEAT"]
        assert await framework.call("SUPPRESS") == (202, "")
        assert await connected(cluster.master) == [True]
        framework.close()
        async with asyncio.timeout(60):
            while await connected(cluster.master) != [False]:  # noqa: ASYNC110 - the master's view of it
                await asyncio.sleep(0.01)

    play(scenario)


async def connected(master: str) -> list[bool]:
    return [one["connected"] for one in (await get(master, "/frameworks"))["frameworks"]]
