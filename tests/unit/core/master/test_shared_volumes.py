"""Shared persistent volumes: used by tasks of several frameworks at once, and offered meanwhile (M-AL-11, X45)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mesos_service.core.allocation.ledger import Ledger
from mesos_service.core.scheduler_messages import LaunchGroupOperation, LaunchOperation
from mesos_service.domain.executors import ExecutorInfo, ExecutorType
from mesos_service.domain.frameworks import SHARED_RESOURCES
from mesos_service.domain.ids import ExecutorId
from mesos_service.domain.operations import Create, Destroy, GrowVolume, Reserve, ShrinkVolume
from mesos_service.domain.resource import Resource
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskInfo, TaskState
from tests.unit.core.master.infos import AWARE, framework_info, task_info
from tests.unit.core.master.resource_world import (
    applied,
    ask,
    capable_agent,
    operate,
    reserved,
    states,
    told,
    volumes,
)
from tests.unit.core.master.told import launched, replies
from tests.unit.core.master.world import Node, Scheduler, World

SMALL = Resources.scalars(cpus=1, mem=128)


def shared(megabytes: int = 40, path: str = "data") -> Resources:
    made = volumes(megabytes, path=path)
    return Resources.of(item._replace(key=item.key._replace(shared=True)) for item in made)


def capable(world: World, name: str, role: str = "role") -> Scheduler:
    return world.framework(framework_info(name, roles=(role,), capabilities=AWARE | {SHARED_RESOURCES}))


def begin() -> tuple[World, Node, Scheduler]:
    """A framework whose role has a shared volume of 40 MB on the one agent."""
    world = World()
    node = capable_agent(world)
    scheduler = capable(world, "one")
    world.settle()
    scheduler.accept(scheduler.offers, ask(Reserve(reserved("disk:100"))), ask(Create(shared())))
    world.settle()
    return world, node, scheduler


def user(name: str, node: Node, needs: Resources = SMALL, path: str = "data") -> TaskInfo:
    return task_info(name, node.agent_id, needs + shared(path=path))


def launch(scheduler: Scheduler, *infos: TaskInfo, refuse_seconds: float = 0.0) -> list[str]:
    effects = scheduler.accept(scheduler.offers, LaunchOperation(infos), refuse_seconds=refuse_seconds)
    return [info.task_id for info in launched(effects)]


def offered(scheduler: Scheduler) -> int:
    """In how many offers that it holds there is the volume."""
    return sum(offer.resources.unallocated().copies(_only(shared())) for offer in scheduler.offers)


def _only(resources: Resources) -> Resource:
    [item] = resources
    return item


def held_for_shares(world: World, scheduler: Scheduler) -> dict[str, int]:
    ledger = getattr(world.state.allocator.module, "ledger")  # noqa: B009 - the interface of allocators has none
    assert isinstance(ledger, Ledger)
    [client] = ledger.frameworks[scheduler.framework_id].clients.values()
    return {name: amount for name, amount in zip(ledger.scale.names(), client.amounts, strict=True) if amount}


def test_m_al_11_two_tasks_use_one_volume_and_it_is_offered_on() -> None:
    world, node, scheduler = begin()
    assert offered(scheduler) == 1
    assert launch(scheduler, user("a", node), user("b", node, path="elsewhere")) == ["a", "b"]
    assert node.record.used[scheduler.framework_id].unallocated().copies(_only(shared())) == 2
    world.advance(1.0)
    assert offered(scheduler) == 1, "in use, and offered again"
    assert launch(scheduler, user("c", node)) == ["c"]
    assert node.record.total.persistent_volumes() == shared()


def test_m_al_11_it_is_there_in_the_call_that_makes_it() -> None:
    world = World()
    node = capable_agent(world)
    scheduler = capable(world, "one")
    world.settle()
    effects = scheduler.accept(
        scheduler.offers,
        ask(Reserve(reserved("disk:100"))),
        ask(Create(shared())),
        LaunchOperation((user("a", node), user("b", node))),
    )
    assert [info.task_id for info in launched(effects)] == ["a", "b"]
    world.advance(1.0)
    assert offered(scheduler) == 1


def test_m_al_11_other_frameworks_of_the_role_use_it_too() -> None:
    world, node, scheduler = begin()
    launch(scheduler, user("a", node), refuse_seconds=1000.0)
    other = capable(world, "two")
    world.advance(1.0)
    assert offered(other) == 1
    assert launch(other, user("b", node)) == ["b"]
    assert {one: held.persistent_volumes().unallocated() for one, held in node.record.used.items()} == {
        scheduler.framework_id: shared(),
        other.framework_id: shared(),
    }


@pytest.mark.parametrize(("role", "capabilities"), [("role", AWARE), ("stranger", AWARE | {SHARED_RESOURCES})])
def test_m_al_11_it_is_offered_to_nobody_else(role: str, capabilities: frozenset[str]) -> None:
    """Neither to a framework that does not know of shared resources, nor to one of another role."""
    world, node, scheduler = begin()
    launch(scheduler, user("a", node), refuse_seconds=1000.0)
    other = world.framework(framework_info("other", roles=(role,), capabilities=capabilities))
    world.advance(1.0)
    assert other.offers and offered(other) == 0
    assert launch(other, user("b", node)) == []


def test_x45_while_one_is_offered_it_nobody_else_is() -> None:
    world, _, scheduler = begin()
    other = capable(world, "two")
    world.advance(3.0)
    assert (offered(scheduler), offered(other)) == (1, 0)


def test_x45_it_counts_once_for_the_share_of_whoever_holds_it() -> None:
    world, node, scheduler = begin()
    base = held_for_shares(world, scheduler)["disk"]
    launch(scheduler, user("a", node), user("b", node), refuse_seconds=1000.0)
    assert held_for_shares(world, scheduler) == {"cpus": 2000, "mem": 256000, "disk": 40000}
    scheduler.revive()
    world.advance(1.0)
    assert offered(scheduler) == 1
    assert held_for_shares(world, scheduler)["disk"] == base, "in use and offered"
    node.update(scheduler, node.status("a", TaskState.FINISHED))
    assert held_for_shares(world, scheduler)["disk"] == base
    node.update(scheduler, node.status("b", TaskState.FINISHED))
    scheduler.decline(*scheduler.offers, refuse_seconds=1000.0)
    assert held_for_shares(world, scheduler) == {}


def test_m_al_11_what_is_in_use_is_not_destroyed() -> None:
    world, node, scheduler = begin()
    launch(scheduler, user("a", node))
    world.advance(1.0)
    effects = scheduler.accept(scheduler.offers, ask(Destroy(shared()), "early"))
    [(_, state, message)] = told(scheduler, effects)
    assert (state, message) == ("OPERATION_ERROR", "Operation 'early' (DESTROY) is invalid: Persistent volumes in use")
    [answer] = replies(operate(world, node, Destroy(shared())))
    assert answer[0] == 400 and "Persistent volumes in use" in answer[1]
    node.update(scheduler, node.status("a", TaskState.FINISHED))
    world.advance(1.0)
    effects = scheduler.accept(scheduler.offers, ask(Destroy(shared()), "late"))
    assert [type(one.operation) for one in applied(effects)] == [Destroy]
    assert not node.record.total.persistent_volumes()


def test_m_al_11_what_is_launched_in_the_same_call_is_not_destroyed() -> None:
    _, node, scheduler = begin()
    effects = scheduler.accept(scheduler.offers, LaunchOperation((user("a", node),)), ask(Destroy(shared()), "behind"))
    assert states(scheduler, effects) == [("behind", "OPERATION_ERROR")]
    assert [info.task_id for info in launched(effects)] == ["a"] and applied(effects) == []


def test_m_al_11_what_is_destroyed_in_the_same_call_is_not_launched_on() -> None:
    _, node, scheduler = begin()
    effects = scheduler.accept(scheduler.offers, ask(Destroy(shared())), LaunchOperation((user("a", node),)))
    assert launched(effects) == [] and len(applied(effects)) == 1


def test_m_al_11_an_operator_takes_the_offer_back_to_destroy_it() -> None:
    world, node, scheduler = begin()
    [offer] = [one for one in scheduler.offers if one.resources.has_shared]
    assert replies(operate(world, node, Destroy(shared()))) == [(202, "")]
    assert offer.offer_id not in world.state.offers
    assert not node.record.total.persistent_volumes()


@pytest.mark.parametrize("operation", [GrowVolume, ShrinkVolume])
def test_m_op_05_its_size_stays(operation: type[GrowVolume] | type[ShrinkVolume]) -> None:
    _, _, scheduler = begin()
    volume = _only(shared())
    asked = GrowVolume(volume, _only(reserved("disk:10"))) if operation is GrowVolume else ShrinkVolume(volume, 1000)
    effects = scheduler.accept(scheduler.offers, ask(asked, "x"))
    [(_, state, message)] = told(scheduler, effects)
    assert state == "OPERATION_ERROR" and "a shared persistent volume is not supported" in message


def test_m_al_11_a_group_shares_it_and_an_executor_does_not() -> None:
    world, node, scheduler = begin()
    plain = ExecutorInfo(executor_id=ExecutorId("e"), type=ExecutorType.DEFAULT, resources=SMALL)
    greedy = ExecutorInfo(executor_id=ExecutorId("f"), type=ExecutorType.DEFAULT, resources=SMALL + shared())
    tasks = (user("a", node), user("b", node))
    scheduler.accept(scheduler.offers, LaunchGroupOperation(greedy, tasks), refuse_seconds=0.0)
    assert not node.record.used
    world.advance(1.0)
    scheduler.accept(scheduler.offers, LaunchGroupOperation(plain, tasks))
    assert node.record.used[scheduler.framework_id].unallocated().copies(_only(shared())) == 2


def test_m_al_11_one_task_names_it_once() -> None:
    _, node, scheduler = begin()
    assert launch(scheduler, task_info("a", node.agent_id, SMALL + shared() + shared())) == []


def test_m_al_11_who_does_not_know_of_them_makes_none() -> None:
    world = World()
    capable_agent(world)
    scheduler = world.framework(framework_info(roles=("role",)))
    world.settle()
    effects = scheduler.accept(scheduler.offers, ask(Reserve(reserved("disk:100"))), ask(Create(shared()), "x"))
    [(_, state, message)] = told(scheduler, effects)
    assert state == "OPERATION_ERROR" and message.endswith("with no SHARED_RESOURCES capability")


def test_m_al_11_users_that_come_back_with_their_agent_share_it_still() -> None:
    """Its books are made anew of what the agent says, the volume and its users."""
    world, node, scheduler = begin()
    launch(scheduler, user("a", node), user("b", node), refuse_seconds=0.0)
    node.info = replace(node.info, resources=node.record.total)
    tasks = [node.report(scheduler, task.info) for task in scheduler.record.tasks.values()]
    node.lose_link()
    node.come_back(*tasks, frameworks=[scheduler.record.info])
    world.advance(2.0)
    assert node.record.used[scheduler.framework_id].unallocated().copies(_only(shared())) == 2
    assert offered(scheduler) == 1
