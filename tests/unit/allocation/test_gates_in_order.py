"""The order in which an offer meets its gates (X29b): what fails at two of them is refused for the first."""

from __future__ import annotations

from tests.unit.allocation.cluster import Cluster, Reasons
from tests.unit.allocation.gates import listed, resource, revocable


def why(cluster: Cluster, framework: str, agent: str) -> list[str]:
    """The reasons that ``framework`` hears about ``agent`` in a full pass."""
    reasons = Reasons()
    cluster.cycle(observer=reasons)
    return reasons.codes(framework, agent)


def test_x29b_minimum_size_comes_before_capability() -> None:
    cluster = Cluster()
    cluster.framework("f", "a")
    cluster.agent("small", "cpus:0.001;gpus:1")
    cluster.agent("large", "cpus:1;gpus:1")
    reasons = Reasons()
    assert cluster.cycle(observer=reasons) == {}
    assert reasons.codes("f", "small") == ["below_min_allocatable"]
    assert reasons.codes("f", "large") == ["capability_missing"]


def test_x29b_what_is_for_another_role_does_not_count_for_the_minimum() -> None:
    cluster = Cluster()
    cluster.framework("f", "a")
    cluster.agent("x", "cpus(b):8;mem(b):4096;cpus:0.001")
    assert why(cluster, "f", "x") == ["below_min_allocatable"]


def test_x29b_capability_comes_before_stripping() -> None:
    """All cpus are revocable: stripping would leave nothing, and there are gpus, which it may not have at all."""
    cluster = Cluster()
    cluster.framework("f", "a")
    cluster.agent("x", listed(revocable("cpus", 2), revocable("gpus", 1)))
    assert why(cluster, "f", "x") == ["capability_missing"]
    cluster.update("f", "a", capabilities=["GPU_RESOURCES"])
    assert why(cluster, "f", "x") == ["nothing_for_role"]


def test_x29b_minimum_size_is_asked_again_of_what_stripping_leaves() -> None:
    cluster = Cluster()
    cluster.framework("plain", "a")
    cluster.framework("any", "b", capabilities=["REVOCABLE_RESOURCES"], suppressed=["b"])
    cluster.agent("x", listed(revocable("cpus", 2), resource("cpus", 0.001)))
    assert why(cluster, "plain", "x") == ["below_min_allocatable"]
    cluster.revive("any")
    assert list(cluster.cycle()) == [("any", "b")], "it was the stripping that made it too small"


def test_x29b_the_second_minimum_comes_before_refusals() -> None:
    cluster = Cluster()
    cluster.framework("f", "a")
    cluster.agent("x", listed(revocable("cpus", 8), resource("cpus", 1), resource("mem", 64)))
    cluster.cycle()
    cluster.decline("f", 3600)
    assert why(cluster, "f", "x") == ["refusal_filter"]
    cluster.update("f", "a", minimum={"a": [{"cpus": 4000}]})
    assert why(cluster, "f", "x") == ["below_min_allocatable"], "8 revocable cpus pass the first minimum, 1 is left"


def test_x29b_refusals_look_at_what_would_really_be_sent() -> None:
    """More revocable resources are more on the agent, but not more in this framework's offer, which it has refused."""
    cluster = Cluster()
    cluster.framework("f", "a")
    plain = (resource("cpus", 1), resource("mem", 64))
    cluster.agent("x", listed(revocable("cpus", 1), *plain))
    assert cluster.cycle() == {("f", "a"): (1, "cpus:1; mem:64")}
    cluster.decline("f", 3600)
    cluster.agent("x", listed(revocable("cpus", 8), *plain))
    assert why(cluster, "f", "x") == ["refusal_filter"]
    cluster.agent("x", listed(revocable("cpus", 8), *plain, resource("disk", 10)))
    assert cluster.cycle() == {("f", "a"): (1, "cpus:1; disk:10; mem:64")}, "this is more than it refused"
