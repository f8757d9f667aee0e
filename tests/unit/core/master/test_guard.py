"""Whatever an allocator module does, the master goes on, and nothing is offered twice (N09)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import cycle
from typing import Any

import pytest

from mesos_service.core.effects import Note, Reply
from mesos_service.core.operator_messages import ExplainFramework
from mesos_service.core.watch import OutOfTime
from mesos_service.domain.errors import InvariantBroken
from mesos_service.domain.ids import AgentId, Role
from mesos_service.domain.randomness import RandomSource
from mesos_service.domain.tasks import TaskState
from mesos_service.master.time_limit import TimeLimit
from mesos_service.plugins.allocator import Allocator, AllocatorOptions, Grant, Observer
from tests.support.hanging import CLOCK, HANGS_SECONDS, hang
from tests.unit.core.master.broken_modules import (
    EVENTS,
    Stock,
    Trap,
    filtered_world,
    in_order,
    loop,
    lost,
    lost_afterwards,
    why,
)
from tests.unit.core.master.infos import framework_info, task_info
from tests.unit.core.master.told import fact, facts, only
from tests.unit.core.master.world import Node, Scheduler, World, running


def stubborn_loop(work: Callable[[], object]) -> object:
    CLOCK.now += HANGS_SECONDS
    while True:
        try:
            while True:
                pass
        except BaseException:
            continue_once = stubborn_loop.__dict__.setdefault("left", [0, 0, 0])
            if not continue_once:
                raise
            continue_once.pop()


def a_tasks_end(world: World, node: Node, scheduler: Scheduler) -> None:
    node.update(scheduler, node.status("t", TaskState.FINISHED))


@pytest.mark.parametrize("does", [lost, lost_afterwards])
@pytest.mark.parametrize("method", EVENTS)
def test_n09_whichever_method_raises_what_runs_goes_on_and_the_books_are_made_anew(
    method: str, does: Callable[[Any], Any]
) -> None:
    trap = Trap()
    world = trap.world()
    node = world.agent()
    scheduler = world.framework()
    running(world, node, scheduler)
    world.agent()
    world.settle()
    trap.set(method, does)
    noted: list[str] = []
    EVENTS[method](world, node, scheduler)
    noted += facts(world.settle())
    assert trap.times == 0, "the event did not call it"
    assert trap.instances == 2
    assert not world.state.allocator.broken
    assert scheduler.record.tasks, "nobody lost a task"
    in_order(world, [scheduler])


def test_n09_the_log_says_which_module_which_method_and_why() -> None:
    trap = Trap()
    world = trap.world()
    world.agent()
    scheduler = world.framework()
    trap.set("allocate", lost_afterwards)
    effects = world.settle()
    note = fact(effects, "allocator.failed")
    assert note.attributes == {"allocator": "trapped", "method": "allocate", "error": "KeyError: 'lost'"}
    assert "allocator.rebuilt" in facts(effects)
    assert len(scheduler.offers) == 1, "what was booked and not offered is offered now"


def test_n09_offers_that_are_out_stay_good() -> None:
    trap = Trap()
    world = trap.world()
    node = world.agent()
    scheduler = world.framework()
    world.settle()
    (offer,) = scheduler.offers
    trap.set("add_agent", lost)
    world.agent()
    effects = world.settle()
    assert scheduler.rescinded(effects) == []
    assert offer.offer_id in world.state.offers
    scheduler.launch(offer, task_info("t", node.agent_id))
    in_order(world, [scheduler])


def test_n09_a_module_that_cannot_be_told_of_offers_has_them_rescinded_first() -> None:
    class Old(Trap().allocator()):  # type: ignore[misc]
        name = "old"
        add_offer = Allocator.add_offer

        def suppress(self, *args: Any) -> None:
            raise KeyError("lost")

    world = World(Old(AllocatorOptions()))
    world.agent()
    first, second = world.framework(framework_info("one")), world.framework(framework_info("two"))
    world.settle()
    (offer,) = [*first.offers, *second.offers]
    holder, other = (first, second) if first.offers else (second, first)
    other.suppress()
    effects = world.settle()
    assert holder.rescinded(effects) == [offer.offer_id]
    assert len(holder.offered(effects)) == 1
    in_order(world, [])


def test_n09_one_that_goes_on_failing_is_tried_ever_more_seldom_and_nothing_else_suffers() -> None:
    trap = Trap()
    world = trap.world()
    node = world.agent()
    scheduler = world.framework()
    running(world, node, scheduler)
    trap.set("allocate", lost, times=10**9)
    effects = world.advance(600.0)
    failures = facts(effects).count("allocator.failed")
    assert 10 <= failures <= 20
    assert scheduler.record.connected
    assert node.update(scheduler, node.status("t", TaskState.FINISHED)), "updates come through meanwhile"
    trap.times = 0
    in_order(world, [scheduler])


def test_n09_who_asks_meanwhile_hears_that_the_allocator_failed() -> None:
    trap = Trap()
    world = trap.world()
    world.agent()
    scheduler = world.framework()
    trap.set("allocate", lost, times=3)
    world.settle()
    assert world.state.allocator.broken
    asked = world.take(ExplainFramework(request=world.request(), framework_id=scheduler.framework_id))
    asked += world.advance(1.0)
    (answer,) = [one.explanation for one in only(asked, Reply) if one.explanation is not None]
    assert [one.reason for role in answer.roles for one in role.obstacles] == ["allocator_failed"]


def test_n09_a_constructor_that_fails_is_a_failure_like_any_other() -> None:
    made = 0

    class Fragile(Stock):  # type: ignore[misc, valid-type]
        name = "fragile"

        def __init__(self, options: AllocatorOptions, config: Any = None) -> None:  # Any: as in the base
            super().__init__(options, config)
            nonlocal made
            made += 1
            if made == 2:
                raise ValueError("not today")

        def suppress(self, *args: Any) -> None:
            raise KeyError("lost")

    world = World(Fragile(AllocatorOptions()))
    world.agent()
    world.framework().suppress()
    effects = world.advance(5.0)
    (note,) = [one for one in only(effects, Note) if one.fact == "allocator.failed"]
    assert note.attributes == {"allocator": "fragile", "method": "__init__", "error": "ValueError: not today"}
    assert (made, world.state.allocator.broken) == (3, False)


WRONG: dict[str, tuple[Callable[[Any], Any], str]] = {
    "nothing": (lambda work: None, "TypeError"),
    "a number": (lambda work: 7, "TypeError"),
    "no grants": (lambda work: [1, 2], "returned of type int, which is no Grant"),
    "tuples": (lambda work: [tuple(one) for one in work()], "returned of type tuple, which is no Grant"),
    "a resource that is a text": (
        lambda work: [one._replace(resources="cpus:1") for one in work()],
        "returned a grant whose resources are of type str",
    ),
    "an agent that is a list": (
        lambda work: [one._replace(agent_id=[]) for one in work()],
        "returned a grant whose agent_id is of type list",
    ),
    "a role that is none": (
        lambda work: [one._replace(role=None) for one in work()],
        "returned a grant whose role is of type NoneType",
    ),
    "too many": (lambda work: work() * 5000, "returned more than the 4096 grants that it may"),
    "no end of them": (
        lambda work: cycle(work()),
        "returned more than the 4096 grants that it may",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_n09_what_is_no_list_of_grants_is_a_failure(what: str) -> None:
    does, said = WRONG[what]
    trap = Trap()
    world = trap.world()
    world.agent()
    scheduler = world.framework()
    trap.set("allocate", does)
    effects = world.settle()
    assert said in str(fact(effects, "allocator.failed").attributes["error"])
    assert len(scheduler.offers) == 1
    in_order(world, [scheduler])


# -- loops without end ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("does", [loop, stubborn_loop])
@pytest.mark.parametrize("method", ["allocate", "recover", "add_agent"])
def test_n09_a_loop_without_end_is_interrupted(method: str, does: Callable[[Any], Any], limit: TimeLimit) -> None:
    stubborn_loop.__dict__.pop("left", None)
    trap = Trap()
    world = trap.world(limit)
    node = world.agent()
    scheduler = world.framework()
    running(world, node, scheduler)
    world.agent()
    world.settle()
    trap.set(method, does)
    EVENTS[method](world, node, scheduler)
    world.settle()
    assert trap.times == 0
    in_order(world, [scheduler])


def test_n09_who_was_interrupted_is_named(limit: TimeLimit) -> None:
    trap = Trap()
    world = trap.world(limit)
    world.agent()
    world.framework()
    trap.set("allocate", loop)
    note = fact(world.settle(), "allocator.failed")
    assert note.attributes["error"] == "did not come back within 0.2 s"


def test_nothing_is_raised_once_the_code_that_is_watched_has_come_back() -> None:
    """Stretches that end just when their time is over: whatever is raised is raised inside."""
    limit = TimeLimit(0.004)
    outside = 0
    try:
        for _ in range(300):
            try:
                limit.begin()
                try:
                    for _ in range(20_000):
                        pass
                finally:
                    limit.end()
            except OutOfTime:
                pass
            try:
                for _ in range(2_000):
                    pass
            except OutOfTime:
                outside += 1
    finally:
        limit.close()
    assert outside == 0


def test_what_is_slow_is_told(patient: TimeLimit) -> None:
    patient.slow_seconds = 0.0
    trap = Trap()
    world = trap.world(patient)
    assert "allocator.slow" in facts(world.agent().world.settle() + world.tick(1.0))
    assert not world.state.allocator.broken


# -- our own -------------------------------------------------------------------------------------------------


def test_a_broken_invariant_of_a_built_in_module_is_our_own_mistake_and_loud() -> None:
    world = World()
    with pytest.raises(InvariantBroken):
        world.state.allocator.remove_agent(AgentId("never there"))
    assert world.state.allocator.own
    trapped = Trap().world()
    trapped.state.allocator.remove_agent(AgentId("never there"))
    assert not trapped.state.allocator.own and trapped.state.allocator.broken


class Hostile(Stock):  # type: ignore[misc, valid-type]
    """Offers what is not there, in every way it can think of."""

    name = "hostile"

    def allocate(
        self,
        now: float,
        random: RandomSource,
        *,
        agents: Collection[AgentId] | None,
        limit: int | None = None,
        observer: Observer | None = None,
    ) -> Sequence[Grant]:
        grants = list(super().allocate(now, random, agents=agents, limit=limit, observer=observer))
        again = [one._replace(role=Role("nobody's")) for one in grants]
        bare = [one._replace(resources=one.resources.unallocated()) for one in grants]
        return [*bare, *grants, *again, *grants, *bare]


def test_e60a_n09_nothing_is_offered_twice_or_to_a_role_that_it_is_not_for() -> None:
    world = World(Hostile(AllocatorOptions()))
    world.agent()
    scheduler = world.framework()
    for _ in range(5):
        world.advance(1.0)
        for agent in world.state.agents.values():
            held = sum((offer.resources.unallocated().quantities()["cpus"] for offer in agent.offers.values()), 0)
            assert held <= 4000
        for offer in scheduler.offers:
            assert {item.key.allocation_role for item in offer.resources} == {offer.role}
        scheduler.decline(*scheduler.offers, refuse_seconds=0)


# -- offer filters -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("said", "kind"), [(True, "bool"), ("no", "str"), (0, "int")])
def test_n09_a_filter_that_says_something_else_than_a_verdict_keeps_the_agent_away(said: object, kind: str) -> None:
    world, scheduler = filtered_world(None, lambda: said)
    world.agent()
    world.settle()
    assert scheduler.offers == []
    assert why(world, scheduler) == (f"The module failed in about_agent(): it returned a {kind}, which is no verdict.")


def test_n09_a_filter_that_does_not_come_back_is_interrupted_named_and_not_asked_again(limit: TimeLimit) -> None:
    asked = 0

    def hangs() -> None:
        nonlocal asked
        asked += 1
        hang()

    world, scheduler = filtered_world(limit, hangs)
    other = world.framework(framework_info("other"))
    node = world.agent()
    assert fact(world.settle(), "allocator.rebuilt").attributes["attempts"] == 1
    assert (len(other.offers), scheduler.offers, asked) == (1, [], 1)
    assert node.record.active
    other.decline(*other.offers, refuse_seconds=3600)
    world.settle()
    assert why(world, scheduler) == "The module failed in about_agent(): it did not come back."
