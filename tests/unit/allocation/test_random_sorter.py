"""The random sorter (M-AL-03), and agents of other regions (M-AL-21)."""

from __future__ import annotations

from collections import Counter

from tests.unit.allocation.cluster import Cluster

SMALL = "cpus:2;mem:1024"


def served(cluster: Cluster, passes: int) -> Counter[str]:
    """Who is served on one agent that everybody gives back."""
    counts = Counter[str]()
    for _ in range(passes):
        cluster.allocator.allocate(0.0, cluster.random, agents=None)
        for framework_id in list(cluster.ledger.frameworks):
            for agent in cluster.ledger.agents.values():
                if framework_id in agent.offered:
                    counts[framework_id] += 1
                    cluster.allocator.recover(
                        framework_id,
                        agent.agent_id,
                        agent.offered[framework_id],
                        refuse_seconds=None,
                        allocated=False,
                        now=0.0,
                    )
    return counts


def test_m_al_03_roles_are_drawn_by_weight_over_10000_cycles() -> None:
    cluster = Cluster(role_sorter="random", weights={"a": 3, "b": 1, "b/x": 4})
    for name, role in (("f", "a"), ("g", "b/x"), ("h", "b")):
        cluster.framework(name, role)
    cluster.agents(1, SMALL)
    counts = served(cluster, 10_000)
    assert abs(counts["f"] / 10_000 - 0.75) < 0.03
    assert abs(counts["g"] / 10_000 - 0.20) < 0.03
    assert abs(counts["h"] / 10_000 - 0.05) < 0.03


def test_m_al_03_frameworks_are_drawn_alike_while_roles_stand_in_order() -> None:
    cluster = Cluster(framework_sorter="random")
    cluster.framework("f", "a")
    cluster.framework("g", "a")
    cluster.framework("h", "b")
    cluster.agents(2, SMALL)
    counts = served(cluster, 2_000)
    assert counts["h"] == 2_000
    assert abs(counts["f"] / 2_000 - 0.5) < 0.05


def test_m_al_03_a_starved_framework_gets_its_chance_beside_a_huge_one() -> None:
    cluster = Cluster(role_sorter="random")
    cluster.framework("huge", "a", used=None)
    cluster.framework("small", "b")
    cluster.agent("busy", "cpus:100;mem:1000", used={"huge": {"a": "cpus:100;mem:1000"}})
    cluster.agents(1, SMALL)
    counts = served(cluster, 500)
    assert min(counts.values()) > 200, "shares do not matter"


def test_m_al_23_same_seed_same_lots() -> None:
    def orders(seed: int) -> list[list[str]]:
        cluster = Cluster(role_sorter="random", framework_sorter="random", seed=seed)
        for name in ("f", "g", "h"):
            cluster.framework(name, name)
        cluster.agents(9, SMALL)
        return [cluster.order() for _ in range(2)]

    assert orders(3) == orders(3)
    assert orders(3) != orders(4)


def test_m_al_21_agents_of_other_regions_are_for_frameworks_that_know_regions() -> None:
    cluster = Cluster(region="here")
    cluster.framework("f", "a")
    cluster.framework("g", "b", capabilities=["REGION_AWARE"])
    cluster.agent("near", SMALL, region="here")
    cluster.agent("far", SMALL, region="there")
    cluster.agent("unknown", SMALL)
    cluster.cycle()
    assert {grant.framework_id for grant in cluster.last if grant.agent_id == "far"} == {"g"}
    assert {grant.framework_id for grant in cluster.last} == {"f", "g"}
    plain = Cluster()
    plain.framework("f", "a")
    plain.agent("far", SMALL, region="there")
    assert plain.cycle() == {("f", "a"): (1, "cpus:2; mem:1024")}, "a master without a region leaves nobody out"
