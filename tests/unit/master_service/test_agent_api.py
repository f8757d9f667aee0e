"""The master's end of the agent link: what one bad message may cost, and whom it may not (X62)."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from typing import Any, cast

import pytest

from mesos_service.core import link
from mesos_service.core.messages import FromAgent
from mesos_service.domain.ids import LinkId
from mesos_service.http.asgi import Call, CallHeaders, Message, Scope
from mesos_service.http.held_stream import HeldStream
from mesos_service.master.agent_api import AgentApi
from mesos_service.master.driver import MasterDriver
from mesos_service.master.outlets import MasterOutlets
from mesos_service.master.turns import PIECES_A_TURN_MAX, Turns

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


# -- a flood of agents ---------------------------------------------------------------------------------------------


def calls(count: int, messages: int) -> list[Call]:
    """So many calls, each with so many messages, numbered through."""
    headers = CallHeaders.of({"headers": [(b"content-type", b"application/json")]})
    return [
        Call(
            headers,
            json.dumps(
                {
                    "type": "MESSAGES",
                    "link_id": "L",
                    "batches": [
                        {"agent_id": "S1", "messages": [EXITED | {"status": call * messages + one}]}
                        for one in range(messages)
                    ],
                }
            ).encode(),
        )
        for call in range(count)
    ]


async def send_all(api: AgentApi, posted: list[Call]) -> None:
    """All in one turn, at once where that is granted and as ASGI where it is not."""

    async def asgi(body: bytes) -> int:
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body}

        async def send(message: Message) -> None:
            sent.append(message)

        await api(
            {"type": "http", "method": "POST", "headers": [(b"content-type", b"application/json")]}, receive, send
        )
        status: int = sent[0]["status"]
        return status

    waiting = []
    for call in posted:
        answered = api.answer(call)
        if answered is None:
            waiting.append(asyncio.ensure_future(asgi(call.body)))
        else:
            assert answered == (202, "")
    assert await asyncio.gather(*waiting) == [202] * len(waiting)


@pytest.mark.parametrize(("count", "messages"), [(200, 20), (1, 4000), (4000, 1), (3, PIECES_A_TURN_MAX + 1)])
def test_x26_a_flood_of_agents_leaves_every_turn_of_the_loop_to_others_too(count: int, messages: int) -> None:
    """Counted in turns: whoever comes after them all, such as a framework that subscribes, is served after a turn's
    share of them, however many they are. All are taken, in the order in which they came."""
    core = Core()
    between: list[int] = []

    async def scenario() -> None:
        api = AgentApi(cast("MasterDriver", core), cast("MasterOutlets", Outlets()), lambda _: None)
        flood = asyncio.ensure_future(send_all(api, calls(count, messages)))
        while not flood.done():
            before = len(core.taken)
            await asyncio.sleep(0)
            between.append(len(core.taken) - before)
        await flood

    asyncio.run(scenario())
    taken = [one.status for _, one in core.taken if isinstance(one, link.ExitedExecutor)]
    assert taken == list(range(count * messages))
    assert max(between) < 2 * PIECES_A_TURN_MAX
    # ... and the flood is not put off either: nearly every turn has its share of it.
    assert len(between) < 10 + 3 * count * messages / PIECES_A_TURN_MAX


def test_what_a_link_has_not_said_before_it_breaks_is_not_taken_afterwards() -> None:
    """The core knows then that the link is lost; its agents would seem to be there."""
    core = Core()

    async def scenario() -> None:
        outlets = Outlets()
        api = AgentApi(cast("MasterDriver", core), cast("MasterOutlets", outlets), lambda _: None)
        flood = asyncio.ensure_future(send_all(api, calls(1, 10 * PIECES_A_TURN_MAX)))
        while not core.taken:  # noqa: ASYNC110 - turns are what is counted
            await asyncio.sleep(0)
        outlets.links.clear()
        taken = len(core.taken)
        await flood
        assert len(core.taken) == taken

    asyncio.run(scenario())


def test_turns_go_on_after_a_defect_and_after_somebody_who_waits_no_more() -> None:
    done: list[str] = []

    def work(name: str, pieces: int) -> Iterator[None]:
        for _ in range(pieces):
            yield
            if name == "bad":
                raise ZeroDivisionError
        done.append(name)

    async def scenario() -> None:
        turns = Turns(pieces_max=2)
        gone = asyncio.ensure_future(turns.do(work("gone", 5)))
        bad = asyncio.ensure_future(turns.do(work("bad", 5)))
        last = asyncio.ensure_future(turns.do(work("last", 0)))
        await asyncio.sleep(0)
        gone.cancel()
        await last
        with pytest.raises(ZeroDivisionError):
            await bad
        assert done == ["gone", "last"]
        while turns.is_spent:  # noqa: ASYNC110 - turns are what is counted
            await asyncio.sleep(0)

    asyncio.run(scenario())
