"""Dominant Resource Fairness (Ghodsi and others, NSDI 2011), section by section."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from random import Random

import pytest

from mesos_service.domain.ids import FrameworkId, Role
from mesos_service.domain.resources import Resources
from tests.unit.allocation.cluster import Cluster


class OneAgent:
    """A cluster of one agent; each pass offers what is free, and its receiver starts one task or declines for good."""

    def __init__(
        self, total: str, tasks: dict[str, str], weights: dict[str, float] | None = None, seed: int = 1
    ) -> None:
        self.cluster = Cluster(seed=seed, minimum=(), weights=weights)
        self.tasks = tasks
        self.total = Resources.parse(total)
        self.cluster.agent("agent", total)
        for name in tasks:
            self.cluster.framework(name, name)
        self.started: list[str] = []

    def run(self) -> dict[str, int]:
        """Offers until nobody takes anything; how many tasks each has."""
        while self.cluster.cycle():
            (grant,) = self.cluster.last
            name = str(grant.framework_id)
            if grant.resources.unallocated().contains(Resources.parse(self.tasks[name])):
                self.started.append(name)
                self.cluster.launch(grant, self.tasks[name])
            else:
                self.cluster.recover(grant, refuse=1e9)
        return {name: self.started.count(name) for name in self.tasks}

    def dominant_shares(self) -> dict[str, Fraction]:
        counts = {name: self.started.count(name) for name in self.tasks}
        return {
            name: max(
                Fraction(counts[name] * amount, self.total.scalar(resource))
                for resource, amount in Resources.parse(task).quantities().items()
            )
            for name, task in self.tasks.items()
        }


@pytest.mark.parametrize("seed", range(5))
def test_a30a_x34_section_4_1_example_gives_3_and_2_tasks(seed: int) -> None:
    """9 cpus and 18 GB; a task of A takes <1 cpu, 4 GB>, one of B <3 cpus, 1 GB>: dominant shares 2/3 each."""
    example = OneAgent("cpus:9;mem:18432", {"A": "cpus:1;mem:4096", "B": "cpus:3;mem:1024"}, seed=seed)
    assert example.run() == {"A": 3, "B": 2}
    assert example.dominant_shares() == {"A": Fraction(2, 3), "B": Fraction(2, 3)}
    sorter = example.cluster.ledger.sorter
    assert sorter.role_share(Role("A")) == sorter.role_share(Role("B")) == pytest.approx(2 / 3)


def test_x34_section_4_2_table_1_order_of_decisions() -> None:
    """Table 1 gives the first task to B, ours by name to A: nobody holds anything yet. From the third on they agree."""
    example = OneAgent("cpus:9;mem:18432", {"A": "cpus:1;mem:4096", "B": "cpus:3;mem:1024"})
    example.run()
    assert example.started == ["A", "B", "A", "B", "A"]


def test_section_4_3_weighted_drf() -> None:
    """With weight 2, A's dominant share may be twice B's; both need the same of one resource."""
    example = OneAgent("cpus:9", {"A": "cpus:1", "B": "cpus:1"}, weights={"A": 2})
    assert example.run() == {"A": 6, "B": 3}


def test_a30a_section_3_sharing_incentive() -> None:
    """Nobody is worse off than with a private 1/n of the cluster, to within one task."""
    tasks = {"A": "cpus:2;mem:1", "B": "cpus:1;mem:6", "C": "cpus:3;mem:3", "D": "cpus:1;mem:1"}
    example = OneAgent("cpus:120;mem:240", tasks)
    counts = example.run()
    for name, task in tasks.items():
        quarter = min(
            example.total.scalar(resource) // 4 // amount
            for resource, amount in Resources.parse(task).quantities().items()
        )
        assert counts[name] >= quarter - 1


def test_section_3_pareto_efficiency() -> None:
    """In the end no more task of anyone fits into what is free."""
    tasks = {"A": "cpus:2;mem:1", "B": "cpus:1;mem:6", "C": "cpus:3;mem:3"}
    example = OneAgent("cpus:50;mem:77", tasks)
    example.run()
    (agent,) = example.cluster.ledger.agents.values()
    assert [name for name, task in tasks.items() if agent.free.contains(Resources.parse(task))] == []


def test_a30a_section_3_envy_freeness() -> None:
    """Nobody could run more tasks with what another has, to within one task."""
    tasks = {"A": "cpus:2;mem:1", "B": "cpus:1;mem:6", "C": "cpus:3;mem:3", "D": "cpus:1;mem:1"}
    example = OneAgent("cpus:120;mem:240", tasks)
    counts = example.run()
    (agent,) = example.cluster.ledger.agents.values()
    for name, task in tasks.items():
        need = Resources.parse(task).quantities()
        for other in tasks:
            has = agent.allocated[FrameworkId(other)].quantities()
            assert min(has.get(resource, 0) // amount for resource, amount in need.items()) <= counts[name] + 1


@pytest.mark.parametrize("lie", ["cpus:1;mem:5", "cpus:2;mem:4", "cpus:2;mem:6", "cpus:1;mem:8"])
def test_a30a_section_3_strategy_proofness(lie: str) -> None:
    """Asking for more than a task needs gives no more tasks."""
    honest = OneAgent("cpus:90;mem:180", {"A": "cpus:1;mem:4", "B": "cpus:3;mem:1"}).run()
    lying = OneAgent("cpus:90;mem:180", {"A": lie, "B": "cpus:3;mem:1"}).run()
    assert lying["A"] <= honest["A"]


# -- the four properties, of many drawn clusters -----------------------------------------------------------------------


def drawn(seed: int) -> tuple[str, dict[str, str]]:
    """A cluster of one agent, and what one task of each of up to five users takes."""
    random = Random(seed)
    names = "ABCDE"[: random.randint(2, 5)]
    total = f"cpus:{random.randint(20, 60)};mem:{random.randint(20, 60)}"
    return total, {name: f"cpus:{random.randint(1, 4)};mem:{random.randint(1, 4)}" for name in names}


def quantities(text: str) -> Mapping[str, int]:
    return Resources.parse(text).quantities()


def fits(has: Mapping[str, int], need: Mapping[str, int]) -> int:
    return min(has.get(resource, 0) // amount for resource, amount in need.items())


DRAWN = pytest.mark.parametrize("seed", range(25))


@DRAWN
def test_a30a_section_3_the_four_properties_of_drawn_clusters(seed: int) -> None:
    """As above; where tasks are whole, each holds to within one task, of whoever has the larger ones."""
    total, tasks = drawn(seed)
    example = OneAgent(total, tasks, seed=seed)
    counts = example.run()
    (agent,) = example.cluster.ledger.agents.values()
    has = {name: agent.allocated[FrameworkId(name)].quantities() for name in tasks}
    for name, task in tasks.items():
        need = quantities(task)
        part = {
            resource: max(0, amount // len(tasks) - max(quantities(one)[resource] for one in tasks.values()))
            for resource, amount in quantities(total).items()
        }
        assert counts[name] >= fits(part, need), "sharing incentive"
        assert fits(agent.free.quantities(), need) == 0, "Pareto efficiency"
        for other in tasks:
            but_one = {resource: held - quantities(tasks[other])[resource] for resource, held in has[other].items()}
            assert fits(but_one, need) <= counts[name], "envy-freeness"


@DRAWN
def test_a30a_section_3_strategy_proofness_of_drawn_clusters(seed: int) -> None:
    """Whoever says that his tasks need more than they do gets no more of them; one more at most, as tasks are whole."""
    total, tasks = drawn(seed)
    honest = OneAgent(total, tasks, seed=seed).run()
    random = Random(seed + 1000)
    liar = random.choice(sorted(tasks))
    need = quantities(tasks[liar])
    said = ";".join(f"{resource}:{amount // 1000 + random.randint(0, 3)}" for resource, amount in need.items())
    lying = OneAgent(total, tasks | {liar: said}, seed=seed)
    lying.run()
    (agent,) = lying.cluster.ledger.agents.values()
    useful = fits(agent.allocated[FrameworkId(liar)].quantities(), need)
    assert useful <= honest[liar] + 1 or said == tasks[liar]
