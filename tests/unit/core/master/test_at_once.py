"""What crosses: two operators' calls, quota that goes while offers are out, roles that change, many refusals at once.

X14e, X14h, X18h, X27, M-AL-05, M-AL-07, M-AL-08, M-AL-16, M-OM-07, M-OM-08.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

import pytest

from mesos_service.core.effects import MasterEffect
from mesos_service.core.master import invariants
from mesos_service.core.master.state import MasterOptions
from mesos_service.core.operator_messages import OperatorRemoveQuota, OperatorSetQuota
from mesos_service.core.scheduler_messages import LaunchOperation
from mesos_service.domain.ids import OfferId, Role
from mesos_service.domain.offers import Offer
from mesos_service.domain.operations import Reserve
from mesos_service.domain.tasks import TaskState
from mesos_service.plugins.allocator import Quota
from tests.unit.core.master.infos import framework_info, task_info
from tests.unit.core.master.operating import milli, quota, set_quotas, set_weights
from tests.unit.core.master.resource_world import ask, capable_agent, reserved
from tests.unit.core.master.told import facts, launched, replies
from tests.unit.core.master.world import World

# -- two operators -------------------------------------------------------------------------------------------


def cpus(offers: Iterable[Offer]) -> int:
    """Thousandths in all of them."""
    return sum(offer.resources.scalar("cpus") for offer in offers)


def old_set(world: World) -> list[MasterEffect]:
    return world.take(OperatorSetQuota(request=world.request(), role=Role("a"), guarantee=milli(cpus=1), force=False))


def old_remove(world: World) -> list[MasterEffect]:
    return world.take(OperatorRemoveQuota(request=world.request(), role=Role("a"), path="/quota/a"))


def test_m_om_07_m_om_08_each_operator_is_answered_when_his_own_call_is_stored_and_the_later_one_holds() -> None:
    world = World()
    world.agent("cpus:4;mem:4096")
    world.stores = False
    set_quotas(world, ("a", quota(limits=milli(cpus=1))))
    set_weights(world, a=2.0, b=3.0)
    set_quotas(world, ("a", quota(limits=milli(cpus=2))))
    set_weights(world, a=4.0)
    assert (world.state.quotas, world.state.weights) == ({}, {})
    assert [replies(world.store()) for _ in range(4)] == [[(200, "")]] * 4
    assert world.state.quotas == world.registry.quotas == {"a": quota(limits=milli(cpus=2))}
    assert world.state.weights == dict(world.registry.weights) == {"a": 4.0, "b": 3.0}


def test_m_om_08_of_two_who_set_or_remove_the_same_quota_the_second_is_refused() -> None:
    """Neither is stored yet: each is judged by what will be."""
    world = World()
    world.agent("cpus:4;mem:4096")
    world.stores = False
    assert replies(old_set(world)) == []
    ((status, text),) = replies(old_set(world))
    assert (status, "already has quota" in text) == (400, True)
    assert replies(old_remove(world)) == []
    ((status, text),) = replies(old_remove(world))
    assert (status, "has no quota set" in text) == (400, True)
    assert replies(old_set(world)) == []
    while world.state.persisting:
        assert replies(world.store()) == [(200, "")]
    assert world.state.quotas == world.registry.quotas == {"a": quota(milli(cpus=1), milli(cpus=1))}


@pytest.mark.parametrize("seed", range(30))
def test_m_al_05_m_al_07_m_al_08_whoever_calls_in_between_memory_registry_and_allocator_agree(seed: int) -> None:
    """Calls of several operators, stored late and in any rhythm, while offers go out and are declined."""
    draw = random.Random(seed)
    world = World()
    for _ in range(4):
        world.agent("cpus:4;mem:4096")
    schedulers = [world.framework(framework_info(role, roles=[role])) for role in ("a", "b", "a/x")]
    world.stores = False
    quotas: dict[str, Quota] = {}
    weights: dict[str, float] = {}

    def some_quota() -> None:
        role, limit = draw.choice("ab"), draw.choice([0, 1, 3, 16])
        wanted = draw.choice([quota(), quota(limits=milli(cpus=limit)), quota(milli(cpus=limit), milli(cpus=limit))])
        if not replies(set_quotas(world, (role, wanted), force=True)):
            quotas[role] = wanted

    def some_weight() -> None:
        role, weight = draw.choice(["a", "b", "a/x"]), draw.choice([0.5, 1.0, 7.0])
        assert replies(set_weights(world, **{role: weight})) == []
        weights[role] = weight

    def some_answer() -> None:
        world.tick(draw.choice([0.0, 0.3, 1.0]))
        scheduler = draw.choice(schedulers)
        scheduler.decline(*scheduler.offers, refuse_seconds=draw.choice([0.0, 2.0]))

    def some_storing() -> None:
        if world.state.persisting:
            assert [status for status, _ in replies(world.store())] == [200]

    actions: list[Callable[[], None]] = [some_quota, some_weight, some_answer, some_storing, some_storing]
    for _ in range(60):
        draw.choice(actions)()
    while world.state.persisting:
        some_storing()
    in_force = {role: one for role, one in quotas.items() if one}
    assert world.state.quotas == world.registry.quotas == in_force
    assert world.state.weights == dict(world.registry.weights) == weights
    world.advance(2.0)
    for role, one in in_force.items():
        # As in Mesos, what the roles below it are offered is not cut.
        assert cpus(offer for offer in world.state.offers.values() if offer.role == role) <= one.limits.get(
            "cpus", 16_000
        )
    free = sum(agent.free.scalar("cpus") for agent in world.state.agents.values())
    assert cpus(world.state.offers.values()) + free == 16_000


# -- quota that goes while offers are out --------------------------------------------------------------------


def test_m_al_08_a_limit_that_goes_while_a_part_is_offered_offers_the_rest_beside_it() -> None:
    world = World()
    node = world.agent("cpus:4;mem:4096;ports:[1-9]")
    scheduler = world.framework(framework_info(roles=["a"]))
    set_quotas(world, ("a", quota(limits=milli(cpus=1, mem=512))))
    world.settle()
    (cut,) = scheduler.offers
    effects = set_quotas(world, ("a", quota()))
    assert scheduler.rescinded(effects) == []
    (rest,) = scheduler.offered(world.settle())
    assert rest.resources.quantities() == milli(cpus=3, mem=3584)
    both = task_info("t", node.agent_id, node.info.resources)
    assert [one.task_id for one in launched(scheduler.accept([cut, rest], LaunchOperation((both,))))] == ["t"]


def test_m_al_07_a_guarantee_that_goes_while_it_is_offered_leaves_its_offers_and_frees_the_head_room() -> None:
    world = World()
    for _ in range(4):
        world.agent("cpus:4;mem:4096")
    set_quotas(world, ("q", quota(milli(cpus=12))))
    owner = world.framework(framework_info("owner", roles=["q"]))
    world.settle()
    owner.decline(*owner.offers[1:], refuse_seconds=3600.0)
    (kept,) = owner.offers
    other = world.framework(framework_info("other", roles=["b"]))
    world.advance(2.0)
    assert cpus(other.offers) == 4000, "the rest is promised"
    effects = set_quotas(world, ("q", quota()))
    assert owner.rescinded(effects) == other.rescinded(effects) == []
    world.settle()
    assert cpus(other.offers) == 12_000
    assert owner.offers == [kept]
    assert dict(world.state.allocator.quota_consumption(Role("q"))) == {}


def test_m_al_08_a_limit_set_again_while_offers_of_in_between_are_out_takes_back_what_is_above_it() -> None:
    world = World()
    for _ in range(3):
        world.agent("cpus:4;mem:4096")
    scheduler = world.framework(framework_info(roles=["a"]))
    limited = ("a", quota(limits=milli(cpus=4, mem=4096)))
    set_quotas(world, limited)
    world.settle()
    assert len(scheduler.offers) == 1
    set_quotas(world, ("a", quota()))
    world.settle()
    assert len(scheduler.offers) == 3
    assert len(scheduler.rescinded(set_quotas(world, limited))) == 2
    assert scheduler.offered(world.advance(5.0)) == []


# -- roles that change while offers are out ------------------------------------------------------------------


def test_x18h_an_offer_of_a_role_that_is_being_left_can_be_used_until_that_is_stored() -> None:
    """The task then runs on in the role that it was launched in; what is left of the agent comes in the new one."""
    world = World()
    node = world.agent("cpus:4;mem:4096")
    scheduler = world.framework(framework_info(roles=("old",)))
    world.settle()
    world.stores = False
    assert replies(scheduler.update(framework_info(roles=("new",)))) == []
    effects = scheduler.launch(scheduler.offers[0], task_info("t", node.agent_id), refuse_seconds=3600.0)
    assert [task.resources.allocations().keys() for task in launched(effects)] == [{"old"}]
    assert replies(world.store()) == [(200, "")]
    world.stores = True
    (rest,) = scheduler.offered(world.settle())
    assert (rest.role, rest.resources.quantities()) == ("new", milli(cpus=3, mem=3072)), (
        "the refusal was another role's"
    )
    node.update(scheduler, node.status("t", TaskState.FINISHED))
    assert {one.role for one in scheduler.offered(world.settle())} == {"new"}


def test_x18h_an_offer_of_a_role_that_was_left_is_gone_and_a_late_accept_is_refused() -> None:
    world = World()
    node = world.agent("cpus:4;mem:4096")
    scheduler = world.framework(framework_info(roles=("old", "both")), suppressed=("both",))
    world.settle()
    (offer,) = scheduler.offers
    effects = scheduler.update(framework_info(roles=("both", "new")), suppressed=("both",))
    assert scheduler.rescinded(effects) == [offer.offer_id]
    late = scheduler.launch(offer, task_info("t", node.agent_id))
    assert scheduler.told(late) == [("t", TaskState.DROPPED, "REASON_INVALID_OFFERS")]
    (anew,) = scheduler.offered(world.settle())
    assert (anew.role, anew.resources.quantities()) == ("new", milli(cpus=4, mem=4096))


def test_x18h_x29_a_role_that_is_left_and_taken_up_again_has_forgotten_its_refusals() -> None:
    world = World()
    world.agent("cpus:4;mem:4096")
    scheduler = world.framework(framework_info(roles=("r",)))
    world.settle()
    scheduler.decline(*scheduler.offers, refuse_seconds=3600.0)
    scheduler.update(framework_info(roles=()))
    assert scheduler.offered(world.advance(2.0)) == []
    scheduler.update(framework_info(roles=("r",)))
    assert len(scheduler.offered(world.settle())) == 1


# -- very many at once ---------------------------------------------------------------------------------------

MANY = 1000


def test_m_al_16_x27_a_thousand_refusals_in_one_call_are_a_thousand_filters_and_disturb_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(options=MasterOptions(outstanding_offers_max=2 * MANY))
    with monkeypatch.context() as unchecked:
        # A thousand registrations, after each of which a growing cluster is gone through, are another test's affair.
        unchecked.setattr(invariants, "check", lambda _: None)
        for _ in range(MANY):
            world.agent("cpus:4;mem:4096")
    scheduler = world.framework(framework_info("picky", roles=["a"]))
    world.settle()
    assert len(scheduler.offers) == MANY
    effects = scheduler.decline(*scheduler.offers, *[OfferId("unknown")] * 3, refuse_seconds=50.0)
    assert replies(effects) == [(202, "")]
    assert facts(effects).count("offer.declined") == MANY
    assert dict(world.state.allocator.active_filters()) == {"a": MANY}
    other = world.framework(framework_info("other", roles=["b"]))
    assert len(other.offered(world.settle())) == MANY
    other.decline(*other.offers, refuse_seconds=3600.0)
    assert scheduler.offered(world.advance(49.0)) == []
    assert len(scheduler.offered(world.advance(3.0))) == MANY
    assert dict(world.state.allocator.active_filters()) == {"b": MANY}


def test_m_al_16_x27_one_agent_that_everybody_refuses_is_offered_to_each_once() -> None:
    world = World()
    world.agent("cpus:4;mem:4096")
    crowd = [world.framework(framework_info(f"f{number}", roles=[f"r{number % 7}"])) for number in range(200)]
    seen = []
    for _ in range(len(crowd)):
        world.settle()
        (offer,) = world.state.offers.values()
        (holder,) = [one for one in crowd if one.offers]
        seen.append(holder.framework_id)
        holder.decline(offer, refuse_seconds=3600.0)
    world.settle()
    assert sorted(seen) == sorted(one.framework_id for one in crowd)
    assert world.state.offers == {}
    assert sum(world.state.allocator.active_filters().values()) == len(crowd)


# -- half a state --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("refuse", [0.0, 5.0, 3600.0])
def test_x14e_nobody_is_offered_half_of_what_a_call_leaves_behind(refuse: float) -> None:
    """What is used, changed and left of an offer goes back in three parts; whoever waits sees the sum, and once."""
    world = World()
    node = capable_agent(world)
    scheduler = world.framework(framework_info(roles=("role",)))
    world.settle()
    other = world.framework(framework_info("other", roles=("stranger",)))
    assert other.offered(world.settle()) == []
    used = reserved("cpus:1;mem:512")
    effects = scheduler.accept(
        scheduler.offers,
        ask(Reserve(reserved("cpus:2;mem:1024"))),
        LaunchOperation((task_info("t", node.agent_id, used),)),
        refuse_seconds=refuse,
    )
    assert scheduler.offered(effects) == other.offered(effects) == [], "the pass comes after the whole call"
    found = world.settle()
    (rest,) = other.offered(found)
    assert rest.resources.unallocated() == node.record.total.unreserved()
    (own,) = scheduler.offered(found) or scheduler.offered(world.advance(1.0))
    assert own.resources.unallocated() == used, "two were reserved, and one of them is in use"
