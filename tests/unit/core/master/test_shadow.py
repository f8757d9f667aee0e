"""An allocator in shadow: on the same inputs, without any effect, and its failures are nobody's (issue of policies)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from mesos_service.core.effects import MasterEffect, Note
from mesos_service.core.master.guard import Guard
from mesos_service.core.master.shadow import Drawn, Followed, Shadow
from mesos_service.core.operator_messages import OperatorUpdateQuota, OperatorUpdateWeights
from mesos_service.domain.ids import Role
from mesos_service.domain.randomness import RandomSource
from mesos_service.domain.tasks import TaskState
from mesos_service.plugins.allocator import Allocator, AllocatorOptions, Quota
from mesos_service.plugins.loader import ALLOCATORS, load
from tests.unit.core.master.broken_modules import Trap, lost, lost_afterwards
from tests.unit.core.master.infos import framework_info, task_info
from tests.unit.core.master.told import facts, only
from tests.unit.core.master.world import World, running

Stock: type[Allocator] = load(ALLOCATORS, "hierarchical")
OPTIONS = AllocatorOptions()


class Contrary(Stock):  # type: ignore[misc, valid-type]
    """Serves last who should be first: roles weigh the opposite of what they are told."""

    name = "contrary"

    def allocate(self, now: float, random: RandomSource, **named: Any) -> Any:  # Any: as in the base
        self.ledger.update_weights({Role("z"): 100.0})
        return super().allocate(now, random, **named)


def shadowed(shadow: Allocator, seed: int = 1) -> tuple[World, Shadow]:
    world = World(seed=seed)
    follower = Shadow(Guard(shadow))
    world.state.allocator = Followed(Stock(OPTIONS), follower)
    return world, follower


def told(effects: Sequence[MasterEffect]) -> list[str]:
    """All that leaves the master, save what is noted of the shadow."""
    return [repr(one) for one in effects if not (isinstance(one, Note) and one.fact.startswith("shadow."))]


def a_history(world: World) -> list[str]:
    """Something of everything that allocators are told."""
    heard: list[str] = []
    nodes = [world.agent(f"cpus:{2 + number};mem:4096;ports:[31000-31009]") for number in range(4)]
    a = world.framework(framework_info("a", roles=["a", "a/b"]))
    z = world.framework(framework_info("z", roles=["z"]))
    heard += told(world.settle())
    for scheduler in (a, z):
        offers = scheduler.offers
        if offers:
            heard += told(scheduler.launch(offers[0], task_info(scheduler.info.name, offers[0].agent_id)))
            heard += told(scheduler.decline(*scheduler.offers, refuse_seconds=2))
        heard += told(world.advance(1.5))
    weights = ((Role("z"), 3.0),)
    heard += told(world.take(OperatorUpdateWeights(request=world.request(), weights=weights)))
    quotas = ((Role("a"), Quota(guarantees={"cpus": 2000}, limits={"cpus": 5000})),)
    heard += told(world.take(OperatorUpdateQuota(request=world.request(), quotas=quotas)))
    heard += told(world.advance(3.0))
    heard += told(nodes[0].lose_link())
    heard += told(world.advance(2.0))
    a.suppress("a")
    z.decline(*z.offers, refuse_seconds=0)
    heard += told(world.advance(2.0))
    a.revive()
    heard += told(world.advance(40.0))
    z.disconnect()
    heard += told(world.advance(40.0))
    a.tear_down()
    return heard + told(world.advance(2.0))


def test_an_allocator_in_its_own_shadow_is_of_one_mind_with_itself() -> None:
    world, shadow = shadowed(Stock(OPTIONS))
    a_history(world)
    assert shadow.passes > 10
    assert (shadow.differing, shadow.decided_only, shadow.shadow_only, shadow.failures) == (0, 0, 0, 0)
    assert shadow.agreed > 10


@pytest.mark.parametrize("seed", range(5))
def test_nothing_that_a_shadow_does_changes_anything(seed: int) -> None:
    """Not one that differs, nor one that always fails, nor one that offers what is not there."""
    alone = World(seed=seed)
    expected = a_history(alone)
    trap = Trap()
    trap.set("allocate", lost_afterwards, times=10**9)
    invented = Trap()
    invented.set("allocate", lambda work: [one._replace(framework_id="nobody") for one in work()], times=10**9)
    for module in (Contrary(OPTIONS), trap.allocator()(OPTIONS), invented.allocator()(OPTIONS)):
        world, _ = shadowed(module, seed)
        assert a_history(world) == expected


def test_where_it_would_have_decided_otherwise_is_counted_and_shown() -> None:
    world, shadow = shadowed(Contrary(OPTIONS))
    node = world.agent("cpus:2;mem:2048")
    for role in ("a", "z"):
        scheduler = world.framework(framework_info(role, roles=[role]))
        world.settle()
        scheduler.launch(scheduler.offers[0], task_info(role, node.agent_id), refuse_seconds=3600)
    assert shadow.differing == 0
    other = world.agent("cpus:2;mem:2048")
    effects = world.settle()
    a, z = world.state.frameworks.values()
    assert (len(a.offers), len(z.offers)) == (1, 0)
    assert "shadow.differed" in facts(effects)
    (difference,) = shadow.differences
    assert difference.agent_id == other.agent_id
    assert [one.framework_id for one in difference.decided] == [a.framework_id]
    assert [one.framework_id for one in difference.shadow] == [z.framework_id]
    assert (shadow.differing, shadow.decided_only, shadow.shadow_only) == (1, 1, 1)
    assert shadow.by_framework[a.framework_id] == (2, 1) and shadow.by_framework[z.framework_id] == (1, 2)


@pytest.mark.parametrize("method", ["recover", "add_agent", "offered_to_allocated", "update_weights"])
def test_n09_a_shadow_that_fails_is_made_anew_and_named_apart(method: str) -> None:
    trap = Trap()
    world, shadow = shadowed(trap.allocator()(OPTIONS))
    node = world.agent()
    scheduler = world.framework()
    running(world, node, scheduler)
    scheduler.revive()
    world.settle()
    trap.set(method, lost)
    effects = scheduler.launch(scheduler.offers[0], task_info("u", node.agent_id))
    effects += node.update(scheduler, node.status("u", TaskState.FINISHED))
    effects += world.take(OperatorUpdateWeights(request=world.request(), weights=((Role("role"), 2.0),)))
    world.agent()
    effects += world.advance(3.0)
    assert trap.times == 0
    assert shadow.failures == 1
    assert not only([one for one in effects if isinstance(one, Note) and one.fact == "allocator.failed"], Note)
    passes = shadow.passes
    world.agent()
    world.advance(3.0)
    assert shadow.passes > passes and not shadow.guard.broken


def test_n09_one_that_cannot_book_what_was_decided_has_failed() -> None:
    class Forgetful(Stock):  # type: ignore[misc, valid-type]
        name = "forgetful"

        def allocate(self, now: float, random: RandomSource, **named: Any) -> Any:  # Any: as in the base
            return []

        def add_offer(self, *named: Any) -> None:
            raise KeyError("lost")

    world, shadow = shadowed(Forgetful(OPTIONS))
    world.agent()
    scheduler = world.framework()
    effects = world.settle()
    assert len(scheduler.offers) == 1
    assert "shadow.failed" in facts(effects)
    assert shadow.failures >= 1 and not world.state.allocator.broken


def test_the_deciding_one_fails_and_its_shadow_goes_on() -> None:
    trap = Trap()
    world = World()
    follower = Shadow(Guard(Stock(OPTIONS)))
    world.state.allocator = Followed(trap.allocator()(OPTIONS), follower)
    node = world.agent()
    scheduler = world.framework()
    running(world, node, scheduler)
    trap.set("allocate", lost)
    world.agent()
    world.advance(2.0)
    assert not world.state.allocator.broken
    assert (follower.failures, follower.guard.broken) == (0, False)


def test_numbers_that_were_drawn_are_drawn_again() -> None:
    drawn = Drawn(random.Random(7))
    first: list[object] = [drawn.getrandbits(64), drawn.random(), drawn.randrange(10), list("abcdef")]
    drawn.shuffle(first[3])  # type: ignore[arg-type] # it is the list
    again = drawn.again()
    second: list[object] = [again.getrandbits(64), again.random(), again.randrange(10), list("abcdef")]
    again.shuffle(second[3])  # type: ignore[arg-type] # it is the list
    assert second == first
    assert all(0 <= again.randrange(3) < 3 for _ in range(50)), "there are more when they are used up"
    plain = random.Random(7)
    letters = list("abcdef")
    assert [plain.getrandbits(64), plain.random(), plain.randrange(10)] == first[:3]
    plain.shuffle(letters)
    assert letters == first[3], "who decides draws what it would without a shadow"
