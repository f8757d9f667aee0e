"""Operators reserve, and make volumes of, what nobody uses (M-OM-09, M-OM-10)."""

from __future__ import annotations

from mesos_service.core.resource_messages import OperatorOperation
from mesos_service.core.scheduler_messages import LaunchOperation
from mesos_service.domain.ids import AgentId
from mesos_service.domain.operations import Create, Destroy, GrowVolume, Reserve, ShrinkVolume, Unreserve
from mesos_service.domain.resources import Resources
from tests.unit.core.master.infos import framework_info, task_info
from tests.unit.core.master.resource_world import (
    applied,
    capable_agent,
    finish,
    operate,
    reserved,
    volume,
    volumes,
)
from tests.unit.core.master.told import replies
from tests.unit.core.master.world import World


def test_m_om_09_and_m_om_10_all_of_them_in_turn() -> None:
    world = World()
    node = capable_agent(world)
    configured = node.record.total
    [extra] = reserved("disk:10")
    totals = []
    for operation in (
        Reserve(reserved("cpus:1;disk:100")),
        Create(volumes(40)),
        GrowVolume(volume(40), extra),
        ShrinkVolume(volume(50), 20_000),
        Destroy(volumes(30)),
        Unreserve(reserved("cpus:1;disk:100")),
    ):
        effects = operate(world, node, operation)
        assert replies(effects) == [(202, "")]
        [message] = applied(effects)
        assert (message.operation, message.framework_id, message.operation_id) == (operation, None, None)
        assert len(node.record.operations) == 1
        finish(node, message)
        assert node.record.operations == {}
        totals.append(node.record.total.reserved())
    assert totals[1] == reserved("cpus:1;disk:60") + volumes(40)
    assert totals[2] == reserved("cpus:1;disk:50") + volumes(50)
    assert totals[3] == reserved("cpus:1;disk:70") + volumes(30)
    assert node.record.total == configured


def test_m_om_09_offers_are_rescinded_as_far_as_needed_and_no_further() -> None:
    world = World()
    node = capable_agent(world, "cpus:4;mem:4096;cpus(a):1;mem(a):64")
    a = world.framework(framework_info("a", roles=("a",)))
    world.settle()
    [whole] = a.offers
    a.launch(whole, task_info("t", node.agent_id, Resources.scalars(cpus=1, mem=64)), refuse_seconds=0.0)
    b = world.framework(framework_info("b", roles=("b",)))
    a.suppress()
    world.advance(1.0)
    assert len(b.offers) == 1
    effects = operate(world, node, Reserve(reserved("cpus:1", "ops")))
    assert replies(effects) == [(202, "")]
    assert len(b.rescinded(effects)) == 1
    assert node.record.total.reserved("ops") == reserved("cpus:1", "ops")
    world.advance(1.0)
    [offer] = b.offers
    assert offer.resources.unallocated() == Resources.scalars(cpus=2, mem=4032)


def test_m_om_09_what_is_used_cannot_be_had_and_nobody_is_disturbed() -> None:
    """The text is as recorded of Mesos: what there is, and the first of what is wanted that is not in it."""
    world = World()
    node = capable_agent(world, "cpus:2;mem:1024")
    scheduler = world.framework()
    world.settle()
    scheduler.accept(
        scheduler.offers,
        LaunchOperation((task_info("t", node.agent_id, Resources.scalars(cpus=1, mem=32)),)),
        refuse_seconds=0.0,
    )
    world.advance(1.0)
    assert len(scheduler.offers) == 1
    effects = operate(world, node, Reserve(reserved("cpus:2")))
    assert replies(effects) == [(409, "cpus:1; mem:992 does not contain cpus:2")]
    assert scheduler.rescinded(effects) == [] and len(scheduler.offers) == 1
    effects = operate(world, node, Unreserve(reserved("cpus:0.25", "ops", "op")))
    assert replies(effects) == [(409, "cpus:1; mem:992 does not contain cpus(reservations: [(DYNAMIC,ops,op)]):0.25")]
    assert applied(effects) == []


def test_m_om_09_what_makes_no_sense_is_a_bad_request() -> None:
    world = World()
    node = capable_agent(world)
    unknown = OperatorOperation(
        request=world.request(), agent_id=AgentId("nope"), operation=Reserve(reserved("cpus:1"))
    )
    assert replies(world.take(unknown)) == [(400, "No agent found with specified ID")]
    [(status, text)] = replies(operate(world, node, Reserve(Resources.parse("cpus:1"))))
    assert status == 400 and text.endswith("Resource 'cpus:1' must be dynamically reserved")
    unreadable = OperatorOperation(
        request=world.request(), agent_id=node.agent_id, operation=Create(Resources.EMPTY), refusal="cannot be read"
    )
    assert replies(world.take(unreadable)) == [
        (400, f"Invalid CREATE operation on agent {node.agent_id}: cannot be read")
    ]
    [(status, text)] = replies(operate(world, node, Reserve(reserved("cpus:1", principal="x")), principal="op"))
    assert status == 400 and "does not match principal 'x'" in text


def test_x14c_an_agent_that_cannot_be_told_is_not_changed() -> None:
    world = World()
    node = capable_agent(world)
    node.lose_link()
    effects = operate(world, node, Reserve(reserved("cpus:1")))
    assert [status for status, _ in replies(effects)] == [409]
    node.come_back()
    assert replies(operate(world, node, Reserve(reserved("cpus:1")))) == [(202, "")]


def test_m_om_10_a_volume_in_use_stays() -> None:
    world = World()
    node = capable_agent(world)
    operate(world, node, Reserve(reserved("disk:100")))
    operate(world, node, Create(volumes(40)))
    scheduler = world.framework()
    world.settle()
    task = task_info("t", node.agent_id, Resources.scalars(cpus=1, mem=32) + volumes(40))
    scheduler.accept(scheduler.offers, LaunchOperation((task,)))
    [(status, text)] = replies(operate(world, node, Destroy(volumes(40))))
    assert (status, text.endswith("Persistent volumes in use")) == (400, True)


def test_m_om_09_resources_of_one_role_are_reserved_for_another() -> None:
    """M-AL-09: re-reservation goes through ``source``."""
    world = World()
    node = capable_agent(world)
    operate(world, node, Reserve(reserved("cpus:2", "a")))
    assert replies(operate(world, node, Reserve(reserved("cpus:2", "b"), reserved("cpus:2", "a")))) == [(202, "")]
    assert node.record.total.reservations() == {"b": reserved("cpus:2", "b")}
