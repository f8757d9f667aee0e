"""The order of roles and frameworks: X30, X31, X33-X35, and what keeps it cheap."""

from __future__ import annotations

from fractions import Fraction
from random import Random

import pytest

from mesos_service.core.allocation.drf import KNOWN_MAX, Scale, dominant_share
from mesos_service.core.allocation.sorter import Sorter
from mesos_service.core.allocation.tree import Leaf
from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.ids import Role
from mesos_service.domain.resources import Resources
from tests.unit.allocation.cluster import Cluster

SMALL = "cpus:2;mem:1024"


class Tree:
    """A sorter over a cluster of 100 cpus and 100 mem, with clients called by name."""

    def __init__(self, weights: dict[str, float] | None = None) -> None:
        self.scale = Scale()
        self.scale.grow(self.scale.vector(Resources.parse("cpus:100;mem:100")))
        self.sorter: Sorter[Leaf] = Sorter(self.scale, {Role(role): weight for role, weight in (weights or {}).items()})
        self.clients: dict[str, Leaf] = {}

    def add(self, role: str, name: str, holds: str = "") -> Leaf:
        client = self.clients[name] = Leaf(name)
        self.sorter.add(Role(role), client)
        self.sorter.activate(client)
        if holds:
            self.charge(name, holds)
        return client

    def charge(self, name: str, resources: str) -> None:
        self.sorter.charge(self.clients[name], self.scale.vector(Resources.parse(resources)))

    def discharge(self, name: str, resources: str) -> None:
        self.sorter.discharge(self.clients[name], self.scale.vector(Resources.parse(resources)))

    def order(self) -> str:
        assert self.sorter.contradictions() == []
        return " ".join(client.name for client in self.sorter.walk(self.sorter.active))


def test_x30_share_is_the_largest_fraction_over_the_weight() -> None:
    assert dominant_share([1, 30], [10, 100], 1.0) == 0.3
    assert dominant_share([1, 30], [10, 100], 2.0) == 0.15
    assert dominant_share([5, 30], [0, 100], 1.0) == 0.3, "a resource that nobody has does not count"
    assert dominant_share([], [], 1.0) == 0.0


def test_x31_equal_weighted_shares_are_equal() -> None:
    """3/10 with weight 3 ties with 1/10 with weight 1; dividing twice would make it 0.09999999999999999."""
    assert dominant_share([3], [10], 3.0) == dominant_share([1], [10], 1.0)


def test_x30_smallest_share_first() -> None:
    tree = Tree()
    tree.add("a", "f1", "cpus:10;mem:1")
    tree.add("b", "f2", "cpus:1;mem:5")
    tree.add("c", "f3", "cpus:7;mem:7")
    assert tree.order() == "f2 f3 f1"


def test_x31_ties_go_to_who_was_served_less_often_then_by_name() -> None:
    tree = Tree()
    for name in ("f3", "f1", "f2"):
        tree.add("a", name)
    assert tree.order() == "f1 f2 f3"
    tree.charge("f1", "cpus:1")
    tree.discharge("f1", "cpus:1")
    assert tree.order() == "f2 f3 f1"


def test_x31_late_names_are_not_starved() -> None:
    cluster = Cluster()
    for name in ("f1", "f2", "f3"):
        cluster.framework(name, "r")
    cluster.agent("x", SMALL)
    served = []
    for _ in range(6):
        served += cluster.order("x")
        cluster.decline(served[-1], None)
    assert served == ["f1", "f2", "f3"] * 2


def test_x34_role_with_frameworks_and_children_competes_by_a_virtual_leaf() -> None:
    tree = Tree()
    tree.add("a", "own", "cpus:2")
    tree.add("a/x", "child", "cpus:1")
    tree.add("b", "other", "cpus:2")
    assert tree.order() == "other child own", "all of a holds 3, and within a the virtual leaf holds 2, a/x holds 1"


def test_x34_virtual_leaf_does_not_take_the_weight_of_its_role() -> None:
    tree = Tree({"a": 4.0})
    tree.add("a", "own", "cpus:3")
    tree.add("a/x", "child", "cpus:2")
    tree.add("b", "other", "cpus:2")
    assert tree.order() == "child own other", "a counts 5/4; inside, 2 is less than 3"


def test_x33_weight_outlives_its_clients_and_acts_on_the_next_walk() -> None:
    tree = Tree()
    one = tree.add("a", "f1", "cpus:4")
    tree.add("b", "f2", "cpus:3")
    assert tree.order() == "f2 f1"
    tree.sorter.update_weights({Role("a"): 2.0})
    assert tree.order() == "f1 f2"
    tree.sorter.remove(one)
    tree.add("a", "f3", "cpus:4")
    assert tree.order() == "f3 f2"
    assert tree.sorter.weight(Role("a")) == 2.0
    assert tree.sorter.role_share(Role("a")) == 0.02


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_x33_weight_must_be_positive(weight: float) -> None:
    tree = Tree()
    with pytest.raises(ConfigurationError, match="weight of role 'a'"):
        tree.sorter.update_weights({Role("b"): 2.0, Role("a"): weight})
    assert tree.sorter.weight(Role("b")) == 1.0
    with pytest.raises(ConfigurationError):
        Tree({"a": weight})


def test_x33_a_new_weight_rebalances_nothing() -> None:
    cluster = Cluster()
    cluster.framework("f1", "a")
    cluster.framework("f2", "b")
    cluster.agents(4, SMALL)
    cluster.cycle()
    cluster.allocator.update_weights({Role("a"): 3.0})
    assert cluster.cycle() == {}
    cluster.agents_named(["n1", "n2", "n3", "n4"], SMALL)
    assert cluster.cycle() == {("f1", "a"): (4, "cpus:8; mem:4096")}, "6 of 8 agents are 3 times 2 of 8"


def test_x35_inactive_clients_stay_in_the_accounts_and_out_of_the_order() -> None:
    tree = Tree()
    tree.add("a", "f1", "cpus:1")
    quiet = tree.add("a", "f2", "cpus:5")
    tree.add("b", "f3", "cpus:4")
    tree.sorter.deactivate(quiet)
    assert tree.order() == "f3 f1", "what f2 holds still counts for role a"
    tree.discharge("f2", "cpus:5")
    assert tree.order() == "f1 f3"
    tree.sorter.activate(quiet)
    assert tree.order() == "f2 f1 f3"


def test_x30_inactive_agents_count_in_the_total() -> None:
    """Of 10 cpus and 100 mem, 4 cpus weigh more than 30 mem; without the inactive agent it would be the reverse."""
    cluster = Cluster(minimum=())
    cluster.framework("f1", "a")
    cluster.framework("f2", "b")
    cluster.agent("x", "cpus:9;mem:40", used={"f1": {"a": "cpus:4"}, "f2": {"b": "mem:30"}})
    cluster.agent("idle", "cpus:1;mem:60")
    cluster.allocator.set_agent_active(cluster.agent_id("idle"), False)
    assert cluster.order() == ["f2"]


def test_m_al_18_excluded_resources_do_not_count() -> None:
    for excluded, first in (((), "f2"), (("gpus",), "f1")):
        cluster = Cluster(excluded=excluded, minimum=())
        cluster.framework("f1", "a", capabilities=["GPU_RESOURCES"])
        cluster.framework("f2", "b", capabilities=["GPU_RESOURCES"])
        cluster.agent("x", "cpus:10;gpus:2", used={"f1": {"a": "gpus:1"}, "f2": {"b": "cpus:1"}})
        assert cluster.order() == [first]


def test_x34_few_wanted_clients_come_in_the_same_order_as_by_a_walk() -> None:
    random = Random(3)
    tree = Tree()
    roles = ["a", "a/x", "a/y", "a/y/z", "b", "c/d", "*"]
    for number in range(100):
        tree.add(random.choice(roles), f"f{number}", f"cpus:{random.randrange(4)};mem:{random.randrange(4)}")
    everyone = tree.order().split()
    for _ in range(50):
        few = random.sample(everyone, 4)
        wanted = sum(tree.clients[name].bit for name in few)
        assert [client.name for client in tree.sorter.walk(wanted)] == [name for name in everyone if name in few]
        tree.charge(random.choice(everyone), "cpus:0.1")
        everyone = tree.order().split()


def test_reclaimed_bits_are_remembered_by_nobody() -> None:
    """Each revive takes a new bit; when old ones are used again, no veto of their former owner may be left."""
    cluster = Cluster()
    cluster.framework("f", "a")
    cluster.framework("g", "b")
    cluster.agents(2, SMALL)
    for _ in range(300):
        cluster.cycle()
        cluster.decline("f", 3600)
        cluster.decline("g", 3600)
        cluster.cycle()
        cluster.decline("f", 3600)
        cluster.decline("g", 3600)
        assert cluster.cycle() == {}
        cluster.revive("f")
        assert set(cluster.cycle()) == {("f", "a")}
        cluster.decline("f", None)
        cluster.revive("g")
    assert max(client.bit.bit_length() for client in clients(cluster)) < 150


def clients(cluster: Cluster) -> list[Leaf]:
    return [client for framework in cluster.ledger.frameworks.values() for client in framework.clients.values()]


def test_x30_the_first_agent_goes_to_the_smaller_dominant_share() -> None:
    """f1 has 4/28 of the memory, f2 6/28 of the cpus; by cpus alone f1 would be first too, by memory alone f2."""
    for seed in range(10):
        cluster = Cluster(seed=seed)
        cluster.framework("f1", "a")
        cluster.framework("f2", "b")
        cluster.agent("x", "cpus:10;mem:10240", used={"f1": {"a": "cpus:1;mem:4096"}})
        cluster.agent("y", "cpus:10;mem:10240", used={"f2": {"b": "cpus:6;mem:1024"}})
        cluster.agents(4, "cpus:2;mem:2048")
        cluster.cycle(limit=1)
        assert [grant.framework_id for grant in cluster.last] == ["f1"]


def test_x33_x31_shares_that_are_equal_on_paper_tie_whatever_the_weights() -> None:
    assert dominant_share([1100], [10_000], 1.1) == dominant_share([1100 * 7], [70_000], 1.1)
    tree = Tree({"a": 0.1, "b": 0.3})
    tree.add("a", "f1", "cpus:1")
    tree.add("b", "f2", "cpus:3")
    exact = {name: Fraction(held, 100) / Fraction(weight) for name, held, weight in (("f1", 1, 0.1), ("f2", 3, 0.3))}
    assert tree.order().split() == sorted(exact, key=lambda name: exact[name])


def test_x30_a_scale_remembers_vectors_of_the_very_same_resources_only() -> None:
    """Also when it has learned more names since, and when an object that has gone gave its identity to the next."""
    scale = Scale()
    first = Resources.parse("cpus:1;mem:2")
    vector = scale.vector(first)
    for amount in range(2 * KNOWN_MAX):
        assert scale.vector(Resources.parse(f"gpus:{amount + 1};mem:7")) == [(2, (amount + 1) * 1000), (1, 7000)]
    assert scale.vector(first) == vector == [(0, 1000), (1, 2000)]
    assert scale.vector(first) is scale.vector(first)


def test_x33_a_weight_of_a_role_that_only_roles_below_are_in_counts_from_the_next_pass_on() -> None:
    """Mesos remembers the weight with which it last worked out an order, until the last of those below has gone."""
    cluster = Cluster()
    cluster.framework("f1", "a/x")
    cluster.framework("f2", "b")
    cluster.agents(4, SMALL)
    assert {who: count for who, (count, _) in cluster.cycle().items()} == {("f1", "a/x"): 2, ("f2", "b"): 2}
    for name in ("f1", "f2"):
        cluster.decline(name, None)
    cluster.weigh("a", 3.0)
    assert {who: count for who, (count, _) in cluster.cycle().items()} == {("f1", "a/x"): 3, ("f2", "b"): 1}
