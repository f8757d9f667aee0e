"""Checks and health checks of tasks on the built-in executors: when they are tried, what is told, who is killed."""

from __future__ import annotations

import pytest

from mesos_service.core.agent.replay import replay
from mesos_service.core.agent.state import AgentState
from mesos_service.core.agent.step import next_deadline
from mesos_service.core.agent_messages import (
    ContainerExited,
    ContainerLaunched,
    ContainersRecovered,
    FoundContainer,
    ProbeEnded,
    Recover,
)
from mesos_service.core.effects import AgentEffect, LaunchContainer, SignalContainer, StartProbe, StopProbe
from mesos_service.domain.checks import Check, CheckStatus, CheckType, HealthCheck, ProbeResult, Purpose
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.tasks import TaskInfo, TaskState, TaskStatus
from tests.unit.core.agent.world import World, only, pod, states, statuses, task_info

GOOD, BAD = ProbeResult(0), ProbeResult(1)


def command(delay: float = 0.0, interval: float = 1.0, timeout: float = 1.0) -> Check:
    return Check(
        type=CheckType.COMMAND,
        command="true",
        delay_seconds=delay,
        interval_seconds=interval,
        timeout_seconds=timeout,
    )


def health(
    failures: int = 2, grace: float = 0.0, delay: float = 0.0, interval: float = 1.0, timeout: float = 1.0
) -> HealthCheck:
    check = command(delay, interval, timeout)
    return HealthCheck(check=check, consecutive_failures=failures, grace_period_seconds=grace)


def start(world: World, task: TaskInfo) -> ContainerId:
    return world.start_command(task)


def probe(world: World, seconds: float = 0.0) -> StartProbe:
    """The next try, which begins within so many seconds; the time is then that of its beginning."""
    until = world.now + seconds
    while (deadline := next_deadline(world.state)) is not None and deadline <= until + 1e-6:
        if started := only(world.wait(max(0.0, deadline - world.now)), StartProbe):
            return started[0]
    raise AssertionError("nothing is tried")


def end(world: World, started: StartProbe, result: ProbeResult) -> list[AgentEffect]:
    return world.take(ProbeEnded(started.container_id, started.purpose, started.probe, result))


def told(world: World, effects: list[AgentEffect]) -> list[TaskStatus]:
    return world.acknowledge_all(effects)


def test_m_ag_19_the_first_try_waits_for_the_delay_and_the_next_for_the_interval(world: World) -> None:
    start(world, task_info("t1", health_check=health(delay=5.0, interval=2.0)))
    assert not only(world.wait(4.9), StartProbe)
    first = probe(world, 0.1)
    assert (first.purpose, first.check) == (Purpose.HEALTH, command(5.0, 2.0))
    end(world, first, GOOD)
    assert not only(world.wait(1.9), StartProbe)
    assert probe(world, 0.1).probe != first.probe


def test_x58_m_ag_19_success_is_told_once_and_failures_each_time_until_the_task_is_killed(world: World) -> None:
    """As recorded: RUNNING with ``healthy`` false and the reason, so many times, then KILLED with ``healthy`` false."""
    container_id = start(world, task_info("t1", health_check=health(failures=2)))
    [update] = told(world, end(world, probe(world), GOOD))
    assert (update.state, update.healthy) == (TaskState.RUNNING, True)
    assert (update.reason, update.message) == ("REASON_TASK_HEALTH_CHECK_STATUS_UPDATED", None)
    assert update.container is not None
    assert update.container.executor_pid == 100
    assert not statuses(end(world, probe(world, 1.0), GOOD))
    [update] = told(world, end(world, probe(world, 1.0), BAD))
    assert (update.state, update.healthy) == (TaskState.RUNNING, False)
    [update] = told(world, end(world, probe(world, 1.0), GOOD))
    assert update.healthy is True
    told(world, end(world, probe(world, 1.0), BAD))
    last = end(world, probe(world, 1.0), BAD)
    assert [one.signal for one in only(last, SignalContainer)] == [15]
    seen = told(world, last)
    assert [(one.state, one.healthy) for one in seen] == [(TaskState.RUNNING, False), (TaskState.KILLING, False)]
    [end_of_it] = told(world, world.take(ContainerExited(container_id, 15)))
    assert (end_of_it.state, end_of_it.healthy, end_of_it.reason) == (TaskState.KILLED, False, None)
    assert end_of_it.message == "Command terminated with signal Terminated"
    assert not only(world.wait(60), StartProbe)


def test_x58_m_ag_19_failures_within_the_grace_do_not_count_until_the_first_success(world: World) -> None:
    start(world, task_info("t1", health_check=health(failures=1, grace=10.0)))
    for _ in range(5):
        assert not statuses(end(world, probe(world, 1.0), BAD))
    assert [one.healthy for one in told(world, end(world, probe(world, 1.0), GOOD))] == [True]
    # Healthy once, it is not starting any more.
    assert only(end(world, probe(world, 1.0), BAD), SignalContainer)


def test_m_ag_19_after_the_grace_failures_count(world: World) -> None:
    start(world, task_info("t1", health_check=health(failures=1, grace=2.5)))
    ended = [bool(only(end(world, probe(world, 1.0), BAD), SignalContainer)) for _ in range(4)]
    assert ended == [False, False, False, True]


def test_m_ag_19_a_try_that_takes_too_long_is_given_up_and_a_failure(world: World) -> None:
    start(world, task_info("t1", health_check=health(failures=2, timeout=0.5)))
    first = probe(world)
    effects = world.wait(0.5)
    assert only(effects, StopProbe) == [StopProbe(first.probe)]
    assert [one.healthy for one in told(world, effects)] == [False]
    # What it says afterwards is of no interest.
    assert not end(world, first, GOOD)
    probe(world, 1.0)
    assert only(world.wait(0.5), SignalContainer)


def test_m_ag_19_without_a_time_out_a_try_may_take_for_ever(world: World) -> None:
    start(world, task_info("t1", health_check=health(timeout=0.0)))
    first = probe(world)
    assert not world.wait(100_000)
    assert [one.healthy for one in told(world, end(world, first, GOOD))] == [True]


def test_m_ag_19_a_try_that_the_agent_could_not_make_says_nothing(world: World) -> None:
    start(world, task_info("t1", health_check=health(failures=1)))
    for _ in range(10):
        assert not statuses(end(world, probe(world, 1.0), ProbeResult(None, "no processes left", aborted=True)))


def test_x58_m_ag_20_a_check_is_told_when_it_says_something_else_and_judges_nothing(world: World) -> None:
    """As recorded: an empty status before the first result, one update a change, and an empty status at the end."""
    task = task_info("t1", check=command())
    container_id = only(world.run(task), LaunchContainer)[0].container_id
    started = told(world, world.take(ContainerLaunched(container_id, 100)))
    assert [one.check_status for one in started] == [CheckStatus(CheckType.COMMAND)] * 2
    seen: list[TaskStatus] = []
    for result in (7, 7, 7, 0, 0):
        seen += told(world, end(world, probe(world, 1.0), ProbeResult(result)))
    assert [one.check_status for one in seen] == [CheckStatus(CheckType.COMMAND, 7), CheckStatus(CheckType.COMMAND, 0)]
    assert {one.reason for one in seen} == {"REASON_TASK_CHECK_STATUS_UPDATED"}
    assert {(one.state, one.healthy) for one in seen} == {(TaskState.RUNNING, None)}
    probe(world, 1.0)
    [timed_out] = told(world, world.wait(1.0))
    assert timed_out.check_status == CheckStatus(CheckType.COMMAND)
    [last] = told(world, world.take(ContainerExited(container_id, 0)))
    assert (last.state, last.check_status) == (TaskState.FINISHED, CheckStatus(CheckType.COMMAND))


def test_m_ag_19_m_ag_20_updates_of_one_check_keep_what_the_other_said(world: World) -> None:
    start(world, task_info("t1", check=command(delay=0.0), health_check=health(delay=0.5)))
    told(world, end(world, probe(world), ProbeResult(3)))
    [update] = told(world, end(world, probe(world, 0.5), GOOD))
    assert (update.healthy, update.check_status) == (True, CheckStatus(CheckType.COMMAND, 3))


def test_m_ag_19_nothing_is_checked_of_a_task_that_is_being_killed(world: World) -> None:
    start(world, task_info("t1", health_check=health()))
    first = probe(world)
    effects = world.kill("t1")
    assert only(effects, StopProbe) == [StopProbe(first.probe)]
    told(world, effects)
    assert not end(world, first, BAD)
    assert not only(world.wait(2.9), StartProbe)


@pytest.mark.parametrize(
    ("kind", "result", "healthy"),
    [
        (CheckType.COMMAND, 0, True),
        (CheckType.COMMAND, 1, False),
        (CheckType.HTTP, 200, True),
        (CheckType.HTTP, 399, True),
        (CheckType.HTTP, 199, False),
        (CheckType.HTTP, 404, False),
        (CheckType.TCP, True, True),
        (CheckType.TCP, False, False),
        (CheckType.HTTP, None, False),
    ],
)
def test_m_ag_19_what_counts_as_healthy(world: World, kind: CheckType, result: int | None, healthy: bool) -> None:
    check = Check(type=kind, delay_seconds=0.0, port=80)
    asked = HealthCheck(check=check, grace_period_seconds=0.0)
    start(world, task_info("t1", health_check=asked))
    assert [one.healthy for one in told(world, end(world, probe(world), ProbeResult(result)))] == [healthy]


def test_m_ag_19_m_ag_23_one_unhealthy_task_ends_its_group(world: World) -> None:
    effects = world.run_group(pod(), task_info("a", health_check=health(failures=1)), task_info("b"))
    world.acknowledge_all(effects)
    containers: dict[str, ContainerId] = {}
    for launch in only(effects, LaunchContainer):
        assert launch.task is not None
        containers[launch.task.task_id] = launch.container_id
        told(world, world.take(ContainerLaunched(launch.container_id, 100)))
    told(world, end(world, probe(world), BAD))
    ended = world.gone(containers["a"], 15)
    assert [one.container_id for one in only(ended, SignalContainer)] == [containers["b"]]
    ends = told(world, ended) + told(world, world.gone(containers["b"], 15))
    assert [(one.task_id, one.healthy) for one in ends if one.state is TaskState.KILLED] == [("a", False), ("b", None)]


def test_m_ag_19_x53_a_restarted_agent_checks_on_and_knows_what_was_said(world: World) -> None:
    asked = health(failures=1, grace=1000.0, delay=0.5, interval=2.0)
    task = task_info("t1", check=command(delay=0.0, interval=2.0), health_check=asked)
    container_id = start(world, task)
    told(world, end(world, probe(world), ProbeResult(5)))
    told(world, end(world, probe(world, 0.5), GOOD))
    reborn = World()
    reborn.now = world.now
    reborn.state = AgentState(
        info=world.state.info, options=world.state.options, random=world.state.random, started_at=world.now
    )
    replay(reborn.state, world.records)
    reborn.take(Recover())
    reborn.take(ContainersRecovered((FoundContainer(container_id=container_id, pid=100, alive=True),)))
    reborn.reregister()
    started = only(reborn.wait(2.0), StartProbe)
    assert {one.purpose for one in started} == set(Purpose)
    for one in started:
        if one.purpose is Purpose.CHECK:
            assert not statuses(end(reborn, one, ProbeResult(5))), "it says what it said before"
        else:
            # It was healthy once: no grace is left.
            effects = end(reborn, one, BAD)
            assert states(effects)[:1] == [("t1", TaskState.RUNNING)]
            assert only(effects, SignalContainer)
