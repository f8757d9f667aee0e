"""Reservations and volumes made by frameworks, and used in the same call (M-OP-03, M-OP-04, M-OP-05)."""

from __future__ import annotations

import pytest

from mesos_service.core.allocation.ledger import Ledger
from mesos_service.core.scheduler_messages import LaunchOperation
from mesos_service.domain.frameworks import RESERVATION_REFINEMENT
from mesos_service.domain.ids import Role
from mesos_service.domain.operations import Create, Destroy, GrowVolume, Operation, Reserve, ShrinkVolume, Unreserve
from mesos_service.domain.resource import Reservation, Resource, plain_key
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskState
from mesos_service.plugins.allocator import Quota
from tests.unit.core.master.infos import AWARE, framework_info, task_info
from tests.unit.core.master.resource_world import (
    TOTAL,
    applied,
    ask,
    capable_agent,
    finish,
    operate,
    reserved,
    states,
    told,
    volume,
    volumes,
)
from tests.unit.core.master.told import launched, replies
from tests.unit.core.master.world import Node, Scheduler, World


def begin(roles: tuple[str, ...] = ("role",), principal: str | None = None) -> tuple[World, Node, Scheduler]:
    world = World()
    node = capable_agent(world)
    scheduler = world.framework(framework_info(roles=roles, principal=principal))
    world.settle()
    return world, node, scheduler


def test_m_op_03_what_was_reserved_is_launched_on_in_the_same_call() -> None:
    """X14c: at once in the master's books; the agent hears of both in that order."""
    world, node, scheduler = begin()
    wanted = reserved("cpus:1;mem:512")
    effects = scheduler.accept(
        scheduler.offers, ask(Reserve(wanted)), LaunchOperation((task_info("t", node.agent_id, wanted),))
    )
    assert replies(effects) == [(202, "")]
    [message] = applied(effects)
    assert message.operation == Reserve(wanted)
    [task] = launched(effects)
    assert task.resources == wanted.allocated_to("role")
    assert node.record.total.reserved("role") == wanted
    assert node.record.used == {scheduler.framework_id: wanted.allocated_to("role")}
    node.update(scheduler, node.status("t", TaskState.FINISHED))
    world.advance(6.0)
    assert node.record.total.reserved("role") == wanted, "a reservation outlives the task"
    held = [offer.resources.unallocated() for offer in scheduler.offers]
    assert any(one.contains(wanted) for one in held)


def test_x14e_what_operations_have_changed_returns_without_a_filter() -> None:
    world, node, scheduler = begin()
    wanted = reserved("cpus:1;mem:512")
    scheduler.accept(scheduler.offers, ask(Reserve(wanted)), refuse_seconds=100.0)
    [offer] = scheduler.offered(world.settle()) or scheduler.offered(world.advance(1.0))
    assert offer.resources.unallocated().reserved() == wanted
    scheduler.decline(offer, refuse_seconds=100.0)
    assert scheduler.offered(world.advance(50.0)) == []
    del node


def test_x14e_what_no_operation_has_touched_returns_with_the_filter_of_the_call() -> None:
    world, node, scheduler = begin()
    task = task_info("t", node.agent_id, reserved("cpus:1;mem:512"))
    scheduler.accept(
        scheduler.offers, ask(Reserve(reserved("cpus:1;mem:512"))), LaunchOperation((task,)), refuse_seconds=20.0
    )
    assert scheduler.offered(world.advance(19.0)) == [], "all that was reserved is used, and the rest is refused"
    assert len(scheduler.offered(world.advance(3.0))) == 1


def test_x14c_one_that_fails_is_left_out_and_those_behind_it_go_on() -> None:
    world, node, scheduler = begin()
    effects = scheduler.accept(
        scheduler.offers,
        ask(Reserve(reserved("cpus:64")), "too much"),
        ask(Reserve(reserved("cpus:1")), "fits"),
        ask(Unreserve(reserved("mem:1")), "is not there"),
        LaunchOperation((task_info("t", node.agent_id, reserved("cpus:1")),)),
    )
    assert [one.operation_id for one in applied(effects)] == ["fits"]
    assert [task.task_id for task in launched(effects)] == ["t"]
    assert states(scheduler, effects) == [("too much", "OPERATION_ERROR"), ("is not there", "OPERATION_ERROR")]
    assert "does not contain cpus(allocated: role)" in told(scheduler, effects)[0][2]
    del world


def test_m_op_04_a_volume_is_made_used_and_destroyed() -> None:
    world, node, scheduler = begin()
    task = task_info("t", node.agent_id, Resources.scalars(cpus=1, mem=32) + volumes(64, path="elsewhere"))
    effects = scheduler.accept(
        scheduler.offers,
        ask(Reserve(reserved("disk:128"))),
        ask(Create(volumes(64))),
        LaunchOperation((task,)),
        refuse_seconds=0.0,
    )
    assert [type(one.operation) for one in applied(effects)] == [Reserve, Create]
    assert [one.task_id for one in launched(effects)] == ["t"]
    assert node.record.total.persistent_volumes() == volumes(64)
    [offer] = scheduler.offered(world.advance(1.0))
    assert not offer.resources.persistent_volumes(), "it is in use"
    effects = scheduler.accept([offer], ask(Destroy(volumes(64)), "d"), refuse_seconds=0.0)
    assert "Persistent volumes in use" in told(scheduler, effects)[0][2]
    node.update(scheduler, node.status("t", TaskState.FINISHED))
    world.advance(1.0)
    [free] = [one for one in scheduler.offers if one.resources.persistent_volumes()]
    [item] = free.resources.unallocated().persistent_volumes()
    assert item.key.disk is not None and item.key.disk.volume is not None
    assert item.key.disk.volume.container_path == "data", "as it was made, wherever the task had it"
    effects = scheduler.accept([free], ask(Destroy(volumes(64))), ask(Unreserve(reserved("disk:64"))))
    assert [type(one.operation) for one in applied(effects)] == [Destroy, Unreserve]
    assert node.record.total.reserved() == reserved("disk:64")


def test_m_op_05_a_grown_volume_cannot_be_used_in_the_same_call() -> None:
    world, node, scheduler = begin()
    scheduler.accept(scheduler.offers, ask(Reserve(reserved("disk:100"))), ask(Create(volumes(40))))
    world.settle()
    [extra] = reserved("disk:20")
    use = Resources.scalars(cpus=1, mem=32)
    effects = scheduler.accept(
        scheduler.offers,
        ask(GrowVolume(volume(40), extra)),
        LaunchOperation((task_info("grown", node.agent_id, use + volumes(60)),)),
        LaunchOperation((task_info("was", node.agent_id, use + volumes(40)),)),
        refuse_seconds=100.0,
    )
    assert len(applied(effects)) == 1
    assert scheduler.told(effects) == [
        ("grown", TaskState.ERROR, "REASON_TASK_INVALID"),
        ("was", TaskState.ERROR, "REASON_TASK_INVALID"),
    ]
    [offer] = scheduler.offered(world.advance(1.0))
    assert offer.resources.unallocated().persistent_volumes() == volumes(60), "it returns without a filter"
    effects = scheduler.accept([offer], ask(ShrinkVolume(volume(60), 50_000)))
    assert node.record.total.reserved() == volumes(10) + reserved("disk:90")
    assert [one.task_id for one in launched(effects)] == []


def test_m_al_09_an_offer_for_a_role_is_reserved_for_that_role() -> None:
    _, node, scheduler = begin(("role", "other"))
    offer = scheduler.offers[0]
    other = "other" if offer.role == "role" else "role"
    effects = scheduler.accept([offer], ask(Reserve(reserved("cpus:1", other)), "x"))
    assert f"can only reserve what it was offered for its role '{offer.role}'" in told(scheduler, effects)[0][2]
    assert not node.record.total.reserved()


def test_x44_a_framework_of_a_role_below_refines_what_is_reserved_above_it() -> None:
    world = World()
    static = Resources.parse("cpus(eng):4;mem(eng):1024")
    node = capable_agent(world, "cpus(eng):4;mem(eng):1024")
    simple = world.framework(framework_info(roles=("eng/dev",)))
    world.settle()
    refined = Resources.parse("cpus(eng):1").push_reservation(Reservation("DYNAMIC", "eng/dev"))
    effects = simple.accept(simple.offers, ask(Reserve(refined), "x"))
    assert "does not have the capability RESERVATION_REFINEMENT" in told(simple, effects)[0][2]
    simple.tear_down()
    scheduler = world.framework(framework_info(roles=("eng/dev",), capabilities=AWARE | {RESERVATION_REFINEMENT}))
    world.settle()
    effects = scheduler.accept(scheduler.offers, ask(Reserve(refined)))
    assert len(applied(effects)) == 1
    assert node.record.total == static - Resources.parse("cpus(eng):1") + refined
    world.settle()
    effects = scheduler.accept(
        scheduler.offers, ask(Unreserve(static.reserved("eng") - Resources.parse("cpus(eng):1")))
    )
    assert applied(effects) == [], "what is static stays"
    world.advance(6.0)
    scheduler.accept(scheduler.offers, ask(Unreserve(refined)))
    assert node.record.total == static


def test_m_al_09_what_is_reserved_is_offered_to_its_role_alone() -> None:
    world, node, scheduler = begin()
    scheduler.accept(scheduler.offers, ask(Reserve(reserved("cpus:1;mem:512"))))
    other = world.framework(framework_info("other", roles=("stranger",)))
    scheduler.suppress()
    world.advance(40.0)
    [offer] = other.offers
    assert offer.resources.unallocated() == node.record.total.unreserved()


NAMED = "Operation 'x' ({}) is invalid: "
CASES: list[tuple[Operation, str]] = [
    (Reserve(Resources.EMPTY), "The operation names no resources"),
    (Reserve(Resources.parse("cpus:1")), "A reserve operation was attempted for role '*'"),
    (Unreserve(Resources.parse("cpus:1")), "is not dynamically reserved"),
    (Create(reserved("disk:8")), "is not a persistent volume"),
    (Destroy(reserved("disk:8")), "is not a persistent volume"),
    (Destroy(volumes(8)), "Persistent volumes not found"),
    (Create(volumes(8, path="/abs")), "must not be absolute"),
    (Create(volumes(8, path="a/../../b")), "must lead into the sandbox"),
    (Create(volumes(8) + volumes(16)), "Persistence ID 'v' is not unique"),
    (Reserve(volumes(8)), "is a persistent volume, which cannot be reserved"),
    (GrowVolume(volume(8), volume(8, "w")), "must not be a persistent volume"),
    (GrowVolume(volume(8), Resource(plain_key("disk"), 1000)), "not the same kind of disk"),
    (ShrinkVolume(volume(8), 0), "must be more than zero"),
    (ShrinkVolume(volume(8), 8000), "must be less than"),
    (
        Reserve(reserved("cpus:1"), reserved("cpus:2", "other")),
        "are not the same but for their reservations",
    ),
    (
        Reserve(reserved("cpus:1"), Resources.parse("cpus(other):1")),
        "A static reservation can neither be made nor taken away",
    ),
    (
        Reserve(Resources.of(item._replace(key=item.key._replace(provider_id="rp")) for item in reserved("cpus:1"))),
        "there are none here",
    ),
    (
        Create(Resources.of(item._replace(key=item.key._replace(shared=True)) for item in volumes(8))),
        "with no SHARED_RESOURCES capability",
    ),
]


@pytest.mark.parametrize(("operation", "reason"), CASES, ids=[reason for _, reason in CASES])
def test_x14c_what_makes_no_sense_is_told_and_changes_nothing(operation: Operation, reason: str) -> None:
    _, node, scheduler = begin()
    before = node.record.total
    effects = scheduler.accept(scheduler.offers, ask(operation, "x"))
    [(name, state, message)] = told(scheduler, effects)
    assert (name, state) == ("x", "OPERATION_ERROR")
    assert message.startswith("Operation 'x' (") and reason in message
    assert applied(effects) == []
    assert node.record.total == before


def test_m_al_10_an_id_is_free_again_when_its_volume_is_destroyed() -> None:
    world, node, scheduler = begin()
    scheduler.accept(scheduler.offers, ask(Reserve(reserved("disk:100"))), ask(Create(volumes(40))))
    world.settle()
    effects = scheduler.accept(
        scheduler.offers,
        ask(Create(volumes(20)), "again"),
        ask(Destroy(volumes(40))),
        ask(Create(volumes(20)), "anew"),
    )
    assert states(scheduler, effects) == [("again", "OPERATION_ERROR")]
    assert [type(one.operation) for one in applied(effects)] == [Destroy, Create]
    assert node.record.total.persistent_volumes() == volumes(20)


def test_m_al_09_a_framework_reserves_in_its_own_name() -> None:
    _, node, scheduler = begin(principal="me")
    effects = scheduler.accept(
        scheduler.offers,
        ask(Reserve(reserved("cpus:1")), "nobody"),
        ask(Reserve(reserved("cpus:1", principal="you")), "other"),
        ask(Reserve(reserved("cpus:1", principal="me")), "own"),
    )
    assert [name for name, _ in states(scheduler, effects)] == ["nobody", "other"]
    assert node.record.total.reserved() == reserved("cpus:1", principal="me")


def test_m_op_05_an_agent_that_cannot_resize_is_not_asked_to() -> None:
    world = World()
    node = world.agent(TOTAL)
    scheduler = world.framework()
    world.settle()
    [extra] = reserved("disk:20")
    assert "RESIZE_VOLUME" not in node.info.capabilities
    scheduler.accept(
        scheduler.offers,
        ask(Reserve(reserved("disk:100"))),
        ask(Create(volumes(40))),
        ask(GrowVolume(volume(40), extra)),
    )
    assert node.record.total.persistent_volumes() == volumes(40)


def test_x36_what_is_reserved_counts_for_the_quota_of_its_role_whoever_reserves_it() -> None:
    """X37: the books of quota, which follow each step, are what adding up anew makes of them."""
    world, node, scheduler = begin()
    world.state.allocator.update_quota(Role("role"), Quota(limits={"cpus": 3000}))
    world.state.allocator.update_quota(Role("ops"), Quota(limits={"cpus": 2000}))
    ledger = world.state.allocator.ledger
    assert isinstance(ledger, Ledger)

    ledger.settle_quota()

    def books() -> tuple[dict[Role, dict[str, int]], dict[str, int]]:
        consumed = {role: {k: v for k, v in one.items() if v} for role, one in ledger.quota.consumed.items()}
        return consumed, {name: amount for name, amount in ledger.quota.free.items() if amount}

    def agree() -> None:
        before = books()
        ledger._recount_quota()
        assert books() == before

    [message] = applied(scheduler.accept(scheduler.offers, ask(Reserve(reserved("cpus:2;mem:64;disk:64")))))
    agree()
    finish(node, message)
    assert node.record.operations == {}
    world.settle()
    agree()
    operate(world, node, Reserve(reserved("cpus:1", "ops")))
    agree()
    assert dict(world.state.allocator.quota_consumption(Role("ops"))) == {"cpus": 1000}
    world.advance(6.0)
    agree()
    offer = next(one for one in scheduler.offers if one.resources.reserved())
    task = task_info("t", node.agent_id, reserved("cpus:1;mem:32"))
    scheduler.accept([offer], ask(Create(volumes(8))), LaunchOperation((task,)), refuse_seconds=0.0)
    agree()
    assert world.state.allocator.quota_consumption(Role("role"))["cpus"] == 2000
    world.advance(1.0)
    scheduler.accept(scheduler.offers, ask(Unreserve(reserved("cpus:1;mem:32"))), refuse_seconds=0.0)
    agree()
    node.update(scheduler, node.status("t", TaskState.FINISHED))
    world.advance(1.0)
    agree()
    operate(world, node, Unreserve(reserved("cpus:1", "ops")))
    agree()
