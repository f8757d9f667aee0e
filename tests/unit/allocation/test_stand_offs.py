"""X29: what everybody who may have it refuses is offered anew, where the operator wants it."""

from __future__ import annotations

import pytest

from mesos_service.core.allocation.filters import ROW_AFTER, Refusal, RefusalFilters
from tests.contract.small_clusters import only
from tests.unit.allocation.cluster import Cluster

SMALL = "cpus:2;mem:1024"
HOUR = 3600.0


def refused_by(*frameworks: str, lifts: bool = True, agents: int = 1) -> Cluster:
    """Each of them alone in its role, and has declined all agents for an hour."""
    cluster = Cluster(lift_unanimous_refusals=lifts)
    for name in frameworks:
        cluster.framework(name, f"role-{name}")
    cluster.agents(agents, SMALL)
    for _ in frameworks:
        cluster.cycle("agent000") if agents == 1 else cluster.cycle()
        for name in frameworks:
            cluster.decline(name, HOUR)
    return cluster


def test_x29_what_everybody_refuses_is_offered_anew() -> None:
    cluster = refused_by("f", "g")
    assert cluster.cycle("agent000") == {}, "only a full pass ends a stand-off, so that nobody is asked without end"
    assert set(cluster.cycle()) == {("f", "role-f")}
    assert len(cluster.ledger.filters) == 0
    cluster.decline("f", HOUR)
    assert set(cluster.cycle()) == {("g", "role-g")}, "one after the other is asked again"


def test_x29_by_default_refusals_stand_whoever_else_refuses() -> None:
    cluster = refused_by("f", "g", lifts=False)
    assert cluster.cycle() == cluster.cycle() == {}
    assert len(cluster.ledger.filters) == 2


def test_x29_one_who_has_not_refused_is_offered_it_and_the_others_are_not() -> None:
    cluster = refused_by("f", "g")
    cluster.framework("h", "role-h", suppressed=["role-h"])
    cluster.revive("h")
    assert set(cluster.cycle()) == {("h", "role-h")}
    assert len(cluster.ledger.filters) == 2
    cluster.decline("h", HOUR)
    assert set(cluster.cycle()) == {("f", "role-f")}


def test_x29_whoever_wants_no_offers_or_may_have_nothing_there_has_no_say() -> None:
    cluster = refused_by("f")
    cluster.framework("idle", "b", suppressed=["b"])
    cluster.framework("away", "c", active=False)
    cluster.framework("elsewhere", "d", filters=only(["HOSTNAME=nowhere"]))
    cluster.framework("picky", "e", minimum={"e": [{"cpus": 64_000}]})
    assert set(cluster.cycle()) == {("f", "role-f")}


def test_x29_whom_quota_alone_keeps_away_has_refused_nothing() -> None:
    cluster = refused_by("f")
    cluster.framework("g", "q")
    cluster.quota("q", limits="cpus:0;mem:0")
    assert cluster.cycle() == {}
    assert len(cluster.ledger.filters) == 1
    cluster.quota("q")
    assert set(cluster.cycle()) == {("g", "q")}


def test_x29_more_than_was_refused_is_offered_and_lifts_nothing() -> None:
    cluster = Cluster(lift_unanimous_refusals=True)
    cluster.framework("f", "a")
    cluster.agent("x", "cpus:4;mem:1024")
    cluster.cycle()
    grant = cluster.last[0]
    cluster.launch(grant, "cpus:3;mem:500", refuse=HOUR)
    cluster.end(grant, "cpus:3;mem:500")
    assert set(cluster.cycle()) == {("f", "a")}
    assert len(cluster.ledger.filters) == 1


def test_x29_where_nobody_is_asked_nobody_refuses() -> None:
    cluster = refused_by("f")
    cluster.suppress("f")
    assert cluster.cycle() == {}
    assert len(cluster.ledger.filters) == 1


def test_x29_agents_that_only_some_refuse_keep_their_refusals() -> None:
    cluster = refused_by("f", "g", agents=3)
    refused = len(cluster.ledger.filters)
    cluster.remove_agent("agent001")
    cluster.agent("agent001", SMALL)
    assert refused == 6
    cluster.agent("agent002", "cpus:3;mem:1024")
    outcome = cluster.cycle()
    assert sum(count for count, _ in outcome.values()) == 3
    assert len(cluster.ledger.filters) == 2, "those of the agent that has grown: it was offered without"


@pytest.mark.parametrize("name", ["strict_priority", "request_driven"])
def test_x29_other_policies_over_the_same_books_end_stand_offs_too(name: str) -> None:
    cluster = Cluster(name, lift_unanimous_refusals=True)
    cluster.framework("f", "a")
    cluster.agent("x", SMALL)
    cluster.cycle()
    cluster.decline("f", HOUR)
    assert set(cluster.cycle()) == {("f", "a")}


def test_x29_thousands_of_stand_offs_end_at_the_cost_of_those_who_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 50,000 agents that 20 frameworks refuse a million filters were dropped one by one, and everybody waited."""
    cluster = refused_by("f", "g", agents=ROW_AFTER + 100)
    lift, lifted = RefusalFilters._lift, list[int]()

    def counting(filters: RefusalFilters, refusal: Refusal, times: int = 1) -> None:
        lifted.append(times)
        lift(filters, refusal, times)

    monkeypatch.setattr(RefusalFilters, "_lift", counting)
    assert sum(agents for agents, _ in cluster.cycle().values()) == ROW_AFTER + 100
    assert len(cluster.ledger.filters) == 0
    assert len(lifted) <= 4 and sum(lifted) == 2 * (ROW_AFTER + 100)
