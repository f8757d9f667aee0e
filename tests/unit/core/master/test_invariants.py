"""The checker finds what it is there to find: each test breaks one thing behind the master's back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from mesos_service.core.allocation.ledger import Ledger
from mesos_service.core.master import invariants
from mesos_service.domain.errors import InvariantBroken
from mesos_service.domain.ids import AgentId, ExecutorId, FrameworkId, LinkId, OfferId, Role, StreamId, TaskId
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskState
from tests.unit.core.master.infos import SMALL, framework_info
from tests.unit.core.master.world import Node, Scheduler, World, running

Break = Callable[[World, Node, Scheduler], None]


def ledger(world: World) -> Ledger:
    books = getattr(world.state.allocator, "ledger", None)
    assert isinstance(books, Ledger)
    return books


def offer_twice(world: World, node: Node, scheduler: Scheduler) -> None:
    (offer,) = scheduler.offers
    second = replace(offer, offer_id=OfferId("second"))
    world.state.offers[second.offer_id] = second
    node.record.offers[second.offer_id] = scheduler.record.offers[second.offer_id] = second
    world.state.offer_expiries.append((0.0, second.offer_id))


def forget_task(world: World, node: Node, scheduler: Scheduler) -> None:
    del scheduler.record.tasks[TaskId("t")]


def forget_task_on_agent(world: World, node: Node, scheduler: Scheduler) -> None:
    node.record.tasks.clear()


def free_too_much(world: World, node: Node, scheduler: Scheduler) -> None:
    node.record.free = node.record.free + SMALL


def use_less(world: World, node: Node, scheduler: Scheduler) -> None:
    node.record.used[scheduler.framework_id] = Resources.scalars(cpus="0.1").allocated_to("role")


def keep_what_ended(world: World, node: Node, scheduler: Scheduler) -> None:
    scheduler.record.tasks[TaskId("t")].state = TaskState.FINISHED


def lose_stream(world: World, node: Node, scheduler: Scheduler) -> None:
    scheduler.record.stream_id = None


def swap_stream(world: World, node: Node, scheduler: Scheduler) -> None:
    scheduler.record.stream_id = StreamId("another")


def stray_stream(world: World, node: Node, scheduler: Scheduler) -> None:
    world.state.streams[StreamId("stray")] = scheduler.framework_id


def offer_while_inactive(world: World, node: Node, scheduler: Scheduler) -> None:
    node.record.active = False


def lose_link(world: World, node: Node, scheduler: Scheduler) -> None:
    node.record.link_id = None


def stray_on_link(world: World, node: Node, scheduler: Scheduler) -> None:
    world.state.links[node.link_id][AgentId("stray")] = None


def off_link(world: World, node: Node, scheduler: Scheduler) -> None:
    world.state.links[node.link_id].clear()


def unknown_link(world: World, node: Node, scheduler: Scheduler) -> None:
    node.record.link_id = LinkId("unknown")


def offer_only_in_the_whole(world: World, node: Node, scheduler: Scheduler) -> None:
    scheduler.record.offers.clear()


def offer_that_never_ends(world: World, node: Node, scheduler: Scheduler) -> None:
    world.state.offer_expiries.clear()


def unreachable_and_here(world: World, node: Node, scheduler: Scheduler) -> None:
    world.state.unreachable[node.agent_id] = 0.0


def completed_and_here(world: World, node: Node, scheduler: Scheduler) -> None:
    world.state.completed_frameworks[scheduler.framework_id] = scheduler.record


def leaving_for_ever(world: World, node: Node, scheduler: Scheduler) -> None:
    world.state.leaving[node.agent_id] = 99


def stale_address(world: World, node: Node, scheduler: Scheduler) -> None:
    world.state.addresses.clear()


def kill_nobody(world: World, node: Node, scheduler: Scheduler) -> None:
    node.record.pending_kills[scheduler.framework_id, TaskId("nobody")] = None


def doubt_nobody(world: World, node: Node, scheduler: Scheduler) -> None:
    node.record.unproven_executors[scheduler.framework_id, ExecutorId("nobody")] = 1


def dropped_role(world: World, node: Node, scheduler: Scheduler) -> None:
    scheduler.record.info = replace(scheduler.record.info, roles=(Role("new"),))


def suppress_a_stranger(world: World, node: Node, scheduler: Scheduler) -> None:
    scheduler.record.suppressed = frozenset({Role("stranger")})


def unreachable_and_known(world: World, node: Node, scheduler: Scheduler) -> None:
    scheduler.record.unreachable_tasks[TaskId("t")] = scheduler.record.tasks[TaskId("t")]


def allocator_forgot_agent(world: World, node: Node, scheduler: Scheduler) -> None:
    ledger(world).remove_agent(node.agent_id)


def allocator_forgot_framework(world: World, node: Node, scheduler: Scheduler) -> None:
    ledger(world).remove_framework(scheduler.framework_id)


def allocator_recovered_alone(world: World, node: Node, scheduler: Scheduler) -> None:
    (offer,) = scheduler.offers
    ledger(world).recover(
        scheduler.framework_id, node.agent_id, offer.resources, refuse_seconds=None, allocated=False, now=0.0
    )


def allocator_suppresses_alone(world: World, node: Node, scheduler: Scheduler) -> None:
    ledger(world).suppress(scheduler.framework_id, ())


def allocator_thinks_inactive(world: World, node: Node, scheduler: Scheduler) -> None:
    ledger(world).set_framework_active(scheduler.framework_id, False)


def task_of_nobody(world: World, node: Node, scheduler: Scheduler) -> None:
    node.record.tasks[FrameworkId("nobody")] = {}


@pytest.mark.parametrize(
    "break_it",
    [
        offer_twice,
        forget_task,
        forget_task_on_agent,
        free_too_much,
        use_less,
        keep_what_ended,
        lose_stream,
        swap_stream,
        stray_stream,
        offer_while_inactive,
        lose_link,
        stray_on_link,
        off_link,
        unknown_link,
        offer_only_in_the_whole,
        offer_that_never_ends,
        unreachable_and_here,
        completed_and_here,
        leaving_for_ever,
        stale_address,
        kill_nobody,
        doubt_nobody,
        dropped_role,
        suppress_a_stranger,
        unreachable_and_known,
        allocator_forgot_agent,
        allocator_forgot_framework,
        allocator_recovered_alone,
        allocator_suppresses_alone,
        allocator_thinks_inactive,
        task_of_nobody,
    ],
)
def test_a23_and_e60a_a_broken_memory_is_found(break_it: Break) -> None:
    world = World()
    node = world.agent()
    scheduler = world.framework(framework_info())
    running(world, node, scheduler)
    world.advance(7.0)
    assert len(scheduler.offers) == 1
    invariants.check(world.state)
    break_it(world, node, scheduler)
    with pytest.raises(InvariantBroken):
        invariants.check(world.state)
