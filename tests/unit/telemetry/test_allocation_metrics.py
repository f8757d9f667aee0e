"""What is told of the allocator, under Mesos' names (M-OB-05)."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from mesos_service.core.effects import MasterEffect, Note
from mesos_service.core.operator_messages import OperatorUpdateQuota
from mesos_service.domain.ids import Role
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import Quota
from mesos_service.telemetry.counters import Snapshot
from mesos_service.telemetry.master_metrics import MasterMetrics
from tests.unit.core.master.infos import framework_info, task_info
from tests.unit.core.master.told import only
from tests.unit.core.master.world import World

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


def test_m_ob_05_all_of_it_is_told_under_load_and_counts_what_is_so() -> None:
    """Two hundred agents, a hundred frameworks in twenty roles: some run tasks, some refuse, some hold their offers."""
    world, metrics = World(watch=Ticking()), MasterMetrics()
    agents, roles, per_role = 200, [f"r{number // 5}/t{number}" for number in range(20)], 5
    for _ in range(agents):
        world.agent("cpus:8;mem:8192")
    quotas = tuple(
        (Role(f"r{number}"), Quota(guarantees={"cpus": 1000}, limits={"cpus": 500_000, "mem": 500_000_000}))
        for number in range(4)
    )
    world.take(OperatorUpdateQuota(request=world.request(), quotas=quotas, force=True))
    frameworks = [world.framework(framework_info(f"f{n}", roles=(role,))) for role in roles for n in range(per_role)]
    heard(metrics, world.advance(3.0))
    running = dict.fromkeys(roles, 0)
    refused = dict.fromkeys(roles, 0)
    for number, scheduler in enumerate(frameworks):
        role = roles[number // per_role]
        for offer in list(scheduler.offers)[:2]:
            if number % 3 == 0:
                task = task_info(f"t{offer.offer_id}", offer.agent_id, Resources.scalars(cpus=2, mem=1024))
                scheduler.launch(offer, task, refuse_seconds=3600.0)
                running[role] += 1
                refused[role] += 1
            elif number % 3 == 1:
                scheduler.decline(offer, refuse_seconds=3600.0)
                refused[role] += 1
    heard(metrics, world.advance(5.0))
    assert sum(running.values()) > 50 and sum(refused.values()) > 100
    found = told(world, metrics)
    assert found["allocator/mesos/allocation_runs"] == found["allocator/mesos/allocation_run_ms/count"] > 5
    for timing in ("allocation_run_ms", "allocation_run_latency_ms"):
        for part in ("min", "max", "p50", "p90", "p95", "p99", "p999", "p9999"):
            assert f"allocator/mesos/{timing}/{part}" in found
    held = {
        name: sum(
            one.scalar(name)
            for agent in world.state.agents.values()
            for one in (*agent.used.values(), *(offer.resources for offer in agent.offers.values()))
        )
        for name in ("cpus", "mem")
    }
    for name, total in (("cpus", 8), ("mem", 8192)):
        assert found[f"allocator/mesos/resources/{name}/total"] == agents * total
        assert found[f"allocator/mesos/resources/{name}/offered_or_allocated"] == held[name] / 1000
    for number in range(4):
        quota = f"allocator/mesos/quota/roles/r{number}/resources"
        below = [role for role in roles if role.startswith(f"r{number}/")]
        assert found[f"{quota}/cpus/guarantee"] == 1.0
        assert found[f"{quota}/cpus/limit"] == 500.0 and found[f"{quota}/mem/limit"] == 500_000.0
        assert found[f"{quota}/cpus/consumed"] == 2.0 * sum(running[role] for role in below)
    for role in roles:
        assert found[f"allocator/mesos/offer_filters/roles/{role}/active"] == refused[role]
    shares = [found[f"allocator/mesos/roles/{role}/shares/dominant"] for role in roles]
    assert all(0.0 < share < 0.2 for share in shares)
    assert sum(shares) >= held["cpus"] / 1000 / (agents * 8) - 1e-9, "each role's largest part is no less than its cpus"
