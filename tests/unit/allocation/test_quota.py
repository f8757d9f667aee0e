"""Quota in passes: what counts, limits, guarantees, head-room, and waiting after a change of master (X36-X39)."""

from __future__ import annotations

import pytest

from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.ids import Role
from mesos_service.master.config import MasterConfig
from mesos_service.master.modules import make_allocator
from mesos_service.plugins.allocator import Quota
from tests.unit.allocation.cluster import Cluster, Outcome, Reasons

SMALL = "cpus:2;mem:1024"


def consumption(cluster: Cluster, role: str) -> dict[str, int]:
    return dict(cluster.allocator.quota_consumption(Role(role)))


def test_x36_reservations_and_what_is_allocated_below_count_and_offers_do_not() -> None:
    cluster = Cluster()
    cluster.framework("top", "q")
    cluster.framework("below", "q/x")
    cluster.framework("other", "b")
    cluster.agent("x", "cpus(q):1;mem(q/x):64;cpus:4;mem:512;ports:[1-5]", used={"below": {"q/x": "cpus:1;mem:10"}})
    cluster.agent("y", SMALL, used={"other": {"b": "cpus:1"}})
    assert consumption(cluster, "q") == {"cpus": 2000, "mem": 74_000}
    cluster.cycle()
    assert consumption(cluster, "q") == {"cpus": 2000, "mem": 74_000}, "offers are left out of what is told"


def test_x36_within_a_pass_offers_count() -> None:
    cluster = Cluster()
    cluster.framework("f", "q")
    cluster.quota("q", limits="cpus:3")
    cluster.agents(2, SMALL)
    cluster.cycle(limit=1)
    assert cluster.cycle() == {("f", "q"): (1, "cpus:1; mem:1024")}


def test_m_al_08_x37_scalars_are_cut_to_the_limit_and_the_rest_goes_whole_with_the_first_piece() -> None:
    cluster = Cluster()
    cluster.framework("f", "q")
    cluster.framework("g", "z")
    cluster.quota("q", limits="cpus:3;mem:100")
    cluster.agent("x", "cpus:8;mem:4096;ports:[1-100]")
    assert cluster.cycle() == {
        ("f", "q"): (1, "cpus:3; mem:100; ports:[1-100]"),
        ("g", "z"): (1, "cpus:5; mem:3996"),
    }


def test_m_al_08_x37_what_is_reserved_is_outside_the_limit_but_consumes_it() -> None:
    cluster = Cluster()
    cluster.framework("f", "q")
    cluster.quota("q", limits="cpus:3;mem:600")
    cluster.agent("x", "cpus(q):2;mem(q):512;cpus:8;mem:1024")
    assert cluster.cycle() == {
        ("f", "q"): (
            1,
            "cpus(reservations: [(STATIC,q)]):2; cpus:1; mem(reservations: [(STATIC,q)]):512; mem:88",
        )
    }


def test_x37_limit_of_nothing() -> None:
    cluster = Cluster()
    cluster.framework("f", "q")
    cluster.allocator.update_quota(Role("q"), Quota(limits={"cpus": 0, "mem": 0}))
    cluster.agents(2, SMALL)
    reasons = Reasons()
    assert cluster.cycle(observer=reasons) == {}
    assert reasons.codes("f", "agent000") == ["quota_limit"]


def test_x37_a_limit_that_is_raised_acts_on_the_next_pass() -> None:
    cluster = Cluster()
    cluster.framework("f", "q")
    cluster.quota("q", limits="cpus:2;mem:1024")
    cluster.agents(3, SMALL)
    assert cluster.cycle() == {("f", "q"): (1, "cpus:2; mem:1024")}
    cluster.quota("q", limits="cpus:4;mem:2048")
    assert cluster.cycle() == {("f", "q"): (1, "cpus:2; mem:1024")}
    cluster.quota("q")
    assert cluster.cycle() == {("f", "q"): (1, "cpus:2; mem:1024")}


def test_m_al_07_x38_guarantees_are_served_first_whatever_the_shares() -> None:
    cluster = Cluster()
    cluster.framework("big", "q")
    cluster.framework("small", "a")
    cluster.quota("q", guarantees="cpus:6")
    cluster.agent("busy", "cpus:4;mem:4096", used={"big": {"q": "cpus:4;mem:4096"}})
    cluster.agents(1, SMALL)
    assert cluster.cycle() == {("big", "q"): (1, "cpus:2; mem:1024")}


def test_x38_an_agent_that_adds_nothing_to_a_guarantee_is_left_to_the_second_stage() -> None:
    cluster = Cluster()
    cluster.framework("f", "q")
    cluster.framework("g", "b")
    cluster.quota("q", guarantees="gpus:1", limits="")
    cluster.agents(4, SMALL)
    assert cluster.cycle() == {("g", "b"): (2, "cpus:4; mem:2048"), ("f", "q"): (2, "cpus:4; mem:2048")}


def headroom() -> Cluster:
    """What is guaranteed to q is free, but q does not want it at the moment."""
    cluster = Cluster()
    cluster.framework("f", "q", suppressed=["q"])
    cluster.framework("g", "b")
    cluster.quota("q", guarantees="cpus:5")
    cluster.agents(4, SMALL)
    return cluster


def test_m_al_07_x38_head_room_is_kept_for_guarantees_nobody_takes_now() -> None:
    cluster = headroom()
    assert cluster.cycle() == {("g", "b"): (4, "cpus:3; mem:4096")}
    cluster.revive("f")
    assert cluster.cycle() == {("f", "q"): (3, "cpus:5")}


def test_x38_who_is_held_back_hears_it() -> None:
    cluster = headroom()
    cluster.quota("q", guarantees="cpus:8;mem:4096")
    reasons = Reasons()
    assert cluster.cycle(observer=reasons) == {}
    assert reasons.codes("g", "agent000") == ["quota_headroom"]


def test_x38_what_was_promised_and_consumed_needs_no_head_room() -> None:
    cluster = headroom()
    cluster.agent("own", "cpus:5;mem:100", used={"f": {"q": "cpus:5;mem:100"}})
    assert cluster.cycle() == {("g", "b"): (4, "cpus:8; mem:4096")}


def test_x38_overcommitted_guarantees_take_all_there_is_and_nothing_breaks() -> None:
    cluster = Cluster()
    for name in ("a", "b", "c"):
        cluster.framework(name, name)
    cluster.quota("a", guarantees="cpus:100")
    cluster.quota("b", guarantees="cpus:100")
    cluster.agents(4, SMALL)
    assert cluster.cycle() == {("a", "a"): (2, "cpus:4; mem:2048"), ("b", "b"): (2, "cpus:4; mem:2048")}


def test_x38_quota_counts_what_was_held_before_it_was_set() -> None:
    cluster = Cluster()
    cluster.framework("f", "q")
    cluster.agents(2, SMALL)
    cluster.cycle(limit=1)
    cluster.quota("q", guarantees="cpus:2", limits="cpus:2;mem:1024")
    assert cluster.cycle() == {}


@pytest.mark.parametrize(
    ("role", "quota", "sentence"),
    [
        ("a/b", Quota(limits={"cpus": 1}), "top-level"),
        ("a", Quota(limits={"cpus": -1}), "negative"),
        ("a", Quota(guarantees={"cpus": 2}, limits={"cpus": 1}), "more cpus than its limit"),
    ],
)
def test_x36_a_quota_that_is_not_lawful_is_refused_and_changes_nothing(role: str, quota: Quota, sentence: str) -> None:
    cluster = Cluster()
    cluster.framework("f", "a")
    cluster.agents(1, SMALL)
    with pytest.raises(ConfigurationError, match=sentence):
        cluster.allocator.update_quota(Role(role), quota)
    assert cluster.cycle() == {("f", "a"): (1, "cpus:2; mem:1024")}


def expecting(count: int) -> Cluster:
    cluster = Cluster()
    cluster.framework("f", "a")
    cluster.quota("a", limits="cpus:100")
    cluster.allocator.expect_agents(count, 100.0)
    cluster.now = 100.0
    return cluster


EVERYTHING: Outcome = {("f", "a"): (4, "cpus:8; mem:4096")}


def test_m_al_22_x39_with_quota_nothing_is_offered_until_four_in_five_agents_are_back() -> None:
    cluster = expecting(5)
    cluster.agents_named(["a", "b", "c"], SMALL)
    reasons = Reasons()
    assert cluster.cycle(observer=reasons) == {}
    assert reasons.codes("f") == ["recovering"]
    assert reasons.heard[0][3].until == 700.0
    cluster.agent("d", SMALL)
    assert cluster.cycle() == EVERYTHING


def test_m_al_22_x39_an_agent_that_comes_and_goes_stands_for_one() -> None:
    cluster = expecting(5)
    for _ in range(5):
        cluster.agent("flaps", SMALL)
        cluster.remove_agent("flaps")
    assert cluster.cycle() == {}
    cluster.agents_named(["a", "b", "c"], SMALL)
    assert cluster.cycle() == {}, "three are there"
    cluster.agent("flaps", SMALL)
    assert cluster.cycle() == EVERYTHING
    for name in ("flaps", "a", "b"):
        cluster.remove_agent(name)
    cluster.agent("late", SMALL)
    assert cluster.cycle() == {("f", "a"): (1, "cpus:2; mem:1024")}, "it is over for good"


def test_m_al_22_x39_nor_longer_than_ten_minutes() -> None:
    cluster = expecting(50)
    cluster.agents(4, SMALL)
    cluster.now = 699.0
    assert cluster.cycle() == {}
    cluster.now = 700.0
    assert cluster.cycle() == EVERYTHING


@pytest.mark.parametrize(
    ("flags", "agents", "seconds", "waits"),
    [
        ({"allocator_agent_recovery_factor": "0.5"}, 2, 0.0, True),
        ({"allocator_agent_recovery_factor": "0.5"}, 3, 0.0, False),
        ({"allocator_agent_recovery_factor": "1"}, 4, 0.0, True),
        ({"allocator_agent_recovery_factor": "0"}, 1, 0.0, False),
        # A part of an agent is a whole one: Mesos rounds down.
        ({"allocator_agent_recovery_factor": "0.61"}, 3, 0.0, True),
        ({"allocator_agent_recovery_factor": "0.61"}, 4, 0.0, False),
        ({"allocator_recovery_timeout": "20secs"}, 1, 19.0, True),
        ({"allocator_recovery_timeout": "20secs"}, 1, 20.0, False),
        ({"allocator_recovery_timeout": "0ns"}, 1, 0.0, False),
    ],
)
def test_x39_an_operator_says_how_many_and_how_long(
    flags: dict[str, object], agents: int, seconds: float, waits: bool
) -> None:
    cluster = Cluster()
    cluster.allocator = make_allocator(MasterConfig.load(flags)).module
    cluster.framework("f", "a")
    cluster.quota("a", guarantees="cpus:1")
    cluster.allocator.expect_agents(5, cluster.now)
    cluster.agents(agents, SMALL)
    cluster.now += seconds
    assert (cluster.cycle() == {}) is waits


def test_x39_a_share_is_the_decimal_that_was_written() -> None:
    """0.55 of 100 agents are 55, though the product of both as floating-point numbers is above that."""
    cluster = Cluster()
    cluster.allocator = make_allocator(MasterConfig.load({"allocator_agent_recovery_factor": "0.55"})).module
    cluster.framework("f", "a")
    cluster.quota("a", guarantees="cpus:1")
    cluster.allocator.expect_agents(100, cluster.now)
    cluster.agents(54, SMALL)
    assert cluster.cycle() == {}
    cluster.agent("one more", SMALL)
    assert cluster.cycle() == {("f", "a"): (55, "cpus:110; mem:56320")}


def test_x39_without_quota_nobody_waits() -> None:
    cluster = expecting(50)
    cluster.quota("a")
    cluster.agents(4, SMALL)
    assert cluster.cycle() == EVERYTHING


def test_n01_the_summary_of_a_pass_counts_refusals_by_reason() -> None:
    cluster = Cluster()
    cluster.framework("f", "q")
    cluster.framework("g", "b", capabilities=["GPU_RESOURCES"], suppressed=["b"])
    cluster.quota("q", limits="cpus:2;mem:1024")
    cluster.agents(2, SMALL)
    cluster.agent("g", "cpus:1;mem:64;gpus:1")
    cluster.cycle()
    cycle = getattr(cluster.allocator, "cycle", None)
    assert cycle is not None
    assert cycle.summary.grants == 1
    assert cycle.summary.refused == {("f", "q"): {"quota_limit": 1, "capability_missing": 1}}


def test_x38_a_guarantee_refused_by_its_role_stays_head_room() -> None:
    cluster = Cluster()
    cluster.framework("f", "q")
    cluster.framework("g", "b")
    cluster.quota("q", guarantees="cpus:2;mem:1024")
    cluster.agents(1, SMALL)
    assert cluster.cycle() == {("f", "q"): (1, "cpus:2; mem:1024")}
    cluster.decline("f", 3600)
    assert cluster.cycle() == {}, "all that is free is promised"
    cluster.agent("another", SMALL)
    cluster.cycle()
    assert {grant.agent_id: grant.framework_id for grant in cluster.last} == {"another": "f", "agent000": "g"}
