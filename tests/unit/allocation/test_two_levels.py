"""Roles are sorted first, then the frameworks of the first role (M-AL-02)."""

from __future__ import annotations

from tests.unit.allocation.cluster import Cluster

ONE_CPU = "cpus:1"


def uneven() -> Cluster:
    """Role ``a`` holds 6 cpus, all of them f2's; role ``b`` holds 4.5, all of them f3's. f1 holds nothing."""
    cluster = Cluster()
    cluster.framework("f1", "a")
    cluster.framework("f2", "a")
    cluster.framework("f3", "b")
    cluster.agent("full", "cpus:10.5", used={"f2": {"a": "cpus:6"}, "f3": {"b": "cpus:4.5"}})
    return cluster


def test_m_al_02_who_has_nothing_waits_for_its_role() -> None:
    """By frameworks alone f1 would come first; by roles it is b's turn until b holds more than a."""
    cluster = uneven()
    cluster.agents(3, ONE_CPU)
    assert cluster.order() == ["f3", "f3", "f1"]


def test_m_al_02_within_a_role_frameworks_are_sorted_by_their_own_shares() -> None:
    cluster = uneven()
    cluster.agents(8, ONE_CPU)
    # In cpus, b comes to 5.5 and 6.5, a to 7, b to 7.5 and so on. What a gets is f1's, who holds less than f2.
    assert cluster.order() == ["f3", "f3", "f1", "f3", "f1", "f3", "f1", "f3"]


def test_m_al_02_a_role_of_many_frameworks_gets_no_more_than_a_role_of_one() -> None:
    cluster = Cluster()
    for number in range(5):
        cluster.framework(f"many{number}", "crowd")
    cluster.framework("one", "alone")
    cluster.agents(10, ONE_CPU)
    order = cluster.order()
    assert order.count("one") == 5
    assert {name: order.count(name) for name in order if name != "one"} == {f"many{number}": 1 for number in range(5)}
