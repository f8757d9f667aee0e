"""An agent that is gone and one that goes on in its place: from the records, and from what is left of containers."""

from __future__ import annotations

from dataclasses import replace

from mesos_service.core.agent.records import (
    AgentKept,
    UpdateKept,
)
from mesos_service.core.agent.replay import kept_agent
from mesos_service.core.agent_messages import (
    Checkpointed,
    ContainerDestroyed,
    ContainerExited,
    ContainerLaunched,
    ContainerLimited,
    ContainerLost,
    ContainersRecovered,
    ExecutorUpdate,
    FoundContainer,
    FromMaster,
    MasterConnected,
    Recover,
)
from mesos_service.core.effects import (
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
    KillTask,
    RunTask,
    ShutdownExecutor,
)
from mesos_service.domain.ids import ExecutorId, LinkId, TaskId
from mesos_service.domain.tasks import TaskState
from tests.unit.core.agent.reborn import alive, come_back, ended, reborn, recover
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
