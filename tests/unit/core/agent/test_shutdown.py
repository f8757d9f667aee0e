"""Ending a framework and the agent itself."""

from __future__ import annotations

from mesos_service.core.agent_messages import ContainerDestroyed, ContainerLaunched, ShutDown
from mesos_service.core.effects import DestroyContainer, Exit, LaunchContainer, SendExecutor, SignalContainer
from mesos_service.core.events import Shutdown
from mesos_service.core.link import (
    ExitedExecutor,
    KillTask,
    Reregister,
    ShutdownAgent,
    ShutdownExecutor,
    ShutdownFramework,
    Unregister,
)
from mesos_service.domain.frameworks import PARTITION_AWARE
from mesos_service.domain.ids import ExecutorId, FrameworkId, TaskId
from mesos_service.domain.tasks import TaskState
from tests.unit.core.agent.world import (
    FRAMEWORK_ID,
    World,
    custom,
    deeds,
    facts,
    framework_info,
    only,
    sent_uplinks,
    states,
    statuses,
    task_info,
    uplinks,
)


def test_m_sc_08_shutting_a_command_executor_down_kills_its_task(world: World) -> None:
    container_id = world.start_command(task_info("t1", kill_grace=60.0))
    message = ShutdownExecutor(framework_id=FRAMEWORK_ID, executor_id=ExecutorId("t1"))
    effects = world.master(message)
    assert only(effects, SignalContainer) == [SignalContainer(container_id, 15)]
    assert states(effects) == [("t1", TaskState.KILLING)]
    # The executor's grace bounds the task's.
    assert only(world.wait(5.1), DestroyContainer) == [DestroyContainer(container_id)]
    assert deeds(world.master(message)) == []


def test_m_sc_08_shutting_down_a_command_executor_before_it_runs_kills_its_task(world: World) -> None:
    container_id = only(world.run(task_info("t1")), LaunchContainer)[0].container_id
    effects = world.master(ShutdownExecutor(framework_id=FRAMEWORK_ID, executor_id=ExecutorId("t1")))
    assert only(effects, DestroyContainer) == [DestroyContainer(container_id)]
    assert [(one.state, one.reason) for one in statuses(effects)] == [
        (TaskState.KILLED, "REASON_TASK_KILLED_DURING_LAUNCH")
    ]


def test_shutting_down_what_is_not_there_does_nothing(world: World) -> None:
    for framework in (FRAMEWORK_ID, FrameworkId("M-0009")):
        assert world.master(ShutdownExecutor(framework_id=framework, executor_id=ExecutorId("x"))) == []
        assert deeds(world.master(ShutdownFramework(framework))) == []


def test_m_sc_02_teardown_ends_executors_of_every_type_and_says_nothing_of_them(world: World) -> None:
    command = world.start_command(task_info("cmd"))
    starting = only(world.run(task_info("starting")), LaunchContainer)[0].container_id
    custom_container, stream_id = world.start_custom("c1")
    containers = world.start_group("p1")
    effects = world.master(ShutdownFramework(FRAMEWORK_ID))
    assert sent_uplinks(effects) == []
    assert only(effects, SignalContainer) == [SignalContainer(command, 15), SignalContainer(containers["p1"], 15)]
    assert only(effects, DestroyContainer) == [DestroyContainer(starting)]
    assert only(effects, SendExecutor) == [SendExecutor(stream_id, Shutdown())]
    rest = world.gone(command, 15) + world.gone(containers["p1"], 15) + world.gone(starting, None)
    rest += world.wait(6.0)
    assert only(rest, DestroyContainer)[-1] == DestroyContainer(custom_container)
    assert world.state.completed_frameworks == {}
    rest += world.gone(custom_container, 9)
    assert sent_uplinks(rest) == []
    assert uplinks(rest, ExitedExecutor) == []
    assert world.state.frameworks == {}
    completed = world.state.completed_frameworks[FRAMEWORK_ID]
    assert {executor.info.executor_id for executor in completed.completed_executors} == {
        "cmd",
        "starting",
        "custom-1",
        "pod",
    }
    assert world.state.containers == {}
    assert world.state.executor_streams == {}


def test_m_sc_02_teardown_forgets_tasks_that_only_waited_for_acknowledgements(world: World) -> None:
    container_id = world.start_command()
    world.gone(container_id)
    effects = world.master(ShutdownFramework(FRAMEWORK_ID))
    assert "framework.idle" in facts(effects)
    assert world.state.frameworks == {}


def test_a_task_for_a_framework_that_is_torn_down_is_ignored(world: World) -> None:
    world.start_command()
    world.master(ShutdownFramework(FRAMEWORK_ID))
    assert deeds(world.run(task_info("late"))) == []


def test_other_frameworks_are_not_touched_by_a_teardown(world: World) -> None:
    world.start_command()
    other = framework_info(PARTITION_AWARE, framework_id=FrameworkId("M-0001"))
    container_id = only(world.run(task_info("other"), other), LaunchContainer)[0].container_id
    world.master(ShutdownFramework(FRAMEWORK_ID))
    assert states(world.take(ContainerLaunched(container_id, 5))) == [("other", TaskState.STARTING)]


def test_the_agent_leaves_kills_and_then_ends(world: World) -> None:
    container_id = world.start_command()
    effects = world.take(ShutDown())
    assert sent_uplinks(effects) == [Unregister()]
    assert only(effects, SignalContainer) == [SignalContainer(container_id, 15)]
    assert only(effects, Exit) == []
    assert deeds(world.take(ShutDown())) == []
    assert deeds(world.run(task_info("late"))) == []
    ended = world.gone(container_id, 15)
    assert [effect.status for effect in only(ended, Exit)] == [0]
    assert sent_uplinks(ended) == []


def test_an_agent_without_tasks_ends_at_once(world: World) -> None:
    effects = world.take(ShutDown())
    assert sent_uplinks(effects) == [Unregister()]
    assert [effect.status for effect in only(effects, Exit)] == [0]


def test_an_agent_that_never_registered_has_nothing_to_leave() -> None:
    world = World()
    world.connect()
    effects = world.take(ShutDown())
    assert sent_uplinks(effects) == []
    assert len(only(effects, Exit)) == 1


def test_an_agent_that_ends_does_not_register_again(world: World) -> None:
    container_id = world.start_command()
    world.take(ShutDown())
    world.lose_master()
    world.wait(1.0)
    assert not world.state.registered
    assert sent_uplinks(world.gone(container_id, 15)) == []


def test_the_master_can_end_the_agent(world: World) -> None:
    container_id = world.start_command()
    effects = world.master(ShutdownAgent("Agent has been marked gone"))
    assert sent_uplinks(effects) == []
    assert only(effects, SignalContainer) == [SignalContainer(container_id, 15)]
    assert only(world.wait(3.1), DestroyContainer) == [DestroyContainer(container_id)]
    (end,) = only(world.take(ContainerDestroyed(container_id)), Exit)
    assert end.status == 1
    assert "Agent has been marked gone" in end.message


def test_answers_about_unknown_frameworks_do_not_outlive_the_registration(world: World) -> None:
    stranger = KillTask(framework_id=FrameworkId("M-0009"), task_id=TaskId("never"))
    assert states(world.master(stranger)) == [("never", TaskState.DROPPED)]
    world.start_command()
    world.take(ShutDown())
    assert sent_uplinks(world.wait(60.0)) == []


def test_a_framework_that_is_torn_down_is_not_named_on_reregistration(world: World) -> None:
    world.start_command(task_info("cmd", kill_grace=600.0))
    world.start_custom("c1", info=custom(grace=600.0))
    world.master(ShutdownFramework(FRAMEWORK_ID))
    world.lose_master()
    request = world.connect("link-2")
    assert isinstance(request, Reregister)
    assert (request.executors, request.tasks, request.frameworks) == ((), (), ())


def test_an_executor_that_has_ended_is_not_named_on_reregistration(world: World) -> None:
    container_id, _ = world.start_custom("c1")
    world.gone(container_id, 0)
    world.lose_master()
    request = world.connect("link-2")
    assert isinstance(request, Reregister)
    assert request.executors == ()
    assert [task.state for task in request.tasks] == [TaskState.FAILED]


def test_a_framework_that_was_torn_down_may_be_launched_for_again(world: World) -> None:
    world.gone(world.start_command())
    world.master(ShutdownFramework(FRAMEWORK_ID))
    container_id = world.start_command(task_info("t2"))
    assert states(world.gone(container_id)) == [("t2", TaskState.FINISHED)]
