"""The module that offers by request: E13, M-SC-12, N24."""

from __future__ import annotations

from tests.unit.allocation.cluster import Cluster, Reasons


def made() -> Cluster:
    cluster = Cluster("request_driven")
    cluster.framework("a", "a")
    cluster.framework("b", "b")
    return cluster


def test_e13_who_asks_is_offered_what_it_asked_for() -> None:
    cluster = made()
    cluster.agent("x", "cpus:9;mem:18432")
    cluster.request("a", "cpus:1;mem:1024")
    cluster.suppress("b")
    assert cluster.cycle() == {("a", "a"): (1, "cpus:1; mem:1024")}
    assert cluster.cycle() == {}, "it was offered, and is asked for no more"


def test_e13_paper_example_of_drf_when_both_ask_for_tasks() -> None:
    """DRF paper, section 4.1: 9 cpus, 18 GB; tasks of <1, 4> and of <3, 1> end at three and two of them."""
    cluster = made()
    cluster.agent("x", "cpus:9;mem:18432")
    cluster.request("a", *["cpus:1;mem:4096"] * 10)
    cluster.request("b", *["cpus:3;mem:1024"] * 10)
    assert cluster.cycle() == {("a", "a"): (1, "cpus:3; mem:12288"), ("b", "b"): (1, "cpus:6; mem:2048")}


def test_n24_a_call_replaces_the_one_before() -> None:
    cluster = made()
    cluster.request("a", "cpus:1", "cpus:1")
    cluster.request("a", "cpus:2")
    cluster.suppress("b")
    cluster.agent("x", "cpus:9;mem:18432")
    assert cluster.cycle() == {("a", "a"): (1, "cpus:2")}
    cluster.request("a")
    cluster.agent("y", "cpus:9;mem:18432")
    assert cluster.cycle() == {}


def test_n24_what_is_left_goes_to_those_who_never_asked() -> None:
    cluster = made()
    cluster.agent("x", "cpus:9;mem:18432")
    cluster.request("a", "cpus:1;mem:1024")
    assert cluster.cycle() == {("a", "a"): (1, "cpus:1; mem:1024"), ("b", "b"): (1, "cpus:8; mem:17408")}


def test_n24_a_framework_that_asks_late_is_served_where_a_greedy_one_holds_whole_agents() -> None:
    """Under plain DRF the greedy one is offered every agent it is due; here everybody gets what they can use."""
    served = {}
    for name in ("hierarchical_drf", "request_driven"):
        cluster = Cluster(name)
        cluster.framework("greedy", "a")
        cluster.framework("modest", "b")
        cluster.request("greedy", *["cpus:1;mem:64"] * 3)
        cluster.request("modest", *["cpus:1;mem:64"] * 3)
        cluster.agent("only", "cpus:8;mem:1024")
        served[name] = {framework for framework, _ in cluster.cycle()}
    assert served == {"hierarchical_drf": {"greedy"}, "request_driven": {"greedy", "modest"}}


def test_e13_reserved_resources_are_used_first_and_only_by_their_role() -> None:
    cluster = made()
    cluster.agent("x", "cpus(a):1;cpus:2;mem:1024")
    cluster.request("b", "cpus:3")
    cluster.request("a", "cpus:2")
    assert cluster.cycle() == {("a", "a"): (1, "cpus(reservations: [(STATIC,a)]):1; cpus:1")}


def test_n01_who_asks_for_what_fits_nowhere_hears_it() -> None:
    cluster = made()
    cluster.agent("x", "cpus:1;mem:1024")
    cluster.request("a", "cpus:64")
    cluster.suppress("b")
    reasons = Reasons()
    assert cluster.cycle(observer=reasons) == {}
    assert reasons.codes("a", "x") == ["no_request_fits"]


def test_x27_a_shape_that_was_declined_waits_for_its_filter() -> None:
    cluster = made()
    cluster.suppress("b")
    cluster.agent("x", "cpus:4;mem:1024")
    cluster.request("a", "cpus:2")
    cluster.cycle()
    cluster.decline("a", 60)
    cluster.request("a", "cpus:2", "cpus:3")
    assert cluster.cycle() == {("a", "a"): (1, "cpus:3")}


def test_m_sc_02_requests_go_with_their_framework() -> None:
    cluster = made()
    cluster.request("a", "cpus:1")
    cluster.allocator.remove_framework(
        cluster.ledger.frameworks[next(iter(cluster.ledger.frameworks))].view.framework_id
    )
    cluster.agent("x", "cpus:4;mem:1024")
    assert cluster.cycle() == {("b", "b"): (1, "cpus:4; mem:1024")}
