"""What an agent keeps of an executor that says ever more while nobody acknowledges it is bounded (N17, X01, X06)."""

from __future__ import annotations

import pytest

from mesos_service.core.agent.update_stream import PENDING_BYTES_MAX, PENDING_MAX, UpdateStream
from mesos_service.core.effects import SendExecutor
from mesos_service.core.events import Acknowledged
from mesos_service.domain.ids import TaskId
from mesos_service.domain.tasks import TaskState
from tests.unit.core.agent.reborn import alive, reborn, recover
from tests.unit.core.agent.world import FRAMEWORK_ID, World, facts, only, statuses


@pytest.fixture
def world() -> World:
    """An agent without a master, and an executor that has a task."""
    world = World()
    world.register()
    world.start_custom("c1")
    world.lose_master()
    return world


def stream(world: World) -> UpdateStream:
    return world.state.streams[FRAMEWORK_ID, TaskId("c1")]


def numbers(of: UpdateStream) -> list[int]:
    return [int.from_bytes(uuid, "big") for uuid in of.pending]


def test_n17_what_an_executor_says_while_no_master_is_there_is_bounded_and_its_end_is_told(world: World) -> None:
    said = 3 * PENDING_MAX
    gave_way = 0
    for number in range(1, said + 1):
        effects = world.update("c1", TaskState.RUNNING, uuid=number)
        (answer,) = (one.event for one in only(effects, SendExecutor))
        assert isinstance(answer, Acknowledged), "the executor would repeat it for ever"
        gave_way += "update.gave_way" in facts(effects)
    world.update("c1", TaskState.FINISHED, uuid=said + 1)
    newest = range(said + 1 - PENDING_MAX + 2, said + 2)
    assert numbers(stream(world)) == [1, *newest]
    assert gave_way == said - PENDING_MAX
    (first,) = statuses(world.reregister())
    assert first.uuid == (1).to_bytes(16, "big"), "what may be on its way already is not taken back"
    told = [first]
    while following := statuses(world.acknowledge(told[-1])):
        told += following
    assert [int.from_bytes(one.uuid or b"", "big") for one in told] == [1, *newest]
    assert told[-1].state is TaskState.FINISHED
    assert world.state.streams == {}


def test_n17_few_updates_that_are_large_are_bounded_too(world: World) -> None:
    for number in range(1, 10):
        world.update("c1", TaskState.RUNNING, uuid=number, data=bytes(PENDING_BYTES_MAX // 3))
    assert numbers(stream(world)) == [1, 8, 9]
    world.update("c1", TaskState.FINISHED, uuid=10, data=bytes(2 * PENDING_BYTES_MAX))
    assert numbers(stream(world)) == [1, 10], "the first and the last word stay, however long they are"
    (first,) = statuses(world.reregister())
    (last,) = statuses(world.acknowledge(first))
    assert last.state is TaskState.FINISHED
    world.acknowledge(last)
    assert world.state.streams == {}


def test_x06_an_update_that_gave_way_is_no_news_when_it_is_said_again(world: World) -> None:
    for number in range(1, PENDING_MAX + 3):
        world.update("c1", TaskState.RUNNING, uuid=number)
    before = numbers(stream(world))
    assert 2 not in before
    effects = world.update("c1", TaskState.STARTING, uuid=2)
    assert numbers(stream(world)) == before
    assert only(effects, SendExecutor), "it is acknowledged, as the executor seems not to know"


def test_n17_a_restarted_agent_has_the_same_updates_left(world: World) -> None:
    """The journal says what was put into the queue; what gave way follows from that."""
    for number in range(1, PENDING_MAX + 100):
        world.update("c1", TaskState.RUNNING, uuid=number, data=bytes(2 * PENDING_BYTES_MAX // PENDING_MAX))
    again = reborn(world)
    assert numbers(stream(again)) == numbers(stream(world))
    assert stream(again).size == stream(world).size
    recover(again, alive(world.executor().container_id))
    again.subscribe()
    (first,) = statuses(again.reregister())
    assert first.uuid == (1).to_bytes(16, "big")
