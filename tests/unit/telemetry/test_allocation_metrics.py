"""What is told of the allocator, under Mesos' names (M-OB-05)."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from mesos_service.core.effects import MasterEffect, Note
from mesos_service.core.operator_messages import OperatorUpdateQuota
from mesos_service.domain.ids import Role
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import Quota
from mesos_service.telemetry.metrics import MasterMetrics, Snapshot
from tests.unit.core.master.world import World, framework_info, only, task_info

SECONDS = 0.004


class Ticking:
    """A watch for which everything takes the same time."""

    limit_seconds = slow_seconds = 60.0

    def begin(self) -> None:
        return

    def end(self) -> float:
        return SECONDS


def heard(metrics: MasterMetrics, effects: Iterable[MasterEffect]) -> None:
    for note in only(effects, Note):
        metrics.note(note)


def told(world: World, metrics: MasterMetrics | None = None) -> Snapshot:
    return (metrics or MasterMetrics()).snapshot(world.state, world.now)


def test_m_ob_05_passes_are_counted_and_timed() -> None:
    world, metrics = World(watch=Ticking()), MasterMetrics()
    assert told(world, metrics)["allocator/mesos/allocation_runs"] == 0.0
    assert "allocator/mesos/allocation_run_ms" not in told(world, metrics), "nothing to tell of yet"
    world.framework()
    world.agent()
    heard(metrics, world.tick(0.25))
    for _ in range(3):
        heard(metrics, world.advance(1.0))
    found = told(world, metrics)
    runs = found["allocator/mesos/allocation_runs"]
    assert runs >= 4
    assert found["allocator/mesos/allocation_run_ms"] == pytest.approx(SECONDS * 1000)
    assert found["allocator/mesos/allocation_run_ms/count"] == runs
    for part in ("min", "max", "p50", "p90", "p95", "p99", "p999", "p9999"):
        assert found[f"allocator/mesos/allocation_run_ms/{part}"] == pytest.approx(SECONDS * 1000)
    assert found["allocator/mesos/allocation_run_latency_ms/max"] == pytest.approx(250.0), "the first one waited"
    assert found["allocator/mesos/allocation_run_latency_ms/min"] == 0.0


def test_m_ob_05_dominant_shares_are_those_of_whole_roles() -> None:
    world = World()
    world.agent("cpus:8;mem:8192")
    scheduler = world.framework(framework_info(roles=("a/b",)))
    world.tick()
    [offer] = scheduler.offers
    scheduler.launch(offer, task_info("t", offer.agent_id, Resources.scalars(cpus=2, mem=1024)), refuse_seconds=3600.0)
    found = told(world)
    assert found["allocator/mesos/roles/a/b/shares/dominant"] == 0.25, "2 of 8 cpus are more than 1 of 8 GB"
    assert found["allocator/mesos/quota/roles/a/resources/cpus/consumed"] == 2.0, "what is below it counts"
    assert found["allocator/mesos/resources/cpus/offered_or_allocated"] == 2.0


def test_m_ob_05_refusals_are_counted_by_role_until_they_end() -> None:
    world = World()
    for _ in range(3):
        world.agent()
    scheduler = world.framework(framework_info(roles=("a",)))
    world.tick()
    name = "allocator/mesos/offer_filters/roles/a/active"
    assert told(world)[name] == 0.0
    offers = scheduler.offers
    scheduler.decline(*offers[:2], refuse_seconds=60.0)
    world.tick()
    assert told(world)[name] == 2.0
    world.advance(61.0)
    assert told(world)[name] == 0.0


def test_m_ob_05_quota_is_told_as_it_is_set() -> None:
    world = World()
    world.agent("cpus:8;mem:8192")
    quota = Quota(guarantees={"cpus": 2000}, limits={"cpus": 4000})
    world.take(OperatorUpdateQuota(request=world.request(), quotas=((Role("a"), quota),)))
    found = told(world)
    assert found["allocator/mesos/quota/roles/a/resources/cpus/guarantee"] == 2.0
    assert found["allocator/mesos/quota/roles/a/resources/cpus/limit"] == 4.0
