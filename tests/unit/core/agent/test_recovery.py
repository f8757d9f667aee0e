"""An agent that is gone and one that goes on in its place: from the records, and from what is left of containers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from mesos_service.core.agent.recording import snapshot
from mesos_service.core.agent.records import (
    AgentKept,
    ExecutorKept,
    Record,
    TaskKept,
    TaskMoved,
    UpdateAcknowledged,
    UpdateKept,
)
from mesos_service.core.agent.replay import kept_agent, replay
from mesos_service.core.agent.state import AgentState, ExecutorState
from mesos_service.core.agent_messages import (
    Checkpointed,
    ContainerDestroyed,
    ContainerExited,
    ContainerLaunched,
    ContainerLimited,
    ContainerLost,
    ContainersRecovered,
    ExecutorDisconnected,
    ExecutorUpdate,
    FoundContainer,
    FromMaster,
    MasterConnected,
    Recover,
)
from mesos_service.core.effects import (
    AgentEffect,
    Checkpoint,
    DestroyContainer,
    Exit,
    LaunchContainer,
    RecoverContainers,
    Reply,
    SignalContainer,
)
from mesos_service.core.events import Acknowledged
from mesos_service.core.link import (
    ExitedExecutor,
    KillTask,
    RunTask,
    ShutdownExecutor,
)
from mesos_service.domain.ids import ContainerId, ExecutorId, LinkId, TaskId
from mesos_service.domain.tasks import TaskState
from tests.unit.core.agent.world import (
    AGENT_ID,
    FRAMEWORK_ID,
    World,
    custom,
    deeds,
    executor_status,
    facts,
    framework_info,
    only,
    pod,
    sent_uplinks,
    states,
    statuses,
    task_info,
    told,
)


def reborn(before: World, records: Iterable[Record] | None = None, seed: int = 8) -> World:
    """A new agent with these records, or all of ``before``'s; it has not asked for its containers yet."""
    world = World(before.state.options, seed)
    world.now = before.now + 5.0
    world.records = list(before.records if records is None else records)
    replay(world.state, world.records)
    return world


def alive(container_id: ContainerId, pid: int = 100) -> FoundContainer:
    return FoundContainer(container_id=container_id, pid=pid, alive=True)


def ended(container_id: ContainerId, status: int, pid: int = 100) -> FoundContainer:
    return FoundContainer(container_id=container_id, pid=pid, alive=False, status=status)


def recover(world: World, *found: FoundContainer) -> list[AgentEffect]:
    """Ask for the containers, and be answered."""
    world.take(Recover())
    return world.take(ContainersRecovered(found))


def come_back(world: World) -> list[AgentEffect]:
    """Register again; what the master is told."""
    return world.reregister()


@pytest.fixture
def world() -> World:
    made = World()
    made.register()
    return made


# -- nothing before it is stored -----------------------------------------------------------------------------


def test_x52_a_task_is_launched_when_it_is_written_down_and_not_before(world: World) -> None:
    effects = world.step(
        FromMaster(link_id=world.link, message=RunTask(framework=framework_info(), task=task_info("t")))
    )
    written = only(effects, Checkpoint)
    assert {type(one.record).__name__ for one in written} == {"FrameworkKept", "ExecutorKept", "TaskKept"}
    assert deeds(effects) == written
    for one in written[:-1]:
        assert world.step(Checkpointed(one.number)) == []
    assert len(only(world.step(Checkpointed(written[-1].number)), LaunchContainer)) == 1


def test_x05_an_update_is_acknowledged_when_it_is_stored_and_not_before(world: World) -> None:
    world.start_custom("c1")
    effects = world.step(
        ExecutorUpdate(
            request=99,
            framework_id=FRAMEWORK_ID,
            executor_id=ExecutorId("custom-1"),
            status=executor_status("c1", TaskState.RUNNING, 5),
        )
    )
    written = only(effects, Checkpoint)
    assert [type(one.record) for one in written] == [UpdateKept]
    # That the call was understood is no promise, and waits for nothing.
    assert deeds(effects) == [Reply(99, 202), *written]
    released = world.step(Checkpointed(written[-1].number))
    assert only(released, Reply) == []
    assert isinstance(told(released)[0], Acknowledged)
    assert states(released) == [("c1", TaskState.RUNNING)]


def test_x05_what_comes_later_does_not_overtake_what_waits(world: World) -> None:
    first = world.step(FromMaster(link_id=world.link, message=RunTask(framework=framework_info(), task=task_info("a"))))
    second = world.step(
        FromMaster(link_id=world.link, message=RunTask(framework=framework_info(), task=task_info("b")))
    )
    numbers = [only(effects, Checkpoint)[-1].number for effects in (first, second)]
    # It writes nothing itself, and yet it waits.
    kill = KillTask(framework_id=FRAMEWORK_ID, task_id=TaskId("none"))
    assert deeds(world.step(FromMaster(link_id=world.link, message=kill))) == []
    released = [world.step(Checkpointed(number)) for number in numbers]
    assert [[one.task.task_id for one in only(effects, LaunchContainer) if one.task] for effects in released] == [
        ["a"],
        ["b"],
    ]
    assert states(released[1]) == [("none", TaskState.DROPPED)]


def test_x54_of_a_framework_that_does_not_checkpoint_nothing_is_written(world: World) -> None:
    written = len(world.records)
    container_id = world.start_command(framework=framework_info(checkpoint=False))
    world.acknowledge_all(world.gone(container_id))
    assert world.records[written:] == []


def test_the_agents_id_is_written_down_before_it_does_anything(world: World) -> None:
    assert [type(record) for record in world.records] == [AgentKept]
    assert world.state.agent_id == AGENT_ID
    known = kept_agent(world.records)
    assert known is not None and known.agent_id == AGENT_ID


# -- going on ------------------------------------------------------------------------------------------------


def test_m_ag_16_a_command_runs_on_and_its_end_is_told(world: World) -> None:
    container_id = world.start_command(pid=100)
    after = reborn(world)
    assert after.state.agent_id == AGENT_ID
    [asked] = only(after.take(Recover()), RecoverContainers)
    assert [(one.container_id, one.task and one.task.task_id) for one in asked.launched] == [(container_id, "t1")]
    after.take(ContainersRecovered((alive(container_id),)))
    request = after.connect("link-2")
    assert request.agent.agent_id == AGENT_ID
    effects = after.reregister()
    assert statuses(effects) == []
    effects = after.take(ContainerExited(container_id, 7 << 8))
    [status] = statuses(effects)
    assert (status.state, status.message) == (TaskState.FAILED, "Command exited with status 7")
    assert status.container is not None and status.container.executor_pid == 100
    after.acknowledge_all(effects)
    after.take(ContainerDestroyed(container_id))
    assert after.state.frameworks == {}


def test_m_ag_16_a_command_that_ended_meanwhile_is_told_with_its_true_status(world: World) -> None:
    container_id = world.start_command()
    after = reborn(world)
    assert only(recover(after, ended(container_id, 15)), DestroyContainer) == [DestroyContainer(container_id)]
    [status] = statuses(come_back(after))
    assert (status.state, status.message) == (TaskState.FAILED, "Command terminated with signal Terminated")


def test_x03_x06_an_update_that_nobody_acknowledged_is_told_again_under_its_uuid(world: World) -> None:
    container_id = only(world.run(task_info("t1")), LaunchContainer)[0].container_id
    [starting] = statuses(world.take(ContainerLaunched(container_id, 100)))
    after = reborn(world)
    recover(after, alive(container_id))
    [again] = statuses(come_back(after))
    assert (again.state, again.uuid) == (TaskState.STARTING, starting.uuid)
    assert [status.state for status in after.acknowledge_all(after.acknowledge(again))] == [TaskState.RUNNING]


def test_x06_what_was_acknowledged_is_not_told_again(world: World) -> None:
    container_id = world.start_command()
    after = reborn(world)
    recover(after, alive(container_id))
    assert statuses(come_back(after)) == []


def test_x10_a_task_that_no_process_was_made_of_is_dropped(world: World) -> None:
    world.run(task_info("t1"))
    world.run_group(pod(), task_info("g1"), task_info("g2"))
    world.run(task_info("c1", custom()))
    after = reborn(world)
    recover(after)
    seen = {status.task_id: status for status in after.acknowledge_all(come_back(after))}
    assert {task_id: (one.state, one.reason) for task_id, one in seen.items()} == dict.fromkeys(
        ("t1", "g1", "g2", "c1"), (TaskState.DROPPED, "REASON_AGENT_RESTARTED")
    )
    assert after.state.frameworks == {}


def test_x10_one_that_was_launched_while_the_agent_died_runs_now(world: World) -> None:
    container_id = only(world.run(task_info("t1")), LaunchContainer)[0].container_id
    after = reborn(world)
    recover(after, alive(container_id, 321))
    seen = after.acknowledge_all(come_back(after))
    assert [status.state for status in seen] == [TaskState.STARTING, TaskState.RUNNING]
    assert all(one.container is not None and one.container.executor_pid == 321 for one in seen)


def test_a_process_whose_end_nobody_saw_is_told_as_that(world: World) -> None:
    container_id = world.start_command()
    after = reborn(world)
    lost = FoundContainer(container_id=container_id, pid=100, alive=False, lost="its keeper died")
    assert only(recover(after, lost), DestroyContainer) == [DestroyContainer(container_id)]
    after.take(ContainerDestroyed(container_id))
    [status] = statuses(come_back(after))
    assert (status.state, status.reason, status.message) == (
        TaskState.FAILED,
        "REASON_EXECUTOR_TERMINATED",
        "its keeper died",
    )


def test_m_ag_05_a_breach_while_nobody_was_there_is_told_as_one(world: World) -> None:
    container_id = world.start_command()
    after = reborn(world)
    breach = ContainerLimited(container_id, "REASON_CONTAINER_LIMITATION_MEMORY", "too much")
    recover(after, replace(ended(container_id, 9), limited=breach))
    after.take(ContainerDestroyed(container_id))
    [status] = statuses(come_back(after))
    assert (status.state, status.reason, status.message) == (TaskState.FAILED, breach.reason, "too much")


def test_x52_after_a_restart_of_the_machine_everything_has_ended(world: World) -> None:
    world.start_command()
    world.start_group("g1")
    world.start_custom("c1")
    world.run(task_info("t2"))
    after = reborn(world)
    [asked] = only(after.take(Recover()), RecoverContainers)
    found = tuple(
        FoundContainer(container_id=one.container_id, pid=None, alive=False, lost="The machine was restarted")
        for one in asked.launched
    )
    for destroyed in only(after.take(ContainersRecovered(found)), DestroyContainer):
        after.take(ContainerDestroyed(destroyed.container_id))
    seen = {status.task_id: status for status in after.acknowledge_all(come_back(after))}
    assert {task_id: one.state for task_id, one in seen.items()} == dict.fromkeys(
        ("t1", "g1", "c1", "t2"), TaskState.FAILED
    )
    assert {one.message for one in seen.values()} == {"The machine was restarted"}


def test_a_keeper_that_dies_under_a_living_agent_costs_the_status_and_no_more(world: World) -> None:
    container_id = world.start_command()
    effects = world.take(ContainerLost(container_id, "nobody knows"))
    assert only(effects, DestroyContainer) == [DestroyContainer(container_id)]
    [status] = statuses(world.take(ContainerDestroyed(container_id)))
    assert (status.state, status.message) == (TaskState.FAILED, "nobody knows")


def test_x56_a_kill_goes_on_where_it_was(world: World) -> None:
    container_id = world.start_command(task_info("t1", kill_grace=20.0))
    world.acknowledge_all(world.kill("t1"))
    after = reborn(world)
    assert only(recover(after, alive(container_id)), SignalContainer) == [SignalContainer(container_id, 15)]
    come_back(after)
    # Five of the twenty seconds have passed while there was no agent, one for registering.
    assert only(after.wait(12.0), DestroyContainer) == []
    assert only(after.wait(3.0), DestroyContainer) == [DestroyContainer(container_id)]
    [status] = statuses(after.take(ContainerDestroyed(container_id)))
    assert (status.state, status.message) == (TaskState.KILLED, "Command terminated with signal Killed")


def test_m_ag_22_the_time_that_a_task_may_take_goes_on(world: World) -> None:
    container_id = world.start_command(task_info("t1", max_completion=30.0))
    after = reborn(world)
    recover(after, alive(container_id))
    assert only(after.wait(24.0), SignalContainer) == []
    assert only(after.wait(2.0), SignalContainer) == [SignalContainer(container_id, 15)]


def test_m_sc_07_a_group_goes_on_and_ends_together(world: World) -> None:
    containers = world.start_group("g1", "g2")
    after = reborn(world)
    effects = recover(after, ended(containers["g1"], 256), alive(containers["g2"]))
    assert SignalContainer(containers["g2"], 15) in effects
    seen = after.acknowledge_all(come_back(after))
    assert ("g1", TaskState.FAILED) in [(status.task_id, status.state) for status in seen]


def test_what_was_shut_down_stays_so(world: World) -> None:
    container_id, _ = world.start_custom("c1")
    world.master(ShutdownExecutor(framework_id=FRAMEWORK_ID, executor_id=ExecutorId("custom-1")))
    after = reborn(world)
    assert only(recover(after, alive(container_id)), DestroyContainer) == [DestroyContainer(container_id)]


# -- custom executors ----------------------------------------------------------------------------------------


def test_x53_an_executor_that_comes_back_goes_on_and_only_then_the_agent_registers(world: World) -> None:
    container_id, _ = world.start_custom("c1")
    world.acknowledge_all(world.update("c1", TaskState.RUNNING))
    after = reborn(world)
    recover(after, alive(container_id))
    after.take(MasterConnected(LinkId("link-2")))
    after.link = LinkId("link-2")
    assert sent_uplinks(after.wait(1.0)) == []
    effects = after.subscribe(tasks=(task_info("c1", custom()),))
    assert after.executor().state is ExecutorState.RUNNING
    assert {type(one).__name__ for one in sent_uplinks(effects)} == {"Reregister"}


def test_x53_one_that_does_not_is_killed_and_its_tasks_are_told(world: World) -> None:
    container_id, _ = world.start_custom("c1")
    world.acknowledge_all(world.update("c1", TaskState.RUNNING))
    after = reborn(world)
    recover(after, alive(container_id))
    after.take(MasterConnected(LinkId("link-2")))
    after.link = LinkId("link-2")
    assert sent_uplinks(after.wait(1.9)) == []
    assert DestroyContainer(container_id) in after.wait(0.2)
    after.take(ContainerDestroyed(container_id))
    [status] = statuses(come_back(after))
    assert (status.state, status.reason) == (TaskState.FAILED, "REASON_EXECUTOR_REREGISTRATION_TIMEOUT")
    assert status.message == "Executor did not reregister within 2secs"


def test_x10_an_executor_repeats_what_it_has_not_seen_acknowledged(world: World) -> None:
    container_id, _ = world.start_custom("c1", "c2")
    world.acknowledge_all(world.update("c1", TaskState.RUNNING, uuid=5))
    after = reborn(world)
    recover(after, alive(container_id))
    effects = after.subscribe(
        tasks=(task_info("c1", custom()),),
        updates=(executor_status("c1", TaskState.RUNNING, 5), executor_status("c1", TaskState.FINISHED, 6)),
    )
    # What is known already is acknowledged without another word, and what it does not know never came to it.
    assert [event.uuid[-1] for event in told(effects) if isinstance(event, Acknowledged)] == [5, 6]
    seen = {status.task_id: status.state for status in after.acknowledge_all(come_back(after))}
    assert seen == {"c1": TaskState.FINISHED, "c2": TaskState.DROPPED}


def test_m_ex_04_one_that_had_not_registered_has_its_time_for_that(world: World) -> None:
    world.run(task_info("c1", custom()))
    container_id = world.executor().container_id
    world.take(ContainerLaunched(container_id, 300))
    after = reborn(world)
    recover(after, alive(container_id))
    come_back(after)
    after.subscribe()
    assert [type(event).__name__ for event in told(after.wait(0.0))] == []
    assert after.executor().launched.keys() == {"c1"}


def test_an_executor_that_ended_meanwhile_leaves_its_tasks_failed(world: World) -> None:
    container_id, _ = world.start_custom("c1")
    after = reborn(world)
    recover(after, ended(container_id, 256))
    after.take(ContainerDestroyed(container_id))
    effects = come_back(after)
    assert [one for one in sent_uplinks(effects) if isinstance(one, ExitedExecutor)] == []
    [status] = statuses(effects)
    assert (status.state, status.reason) == (TaskState.FAILED, "REASON_EXECUTOR_TERMINATED")


# -- ending instead ------------------------------------------------------------------------------------------


def test_m_ag_16_cleanup_ends_what_runs_and_then_the_agent(world: World) -> None:
    container_id = world.start_command()
    after = reborn(world)
    after.take(Recover(cleanup=True))
    after.take(ContainersRecovered((alive(container_id),)))
    after.wait(10.0)
    effects = after.gone(container_id)
    assert [one.status for one in only(effects, Exit)] == [0]


def test_cleanup_with_nothing_to_clean_up_ends_at_once() -> None:
    world = World()
    world.take(Recover(cleanup=True))
    assert len(only(world.take(ContainersRecovered()), Exit)) == 1


def test_an_agent_that_begins_anew_registers_as_soon_as_it_knows_that_nothing_is_left() -> None:
    world = World()
    world.take(Recover())
    world.take(MasterConnected(LinkId("link-1")))
    assert sent_uplinks(world.wait(2.0)) == []
    assert "agent.recovered" in facts(world.take(ContainersRecovered()))
    assert {type(one).__name__ for one in sent_uplinks(world.wait(1.0))} == {"Register"}


# -- records -------------------------------------------------------------------------------------------------


def comparable(state: AgentState) -> object:
    """All of a state that records are to give back."""
    return [
        (
            framework.info,
            framework.terminating,
            [
                (
                    executor.info,
                    executor.container_id,
                    executor.state,
                    executor.termination,
                    *(
                        [replace(task, trace=None, launch_trace=None, running_trace=None) for task in tasks.values()]
                        for tasks in (executor.queued, executor.launched, executor.terminated)
                    ),
                )
                for executor in framework.executors.values()
            ],
        )
        for framework in state.frameworks.values()
    ], [
        (key, [(uuid, one.status) for uuid, one in stream.pending.items()], list(stream.acknowledged))
        for key, stream in state.streams.items()
    ]


def test_x07_reading_gives_back_what_was_written_and_so_does_a_snapshot(world: World) -> None:
    world.start_command()
    world.start_group("g1", "g2")
    world.start_custom("c1", "c2")
    world.update("c1", TaskState.RUNNING)
    world.update("c1", TaskState.FINISHED)
    world.kill("g1", grace=60.0)
    world.run(task_info("t2"))
    read = reborn(world)
    assert comparable(read.state) == comparable(world.state)
    again = reborn(world, snapshot(read.state))
    assert comparable(again.state) == comparable(world.state)
    # Written twice is read as once.
    assert comparable(reborn(world, [*snapshot(read.state), *world.records]).state)[1] == comparable(world.state)[1]  # type: ignore[index]


def test_records_about_what_is_gone_mean_nothing() -> None:
    world = World()
    info = custom()
    nobody = FRAMEWORK_ID
    replay(
        world.state,
        [
            ExecutorKept(framework_id=nobody, info=info, container_id=ContainerId("c"), launched_at=1.0),
            TaskKept(framework_id=nobody, executor_id=info.executor_id, info=task_info("t"), received_at=1.0),
            TaskMoved(
                framework_id=nobody,
                task_id=TaskId("t"),
                launched_at=1.0,
                kill_started_at=None,
                kill_grace_seconds=None,
                overdue=False,
                termination=None,
            ),
            UpdateAcknowledged(framework_id=nobody, task_id=TaskId("t"), uuid=b"x"),
        ],
    )
    assert world.state.frameworks == {}
    assert world.state.streams == {}


def test_an_executor_that_leaves_while_it_is_waited_for_is_waited_for_no_more(world: World) -> None:
    container_id, _ = world.start_custom("c1")
    after = reborn(world)
    recover(after, alive(container_id))
    after.take(ContainerExited(container_id, 0))
    assert after.state.recovering is None


def test_m_ex_05_an_executor_that_came_back_may_go_again(world: World) -> None:
    container_id, _ = world.start_custom("c1")
    after = reborn(world)
    recover(after, alive(container_id))
    after.subscribe(tasks=(task_info("c1", custom()),))
    stream_id = after.executor().stream_id
    assert stream_id is not None
    after.take(ExecutorDisconnected(framework_id=FRAMEWORK_ID, executor_id=ExecutorId("custom-1"), stream_id=stream_id))
    assert only(after.wait(800.0), DestroyContainer) == []
