"""Custom executors: processes that subscribe (M-EX-01..05)."""

from __future__ import annotations

import sys
from types import FrameType
from typing import TYPE_CHECKING

import pytest

from mesos_service.core.agent.state import AgentOptions, ExecutorState
from mesos_service.core.agent_messages import (
    ContainerDestroyed,
    ContainerExited,
    ContainerLaunched,
    ContainerLaunchFailed,
    ContainerLimited,
    ExecutorDisconnected,
)
from mesos_service.core.effects import (
    AgentEffect,
    CloseExecutorStream,
    DestroyContainer,
    LaunchContainer,
    OpenExecutorStream,
    SendExecutor,
)
from mesos_service.core.events import (
    Acknowledged,
    ExecutorSubscribed,
    Kill,
    Launch,
    LaunchGroup,
    Shutdown,
)
from mesos_service.core.link import (
    ExitedExecutor,
    RunTaskGroup,
    ShutdownExecutor,
    UpdateStatus,
)
from mesos_service.domain.frameworks import PARTITION_AWARE, TASK_KILLING_STATE
from mesos_service.domain.ids import ExecutorId, TaskId
from mesos_service.domain.tasks import Source, TaskState
from tests.unit.core.agent.world import (
    AGENT_ID,
    EXECUTOR_ID,
    FRAMEWORK_ID,
    SMALL,
    World,
    custom,
    deeds,
    executor_status,
    framework_info,
    only,
    states,
    statuses,
    task_info,
    told,
    uplinks,
)

if TYPE_CHECKING:
    from _typeshed import TraceFunction


def shut_down(world: World) -> list[AgentEffect]:
    return world.master(ShutdownExecutor(framework_id=FRAMEWORK_ID, executor_id=EXECUTOR_ID))


# -- starting ------------------------------------------------------------------------------------------------


def test_m_op_01_the_executor_is_launched_once_and_tasks_wait_for_it(world: World) -> None:
    (launch,) = only(world.run(task_info("c1", custom())), LaunchContainer)
    assert launch.task is None
    assert launch.executor.executor_id == EXECUTOR_ID
    assert launch.executor.framework_id == FRAMEWORK_ID
    assert launch.resources == SMALL + SMALL
    assert deeds(world.run(task_info("c2", custom()))) == []
    assert list(world.executor().queued) == ["c1", "c2"]
    assert world.executor().resources == SMALL + SMALL + SMALL


def test_m_ex_02_subscribed_comes_first_and_then_what_waited(world: World) -> None:
    world.run(task_info("c1", custom()))
    world.run(task_info("c2", custom()))
    effects = world.subscribe()
    opened = deeds(effects)[0]
    assert isinstance(opened, OpenExecutorStream)
    subscribed, *launches = told(effects)
    assert isinstance(subscribed, ExecutorSubscribed)
    assert subscribed.executor.executor_id == EXECUTOR_ID
    assert subscribed.framework.framework_id == FRAMEWORK_ID
    assert subscribed.agent.agent_id == AGENT_ID
    assert subscribed.container_id == world.executor().container_id
    assert [event.task.task_id for event in launches if isinstance(event, Launch)] == ["c1", "c2"]
    assert world.executor().state is ExecutorState.RUNNING
    # A task that comes later is passed on at once.
    assert deeds(world.run(task_info("c3", custom()))) == [
        SendExecutor(opened.stream_id, Launch(task_info("c3", custom())))
    ]
    assert list(world.executor().launched) == ["c1", "c2", "c3"]


def test_m_op_02_a_group_is_delivered_whole(world: World) -> None:
    tasks = tuple(task_info(name) for name in ("g1", "g2"))
    world.run(task_info("before", custom()))
    world.master(RunTaskGroup(framework=framework_info(), executor=custom(), tasks=tasks))
    world.run(task_info("after", custom()))
    events = told(world.subscribe())[1:]
    assert [type(event) for event in events] == [Launch, LaunchGroup, Launch]
    assert isinstance(events[1], LaunchGroup)
    assert [task.task_id for task in events[1].tasks] == ["g1", "g2"]


def test_m_ex_04_an_executor_that_does_not_register_in_time_is_destroyed(world: World) -> None:
    container_id = only(world.run(task_info("c1", custom())), LaunchContainer)[0].container_id
    world.take(ContainerLaunched(container_id, 1))
    assert deeds(world.wait(59.9)) == []
    assert deeds(world.wait(0.2)) == [DestroyContainer(container_id)]
    effects = world.gone(container_id, 9)
    (status,) = statuses(effects)
    assert status.state is TaskState.FAILED
    assert status.source is Source.AGENT
    assert status.reason == "REASON_EXECUTOR_REGISTRATION_TIMEOUT"
    assert status.message == "Executor did not register within 1mins"
    assert [message.status for message in uplinks(effects, ExitedExecutor)] == [9]


def test_m_ex_04_one_that_registers_in_time_is_left_alone(world: World) -> None:
    world.start_custom("c1")
    assert only(world.wait(120.0), DestroyContainer) == []


def test_an_executor_whose_launch_fails_fails_its_tasks(world: World) -> None:
    container_id = only(world.run(task_info("c1", custom())), LaunchContainer)[0].container_id
    effects = world.take(ContainerLaunchFailed(container_id, "REASON_CONTAINER_LAUNCH_FAILED", "no room"))
    (status,) = statuses(effects)
    assert (status.state, status.reason) == (TaskState.FAILED, "REASON_CONTAINER_LAUNCH_FAILED")
    assert [message.status for message in uplinks(effects, ExitedExecutor)] == [-1]


# -- ending --------------------------------------------------------------------------------------------------


def test_an_executor_that_dies_before_registering_fails_its_task(world: World) -> None:
    container_id = only(world.run(task_info("exec-dies", custom("dies"))), LaunchContainer)[0].container_id
    world.take(ContainerLaunched(container_id, 1))
    effects = world.gone(container_id, 7 << 8)
    assert uplinks(effects, ExitedExecutor) == [
        ExitedExecutor(framework_id=FRAMEWORK_ID, executor_id=ExecutorId("dies"), status=1792)
    ]
    (status,) = statuses(effects)
    assert status.state is TaskState.FAILED
    assert status.source is Source.AGENT
    assert (status.reason, status.message) == ("REASON_EXECUTOR_TERMINATED", "Executor terminated")
    assert status.executor_id == "dies"
    assert status.container is None
    # As recorded, the executor's end is told before its tasks'.
    kinds = [type(effect.message) for effect in effects if hasattr(effect, "message")]
    assert kinds.index(ExitedExecutor) < kinds.index(UpdateStatus)


def test_an_executor_that_dies_fails_every_task_it_had(world: World) -> None:
    container_id, stream_id = world.start_custom("c1", "c2")
    world.acknowledge_all(world.update("c1", TaskState.RUNNING))
    world.acknowledge_all(world.update("c2", TaskState.FINISHED))
    effects = world.gone(container_id, 0)
    assert states(effects) == [("c1", TaskState.FAILED)]
    assert CloseExecutorStream(stream_id) in effects
    assert [message.status for message in uplinks(effects, ExitedExecutor)] == [0]


def test_nothing_is_told_of_an_executor_that_ends_while_there_is_no_master(world: World) -> None:
    container_id, _ = world.start_custom("c1")
    world.lose_master()
    # There is a way to a master again, but it does not know this agent yet.
    world.connect("link-2")
    effects = world.gone(container_id, 0)
    assert uplinks(effects, ExitedExecutor) == []
    assert states(world.reregister()) == [("c1", TaskState.FAILED)]


def test_a_limitation_ends_the_executor_and_names_itself(world: World) -> None:
    container_id, _ = world.start_custom("c1", "c2")
    effects = world.take(ContainerLimited(container_id, "REASON_CONTAINER_LIMITATION_MEMORY", "too much"))
    assert deeds(effects) == [DestroyContainer(container_id)]
    ended = statuses(world.gone(container_id, 9))
    assert [(one.task_id, one.state, one.reason, one.message) for one in ended] == [
        (name, TaskState.FAILED, "REASON_CONTAINER_LIMITATION_MEMORY", "too much") for name in ("c1", "c2")
    ]


def test_x55_shutdown_is_asked_first_and_forced_after_the_grace(world: World) -> None:
    container_id, stream_id = world.start_custom("c1")
    assert deeds(shut_down(world)) == [SendExecutor(stream_id, Shutdown())]
    assert deeds(world.wait(4.9)) == []
    assert deeds(world.wait(0.2)) == [DestroyContainer(container_id)]
    effects = world.gone(container_id, 9)
    assert states(effects) == [("c1", TaskState.FAILED)]


def test_x55_the_executors_own_grace_counts(world: World) -> None:
    container_id, _ = world.start_custom("c1", info=custom(grace=1.0))
    shut_down(world)
    assert deeds(world.wait(1.1)) == [DestroyContainer(container_id)]


def test_x55_an_executor_that_heeds_the_shutdown_is_not_destroyed_later(world: World) -> None:
    container_id, _ = world.start_custom("c1")
    shut_down(world)
    world.acknowledge_all(world.update("c1", TaskState.KILLED))
    effects = world.gone(container_id, 0)
    assert [message.status for message in uplinks(effects, ExitedExecutor)] == [0]
    # A new run under the same executor id is not hit by the old run's deadline.
    world.start_custom("c2")
    assert only(world.wait(30.0), DestroyContainer) == []


def test_x55_asking_twice_changes_nothing(world: World) -> None:
    container_id, _ = world.start_custom("c1")
    shut_down(world)
    world.wait(3.0)
    assert told(shut_down(world)) == []
    assert only(world.wait(2.1), DestroyContainer) == [DestroyContainer(container_id)]


def test_x55_an_executor_that_cannot_hear_yet_is_destroyed_at_once(world: World) -> None:
    container_id = only(world.run(task_info("c1", custom())), LaunchContainer)[0].container_id
    assert deeds(shut_down(world)) == [DestroyContainer(container_id)]
    assert states(world.gone(container_id, None)) == [("c1", TaskState.FAILED)]


@pytest.mark.parametrize(
    ("capability", "state"), [(PARTITION_AWARE, TaskState.DROPPED), (TASK_KILLING_STATE, TaskState.LOST)]
)
def test_x57_a_task_for_an_executor_that_is_ending_is_dropped(world: World, capability: str, state: TaskState) -> None:
    container_id, _ = world.start_custom("c1")
    shut_down(world)
    (status,) = statuses(world.run(task_info("late", custom()), framework_info(capability)))
    assert (status.state, status.reason, status.message, status.executor_id) == (
        state,
        "REASON_EXECUTOR_TERMINATED",
        "Executor terminating",
        EXECUTOR_ID,
    )
    world.gone(container_id, 0)
    (status,) = statuses(world.run(task_info("later", custom()), framework_info(capability)))
    assert status.message == "Executor terminated"


# -- disconnection -------------------------------------------------------------------------------------------


def test_m_ex_05_a_checkpointing_executor_may_be_away_for_a_quarter_of_an_hour(world: World) -> None:
    container_id, stream_id = world.start_custom("c1")
    world.take(ExecutorDisconnected(framework_id=FRAMEWORK_ID, executor_id=EXECUTOR_ID, stream_id=stream_id))
    assert deeds(world.wait(899.0)) == []
    assert deeds(world.wait(2.0)) == [DestroyContainer(container_id)]
    (status,) = statuses(world.gone(container_id, 9))
    assert status.reason == "REASON_EXECUTOR_REREGISTRATION_TIMEOUT"
    assert status.message == "Executor did not reregister within 15mins"


def test_x54_another_one_is_expected_to_exit_and_given_time_to(world: World) -> None:
    container_id = only(
        world.run(task_info("c1", custom()), framework_info(PARTITION_AWARE, checkpoint=False)), LaunchContainer
    )[0].container_id
    stream_id = only(world.subscribe(), OpenExecutorStream)[0].stream_id
    world.take(ExecutorDisconnected(framework_id=FRAMEWORK_ID, executor_id=EXECUTOR_ID, stream_id=stream_id))
    assert deeds(world.wait(4.9)) == []
    assert deeds(world.wait(0.2)) == [DestroyContainer(container_id)]


def test_m_ex_05_coming_back_in_time_ends_the_wait(world: World) -> None:
    _, stream_id = world.start_custom("c1")
    world.take(ExecutorDisconnected(framework_id=FRAMEWORK_ID, executor_id=EXECUTOR_ID, stream_id=stream_id))
    world.wait(600.0)
    world.subscribe(tasks=(task_info("c1", custom()),))
    assert only(world.wait(2000.0), DestroyContainer) == []


def test_a_stream_that_was_replaced_may_break_without_consequence(world: World) -> None:
    _, first = world.start_custom("c1")
    effects = world.subscribe(tasks=(task_info("c1", custom()),))
    assert CloseExecutorStream(first) in effects
    assert world.take(ExecutorDisconnected(framework_id=FRAMEWORK_ID, executor_id=EXECUTOR_ID, stream_id=first)) == []
    assert world.executor().stream_id == only(effects, OpenExecutorStream)[0].stream_id


def test_tasks_and_kills_that_came_meanwhile_are_told_on_return(world: World) -> None:
    _, stream_id = world.start_custom("c1")
    world.acknowledge_all(world.update("c1", TaskState.RUNNING))
    world.take(ExecutorDisconnected(framework_id=FRAMEWORK_ID, executor_id=EXECUTOR_ID, stream_id=stream_id))
    assert deeds(world.run(task_info("c2", custom()))) == []
    assert deeds(world.kill("c1", grace=2.0)) == []
    events = told(world.subscribe())
    assert [type(event) for event in events] == [ExecutorSubscribed, Kill, Launch]
    assert events[1] == Kill(TaskId("c1"), 2.0)


def test_x10_updates_that_the_executor_repeats_are_taken_once(world: World) -> None:
    _, stream_id = world.start_custom("c1")
    world.acknowledge_all(world.update("c1", TaskState.STARTING, uuid=1))
    told_before = statuses(world.update("c1", TaskState.RUNNING, uuid=2))
    assert len(told_before) == 1
    world.take(ExecutorDisconnected(framework_id=FRAMEWORK_ID, executor_id=EXECUTOR_ID, stream_id=stream_id))
    repeated = (
        executor_status("c1", TaskState.STARTING, 1),
        executor_status("c1", TaskState.RUNNING, 2),
        executor_status("c1", TaskState.FINISHED, 3),
    )
    effects = world.subscribe(tasks=(task_info("c1"),), updates=repeated)
    assert [type(event) for event in told(effects)] == [ExecutorSubscribed, Acknowledged, Acknowledged, Acknowledged]
    stream = world.state.streams[FRAMEWORK_ID, TaskId("c1")]
    assert [update.status.state for update in stream.pending.values()] == [TaskState.RUNNING, TaskState.FINISHED]


@pytest.mark.parametrize(
    ("capability", "state"), [(PARTITION_AWARE, TaskState.DROPPED), (TASK_KILLING_STATE, TaskState.LOST)]
)
def test_x10_tasks_that_never_reached_the_executor_are_dropped(world: World, capability: str, state: TaskState) -> None:
    framework = framework_info(capability)
    for name in ("listed", "missed", "reported", "running"):
        world.run(task_info(name, custom()), framework)
    stream_id = only(world.subscribe(), OpenExecutorStream)[0].stream_id
    world.acknowledge_all(world.update("running", TaskState.RUNNING))
    world.take(ExecutorDisconnected(framework_id=FRAMEWORK_ID, executor_id=EXECUTOR_ID, stream_id=stream_id))
    effects = world.subscribe(
        tasks=(task_info("listed"),), updates=(executor_status("reported", TaskState.RUNNING, 77),)
    )
    assert [(one.task_id, one.state, one.source, one.reason) for one in statuses(effects)] == [
        ("reported", TaskState.RUNNING, Source.EXECUTOR, None),
        ("missed", state, Source.AGENT, "REASON_AGENT_RESTARTED"),
    ]


def test_an_executor_that_is_to_end_and_subscribes_is_told_so_and_nothing_else(world: World) -> None:
    world.start_custom("c1")
    shut_down(world)
    effects = deeds(world.subscribe())
    assert isinstance(effects[0], OpenExecutorStream)
    stream_id = effects[0].stream_id
    assert effects[1:] == [SendExecutor(stream_id, Shutdown()), CloseExecutorStream(stream_id)]


# -- many tasks ----------------------------------------------------------------------------------------------


def lines_run(count: int) -> int:
    """How many lines of code it takes to queue, deliver, run and acknowledge so many tasks on one executor."""
    world = World(AgentOptions(max_completed_tasks_per_executor=10))
    world.register()
    # The invariants look at everything after every step, which is not what is counted here.
    world.checking = False
    lines = 0

    def trace(frame: FrameType, event: str, argument: object) -> TraceFunction:
        nonlocal lines
        lines += event == "line"
        return trace

    previous = sys.gettrace()
    sys.settrace(trace)
    try:
        for number in range(count):
            world.run(task_info(f"c{number}", custom()))
        delivered = told(world.subscribe())
        for number in range(count):
            world.acknowledge_all(world.update(f"c{number}", TaskState.RUNNING, uuid=2 * number + 1))
            world.acknowledge_all(world.update(f"c{number}", TaskState.FINISHED, uuid=2 * number + 2))
    finally:
        sys.settrace(previous)
    assert len(delivered) == count + 1
    assert not world.executor().has_unfinished_tasks
    return lines


def test_many_tasks_on_one_executor_cost_no_more_each_than_a_few() -> None:
    few, many = 50, 1000
    assert lines_run(many) / many < 1.1 * lines_run(few) / few


def test_the_containers_end_alone_is_enough(world: World) -> None:
    container_id, _ = world.start_custom("c1")
    shut_down(world)
    assert only(world.wait(6.0), DestroyContainer) == [DestroyContainer(container_id)]
    effects = world.take(ContainerDestroyed(container_id))
    assert [message.status for message in uplinks(effects, ExitedExecutor)] == [9]
    assert world.take(ContainerExited(container_id, 9)) == []


def test_the_first_reason_to_end_an_executor_is_the_one_that_is_told(world: World) -> None:
    container_id = only(world.run(task_info("c1", custom())), LaunchContainer)[0].container_id
    world.wait(61.0)
    world.take(ContainerLimited(container_id, "REASON_CONTAINER_LIMITATION_MEMORY", "too much"))
    assert [one.reason for one in statuses(world.gone(container_id, 9))] == ["REASON_EXECUTOR_REGISTRATION_TIMEOUT"]


def test_an_exit_told_twice_counts_once(world: World) -> None:
    container_id, _ = world.start_custom("c1")
    world.take(ContainerExited(container_id, 7 << 8))
    assert deeds(world.take(ContainerExited(container_id, 0))) == []
    assert [one.status for one in uplinks(world.take(ContainerDestroyed(container_id)), ExitedExecutor)] == [7 << 8]


def test_an_update_of_a_task_still_queued_counts_as_its_delivery(world: World) -> None:
    _, stream_id = world.start_custom("c1")
    world.take(ExecutorDisconnected(framework_id=FRAMEWORK_ID, executor_id=EXECUTOR_ID, stream_id=stream_id))
    world.run(task_info("c2", custom()))
    assert states(world.update("c2", TaskState.RUNNING)) == [("c2", TaskState.RUNNING)]
    assert list(world.executor().launched) == ["c1", "c2"]
    # It is not sent a second time.
    assert [type(event) for event in told(world.subscribe(tasks=(task_info("c1"),)))] == [ExecutorSubscribed]
