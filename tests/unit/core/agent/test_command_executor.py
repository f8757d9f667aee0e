"""Command tasks: one executor, one container, one process each."""

from __future__ import annotations

import pytest

from mesos_service.core.agent.state import AgentOptions, ExecutorState
from mesos_service.core.agent_messages import (
    ContainerDestroyed,
    ContainerExited,
    ContainerLaunched,
    ContainerLaunchFailed,
    ContainerLimited,
)
from mesos_service.core.effects import DestroyContainer, LaunchContainer, SignalContainer
from mesos_service.core.link import ExitedExecutor
from mesos_service.domain.executors import ExecutorType
from mesos_service.domain.frameworks import TASK_KILLING_STATE
from mesos_service.domain.ids import TaskId
from mesos_service.domain.tasks import ContainerStatus, Source, TaskState
from tests.unit.core.agent.world import (
    AGENT_ID,
    FRAMEWORK_ID,
    SMALL,
    World,
    custom,
    deeds,
    facts,
    framework_info,
    only,
    states,
    statuses,
    task_info,
    uplinks,
)


def test_m_op_01_a_command_task_is_launched_in_a_container_of_its_own(world: World) -> None:
    effects = deeds(world.run(task_info("t1")))
    assert len(effects) == 1
    launch = effects[0]
    assert isinstance(launch, LaunchContainer)
    assert launch.task is not None
    assert launch.task.task_id == "t1"
    assert launch.executor.type is ExecutorType.COMMAND
    assert launch.executor.executor_id == "t1"
    assert launch.resources == SMALL
    assert launch.parent is None
    assert launch.trace is None
    assert len(launch.container_id) == 36


def test_m_ex_06_starting_and_running_follow_the_launch_with_where_it_runs(world: World) -> None:
    container_id = only(world.run(task_info("t1")), LaunchContainer)[0].container_id
    world.now += 2.5
    first = statuses(world.take(ContainerLaunched(container_id, 4711)))
    assert [status.state for status in first] == [TaskState.STARTING]
    second = statuses(world.acknowledge(first[0]))
    assert [status.state for status in second] == [TaskState.RUNNING]
    for status in (*first, *second):
        assert status.source is Source.EXECUTOR
        assert status.executor_id == "t1"
        assert status.agent_id == AGENT_ID
        assert status.timestamp == world.now
        assert (status.reason, status.message) == (None, None)
        assert status.container == ContainerStatus(
            container_id=container_id, executor_pid=4711, ip_addresses=("127.0.0.1",)
        )
    assert first[0].uuid != second[0].uuid


@pytest.mark.parametrize(
    ("wait_status", "state", "message"),
    [
        (0, TaskState.FINISHED, "Command exited with status 0"),
        (3 << 8, TaskState.FAILED, "Command exited with status 3"),
        (127 << 8, TaskState.FAILED, "Command exited with status 127"),
        (9, TaskState.FAILED, "Command terminated with signal Killed"),
        (15, TaskState.FAILED, "Command terminated with signal Terminated"),
        (11 | 0x80, TaskState.FAILED, "Command terminated with signal Segmentation fault (core dumped)"),
    ],
)
def test_m_ex_06_the_end_of_the_command_is_the_end_of_the_task(
    world: World, wait_status: int, state: TaskState, message: str
) -> None:
    container_id = world.start_command(pid=77)
    effects = world.take(ContainerExited(container_id, wait_status))
    assert only(effects, DestroyContainer) == [DestroyContainer(container_id)]
    (status,) = statuses(effects)
    assert (status.state, status.message, status.reason) == (state, message, None)
    assert status.source is Source.EXECUTOR
    assert status.container is not None
    assert status.container.executor_pid == 77
    effects = world.take(ContainerDestroyed(container_id))
    assert "executor.terminated" in facts(effects)
    # The master does not list command executors, so there is nothing to tell of its end.
    assert uplinks(effects, ExitedExecutor) == []
    assert world.executor("t1").state is ExecutorState.TERMINATED
    world.acknowledge(status)
    assert world.state.frameworks == {}


def test_x08_executor_and_framework_are_completed_with_the_last_acknowledgement(world: World) -> None:
    container_id = world.start_command()
    (status,) = statuses(world.gone(container_id))
    executor = world.executor("t1")
    assert list(executor.terminated) == ["t1"]
    world.acknowledge(status)
    framework = world.state.completed_frameworks[FRAMEWORK_ID]
    (completed,) = framework.completed_executors
    assert completed is executor
    assert [(task.info.task_id, task.state) for task in completed.completed] == [("t1", TaskState.FINISHED)]
    assert [one.state for one in completed.completed[0].statuses] == [
        TaskState.STARTING,
        TaskState.RUNNING,
        TaskState.FINISHED,
    ]
    assert world.state.streams == {}
    assert world.state.containers == {}


def test_the_acknowledgement_may_come_before_the_container_is_gone(world: World) -> None:
    container_id = world.start_command()
    (status,) = statuses(world.take(ContainerExited(container_id, 0)))
    world.acknowledge(status)
    assert world.executor("t1").state is ExecutorState.TERMINATING
    world.take(ContainerDestroyed(container_id))
    assert world.state.frameworks == {}


def test_a_framework_that_comes_back_keeps_its_completed_executors(world: World) -> None:
    for task_id in ("t1", "t2"):
        container_id = world.start_command(task_info(task_id))
        world.acknowledge_all(world.gone(container_id))
    assert list(world.state.completed_frameworks) == [FRAMEWORK_ID]
    world.start_command(task_info("t3"))
    framework = world.state.frameworks[FRAMEWORK_ID]
    assert [executor.info.executor_id for executor in framework.completed_executors] == ["t1", "t2"]
    assert world.state.completed_frameworks == {}


def test_launch_failure_is_told_as_the_agents_word(world: World) -> None:
    container_id = only(world.run(task_info("t1")), LaunchContainer)[0].container_id
    effects = world.take(
        ContainerLaunchFailed(container_id, "REASON_CONTAINER_LAUNCH_FAILED", "Failed to fetch /no/such/file")
    )
    (status,) = statuses(effects)
    assert status.state is TaskState.FAILED
    assert status.source is Source.AGENT
    assert status.reason == "REASON_CONTAINER_LAUNCH_FAILED"
    assert status.message == "Failed to launch container: Failed to fetch /no/such/file"
    assert status.executor_id == "t1"
    assert status.container is None
    world.acknowledge(status)
    assert world.state.frameworks == {}


@pytest.mark.parametrize(
    ("capabilities", "state"),
    [(("PARTITION_AWARE",), TaskState.DROPPED), ((TASK_KILLING_STATE,), TaskState.LOST)],
)
def test_an_unknown_user_drops_the_task(world: World, capabilities: tuple[str, ...], state: TaskState) -> None:
    launched = world.run(task_info("t1"), framework_info(*capabilities))
    container_id = only(launched, LaunchContainer)[0].container_id
    text = "No such user 'no-such-user'"
    (status,) = statuses(world.take(ContainerLaunchFailed(container_id, "REASON_EXECUTOR_TERMINATED", text)))
    assert (status.state, status.source, status.reason, status.message) == (
        state,
        Source.AGENT,
        "REASON_EXECUTOR_TERMINATED",
        text,
    )


def test_m_ag_22_a_task_that_runs_too_long_fails_with_its_own_reason(world: World) -> None:
    container_id = world.start_command(task_info("t1", max_completion=2.0))
    assert deeds(world.wait(1.9)) == []
    effects = world.wait(0.2)
    assert only(effects, SignalContainer) == [SignalContainer(container_id, 15)]
    # As recorded: no TASK_KILLING comes before it.
    assert states(effects) == []
    (status,) = statuses(world.take(ContainerExited(container_id, 15)))
    assert status.state is TaskState.FAILED
    assert status.reason == "REASON_MAX_COMPLETION_TIME_REACHED"
    assert status.message == "Command terminated with signal Terminated"
    assert status.source is Source.EXECUTOR


def test_m_ag_22_one_that_ignores_term_is_destroyed_after_its_grace(world: World) -> None:
    container_id = world.start_command(task_info("t1", max_completion=2.0, kill_grace=1.0))
    assert only(world.wait(2.9), DestroyContainer) == []
    assert only(world.wait(0.2), DestroyContainer) == [DestroyContainer(container_id)]
    (status,) = statuses(world.gone(container_id, 9))
    assert status.reason == "REASON_MAX_COMPLETION_TIME_REACHED"


def test_m_ag_22_a_task_that_ends_in_time_leaves_no_deadline(world: World) -> None:
    container_id = world.start_command(task_info("t1", max_completion=2.0))
    world.acknowledge_all(world.gone(container_id))
    assert world.wait(10.0) == []


def test_a_limitation_fails_the_task_with_the_isolators_reason(world: World) -> None:
    container_id = world.start_command()
    effects = world.take(ContainerLimited(container_id, "REASON_CONTAINER_LIMITATION_MEMORY", "Memory limit exceeded"))
    assert deeds(effects) == [DestroyContainer(container_id)]
    (status,) = statuses(world.gone(container_id, 9))
    assert status.state is TaskState.FAILED
    assert status.source is Source.AGENT
    assert (status.reason, status.message) == ("REASON_CONTAINER_LIMITATION_MEMORY", "Memory limit exceeded")


def test_limits_that_nothing_enforces_drop_the_task(world: World) -> None:
    limited = task_info("t1")
    for limits, name, isolator in (
        ({"cpus": 1000, "mem": 64000}, "CPU", "cgroups/cpu"),
        ({"mem": None}, "Memory", "cgroups/mem"),
    ):
        task = type(limited)(
            task_id=TaskId(f"limits-{name}"),
            agent_id=AGENT_ID,
            resources=SMALL,
            command="true",
            limits=limits,
        )
        effects = world.run(task)
        assert only(effects, LaunchContainer) == []
        (status,) = statuses(effects)
        assert (status.state, status.source, status.reason) == (TaskState.DROPPED, Source.AGENT, "REASON_GC_ERROR")
        assert status.message is not None
        assert status.message.startswith(f"{name} limits can only be set")
        assert status.message.endswith(f"'{isolator}' isolator")
        assert status.executor_id is None
        world.acknowledge(status)
    assert world.state.streams == {}


def test_limits_that_are_enforced_are_allowed() -> None:
    world = World(AgentOptions(isolation=frozenset({"cgroups/cpu", "cgroups/mem"})))
    world.register()
    task = type(task_info("t"))(
        task_id=TaskId("t"), agent_id=AGENT_ID, resources=SMALL, command="true", limits={"cpus": None, "mem": 64000}
    )
    assert len(only(world.run(task), LaunchContainer)) == 1


def test_the_same_launch_twice_runs_once(world: World) -> None:
    world.run(task_info("t1"))
    effects = world.run(task_info("t1"))
    assert deeds(effects) == []
    assert facts(effects) == ["task.ignored"]


def test_completed_histories_stay_short() -> None:
    world = World(AgentOptions(max_completed_executors_per_framework=3, max_completed_frameworks=2))
    world.register()
    for number in range(6):
        world.acknowledge_all(world.gone(world.start_command(task_info(f"t{number}"))))
    framework = world.state.completed_frameworks[FRAMEWORK_ID]
    assert [executor.info.executor_id for executor in framework.completed_executors] == ["t3", "t4", "t5"]


def test_a_container_that_is_limited_before_it_runs_never_runs(world: World) -> None:
    container_id = only(world.run(task_info("t1")), LaunchContainer)[0].container_id
    world.take(ContainerLimited(container_id, "REASON_CONTAINER_LIMITATION_DISK", "full"))
    assert statuses(world.take(ContainerLaunched(container_id, 5))) == []
    assert [one.reason for one in statuses(world.gone(container_id, 9))] == ["REASON_CONTAINER_LIMITATION_DISK"]


def test_the_newest_word_on_a_framework_counts(world: World) -> None:
    world.start_command(task_info("t1"), framework_info(TASK_KILLING_STATE))
    world.start_command(task_info("t2"), framework_info("PARTITION_AWARE"))
    assert states(world.kill("t1")) == []


def test_x57_a_task_id_used_again_while_its_container_is_cleaned_up_is_dropped(world: World) -> None:
    container_id = world.start_command(task_info("t1"))
    world.acknowledge_all(world.take(ContainerExited(container_id, 0)))
    effects = world.run(task_info("t1"))
    assert only(effects, LaunchContainer) == []
    assert [(one.state, one.message) for one in statuses(effects)] == [(TaskState.DROPPED, "Executor terminating")]
    world.acknowledge_all(effects)
    world.take(ContainerDestroyed(container_id))
    world.start_command(task_info("t1"))


def test_a_command_task_cannot_take_the_name_of_a_running_executor(world: World) -> None:
    world.start_custom("c1", info=custom("name"))
    effects = world.run(task_info("name"))
    assert only(effects, LaunchContainer) == []
    assert [(one.state, one.reason) for one in statuses(effects)] == [(TaskState.DROPPED, "REASON_TASK_INVALID")]
    world.acknowledge_all(effects)
    world.start_command(task_info("t1"))
    effects = world.run(task_info("c2", custom("t1")))
    assert [(one.state, one.reason) for one in statuses(effects)] == [(TaskState.DROPPED, "REASON_TASK_INVALID")]
