"""Frameworks in the registry: stored before they are told, and known to the next master (X16, X18)."""

from __future__ import annotations

import pytest

from mesos_service.core.effects import CloseStream, OpenStream, Persist
from mesos_service.core.events import Error, Subscribed
from mesos_service.core.link import ShutdownFramework
from mesos_service.core.master import teardown
from mesos_service.core.master.state import MasterOptions
from mesos_service.core.operator_messages import OperatorTeardown
from mesos_service.core.registry.operations import RecordFramework, RemoveFramework
from mesos_service.core.registry.registry import RegisteredFramework
from mesos_service.domain.frameworks import FrameworkInfo
from mesos_service.domain.ids import FrameworkId
from tests.unit.core.master.infos import framework_info
from tests.unit.core.master.told import downlinks, facts, only, replies
from tests.unit.core.master.world import Scheduler, World, running

MINE = FrameworkId("mine")


def slow(world: World) -> World:
    """From here on nothing is stored before ``world.store()``."""
    world.stores = False
    return world


def asked(effects: list[object]) -> list[object]:
    return [one.operation for one in only(effects, Persist)]


# -- stored first --------------------------------------------------------------------------------------------


def test_x16_a_new_framework_is_stored_before_it_hears_that_it_is_subscribed() -> None:
    world = slow(World())
    scheduler = Scheduler(world, framework_info())
    effects = scheduler.subscribe()
    (operation,) = asked([*effects])
    assert isinstance(operation, RecordFramework)
    assert (operation.framework_id, operation.generation) == ("master-0000", 1)
    assert only(effects, OpenStream) == []
    assert world.state.frameworks == {}
    stored = world.store()
    assert scheduler.hears(stored, Subscribed)[0].framework_id == "master-0000"
    assert world.registry.frameworks == {"master-0000": RegisteredFramework(scheduler.record.info, 1)}


def test_x16_coming_back_with_nothing_new_waits_for_nothing() -> None:
    world = World()
    scheduler = world.framework()
    scheduler.disconnect()
    slow(world)
    effects = scheduler.subscribe_again()
    assert asked([*effects]) == []
    assert scheduler.hears(effects, Subscribed) != []


def test_x16_coming_back_with_something_new_waits_and_the_old_stream_lasts_until_then() -> None:
    world = World()
    scheduler = world.framework()
    old = Scheduler(world, scheduler.info)
    old.framework_id, old.stream_id = scheduler.framework_id, scheduler.stream_id
    slow(world)
    assert old.events(scheduler.subscribe_again(framework_info("renamed"))) == []
    assert replies(old.revive()) == [(202, "")]
    effects = world.store()
    assert old.events(effects) == [Error("Framework failed over")]
    assert scheduler.record.info.name == world.registry.frameworks[scheduler.framework_id].info.name == "renamed"


def test_two_hundred_that_come_at_once_are_stored_together() -> None:
    """All are asked for before the first is durable, so that a registrar can store them in one transaction."""
    world = slow(World())
    schedulers = [Scheduler(world, framework_info(f"f{number}")) for number in range(200)]
    for scheduler in schedulers:
        scheduler.subscribe()
    assert len(world.state.persisting) == 200
    for scheduler in schedulers:
        assert scheduler.hears(world.store(), Subscribed) != []
    assert len({scheduler.framework_id for scheduler in schedulers}) == 200


def test_x18b_of_two_that_wait_with_one_id_the_second_replaces_the_first() -> None:
    world = slow(World())
    first, second = (Scheduler(world, framework_info(name, framework_id=MINE)) for name in ("first", "second"))
    first.subscribe()
    second.subscribe()
    assert first.hears(world.store(), Subscribed) != []
    effects = world.store()
    assert first.events(effects) == [Error("Framework failed over")]
    assert second.hears(effects, Subscribed) != []
    assert world.registry.frameworks[MINE].info.name == "second"


def test_x18e_the_one_that_waits_keeps_its_principal_user_and_checkpoint_against_the_next() -> None:
    world = slow(World())
    Scheduler(world, framework_info(framework_id=MINE, principal="owner", user="alice")).subscribe()
    thief = Scheduler(world, framework_info(framework_id=MINE, principal="thief"))
    assert thief.errors(thief.subscribe()) == ["Updating 'FrameworkInfo.principal' is unsupported"]
    heir = Scheduler(world, framework_info(framework_id=MINE, principal="owner", user="bob", checkpoint=False))
    heir.subscribe()
    world.store(), world.store()
    info = world.registry.frameworks[MINE].info
    assert (info.user, info.checkpoint) == ("alice", True)


def test_ids_of_those_that_wait_are_not_given_again() -> None:
    world = slow(World())
    Scheduler(world, framework_info(framework_id=FrameworkId("master-0000"))).subscribe()
    other = Scheduler(world, framework_info())
    other.subscribe()
    world.store(), world.store()
    assert other.framework_id == "master-0001"


def test_x18c_its_time_does_not_run_out_while_its_return_is_being_stored() -> None:
    world = World()
    scheduler = world.framework(framework_info(failover_timeout=10.0))
    scheduler.disconnect()
    slow(world)
    world.advance(9.0)
    scheduler.subscribe_again(framework_info("renamed"))
    world.advance(60.0)
    world.store()
    assert scheduler.record.connected
    world.advance(60.0)
    assert scheduler.record.connected


def test_x18h_an_update_is_answered_and_takes_effect_when_it_is_stored() -> None:
    world = World()
    scheduler = world.framework()
    slow(world)
    assert replies(scheduler.update(framework_info("renamed"))) == []
    assert scheduler.record.info.name == "test"
    assert replies(world.store()) == [(200, "")]
    assert scheduler.record.info.name == world.registry.frameworks[scheduler.framework_id].info.name == "renamed"
    assert replies(scheduler.update(scheduler.record.info, suppressed=("role",))) == [(200, "")]


def test_what_is_asked_for_in_a_row_takes_effect_in_that_order() -> None:
    world = World()
    scheduler = world.framework()
    slow(world)
    scheduler.update(framework_info("second"))
    scheduler.update(framework_info("third"))
    scheduler.update(framework_info("second"))
    names = []
    for _ in range(3):
        world.store()
        names.append(scheduler.record.info.name)
    assert names == ["second", "third", "second"]
    assert world.registry.frameworks[scheduler.framework_id].info.name == "second"


# -- removed first -------------------------------------------------------------------------------------------


def test_x16_a_teardown_is_stored_before_anybody_hears_of_it() -> None:
    world = World()
    node, scheduler = world.agent(), world.framework()
    running(world, node, scheduler)
    slow(world)
    effects = scheduler.tear_down()
    assert asked([*effects]) == [RemoveFramework(scheduler.framework_id, world.now)]
    assert (replies(effects), only(effects, CloseStream), downlinks(effects, ShutdownFramework)) == ([], [], [])
    assert replies(scheduler.revive()) == [(403, "Framework is being removed")]
    again = Scheduler(world, framework_info(framework_id=scheduler.framework_id))
    assert again.errors(again.subscribe()) == ["Framework has been removed"]
    effects = world.store()
    assert replies(effects) == [(202, "")]
    assert only(effects, CloseStream) == [CloseStream(scheduler.stream_id)]
    assert downlinks(effects, ShutdownFramework) == [ShutdownFramework(scheduler.framework_id)]
    assert world.registry.frameworks == {}
    assert list(world.registry.removed_frameworks) == [scheduler.framework_id]


def test_a_framework_that_is_on_its_way_out_is_offered_nothing() -> None:
    world = World()
    world.agent()
    scheduler = world.framework()
    world.settle()
    slow(world)
    assert "offer.discarded" in facts(scheduler.tear_down())
    assert scheduler.offered(world.advance(10.0)) == []


def test_a_subscription_that_crosses_a_teardown_is_turned_away() -> None:
    world = World()
    scheduler = world.framework()
    slow(world)
    heir = Scheduler(world, framework_info("heir", framework_id=scheduler.framework_id))
    heir.subscribe()
    scheduler.tear_down()
    assert heir.errors(world.store()) == ["Framework has been removed"]
    world.store()
    assert world.state.frameworks == {}


def test_m_om_14_everybody_who_ends_a_framework_is_answered() -> None:
    world = World()
    scheduler = world.framework()
    slow(world)
    scheduler.tear_down()
    for _ in range(2):
        world.take(OperatorTeardown(request=world.request(), framework_id=scheduler.framework_id))
    assert [replies(world.store()) for _ in range(3)] == [[(202, "")], [(200, "")], [(200, "")]]
    assert list(world.state.removed_frameworks) == [scheduler.framework_id]


def test_the_ids_of_removed_frameworks_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teardown, "FORGOTTEN_AT_ONCE", 2)
    world = World(options=MasterOptions(removed_frameworks_max=3))
    ids = []
    for _ in range(6):
        scheduler = world.framework()
        ids.append(scheduler.framework_id)
        scheduler.tear_down()
    assert list(world.state.removed_frameworks) == list(world.registry.removed_frameworks) == ids[2:]


# -- the next master -----------------------------------------------------------------------------------------


def test_m_ha_10_x18d_a_framework_s_time_to_come_back_is_kept_over_a_failover_of_the_master() -> None:
    world = World(options=MasterOptions(agent_reregister_timeout_seconds=60.0))
    scheduler = world.framework(framework_info(failover_timeout=500.0))
    successor = world.fail_over()
    record = successor.state.frameworks[scheduler.framework_id]
    assert (record.connected, record.recovered, record.info) == (False, True, scheduler.record.info)
    successor.advance(499.0)
    assert scheduler.framework_id in successor.state.frameworks
    successor.advance(2.0)
    assert scheduler.framework_id in successor.state.completed_frameworks


def test_x18d_one_without_a_timeout_has_as_long_as_agents_have() -> None:
    world = World(options=MasterOptions(agent_reregister_timeout_seconds=60.0))
    scheduler = world.framework(framework_info(failover_timeout=0.0))
    successor = world.fail_over()
    successor.advance(59.0)
    assert scheduler.framework_id in successor.state.frameworks
    successor.advance(2.0)
    assert successor.state.frameworks == {}


def test_x18d_an_agent_that_comes_back_with_tasks_of_one_that_never_does_is_told_to_end_them() -> None:
    world = World(options=MasterOptions(agent_reregister_timeout_seconds=60.0))
    node, scheduler = world.agent(), world.framework(framework_info(failover_timeout=0.0))
    task = running(world, node, scheduler)
    successor = world.fail_over()
    successor.advance(61.0)
    node.world = successor
    effects = node.come_back(node.report(scheduler, task), frameworks=[info_of(scheduler)])
    assert downlinks(effects, ShutdownFramework) == [ShutdownFramework(scheduler.framework_id)]


def info_of(scheduler: Scheduler) -> FrameworkInfo:
    info = scheduler.world.registry.frameworks[scheduler.framework_id].info
    assert isinstance(info, FrameworkInfo)
    return info


def test_a42_a_scheduler_that_comes_back_to_a_new_master_waits_for_nothing_and_has_its_tasks() -> None:
    world = World()
    node, scheduler = world.agent(), world.framework()
    task = running(world, node, scheduler)
    known = info_of(scheduler)
    successor = world.fail_over()
    node.world = scheduler.world = successor
    node.come_back(node.report(scheduler, task), frameworks=[known])
    successor.stores = False
    effects = scheduler.subscribe_again()
    assert "framework.resubscribed" in facts(effects)
    assert asked([*effects]) == []
    assert list(scheduler.record.tasks) == ["t"]


def test_x18f_the_id_of_a_framework_that_ended_is_spent_at_every_master() -> None:
    world = World()
    scheduler = world.framework()
    scheduler.tear_down()
    successor = world.fail_over().fail_over("third")
    again = Scheduler(successor, framework_info(framework_id=scheduler.framework_id))
    assert again.errors(again.subscribe()) == ["Framework has been removed"]


def test_x20_one_that_only_agents_know_is_stored_when_it_comes_back() -> None:
    world = World()
    node = world.agent()
    known = framework_info("lost", framework_id=MINE)
    node.come_back(frameworks=[known])
    assert world.state.frameworks[MINE].generation == 0
    scheduler = Scheduler(world, known)
    assert asked([*scheduler.subscribe()]) == [RecordFramework(MINE, known, 1)]
    assert scheduler.record.generation == 1
