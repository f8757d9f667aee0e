"""Allocation passes: when they run, and what becomes of the allocator's grants."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import pytest

from mesos_service.core.events import Offers
from mesos_service.core.master.state import MasterOptions
from mesos_service.core.master.step import next_deadline
from mesos_service.core.messages import Tick
from mesos_service.domain.ids import AgentId, Role
from mesos_service.domain.randomness import RandomSource
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskState
from mesos_service.plugins.allocator import Allocator, AllocatorOptions, Grant, Observer
from mesos_service.plugins.loader import ALLOCATORS, load
from tests.unit.core.master.infos import TOTAL, framework_info, task_info
from tests.unit.core.master.told import fact, facts
from tests.unit.core.master.world import Node, Scheduler, World, running

# -- B32: every event that makes something available starts a pass ---------------------------------------------


def a_decline(world: World, node: Node, scheduler: Scheduler) -> None:
    scheduler.decline(*scheduler.offers)


def a_rescind(world: World, node: Node, scheduler: Scheduler) -> None:
    world.now += 30.0


def a_disconnection(world: World, node: Node, scheduler: Scheduler) -> None:
    scheduler.disconnect()


def a_teardown(world: World, node: Node, scheduler: Scheduler) -> None:
    scheduler.tear_down()


@pytest.mark.parametrize("event", [a_decline, a_rescind, a_disconnection, a_teardown])
def test_b32_what_one_framework_gives_back_is_offered_to_another_at_once(
    event: Callable[[World, Node, Scheduler], None],
) -> None:
    world = World()
    node = world.agent()
    first = world.framework(framework_info("first"))
    world.settle()
    (offer,) = first.offers
    second = world.framework(framework_info("second"))
    assert second.offered(world.settle()) == []
    event(world, node, first)
    (again,) = second.offered(world.tick())
    assert again.resources == offer.resources


def test_b32_and_a08_a_new_agent_is_offered_at_once() -> None:
    world = World()
    scheduler = world.framework()
    world.settle()
    node = world.agent()
    assert next_deadline(world.state) == world.now
    (offer,) = scheduler.offered(world.tick())
    assert offer.agent_id == node.agent_id


def test_b32_a_new_framework_is_offered_what_is_free_at_once() -> None:
    world = World()
    node = world.agent()
    world.settle()
    scheduler = world.framework()
    assert next_deadline(world.state) == world.now
    assert [offer.agent_id for offer in scheduler.offered(world.tick())] == [node.agent_id]


def test_b32_a_slot_is_offered_as_soon_as_its_task_ends() -> None:
    world = World()
    node = world.agent()
    scheduler = world.framework()
    running(world, node, scheduler, resources=TOTAL)
    assert scheduler.offered(world.settle()) == []
    node.update(scheduler, node.status("t", TaskState.FINISHED))
    assert next_deadline(world.state) == world.now
    (offer,) = scheduler.offered(world.tick())
    assert offer.resources == TOTAL.allocated_to("role")


def test_m_al_01_a_full_pass_runs_every_allocation_interval() -> None:
    world = World(options=MasterOptions(allocation_interval_seconds=2.0))
    node = world.agent()
    scheduler = world.framework()
    world.settle()
    scheduler.decline(*scheduler.offers, refuse_seconds=0.0)
    assert scheduler.offered(world.advance(1.9)) == []
    assert [offer.agent_id for offer in scheduler.offered(world.advance(0.1))] == [node.agent_id]


def test_an_idle_master_plans_nothing() -> None:
    world = World()
    assert next_deadline(world.state) is None
    assert world.take(Tick()) == []


def test_a_long_pause_is_made_up_for_by_one_pass() -> None:
    world = World()
    world.agent()
    world.settle()
    world.tick(1000.0)
    deadline = next_deadline(world.state)
    assert deadline is not None
    assert deadline > world.now


# -- offers --------------------------------------------------------------------------------------------------


def test_a19_one_event_for_each_framework_and_one_offer_for_each_agent() -> None:
    world = World()
    nodes = [world.agent() for _ in range(3)]
    scheduler = world.framework()
    (event,) = scheduler.hears(world.settle(), Offers)
    assert sorted(offer.agent_id for offer in event.offers) == sorted(node.agent_id for node in nodes)
    assert len({offer.offer_id for offer in event.offers}) == 3


def test_offer_ids_are_never_used_again() -> None:
    world = World()
    world.agent()
    scheduler = world.framework()
    seen = []
    for _ in range(3):
        world.settle()
        seen += [offer.offer_id for offer in scheduler.offers]
        scheduler.decline(*scheduler.offers, refuse_seconds=0.0)
        world.advance(1.0)
    assert seen == ["master-O0", "master-O1", "master-O2"]


def test_a39_b46_and_e60a_what_is_offered_counts_as_used_and_is_offered_to_nobody_else() -> None:
    world = World()
    world.agent()
    first = world.framework(framework_info("first", roles=("a",)))
    world.settle()
    second = world.framework(framework_info("second", roles=("b",)))
    node = world.agent()
    (offer,) = second.offered(world.settle())
    assert offer.agent_id == node.agent_id
    assert len(first.offers) == 1


def test_m_al_13_crumbs_are_not_offered() -> None:
    world = World()
    node = world.agent("cpus:2;mem:1024")
    scheduler = world.framework()
    world.settle()
    (offer,) = scheduler.offers
    scheduler.launch(
        offer, task_info("t", node.agent_id, Resources.scalars(cpus="1.995", mem=1000)), refuse_seconds=0.0
    )
    assert scheduler.offered(world.advance(5.0)) == []
    assert node.record.free == Resources.scalars(cpus="0.005", mem=24)


def test_no_more_offers_than_may_be_outstanding() -> None:
    world = World(options=MasterOptions(outstanding_offers_max=2))
    for _ in range(5):
        world.agent()
    scheduler = world.framework()
    world.settle()
    assert len(scheduler.offers) == 2
    assert world.state.pass_due_at is None, "a full house must not spin"
    scheduler.decline(scheduler.offers[0], refuse_seconds=3600.0)
    world.settle()
    assert len(scheduler.offers) == 2
    seen = set()
    for _ in range(10):
        seen |= {offer.agent_id for offer in scheduler.offers}
        scheduler.decline(*scheduler.offers, refuse_seconds=3600.0)
        world.settle()
    assert len(seen) == 4, "with the one declined first, that is all of them"


def test_a_pass_that_found_no_room_is_made_up_for() -> None:
    world = World(options=MasterOptions(outstanding_offers_max=1))
    world.agent()
    first = world.framework(framework_info("first"))
    world.settle()
    late = world.agent()
    world.settle()
    assert [offer.agent_id for offer in first.offers] != [late.agent_id]
    first.decline(*first.offers, refuse_seconds=3600.0)
    (offer,) = first.offered(world.settle())
    assert offer.agent_id == late.agent_id


# -- wrong allocators ----------------------------------------------------------------------------------------


class Misguided(Allocator):
    """The stock allocator, but for the grants, which ``mislead`` changes."""

    name = "misguided"

    def __init__(self, mislead: Callable[[Grant], Grant]) -> None:
        super().__init__(AllocatorOptions())
        self._mislead = mislead
        self._stock = load(ALLOCATORS, "hierarchical_drf")(AllocatorOptions())
        self.given_back: list[tuple[AgentId, Resources]] = []

    def allocate(
        self,
        now: float,
        random: RandomSource,
        *,
        agents: Collection[AgentId] | None,
        limit: int | None = None,
        observer: Observer | None = None,
    ) -> Sequence[Grant]:
        return [self._mislead(one) for one in self._stock.allocate(now, random, agents=agents, limit=limit)]

    def recover(self, framework_id, agent_id, resources, **said) -> None:  # type: ignore[no-untyped-def]
        self.given_back.append((agent_id, resources))

    def add_framework(self, *said) -> None:  # type: ignore[no-untyped-def]
        self._stock.add_framework(*said)

    def add_agent(self, *said) -> None:  # type: ignore[no-untyped-def]
        self._stock.add_agent(*said)

    def set_framework_active(self, *said) -> None:  # type: ignore[no-untyped-def]
        self._stock.set_framework_active(*said)

    def _ignore(self, *said: object) -> None:
        """None of these matters here."""

    update_framework = remove_framework = suppress = revive = _ignore  # type: ignore[assignment]
    request_resources = update_agent = remove_agent = set_agent_active = update_whitelist = _ignore  # type: ignore[assignment]
    offered_to_allocated = update_allocation = update_weights = _ignore  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("mislead", "reason"),
    [
        (lambda grant: grant._replace(resources=grant.resources + grant.resources), "which does not contain"),
        (lambda grant: grant._replace(role=Role("nobody's")), "the framework is not in role 'nobody's'"),
        (lambda grant: grant._replace(framework_id="nobody"), "the framework is not connected"),
        (lambda grant: grant._replace(agent_id="nowhere"), "the agent is not active"),
        (lambda grant: grant._replace(resources=Resources.EMPTY), "there is nothing in it"),
    ],
)
def test_e60a_a_grant_that_contradicts_our_books_is_refused_and_given_back(
    mislead: Callable[[Grant], Grant], reason: str
) -> None:
    allocator = Misguided(mislead)
    world = World(allocator)
    scheduler = world.framework()
    world.agent()
    effects = world.settle()
    assert scheduler.offered(effects) == []
    note = fact(effects, "grant.refused")
    assert note.attributes["allocator"] == "misguided"
    assert reason in str(note.attributes["reason"])
    assert len(allocator.given_back) == 1
    assert world.state.offers == {}


def test_facts_tell_of_each_offer() -> None:
    world = World()
    world.agent()
    scheduler = world.framework()
    effects = world.settle()
    assert facts(effects) == ["allocation.ran", "offer.sent"]
    assert fact(effects, "offer.sent").attributes == {
        "offer_id": "master-O0",
        "framework_id": scheduler.framework_id,
        "agent_id": "master-S0",
    }
    assert scheduler.record.offers_sent == 1
