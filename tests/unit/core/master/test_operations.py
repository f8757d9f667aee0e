"""What is said of operations that this master does not do (M-SE-07; as recorded of Mesos)."""

from __future__ import annotations

import pytest

from mesos_service.core.effects import MasterEffect
from mesos_service.core.events import OperationState, UpdateOperationStatus
from mesos_service.core.scheduler_messages import LaunchOperation, ReconcileOperations, UnsupportedOperation
from mesos_service.domain.ids import AgentId, OfferId, OperationId
from mesos_service.domain.tasks import TaskState
from tests.unit.core.master.infos import task_info
from tests.unit.core.master.told import facts, launched, replies
from tests.unit.core.master.world import Scheduler, World

RESERVE = UnsupportedOperation("RESERVE", OperationId("op-reserve"))
NAMELESS = UnsupportedOperation("RESERVE")


def told(scheduler: Scheduler, effects: list[MasterEffect]) -> list[tuple[str, OperationState, str]]:
    return [
        (status.operation_id, status.state, status.message)
        for status in scheduler.hears(effects, UpdateOperationStatus)
    ]


def test_m_se_07_an_operation_that_cannot_be_done_is_told_by_its_id() -> None:
    world = World()
    world.agent()
    scheduler = world.framework()
    world.settle()
    effects = scheduler.accept(scheduler.offers, RESERVE, refuse_seconds=3.0)
    assert replies(effects) == [(202, "")]
    assert told(scheduler, effects) == [
        (
            "op-reserve",
            "OPERATION_ERROR",
            "Operation 'op-reserve' (RESERVE) is of a kind that this master does not support",
        )
    ]
    assert facts(effects) == ["operation.unsupported", "offer.declined"]
    assert scheduler.offered(world.advance(3.0)) == [], (
        "as nothing was used, the offer is declined with the call's filter"
    )
    assert len(scheduler.offered(world.advance(1.0))) == 1


@pytest.mark.parametrize("kind", ["CREATE_DISK", "DESTROY_DISK"])
def test_m_se_07_disks_of_resource_providers_are_refused_as_mesos_refuses_those_of_agents(kind: str) -> None:
    world = World()
    world.agent()
    scheduler = world.framework()
    world.settle()
    effects = scheduler.accept(scheduler.offers, UnsupportedOperation(kind, OperationId("op")))
    assert told(scheduler, effects) == [
        (
            "op",
            "OPERATION_ERROR",
            f"Operation 'op' ({kind}) is invalid: 'source' is not managed by a resource provider",
        )
    ]


def test_m_se_07_and_x14c_operations_beside_it_go_on_and_answers_keep_their_order() -> None:
    world = World()
    node = world.agent("cpus:1;mem:1024")
    scheduler = world.framework()
    world.settle()
    create = UnsupportedOperation("CREATE", OperationId("op-create"))
    tasks = (task_info("fits", node.agent_id), task_info("too much", node.agent_id))
    effects = scheduler.accept(scheduler.offers, RESERVE, LaunchOperation(tasks), create)
    assert [task.task_id for task in launched(effects)] == ["fits"]
    assert scheduler.told(effects) == [("too much", TaskState.ERROR, "REASON_TASK_INVALID")]
    assert [type(event).__name__ for event in scheduler.events(effects)] == [
        "UpdateOperationStatus",
        "Update",
        "UpdateOperationStatus",
    ]
    assert [operation_id for operation_id, _, _ in told(scheduler, effects)] == ["op-reserve", "op-create"]


def test_m_se_07_and_x14a_an_invalid_offer_spoils_operations_too() -> None:
    world = World()
    node = world.agent()
    scheduler = world.framework()
    world.settle()
    effects = scheduler.accept(
        [*scheduler.offers, OfferId("nope")], RESERVE, NAMELESS, LaunchOperation((task_info("t", node.agent_id),))
    )
    assert told(scheduler, effects) == [
        (
            "op-reserve",
            "OPERATION_ERROR",
            "Operation 'op-reserve' (RESERVE) was sent with invalid offers: Offer nope is no longer valid",
        )
    ]
    assert scheduler.told(effects) == [("t", TaskState.DROPPED, "REASON_INVALID_OFFERS")]
    assert scheduler.offers == []


@pytest.mark.parametrize("offer", ["held", "nope"])
def test_m_se_07_nothing_is_said_of_an_operation_without_id(offer: str) -> None:
    world = World()
    world.agent()
    scheduler = world.framework()
    world.settle()
    offers = scheduler.offers if offer == "held" else [OfferId(offer)]
    effects = scheduler.accept(offers, NAMELESS)
    assert replies(effects) == [(202, "")]
    assert scheduler.events(effects) == []


def test_m_se_07_nobody_knows_of_any_operation() -> None:
    world = World()
    node = world.agent()
    scheduler = world.framework()
    world.settle()
    scheduler.accept(scheduler.offers, RESERVE)

    def ask(*operations: tuple[str, AgentId | None]) -> list[MasterEffect]:
        return world.take(
            ReconcileOperations(
                request=world.request(),
                framework_id=scheduler.framework_id,
                stream_id=scheduler.stream_id,
                operations=tuple((OperationId(one), agent_id) for one, agent_id in operations),
            )
        )

    effects = ask(("op-reserve", node.agent_id), ("op-unknown", None))
    assert replies(effects) == [(202, "")]
    assert scheduler.events(effects) == [
        UpdateOperationStatus(
            OperationId("op-reserve"), "OPERATION_UNKNOWN", "Reconciliation: Operation is unknown", node.agent_id
        ),
        UpdateOperationStatus(
            OperationId("op-unknown"),
            "OPERATION_UNKNOWN",
            "Reconciliation: Operation is unknown and no 'agent_id' was provided",
        ),
    ]
    everything = ask()
    assert (replies(everything), scheduler.events(everything)) == ([(202, "")], [])
