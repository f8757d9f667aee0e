"""What became of operations that carry an id, through lost links, agents and masters (M-SC-15, X14c)."""

from __future__ import annotations

from dataclasses import replace

from mesos_service.core.events import Subscribed, UpdateOperationStatus
from mesos_service.core.link import (
    AcknowledgeOperation,
    OperationReport,
    OperationStatus,
    Reregister,
    ShutdownFramework,
    UpdateOperation,
)
from mesos_service.core.operator_messages import OperatorMarkGone
from mesos_service.core.scheduler_messages import LaunchOperation
from mesos_service.domain.ids import AgentId, OperationId
from mesos_service.domain.operations import Reserve
from mesos_service.domain.resources import Resources
from tests.unit.core.master.infos import task_info
from tests.unit.core.master.resource_world import (
    acknowledge,
    applied,
    ask,
    capable_agent,
    finish,
    reconcile,
    reserved,
    states,
    told,
)
from tests.unit.core.master.told import downlinks, only, replies
from tests.unit.core.master.world import Node, Scheduler, World

RESERVE = Reserve(reserved("cpus:1;mem:512"))


def begin() -> tuple[World, Node, Scheduler]:
    world = World()
    node = capable_agent(world)
    scheduler = world.framework()
    world.settle()
    return world, node, scheduler


def come_back(node: Node, total: Resources, *operations: OperationReport) -> list[object]:
    node.link_id = node.world.new_link()
    node.registrations += 1
    return list(
        node.say(
            Reregister(
                agent=replace(node.info, agent_id=node.agent_id),
                registration=f"back-{node.registrations}",
                total=total,
                operations=operations,
            )
        )
    )


def test_m_sc_15_the_agents_word_is_passed_on_and_acknowledged() -> None:
    _, node, scheduler = begin()
    [message] = applied(scheduler.accept(scheduler.offers, ask(RESERVE, "op")))
    assert (message.framework_id, message.operation_id) == (scheduler.framework_id, "op")
    effects = finish(node, message, reserved("cpus:1;mem:512"))
    [event] = scheduler.hears(effects, UpdateOperationStatus)
    assert (event.state, event.agent_id, event.converted) == (
        "OPERATION_FINISHED",
        node.agent_id,
        reserved("cpus:1;mem:512"),
    )
    assert event.uuid is not None
    wrong = acknowledge(scheduler, replace(event, uuid=bytes(16)))
    assert replies(wrong) == [(202, "")] and downlinks(wrong, AcknowledgeOperation) == []
    effects = acknowledge(scheduler, event)
    assert downlinks(effects, AcknowledgeOperation) == [AcknowledgeOperation(uuid=message.uuid, status_uuid=event.uuid)]
    assert node.record.operations == {}
    assert downlinks(acknowledge(scheduler, event), AcknowledgeOperation) == [], "an echo"


def test_m_sc_15_ids_are_the_frameworks_own_until_they_are_acknowledged() -> None:
    world, node, scheduler = begin()
    [message] = applied(scheduler.accept(scheduler.offers, ask(RESERVE, "op")))
    world.settle()
    again = ask(Reserve(reserved("cpus:0.5")), "op")
    effects = scheduler.accept(scheduler.offers, again, ask(Reserve(reserved("cpus:0.5")), "a/b"))
    assert [text.split("(RESERVE) ")[1] for _, _, text in told(scheduler, effects)] == [
        "has an ID that another operation of the framework has",
        "has an invalid ID: 'a/b' contains invalid characters",
    ]
    [event] = scheduler.hears(finish(node, message), UpdateOperationStatus)
    acknowledge(scheduler, event)
    world.advance(6.0)
    assert len(applied(scheduler.accept(scheduler.offers, again))) == 1


def test_m_sc_15_an_agent_without_the_capability_is_not_asked_for_a_word() -> None:
    world = World()
    node = world.agent()
    scheduler = world.framework()
    world.settle()
    effects = scheduler.accept(scheduler.offers, ask(RESERVE, "op"), ask(RESERVE))
    [(_, _, text)] = told(scheduler, effects)
    assert "does not have the capability AGENT_OPERATION_FEEDBACK" in text
    assert len(applied(effects)) == 1, "without id it can do it"
    del node


def test_x14c_an_operation_that_never_reached_its_agent_is_dropped() -> None:
    """The task behind it is lost with it: the agent says what it has."""
    world, node, scheduler = begin()
    configured = node.record.total
    effects = scheduler.accept(
        scheduler.offers,
        ask(RESERVE, "op"),
        LaunchOperation((task_info("t", node.agent_id, reserved("cpus:1;mem:512")),)),
    )
    assert len(applied(effects)) == 1
    node.lose_link()
    back = come_back(node, configured)
    assert states(scheduler, back) == [("op", "OPERATION_DROPPED")]  # type: ignore[arg-type]
    assert node.record.total == configured
    assert world.state.operations == {}
    assert node.record.overbooked, "until the agent has answered for the task"


def test_x14c_an_operation_whose_word_was_lost_is_not() -> None:
    world, node, scheduler = begin()
    [message] = applied(scheduler.accept(scheduler.offers, ask(RESERVE, "op")))
    node.lose_link()
    status = OperationStatus(state="OPERATION_FINISHED", uuid=world.uuid())
    report = OperationReport(
        uuid=message.uuid,
        framework_id=scheduler.framework_id,
        operation_id=OperationId("op"),
        operation=message.operation,
        status=status,
    )
    total = node.record.total
    assert states(scheduler, come_back(node, total, report)) == []  # type: ignore[arg-type]
    effects = node.say(UpdateOperation(uuid=message.uuid, status=status))
    assert states(scheduler, effects) == [("op", "OPERATION_FINISHED")]
    assert node.record.total == total


def test_x14c_an_agent_that_has_less_than_was_believed_is_believed() -> None:
    world, node, scheduler = begin()
    configured = node.record.total
    scheduler.accept(scheduler.offers, ask(RESERVE))
    world.settle()
    assert scheduler.offers
    node.lose_link()
    come_back(node, configured)
    assert node.record.total == node.record.free == configured
    assert node.record.operations == {}


def test_b52_a_new_master_learns_of_reservations_and_operations_from_the_agent() -> None:
    """M-SC-15: the framework hears of it, and acknowledges it, by way of a master that never knew of it."""
    world, node, scheduler = begin()
    [message] = applied(scheduler.accept(scheduler.offers, ask(RESERVE, "op")))
    total = node.record.total
    successor = world.fail_over()
    scheduler.world = node.world = successor
    scheduler.subscribe_again()
    assert states(scheduler, reconcile(scheduler, ("op", node.agent_id))) == [("op", "OPERATION_RECOVERING")]
    status = OperationStatus(state="OPERATION_FINISHED", uuid=successor.uuid())
    report = OperationReport(
        uuid=message.uuid,
        framework_id=scheduler.framework_id,
        operation_id=OperationId("op"),
        operation=message.operation,
        status=status,
    )
    come_back(node, total, report)
    assert node.record.total == total
    [event] = scheduler.hears(node.say(UpdateOperation(uuid=message.uuid, status=status)), UpdateOperationStatus)
    assert len(downlinks(acknowledge(scheduler, event), AcknowledgeOperation)) == 1


def test_m_sc_15_reconciliation_tells_what_is_known() -> None:
    world, node, scheduler = begin()
    scheduler.accept(scheduler.offers, ask(RESERVE, "op"))
    asked = reconcile(scheduler, ("op", None), ("other", node.agent_id), ("other", AgentId("nobody")), ("other", None))
    assert states(scheduler, asked) == [
        ("op", "OPERATION_PENDING"),
        ("other", "OPERATION_UNKNOWN"),
        ("other", "OPERATION_UNKNOWN"),
        ("other", "OPERATION_UNKNOWN"),
    ]
    everything = scheduler.hears(reconcile(scheduler), UpdateOperationStatus)
    assert [(one.operation_id, one.uuid) for one in everything] == [("op", None)]
    world.take(OperatorMarkGone(request=world.request(), agent_id=node.agent_id))
    assert states(scheduler, reconcile(scheduler, ("op", node.agent_id))) == [("op", "OPERATION_GONE_BY_OPERATOR")]


def test_m_sc_15_operations_of_an_agent_that_goes_are_told_of() -> None:
    world, node, scheduler = begin()
    scheduler.accept(scheduler.offers, ask(RESERVE, "op"))
    node.lose_link()
    effects = world.advance(world.state.options.agent_reregister_timeout_seconds + 100.0)
    assert states(scheduler, effects) == [("op", "OPERATION_UNREACHABLE")]
    assert states(scheduler, reconcile(scheduler, ("op", node.agent_id))) == [("op", "OPERATION_UNREACHABLE")]

    other, gone, owner = begin()
    owner.accept(owner.offers, ask(RESERVE, "op"))
    effects = other.take(OperatorMarkGone(request=other.request(), agent_id=gone.agent_id))
    assert states(owner, effects) == [("op", "OPERATION_GONE_BY_OPERATOR")]


def test_m_sc_02_an_agent_is_relieved_of_operations_of_a_framework_that_has_ended() -> None:
    world, node, scheduler = begin()
    [message] = applied(scheduler.accept(scheduler.offers, ask(RESERVE, "op")))
    effects = scheduler.tear_down()
    assert downlinks(effects, ShutdownFramework) == [ShutdownFramework(scheduler.framework_id)]
    assert world.state.operations == {} and node.record.operations == {}
    assert node.record.total.reserved("role") == RESERVE.resources, "what it reserved stays"
    report = OperationReport(
        uuid=message.uuid,
        framework_id=scheduler.framework_id,
        operation_id=OperationId("op"),
        operation=message.operation,
        status=OperationStatus(state="OPERATION_FINISHED", uuid=world.uuid()),
    )
    node.lose_link()
    back = come_back(node, node.record.total, report)
    assert ShutdownFramework(scheduler.framework_id) in downlinks(back, ShutdownFramework)  # type: ignore[arg-type]
    assert only(back, UpdateOperationStatus) == []
    assert node.record.operations == {}


def test_m_sc_15_whoever_subscribes_again_hears_at_once_what_it_has_missed() -> None:
    """As of tasks (X03); after SUBSCRIBED, and only what it has not acknowledged."""
    world, node, scheduler = begin()
    first, second = applied(
        scheduler.accept(scheduler.offers, ask(RESERVE, "heard"), ask(Reserve(reserved("cpus:1")), "missed"))
    )
    [event] = scheduler.hears(finish(node, first), UpdateOperationStatus)
    acknowledge(scheduler, event)
    scheduler.disconnect()
    assert scheduler.hears(finish(node, second), UpdateOperationStatus) == []
    effects = scheduler.subscribe_again()
    assert isinstance(scheduler.events(effects)[0], Subscribed)
    [missed] = scheduler.hears(effects, UpdateOperationStatus)
    assert (missed.operation_id, missed.state) == ("missed", "OPERATION_FINISHED")
    assert len(downlinks(acknowledge(scheduler, missed), AcknowledgeOperation)) == 1
    assert world.state.operations == {}
