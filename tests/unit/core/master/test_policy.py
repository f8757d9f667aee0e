"""Quota and weights by operators' calls (M-OM-07, M-OM-08): refused or stored, then told, then offers follow."""

from __future__ import annotations

import pytest

from mesos_service.core.effects import Persist, Reply
from mesos_service.core.master.state import MasterOptions
from mesos_service.core.operator_messages import (
    ExplainFramework,
    OperatorRemoveQuota,
    OperatorSetQuota,
    OperatorUpdateWeights,
)
from mesos_service.core.registry.operations import Operation, UpdateQuotas, UpdateWeights, apply
from mesos_service.core.registry.registry import Registry
from mesos_service.domain.ids import FrameworkId, Role
from mesos_service.plugins.allocator import Allocator, AllocatorOptions, Quota
from mesos_service.plugins.loader import ALLOCATORS, load
from mesos_service.plugins.verdict import Remedy
from tests.unit.core.master.infos import framework_info, task_info
from tests.unit.core.master.operating import milli, quota, set_quotas, set_weights
from tests.unit.core.master.told import facts, only, replies
from tests.unit.core.master.world import World, running

FORCED = "(use 'force' flag to bypass this check)"


# -- registry first ------------------------------------------------------------------------------------------


def test_m_om_08_quota_is_answered_and_in_force_when_it_is_stored() -> None:
    world = World()
    world.agent("cpus:4;mem:4096")
    world.stores = False
    effects = set_quotas(world, ("a", quota(limits=milli(cpus=1))))
    assert replies(effects) == []
    assert [one.operation for one in only(effects, Persist)] == [
        UpdateQuotas(((Role("a"), quota(limits=milli(cpus=1))),))
    ]
    assert world.state.quotas == {}
    stored = world.store()
    assert replies(stored) == [(200, "")]
    assert facts(stored) == ["quota.updated"]
    assert world.state.quotas == {"a": quota(limits=milli(cpus=1))}


def test_x38_a_call_is_judged_by_what_is_still_being_stored() -> None:
    world = World()
    world.agent("cpus:4;mem:4096")
    world.stores = False
    assert replies(set_quotas(world, ("a", quota(milli(cpus=3))))) == []
    (refused,) = replies(set_quotas(world, ("b", quota(milli(cpus=2)))))
    assert refused == (
        400,
        "Invalid QuotaConfig: total quota guarantees 'cpus:5' exceed cluster capacity 'cpus:4; mem:4096' " + FORCED,
    )
    assert replies(set_quotas(world, ("a", quota()))) == []
    assert replies(set_quotas(world, ("b", quota(milli(cpus=4))))) == []
    while world.state.persisting:
        world.store()
    assert world.state.quotas == {"b": quota(milli(cpus=4))}


def test_x38_all_of_a_call_or_nothing() -> None:
    world = World()
    world.agent("cpus:4;mem:4096")
    effects = set_quotas(world, ("a", quota(limits=milli(cpus=1))), ("b/c", quota(limits=milli(cpus=1))))
    assert [status for status, _ in replies(effects)] == [400]
    assert (world.state.quotas, world.registry.quotas) == ({}, {})


@pytest.mark.parametrize(
    ("role", "wanted", "text"),
    [
        ("*", quota(), "Invalid 'QuotaConfig.role': setting quota for the default '*' role is not supported"),
        ("a/b", quota(), "setting quota on nested role 'a/b' is not supported; set it on 'a'"),
        ("", quota(), "Invalid 'QuotaConfig.role': Role name must not be empty"),
        ("-a", quota(), "begins with a dash"),
        ("unlisted", quota(), "Unknown role 'unlisted'"),
        (
            "a",
            quota(milli(cpus=2), milli(cpus=1, mem=5)),
            "'QuotaConfig.guarantees' 'cpus:2' is not contained within the 'QuotaConfig.limits' 'cpus:1; mem:5'",
        ),
        ("a", quota(milli(gpus=1)), "exceed cluster capacity"),
    ],
)
def test_m_om_08_what_cannot_be_is_refused_with_a_sentence(role: str, wanted: Quota, text: str) -> None:
    world = World(options=MasterOptions(roles=frozenset({Role("a"), Role("b"), Role("a/b"), Role("*")})))
    world.agent("cpus:4;mem:4096")
    ((status, told),) = replies(set_quotas(world, (role, wanted)))
    assert status == 400
    assert told.startswith("Invalid QuotaConfig: ")
    assert text in told
    assert world.registry.quotas == {}


def test_m_om_08_a_role_named_twice_is_refused() -> None:
    world = World()
    one = ("a", quota(limits=milli(cpus=1)))
    assert replies(set_quotas(world, one, one)) == [(400, "Invalid QuotaConfig: role 'a' is named twice")]


def test_an_allocator_without_quota_is_not_given_any() -> None:
    class Plain(load(ALLOCATORS, "hierarchical")):  # type: ignore[misc]
        name = "plain"
        update_quota = Allocator.update_quota

    world = World(allocator=Plain(AllocatorOptions()))
    effects = set_quotas(world, ("a", quota(limits=milli(cpus=1))))
    assert replies(effects) == [(400, "Invalid QuotaConfig: The allocator 'plain' does not know quota")]
    assert replies(set_quotas(world, ("a", quota()))) == [(200, "")]


def test_x38_a_limit_below_what_is_consumed_needs_force() -> None:
    world = World()
    node = world.agent("cpus:4;mem:4096")
    running(world, node, world.framework(framework_info(roles=["a"])))
    ((status, text),) = replies(set_quotas(world, ("a", quota(limits=milli(cpus=0.5)))))
    assert (status, text) == (
        400,
        "Invalid QuotaConfig: the limits 'cpus:0.5' of role 'a' are below what it consumes, 'cpus:1; mem:1024' "
        + FORCED,
    )
    assert replies(set_quotas(world, ("a", quota(limits=milli(cpus=0.5))), force=True)) == [(200, "")]


def test_x38_promises_beyond_the_cluster_need_force() -> None:
    world = World()
    world.agent("cpus:4;mem:4096")
    wanted = ("a", quota(milli(cpus=5)))
    assert [status for status, _ in replies(set_quotas(world, wanted))] == [400]
    assert replies(set_quotas(world, wanted, force=True)) == [(200, "")]


# -- the older form ------------------------------------------------------------------------------------------


def test_m_om_08_the_older_form_sets_a_guarantee_that_is_also_the_limit() -> None:
    world = World()
    world.agent("cpus:4;mem:4096")

    def put(amount: float, force: bool = False, role: str = "a") -> list[tuple[int, str]]:
        wanted = milli(cpus=amount)
        call = OperatorSetQuota(request=world.request(), role=Role(role), guarantee=wanted, force=force)
        return replies(world.take(call))

    def remove() -> list[tuple[int, str]]:
        call = OperatorRemoveQuota(request=world.request(), role=Role("a"), path="/master/quota/a")
        return replies(world.take(call))

    assert remove() == [(400, "Failed to remove quota for path '/master/quota/a': Role 'a' has no quota set")]
    ((status, text),) = put(5)
    assert (status, text.partition(":")[0]) == (409, "Heuristic capacity check for set quota request failed")
    assert put(2) == [(200, "")]
    assert world.state.quotas == {"a": quota(milli(cpus=2), milli(cpus=2))}
    assert put(1) == [
        (400, "Failed to validate set quota request: Cannot set quota for role 'a' which already has quota")
    ]
    assert remove() == [(200, "")]
    assert world.state.quotas == {}
    assert put(5, force=True) == [(200, "")]
    ((status, text),) = put(1, role="*")
    assert (status, text.startswith("Failed to validate set quota request: Invalid role")) == (400, True)


# -- offers follow -------------------------------------------------------------------------------------------


def test_x37_a_limit_takes_back_offers_above_it_and_cuts_the_next() -> None:
    world = World()
    world.agent("cpus:4;mem:4096")
    scheduler = world.framework(framework_info(roles=["a"]))
    world.settle()
    (offer,) = scheduler.offers
    effects = set_quotas(world, ("a", quota(limits=milli(cpus=1, mem=512))))
    assert scheduler.rescinded(effects) == [offer.offer_id]
    (cut,) = scheduler.offered(world.settle())
    assert cut.resources.quantities() == milli(cpus=1, mem=512)


def test_x37_offers_within_the_limit_stay() -> None:
    world = World()
    world.agent("cpus:4;mem:4096")
    scheduler = world.framework(framework_info(roles=["a"]))
    world.settle()
    assert scheduler.rescinded(set_quotas(world, ("a", quota(limits=milli(cpus=4, mem=4096))))) == []
    other = world.framework(framework_info("other", roles=["b"]))
    world.agent("cpus:4;mem:4096")
    world.settle()
    assert other.rescinded(set_quotas(world, ("a", quota(limits=milli(cpus=4))))) == []


def test_x14h_a_guarantee_takes_whole_agents_back_until_there_is_enough() -> None:
    """No more agents than it takes, and not fewer than the role has frameworks."""
    world = World()
    for _ in range(6):
        world.agent("cpus:4;mem:4096")
    greedy = world.framework(framework_info("greedy", roles=["a"]))
    world.settle()
    assert len(greedy.offers) == 6
    wanting = [world.framework(framework_info(f"w{number}", roles=["b"])) for number in range(2)]
    effects = set_quotas(world, ("b", quota(milli(cpus=10))))
    assert len(greedy.rescinded(effects)) == 3, "10 cpus are on three agents"
    world.settle()
    held = [offer.resources.quantities()["cpus"] for one in wanting for offer in one.offers]
    assert sum(held) >= 10_000
    assert greedy.rescinded(set_quotas(world, ("b", quota(milli(cpus=10))))) == [], "it is satisfied now"


def test_x14h_at_least_as_many_agents_as_the_role_has_frameworks() -> None:
    world = World()
    for _ in range(6):
        world.agent("cpus:4;mem:4096")
    greedy = world.framework(framework_info("greedy", roles=["a"]))
    world.settle()
    for number in range(4):
        world.framework(framework_info(f"w{number}", roles=["b"]))
    assert len(greedy.rescinded(set_quotas(world, ("b", quota(milli(cpus=1)))))) == 4


def test_m_al_07_m_al_08_taking_quota_away_offers_everything_again() -> None:
    world = World()
    world.agent("cpus:4;mem:4096")
    scheduler = world.framework(framework_info(roles=["a"]))
    set_quotas(world, ("a", quota(limits=milli(cpus=0, mem=0))))
    assert scheduler.offered(world.settle()) == []
    set_quotas(world, ("a", quota()))
    (offer,) = scheduler.offered(world.settle())
    assert offer.resources.quantities() == milli(cpus=4, mem=4096)


# -- weights -------------------------------------------------------------------------------------------------


def test_m_om_07_x33_weights_are_stored_then_told() -> None:
    world = World()
    world.stores = False
    effects = set_weights(world, a=4.0)
    assert replies(effects) == []
    assert world.state.weights == {}
    stored = world.store()
    assert (replies(stored), facts(stored)) == ([(200, "")], ["weight.updated"])
    assert (world.state.weights, dict(world.registry.weights)) == ({"a": 4.0}, {"a": 4.0})


@pytest.mark.parametrize(
    ("role", "weight", "text"),
    [
        ("heavy", -1.0, " for role 'heavy': Invalid weight '-1': Weights must be positive"),
        ("heavy", 0.0, " for role 'heavy': Invalid weight '0': Weights must be positive"),
        ("heavy", float("nan"), " for role 'heavy': Invalid weight 'nan': Weights must be positive"),
        ("heavy", float("inf"), " for role 'heavy': Invalid weight 'inf': Weights must be positive"),
        ("a//b", 1.0, ": Invalid role 'a//b': Role 'a//b' cannot contain two adjacent slashes"),
        ("unlisted", 1.0, ": Unknown role 'unlisted'"),
    ],
)
def test_m_om_07_weights_that_cannot_be_are_refused(role: str, weight: float, text: str) -> None:
    world = World(options=MasterOptions(roles=frozenset({Role("heavy"), Role("a//b")})))
    effects = world.take(OperatorUpdateWeights(request=world.request(), weights=((Role(role), weight),)))
    assert replies(effects) == [(400, "Failed to validate update weights request JSON" + text)]
    assert (world.state.weights, dict(world.registry.weights)) == ({}, {})


def test_x38_a_role_too_long_for_a_key_of_the_registry_is_refused_and_stored_nowhere() -> None:
    """Where PostgreSQL refused it, the leading master ended."""
    world = World()
    for effects in (set_weights(world, **{"r" * 1025: 2.0}), set_quotas(world, ("r" * 1025, quota(milli(cpus=1))))):
        ((status, text),) = replies(effects)
        assert (status, "not be longer than 1024 bytes" in text) == (400, True)
        assert not [effect for effect in effects if isinstance(effect, Persist)]


def test_m_al_05_x33_a_weight_shows_in_who_is_served_next() -> None:
    """Two roles hold the same; of what comes, the heavier one is offered first, and so when the other grows heavier."""
    world = World()
    node = world.agent("cpus:2;mem:2048")
    both = {role: world.framework(framework_info(role, roles=[role])) for role in ("a", "z")}
    for role, scheduler in both.items():
        world.settle()
        (offer,) = scheduler.offers
        scheduler.launch(offer, task_info(role, node.agent_id), refuse_seconds=3600)
    set_weights(world, z=3.0)
    world.settle()
    world.agent("cpus:2;mem:2048")
    world.settle()
    assert [len(scheduler.offers) for scheduler in both.values()] == [0, 1]
    effects = set_weights(world, a=9.0)
    assert len(both["z"].rescinded(effects)) == 1
    world.settle()
    assert [len(scheduler.offers) for scheduler in both.values()] == [1, 0]


def test_x33_offers_stay_when_nobody_is_in_the_role() -> None:
    world = World()
    world.agent()
    scheduler = world.framework(framework_info(roles=["a"]))
    world.settle()
    assert scheduler.rescinded(set_weights(world, nobody=2.0)) == []
    assert len(scheduler.rescinded(set_weights(world, a=2.0))) == 1


# -- it outlives the master ----------------------------------------------------------------------------------


def test_m_al_05_m_om_07_m_om_08_both_outlive_the_master() -> None:
    world = World()
    world.agent("cpus:4;mem:4096")
    set_quotas(world, ("a", quota(milli(cpus=1), milli(cpus=2))), ("b", quota(milli(mem=64))))
    set_quotas(world, ("b", quota()))
    set_weights(world, a=4.0)
    successor = world.fail_over()
    assert successor.state.quotas == {"a": quota(milli(cpus=1), milli(cpus=2))}
    assert successor.state.weights == {"a": 4.0}
    # Its allocator knows, too: with X39 nothing is offered until the registry's agent is back, then by the limit.
    scheduler = successor.framework(framework_info("again", roles=["a"]))
    node = successor.agent("cpus:4;mem:4096", hostname="another")
    (offer,) = scheduler.offered(successor.settle())
    assert (offer.agent_id, offer.resources.quantities()["cpus"]) == (node.agent_id, 2000)


def test_m_om_07_the_first_call_writes_down_what_the_flag_said() -> None:
    """From then on the registry alone says what roles weigh, whatever the flag of the next master is."""
    world = World()
    world.state.weights = {Role("flagged"): 2.0, Role("a"): 3.0}
    set_weights(world, a=4.0)
    assert dict(world.registry.weights) == {"flagged": 2.0, "a": 4.0}
    successor = world.fail_over()
    assert successor.state.weights == {"flagged": 2.0, "a": 4.0}
    effects = set_weights(successor, b=5.0)
    (stored,) = only(effects, Persist)
    assert stored.operation == UpdateWeights(((Role("b"), 5.0),))


def test_the_registry_takes_quota_and_weights_twice_as_once() -> None:
    operations: list[Operation] = [
        UpdateQuotas(((Role("a"), quota(milli(cpus=1))), (Role("b"), quota(limits=milli(cpus=0))))),
        UpdateWeights(((Role("a"), 2.0),)),
    ]
    once = apply(Registry(), operations)
    assert apply(once, operations) == once
    assert once.quotas == {"a": quota(milli(cpus=1)), "b": quota(limits=milli(cpus=0))}
    assert apply(once, [UpdateQuotas(((Role("a"), quota()),))]).quotas == {"b": quota(limits=milli(cpus=0))}


# -- explained -----------------------------------------------------------------------------------------------


def obstacles(world: World, framework_id: FrameworkId) -> dict[str, tuple[Remedy, ...]]:
    """What stands in the way, and what would help, as who asks is told."""
    asked = world.take(ExplainFramework(request=world.request(), framework_id=framework_id)) + world.advance(1.0)
    (answer,) = [one.explanation for one in only(asked, Reply) if one.explanation is not None]
    return {one.reason: one.examples[0].veto.remedies for role in answer.roles for one in role.obstacles}


def test_n01_n02_a_limit_set_by_call_is_explained_and_what_is_named_gives_the_offer() -> None:
    world = World()
    world.agent("cpus:4;mem:4096")
    scheduler = world.framework(framework_info(roles=["a"]))
    set_quotas(world, ("a", quota(limits=milli(cpus=0, mem=0))))
    world.settle()
    assert scheduler.offers == []
    (remedy,) = [one for one in obstacles(world, scheduler.framework_id)["quota_limit"] if one.by == "operator"]
    more = {name: amount for name, amount in remedy.arguments.items() if name != "role"}
    assert remedy.arguments["role"] == "a"
    raised = {name: round(float(amount) * 1000) for name, amount in more.items()}
    set_quotas(world, ("a", quota(limits=milli(cpus=0, mem=0) | raised)))
    assert len(scheduler.offered(world.settle())) == 1


def test_n01_n02_head_room_for_a_guarantee_set_by_call_is_explained_and_so_much_less_gives_the_offer() -> None:
    world = World()
    world.agent("cpus:4;mem:4096")
    scheduler = world.framework(framework_info(roles=["a"]))
    world.settle()
    scheduler.decline(*scheduler.offers, refuse_seconds=0)
    set_quotas(world, ("owed", quota(milli(cpus=4, mem=4096))))
    world.advance(1.0)
    assert scheduler.offers == []
    found = obstacles(world, scheduler.framework_id)["quota_headroom"]
    lower = next(
        one for one in found if one.by == "operator" and any(name in one.arguments for name in ("cpus", "mem"))
    )
    less = {name: round(float(amount) * 1000) for name, amount in lower.arguments.items() if name in ("cpus", "mem")}
    guarantees = {name: amount - less.get(name, 0) for name, amount in milli(cpus=4, mem=4096).items()}
    set_quotas(world, ("owed", quota(guarantees)))
    assert len(scheduler.offered(world.settle())) == 1
