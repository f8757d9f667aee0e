"""Refusal filters in passes: X27, X28, X29, B43, M-AL-16."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from mesos_service.core.allocation import filters as module
from mesos_service.core.allocation.filters import RefusalFilters
from mesos_service.domain.attributes import Attribute
from mesos_service.domain.resources import Resources
from tests.unit.allocation.cluster import Cluster

SMALL = "cpus:2;mem:1024"


def declined(seconds: float | None = 3600) -> Cluster:
    """One framework in two roles has declined the only agent in both."""
    cluster = Cluster()
    cluster.framework("f", "a", "b")
    cluster.agent("x", SMALL, attributes=(Attribute("rack", "r1"),))
    for _ in range(2):
        cluster.cycle()
        cluster.decline("f", seconds)
    return cluster


def offered_roles(cluster: Cluster) -> list[str]:
    return [str(grant.role) for grant in cluster.last]


def test_b43_refused_agent_comes_back_after_5_seconds() -> None:
    cluster = Cluster()
    cluster.framework("f", "a")
    cluster.agent("x", SMALL)
    cluster.now = 100.0
    cluster.cycle()
    cluster.decline("f", 5.0)
    for now in (100.0, 101.0, 104.0, 104.999):
        cluster.now = now
        assert cluster.cycle() == {}
    cluster.now = 105.001
    assert cluster.cycle() == {("f", "a"): (1, "cpus:2; mem:1024")}


def test_x28_a_pass_at_the_very_instant_of_the_end_still_sees_the_filter() -> None:
    cluster = Cluster()
    cluster.framework("f", "a")
    cluster.agent("x", SMALL)
    cluster.cycle()
    cluster.decline("f", 5.0)
    cluster.now = 5.0
    assert cluster.cycle() == {}


def test_x28_refusal_of_0_seconds_holds_until_the_next_full_pass() -> None:
    cluster = Cluster()
    cluster.framework("f", "a")
    cluster.framework("g", "b", suppressed=["b"])
    cluster.agent("x", SMALL)
    cluster.cycle()
    cluster.decline("f", 0)
    assert cluster.cycle("x") == {}
    cluster.revive("g")
    assert cluster.cycle("x") == {("g", "b"): (1, "cpus:2; mem:1024")}, "others do not have to wait"
    cluster.decline("g", None)
    cluster.suppress("g")
    assert cluster.cycle("x") == {}
    assert cluster.cycle() == {("f", "a"): (1, "cpus:2; mem:1024")}


def test_x29_rescind_and_task_end_install_no_filter() -> None:
    cluster = Cluster()
    cluster.framework("f", "a")
    cluster.agent("x", SMALL)
    cluster.cycle()
    cluster.decline("f", None)
    assert cluster.cycle("x") == {("f", "a"): (1, "cpus:2; mem:1024")}
    grant = cluster.last[0]
    cluster.launch(grant, SMALL)
    cluster.end(grant, SMALL)
    assert cluster.cycle("x") == {("f", "a"): (1, "cpus:2; mem:1024")}


def test_x27_filter_belongs_to_framework_role_and_agent() -> None:
    cluster = Cluster()
    cluster.framework("f", "a", "b")
    cluster.agent("x", SMALL)
    cluster.cycle()
    assert offered_roles(cluster) == ["a"]
    cluster.decline("f", 3600)
    cluster.cycle()
    assert offered_roles(cluster) == ["b"]
    cluster.decline("f", 3600)
    assert cluster.cycle() == {}
    cluster.agent("y", SMALL)
    cluster.cycle()
    assert [grant.agent_id for grant in cluster.last] == ["y"]


def test_x27_more_than_was_refused_gets_through() -> None:
    cluster = Cluster()
    cluster.framework("f", "a")
    cluster.agent("x", "cpus:4;mem:1024")
    cluster.cycle()
    grant = cluster.last[0]
    cluster.launch(grant, "cpus:1;mem:100", refuse=3600)
    assert cluster.cycle() == {}
    cluster.end(grant, "cpus:0.5")
    assert cluster.cycle() == {("f", "a"): (1, "cpus:3.5; mem:924")}


def test_x27_less_than_was_refused_is_refused_too() -> None:
    cluster = Cluster()
    cluster.framework("f", "a")
    cluster.framework("g", "b")
    cluster.agent("x", "cpus:4;mem:1024")
    cluster.cycle()
    cluster.decline("f", 3600)
    cluster.cycle()
    cluster.launch(cluster.last[0], "cpus:1;mem:100", refuse=3600)
    assert cluster.cycle() == {}


def test_x27_several_filters_per_triple_each_with_its_own_end() -> None:
    cluster = Cluster()
    cluster.framework("f", "a")
    cluster.agent("x", "cpus:4;mem:1024")
    cluster.cycle()
    grant = cluster.last[0]
    cluster.launch(grant, "cpus:3;mem:500", refuse=100)  # refuses cpus:1; mem:524 until 100
    cluster.end(grant, "cpus:3;mem:500")
    cluster.now = 10
    cluster.cycle()
    cluster.decline("f", 10)  # refuses all until 20
    assert cluster.cycle() == {}
    cluster.now = 21
    assert cluster.cycle() == {("f", "a"): (1, "cpus:4; mem:1024")}
    grant = cluster.last[0]
    cluster.launch(grant, "cpus:3;mem:500")
    assert cluster.cycle() == {}, "the first filter still stands"
    cluster.now = 101
    assert cluster.cycle() == {("f", "a"): (1, "cpus:1; mem:524")}


def test_x47_a_reservation_made_since_is_not_contained() -> None:
    cluster = Cluster()
    cluster.framework("f", "a")
    cluster.agent("x", SMALL)
    cluster.cycle()
    cluster.decline("f", 3600)
    assert cluster.cycle() == {}
    cluster.agent("x", "cpus(a):2;mem:1024")
    cluster.cycle()
    assert offered_roles(cluster) == ["a"]


def unsuppress(cluster: Cluster) -> None:
    cluster.update("f", "a", "b", suppressed=["b"])
    cluster.update("f", "a", "b")


def reconnect(cluster: Cluster) -> None:
    cluster.set_active("f", False)
    cluster.set_active("f", True)


def drop_and_take_up_role(cluster: Cluster) -> None:
    cluster.update("f", "a")
    cluster.update("f", "a", "b")


def bring_agent_back(cluster: Cluster) -> None:
    cluster.remove_agent("x")
    cluster.agent("x", SMALL)


def change_attributes(cluster: Cluster) -> None:
    cluster.agent("x", SMALL, attributes=(Attribute("rack", "r2"),))


LIFTING: list[tuple[str, Callable[[Cluster], None], list[str]]] = [
    ("revive_all", lambda cluster: cluster.revive("f"), ["a"]),
    ("revive_one_role", lambda cluster: cluster.revive("f", "b"), ["b"]),
    ("unsuppress", unsuppress, ["b"]),
    ("disconnect", reconnect, ["a"]),
    ("drop_role", drop_and_take_up_role, ["b"]),
    ("agent_gone", bring_agent_back, ["a"]),
    ("attributes", change_attributes, ["a"]),
]


@pytest.mark.parametrize(("lift", "roles"), [one[1:] for one in LIFTING], ids=[one[0] for one in LIFTING])
def test_x29_removed_early_by(lift: Callable[[Cluster], None], roles: list[str]) -> None:
    cluster = declined()
    assert cluster.cycle() == {}
    lift(cluster)
    cluster.cycle()
    assert offered_roles(cluster) == roles


KEEPING: list[tuple[str, Callable[[Cluster], None]]] = [
    ("suppress", lambda cluster: cluster.suppress("f")),
    ("total", lambda cluster: cluster.agent("x", "cpus:1;mem:1024", attributes=(Attribute("rack", "r1"),))),
    ("capabilities", lambda cluster: cluster.update("f", "a", "b", capabilities=["GPU_RESOURCES"])),
    ("weights", lambda cluster: cluster.allocator.update_weights({})),
]


@pytest.mark.parametrize("keep", [one[1] for one in KEEPING], ids=[one[0] for one in KEEPING])
def test_x29_not_removed_by(keep: Callable[[Cluster], None]) -> None:
    cluster = declined()
    keep(cluster)
    assert len(cluster.ledger.filters) == 2
    assert cluster.cycle() == {}


def test_m_al_16_lifted_filters_of_a_year_leave_no_trace() -> None:
    filters = RefusalFilters()
    refused = Resources.parse(SMALL)
    for agent in range(5000):
        filters.install(1, agent, refused, 365 * 86400.0)
        filters.drop_client(1)
    assert len(filters) == 0
    assert filters.timetable_length < 2100


def test_m_al_16_a_filter_that_another_covers_is_not_kept() -> None:
    filters = RefusalFilters()
    large, small = Resources.parse("cpus:4;mem:8"), Resources.parse("cpus:1;mem:8")
    filters.install(1, 1, small, 10.0)
    filters.install(1, 1, large, 20.0)
    assert len(filters) == 1
    filters.install(1, 1, small, 15.0)
    assert len(filters) == 1
    filters.install(1, 1, small, 30.0)
    assert len(filters) == 2
    assert filters.lapse(20.0) == [], "the first line of the timetable is one that was lifted"
    assert filters.lapse(25.0) == [(1, 1)]
    assert filters.blocking(1, 1, large) is None
    assert filters.blocking(1, 1, small) is not None


def test_x28_a_hold_does_not_replace_a_filter_nor_a_filter_a_hold() -> None:
    filters = RefusalFilters()
    small = Resources.parse(SMALL)
    filters.install(1, 1, small, None)
    filters.install(1, 1, small, 10.0)
    assert filters.release_holds() == [(1, 1)]
    assert filters.blocking(1, 1, small) is not None
    filters.install(1, 1, small, None)
    assert filters.lapse(11.0) == [(1, 1)]
    assert filters.blocking(1, 1, small) is not None
    filters.release_holds()
    assert filters.blocking(1, 1, small) is None


def test_x18g_no_filter_is_installed_for_a_framework_that_is_away() -> None:
    cluster = Cluster()
    cluster.framework("f", "a")
    cluster.agent("x", SMALL)
    cluster.cycle()
    cluster.set_active("f", False)
    cluster.decline("f", 3600)
    assert len(cluster.ledger.filters) == 0
    cluster.set_active("f", True)
    assert list(cluster.cycle()) == [("f", "a")]


@pytest.mark.parametrize("seed", range(20))
def test_x29_filters_of_many_agents_end_where_they_stand_and_nowhere_else(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refusal of many agents does not list them: held to a model that does, with tables from a few agents on."""
    monkeypatch.setattr(module, "LISTED", 3)
    monkeypatch.setattr(module, "ROW_AFTER", 4)
    monkeypatch.setattr(module, "BULK", 3)
    random = Random(seed)
    filters = RefusalFilters()
    sizes = [Resources.parse("cpus:1"), Resources.parse("cpus:2"), Resources.parse("mem:2")]
    model: dict[tuple[int, int], list[tuple[Resources, float | None]]] = {}
    now, unlisted, severally = 0.0, 0, 0
    for _ in range(600):
        kind, client, agent = random.random(), random.randrange(3), random.randrange(24)
        if kind < 0.8:
            refused, expires = random.choice(sizes), random.choice([None, now // 4 * 4 + 5, now // 4 * 4 + 9])
            filters.install(client, agent, refused, expires)
            model.setdefault((client, agent), []).append((refused, expires))
            unlisted += any(one.agents is None for one in filters.rows[client].refusals)
        elif kind < 0.81:
            filters.drop_agent(agent)
            model = {pair: stands for pair, stands in model.items() if pair[1] != agent}
        elif kind < 0.82:
            several = {one: None for row in filters.rows.values() for one in row.several}
            agents = list({**dict.fromkeys([*several][:2]), **dict.fromkeys(random.sample(range(30), 5))})
            severally += bool(several)
            filters.drop_agents(agents)
            model = {pair: stands for pair, stands in model.items() if pair[1] not in agents}
        elif kind < 0.84:
            filters.drop_client(client)
            model = {pair: stands for pair, stands in model.items() if pair[0] != client}
        elif kind < 0.9:
            filters.release_holds()
            model = {pair: [one for one in stands if one[1] is not None] for pair, stands in model.items()}
        else:
            now += random.choice([0.0, 0.0, 0.5, 3.0])
            filters.lapse(now)
            model = {pair: [one for one in stands if one[1] is None or one[1] >= now] for pair, stands in model.items()}
        for each in range(3):
            for number in range(24):
                standing = [one for one, _ in model.get((each, number), ())]
                for offer in sizes:
                    blocks = filters.blocking(each, number, offer) is not None
                    assert blocks == any(one.contains(offer) for one in standing)
        assert len(filters) == sum(filters.standing(each) for each in filters.rows)
    assert unlisted, "no refusal grew beyond its list"
    assert severally, "nowhere stood more than one where many were dropped at once"
    now += 100.0
    filters.release_holds()
    filters.lapse(now)
    assert len(filters) == 0
    assert all(row.get(number) == 0 for row in filters.rows.values() for number in range(24))
