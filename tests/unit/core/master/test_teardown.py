"""The end of a framework (M-SC-02, M-OM-14; as recorded of Mesos)."""

from __future__ import annotations

from mesos_service.core.effects import CloseStream, SendScheduler
from mesos_service.core.link import ShutdownFramework
from mesos_service.core.master.state import MasterOptions
from mesos_service.core.operator_messages import OperatorTeardown
from mesos_service.domain.ids import FrameworkId
from mesos_service.domain.tasks import Source, TaskState
from tests.unit.core.master.infos import TOTAL, custom, framework_info, task_info
from tests.unit.core.master.told import downlinks, fact, facts, only, replies
from tests.unit.core.master.world import World, running


def test_m_sc_02_a_teardown_kills_everything_and_ends_the_stream_without_a_word() -> None:
    world = World()
    node, scheduler = world.agent(), world.framework()
    idle = world.agent()
    running(world, node, scheduler)
    record = scheduler.record
    effects = scheduler.tear_down()
    assert replies(effects) == [(202, "")]
    assert only(effects, CloseStream) == [CloseStream(scheduler.stream_id)]
    assert only(effects, SendScheduler) == []
    assert downlinks(effects, ShutdownFramework) == [ShutdownFramework(scheduler.framework_id)]
    assert node.record.free == idle.record.free == TOTAL
    (task,) = record.completed_tasks
    assert task.state is TaskState.KILLED
    last = task.statuses[-1]
    assert (last.source, last.reason) == (Source.MASTER, "REASON_FRAMEWORK_REMOVED")
    assert record.unregistered_at == world.now
    assert world.state.completed_frameworks == {scheduler.framework_id: record}


def test_m_sc_02_a_late_call_finds_nobody() -> None:
    world = World()
    scheduler = world.framework()
    scheduler.tear_down()
    assert replies(scheduler.revive()) == [(400, "Framework cannot be found")]


def test_facts_of_a_teardown() -> None:
    world = World()
    node, scheduler = world.agent(), world.framework()
    running(world, node, scheduler)
    effects = scheduler.tear_down()
    assert facts(effects) == ["framework.torn_down", "task.updated", "framework.removed"]
    assert fact(effects, "task.updated").attributes["reason"] == "REASON_FRAMEWORK_REMOVED"


def test_executors_and_ended_tasks_go_along() -> None:
    world = World()
    node, scheduler = world.agent(), world.framework()
    world.settle()
    executor = custom()
    tasks = [task_info(name, node.agent_id, executor=executor) for name in "ab"]
    scheduler.launch(scheduler.offers[0], *tasks)
    node.update(scheduler, node.status("a", TaskState.FINISHED))
    record = scheduler.record
    scheduler.tear_down()
    assert node.record.free == TOTAL
    assert node.record.executors == {}
    assert {task.info.task_id: task.state for task in record.completed_tasks} == {
        "a": TaskState.FINISHED,
        "b": TaskState.KILLED,
    }


def test_what_it_held_is_offered_to_others() -> None:
    world = World()
    node, scheduler = world.agent(), world.framework()
    running(world, node, scheduler, resources=TOTAL)
    heir = world.framework(framework_info("heir"))
    assert heir.offered(world.settle()) == []
    scheduler.tear_down()
    (offer,) = heir.offered(world.settle())
    assert offer.resources.unallocated() == TOTAL


def operator_teardown(world: World, framework_id: FrameworkId) -> list[tuple[int, str]]:
    return replies(world.take(OperatorTeardown(request=world.request(), framework_id=framework_id)))


def test_m_om_14_an_operator_ends_a_framework() -> None:
    world = World()
    node, scheduler = world.agent(), world.framework()
    running(world, node, scheduler)
    effects = world.take(OperatorTeardown(request=world.request(), framework_id=scheduler.framework_id))
    assert replies(effects) == [(200, "")]
    assert scheduler.events(effects) == []
    assert CloseStream(scheduler.stream_id) in effects
    assert node.record.tasks == {}


def test_m_om_14_a_disconnected_one_as_well() -> None:
    world = World()
    scheduler = world.framework()
    scheduler.disconnect()
    assert operator_teardown(world, scheduler.framework_id) == [(200, "")]
    world.advance(1000.0)
    assert list(world.state.completed_frameworks) == [scheduler.framework_id]


def test_m_om_14_but_not_one_that_nobody_knows() -> None:
    assert operator_teardown(World(), FrameworkId("nope")) == [(400, "No framework found with specified ID")]


def test_completed_frameworks_are_bounded() -> None:
    world = World(options=MasterOptions(max_completed_frameworks=2))
    ids = []
    for _ in range(4):
        scheduler = world.framework()
        ids.append(scheduler.framework_id)
        scheduler.tear_down()
    assert list(world.state.completed_frameworks) == ids[2:]


def test_tasks_on_an_agent_that_is_away_are_ended_in_our_books() -> None:
    world = World()
    node, scheduler = world.agent(), world.framework()
    running(world, node, scheduler)
    node.lose_link()
    effects = scheduler.tear_down()
    assert downlinks(effects, ShutdownFramework) == []
    assert node.record.tasks == {}
    assert node.record.free == TOTAL
