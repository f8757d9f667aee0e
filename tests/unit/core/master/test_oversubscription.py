"""Agents lend, and the master offers what they lend (M-AL-19, M-AG-26)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mesos_service.core.effects import MasterEffect
from mesos_service.core.link import AgentUpdated, OversubscriptionChanged, Register, Registered, Reregister
from mesos_service.core.oversubscription.estimators import lent
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.frameworks import PARTITION_AWARE, REVOCABLE_RESOURCES
from mesos_service.domain.ids import AgentId
from mesos_service.domain.operations import Create, Operation, Reserve
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskState
from tests.unit.core.master.infos import custom, framework_info, task_info
from tests.unit.core.master.resource_world import TOTAL, ask, capable_agent, operate, reserved, told, volumes
from tests.unit.core.master.told import downlinks, facts, launched, replies
from tests.unit.core.master.world import Node, Scheduler, World

OWN = Resources.scalars(cpus=4, mem=4096)
LENT = lent(Resources.scalars(cpus=2))
HALF = lent(Resources.scalars(cpus=1))
BORROWER = frozenset({PARTITION_AWARE, REVOCABLE_RESOURCES})


def lends(node: Node, oversubscribed: Resources) -> list[MasterEffect]:
    return node.say(OversubscriptionChanged(oversubscribed)) + node.world.settle()


def borrower(world: World) -> Scheduler:
    return world.framework(framework_info("borrower", capabilities=BORROWER))


def lent_to(scheduler: Scheduler) -> Resources:
    total = Resources.EMPTY
    for offer in scheduler.offers:
        total += offer.resources.revocable().unallocated()
    return total


def test_m_al_19_what_an_agent_lends_is_offered_to_those_who_know_it() -> None:
    world = World()
    node = world.agent(OWN)
    plain = world.framework(framework_info("plain"))
    world.settle()
    lends(node, LENT)
    assert lent_to(plain) == Resources.EMPTY
    borrows = borrower(world)
    world.settle()
    assert lent_to(borrows) == LENT
    assert node.record.total == OWN + LENT
    assert node.record.free == Resources.EMPTY


def test_m_al_19_less_than_before_takes_back_only_what_no_longer_fits() -> None:
    world = World()
    node = world.agent(OWN)
    regular = world.framework(framework_info("plain"))
    world.settle()
    (own,) = regular.offers
    lends(node, HALF)
    first, second = borrower(world), borrower(world)
    world.settle()
    holder, other = (first, second) if first.offers else (second, first)
    effects = lends(node, LENT)
    assert holder.rescinded(effects) == other.rescinded(effects) == [], "there is more than before"
    held = [offer for one in (first, second) for offer in one.offers]
    assert sum((offer.resources.revocable().unallocated() for offer in held), Resources.EMPTY) == LENT
    # Of two offers the older one still fits.
    effects = lends(node, HALF)
    kept = [offer for one in (first, second) for offer in one.offers]
    assert [offer.offer_id for offer in kept if offer.resources.revocable()] == [held[0].offer_id]
    assert regular.rescinded(effects) == [] and regular.offers == [own]
    lends(node, Resources.EMPTY)
    assert lent_to(first) == lent_to(second) == Resources.EMPTY
    assert node.record.total == OWN


def borrowing(world: World, node: Node, amount: Resources = LENT) -> Scheduler:
    scheduler = borrower(world)
    world.settle()
    offer = next(one for one in scheduler.offers if one.resources.revocable())
    task = task_info("t", node.agent_id, amount)
    (info,) = launched(scheduler.launch(offer, task))
    status = node.status("t", TaskState.RUNNING)
    node.update(scheduler, status)
    scheduler.acknowledge(status)
    assert info.resources.revocable().unallocated() == amount
    return scheduler


def test_m_al_19_less_than_is_in_use_takes_nothing_away_and_offers_nothing() -> None:
    world = World()
    node = world.agent(OWN)
    lends(node, LENT)
    scheduler = borrowing(world, node)
    lends(node, HALF)
    assert node.record.overbooked
    assert not node.record.free.revocable()
    assert world.state.frameworks[scheduler.framework_id].tasks
    world.advance(60.0)
    assert lent_to(scheduler) == Resources.EMPTY
    end = node.status("t", TaskState.FINISHED)
    node.update(scheduler, end)
    world.advance(10.0)
    assert not node.record.overbooked
    assert lent_to(scheduler) == HALF


def test_m_al_19_the_same_again_disturbs_nobody() -> None:
    world = World()
    node = world.agent(OWN)
    lends(node, LENT)
    scheduler = borrower(world)
    world.settle()
    held = scheduler.offers
    effects = lends(node, LENT)
    assert scheduler.rescinded(effects) == [] and scheduler.offers == held
    assert "agent.oversubscribed" not in facts(effects)


@pytest.mark.parametrize(
    "unlawful",
    [
        Resources.scalars(cpus=1),
        LENT + Resources.scalars(mem=1),
        LENT.allocated_to("r"),
        Resources.parse('[{"name":"ports","type":"RANGES","ranges":{"range":[{"begin":1,"end":2}]},"revocable":{}}]'),
    ],
)
def test_m_al_19_what_cannot_be_lent_is_ignored(unlawful: Resources) -> None:
    world = World()
    node = world.agent(OWN)
    lends(node, HALF)
    effects = lends(node, unlawful)
    assert "oversubscription.refused" in facts(effects)
    assert node.record.total == OWN + HALF
    info = AgentInfo(hostname="sly", port=5052, resources=OWN)
    sly = Node(world, info, world.new_link())
    effects = sly.say(Register(agent=info, registration="r", oversubscribed=unlawful))
    (answer,) = downlinks(effects, Registered)
    assert world.state.agents[answer.agent_id].total == OWN


def test_m_al_19_registering_says_it_and_the_books_hold_from_the_first_moment() -> None:
    world = World()
    info = AgentInfo(hostname="host", resources=OWN)
    node = Node(world, info, world.new_link())
    for answer in downlinks(node.say(Register(agent=info, registration="r", oversubscribed=LENT)), Registered):
        node.agent_id = answer.agent_id
    assert node.record.total == OWN + LENT
    scheduler = borrowing(world, node)
    (task,) = scheduler.record.tasks.values()

    # The next master learns of it from the agent, and books no more than there is.
    successor = world.fail_over()
    again = Node(successor, replace(info, agent_id=node.agent_id), successor.new_link())
    again.agent_id = node.agent_id
    again.say(
        Reregister(
            agent=again.info,
            registration="r2",
            oversubscribed=LENT,
            tasks=(again.report(scheduler, task.info),),
            frameworks=(replace(scheduler.info, framework_id=scheduler.framework_id),),
        )
    )
    assert again.record.total == OWN + LENT
    assert not again.record.overbooked
    assert not again.record.free.revocable()


def test_m_al_19_an_agent_that_reconnects_changes_nothing_but_what_it_says() -> None:
    world = World()
    node = world.agent(OWN)
    lends(node, LENT)
    scheduler = borrower(world)
    world.settle()
    held = [offer.offer_id for offer in scheduler.offers]
    node.link_id = world.new_link()
    info = replace(node.info, agent_id=node.agent_id)
    effects = node.say(Reregister(agent=info, registration="again", oversubscribed=LENT))
    assert scheduler.rescinded(effects) == []
    effects = node.say(Reregister(agent=info, registration="once more", oversubscribed=Resources.EMPTY))
    assert scheduler.rescinded(effects) == held
    assert node.record.total == OWN


def test_m_al_19_more_of_its_own_leaves_what_it_lends_alone() -> None:
    world = World()
    node = world.agent(OWN)
    lends(node, LENT)
    more = replace(node.info, agent_id=node.agent_id, resources=OWN + Resources.scalars(cpus=2))
    node.say(AgentUpdated(agent=more))
    assert node.record.total == OWN + Resources.scalars(cpus=2) + LENT
    assert node.record.oversubscribed == LENT
    lends(node, Resources.EMPTY)
    assert node.record.total == OWN + Resources.scalars(cpus=2)


def test_m_al_19_x14i_revocable_and_plain_of_one_kind_are_not_mixed() -> None:
    world = World()
    node = world.agent(OWN)
    lends(node, LENT)
    scheduler = borrower(world)
    world.settle()
    (offer,) = scheduler.offers
    mixed = task_info("mixed", node.agent_id, HALF + Resources.scalars(cpus=1))
    executor = custom("e", Resources.scalars(cpus=1))
    by_executor = task_info("by-executor", node.agent_id, HALF, executor)
    lawful = task_info("lawful", node.agent_id, HALF + Resources.scalars(mem=64))
    effects = scheduler.launch(offer, mixed, by_executor, lawful)
    assert [task.task_id for task in launched(effects)] == ["lawful"]
    assert [(name, state) for name, state, _ in scheduler.told(effects)] == [
        ("mixed", TaskState.ERROR),
        ("by-executor", TaskState.ERROR),
    ]


def test_m_al_19_agents_that_are_not_here_say_nothing() -> None:
    world = World()
    node = world.agent(OWN)
    node.agent_id = AgentId("nobody")
    assert "agent.unknown" in facts(lends(node, LENT))


@pytest.mark.parametrize(
    "operation",
    [Reserve(lent(reserved("cpus:1"))), Create(lent(volumes(10)))],
    ids=["reserve", "create"],
)
def test_m_al_19_what_is_lent_cannot_be_reserved_or_made_a_volume(operation: Operation) -> None:
    """It would be the role's for good, and its agent could take back nothing that it has lent."""
    world = World()
    node = capable_agent(world)
    lends(node, lent(Resources.parse("cpus:2;disk:100")))
    scheduler = world.framework(framework_info("borrower", roles=["role"], capabilities=BORROWER))
    world.settle()
    effects = scheduler.accept(scheduler.offers, ask(operation, "op"))
    ((_, state, message),) = told(scheduler, effects)
    assert state == "OPERATION_ERROR" and "cannot be created from revocable resources" in message
    refused = operate(world, node, operation)
    assert [status for status, _ in replies(refused)] == [400]
    lends(node, Resources.EMPTY)
    assert node.record.total == Resources.parse(TOTAL)
