"""Validation that needs no state: first reason, Mesos' words, Mesos' order (X18a, M-SC-01, M-EX-01)."""

from __future__ import annotations

import json
import uuid
from base64 import b64encode
from typing import Any, get_args

import msgspec
import pytest

from mesos_service.core.agent_messages import ExecutorSubscribe
from mesos_service.wire import scheduler, tasks
from mesos_service.wire.convert.executor import call_from_wire
from mesos_service.wire.convert.infos import executor_from_wire, task_from_wire
from mesos_service.wire.decode import (
    read_agent_call,
    read_executor_call,
    read_operator_call,
    read_scheduler_call,
)
from mesos_service.wire.errors import WireError
from mesos_service.wire.validate import SCHEDULER_SUB_MESSAGES, refuse_uuid

FRAMEWORK: dict[str, Any] = {"framework_id": {"value": "F0"}}
UUID = uuid.UUID("5ef22acc-44d9-40aa-8df3-011196b5e078").bytes


def text_of(read: Any, body: dict[str, Any], **kwargs: Any) -> str | None:
    try:
        read(json.dumps(body).encode(), **kwargs)
    except WireError as error:
        assert error.status == 400
        return error.text
    return None


def scheduler_reason(body: dict[str, Any], **kwargs: Any) -> str | None:
    text = text_of(read_scheduler_call, body, **kwargs)
    return None if text is None else text.removeprefix("Failed to validate scheduler::Call: ")


def test_type_comes_first_then_framework_id_then_sub_message() -> None:
    assert scheduler_reason({}) == "Expecting 'type' to be present"
    assert scheduler_reason({"type": "NO_SUCH", **FRAMEWORK}) == "Expecting 'type' to be present"
    assert scheduler_reason({"type": "ACCEPT"}) == "Expecting 'framework_id' to be present"
    assert scheduler_reason({"type": "UNKNOWN"}) == "Expecting 'framework_id' to be present"
    assert scheduler_reason({"type": "ACCEPT", **FRAMEWORK}) == "Expecting 'accept' to be present"
    assert scheduler_reason({"type": "ACCEPT", "accept": {}, **FRAMEWORK}) is None


@pytest.mark.parametrize("kind", get_args(scheduler.CallType))
def test_which_calls_need_a_body(kind: str) -> None:
    without = {"UNKNOWN", "TEARDOWN", "REVIVE", "SUPPRESS", "HEARTBEAT"}
    reason = scheduler_reason({"type": kind, **FRAMEWORK})
    assert reason == (None if kind in without else f"Expecting '{kind.lower()}' to be present")
    assert (kind in SCHEDULER_SUB_MESSAGES) == (kind not in without)


def subscribe(in_call: str | None, in_info: str | None, **info: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"type": "SUBSCRIBE", "subscribe": {"framework_info": {"user": "u", "name": "n", **info}}}
    if in_call is not None:
        body["framework_id"] = {"value": in_call}
    if in_info is not None:
        body["subscribe"]["framework_info"]["id"] = {"value": in_info}
    return body


@pytest.mark.parametrize(
    ("in_call", "in_info", "lawful"),
    [(None, None, True), ("a", "a", True), ("a", "b", False), ("a", None, False), (None, "a", False), ("", None, True)],
)
def test_subscribe_names_its_framework_id_twice_or_never(in_call: Any, in_info: Any, lawful: bool) -> None:
    expected = None if lawful else "'framework_id' differs from 'subscribe.framework_info.id'"
    assert scheduler_reason(subscribe(in_call, in_info)) == expected


def test_update_framework_names_its_framework_id_twice() -> None:
    info = {"user": "u", "name": "n", "id": {"value": "other"}}
    body = {"type": "UPDATE_FRAMEWORK", "update_framework": {"framework_info": info}, **FRAMEWORK}
    assert scheduler_reason(body) == "'framework_id' differs from 'update_framework.framework_info.id'"
    info["id"] = {"value": "F0"}
    assert scheduler_reason(body) is None


def test_the_principal_must_be_the_one_that_was_proved() -> None:
    body = subscribe(None, None, principal="p")
    assert scheduler_reason(body) is None
    assert scheduler_reason(body, principal="p") is None
    assert scheduler_reason(body, principal="q") == (
        "Authenticated principal 'q' does not match principal 'p' set in `FrameworkInfo`"
    )
    assert scheduler_reason(subscribe(None, None), principal="q") is None


def test_uuids_have_sixteen_bytes_and_a_version() -> None:
    assert refuse_uuid(UUID) is None
    for bad in (b"", UUID[:15], UUID + b"x", bytes(16), b"\xff" * 16):
        assert refuse_uuid(bad) == "Not a valid UUID"


def test_acknowledge_checks_its_uuid() -> None:
    acknowledge = {"agent_id": {"value": "S"}, "task_id": {"value": "t"}, "uuid": b64encode(bytes(16)).decode()}
    body = {"type": "ACKNOWLEDGE", "acknowledge": acknowledge, **FRAMEWORK}
    assert scheduler_reason(body) == "Not a valid UUID"
    acknowledge["uuid"] = b64encode(UUID).decode()
    assert scheduler_reason(body) is None


def test_acknowledging_an_operation_names_its_agent() -> None:
    acknowledge: dict[str, Any] = {"operation_id": {"value": "o"}, "uuid": b64encode(UUID).decode()}
    body = {"type": "ACKNOWLEDGE_OPERATION_STATUS", "acknowledge_operation_status": acknowledge, **FRAMEWORK}
    assert scheduler_reason(body) == "Expecting 'agent_id' to be present"
    acknowledge["agent_id"] = {"value": "S"}
    assert scheduler_reason(body) is None


def executor_update(**status: Any) -> dict[str, Any]:
    return {
        "type": "UPDATE",
        "executor_id": {"value": "e"},
        "framework_id": {"value": "f"},
        "update": {
            "status": {
                "task_id": {"value": "t"},
                "state": "TASK_RUNNING",
                "source": "SOURCE_EXECUTOR",
                "uuid": b64encode(UUID).decode(),
                **status,
            }
        },
    }


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ({}, None),
        ({"executor_id": {"value": "e"}}, None),
        ({"uuid": None, "source": None}, "Expecting 'uuid' to be present"),
        ({"uuid": b64encode(bytes(16)).decode()}, "Not a valid UUID"),
        (
            {"executor_id": {"value": "x"}},
            "ExecutorID in Call: e does not match ExecutorID in TaskStatus: x",
        ),
        (
            {"source": "SOURCE_AGENT"},
            "Received Call from executor e of framework f with invalid source, expecting 'SOURCE_EXECUTOR'",
        ),
        (
            {"state": "TASK_STAGING"},
            "Received TASK_STAGING from executor e of framework f which is not allowed",
        ),
        ({"check_status": {}}, "CheckStatusInfo must specify 'type'"),
        ({"check_status": {"type": "UNKNOWN"}}, "'UNKNOWN' is not a valid check's status type"),
        ({"check_status": {"type": "HTTP"}}, "Expecting 'http' to be set for HTTP check's status"),
        ({"check_status": {"type": "TCP", "tcp": {}}}, None),
    ],
)
def test_executor_updates(status: dict[str, Any], reason: str | None) -> None:
    expected = None if reason is None else f"Failed to validate Executor::Call: {reason}"
    assert text_of(read_executor_call, executor_update(**status)) == expected


def test_executor_calls_need_type_and_body() -> None:
    ids = {"executor_id": {"value": "e"}, "framework_id": {"value": "f"}}
    start = "Failed to validate Executor::Call: Expecting "
    assert text_of(read_executor_call, ids) == start + "'type' to be present"
    assert text_of(read_executor_call, {"type": "UPDATE", **ids}) == start + "'update' to be present"
    assert text_of(read_executor_call, {"type": "MESSAGE", **ids}) == start + "'message' to be present"
    assert text_of(read_executor_call, {"type": "HEARTBEAT", **ids}) is None
    assert text_of(read_executor_call, {"type": "SUBSCRIBE", **ids}) is None


def test_operator_calls_to_the_master() -> None:
    start = "Failed to validate master::Call: Expecting "
    assert text_of(read_operator_call, {}) == start + "'type' to be present"
    assert text_of(read_operator_call, {"type": "TEARDOWN"}) == start + "'teardown' to be present"
    assert text_of(read_operator_call, {"type": "GET_METRICS"}) == start + "'get_metrics' to be present"
    assert text_of(read_operator_call, {"type": "GET_STATE"}) is None
    assert text_of(read_operator_call, {"type": "SUBSCRIBE"}) is None
    volume = {"name": "disk", "type": "SCALAR", "scalar": {"value": 1}}
    body: dict[str, Any] = {"type": "GROW_VOLUME", "grow_volume": {"volume": volume, "addition": volume}}
    assert text_of(read_operator_call, body) == (
        start + "'agent_id' to be present; only agent default resources are supported right now"
    )
    body["grow_volume"]["agent_id"] = {"value": "S"}
    assert text_of(read_operator_call, body) is None


def test_operator_calls_to_an_agent() -> None:
    start = "Failed to validate agent::Call: Expecting "
    assert text_of(read_agent_call, {}) == start + "'type' to be present"
    assert text_of(read_agent_call, {"type": "GET_METRICS"}) == start + "'get_metrics' to be present"
    assert text_of(read_agent_call, {"type": "GET_CONTAINERS"}) is None
    assert text_of(read_agent_call, {"type": "GET_STATE"}) is None


def test_x05_m_ex_01_what_is_refused_as_an_update_does_not_come_in_by_subscribing() -> None:
    """No framework could acknowledge it, so that it would be repeated for ever, before all that follows."""
    good = executor_update()["update"]
    bad = [
        executor_update(**wrong)["update"]
        for wrong in (
            {"uuid": None},
            {"uuid": "AAAA"},
            {"uuid": "AAAAAAAAAAAAAAAAAAAAAA=="},
            {"source": "SOURCE_MASTER"},
            {"state": "TASK_STAGING"},
            {"executor_id": {"value": "another"}},
        )
    ]
    call = {
        "type": "SUBSCRIBE",
        "executor_id": {"value": "e"},
        "framework_id": {"value": "f"},
        "subscribe": {"unacknowledged_tasks": [], "unacknowledged_updates": [*bad, good, *bad]},
    }
    message = call_from_wire(read_executor_call(json.dumps(call).encode()), 1)
    assert isinstance(message, ExecutorSubscribe)
    assert len(message.unacknowledged_updates) == 1


@pytest.mark.parametrize(
    ("command", "container", "text"),
    [
        ({"environment": {"variables": [{"name": "A"}]}}, None, "`CommandInfo` is invalid: Environment variable 'A' "),
        (None, {"type": "MESOS", "volumes": [{"mode": "RO", "container_path": "x"}]}, "`ContainerInfo` is invalid: In"),
        (None, {"type": "DOCKER"}, "`ContainerInfo` is invalid: DockerInfo 'docker' is not set for DOCKER typed"),
        ({"environment": {"variables": [{"name": "A", "value": ""}]}}, {"type": "MESOS"}, None),
    ],
)
def test_m_sc_03_what_a_task_or_an_executor_runs_makes_sense_or_is_refused(
    command: dict[str, Any] | None, container: dict[str, Any] | None, text: str | None
) -> None:
    runs: dict[str, Any] = {"command": {"value": "true"} | (command or {})} | (
        {} if container is None else {"container": container}
    )
    task = {"name": "n", "task_id": {"value": "t"}, "agent_id": {"value": "a"}, "resources": [], **runs}
    executor = {"executor_id": {"value": "e"}, **runs}
    of_task = task_from_wire(msgspec.convert(task, tasks.TaskInfo)).refusal
    of_executor = executor_from_wire(msgspec.convert(executor, tasks.ExecutorInfo)).refusal
    for whose, refusal in (("Task's ", of_task), ("Executor's ", of_executor)):
        assert refusal is None if text is None else (refusal or "").startswith(whose + text)


def test_m_sc_03_what_a_check_runs_has_values_for_its_variables() -> None:
    command = {"value": "true", "environment": {"variables": [{"name": "A"}]}}
    task = {"name": "n", "task_id": {"value": "t"}, "agent_id": {"value": "a"}, "resources": []}
    said = "`CommandInfo` is invalid: Environment variable 'A' of type 'VALUE' must have a value set"
    for check, text in (
        ({"check": {"type": "COMMAND", "command": {"command": command}}}, f"Task uses invalid check: Check's {said}"),
        (
            {"health_check": {"type": "COMMAND", "command": command}},
            f"Task uses invalid health check: Health check's {said}",
        ),
    ):
        assert task_from_wire(msgspec.convert(task | check, tasks.TaskInfo)).refusal == text
