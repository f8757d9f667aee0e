"""What Apache Mesos' own allocator decided for small clusters, and ours with it.

Each test is one scenario put to a Mesos master (1.12); what it offered is repeated here as the expected outcome. Where
the outcome depends on the order in which agents come up, the ones that were seen are listed.
"""

from __future__ import annotations

import pytest

from tests.unit.allocation.cluster import Cluster, Outcome

SMALL = "cpus:2;mem:1024"


def test_x32_two_roles_share_identical_agents_equally() -> None:
    cluster = Cluster()
    cluster.framework("f1", "a")
    cluster.framework("f2", "b")
    cluster.agents(10, SMALL)
    assert cluster.cycle() == {
        ("f1", "a"): (5, "cpus:10; mem:5120"),
        ("f2", "b"): (5, "cpus:10; mem:5120"),
    }
    assert cluster.cycle() == {}


def test_x31_odd_agent_goes_to_the_first_in_order() -> None:
    cluster = Cluster()
    cluster.framework("f1", "a")
    cluster.framework("f2", "b")
    cluster.agents(7, SMALL)
    assert cluster.cycle() == {("f1", "a"): (4, "cpus:8; mem:4096"), ("f2", "b"): (3, "cpus:6; mem:3072")}


def test_x34_frameworks_of_one_role_share_it() -> None:
    cluster = Cluster()
    cluster.framework("f1", "a")
    cluster.framework("f2", "a")
    cluster.framework("f3", "b")
    cluster.agents(12, SMALL)
    assert cluster.cycle() == {
        ("f1", "a"): (3, "cpus:6; mem:3072"),
        ("f2", "a"): (3, "cpus:6; mem:3072"),
        ("f3", "b"): (6, "cpus:12; mem:6144"),
    }


def test_x34_sub_roles_share_what_their_parent_gets() -> None:
    cluster = Cluster()
    cluster.framework("f1", "a/x")
    cluster.framework("f2", "a/y")
    cluster.framework("f3", "b")
    cluster.agents(12, SMALL)
    assert cluster.cycle() == {
        ("f1", "a/x"): (3, "cpus:6; mem:3072"),
        ("f2", "a/y"): (3, "cpus:6; mem:3072"),
        ("f3", "b"): (6, "cpus:12; mem:6144"),
    }


def test_x33_weights_of_paths() -> None:
    cluster = Cluster(weights={"a": 2, "a/x": 3})
    cluster.framework("f1", "a/x")
    cluster.framework("f2", "a/y")
    cluster.framework("f3", "b")
    cluster.agents(12, SMALL)
    assert cluster.cycle() == {
        ("f1", "a/x"): (6, "cpus:12; mem:6144"),
        ("f2", "a/y"): (2, "cpus:4; mem:2048"),
        ("f3", "b"): (4, "cpus:8; mem:4096"),
    }


def test_x30_one_framework_in_two_roles() -> None:
    cluster = Cluster()
    cluster.framework("f1", "a", "b")
    cluster.framework("f2", "c")
    cluster.agents(12, SMALL)
    assert cluster.cycle() == {
        ("f1", "a"): (4, "cpus:8; mem:4096"),
        ("f1", "b"): (4, "cpus:8; mem:4096"),
        ("f2", "c"): (4, "cpus:8; mem:4096"),
    }


def dominant_resource(seed: int) -> Cluster:
    cluster = Cluster(seed=seed)
    cluster.framework("f1", "a")
    cluster.framework("f2", "b")
    cluster.agent("x", "cpus:10;mem:10240", used={"f1": {"a": "cpus:1;mem:4096"}})
    cluster.agent("y", "cpus:10;mem:10240", used={"f2": {"b": "cpus:6;mem:1024"}})
    cluster.agents(4, "cpus:2;mem:2048")
    return cluster


def test_x30_dominant_resource_decides() -> None:
    """f1 holds memory, f2 holds cpus. Mesos shuffles agents; each outcome that it showed, some order here shows too."""
    seen: list[Outcome] = [
        {("f1", "a"): (3, "cpus:13; mem:10240"), ("f2", "b"): (3, "cpus:8; mem:13312")},
        {("f1", "a"): (3, "cpus:15; mem:17408"), ("f2", "b"): (3, "cpus:6; mem:6144")},
        {("f1", "a"): (3, "cpus:8; mem:13312"), ("f2", "b"): (3, "cpus:13; mem:10240")},
        {("f1", "a"): (4, "cpus:15; mem:12288"), ("f2", "b"): (2, "cpus:6; mem:11264")},
    ]
    ours = [dominant_resource(seed).cycle() for seed in range(200)]
    assert [one for one in seen if one not in ours] == []


def test_x30_first_agent_goes_to_the_smaller_dominant_share() -> None:
    """f1 has 4/28 of the memory, f2 6/28 of the cpus; by cpus alone f1 would be first too, by memory alone f2."""
    for seed in range(10):
        cluster = dominant_resource(seed)
        cluster.cycle(limit=1)
        assert [grant.framework_id for grant in cluster.last] == ["f1"]


def test_x32_static_reservation_goes_to_its_role_with_the_rest() -> None:
    cluster = Cluster()
    cluster.framework("f1", "a")
    cluster.framework("f2", "b")
    cluster.agent("x", "cpus(a):3;mem(a):512;cpus:1;mem:512")
    assert cluster.cycle() == {
        ("f1", "a"): (
            1,
            "cpus(reservations: [(STATIC,a)]):3; cpus:1; mem(reservations: [(STATIC,a)]):512; mem:512",
        )
    }


def test_x32_static_reservation_without_framework_stays_free() -> None:
    cluster = Cluster()
    cluster.framework("f2", "b")
    cluster.agent("x", "cpus(a):3;mem(a):512;cpus:1;mem:512")
    assert cluster.cycle() == {("f2", "b"): (1, "cpus:1; mem:512")}


def test_x27_declined_agent_goes_to_the_other_and_then_to_nobody() -> None:
    cluster = Cluster()
    cluster.framework("f1", "a")
    cluster.framework("f2", "b")
    cluster.agents(1, SMALL)
    to_f1 = {("f1", "a"): (1, "cpus:2; mem:1024")}
    assert cluster.cycle() == to_f1
    cluster.decline("f1", 3600)
    assert cluster.cycle() == {("f2", "b"): (1, "cpus:2; mem:1024")}
    cluster.decline("f2", 3600)
    assert cluster.cycle() == {}
    cluster.revive("f1")
    assert cluster.cycle() == to_f1


def test_x28_decline_with_0_seconds_is_offered_in_the_next_cycle() -> None:
    cluster = Cluster()
    cluster.framework("f1", "a")
    cluster.agents(2, SMALL)
    assert cluster.cycle() == {("f1", "a"): (2, "cpus:4; mem:2048")}
    cluster.decline("f1", 0)
    assert cluster.cycle() == {("f1", "a"): (2, "cpus:4; mem:2048")}


def test_x35_suppressed_framework_gets_nothing_until_revive() -> None:
    cluster = Cluster()
    cluster.framework("f1", "a", suppressed=["a"])
    cluster.agents(2, SMALL)
    assert cluster.cycle() == {}
    cluster.revive("f1")
    assert cluster.cycle() == {("f1", "a"): (2, "cpus:4; mem:2048")}


@pytest.mark.parametrize("seed", range(4))
def test_m_al_20_gpus_only_to_frameworks_that_take_them(seed: int) -> None:
    cluster = Cluster(seed=seed)
    cluster.framework("f1", "a")
    cluster.framework("f2", "b", capabilities=["GPU_RESOURCES"])
    cluster.agent("g", "cpus:2;mem:1024;gpus:2")
    cluster.agent("c", SMALL)
    assert cluster.cycle() == {
        ("f1", "a"): (1, "cpus:2; mem:1024"),
        ("f2", "b"): (1, "cpus:2; gpus:2; mem:1024"),
    }
