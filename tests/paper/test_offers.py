"""What offers do to shares (Mesos, NSDI 2011): counted while they are held, rescinded when nobody answers, and DRF
approximated through their order and their size."""

from __future__ import annotations

from mesos_service.core.events import Rescind
from mesos_service.core.master.state import MasterOptions
from mesos_service.domain.frameworks import Quantities
from mesos_service.domain.ids import FrameworkId
from mesos_service.domain.offers import Offer
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskInfo, TaskState
from mesos_service.plugins.allocator import AllocatorOptions
from mesos_service.plugins.loader import ALLOCATORS, load
from tests.unit.core.master.infos import framework_info, task_info
from tests.unit.core.master.told import launched, spans
from tests.unit.core.master.world import Scheduler, World

AGENT = "cpus:4;mem:4096"
TASK = Resources.scalars(cpus=1, mem=1024)
FOREVER = 1e9


def test_c26_sitting_on_offers_costs_a_framework_its_place() -> None:
    """Under "making resource offers scalable and robust": what is offered counts towards the share, so that it pays to
    answer fast."""
    world = World(options=MasterOptions(offer_timeout_seconds=None))
    sitter = world.framework(framework_info("sitter", roles=("a",)))
    worker = world.framework(framework_info("worker", roles=("b",)))
    nodes = {node.agent_id: node for node in (world.agent(AGENT) for _ in range(4))}
    world.settle()
    held = sitter.offers
    assert (len(held), len(worker.offers)) == (2, 2)
    working = [fill(worker, offer) for offer in worker.offers]

    # A task ends. The sitter runs nothing at all, and still it is the worker's turn: it holds a quarter of the
    # cluster now, the sitter a half.
    for _ in range(3):
        ended = working.pop(0)
        node = nodes[ended.agent_id]
        status = node.status(ended.task_id, TaskState.FINISHED)
        node.update(worker, status)
        worker.acknowledge(status)
        effects = world.settle()
        (offer,) = worker.offered(effects)
        assert sitter.offered(effects) == []
        working.append(fill(worker, offer))
    assert sitter.offers == held

    # Once it has answered, the first place is its own.
    sitter.decline(*held, refuse_seconds=FOREVER)
    for offer in worker.offered(world.settle()):
        fill(worker, offer)
    world.agent(AGENT)
    effects = world.settle()
    assert (len(sitter.offered(effects)), worker.offered(effects)) == (1, [])


def test_c27_who_stays_silent_loses_its_offer_to_another() -> None:
    world = World(options=MasterOptions(offer_timeout_seconds=30.0))
    silent = world.framework(framework_info("silent", roles=("a",)))
    node = world.agent(AGENT)
    (offer,) = silent.offered(world.settle())
    other = world.framework(framework_info("other", roles=("b",)))

    effects = world.advance(29.9)
    assert (silent.rescinded(effects), other.offered(effects)) == ([], [])
    effects = world.advance(0.1)
    assert silent.hears(effects, Rescind) == [Rescind(offer.offer_id)]
    (again,) = other.offered(effects)
    assert again.offer_id != offer.offer_id
    assert again.agent_id == node.agent_id
    assert again.resources == Resources.parse(AGENT).allocated_to("b"), "the same agent, whole"
    assert silent.offered(effects) == []

    late = silent.launch(offer, task_info("late", node.agent_id, TASK))
    assert silent.told(late) == [("late", TaskState.DROPPED, "REASON_INVALID_OFFERS")]
    assert other.offers == [again]
    assert len(launched(other.launch(again, task_info("used", node.agent_id, TASK)))) == 1


def test_e60b_shares_show_in_the_order_and_the_size_of_offers() -> None:
    """One framework holds 4 of 12 equal agents. Of the other 8 it is offered 2, and not before the other has 4."""
    world = World(options=MasterOptions(tracing=True))
    first = world.framework(framework_info("first", roles=("a",)))
    for _ in range(4):
        world.agent(AGENT)
    world.settle()
    for offer in first.offers:
        fill(first, offer)
    second = world.framework(framework_info("second", roles=("b",)))
    for _ in range(8):
        world.agent(AGENT)
    effects = world.settle()

    names = {first.framework_id: "first", second.framework_id: "second"}
    order = [names[FrameworkId(str(span.attributes["framework_id"]))] for span in spans(effects, "master.allocation")]
    assert order[:4] == ["second"] * 4, "order: the smaller dominant share is served until both are equal"
    assert [set(order[4:6]), set(order[6:8])] == [{"first", "second"}, {"first", "second"}], "then in turn"
    assert (size(first.offered(effects)), size(second.offered(effects))) == (8, 24), "size, in cpus"
    assert used(world, first) + size(first.offers) == size(second.offers) == 24, "dominant shares of one half each"


def fill(scheduler: Scheduler, offer: Offer) -> TaskInfo:
    """Launch a task that takes all of the agent."""
    whole = task_info(f"{scheduler.info.name}-{offer.offer_id}", offer.agent_id, Resources.parse(AGENT))
    (info,) = launched(scheduler.launch(offer, whole))
    return info


def size(offers: list[Offer]) -> float:
    return sum(offer.resources.scalar("cpus") for offer in offers) / 1000


def used(world: World, scheduler: Scheduler) -> float:
    agents = world.state.agents.values()
    held = [agent.used.get(scheduler.framework_id, Resources.EMPTY) for agent in agents]
    return sum(one.scalar("cpus") for one in held) / 1000


def test_a62_large_tasks_starve_among_small_ones_unless_offers_have_a_minimum_size() -> None:
    """A62: tasks of a small framework end one at a time, and each piece goes back to it, as a piece is all it needs. A
    minimum of what the large one needs, on every agent, lets the pieces gather until they are enough for it."""
    assert tasks_of_the_large_one(least=()) == 0
    assert tasks_of_the_large_one(least=({"cpus": 4000},)) > 0


def tasks_of_the_large_one(least: tuple[Quantities, ...]) -> int:
    """Of 40 s in which a task of the small framework ends each second; ``least`` is the minimum size of an offer."""
    world = World(load(ALLOCATORS, "hierarchical")(AllocatorOptions(min_allocatable=least or ({"cpus": 10},))))
    small = world.framework(framework_info("small", roles=("a",)))
    nodes = {node.agent_id: node for node in (world.agent(AGENT) for _ in range(2))}
    running: list[TaskInfo] = []
    large: Scheduler | None = None
    large_tasks = 0
    for second in range(40):
        # Whoever declines is declined for: what it leaves is answered before the next task ends.
        while world.state.offers:
            for offer in list(small.offers):
                count = offer.resources.scalar("cpus") // TASK.scalar("cpus")
                tasks = [task_info(f"{offer.offer_id}-{one}", offer.agent_id, TASK) for one in range(count)]
                running += launched(small.launch(offer, *tasks))
            for offer in list(large.offers) if large else []:
                assert large is not None
                if offer.resources.unallocated().contains(Resources.parse(AGENT)):
                    fill(large, offer)
                    large_tasks += 1
                else:
                    large.decline(offer)
            world.settle()
        if second == 1:
            large = world.framework(framework_info("large", roles=("b",)))
        if running and second:
            ended = running.pop(0)
            node = nodes[ended.agent_id]
            status = node.status(ended.task_id, TaskState.FINISHED)
            node.update(small, status)
            small.acknowledge(status)
        world.advance(1.0)
    return large_tasks
