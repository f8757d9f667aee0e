"""What an agent tells its master that it lends, and borrowers that are ended (M-AG-26)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mesos_service.core.agent.state import ExecutorState
from mesos_service.core.agent_messages import (
    ContainerDestroyed,
    ContainerExited,
    ContainerLaunched,
    OversubscriptionEstimated,
    QosCorrections,
)
from mesos_service.core.effects import AgentEffect, DestroyContainer, LaunchContainer, SendExecutor, SignalContainer
from mesos_service.core.events import Shutdown
from mesos_service.core.link import OversubscriptionChanged, Register, Registered, Reregister, Reregistered
from mesos_service.core.oversubscription.controllers import Correction
from mesos_service.core.oversubscription.estimators import lent
from mesos_service.domain.executors import ExecutorInfo
from mesos_service.domain.frameworks import PARTITION_AWARE, FrameworkInfo
from mesos_service.domain.ids import ContainerId, ExecutorId, FrameworkId
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import Source, TaskState
from tests.unit.core.agent.reborn import alive, reborn, recover
from tests.unit.core.agent.world import (
    AGENT_ID,
    FRAMEWORK_ID,
    World,
    custom,
    facts,
    framework_info,
    only,
    pod,
    statuses,
    task_info,
    told,
    uplinks,
)

TERM = 15
TWO = lent(Resources.scalars(cpus=2))
ONE = lent(Resources.scalars(cpus=1))
PREEMPTED = "REASON_CONTAINER_PREEMPTED"


def estimate(world: World, lendable: Resources) -> list[Resources]:
    """What the master is told of it."""
    return [
        one.oversubscribed for one in uplinks(world.take(OversubscriptionEstimated(lendable)), OversubscriptionChanged)
    ]


def correct(world: World, executor_id: str = "t1", container_id: str | None = None) -> list[AgentEffect]:
    if container_id is None:
        container_id = world.executor(executor_id).container_id
    return world.take(
        QosCorrections(
            (
                Correction(
                    framework_id=FRAMEWORK_ID,
                    executor_id=ExecutorId(executor_id),
                    container_id=ContainerId(container_id),
                    reason="it is loud",
                ),
            )
        )
    )


def borrow(world: World, framework: FrameworkInfo | None = None, grace: float | None = None) -> ContainerId:
    task = replace(task_info("t1", kill_grace=grace), resources=ONE.allocated_to("r"))
    return world.start_command(task, framework)


# -- telling -----------------------------------------------------------------------------------------------------


def test_m_ag_26_an_estimate_is_told_when_it_changes(world: World) -> None:
    assert estimate(world, TWO) == [TWO]
    assert estimate(world, TWO) == []
    assert estimate(world, ONE) == [ONE]
    assert estimate(world, Resources.EMPTY) == [Resources.EMPTY]
    assert estimate(world, Resources.EMPTY) == []


def test_m_ag_26_what_is_lent_already_is_told_whatever_the_estimate_says(world: World) -> None:
    borrow(world)
    assert estimate(world, TWO) == [TWO]
    # What is borrowed is part of what may be lent, and not on top of it.
    assert estimate(world, Resources.EMPTY) == [ONE]
    container_id = world.executor("t1").container_id
    world.acknowledge_all(world.gone(container_id))
    assert estimate(world, Resources.EMPTY) == [Resources.EMPTY]


def test_m_ag_26_registering_tells_it(world: World) -> None:
    estimate(world, TWO)
    world.lose_master()
    assert estimate(world, ONE) == [], "nobody listens"
    request = world.connect("link-2")
    assert isinstance(request, Reregister) and request.oversubscribed == ONE
    effects = world.master(Reregistered(registration=request.registration, agent_id=AGENT_ID))
    assert uplinks(effects, OversubscriptionChanged) == []


def test_m_ag_26_an_estimate_between_request_and_answer_is_not_lost() -> None:
    world = World()
    request = world.connect()
    assert isinstance(request, Register) and not request.oversubscribed
    assert estimate(world, TWO) == []
    effects = world.master(Registered(registration=request.registration, agent_id=AGENT_ID))
    assert uplinks(effects, OversubscriptionChanged) == [OversubscriptionChanged(TWO)]


def test_m_ag_26_a_restarted_agent_tells_what_its_borrowers_hold() -> None:
    before = World()
    before.register()
    container_id = borrow(before)
    world = reborn(before)
    recover(world, alive(container_id))
    request = world.connect("link-2")
    assert isinstance(request, Reregister) and request.oversubscribed == ONE


def test_m_ag_26_what_cannot_be_lent_is_told_nobody(world: World) -> None:
    effects = world.take(OversubscriptionEstimated(Resources.scalars(cpus=1)))
    assert uplinks(effects, OversubscriptionChanged) == []
    assert "oversubscription.refused" in facts(effects)
    assert not world.state.lendable


# -- ending ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("aware", "state"), [(True, TaskState.GONE), (False, TaskState.LOST)])
def test_m_ag_26_a_command_gets_its_grace_and_is_told_as_preempted(world: World, aware: bool, state: TaskState) -> None:
    framework = framework_info(PARTITION_AWARE) if aware else framework_info("TASK_KILLING_STATE")
    container_id = borrow(world, framework, grace=2.0)
    effects = correct(world)
    assert only(effects, SignalContainer) == [SignalContainer(container_id, TERM)]
    assert only(effects, DestroyContainer) == []
    world.acknowledge_all(effects)
    assert only(world.wait(1.9), DestroyContainer) == []
    assert only(world.wait(0.2), DestroyContainer) == [DestroyContainer(container_id)]
    (status,) = statuses(world.gone(container_id, 9))
    assert (status.state, status.reason, status.source) == (state, PREEMPTED, Source.AGENT)
    assert status.message == "Container preempted by QoS correction: it is loud"


def test_m_ag_26_who_heeds_the_polite_signal_is_preempted_as_well(world: World) -> None:
    container_id = borrow(world, framework_info(PARTITION_AWARE))
    correct(world)
    effects = world.take(ContainerExited(container_id, 0))
    assert statuses(effects) == []
    (status,) = statuses(world.take(ContainerDestroyed(container_id)))
    assert (status.state, status.reason) == (TaskState.GONE, PREEMPTED)
    world.acknowledge(status)
    assert world.state.frameworks == {}


def test_m_ag_26_what_is_still_being_launched_is_destroyed_at_once(world: World) -> None:
    task = replace(task_info("t1"), resources=ONE.allocated_to("r"))
    (launch,) = only(world.run(task), LaunchContainer)
    assert only(correct(world), DestroyContainer) == [DestroyContainer(launch.container_id)]
    (status,) = statuses(world.take(ContainerDestroyed(launch.container_id)))
    assert (status.state, status.reason) == (TaskState.GONE, PREEMPTED)


def test_m_ag_26_a_group_ends_as_a_whole(world: World) -> None:
    tasks = [replace(task_info(one), resources=ONE.allocated_to("r")) for one in ("a", "b")]
    effects = world.run_group(pod(), *tasks, framework=framework_info(PARTITION_AWARE))
    world.acknowledge_all(effects)
    containers = [launch.container_id for launch in only(effects, LaunchContainer)]
    for number, container_id in enumerate(containers):
        world.acknowledge_all(world.take(ContainerLaunched(container_id, 200 + number)))
    effects = correct(world, "pod")
    assert [one.container_id for one in only(effects, SignalContainer)] == containers
    seen = []
    for container_id in containers:
        seen += statuses(world.gone(container_id, TERM))
    assert [(one.task_id, one.state, one.reason) for one in seen] == [
        ("a", TaskState.GONE, PREEMPTED),
        ("b", TaskState.GONE, PREEMPTED),
    ]
    for one in seen:
        world.acknowledge(one)
    assert world.state.frameworks == {}


def lending_executor() -> ExecutorInfo:
    return replace(custom(grace=4.0), resources=ONE.allocated_to("r"))


def test_m_ag_26_a_custom_executor_is_asked_and_then_destroyed(world: World) -> None:
    container_id, _ = world.start_custom("t1", "t2", info=lending_executor())
    effects = correct(world, "custom-1")
    assert told(effects) == [Shutdown()]
    # One task ends in the grace, as its executor says; it hears why.
    effects = world.update("t1", TaskState.KILLED)
    (status,) = statuses(effects)
    assert (status.state, status.reason) == (TaskState.KILLED, PREEMPTED)
    world.acknowledge(status)
    assert only(world.wait(4.1), DestroyContainer) == [DestroyContainer(container_id)]
    (status,) = statuses(world.gone(container_id, 9))
    assert (status.task_id, status.state, status.reason) == ("t2", TaskState.GONE, PREEMPTED)


def test_m_ag_26_what_finished_within_the_grace_has_finished(world: World) -> None:
    world.start_custom("t1", info=lending_executor())
    correct(world, "custom-1")
    (status,) = statuses(world.update("t1", TaskState.FINISHED))
    assert (status.state, status.reason) == (TaskState.FINISHED, None)


def test_m_ag_26_who_borrows_nothing_is_never_ended(world: World) -> None:
    container_id = world.start_command()
    effects = correct(world)
    assert only(effects, SignalContainer) + only(effects, DestroyContainer) + only(effects, SendExecutor) == []
    assert "correction.ignored" in facts(effects)
    assert world.executor("t1").state is ExecutorState.RUNNING
    assert world.executor("t1").container_id == container_id


def test_m_ag_26_a_correction_of_another_run_ends_nobody(world: World) -> None:
    borrow(world)
    for executor_id, container_id in (("t1", "another run"), ("t9", "x")):
        effects = correct(world, executor_id, container_id)
        assert facts(effects) == ["correction.ignored"]
    unknown = Correction(
        framework_id=FrameworkId("F9"), executor_id=ExecutorId("t1"), container_id=ContainerId("c"), reason=""
    )
    assert facts(world.take(QosCorrections((unknown,)))) == ["correction.ignored"]
    assert world.executor("t1").state is ExecutorState.RUNNING


def test_m_ag_26_a_second_correction_does_not_lengthen_the_grace(world: World) -> None:
    container_id = borrow(world, grace=2.0)
    correct(world)
    world.wait(1.5)
    assert facts(correct(world)) == ["correction.ignored"]
    assert only(world.wait(0.6), DestroyContainer) == [DestroyContainer(container_id)]


@pytest.mark.parametrize("kind", ["command", "pod", "custom"])
def test_m_ag_26_a_restarted_agent_goes_on_with_it(world: World, kind: str) -> None:
    task = replace(task_info("t1"), resources=ONE.allocated_to("r"))
    if kind == "command":
        container_id, executor_id = world.start_command(task), "t1"
    elif kind == "pod":
        effects = world.run_group(pod(), task)
        world.acknowledge_all(effects)
        container_id, executor_id = only(effects, LaunchContainer)[0].container_id, "pod"
        world.acknowledge_all(world.take(ContainerLaunched(container_id, 200)))
    else:
        container_id, executor_id = world.start_custom("t1", info=lending_executor())[0], "custom-1"
    world.acknowledge_all(correct(world, executor_id))
    after = reborn(world)
    effects = recover(after, alive(container_id)) + after.wait(10.0)
    assert DestroyContainer(container_id) in effects
    after.reregister()
    ends = [status for status in statuses(after.gone(container_id, 9)) if status.is_terminal]
    assert [(status.task_id, status.state, status.reason) for status in ends] == [("t1", TaskState.GONE, PREEMPTED)]
