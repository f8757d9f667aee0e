"""Passes: who is asked, what is offered, how much at a time (X32, X44, A39, B46, M-AL-01, 02, 13, 17, N17)."""

from __future__ import annotations

import pytest

from mesos_service.core.allocation import shape_book
from mesos_service.domain.errors import InvariantBroken
from mesos_service.domain.ids import AgentId, FrameworkId, Role
from mesos_service.domain.resources import Reservation, Resources
from tests.unit.allocation.cluster import Cluster, Reasons

SMALL = "cpus:2;mem:1024"


def test_x32_the_first_takes_everything_on_an_agent() -> None:
    cluster = Cluster()
    cluster.framework("f1", "a")
    cluster.framework("f2", "b")
    cluster.agent("x", "cpus:64;mem:99999;disk:5;ports:[1-100]")
    assert cluster.cycle() == {("f1", "a"): (1, "cpus:64; disk:5; mem:99999; ports:[1-100]")}


def test_x32_grants_show_in_the_order_for_the_next_agent() -> None:
    cluster = Cluster()
    for name in ("f1", "f2", "f3"):
        cluster.framework(name, name)
    cluster.agents(6, SMALL)
    assert cluster.order() == ["f1", "f2", "f3"] * 2


def test_x48_grants_carry_their_allocation_role() -> None:
    cluster = Cluster()
    cluster.framework("f", "a")
    cluster.agent("x", SMALL)
    cluster.cycle()
    assert cluster.last[0].resources == Resources.parse(SMALL).allocated_to("a")


def test_x44_descendants_may_have_what_their_ancestor_reserved() -> None:
    cluster = Cluster(minimum=())
    cluster.framework("child", "a/x")
    cluster.framework("stranger", "b")
    cluster.agent("x", "cpus(a):1;mem(b):64;disk(a/x/deep):5")
    assert cluster.cycle() == {
        ("child", "a/x"): (1, "cpus(reservations: [(STATIC,a)]):1"),
        ("stranger", "b"): (1, "mem(reservations: [(STATIC,b)]):64"),
    }


def test_a39_b46_an_offer_not_answered_counts_as_held() -> None:
    cluster = Cluster()
    cluster.framework("silent", "a")
    cluster.framework("quick", "b")
    cluster.agent("x", SMALL)
    assert cluster.order() == ["silent"] or cluster.order() == ["quick"]
    holder = str(cluster.last[0].framework_id)
    cluster.agent("y", SMALL)
    assert cluster.order() == [{"silent": "quick", "quick": "silent"}[holder]]


def test_m_al_01_an_event_pass_looks_at_the_touched_agents_only() -> None:
    cluster = Cluster()
    cluster.framework("f", "a")
    cluster.agents(3, SMALL)
    cluster.cycle("agent001")
    assert [grant.agent_id for grant in cluster.last] == ["agent001"]
    assert cluster.cycle(full=False) == {}
    cluster.cycle("gone", "agent002")
    assert [grant.agent_id for grant in cluster.last] == ["agent002"]


def test_m_al_01_same_seed_same_offers_whatever_order_agents_are_named_in() -> None:
    def grants(*touched: str) -> list[tuple[str, str]]:
        cluster = Cluster(seed=7)
        cluster.framework("f1", "a")
        cluster.framework("f2", "b")
        cluster.agents(8, SMALL)
        cluster.cycle(*touched)
        return [(grant.framework_id, grant.agent_id) for grant in cluster.last]

    names = [f"agent{number:03}" for number in range(8)]
    assert grants(*names) == grants(*reversed(names))
    assert [agent for _, agent in grants(*names)] != names, "agents come in random order"


def test_limit_bounds_grants_and_the_rest_comes_first_in_the_next_pass() -> None:
    cluster = Cluster()
    cluster.framework("f", "a")
    cluster.agents(10, SMALL)
    cluster.cycle(limit=4)
    first = [grant.agent_id for grant in cluster.last]
    cluster.agent("late", SMALL)
    cluster.cycle("late", limit=4)
    second = [grant.agent_id for grant in cluster.last]
    cluster.cycle(full=False, limit=4)
    third = [grant.agent_id for grant in cluster.last]
    assert [len(first), len(second), len(third)] == [4, 4, 3]
    assert third[-1] == "late"
    assert len({*first, *second, *third}) == 11


def test_limit_in_the_middle_of_an_agent() -> None:
    cluster = Cluster(minimum=())
    cluster.framework("f1", "a")
    cluster.framework("f2", "b")
    cluster.agent("x", "cpus(a):1;cpus(b):1")
    cluster.cycle(limit=1)
    assert len(cluster.last) == 1
    cluster.cycle(full=False, limit=1)
    assert len(cluster.last) == 1
    assert cluster.cycle(full=False, limit=1) == {}


def test_a_full_pass_forgets_who_was_left_out() -> None:
    cluster = Cluster()
    cluster.framework("f", "a")
    cluster.agents(3, SMALL)
    cluster.cycle(limit=1)
    cluster.cycle()
    assert len(cluster.last) == 2
    assert cluster.cycle(full=False) == {}


def test_m_al_13_crumbs_are_never_offered() -> None:
    cluster = Cluster()
    cluster.framework("f", "a")
    cluster.agent("crumbs", "cpus:0.009;mem:31.999;disk:5000")
    assert cluster.cycle() == {}
    cluster.agent("cpu", "cpus:0.01;mem:1")
    cluster.agent("memory", "mem:32")
    assert cluster.cycle()["f", "a"][0] == 2


def test_m_al_13_every_quantity_of_one_alternative() -> None:
    cluster = Cluster(minimum=({"cpus": 1000, "mem": 64_000}, {"gpus": 1000}))
    cluster.framework("f", "a", capabilities=["GPU_RESOURCES"])
    cluster.agent("no", "cpus:8;mem:63")
    assert cluster.cycle() == {}
    cluster.agent("yes", "cpus:1;mem:64")
    cluster.agent("too", "gpus:1")
    assert cluster.cycle()["f", "a"][0] == 2


def test_m_al_13_a_framework_may_set_its_own_minimum_per_role() -> None:
    cluster = Cluster()
    cluster.framework("choosy", "a", "b", minimum={"a": [{"cpus": 4000}], "b": []})
    cluster.agent("x", "cpus:0.001")
    assert list(cluster.cycle()) == [("choosy", "b")]
    cluster.agent("y", "cpus:4;mem:1")
    assert list(cluster.cycle()) == [("choosy", "a")]


def test_m_al_17_suppress_and_revive_per_role() -> None:
    cluster = Cluster()
    cluster.framework("f", "a", "b")
    cluster.suppress("f", "a")
    cluster.agents(2, SMALL)
    assert list(cluster.cycle()) == [("f", "b")]
    cluster.suppress("f")
    cluster.agents_named(["n"], SMALL)
    assert cluster.cycle() == {}
    cluster.revive("f", "a")
    assert list(cluster.cycle()) == [("f", "a")]


def test_x35_suppression_outlives_a_disconnection() -> None:
    cluster = Cluster()
    cluster.framework("f", "a", suppressed=["a"], active=False)
    cluster.agent("x", SMALL)
    cluster.set_active("f", True)
    assert cluster.cycle() == {}
    cluster.revive("f")
    assert list(cluster.cycle()) == [("f", "a")]


def test_m_al_15_whitelist() -> None:
    cluster = Cluster()
    cluster.framework("f", "a")
    cluster.agent("x", SMALL)
    cluster.agent("y", SMALL)
    cluster.allocator.update_whitelist([])
    assert cluster.cycle() == {}
    cluster.allocator.update_whitelist(["y.host"])
    assert cluster.cycle()["f", "a"][0] == 1
    cluster.allocator.update_whitelist(None)
    assert cluster.cycle()["f", "a"][0] == 1


def test_capabilities_strip_what_a_framework_cannot_take() -> None:
    revocable = '[{"name":"cpus","type":"SCALAR","scalar":{"value":3},"revocable":{}},'
    plain = '{"name":"cpus","type":"SCALAR","scalar":{"value":1}},{"name":"mem","type":"SCALAR","scalar":{"value":64}}]'
    for capabilities, offered in (([], "cpus:1; mem:64"), (["REVOCABLE_RESOURCES"], "cpus:1; cpus{REV}:3; mem:64")):
        cluster = Cluster()
        cluster.framework("f", "a", capabilities=capabilities)
        cluster.agent("x", revocable + plain)
        assert cluster.cycle() == {("f", "a"): (1, offered)}


def test_new_capabilities_are_looked_at_in_the_next_pass() -> None:
    cluster = Cluster()
    cluster.framework("f", "a")
    cluster.agent("x", "cpus:1;mem:64;gpus:1")
    assert cluster.cycle() == {}
    cluster.update("f", "a", capabilities=["GPU_RESOURCES"])
    assert list(cluster.cycle()) == [("f", "a")]


def test_framework_that_comes_back_brings_what_it_uses_once() -> None:
    """A new master hears of a task from the agent first and from nobody else; it must not count twice (4.1)."""
    cluster = Cluster()
    cluster.agent("x", SMALL, used={"f": {"a": "cpus:1;mem:24"}})
    cluster.framework("g", "b")
    assert cluster.cycle() == {("g", "b"): (1, "cpus:1; mem:1000")}
    used = Resources.parse("cpus:1;mem:24").allocated_to("a")
    cluster.framework("f", "a", used={"x": used, "unknown": used})
    share = cluster.ledger.sorter.role_share(Role("a"))
    assert share == 0.5
    cluster.allocator.recover(FrameworkId("f"), AgentId("x"), used, refuse_seconds=None, allocated=True, now=0.0)
    cluster.audit()
    assert cluster.ledger.sorter.role_share(Role("a")) == 0.0


def test_what_a_removed_framework_held_is_free_only_once_recovered() -> None:
    cluster = Cluster()
    cluster.framework("f", "a")
    cluster.framework("g", "b", suppressed=["b"])
    cluster.agent("x", SMALL)
    cluster.cycle()
    grant = cluster.last[0]
    cluster.allocator.remove_framework(FrameworkId("f"))
    cluster.audit()
    cluster.revive("g")
    assert cluster.cycle() == {}
    cluster.recover(grant)
    assert list(cluster.cycle()) == [("g", "b")]
    cluster.recover(grant)  # tolerated: neither the framework nor anything of it is known


def test_recover_tolerates_an_agent_that_has_gone() -> None:
    cluster = Cluster()
    cluster.framework("f", "a")
    cluster.agent("x", SMALL)
    cluster.cycle()
    cluster.remove_agent("x")
    cluster.recover(cluster.last[0], refuse=5.0)
    assert len(cluster.ledger.filters) == 0


def test_giving_back_what_is_not_held_is_a_contradiction() -> None:
    cluster = Cluster()
    cluster.framework("f", "a")
    cluster.agent("x", SMALL)
    cluster.cycle()
    grant = cluster.last[0]
    with pytest.raises(InvariantBroken, match="allocated to f on x"):
        cluster.recover(grant, allocated=True)
    cluster.recover(grant)
    with pytest.raises(InvariantBroken, match="offered to f on x"):
        cluster.recover(grant)
    with pytest.raises(InvariantBroken, match="does not know agent y"):
        cluster.allocator.set_agent_active(AgentId("y"), True)
    with pytest.raises(InvariantBroken, match="does not know framework g"):
        cluster.suppress("g")


def test_a_smaller_agent_offers_nothing_of_what_is_short() -> None:
    cluster = Cluster()
    cluster.framework("f", "a")
    cluster.agent("x", "cpus:4;mem:1000;ports:[1-10]", used={"f": {"a": "cpus:3;mem:100;ports:[1-5]"}})
    cluster.agent("x", "cpus:2;mem:1000;ports:[3-10]")
    assert cluster.cycle() == {("f", "a"): (1, "mem:900; ports:[6-10]")}
    grant = cluster.last[0]
    cluster.end(grant, "cpus:2;mem:100;ports:[1-5]")
    assert cluster.cycle() == {("f", "a"): (1, "cpus:1; mem:100; ports:[3-5]")}


def test_update_allocation_changes_shape_and_total() -> None:
    cluster = Cluster()
    cluster.framework("f", "a")
    cluster.framework("g", "b")
    cluster.agent("x", SMALL)
    cluster.cycle()
    grant = cluster.last[0]
    before = Resources.parse("cpus:1").allocated_to("a")
    after = before.push_reservation(Reservation("DYNAMIC", "a"))
    cluster.allocator.update_allocation(grant.framework_id, grant.agent_id, before, after)
    cluster.audit()
    cluster.allocator.recover(
        grant.framework_id,
        grant.agent_id,
        grant.resources - before + after,
        refuse_seconds=None,
        allocated=False,
        now=0.0,
    )
    cluster.audit()
    cluster.suppress("f")
    assert cluster.cycle() == {("g", "b"): (1, "cpus:1; mem:1024")}


def test_dropped_role_stays_in_the_books_until_nothing_is_held_in_it() -> None:
    cluster = Cluster()
    cluster.framework("f", "a", "b", suppressed=["b"])
    cluster.agent("x", SMALL)
    cluster.cycle()
    grant = cluster.last[0]
    cluster.launch(grant, SMALL)
    cluster.update("f", "b")
    assert cluster.ledger.sorter.role_share(Role("a")) == 1.0
    cluster.end(grant, SMALL)
    assert list(cluster.ledger.frameworks[FrameworkId("f")].clients) == ["b"]
    assert cluster.order() == ["f"]


def test_n01_every_no_is_told_with_its_reason() -> None:
    cluster = Cluster(minimum=({"cpus": 100},))
    cluster.framework("first", "a")
    cluster.framework("second", "b")
    cluster.framework("filtered", "c")
    cluster.framework("quiet", "d", suppressed=["d"])
    cluster.framework("away", "e", active=False)
    cluster.agent("busy", "cpus:2", used={"first": {"a": "cpus:1"}, "second": {"b": "cpus:1"}})
    cluster.agent("x", SMALL)
    cluster.suppress("first")
    cluster.suppress("second")
    cluster.cycle()
    cluster.decline("filtered", 60)
    cluster.revive("first")
    cluster.revive("second")
    cluster.agent("gpu", "cpus:1;gpus:1")
    cluster.agent("crumb", "cpus:0.05")
    cluster.agent("reserved", "cpus(z):8")
    cluster.agent("off", SMALL)
    cluster.allocator.set_agent_active(AgentId("off"), False)
    reasons = Reasons()
    cluster.cycle(observer=reasons)
    assert reasons.codes("filtered", "x") == ["refusal_filter"]
    assert sorted(reasons.codes("first", "x") + reasons.codes("second", "x")) == ["others_first"]
    assert reasons.codes("first", "gpu") == ["capability_missing"]
    assert reasons.codes("second", "crumb") == ["below_min_allocatable"]
    assert reasons.codes("second", "reserved") == ["nothing_for_role"]
    assert reasons.codes("second", "off") == ["agent_inactive"]
    assert reasons.codes("quiet") == ["role_suppressed"]
    assert reasons.codes("away") == ["framework_inactive"]
    again = Reasons()
    cluster.cycle(observer=again)
    assert again.codes("first", "x") == ["nothing_free"]
    assert [veto.until for who, _, where, veto in reasons.heard if (who, where) == ("filtered", "x")] == [60.0]


@pytest.mark.parametrize("seed", range(5))
def test_n01_an_observer_changes_no_decision(seed: int) -> None:
    def grants(observer: Reasons | None) -> list[tuple[str, str]]:
        cluster = Cluster(seed=seed)
        for name in ("f1", "f2", "f3"):
            cluster.framework(name, name)
        cluster.agents(7, SMALL)
        found = []
        for seconds in (0.0, 5.0, 5.0, None):
            cluster.cycle(observer=observer)
            found += [(str(grant.framework_id), str(grant.agent_id)) for grant in cluster.last]
            cluster.decline("f1", seconds)
            cluster.decline("f2", 5.0)
        return found

    assert grants(None) == grants(Reasons())


def test_what_is_prepared_is_bounded_however_often_frameworks_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shape_book, "PREPARED_MAX", 10)
    cluster = Cluster()
    cluster.framework("f", "a")
    cluster.agent("x", SMALL)
    most = 0
    for _ in range(50):
        assert cluster.cycle() == {("f", "a"): (1, "cpus:2; mem:1024")}
        cluster.decline("f", None)
        cluster.revive("f")
        shapes = cluster.ledger.agents[AgentId("x")].traits.shapes.values()
        most = max(most, sum(len(shape.prepared) for shape in shapes))
    assert 1 < most <= 11


def test_m_al_20_agents_with_gpus_are_kept_for_frameworks_that_use_them() -> None:
    cluster = Cluster()
    cluster.framework("plain", "a")
    cluster.agent("x", f"{SMALL};gpus:1")
    assert cluster.cycle() == {}
    cluster.framework("trainer", "b", capabilities=["GPU_RESOURCES"])
    assert cluster.cycle() == {("trainer", "b"): (1, "cpus:2; gpus:1; mem:1024")}
