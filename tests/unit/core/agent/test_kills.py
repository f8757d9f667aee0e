"""Killing tasks at every moment of their lives (M-SC-07, M-AG-21, X51, X56)."""

from __future__ import annotations

import pytest

from mesos_service.core.agent.state import AgentOptions
from mesos_service.core.agent_messages import (
    ContainerDestroyed,
    ContainerExited,
    ContainerLaunched,
    ContainerLaunchFailed,
)
from mesos_service.core.effects import DestroyContainer, LaunchContainer, SendExecutor, SignalContainer
from mesos_service.core.events import Kill, LaunchGroup
from mesos_service.core.link import ExitedExecutor, RunTaskGroup
from mesos_service.domain.frameworks import PARTITION_AWARE
from mesos_service.domain.ids import ContainerId, TaskId
from mesos_service.domain.tasks import Source, TaskState
from tests.unit.core.agent.world import (
    World,
    custom,
    deeds,
    framework_info,
    only,
    states,
    statuses,
    task_info,
    told,
    uplinks,
)

TERM = 15


def test_x51_kill_before_the_executor_is_there_ends_the_task_at_once(world: World) -> None:
    container_id = only(world.run(task_info("t1")), LaunchContainer)[0].container_id
    effects = world.kill("t1")
    (status,) = statuses(effects)
    assert status.state is TaskState.KILLED
    assert status.source is Source.AGENT
    assert status.reason == "REASON_TASK_KILLED_DURING_LAUNCH"
    assert status.message == "Killed before delivery to the executor"
    assert status.executor_id == "t1"
    assert only(effects, DestroyContainer) == [DestroyContainer(container_id)]


@pytest.mark.parametrize("ending", ["failed", "destroyed", "launched and destroyed"])
def test_x51_whatever_the_launch_comes_to_the_killed_task_never_starts(world: World, ending: str) -> None:
    container_id = only(world.run(task_info("t1")), LaunchContainer)[0].container_id
    (killed,) = statuses(world.kill("t1"))
    effects = []
    if ending == "failed":
        effects += world.take(ContainerLaunchFailed(container_id, "REASON_CONTAINER_LAUNCH_FAILED", "destroyed"))
    else:
        if ending == "launched and destroyed":
            effects += world.take(ContainerLaunched(container_id, 5))
            effects += world.take(ContainerExited(container_id, 9))
        effects += world.take(ContainerDestroyed(container_id))
    assert statuses(effects) == []
    assert only(effects, DestroyContainer) == []
    world.acknowledge(killed)
    assert world.state.frameworks == {}


def test_m_ag_21_term_first_and_then_the_end_by_itself(world: World) -> None:
    container_id = world.start_command(framework=framework_info(PARTITION_AWARE))
    effects = world.kill("t1")
    assert deeds(effects) == [SignalContainer(container_id, TERM)]
    (status,) = statuses(world.take(ContainerExited(container_id, TERM)))
    assert status.state is TaskState.KILLED
    assert status.message == "Command terminated with signal Terminated"
    assert status.source is Source.EXECUTOR
    assert status.reason is None
    # The escalation is called off.
    world.take(ContainerDestroyed(container_id))
    assert only(world.wait(5.0), DestroyContainer) == []


def test_x56_task_killing_is_told_to_frameworks_that_know_it(world: World) -> None:
    container_id = world.start_command(pid=42)
    effects = world.kill("t1")
    (killing,) = statuses(effects)
    assert killing.state is TaskState.KILLING
    assert killing.source is Source.EXECUTOR
    assert killing.container is not None
    assert killing.container.executor_pid == 42
    assert only(effects, SignalContainer) == [SignalContainer(container_id, TERM)]
    assert states(world.kill("t1")) == []


def test_m_ag_21_the_default_grace_is_three_seconds(world: World) -> None:
    container_id = world.start_command()
    world.kill("t1")
    assert only(world.wait(2.9), DestroyContainer) == []
    assert only(world.wait(0.2), DestroyContainer) == [DestroyContainer(container_id)]


def test_m_ag_21_the_tasks_kill_policy_sets_the_grace(world: World) -> None:
    container_id = world.start_command(task_info("t1", kill_grace=1.0))
    world.kill("t1")
    assert only(world.wait(0.9), DestroyContainer) == []
    assert only(world.wait(0.2), DestroyContainer) == [DestroyContainer(container_id)]


def test_m_ag_21_the_calls_kill_policy_overrides_the_tasks(world: World) -> None:
    container_id = world.start_command(task_info("t1", kill_grace=1.0))
    world.kill("t1", grace=10.0)
    assert only(world.wait(9.9), DestroyContainer) == []
    assert only(world.wait(0.2), DestroyContainer) == [DestroyContainer(container_id)]


def test_x56_a_later_kill_shortens_counting_from_the_first(world: World) -> None:
    container_id = world.start_command()
    world.kill("t1", grace=60.0)
    world.wait(2.0)
    assert only(world.kill("t1", grace=5.0), SignalContainer) == []
    assert only(world.wait(2.9), DestroyContainer) == []
    assert only(world.wait(0.2), DestroyContainer) == [DestroyContainer(container_id)]


def test_x56_a_later_kill_whose_grace_is_over_already_takes_effect_at_once(world: World) -> None:
    container_id = world.start_command()
    world.kill("t1", grace=60.0)
    world.wait(30.0)
    world.kill("t1", grace=1.0)
    assert only(world.wait(0.0), DestroyContainer) == [DestroyContainer(container_id)]


def test_x56_a_later_kill_never_lengthens(world: World) -> None:
    container_id = world.start_command()
    world.kill("t1", grace=2.0)
    world.wait(1.0)
    world.kill("t1", grace=600.0)
    assert only(world.wait(1.1), DestroyContainer) == [DestroyContainer(container_id)]


def test_x56_no_grace_at_all_still_tries_term(world: World) -> None:
    container_id = world.start_command()
    assert only(world.kill("t1", grace=0.0), SignalContainer) == [SignalContainer(container_id, TERM)]
    assert only(world.wait(0.0), DestroyContainer) == [DestroyContainer(container_id)]


def test_a_killed_task_that_nobody_saw_end_was_ended_by_the_kill(world: World) -> None:
    container_id = world.start_command()
    world.kill("t1", grace=0.0)
    world.wait(0.0)
    killed = world.acknowledge_all(world.take(ContainerDestroyed(container_id)))
    assert killed == []
    told_after = statuses(world.acknowledge(world.executor("t1").terminated[TaskId("t1")].statuses[-2]))
    assert [(one.state, one.message) for one in told_after] == [
        (TaskState.KILLED, "Command terminated with signal Killed")
    ]


def test_a_task_that_heeds_term_and_exits_well_is_killed_all_the_same(world: World) -> None:
    container_id = world.start_command(framework=framework_info(PARTITION_AWARE))
    world.kill("t1")
    (status,) = statuses(world.take(ContainerExited(container_id, 0)))
    assert (status.state, status.message) == (TaskState.KILLED, "Command exited with status 0")


def test_killing_a_task_that_is_over_does_nothing(world: World) -> None:
    container_id = world.start_command()
    (finished,) = statuses(world.take(ContainerExited(container_id, 0)))
    assert deeds(world.kill("t1")) == []
    world.take(ContainerDestroyed(container_id))
    assert deeds(world.kill("t1")) == []
    world.acknowledge(finished)
    # The kill and the acknowledgement crossed.
    assert deeds(world.kill("t1")) == []


def test_killing_a_task_that_never_was_here_says_so(world: World) -> None:
    (status,) = statuses(world.kill("never"))
    assert (status.state, status.source, status.reason) == (
        TaskState.DROPPED,
        Source.AGENT,
        "REASON_EXECUTOR_TERMINATED",
    )
    assert statuses(world.kill("never")) == []
    world.start_command(framework=framework_info("MULTI_ROLE"))
    assert states(world.kill("never either")) == [("never either", TaskState.LOST)]


def test_m_sc_07_a_kill_is_passed_to_a_custom_executor(world: World) -> None:
    _, stream_id = world.start_custom("c1")
    effects = world.kill("c1", grace=3.0)
    assert deeds(effects) == [SendExecutor(stream_id, Kill(task_info("c1").task_id, 3.0))]
    assert told(world.kill("c1")) == [Kill(task_info("c1").task_id, None)]


def test_x57_a_custom_executor_that_never_got_a_task_is_ended(world: World) -> None:
    container_id = only(world.run(task_info("c1", custom())), LaunchContainer)[0].container_id
    world.run(task_info("c2", custom()))
    assert only(world.kill("c1"), DestroyContainer) == []
    effects = world.kill("c2")
    assert only(effects, DestroyContainer) == [DestroyContainer(container_id)]
    assert states(effects) == [("c2", TaskState.KILLED)]
    ended = world.gone(container_id, 9)
    assert [message.status for message in uplinks(ended, ExitedExecutor)] == [9]
    assert statuses(ended) == []


def test_x57_an_executor_with_other_tasks_lives_on(world: World) -> None:
    world.run(task_info("c1", custom()))
    world.run(task_info("c2", custom()))
    world.kill("c1")
    assert [type(event).__name__ for event in told(world.subscribe())] == ["ExecutorSubscribed", "Launch"]


def test_m_sc_07_killing_one_queued_task_of_a_group_kills_them_all(world: World) -> None:
    tasks = tuple(task_info(name, custom()) for name in ("g1", "g2", "g3"))
    world.run(task_info("alone", custom()))
    world.master(RunTaskGroup(framework=framework_info(), executor=custom(), tasks=tasks))
    killed = states(world.kill("g2"))
    assert killed == [(name, TaskState.KILLED) for name in ("g1", "g2", "g3")]
    events = told(world.subscribe())
    assert not any(isinstance(event, LaunchGroup) for event in events)
    assert len(events) == 2


def test_m_sc_07_killing_one_task_of_a_pod_kills_them_all(world: World) -> None:
    containers = world.start_group("a", "b")
    effects = world.kill("a")
    world.acknowledge_all(effects)
    assert only(effects, SignalContainer) == [SignalContainer(containers["a"], TERM)]
    effects = world.take(ContainerExited(containers["a"], TERM))
    assert only(effects, SignalContainer) == [SignalContainer(containers["b"], TERM)]
    assert states(effects) == [("a", TaskState.KILLED), ("b", TaskState.KILLING)]


def test_the_default_grace_is_an_option() -> None:
    world = World(AgentOptions(kill_grace_seconds=0.5))
    world.register()
    container_id: ContainerId = world.start_command()
    world.kill("t1")
    assert only(world.wait(0.6), DestroyContainer) == [DestroyContainer(container_id)]


def test_m_ag_22_a_task_that_is_being_killed_does_not_become_overdue(world: World) -> None:
    container_id = world.start_command(task_info("t1", max_completion=5.0), framework_info(PARTITION_AWARE))
    world.kill("t1", grace=30.0)
    world.wait(10.0)
    (status,) = statuses(world.take(ContainerExited(container_id, TERM)))
    assert (status.state, status.reason) == (TaskState.KILLED, None)


def test_x56_a_group_that_falls_does_not_shorten_a_kill_under_way(world: World) -> None:
    containers = world.start_group("a", "b")
    world.kill("b", grace=60.0)
    world.take(ContainerExited(containers["a"], 256))
    assert only(world.wait(59.0), DestroyContainer) == []
    assert only(world.wait(1.0), DestroyContainer) == [DestroyContainer(containers["b"])]
