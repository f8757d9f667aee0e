"""The strict-priority module: A30b, M-AL-04."""

from __future__ import annotations

from mesos_service.domain.ids import Role
from tests.unit.allocation.cluster import Cluster, Reasons

SMALL = "cpus:2;mem:1024"


def two_levels(**weights: float) -> Cluster:
    cluster = Cluster("strict_priority", weights=weights)
    cluster.framework("high", "production")
    cluster.framework("low", "batch")
    cluster.agents(6, SMALL)
    return cluster


def test_a30b_below_the_demand_above_it_a_level_gets_nothing() -> None:
    assert two_levels(production=2, batch=1).cycle() == {("high", "production"): (6, "cpus:12; mem:6144")}


def test_a30b_what_the_upper_level_declines_goes_to_the_lower_one() -> None:
    cluster = two_levels(production=2, batch=1)
    cluster.cycle()
    for grant in cluster.last[:2]:
        cluster.recover(grant, refuse=3600)
    assert cluster.cycle() == {("low", "batch"): (2, "cpus:4; mem:2048")}


def test_b36b_a30b_a_changed_priority_orders_the_next_cycle() -> None:
    cluster = two_levels(production=2, batch=1)
    cluster.cycle()
    cluster.decline("high", None)
    cluster.allocator.update_weights({Role("batch"): 3.0})
    assert cluster.cycle() == {("low", "batch"): (6, "cpus:12; mem:6144")}


def test_m_al_04_equal_priorities_share() -> None:
    assert two_levels().cycle() == {
        ("high", "production"): (3, "cpus:6; mem:3072"),
        ("low", "batch"): (3, "cpus:6; mem:3072"),
    }


def test_m_al_04_priorities_inside_a_role_come_second() -> None:
    cluster = Cluster("strict_priority", weights={"a": 2, "a/x": 5, "b": 1, "b/y": 100})
    cluster.framework("f1", "a/x")
    cluster.framework("f2", "a")
    cluster.framework("f3", "b/y")
    cluster.agents(3, SMALL)
    served = []
    for _ in range(3):
        served += cluster.order()
        cluster.decline(served[-1], None)
        cluster.suppress(served[-1])
    assert [served[0], served[3], served[6]] == ["f1", "f2", "f3"]


def test_m_al_04_a_limit_in_the_middle_of_a_level_loses_nobody() -> None:
    cluster = two_levels(production=2, batch=1)
    cluster.cycle(limit=4)
    first = len(cluster.last)
    cluster.suppress("high")
    cluster.cycle(full=False)
    assert [first, len(cluster.last)] == [4, 2]
    assert {grant.framework_id for grant in cluster.last} == {"low"}


def test_n01_the_lower_level_hears_that_it_was_anothers_turn() -> None:
    cluster = two_levels(production=2, batch=1)
    cluster.cycle()
    reasons = Reasons()
    cluster.cycle(observer=reasons)
    assert reasons.codes("low", "agent000") == ["nothing_free"]
