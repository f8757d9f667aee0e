"""The master's end of the agent link: what one bad message may cost, and whom it may not (X62)."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any, cast

import pytest

from mesos_service.core import link
from mesos_service.core.messages import FromAgent
from mesos_service.domain.ids import LinkId
from mesos_service.http.asgi import Message, Scope
from mesos_service.http.held_stream import HeldStream
from mesos_service.master.agent_api import AgentApi
from mesos_service.master.driver import MasterDriver
from mesos_service.master.outlets import MasterOutlets

EXITED = {"type": "EXITED_EXECUTOR", "framework_id": "F", "executor_id": "e", "status": 1}
STATUS = {"task_id": {"value": "t"}, "state": "TASK_RUNNING", "uuid": "MDEyMzQ1Njc4OWFiY2RlZg=="}


class Core:
    """In place of the driver: keeps what is submitted, and fails for executors named ``boom``."""

    def __init__(self) -> None:
        self.taken: list[tuple[str | None, link.Uplink]] = []
        self.requests = 0

    def new_request(self) -> int:
        self.requests += 1
        return self.requests

    def submit(self, message: FromAgent) -> None:
        if isinstance(message.message, link.ExitedExecutor) and message.message.executor_id == "boom":
            raise ZeroDivisionError("a defect")
        self.taken.append((message.agent_id, message.message))


class Outlets:
    def __init__(self) -> None:
        self.links = {LinkId("L"): HeldStream(bytes)}


def post(core: Core, call: dict[str, Any]) -> tuple[int, str]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": json.dumps(call).encode()}

    async def send(message: Message) -> None:
        sent.append(message)

    async def scenario() -> None:
        api = AgentApi(cast("MasterDriver", core), cast("MasterOutlets", Outlets()), lambda _: None)
        scope: Scope = {"type": "http", "method": "POST", "headers": [(b"content-type", b"application/json")]}
        await api(scope, receive, send)

    asyncio.run(scenario())
    return sent[0]["status"], sent[1]["body"].decode()


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        pytest.param(
            {"type": "UPDATE", "framework_id": "F", "status": STATUS | {"timestamp": "x"}},
            "Expected `float",
            id="value",
        ),
        pytest.param({"type": "NO_SUCH"}, "NO_SUCH", id="type"),
        pytest.param(EXITED | {"status": None}, "Expected `int`", id="null"),
        pytest.param(17, "Expected `object`", id="no-message"),
        pytest.param(
            {
                "type": "REGISTER",
                "registration": "r",
                "agent": {
                    "ip": "127.0.0.1",
                    "info": {
                        "hostname": "h",
                        "resources": [{"name": "cpus", "type": "SCALAR", "scalar": {"value": 1e308}}],
                    },
                },
            },
            "too large",
            id="description",
        ),
        pytest.param(EXITED | {"executor_id": "boom"}, "ZeroDivisionError", id="defect"),
    ],
)
def test_x62_one_bad_message_costs_nobody_anything_else(
    bad: object, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    core = Core()
    batches = [
        {"agent_id": "S1", "messages": [EXITED, bad, EXITED | {"status": 2}]},
        {"agent_id": "S2", "messages": [EXITED | {"status": 3}]},
    ]
    with caplog.at_level(logging.WARNING):
        answer = post(core, {"type": "MESSAGES", "link_id": "L", "batches": batches})
    assert answer == (202, "")
    taken = [(agent, one.status) for agent, one in core.taken if isinstance(one, link.ExitedExecutor)]
    assert taken == [("S1", 1), ("S1", 2), ("S2", 3)]
    assert len(core.taken) == 3
    assert "agent S1" in caplog.text and why in caplog.text


@pytest.mark.parametrize("agent_id", ["", "S\x00", "S" * 4096, "../S"])
def test_an_id_that_no_master_gives_reaches_neither_the_core_nor_the_registry(
    agent_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Stored, it could fail the transaction that other agents are in."""
    core = Core()
    batches = [{"agent_id": agent_id, "messages": [EXITED]}, {"agent_id": "S2", "messages": [EXITED]}]
    with caplog.at_level(logging.WARNING):
        assert post(core, {"type": "MESSAGES", "link_id": "L", "batches": batches}) == (202, "")
    assert [agent for agent, _ in core.taken] == ["S2"]
    assert "is left out" in caplog.text and len(caplog.text) < 1000


@pytest.mark.parametrize("batches", [None, 3, [{"agent_id": 1, "messages": []}], [{"agent_id": "S"}]])
def test_a_call_that_makes_no_sense_is_still_refused(batches: object) -> None:
    status, text = post(core := Core(), {"type": "MESSAGES", "link_id": "L", "batches": batches})
    assert status == 400 and text.startswith("Failed to read the agent link call")
    assert core.taken == []


def test_messages_of_a_link_that_is_not_open_are_refused_whole() -> None:
    batches = [{"agent_id": "S1", "messages": [EXITED, 17]}]
    assert post(core := Core(), {"type": "MESSAGES", "link_id": "other", "batches": batches})[0] == 404
    assert core.taken == []
