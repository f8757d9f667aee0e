"""Frameworks that say that their tasks are short are taken at their word, and held to it (A54)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mesos_service.core.effects import MasterEffect
from mesos_service.core.link import RunTaskGroup
from mesos_service.core.master.state import MasterOptions
from mesos_service.core.scheduler_messages import LaunchGroupOperation
from mesos_service.domain.executors import ExecutorInfo, ExecutorType
from mesos_service.domain.frameworks import FrameworkInfo
from mesos_service.domain.ids import ExecutorId, Role
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskInfo, TaskState
from mesos_service.plugins.allocator import AllocatorOptions
from mesos_service.plugins.loader import ALLOCATORS, load
from tests.unit.core.master.infos import custom, framework_info, task_info
from tests.unit.core.master.told import downlinks, fact, launched, replies
from tests.unit.core.master.world import Scheduler, World

SECONDS = 300.0
ONE = Resources.scalars(cpus=1, mem=64)


def sliced() -> World:
    allocator = load(ALLOCATORS, "hierarchical_drf")(AllocatorOptions(short_slice=0.25))
    return World(allocator, MasterOptions(short_task_seconds_max=SECONDS))


def short_info(name: str = "short") -> FrameworkInfo:
    return replace(framework_info(name, roles=["s"]), short_tasks=frozenset({Role("s")}))


def lasting(info: TaskInfo, seconds: float | None) -> TaskInfo:
    return replace(info, max_completion_seconds=seconds)


def test_a54_a_short_task_runs_and_one_that_is_not_alone_fails() -> None:
    world = sliced()
    node = world.agent(Resources.scalars(cpus=8, mem=4096))
    scheduler = world.framework(short_info())
    world.settle()
    (offer,) = scheduler.offers
    named = task_info("named", node.agent_id, ONE)
    effects = scheduler.launch(
        offer,
        lasting(named, SECONDS),
        task_info("unbounded", node.agent_id, ONE),
        lasting(task_info("too-long", node.agent_id, ONE), SECONDS + 0.001),
        lasting(task_info("own-executor", node.agent_id, ONE, custom()), 1.0),
    )
    assert [task.task_id for task in launched(effects)] == ["named"]
    assert [(name, state) for name, state, _ in scheduler.told(effects)] == [
        ("unbounded", TaskState.ERROR),
        ("too-long", TaskState.ERROR),
        ("own-executor", TaskState.ERROR),
    ]
    said = [status.message for status in scheduler.statuses(effects)]
    assert said[0] == "Short tasks (role 's') need a 'max_completion_time' of 300 seconds at most"


@pytest.mark.parametrize(("seconds", "runs"), [(10.0, True), (None, False)])
def test_a54_a_group_is_short_when_all_of_it_is(seconds: float | None, runs: bool) -> None:
    world = sliced()
    node = world.agent(Resources.scalars(cpus=8, mem=4096))
    scheduler = world.framework(short_info())
    world.settle()
    (offer,) = scheduler.offers
    pod = ExecutorInfo(executor_id=ExecutorId("pod"), type=ExecutorType.DEFAULT, resources=ONE)
    tasks = [lasting(task_info("a", node.agent_id, ONE), 5.0), lasting(task_info("b", node.agent_id, ONE), seconds)]
    effects = scheduler.accept([offer], LaunchGroupOperation(pod, tuple(tasks)))
    assert bool(downlinks(effects, RunTaskGroup)) is runs
    assert len(scheduler.told(effects)) == (0 if runs else 2)


def test_a54_others_are_not_asked_and_get_none_of_it() -> None:
    world = sliced()
    node = world.agent(Resources.scalars(cpus=8, mem=4096))
    plain = world.framework(framework_info("plain"))
    world.settle()
    (offer,) = plain.offers
    assert offer.resources.quantities() == {"cpus": 6000, "mem": 3_072_000}
    assert launched(plain.launch(offer, task_info("t", node.agent_id, ONE)))


def test_a54_who_takes_it_back_loses_what_was_offered_for_it() -> None:
    world = sliced()
    world.agent(Resources.scalars(cpus=8, mem=4096))
    scheduler = world.framework(short_info())
    world.settle()
    (offer,) = scheduler.offers
    info = replace(short_info(), framework_id=scheduler.framework_id, short_tasks=frozenset())
    effects = scheduler.update(info) + world.settle()
    assert scheduler.rescinded(effects) == [offer.offer_id]
    (smaller,) = scheduler.offers
    assert smaller.resources.quantities()["cpus"] == 6000


def test_a54_without_a_slice_nobody_is_held_to_anything() -> None:
    world = World()
    node = world.agent(Resources.scalars(cpus=8, mem=4096))
    scheduler = world.framework(short_info())
    world.settle()
    assert launched(scheduler.launch(scheduler.offers[0], task_info("t", node.agent_id, ONE)))


def test_a54_only_roles_of_its_own_can_be_named() -> None:
    world = sliced()
    scheduler = Scheduler(world, replace(short_info(), short_tasks=frozenset({Role("other")})))
    effects = scheduler.subscribe()
    refusal = "Filters name role 'other', which is not among the framework's"
    assert fact(effects, "framework.refused").attributes["reason"] == refusal


@pytest.mark.parametrize("by", ["UPDATE_FRAMEWORK", "SUBSCRIBE"])
def test_a54_who_has_long_tasks_cannot_say_that_all_of_them_are_short(by: str) -> None:
    world = sliced()
    node = world.agent(Resources.scalars(cpus=8, mem=4096))
    scheduler = world.framework(framework_info("short", roles=["s"]))
    world.settle()
    scheduler.launch(scheduler.offers[0], task_info("t", node.agent_id, ONE))
    info = replace(short_info(), framework_id=scheduler.framework_id)
    refusal = "Role 's' has tasks that are not short, such as 't'"

    def declare() -> list[MasterEffect]:
        if by == "UPDATE_FRAMEWORK":
            return scheduler.update(info)
        scheduler.info = info
        return scheduler.subscribe()

    effects = declare()
    said = [text for _, text in replies(effects)] + scheduler.errors(effects)
    assert any(refusal in text for text in said) or fact(effects, "framework.refused").attributes["reason"] == refusal
    assert not scheduler.record.info.short_tasks
    node.update(scheduler, node.status("t", TaskState.FINISHED))
    declare()
    assert scheduler.record.info.short_tasks == {"s"}
