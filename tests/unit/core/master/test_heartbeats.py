"""Heartbeats on a clock of our own (X63): after SUBSCRIBED, at every interval, and to nobody who has left."""

from __future__ import annotations

import pytest

from mesos_service.core.effects import MasterEffect, SendScheduler
from mesos_service.core.events import Heartbeat, Subscribed
from mesos_service.core.master.state import MasterOptions
from tests.unit.core.master.infos import framework_info
from tests.unit.core.master.told import only
from tests.unit.core.master.world import Scheduler, World


def beats(world: World, scheduler: Scheduler, seconds: float, step: float = 0.5) -> list[float]:
    """When this stream has a heartbeat within the next ``seconds``, to within ``step``, counted from now."""
    begin, found = world.now, []
    while world.now < begin + seconds:
        found += [world.now - begin for _ in scheduler.hears(world.advance(step), Heartbeat)]
    return found


@pytest.mark.parametrize("interval", [15.0, 2.0])
def test_x63_heartbeats_start_after_subscribed_and_come_at_every_interval(interval: float) -> None:
    world = World(options=MasterOptions(heartbeat_interval_seconds=interval))
    scheduler = Scheduler(world, framework_info())
    events = scheduler.events(scheduler.subscribe())
    assert events == [Subscribed(scheduler.framework_id, interval), Heartbeat()], "SUBSCRIBED is the first of all"
    assert beats(world, scheduler, 20 * interval) == [number * interval for number in range(1, 21)]


def test_x63_each_stream_has_its_own_rhythm() -> None:
    world = World()
    first = world.framework(framework_info("first"))
    world.advance(5.0)
    second = world.framework(framework_info("second"))
    begin, told = world.now, []
    while world.now < begin + 45.0:
        effects = world.advance(0.5)
        told += [(world.now - begin, one.info.name) for one in (first, second) for _ in one.hears(effects, Heartbeat)]
    assert told == [(10, "first"), (15, "second"), (25, "first"), (30, "second"), (40, "first"), (45, "second")]


def test_x63_other_events_move_no_heartbeat() -> None:
    world = World()
    scheduler = world.framework()
    world.agent()
    world.advance(7.0)
    scheduler.decline(*scheduler.offers, refuse_seconds=0.0)
    assert beats(world, scheduler, 40.0) == [8.0, 23.0, 38.0]


def test_x63_a_reader_who_left_hears_nothing_and_one_who_comes_back_begins_anew() -> None:
    world = World()
    scheduler = world.framework()
    left = scheduler.stream_id
    world.advance(10.0)
    scheduler.disconnect()
    effects: list[MasterEffect] = world.advance(50.0)
    assert [effect for effect in only(effects, SendScheduler) if effect.stream_id == left] == []
    again = scheduler.events(scheduler.subscribe_again())
    assert again == [Subscribed(scheduler.framework_id, 15.0), Heartbeat()]
    assert beats(world, scheduler, 30.0) == [15.0, 30.0]
