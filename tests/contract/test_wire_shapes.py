"""The structs know every key that Apache Mesos was seen to send or to take, print it in the same order and type.

Each recorded shape is filled with samples, read into the struct, and printed again: nothing may be lost, added,
retyped or moved. For calls, which clients write as they like, only losing something counts.
"""

from __future__ import annotations

import json
from typing import Any, get_args

import msgspec
import pytest

from mesos_service.wire import agent_operator, executor, operator, scheduler
from mesos_service.wire.decode import (
    decode_executor_call,
    decode_scheduler_call,
    read_agent_call,
    read_executor_call,
    read_operator_call,
    read_scheduler_call,
)
from mesos_service.wire.errors import WireError
from tests.contract.shapes import differences, recorded, samples, shape_of

EVENTS: dict[str, type[msgspec.Struct]] = {
    "scheduler": scheduler.Event,
    "executor": executor.Event,
    "operator": operator.Event,
}
CALLS: dict[str, Any] = {"scheduler": decode_scheduler_call, "executor": decode_executor_call}


def printed_again(value: Any, cls: type[msgspec.Struct]) -> Any:
    return json.loads(msgspec.json.encode(msgspec.json.decode(json.dumps(value).encode(), type=cls)))


@pytest.mark.parametrize(
    ("api", "kind"), [(api, kind) for api, kinds in recorded()["events"].items() for kind in kinds]
)
def test_events_are_printed_as_recorded(api: str, kind: str) -> None:
    shape = recorded()["events"][api][kind]
    for value in samples(shape):
        assert differences(printed_again(value, EVENTS[api]), shape) == []


@pytest.mark.parametrize(("api", "kind"), [(api, kind) for api, kinds in recorded()["calls"].items() for kind in kinds])
def test_calls_lose_nothing(api: str, kind: str) -> None:
    shape = recorded()["calls"][api][kind]
    for value in samples(shape):
        sent = without_empty_lists(value)
        again = json.loads(msgspec.json.encode(CALLS[api](json.dumps(value).encode())))
        assert [one for one in differences(again, shape_of(sent), ordered=False) if one.kind == "missing"] == []


def without_empty_lists(value: Any) -> Any:
    """An empty list and none at all are the same to protobuf."""
    if isinstance(value, dict):
        return {key: without_empty_lists(one) for key, one in value.items() if one != []}
    return [without_empty_lists(one) for one in value] if isinstance(value, list) else value


def answers(prefix: str) -> list[str]:
    """Recorded answers of ``POST /api/v1`` to calls that were understood."""
    return [
        name
        for name, exchange in recorded()["exchanges"].items()
        if exchange["path"] == "/api/v1"
        and "shape" in exchange
        and (name.startswith("agent-api") == (prefix == "agent"))
        and not name.startswith("errors/agent")
        and exchange["status"] == 200
    ]


@pytest.mark.parametrize("name", answers("master"))
def test_answers_of_the_master_are_printed_as_recorded(name: str) -> None:
    _check_answer(name, operator.Response)


@pytest.mark.parametrize("name", answers("agent"))
def test_answers_of_the_agent_are_printed_as_recorded(name: str) -> None:
    _check_answer(name, agent_operator.Response)


def _check_answer(name: str, cls: type[msgspec.Struct]) -> None:
    found = recorded()
    shape = found["shapes"][found["exchanges"][name]["shape"]]
    for value in samples(shape):
        assert differences(printed_again(value, cls), shape) == []


def test_only_these_were_never_seen() -> None:
    """A new recording makes the list shorter. What several schedulers of a framework say and hear is not of Mesos."""
    calls, events = recorded()["calls"]["scheduler"], recorded()["events"]["scheduler"]
    assert set(get_args(scheduler.CallType)) - calls.keys() == {"UNKNOWN", "REQUEST", "HEARTBEAT"}
    assert set(get_args(scheduler.EventType)) - events.keys() == {"UNKNOWN", "PROMOTED"}


# Bodies of the recorded refusals that are decided by the body alone.
REFUSED: dict[str, tuple[Any, str]] = {
    "errors/scheduler-empty-body": (read_scheduler_call, ""),
    "errors/scheduler-malformed-json": (read_scheduler_call, '{"type":'),
    "errors/scheduler-empty-object": (read_scheduler_call, "{}"),
    "errors/scheduler-unknown-type": (read_scheduler_call, '{"type":"NOPE"}'),
    "errors/scheduler-type-UNKNOWN": (read_scheduler_call, '{"type":"UNKNOWN"}'),
    "errors/scheduler-call-no-framework-id": (read_scheduler_call, '{"type":"REVIVE"}'),
    "errors/scheduler-accept-no-body-unknown-framework": (
        read_scheduler_call,
        '{"type":"ACCEPT","framework_id":{"value":"nope"}}',
    ),
    "errors/scheduler-subscribe-id-mismatch": (
        read_scheduler_call,
        '{"type":"SUBSCRIBE","subscribe":{"framework_info":{"user":"u","name":"e","id":{"value":"a"}}},'
        '"framework_id":{"value":"b"}}',
    ),
    "errors/scheduler-subscribe-id-only-in-call": (
        read_scheduler_call,
        '{"type":"SUBSCRIBE","subscribe":{"framework_info":{"user":"u","name":"e"}},"framework_id":{"value":"b"}}',
    ),
    "errors/call-ack-not-base64": (
        read_scheduler_call,
        '{"type":"ACKNOWLEDGE","acknowledge":{"agent_id":{"value":"s"},"task_id":{"value":"t"},"uuid":"%%%"},'
        '"framework_id":{"value":"f"}}',
    ),
    "errors/call-ack-unknown-task": (
        read_scheduler_call,
        '{"type":"ACKNOWLEDGE","acknowledge":{"agent_id":{"value":"s"},"task_id":{"value":"t"},'
        '"uuid":"AAAAAAAAAAAAAAAAAAAAAA=="},"framework_id":{"value":"f"}}',
    ),
    "errors/call-update-framework-bad-id": (
        read_scheduler_call,
        '{"type":"UPDATE_FRAMEWORK","update_framework":{"framework_info":{"user":"u","name":"e","id":{"value":"z"}}},'
        '"framework_id":{"value":"f"}}',
    ),
    "errors/agent-executor-no-ids": (read_executor_call, '{"type":"UPDATE"}'),
    "errors/master-api-v1-empty-body": (read_operator_call, ""),
    "errors/master-api-v1-malformed-json": (read_operator_call, '{"type":'),
    "errors/master-api-v1-empty-object": (read_operator_call, "{}"),
    "errors/master-api-v1-json-array": (read_operator_call, "[]"),
    "errors/master-api-v1-unknown-type": (read_operator_call, '{"type":"NO_SUCH_CALL"}'),
    "errors/master-api-v1-type-number": (read_operator_call, '{"type":1}'),
    "errors/master-api-v1-wrong-field-type": (read_operator_call, '{"type":"LIST_FILES","list_files":{"path":7}}'),
    "errors/agent-api-v1-empty-body": (read_agent_call, ""),
    "errors/agent-api-v1-empty-object": (read_agent_call, "{}"),
    "errors/agent-api-v1-json-array": (read_agent_call, "[]"),
    "errors/agent-api-v1-unknown-type": (read_agent_call, '{"type":"NO_SUCH_CALL"}'),
    "errors/agent-api-v1-type-number": (read_agent_call, '{"type":1}'),
    "errors/agent-api-v1-missing-sub-message": (read_agent_call, '{"type":"GET_METRICS"}'),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_read_as_recorded(name: str) -> None:
    read, body = REFUSED[name]
    exchange = recorded()["exchanges"][name]
    with pytest.raises(WireError) as caught:
        read(body.encode())
    assert (caught.value.status, caught.value.text) == (exchange["status"], exchange["text"])


@pytest.mark.parametrize("name", [name for name in recorded()["exchanges"] if name.startswith("errors/call-no-body-")])
def test_missing_bodies_read_as_recorded(name: str) -> None:
    exchange = recorded()["exchanges"][name]
    kind = name.removeprefix("errors/call-no-body-")
    with pytest.raises(WireError) as caught:
        read_scheduler_call(json.dumps({"type": kind, "framework_id": {"value": "f"}}).encode())
    assert (caught.value.status, caught.value.text) == (exchange["status"], exchange["text"])
