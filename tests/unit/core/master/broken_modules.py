"""Modules that break in every way, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from mesos_service.core.effects import Reply
from mesos_service.core.master import invariants
from mesos_service.core.master.state import MasterOptions
from mesos_service.core.messages import UpdateWhitelist
from mesos_service.core.operator_messages import ExplainFramework, OperatorUpdateQuota, OperatorUpdateWeights
from mesos_service.core.watch import Watch
from mesos_service.domain.frameworks import FilterSpec
from mesos_service.domain.ids import Role
from mesos_service.master.time_limit import TimeLimit
from mesos_service.plugins.allocator import AgentView, Allocator, AllocatorOptions, Quota
from mesos_service.plugins.loader import ALLOCATORS, load
from mesos_service.plugins.offer_filter import OfferFilter
from mesos_service.plugins.verdict import Veto
from tests.support.hanging import hang
from tests.unit.core.master.infos import framework_info, task_info
from tests.unit.core.master.told import only
from tests.unit.core.master.world import Node, Scheduler, World

Stock: type[Allocator] = load(ALLOCATORS, "hierarchical")


class Trap:
    """What the next call of one method does in place of its work; sprung once, or as often as ``times`` says."""

    def __init__(self) -> None:
        self.method = ""
        self.times = 0
        self.does: Callable[[Any], Any] = lambda work: work()  # Any: whatever the method returns
        self.instances = 0

    def set(self, method: str, does: Callable[[Any], Any], times: int = 1) -> None:
        self.method, self.does, self.times = method, does, times

    def allocator(self) -> type[Allocator]:
        """The stock policy with this trap in every one of its methods."""
        trap = self

        class Trapped(Stock):  # type: ignore[misc, valid-type]
            name = "trapped"

            def __init__(self, options: AllocatorOptions, config: Any = None) -> None:  # Any: as in the base
                super().__init__(options, config)
                trap.instances += 1

            def __getattribute__(self, attribute: str) -> Any:
                found = super().__getattribute__(attribute)
                if attribute == trap.method and trap.times:

                    def sprung(*args: Any, **named: Any) -> Any:
                        trap.times -= 1
                        return trap.does(lambda: found(*args, **named))

                    return sprung
                return found

        return Trapped

    def world(self, watch: Watch | None = None) -> World:
        return World(self.allocator()(AllocatorOptions()), watch=watch)


def lost(work: Callable[[], object]) -> object:
    raise KeyError("lost")


def lost_afterwards(work: Callable[[], object]) -> object:
    """Its books say one thing, and nobody hears of it."""
    work()
    raise KeyError("lost")


def loop(work: Callable[[], object]) -> object:
    hang()


def in_order(world: World, schedulers: Sequence[Scheduler]) -> None:
    """The allocator is whole again, its books equal the master's, and everything that is free is offered."""
    world.advance(120.0)
    assert not world.state.allocator.broken
    invariants.check(world.state)
    for scheduler in schedulers:
        scheduler.revive()
    world.settle()
    assert all(not agent.free for agent in world.state.agents.values())


def a_registration(world: World, node: Node, scheduler: Scheduler) -> None:
    world.agent()


def a_subscription(world: World, node: Node, scheduler: Scheduler) -> None:
    world.framework(framework_info("second"))


def an_end(world: World, node: Node, scheduler: Scheduler) -> None:
    world.framework(framework_info("short-lived")).tear_down()


def a_disconnection(world: World, node: Node, scheduler: Scheduler) -> None:
    world.framework(framework_info("short-lived")).disconnect()


def a_suppression(world: World, node: Node, scheduler: Scheduler) -> None:
    scheduler.suppress()
    scheduler.revive()


def a_decline(world: World, node: Node, scheduler: Scheduler) -> None:
    scheduler.decline(*scheduler.offers, refuse_seconds=0)


def a_launch(world: World, node: Node, scheduler: Scheduler) -> None:
    offer = scheduler.offers[0]
    scheduler.launch(offer, task_info("another", offer.agent_id))


def a_weight(world: World, node: Node, scheduler: Scheduler) -> None:
    world.take(OperatorUpdateWeights(request=world.request(), weights=((Role("role"), 2.0),)))


def a_quota(world: World, node: Node, scheduler: Scheduler) -> None:
    quotas = ((Role("role"), Quota(guarantees={"cpus": 1000})),)
    world.take(OperatorUpdateQuota(request=world.request(), quotas=quotas))


def a_whitelist(world: World, node: Node, scheduler: Scheduler) -> None:
    hosts = frozenset(agent.info.hostname for agent in world.state.agents.values())
    world.take(UpdateWhitelist(hostnames=hosts))


def a_pass(world: World, node: Node, scheduler: Scheduler) -> None:
    scheduler.decline(*scheduler.offers, refuse_seconds=0)
    world.advance(1.0)


EVENTS = {
    "add_agent": a_registration,
    "add_framework": a_subscription,
    "update_framework": a_subscription,
    "remove_framework": an_end,
    "set_framework_active": a_disconnection,
    "suppress": a_suppression,
    "revive": a_suppression,
    "recover": a_decline,
    "offered_to_allocated": a_launch,
    "update_weights": a_weight,
    "update_quota": a_quota,
    "update_whitelist": a_whitelist,
    "allocate": a_pass,
}
"""Methods of the interface, and an event that calls each."""


class Odd(OfferFilter):
    """Does what the test says when it is asked about an agent."""

    name = "odd"
    does: Callable[[], Any] = staticmethod(lambda: None)  # Any: that is what is odd about it

    def about_agent(self, agent: AgentView, now: float) -> Veto | None:
        answer: Veto | None = type(self).does()
        return answer


def filtered_world(limit: TimeLimit | None, does: Callable[[], Any]) -> tuple[World, Scheduler]:
    kind = type("Odder", (Odd,), {"does": staticmethod(does)})
    world = World(options=MasterOptions(offer_filters={"odd": kind}), watch=limit)
    info = replace(framework_info(), filters={Role("role"): (FilterSpec("odd", {}),)})
    return world, world.framework(info)


def why(world: World, scheduler: Scheduler) -> str:
    asked = world.take(ExplainFramework(request=world.request(), framework_id=scheduler.framework_id))
    asked += world.advance(1.0)
    (answer,) = [one.explanation for one in only(asked, Reply) if one.explanation is not None]
    ((obstacle,),) = [role.obstacles for role in answer.roles]
    return obstacle.examples[0].veto.detail
