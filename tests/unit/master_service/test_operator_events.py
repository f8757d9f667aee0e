"""What operators are told of what happens, in the order and the words recorded of Mesos (M-OM-06)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mesos_service.core.effects import MasterEffect, Note
from mesos_service.core.link import Unregister
from mesos_service.core.master.state import MasterOptions
from mesos_service.core.messages import MasterMessage
from mesos_service.core.operator_messages import MaintenanceWindow, OperatorMachines, OperatorSchedule
from mesos_service.domain.machines import Unavailability, machine_id
from mesos_service.domain.tasks import TaskState
from mesos_service.http.held_stream import Backlog
from mesos_service.http.large import LargeAnswers
from mesos_service.master.operator_events import OperatorEvents
from mesos_service.wire import sliced
from mesos_service.wire.recordio import RecordReader
from mesos_service.wire.streams import Encoding
from tests.contract.shapes import differences, recorded
from tests.unit.core.master.infos import AWARE, framework_info
from tests.unit.core.master.reign import Reign
from tests.unit.core.master.told import only
from tests.unit.core.master.world import running

FAST = MasterOptions(agent_ping_timeout_seconds=1.0, max_agent_ping_timeouts=2)
Json = Any  # JSON documents


class Watched(Reign):
    """A master's core whose facts go on to operators, as they do in a service."""

    events: OperatorEvents | None = None

    def _step(self, message: MasterMessage) -> list[MasterEffect]:
        effects = super()._step(message)
        if self.events is not None:
            for note in only(effects, Note):
                self.events.note(note)
        return effects


class Operator:
    """Reads one stream."""

    def __init__(self, events: OperatorEvents) -> None:
        self._reader = RecordReader()
        self._heard: list[Json] = []
        self.ended = False
        self._gone = asyncio.Event()
        self._task = asyncio.ensure_future(events.serve(Encoding.RECORDIO, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.body":
            self._heard += [json.loads(one) for one in self._reader.feed(message["body"])]
            self.ended = not message["more_body"]

    @property
    def heard_so_far(self) -> list[Json]:
        return self._heard

    async def hear(self) -> list[Json]:
        """What has been told since."""
        for _ in range(20):
            await asyncio.sleep(0)
        heard, self._heard = self._heard, []
        # Snapshots were recorded of idle clusters only, and no agent unregistered.
        for one in (each for each in heard if each["type"] not in ("SUBSCRIBED", "AGENT_REMOVED")):
            found = differences(one, recorded()["events"]["operator"][one["type"]])
            assert [str(each) for each in found if each.kind != "missing"] == []
        return heard

    async def kinds(self) -> list[str]:
        return [one["type"] for one in await self.hear()]

    async def go(self) -> None:
        self._gone.set()
        await self._task


def play(
    scenario: Callable[[Watched, OperatorEvents], Awaitable[None]],
    subscribers_max: int = 10,
    large_answers: LargeAnswers | None = None,
) -> None:
    world = Watched(options=FAST)
    large_answers = large_answers or LargeAnswers()
    events = world.events = OperatorEvents(world.state, Backlog(), subscribers_max, large_answers)
    asyncio.run(scenario(world, events))  # type: ignore[arg-type]


def test_m_om_06_an_agent_comes_falls_silent_and_comes_back() -> None:
    async def scenario(world: Watched, events: OperatorEvents) -> None:
        operator = Operator(events)
        first = await operator.hear()
        assert [one["type"] for one in first] == ["SUBSCRIBED", "HEARTBEAT"]
        assert first[0]["subscribed"]["get_state"]["get_agents"] == {"agents": [], "recovered_agents": []}
        node = world.agent()
        (added,) = await operator.hear()
        assert added["agent_added"]["agent"]["agent_info"]["id"] == {"value": node.agent_id}
        assert "checkpoint" not in added["agent_added"]["agent"]["agent_info"]
        framework = world.framework(framework_info("aware", capabilities=AWARE))
        task = running(world, node, framework)
        assert await operator.kinds() == ["FRAMEWORK_ADDED", "TASK_ADDED", "TASK_UPDATED"]

        node.lose_link()
        node.come_back(node.report(framework, task))
        assert await operator.kinds() == [], "it was never away to operators"

        world.advance(60.0)
        (lost,) = await operator.hear()
        assert lost["task_updated"]["state"] == lost["task_updated"]["status"]["state"] == "TASK_UNREACHABLE"
        node.come_back(node.report(framework, task))
        again = await operator.hear()
        assert [one["type"] for one in again][:2] == ["TASK_ADDED", "AGENT_ADDED"]
        assert again[0]["task_added"]["task"]["state"] == "TASK_RUNNING"
        node.say(Unregister())
        removed = (await operator.hear())[-1]
        assert removed == {"type": "AGENT_REMOVED", "agent_removed": {"agent_id": {"value": node.agent_id}}}
        await operator.go()
        assert len(events) == 0

    play(scenario)


def test_m_om_06_m_om_11_an_agent_whose_machine_goes_down_is_removed_and_comes_again() -> None:
    async def scenario(world: Watched, events: OperatorEvents) -> None:
        operator = Operator(events)
        node = world.agent()
        machine = machine_id(node.info.hostname, node.info.ip)
        window = MaintenanceWindow((machine,), Unavailability(1))
        world.take(OperatorSchedule(request=world.request(), windows=(window,)))
        await operator.hear()
        world.take(OperatorMachines(request=world.request(), machines=(machine,), up=False))
        (removed,) = await operator.hear()
        assert removed == {"type": "AGENT_REMOVED", "agent_removed": {"agent_id": {"value": node.agent_id}}}
        world.take(OperatorMachines(request=world.request(), machines=(machine,), up=True))
        node.come_back()
        assert await operator.kinds() == ["AGENT_ADDED"]
        await operator.go()

    play(scenario)


def test_m_om_06_an_agent_marked_gone_is_told_by_its_tasks_alone() -> None:
    async def scenario(world: Watched, events: OperatorEvents) -> None:
        operator = Operator(events)
        node, framework = world.agent(), world.framework(framework_info("aware", capabilities=AWARE))
        running(world, node, framework)
        await operator.hear()
        world.mark_gone(node.agent_id)
        (told,) = await operator.hear()
        assert told["task_updated"]["state"] == "TASK_GONE_BY_OPERATOR"
        await operator.go()

    play(scenario)


def test_m_om_06_a_framework_that_ends_is_told_after_its_tasks() -> None:
    async def scenario(world: Watched, events: OperatorEvents) -> None:
        operator = Operator(events)
        node, framework = world.agent(), world.framework(framework_info("aware", capabilities=AWARE))
        running(world, node, framework)
        await operator.hear()
        framework.tear_down()
        killed, removed = await operator.hear()
        assert killed["task_updated"]["status"]["state"] == TaskState.KILLED
        assert removed["framework_removed"]["framework_info"]["id"] == {"value": framework.framework_id}
        await operator.go()

    play(scenario)


def test_a_late_operator_is_told_what_there_is() -> None:
    async def scenario(world: Watched, events: OperatorEvents) -> None:
        node, framework = world.agent(), world.framework()
        running(world, node, framework)
        operator = Operator(events)
        subscribed, _ = await operator.hear()
        there = subscribed["subscribed"]["get_state"]
        assert [one["state"] for one in there["get_tasks"]["tasks"]] == ["TASK_RUNNING"]
        assert len(there["get_agents"]["agents"]) == len(there["get_frameworks"]["frameworks"]) == 1
        await operator.go()

    play(scenario)


def test_n17_an_operator_who_does_not_read_loses_the_stream_and_nobody_else_does() -> None:
    async def scenario(world: Watched, events: OperatorEvents) -> None:
        slow, quick = Operator(events), Operator(events)
        await quick.hear()
        (stream, _) = events.streams
        stream.lag_bytes_max = 2_000
        stream.write(b"x" * 1_500)
        for _ in range(3):
            world.agent()
        assert stream.overrun
        await slow.go()
        assert events.overruns == 1
        assert await quick.kinds() == ["AGENT_ADDED"] * 3
        await quick.go()

    play(scenario)


def test_one_operator_too_many_takes_the_place_of_the_oldest() -> None:
    async def scenario(world: Watched, events: OperatorEvents) -> None:
        operators = []
        for _ in range(3):
            operators.append(Operator(events))
            await operators[-1].hear()
        assert [one.ended for one in operators] == [True, False, False]
        world.agent()
        assert [await one.kinds() for one in operators] == [[], ["AGENT_ADDED"], ["AGENT_ADDED"]]
        for one in operators:
            await one.go()
        assert len(events) == 0

    play(scenario, subscribers_max=2)


def test_x63_m_om_06_nothing_is_missed_or_told_twice_while_the_first_event_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sliced, "ITEMS_A_SLICE", 1)

    async def scenario(world: Watched, events: OperatorEvents) -> None:
        framework = world.framework(framework_info("aware", capabilities=AWARE))
        before = {node.agent_id for node in [world.agent() for _ in range(20)]}
        operator = Operator(events)
        came: list[str] = []
        while not any(one["type"] == "SUBSCRIBED" for one in operator.heard_so_far):
            came.append(world.agent().agent_id)
            await asyncio.sleep(0)
        assert len(came) > 20, "the first event was made at once"
        came.append(world.agent().agent_id)
        heard = await operator.hear()
        assert [one["type"] for one in heard[:2]] == ["SUBSCRIBED", "HEARTBEAT"]
        told = heard[0]["subscribed"]["get_state"]["get_agents"]["agents"]
        first = {one["agent_info"]["id"]["value"] for one in told}
        assert before <= first
        added = [one["agent_added"]["agent"]["agent_info"]["id"]["value"] for one in heard[2:]]
        # In order, each once: those that are not in the snapshot.
        assert added == [one for one in came if one not in first]
        assert framework.record is not None
        await operator.go()

    play(scenario)


def test_n17_an_operator_that_leaves_while_the_first_event_is_made_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sliced, "ITEMS_A_SLICE", 1)

    async def scenario(world: Watched, events: OperatorEvents) -> None:
        for _ in range(50):
            world.agent()
        operator = Operator(events)
        for _ in range(5):
            await asyncio.sleep(0)
        assert len(events) == 1
        assert operator.heard_so_far == []
        await operator.go()
        assert len(events) == 0
        world.agent()

    play(scenario)


def test_n17_so_much_may_happen_meanwhile_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sliced, "ITEMS_A_SLICE", 1)

    async def scenario(world: Watched, events: OperatorEvents) -> None:
        for _ in range(50):
            world.agent()
        operator = Operator(events)
        for _ in range(5):
            await asyncio.sleep(0)
        for stream in events.streams:
            stream.lag_bytes_max = 100
        world.agent()
        await operator.go()
        assert operator.heard_so_far == []
        assert events.overruns == 1

    play(scenario)


@pytest.mark.parametrize("how", ["another takes its place", "all are closed", "too much happens"])
def test_n17_what_an_ended_stream_would_have_been_told_is_not_made(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """A flood of subscribers each of whom takes the place of the one before must not keep all other reads waiting."""
    monkeypatch.setattr(sliced, "ITEMS_A_SLICE", 1)
    large_answers = LargeAnswers()

    async def scenario(world: Watched, events: OperatorEvents) -> None:
        for _ in range(100):
            world.agent()
        operator, later = Operator(events), []
        for _ in range(5):
            await asyncio.sleep(0)
        assert large_answers.under_way == 1
        if how == "another takes its place":
            later.append(Operator(events))
        elif how == "all are closed":
            events.close()
        else:
            (stream,) = events.streams
            stream.lag_bytes_max = 100
            world.agent()
        for _ in range(10):
            await asyncio.sleep(0)
        assert large_answers.under_way == len(later)
        assert operator.ended
        assert operator.heard_so_far == []
        for one in (operator, *later):
            await one.go()
        assert len(events) == 0

    play(scenario, 1, large_answers)


def test_n17_the_first_event_may_be_larger_than_what_a_reader_may_be_behind() -> None:
    async def scenario(world: Watched, events: OperatorEvents) -> None:
        for _ in range(20):
            world.agent()
        operator = Operator(events)
        await asyncio.sleep(0)
        (stream,) = events.streams
        stream.lag_bytes_max = 1_000
        assert await operator.kinds() == ["SUBSCRIBED", "HEARTBEAT"]
        assert events.overruns == 0
        await operator.go()

    play(scenario)
