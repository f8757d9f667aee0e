"""Whoever is offered nothing by a whole master hears what stands in the way, and what is named brings the offer (N02).

Every gate by the call of the operator, or of the framework, that closed it; the remedy is applied by a call as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from mesos_service.conformance.allocators import CHECKS
from mesos_service.conformance.run import run_checks
from mesos_service.core.allocation import reasons
from mesos_service.core.allocation.explanation import Explanation
from mesos_service.core.master.state import MasterOptions
from mesos_service.core.messages import NewAllocator, ReplaceModules, UpdateWhitelist
from mesos_service.core.operator_messages import OperatorUpdateQuota
from mesos_service.domain.frameworks import FilterSpec, FrameworkInfo, OfferConstraints
from mesos_service.domain.ids import Role
from mesos_service.plugins.allocator import Allocator, AllocatorOptions, Grant, Quota
from mesos_service.plugins.loader import OFFER_FILTERS, available, load
from mesos_service.plugins.verdict import Remedy
from tests.unit.core.master.broken_modules import Stock, Trap, lost
from tests.unit.core.master.explained import explained
from tests.unit.core.master.infos import framework_info
from tests.unit.core.master.operating import change, deactivate, drain, killed, of, reactivate, schedule
from tests.unit.core.master.reign import Reign
from tests.unit.core.master.world import Node, Scheduler, World, running

SMALL = "cpus:2;mem:1024"


class Scene:
    """A master that leads, one agent, and a framework that wants all of it."""

    def __init__(self, info: FrameworkInfo | None = None, agent: str = SMALL) -> None:
        kinds = {one.name: load(OFFER_FILTERS, one.name) for one in available(OFFER_FILTERS)}
        self.world = Reign(options=MasterOptions(offer_filters=kinds))
        self.node: Node = self.world.agent(agent)
        self.info = info or framework_info("f", roles=("a",))
        self._scheduler: Scheduler | None = None

    @property
    def scheduler(self) -> Scheduler:
        if self._scheduler is None:
            self._scheduler = self.world.framework(self.info)
        return self._scheduler

    def take_back(self) -> None:
        """The framework gives back what it has, without a filter."""
        if self.scheduler.offers:
            self.scheduler.decline(*self.scheduler.offers, refuse_seconds=0)

    def quota(self, role: str, guarantees: dict[str, int], limits: dict[str, int] | None = None) -> None:
        quota = Quota(guarantees=guarantees, limits=limits or {})
        call = OperatorUpdateQuota(request=self.world.request(), quotas=((Role(role), quota),), force=True)
        self.world.take(call)

    def subscribe(self, info: FrameworkInfo) -> None:
        self.scheduler.disconnect()
        self.scheduler.info = replace(info, framework_id=self.scheduler.framework_id)
        self.scheduler.subscribe()


def amounts(remedy: Remedy) -> dict[str, int]:
    return {
        name: round(float(value) * 1000)
        for name, value in remedy.arguments.items()
        if name in ("cpus", "mem") and not isinstance(value, str)
    }


def deactivated() -> Scene:
    scene = Scene()
    deactivate(scene.world, scene.node.agent_id)
    return scene


def drained() -> Scene:
    scene = Scene()
    drain(scene.world, scene.node.agent_id)
    return scene


def disconnected() -> Scene:
    scene = Scene()
    scene.node.lose_link()
    return scene


def whitelisted() -> Scene:
    scene = Scene()
    scene.world.take(UpdateWhitelist(hostnames=frozenset({"elsewhere"})))
    return scene


def machine_down() -> Scene:
    scene = Scene()
    schedule(scene.world, of(scene.node))
    change(scene.world, of(scene.node))
    return scene


def suppressed() -> Scene:
    scene = Scene()
    scene.scheduler.suppress()
    scene.take_back()
    return scene


def refused() -> Scene:
    scene = Scene()
    assert scene.scheduler.record is not None
    scene.world.settle()
    scene.scheduler.decline(*scene.scheduler.offers, refuse_seconds=100.0)
    return scene


def limited() -> Scene:
    scene = Scene()
    scene.quota("a", {}, {"cpus": 0, "mem": 0})
    return scene


def promised() -> Scene:
    scene = Scene()
    scene.quota("q", {"cpus": 2000, "mem": 1_024_000})
    return scene


def guaranteed_first() -> Scene:
    scene = Scene()
    scene.quota("q", {"cpus": 2000, "mem": 1_024_000})
    scene.world.framework(framework_info("owed", roles=("q",)))
    return scene


def filtered(**filters: object) -> Scene:
    specs = tuple(FilterSpec(name, parameters) for name, parameters in filters.items())  # type: ignore[arg-type]
    return Scene(replace(framework_info("f", roles=("a",)), filters={Role("a"): specs}))


def constrained() -> Scene:
    groups = {
        "groups": [{"attribute_constraints": [{"selector": {"attribute_name": "rack"}, "predicate": {"exists": {}}}]}]
    }
    return Scene(replace(framework_info("f", roles=("a",)), constraints=OfferConstraints(by_role={Role("a"): groups})))


def held() -> Scene:
    scene = Scene()
    running(scene.world, scene.node, scene.world.framework(framework_info("holder", roles=("b",))))
    scene.world.settle()
    for framework in scene.world.state.frameworks.values():
        assert framework.offers or framework.tasks
    return scene


def gpus() -> Scene:
    return Scene(agent="cpus:2;mem:1024;gpus:1")


def reserved() -> Scene:
    return Scene(agent="cpus(b):2;mem(b):1024")


def too_small() -> Scene:
    minimum = {Role("a"): ({"cpus": 8000},)}
    return Scene(replace(framework_info("f", roles=("a",)), min_allocatable=minimum))


def without_filters(scene: Scene, remedy: Remedy) -> None:
    scene.subscribe(framework_info("f", roles=("a",)))


def lower(scene: Scene, remedy: Remedy) -> None:
    left = {name: amount - amounts(remedy).get(name, 0) for name, amount in (("cpus", 2000), ("mem", 1_024_000))}
    scene.quota("q", left)


Apply = Callable[[Scene, Remedy], object]

CASES: dict[str, tuple[Callable[[], Scene], str, str, Apply]] = {
    "an operator deactivated it": (
        deactivated,
        reasons.AGENT_DEACTIVATED,
        "reactivate_agent",
        lambda scene, remedy: reactivate(scene.world, scene.node.agent_id),
    ),
    "an operator drained it": (
        drained,
        reasons.AGENT_DEACTIVATED,
        "reactivate_agent",
        lambda scene, remedy: reactivate(scene.world, scene.node.agent_id),
    ),
    "another agent for it": (
        deactivated,
        reasons.AGENT_DEACTIVATED,
        "add_agent",
        lambda scene, remedy: scene.world.agent(SMALL),
    ),
    "it is disconnected": (
        disconnected,
        reasons.AGENT_INACTIVE,
        "reconnect_agent",
        lambda scene, remedy: scene.node.come_back(),
    ),
    "it is not on the whitelist": (
        whitelisted,
        reasons.AGENT_NOT_WHITELISTED,
        "whitelist",
        lambda scene, remedy: scene.world.take(
            UpdateWhitelist(hostnames=frozenset({str(remedy.arguments["hostname"])}))
        ),
    ),
    "its machine is down": (
        machine_down,
        reasons.NO_AGENTS,
        "add_agent",
        lambda scene, remedy: scene.world.agent(SMALL),
    ),
    "suppressed": (suppressed, reasons.ROLE_SUPPRESSED, "revive", lambda scene, remedy: scene.scheduler.revive()),
    "refused before": (refused, reasons.REFUSAL_FILTER, "revive", lambda scene, remedy: scene.scheduler.revive()),
    "the role's limit": (
        limited,
        reasons.QUOTA_LIMIT,
        "raise_limit",
        lambda scene, remedy: scene.quota("a", {}, amounts(remedy)),
    ),
    "another's guarantee, of which nobody is there": (promised, reasons.QUOTA_HEADROOM, "lower_guarantees", lower),
    "another's guarantee, and he is there": (
        guaranteed_first,
        reasons.GUARANTEES_FIRST,
        "add_agent",
        lambda scene, remedy: scene.world.agent("cpus:8;mem:8192"),
    ),
    "a filter on agents": (
        lambda: filtered(only_agents={"agents": ["another"]}),
        reasons.OFFER_FILTER,
        "drop_filter",
        without_filters,
    ),
    "a filter on what is free": (
        lambda: filtered(at_least={"resources": {"cpus": 3}}),
        reasons.OFFER_FILTER,
        "drop_filter",
        without_filters,
    ),
    "constraints on attributes": (constrained, reasons.OFFER_FILTER, "drop_filter", without_filters),
    "gpus": (
        gpus,
        reasons.CAPABILITY_MISSING,
        "add_capability",
        lambda scene, remedy: scene.subscribe(
            replace(scene.info, capabilities=scene.info.capabilities | {str(remedy.arguments["capability"])})
        ),
    ),
    "reserved to another role": (
        reserved,
        reasons.NOTHING_FOR_ROLE,
        "join_role",
        lambda scene, remedy: scene.subscribe(
            replace(scene.info, roles=(Role("a"), Role(str(remedy.arguments["role"]))))
        ),
    ),
    "the framework's own minimum": (
        too_small,
        reasons.BELOW_MINIMUM,
        "lower_minimum",
        lambda scene, remedy: scene.subscribe(replace(scene.info, min_allocatable={Role("a"): (amounts(remedy),)})),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_n02_each_gate_of_a_master_opens_by_the_remedy_that_is_named(case: str) -> None:
    make, reason, action, apply = CASES[case]
    scene = make()
    scene.scheduler  # noqa: B018 - subscribes
    explanation = explained(scene.world, scene.scheduler.framework_id)
    assert not scene.scheduler.offers
    (obstacle,) = explanation.roles[0].obstacles
    assert obstacle.reason == reason
    remedy = next(one for one in obstacle.veto.remedies if one.action == action)
    apply(scene, remedy)
    scene.world.advance(2.0)
    assert scene.scheduler.offers, f"'{remedy.detail}' changed nothing"


def test_n01_an_agent_that_still_drains_is_told_as_such_and_cannot_be_had_yet() -> None:
    scene = Scene()
    holder = scene.world.framework(framework_info("holder", roles=("b",)))
    running(scene.world, scene.node, holder, "t")
    drain(scene.world, scene.node.agent_id, 2.0)
    (obstacle,) = explained(scene.world, scene.scheduler.framework_id).roles[0].obstacles
    assert obstacle.reason == reasons.AGENT_DEACTIVATED
    assert obstacle.veto.remedies[0].detail == "Put the agent back into use once it is drained."
    (told,) = holder.statuses(killed(scene.node, holder, "t"))
    holder.acknowledge(told)
    (obstacle,) = explained(scene.world, scene.scheduler.framework_id).roles[0].obstacles
    assert obstacle.veto.remedies[0].detail == "Put the agent back into use with REACTIVATE_AGENT."
    reactivate(scene.world, scene.node.agent_id)
    scene.world.advance(2.0)
    assert scene.scheduler.offers


# -- what stands in the way of everybody, or of all agents --------------------------------------------------------


def the_one(explanation: Explanation, reason: str, action: str) -> Remedy:
    """What ``action`` names, where ``reason`` is all that keeps the framework from anything."""
    (role,) = explanation.roles
    (obstacle,) = role.obstacles
    assert obstacle.reason == reason
    return next(one for one in obstacle.veto.remedies if one.action == action)


def test_n02_where_too_many_offers_wait_answering_some_brings_one() -> None:
    world = World(options=MasterOptions(outstanding_offers_max=1))
    world.agent(SMALL)
    world.agent(SMALL)
    holder = world.framework(framework_info("holder", roles=("b",)))
    world.settle()
    other = world.framework(framework_info("f", roles=("a",)))
    the_one(explained(world, other.framework_id), reasons.PASS_FULL, "wait")
    assert not other.offers
    holder.decline(*holder.offers, refuse_seconds=100.0)
    world.advance(2.0)
    assert other.offers


def test_n02_who_is_in_no_role_is_offered_something_in_the_one_that_is_named() -> None:
    scene = Scene(framework_info("f", roles=()))
    remedy = the_one(explained(scene.world, scene.scheduler.framework_id), reasons.NO_ROLE, "join_role")
    scene.subscribe(replace(scene.info, roles=(Role(str(remedy.arguments["role"])),)))
    scene.world.advance(2.0)
    assert scene.scheduler.offers


@pytest.mark.parametrize("action", ["wait", "fix_allocator"])
def test_n02_an_allocator_that_failed_is_waited_for_or_mended(action: str) -> None:
    """A minute at most, where it fails no more; where it does, another file takes its place."""
    trap = Trap()
    world = trap.world()
    node = world.agent(SMALL)
    scheduler = world.framework(framework_info("f", roles=("a",)))
    trap.set("allocate", lost, times=10**6)
    for _ in range(6):
        world.advance(10.0)
        node.pong()
    remedy = the_one(explained(world, scheduler.framework_id), reasons.ALLOCATOR_FAILED, action)
    assert not scheduler.offers
    if remedy.by == "time":
        trap.times = 0
        world.advance(60.0)
    else:
        mended = NewAllocator(Stock(world.state.allocator.options))
        world.take(ReplaceModules(allocator=mended, shadow=None, offer_filters={}))
        world.advance(2.0)
    assert scheduler.offers


class Silent(Stock):  # type: ignore[misc, valid-type]
    """Grants nothing, and says nothing."""

    name = "silent"

    def allocate(self, *_: object, **__: object) -> Sequence[Grant]:
        return ()


def test_n02_what_a_silent_allocator_lacks_its_check_says_and_one_that_passes_brings_the_offer() -> None:
    world = World(Silent(AllocatorOptions()))
    world.agent(SMALL)
    scheduler = world.framework(framework_info("f", roles=("a",)))
    the_one(explained(world, scheduler.framework_id), reasons.ALLOCATOR_SILENT, "check_module")
    faults = {one.check: one.fault for one in run_checks(Silent, CHECKS, __file__)}
    assert faults["a silent framework hears why"] and faults["everything is offered and nothing twice"]
    mended: type[Allocator] = Stock
    assert not [one for one in run_checks(mended, CHECKS, __file__) if one.fault is not None]
    new = NewAllocator(mended(world.state.allocator.options))
    world.take(ReplaceModules(allocator=new, shadow=None, offer_filters={}))
    world.advance(2.0)
    assert scheduler.offers


def test_n02_no_remedy_of_the_masters_own_is_named_that_is_not_applied_here() -> None:
    tried = {
        reasons.NO_AGENTS: {"add_agent"},
        reasons.NO_ROLE: {"join_role"},
        reasons.ALLOCATOR_SILENT: {"check_module"},
        reasons.ALLOCATOR_FAILED: {"wait", "fix_allocator"},
        reasons.PASS_FULL: {"wait"},
    }
    vetoes = (
        reasons.no_agents(),
        reasons.no_role(),
        reasons.allocator_silent("mine"),
        reasons.allocator_failed("mine"),
        reasons.pass_full(1),
    )
    assert {veto.reason: {one.action for one in veto.remedies} for veto in vetoes} == tried
