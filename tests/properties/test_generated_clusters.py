"""Thousands of made-up clusters, each decided by the stock allocator and by the slow definition: the same (X27-X38).

Where ``test_allocator.py`` tries what may happen in which order, this tries how clusters may look: trees of roles,
weights, quota that is short or not, reservations, holdings, refusals, machines alike and not. Clusters are drawn so
that quota binds in most of them, and a test below holds that it does.
"""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from mesos_service.core.allocation import one_pass
from mesos_service.core.allocation.audit import contradictions
from mesos_service.core.allocation.ledger import Ledger
from mesos_service.core.allocation.shapes import countable
from mesos_service.domain.ids import AgentId, FrameworkId, Role
from mesos_service.domain.resources import Resources
from mesos_service.fairness.cluster import NaiveAgent, NaiveFilter, NaiveFramework, NaiveQuota, text_of
from mesos_service.fairness.definition import Naive, Said
from mesos_service.plugins.allocator import AgentView, AllocatorOptions, FrameworkView, Quota
from mesos_service.plugins.loader import ALLOCATORS, load
from tests.support.histories import longer

MINIMUM = {"cpus": 10}
ROLES = ("a", "b", "c", "a/x", "a/y", "a/x/p", "b/z", "q")
MACHINES = (
    "cpus:2;mem:1024",
    "cpus:4;mem:1024;disk:100;ports:[1-9]",
    "cpus:1;mem:8192",
    "cpus:2;mem:512;cpus(a):2;mem(a):512",
    "cpus(q):1;mem(q):64;cpus(b):1;mem(b/z):64;cpus:3;mem:640",
    "cpus:3;mem:700;gpus:1;disk:50",
    "cpus:7;mem:512;ports:[5-6]",
)
GPU = frozenset({"GPU_RESOURCES"})


class Made:
    """One cluster, twice."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        draw = self.random
        # In every third cluster a part of each agent is for short tasks (A54).
        share = 0.0 if seed % 3 else 0.3
        lifts = seed % 4 == 1
        """Whether what everybody refuses is offered anew (X29)."""
        self.options = AllocatorOptions(min_allocatable=(MINIMUM,), short_slice=share, lift_unanimous_refusals=lifts)
        self.real = load(ALLOCATORS, "hierarchical")(self.options)
        self.naive = Naive((MINIMUM,), short_slice=share, lifts_unanimous=lifts)
        self.with_aged = seed % 5 == 0
        """Some come before others, as they have waited for long (N08)."""
        self.now = 0.0
        self.seen = Counter[str]()
        for role in draw.sample(ROLES, draw.randrange(4)):
            self._weigh(role, draw.choice((0.1, 0.5, 1.1, 2.0, 3.0)))
        for role in draw.sample(("a", "b", "c", "q"), draw.randrange(3)):
            self._set_quota(role)
        for number in range(2 + draw.randrange(5)):
            self._add_framework(f"f{number}")
        machines = draw.sample(MACHINES, 1 + draw.randrange(4))
        for number in range(3 + draw.randrange(10)):
            self._add_agent(f"agent{number:02}", draw.choice(machines))

    @property
    def ledger(self) -> Ledger:
        ledger = getattr(self.real, "ledger", None)
        assert isinstance(ledger, Ledger)
        return ledger

    def _weigh(self, role: str, weight: float) -> None:
        self.real.update_weights({Role(role): weight})
        self.naive.weights[role] = weight

    def _set_quota(self, role: str) -> None:
        draw = self.random
        guarantees = {name: amount for name, amount in self._amounts(3000, 900_000) if draw.random() < 0.7}
        limits = {
            name: amount + guarantees.get(name, 0)
            for name, amount in self._amounts(6000, 2_000_000)
            if draw.random() < 0.5
        }
        self.real.update_quota(Role(role), Quota(guarantees=guarantees, limits=limits))
        if guarantees or limits:
            self.naive.quotas[role] = NaiveQuota(guarantees, limits)

    def _amounts(self, cpus: int, mem: int) -> list[tuple[str, int]]:
        return [("cpus", 500 * (1 + self.random.randrange(cpus // 250))), ("mem", 1000 + self.random.randrange(mem))]

    def _add_framework(self, name: str) -> None:
        draw = self.random
        roles = {draw.choice((*ROLES, *self.naive.quotas)) for _ in range(1 + draw.randrange(2))}
        capabilities = GPU if draw.random() < 0.3 else frozenset()
        short = frozenset(role for role in roles if self.naive.short_slice and draw.random() < 0.4)
        aged = self.with_aged and draw.random() < 0.3
        view = FrameworkView(
            framework_id=FrameworkId(name),
            roles=frozenset(map(Role, roles)),
            capabilities=capabilities,
            short_tasks=frozenset(map(Role, short)),
            aged=aged,
        )
        self.real.add_framework(view, {}, True)
        self.naive.frameworks[name] = NaiveFramework(roles, capabilities=capabilities, short=short, aged=aged)

    def _add_agent(self, name: str, text: str) -> None:
        draw = self.random
        total = Resources.parse(text)
        used: dict[FrameworkId, Resources] = {}
        self.naive.agents[name] = NaiveAgent(len(self.naive.agents) + 1, total)
        if draw.random() < 0.3:
            framework, role = draw.choice(self.naive.clients())
            held = Resources.parse("cpus:0.5;mem:100")
            if total.unreserved().contains(held):
                used[FrameworkId(framework)] = held.allocated_to(role)
                self.naive.hold(framework, role, name, held)
                for place in self.naive.places(framework, role):
                    self.naive.served[place] = self.naive.served.get(place, 0) + 1
        self.real.add_agent(AgentView(agent_id=AgentId(name), hostname=name, total=total), used)
        self.naive.agents[name].number = self.ledger.agents[AgentId(name)].serial

    def pass_over(self, touched: set[str] | None = None) -> Said:
        """One pass of both; they must grant the same."""
        state = self.random.getstate()
        seed = self.random.getrandbits(64)
        self.random.setstate(state)
        said = self.naive.allocate(self.now, seed, touched)
        agents = None if touched is None else {AgentId(name) for name in touched}
        grants = self.real.allocate(self.now, self.random, agents=agents)
        told = [(str(one[0]), str(one[1]), str(one[2]), text_of(one[3])) for one in grants]
        assert told == [(framework, role, agent, text_of(offer)) for framework, role, agent, offer in said]
        assert contradictions(self.ledger) == []
        self._look(said)
        return said

    def decline(self, said: Said, share: float) -> None:
        """Give some of the offers back, with and without filters."""
        for framework, role, agent, offer in said:
            if self.random.random() > share:
                continue
            seconds = self.random.choice((None, 3.0, 600.0))
            self.real.recover(
                FrameworkId(framework),
                AgentId(agent),
                offer.allocated_to(role),
                refuse_seconds=seconds,
                allocated=False,
                now=self.now,
            )
            self.naive.release(framework, role, agent, offer)
            if seconds is not None:
                self.naive.filters.append(NaiveFilter(framework, role, agent, offer, self.now + seconds))

    def _look(self, said: Said) -> None:
        """Count what came up."""
        self.seen["grants"] += len(said)
        if any(self.naive.required({role: self.naive.consumed(role) for role in self.naive.quotas}).values()):
            self.seen["guarantee unsatisfied"] += 1
            self.seen["held back"] += any(countable(self.naive.free(name)) for name in self.naive.agents)
        for role, quota in self.naive.quotas.items():
            consumed = self.naive.consumed(role)
            self.seen["limit reached"] += any(consumed.get(name, 0) == most for name, most in quota.limits.items())


def run(seeds: range) -> Counter[str]:
    seen = Counter[str]()
    for seed in seeds:
        made = Made(seed)
        for round_number in range(4):
            names = sorted(made.naive.agents)
            touched = None if round_number != 2 else set(made.random.sample(names, len(names) // 2))
            said = made.pass_over(touched)
            made.decline(said, (1.0, 0.7, 0.5, 0.0)[round_number])
            made.now += 2.0
        seen += made.seen
    return seen


@pytest.mark.parametrize("hundred", range(4))
def test_x32_x36_x37_x38_generated_clusters_are_decided_as_defined(
    hundred: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if hundred % 2:
        monkeypatch.setattr(one_pass, "MANY", 0)  # what large passes do, done in small ones too
    check(hundred)


@pytest.mark.parametrize("hundred", range(7, 10))
@pytest.mark.usefixtures("by_stretches")
def test_x32_x36_x37_x38_stretches_are_decided_as_defined(hundred: int) -> None:
    check(hundred)


@pytest.mark.parametrize("hundred", range(4, 7))
@pytest.mark.usefixtures("compiled_kernel")
def test_x32_x36_x37_x38_the_compiled_kernel_decides_them_as_defined(hundred: int) -> None:
    check(hundred)


def check(hundred: int) -> None:
    seen = run(range(100 * hundred, 100 * hundred + 100))
    assert seen["grants"] > 1000
    assert min(seen["guarantee unsatisfied"], seen["held back"], seen["limit reached"]) > 10, seen


@pytest.mark.long
@pytest.mark.parametrize("thousand", longer(1, 5))
def test_x32_x36_x37_x38_many_more_generated_clusters(thousand: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_pass, "MANY", 0)
    assert run(range(1000 * thousand, 1000 * thousand + 1000))["grants"] > 10_000


@pytest.mark.long
@pytest.mark.parametrize("thousand", longer(6, 5))
@pytest.mark.usefixtures("compiled_kernel")
def test_x32_x36_x37_x38_many_more_by_the_compiled_kernel(thousand: int) -> None:
    assert run(range(1000 * thousand, 1000 * thousand + 1000))["grants"] > 10_000
