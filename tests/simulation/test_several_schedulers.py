"""Schedulers that stand by, hang, wake and come back, while masters fail: one acts at a time (A44, N11)."""

from __future__ import annotations

import pytest

from mesos_service.core.effects import Reply, SendScheduler
from mesos_service.core.events import Promoted
from mesos_service.core.master import standbys, subscription
from mesos_service.core.master.state import Framework
from mesos_service.core.master.turn import Turn
from mesos_service.core.registry.operations import RecordFramework, apply
from mesos_service.core.scheduler_messages import Accept, Revive, SchedulerCall
from mesos_service.domain.errors import InvariantBroken
from mesos_service.domain.frameworks import FrameworkInfo
from mesos_service.domain.ids import FrameworkId, StreamId
from mesos_service.plugins.loader import ALLOCATORS, load
from mesos_service.simulator.cluster import Cluster, HistoryFailed, Plan
from mesos_service.simulator.masters import MasterNode
from tests.support.histories import longer

STORMY = Plan(seconds=25.0, fault_every_seconds=0.4, schedulers=3)
SEEDS = range(1, 7)
MINE = FrameworkId("mine")


def cluster(seed: int, plan: Plan = STORMY) -> Cluster:
    return Cluster(seed, load(ALLOCATORS, "hierarchical_drf"), plan)


@pytest.mark.parametrize("seed", SEEDS)
def test_a44_n11_one_of_several_acts_whatever_fails(seed: int) -> None:
    outcome = cluster(seed).run()
    assert outcome.notes["framework.promoted"] >= 1


def test_a44_the_histories_go_where_schedulers_have_trouble() -> None:
    notes: dict[str, int] = {}
    for seed in range(20, 26):
        for fact, count in cluster(seed).run().notes.items():
            notes[fact] = notes.get(fact, 0) + count
    assert {"framework.deposed", "standby.left", "framework.resubscribed"} <= notes.keys(), notes
    assert notes["framework.promoted"] > 6, "the histories are too tame"


@pytest.mark.long
@pytest.mark.parametrize("seed", longer(4000, 100))
def test_a_hundred_histories_of_several_schedulers(seed: int) -> None:
    cluster(seed, Plan(seconds=60.0, fault_every_seconds=1.0, schedulers=4)).run()


@pytest.mark.parametrize("seed", SEEDS)
def test_a44_and_n11_the_next_is_promoted_within_a_second_and_the_one_that_hung_comes_too_late(seed: int) -> None:
    """In virtual time: the wire's latency, one write to the registry, and for one that hangs its lease."""
    world = cluster(seed, Plan(seconds=6.0, fault_every_seconds=0, schedulers=3))
    world.clock.after(0.1, lambda: world.agents[0].connect(world.masters))
    for scheduler in world.several:
        world.clock.after(0.1, scheduler.subscribe)
    world.clock.run(5.0)
    (first,) = [one for one in world.several if one.acts]
    first.cut()
    world.clock.run(1.0)
    (second,) = [one for one in world.several if one.acts]
    assert second is not first
    second.freeze(4.0)
    world.clock.run(1.5 + 1.0)
    (third,) = [one for one in world.several if one.acts and one is not second]
    assert (first.token or 0) < (second.token or 0) < (third.token or 0)
    assert world.promises.fenced_off == 0
    world.clock.run(5.0)
    assert world.promises.fenced_off > 0, "it did not call before it read that it was deposed"
    assert [one for one in world.several if one.acts] == [third]


# -- the promises can be broken ------------------------------------------------------------------------------


def run_until_broken(said: str) -> None:
    """One of a few histories breaks the promise."""
    for seed in range(20, 32):
        try:
            cluster(seed).run()
        except HistoryFailed as failure:
            assert said in str(failure), failure
            return
    raise AssertionError(f"no history found that {said}")


def test_n11_a_master_that_takes_calls_of_one_that_was_succeeded_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = subscription.admit

    def lax(turn: Turn, call: SchedulerCall) -> Framework | None:
        framework = turn.state.frameworks.get(call.framework_id)
        if framework is not None and framework.connected and StreamId(call.stream_id or "") in framework.deposed:
            return framework
        return honest(turn, call)

    monkeypatch.setattr(subscription, "admit", lax)
    run_until_broken("took a call with token")


def test_n11_a_master_that_promotes_two_with_one_token_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = standbys.on_promotion_stored

    def forgetful(turn: Turn, number: int, stored: standbys.Promotion) -> None:
        honest(turn, number, stored)
        turn.state.frameworks[stored.framework_id].generation -= 1

    monkeypatch.setattr(standbys, "on_promotion_stored", forgetful)
    run_until_broken("token")


def leader(world: Cluster) -> MasterNode:
    assert world.masters.leader is not None
    return world.masters.leader


def test_x16_a_token_that_is_told_before_it_is_stored_is_found() -> None:
    world = cluster(1)
    master = leader(world)
    told = SendScheduler(StreamId("stream"), Promoted(MINE, 2))
    call = Revive(request=1, framework_id=MINE, stream_id="stream")
    with pytest.raises(InvariantBroken, match="token 2, and that is not stored"):
        world.promises.stepped(master, call, [told])
    info = FrameworkInfo(name="mine", user="root", framework_id=MINE)
    world.masters.store.registry = apply(world.masters.store.registry, [RecordFramework(MINE, info, 3)])
    world.promises.stepped(master, call, [told, Reply(1, 202)])
    world.promises.stepped(master, call, [SendScheduler(StreamId("other"), Promoted(MINE, 3))])
    late = Accept(request=2, framework_id=MINE, stream_id="stream", offer_ids=())
    with pytest.raises(InvariantBroken, match="took a call with token 2, and 3 was told before"):
        world.promises.stepped(master, late, [Reply(2, 202)])
