"""Task groups on the built-in default executor (M-OP-02, M-EX-06)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mesos_service.core.agent.state import ExecutorState
from mesos_service.core.agent_messages import (
    ContainerDestroyed,
    ContainerExited,
    ContainerLaunched,
    ContainerLaunchFailed,
    ContainerLimited,
)
from mesos_service.core.effects import DestroyContainer, LaunchContainer, SignalContainer
from mesos_service.core.events import ExecutorEvent
from mesos_service.core.link import ExitedExecutor, MessageToAgent, ShutdownExecutor
from mesos_service.domain.ids import ExecutorId
from mesos_service.domain.tasks import Source, TaskInfo, TaskState
from tests.unit.core.agent.world import (
    FRAMEWORK_ID,
    SMALL,
    World,
    deeds,
    only,
    pod,
    states,
    statuses,
    task_info,
    told,
    uplinks,
)


def test_m_op_02_each_task_gets_a_container_nested_in_the_executors(world: World) -> None:
    effects = world.run_group(pod(), task_info("a"), task_info("b"))
    launches = only(effects, LaunchContainer)
    executor = world.executor("pod")
    assert executor.state is ExecutorState.RUNNING
    assert executor.pid is None
    assert [launch.parent for launch in launches] == [executor.container_id] * 2
    assert [launch.task.task_id for launch in launches if launch.task] == ["a", "b"]
    assert len({executor.container_id, *(launch.container_id for launch in launches)}) == 3
    # There is no process of the executor itself.
    assert executor.container_id not in world.state.containers
    assert executor.resources == SMALL + SMALL + SMALL


def test_m_ex_06_starting_comes_at_once_and_running_with_the_launch(world: World) -> None:
    effects = world.run_group(pod(), task_info("a"), task_info("b"))
    launches = only(effects, LaunchContainer)
    starting = statuses(effects)
    assert states(effects) == [("a", TaskState.STARTING), ("b", TaskState.STARTING)]
    for status, launch in zip(starting, launches, strict=True):
        assert status.executor_id == "pod"
        assert status.source is Source.EXECUTOR
        assert status.container is not None
        assert status.container.container_id == launch.container_id
        assert status.container.parent_id == world.executor("pod").container_id
        assert status.container.executor_pid is None
    world.acknowledge_all(effects)
    (running,) = statuses(world.take(ContainerLaunched(launches[1].container_id, 55)))
    assert (running.task_id, running.state) == ("b", TaskState.RUNNING)
    assert running.container is not None
    assert running.container.executor_pid == 55


def test_m_ag_23_all_tasks_of_an_executor_share_or_none(world: World) -> None:
    first = world.run_group(pod(), task_info("a"))
    assert [one.task and one.task.shares_cgroups for one in only(first, LaunchContainer)] == [True]
    world.acknowledge_all(first)
    effects = world.run_group(pod(), replace(task_info("b"), shares_cgroups=False))
    assert only(effects, LaunchContainer) == []
    (refused,) = statuses(effects)
    assert (refused.task_id, refused.reason) == ("b", "REASON_TASK_INVALID")
    assert refused.message == "All tasks of an executor must have the same value of 'share_cgroups'"
    assert len(only(world.run_group(pod(), task_info("c")), LaunchContainer)) == 1


def test_a_task_that_finishes_leaves_the_others_alone(world: World) -> None:
    containers = world.start_group("a", "b")
    effects = world.gone(containers["a"], 0)
    (finished,) = statuses(effects)
    assert (finished.state, finished.message) == (TaskState.FINISHED, "Command exited with status 0")
    assert finished.container is not None
    assert finished.container.executor_pid is None
    assert only(effects, SignalContainer) == []
    assert uplinks(effects, ExitedExecutor) == []


def test_m_ag_23_one_that_fails_takes_its_group_along(world: World) -> None:
    containers = world.start_group("a", "b", "c")
    effects = world.take(ContainerExited(containers["b"], 256))
    assert states(effects) == [("b", TaskState.FAILED), ("a", TaskState.KILLING), ("c", TaskState.KILLING)]
    assert only(effects, SignalContainer) == [
        SignalContainer(containers["a"], 15),
        SignalContainer(containers["c"], 15),
    ]
    for name in ("a", "c"):
        world.acknowledge_all(effects)
        effects = world.take(ContainerExited(containers[name], 15))
        assert only(effects, SignalContainer) == []
    executor = world.executor("pod")
    assert {task.info.task_id: task.state for task in (*executor.completed, *executor.terminated.values())} == {
        "a": TaskState.KILLED,
        "b": TaskState.FAILED,
        "c": TaskState.KILLED,
    }


def test_another_group_on_the_same_executor_is_not_touched(world: World) -> None:
    first = world.start_group("a")
    second = world.start_group("b")
    assert len(world.state.frameworks[FRAMEWORK_ID].executors) == 1
    effects = world.gone(first["a"], 256)
    assert only(effects, SignalContainer) == []
    assert second["b"] in world.state.containers


def test_the_executor_ends_with_its_last_container_and_status_0(world: World) -> None:
    containers = world.start_group("a", "b")
    world.acknowledge_all(world.gone(containers["a"]))
    effects = world.take(ContainerExited(containers["b"], 256))
    assert uplinks(effects, ExitedExecutor) == []
    world.acknowledge_all(effects)
    effects = world.take(ContainerDestroyed(containers["b"]))
    assert uplinks(effects, ExitedExecutor) == [
        ExitedExecutor(framework_id=FRAMEWORK_ID, executor_id=ExecutorId("pod"), status=0)
    ]
    assert world.state.frameworks == {}


def test_a_failed_launch_fails_the_task_and_kills_its_group(world: World) -> None:
    effects = world.run_group(pod(), task_info("a"), task_info("b"))
    first, second = (launch.container_id for launch in only(effects, LaunchContainer))
    world.acknowledge_all(effects)
    world.acknowledge_all(world.take(ContainerLaunched(second, 9)))
    effects = world.take(ContainerLaunchFailed(first, "REASON_CONTAINER_LAUNCH_FAILED", "no such image"))
    failed, killing = statuses(effects)
    assert (failed.task_id, failed.state, failed.reason) == ("a", TaskState.FAILED, "REASON_CONTAINER_LAUNCH_FAILED")
    assert failed.message == "Failed to launch container: no such image"
    assert (killing.task_id, killing.state) == ("b", TaskState.KILLING)
    assert only(effects, SignalContainer) == [SignalContainer(second, 15)]


@pytest.mark.parametrize("ending", ["failed", "destroyed", "launched and destroyed"])
def test_x51_a_task_killed_while_it_is_launched_is_killed_and_not_failed(world: World, ending: str) -> None:
    effects = world.run_group(pod(), task_info("a"))
    container_id = only(effects, LaunchContainer)[0].container_id
    world.acknowledge_all(effects)
    effects = world.kill("a")
    assert only(effects, DestroyContainer) == [DestroyContainer(container_id)]
    assert states(effects) == [("a", TaskState.KILLING)]
    world.acknowledge_all(effects)
    effects = []
    if ending == "failed":
        effects = world.take(ContainerLaunchFailed(container_id, "REASON_CONTAINER_LAUNCH_FAILED", "destroyed"))
    else:
        if ending == "launched and destroyed":
            assert statuses(world.take(ContainerLaunched(container_id, 5))) == []
        effects = world.take(ContainerDestroyed(container_id))
    (killed,) = statuses(effects)
    assert killed.state is TaskState.KILLED
    if ending == "launched and destroyed":
        assert killed.message == "Command terminated with signal Killed"
    else:
        assert killed.reason == "REASON_TASK_KILLED_DURING_LAUNCH"
    assert len(uplinks(effects, ExitedExecutor)) == 1


def test_m_ag_22_a_task_of_a_group_that_runs_too_long_fails(world: World) -> None:
    effects = world.run_group(pod(), task_info("a", max_completion=2.0), task_info("b"))
    for launch in only(effects, LaunchContainer):
        world.take(ContainerLaunched(launch.container_id, 1))
    world.acknowledge_all(effects)
    signals = only(world.wait(2.1), SignalContainer)
    first = only(effects, LaunchContainer)[0].container_id
    assert signals == [SignalContainer(first, 15)]
    ended = world.take(ContainerExited(first, 15))
    assert [(one.state, one.reason) for one in statuses(ended)] == [
        (TaskState.FAILED, "REASON_MAX_COMPLETION_TIME_REACHED"),
        (TaskState.KILLING, None),
    ]


def test_a_limitation_hits_one_task_and_kills_its_group(world: World) -> None:
    containers = world.start_group("a", "b")
    effects = world.take(ContainerLimited(containers["a"], "REASON_CONTAINER_LIMITATION_DISK", "too much disk"))
    assert deeds(effects) == [DestroyContainer(containers["a"])]
    assert statuses(world.take(ContainerExited(containers["a"], 9))) == []
    effects = world.take(ContainerDestroyed(containers["a"]))
    assert [(one.task_id, one.state, one.reason) for one in statuses(effects)] == [
        ("a", TaskState.FAILED, "REASON_CONTAINER_LIMITATION_DISK"),
        ("b", TaskState.KILLING, None),
    ]


def test_m_sc_08_shutdown_kills_every_task_and_then_ends_the_executor(world: World) -> None:
    containers = world.start_group("a", "b")
    effects = world.master(ShutdownExecutor(framework_id=FRAMEWORK_ID, executor_id=ExecutorId("pod")))
    assert states(effects) == [("a", TaskState.KILLING), ("b", TaskState.KILLING)]
    assert len(only(effects, SignalContainer)) == 2
    world.acknowledge_all(effects)
    # It takes no more tasks (X57).
    dropped = world.run_group(pod(), task_info("late"))
    assert [(one.state, one.reason, one.message) for one in statuses(dropped)] == [
        (TaskState.DROPPED, "REASON_EXECUTOR_TERMINATED", "Executor terminating")
    ]
    first = world.gone(containers["a"], 15)
    second = world.gone(containers["b"], 15)
    assert uplinks(first, ExitedExecutor) == []
    assert [message.status for message in uplinks(second, ExitedExecutor)] == [0]


def test_m_op_02_one_bad_task_drops_the_whole_group(world: World) -> None:
    bad = TaskInfo(
        task_id=task_info("bad").task_id,
        agent_id=task_info("bad").agent_id,
        resources=SMALL,
        command="true",
        limits={"cpus": 1000},
    )
    effects = world.run_group(pod(), task_info("good"), bad)
    assert only(effects, LaunchContainer) == []
    assert states(effects) == [("good", TaskState.DROPPED), ("bad", TaskState.DROPPED)]
    assert world.state.frameworks == {}


def test_a_task_sent_alone_to_a_default_executor_is_a_group_of_one(world: World) -> None:
    effects = world.run(task_info("a", pod()))
    (launch,) = only(effects, LaunchContainer)
    assert launch.parent == world.executor("pod").container_id


def test_m_sc_11_a_default_executor_has_no_ear_for_messages(world: World) -> None:
    world.start_group("a")
    heard: list[ExecutorEvent] = told(
        world.master(MessageToAgent(framework_id=FRAMEWORK_ID, executor_id=ExecutorId("pod"), data=b"hi"))
    )
    assert heard == []


def test_the_executor_waits_for_every_container_to_be_cleaned_up(world: World) -> None:
    containers = world.start_group("a", "b")
    for name in ("a", "b"):
        world.acknowledge_all(world.take(ContainerExited(containers[name], 0)))
    assert uplinks(world.take(ContainerDestroyed(containers["a"])), ExitedExecutor) == []
    assert len(uplinks(world.take(ContainerDestroyed(containers["b"])), ExitedExecutor)) == 1


def test_a_new_group_may_come_while_the_last_container_is_cleaned_up(world: World) -> None:
    containers = world.start_group("a")
    world.acknowledge_all(world.take(ContainerExited(containers["a"], 0)))
    later = world.start_group("b")
    assert uplinks(world.take(ContainerDestroyed(containers["a"])), ExitedExecutor) == []
    assert len(uplinks(world.gone(later["b"]), ExitedExecutor)) == 1
