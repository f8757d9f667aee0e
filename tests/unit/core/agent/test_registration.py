"""The link to the master: registering, being pinged, losing it, coming back."""

from __future__ import annotations

import pytest

from mesos_service.core.agent.state import AgentOptions
from mesos_service.core.agent.step import next_deadline
from mesos_service.core.agent_messages import (
    ContainerExited,
    ContainerLaunched,
    FromMaster,
    MasterConnected,
    MasterLost,
)
from mesos_service.core.effects import Exit, SendMaster
from mesos_service.core.link import (
    FrameworkUpdated,
    Ping,
    Pong,
    ReconcileTasks,
    Register,
    Registered,
    Reregister,
    Reregistered,
)
from mesos_service.domain.frameworks import TASK_KILLING_STATE
from mesos_service.domain.ids import AgentId, ContainerId, FrameworkId, LinkId, TaskId
from mesos_service.domain.tasks import Source, TaskState
from tests.unit.core.agent.world import (
    AGENT_ID,
    FRAMEWORK_ID,
    LINK,
    World,
    custom,
    deeds,
    facts,
    framework_info,
    only,
    pod,
    sent_uplinks,
    states,
    statuses,
    task_info,
    uplinks,
)


def test_x26_first_registration_waits_up_to_a_second() -> None:
    waits = []
    for seed in range(20):
        world = World(seed=seed)
        assert deeds(world.take(MasterConnected(LINK))) == []
        deadline = next_deadline(world.state)
        assert deadline is not None
        waits.append(deadline - world.now)
    assert all(0 <= wait <= 1 for wait in waits)
    assert max(waits) - min(waits) > 0.5


def test_x26_an_agent_that_has_an_id_asks_at_once_and_again_only_later() -> None:
    world = World()
    world.register()
    world.lose_master()
    asked = uplinks(world.take(MasterConnected(LinkId("link-2"))), Reregister)
    assert [request.agent.agent_id for request in asked] == [AGENT_ID]
    deadline = next_deadline(world.state)
    assert deadline is not None
    assert world.now + 1.0 <= deadline <= world.now + 2.0, "a master that is busy is not asked the same in between"
    again = uplinks(world.wait(2.0), Reregister)
    assert {request.registration for request in again} == {asked[0].registration}


def test_x26_registration_is_repeated_with_doubling_bounds_up_to_a_minute() -> None:
    longest: dict[int, float] = {}
    shortest: dict[int, float] = {}
    for seed in range(60):
        world = World(seed=seed)
        world.take(MasterConnected(LINK))
        previous = None
        for attempt in range(10):
            deadline = next_deadline(world.state)
            assert deadline is not None
            if previous is not None:
                longest[attempt] = max(longest.get(attempt, 0.0), deadline - previous)
                shortest[attempt] = min(shortest.get(attempt, 60.0), deadline - previous)
            effects = world.wait(deadline - world.now)
            assert [type(message) for message in sent_uplinks(effects)] == [Register]
            previous = deadline
    for attempt, seconds in longest.items():
        bound = min(60.0, 2.0**attempt)
        assert 0.9 * bound < seconds <= bound
        assert bound / 2 <= shortest[attempt] < 0.6 * bound


def test_x26_a_backoff_factor_of_zero_does_not_retry_in_a_tight_loop() -> None:
    world = World(AgentOptions(registration_backoff_factor_seconds=0.0))
    world.take(MasterConnected(LINK))
    assert len(uplinks(world.wait(60.0), Register)) < 20


def test_registered_agent_knows_its_id_and_stops_asking() -> None:
    world = World()
    request = world.connect()
    assert isinstance(request, Register)
    assert request.agent.agent_id is None
    effects = world.master(Registered(registration=request.registration, agent_id=AGENT_ID))
    assert facts(effects) == ["agent.registered"]
    assert world.state.registered
    assert world.state.agent_id == AGENT_ID
    assert uplinks(world.wait(600.0), Register) == []


def test_an_answer_to_another_registration_is_ignored() -> None:
    world = World()
    world.connect()
    assert deeds(world.master(Registered(registration="older", agent_id=AGENT_ID))) == []
    assert not world.state.registered


def test_an_answer_heard_twice_changes_nothing() -> None:
    world = World()
    request = world.connect()
    world.master(Registered(registration=request.registration, agent_id=AGENT_ID))
    assert world.master(Registered(registration=request.registration, agent_id=AgentId("M-S9"))) == []
    assert world.state.agent_id == AGENT_ID


def test_an_agent_called_by_anothers_id_ends() -> None:
    world = World()
    world.register()
    world.lose_master()
    request = world.connect("link-2")
    effects = world.master(Reregistered(registration=request.registration, agent_id=AgentId("M-S9")))
    assert [effect.status for effect in only(effects, Exit)] == [1]
    assert not world.state.registered


def test_x22_words_on_another_link_are_ignored() -> None:
    world = World()
    world.register()
    stale = FromMaster(link_id=LinkId("old"), message=Ping())
    assert deeds(world.take(stale)) == []
    assert deeds(world.take(MasterLost(LinkId("old")))) == []
    assert world.state.registered


def test_x26_ping_is_answered() -> None:
    world = World()
    world.register()
    assert deeds(world.master(Ping())) == [SendMaster(LINK, AGENT_ID, Pong())]
    assert world.state.registered


def test_x26_an_agent_that_the_master_thinks_disconnected_registers_again() -> None:
    world = World()
    world.register()
    effects = world.master(Ping(connected=False))
    assert [type(message) for message in sent_uplinks(effects)] == [Pong, Reregister]
    assert not world.state.registered
    requests = uplinks(effects, Reregister)
    assert {request.agent.agent_id for request in requests} == {AGENT_ID}
    assert len({request.registration for request in requests}) == 1
    # The pings that are under way meanwhile do not start it anew.
    assert sent_uplinks(world.master(Ping(connected=False))) == [Pong()]
    world.master(Reregistered(registration=requests[0].registration, agent_id=AGENT_ID))
    assert world.state.registered


def test_x03_updates_pause_without_a_master_and_every_head_goes_out_on_return() -> None:
    world = World()
    world.register()
    first = only_container(world, "a")
    second = only_container(world, "b")
    assert states(world.lose_master()) == []
    assert states(world.take(ContainerLaunched(first, 1))) == []
    assert states(world.take(ContainerLaunched(second, 2))) == []
    assert states(world.wait(3600.0)) == []
    assert states(world.reregister()) == [("a", TaskState.STARTING), ("b", TaskState.STARTING)]


def test_x20_reregistration_names_executors_tasks_and_frameworks() -> None:
    world = World()
    world.register()
    world.start_command(task_info("cmd"))
    world.start_custom("c1")
    world.start_group("p1", "p2")
    world.update("c1", TaskState.RUNNING, data=b"secret")
    world.run(task_info("queued", custom("custom-2")))
    world.lose_master()
    request = world.connect("link-2")
    assert isinstance(request, Reregister)
    assert request.agent.agent_id == AGENT_ID
    assert [executor.executor_id for _, executor in request.executors] == ["custom-1", "pod", "custom-2"]
    assert {(task.info.task_id, task.state, task.executor_id) for task in request.tasks} == {
        ("cmd", TaskState.RUNNING, "cmd"),
        ("c1", TaskState.RUNNING, "custom-1"),
        ("p1", TaskState.RUNNING, "pod"),
        ("p2", TaskState.RUNNING, "pod"),
        ("queued", TaskState.STAGING, "custom-2"),
    }
    assert [framework.framework_id for framework in request.frameworks] == [FRAMEWORK_ID]
    assert all(status.data is None for task in request.tasks for status in task.statuses)


def test_x20_a_finished_task_that_nobody_acknowledged_is_named_with_its_last_state() -> None:
    world = World()
    world.register()
    container_id = world.start_command()
    world.gone(container_id)
    world.lose_master()
    request = world.connect("link-2")
    assert isinstance(request, Reregister)
    assert [(task.info.task_id, task.state) for task in request.tasks] == [("t1", TaskState.FINISHED)]


def test_x21_asked_tasks_that_were_never_here_are_dropped_once() -> None:
    world = World()
    world.register()
    world.start_command()
    world.lose_master()
    effects = world.reregister(asked=((FRAMEWORK_ID, TaskId("t1")), (FRAMEWORK_ID, TaskId("never"))))
    answers = statuses(effects)
    assert [(one.task_id, one.state, one.source, one.reason) for one in answers] == [
        ("never", TaskState.DROPPED, Source.AGENT, "REASON_RECONCILIATION")
    ]
    assert answers[0].uuid is not None
    assert world.state.info.agent_id == answers[0].agent_id
    # Asked again before the answer is acknowledged: the same answer, not another one.
    world.lose_master()
    again = statuses(world.reregister(asked=((FRAMEWORK_ID, TaskId("never")),)))
    assert [one.uuid for one in again] == [answers[0].uuid]
    assert statuses(world.acknowledge(answers[0])) == []


def test_x21_a_framework_that_does_not_know_dropped_is_told_lost() -> None:
    world = World()
    world.register()
    old = framework_info(TASK_KILLING_STATE)
    world.start_command(framework=old)
    effects = world.master(ReconcileTasks(tasks=((FRAMEWORK_ID, TaskId("never")),)))
    assert states(effects) == [("never", TaskState.LOST)]


def test_x21_a_launch_on_its_way_is_not_dropped() -> None:
    world = World()
    world.register()
    world.run(task_info("staging"))
    effects = world.master(ReconcileTasks(tasks=((FRAMEWORK_ID, TaskId("staging")),)))
    assert deeds(effects) == []


def test_framework_updated_is_used_from_then_on() -> None:
    world = World()
    world.register()
    world.start_command(framework=framework_info(TASK_KILLING_STATE))
    world.master(FrameworkUpdated(framework_info("PARTITION_AWARE")))
    # It no longer knows TASK_KILLING.
    assert states(world.kill("t1")) == []
    stranger = framework_info(framework_id=FrameworkId("M-0009"))
    assert deeds(world.master(FrameworkUpdated(stranger))) == []


def test_tasks_go_on_without_a_master() -> None:
    world = World()
    world.register()
    container_id = world.start_command()
    world.lose_master()
    world.gone(container_id, 256)
    told = statuses(world.reregister())
    assert [(one.task_id, one.state) for one in told] == [("t1", TaskState.FAILED)]


@pytest.mark.parametrize("message", [ContainerLaunched(ContainerId("x"), 1), ContainerExited(ContainerId("x"), 0)])
def test_words_about_unknown_containers_are_ignored(message: ContainerLaunched | ContainerExited) -> None:
    world = World()
    world.register()
    assert world.take(message) == []


def test_a_launch_before_registration_or_for_another_agent_is_ignored() -> None:
    world = World()
    world.connect()
    assert deeds(world.run(task_info("t1"))) == []
    assert deeds(world.run_group(pod(), task_info("p1"))) == []
    assert world.state.frameworks == {}


def only_container(world: World, task_id: str) -> ContainerId:
    world.run(task_info(task_id))
    return world.executor(task_id).container_id
