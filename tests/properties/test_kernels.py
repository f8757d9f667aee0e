"""The compiled kernel, stretches in Python, and one agent after the other decide the same, pass after pass (X31, X32).

Against the slow definition both are held by ``test_generated_clusters.py``, in clusters that are small enough for it.
Here the sizes are those at which the kernel is used, and what is compared is grants, accounts and quota's books.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Literal

import pytest

from mesos_service.core.allocation import by_levels, kernel
from mesos_service.core.allocation.audit import contradictions
from mesos_service.core.allocation.cycle import Cycle
from mesos_service.core.allocation.ledger import Ledger
from mesos_service.core.allocation.one_pass import Pass
from mesos_service.core.allocation.shuffle import Queue
from mesos_service.domain.ids import AgentId, FrameworkId, Role
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import AgentView, Allocator, AllocatorOptions, FrameworkView, Grant, Quota
from mesos_service.plugins.loader import ALLOCATORS, load
from tests.unit.allocation.cluster import make_filter

ROLES = ("a", "b", "c", "a/x", "a/y", "a/x/p", "b/z", "q", "*")
MACHINES = (
    "cpus:2;mem:1024",
    "cpus:4;mem:1024;disk:100;ports:[1-9]",
    "cpus:1;mem:8192",
    "cpus:2;mem:512;cpus(a):2;mem(a):512",
    "cpus:3;mem:700;gpus:1;disk:50",
    "cpus:0.005;mem:16;ports:[7-9]",
    "cpus:7.123;mem:512;ports:[5-6]",
)
_VOLUME = (
    '[{"name":"cpus","type":"SCALAR","scalar":{"value":%d}},{"name":"mem","type":"SCALAR","scalar":{"value":512}},'
    '{"name":"disk","type":"SCALAR","scalar":{"value":%d},"shared":{},"reservations":[{"type":"DYNAMIC","role":"%s"}],'
    '"disk":{"persistence":{"id":"v"},"volume":{"container_path":"v","mode":"RW"}}}]'
)
SHARING = (*MACHINES[:3], _VOLUME % (2, 50_000, "a"), _VOLUME % (3, 80, "b"), _VOLUME % (4, 70_000, "a/x"))
"""Some with a shared volume, which may be the larger part of somebody's share."""
AGENTS = 700
"""More than a client may have filters before they get a table of their own."""


class Twin:
    """One cluster, served by one kernel. Equal seeds make equal histories as long as decisions are equal."""

    def __init__(self, seed: int, name: str, machines: Sequence[str] = MACHINES) -> None:
        self.random = Random(seed)
        draw = self.random
        self.allocator: Allocator = load(ALLOCATORS, name)(
            # Some of them keep a slice for short tasks (A54).
            AllocatorOptions(
                min_allocatable=({"cpus": 10}, {"mem": 32_000}),
                short_slice=0.0 if seed % 3 else 0.3,
                lift_unanimous_refusals=seed % 4 == 1,
            )
        )
        ledger = getattr(self.allocator, "ledger", None)
        assert isinstance(ledger, Ledger)
        self.ledger: Ledger = ledger
        self.now = 0.0
        self.held: list[Grant] = []
        self.users: list[tuple[FrameworkId, AgentId, Resources]] = []
        self.used = 0
        self.passes: list[Sequence[Grant]] = []
        for role in draw.sample(ROLES[:-1], draw.randrange(5)):
            self.allocator.update_weights({Role(role): draw.choice((0.1, 0.5, 1.1, 2.0, 3.0, 1e-300, 1e18))})
        for number in range(3 + draw.randrange(20)):
            self.add_framework(number)
        kinds = draw.sample(machines, 1 + draw.randrange(len(machines)))
        if machines is SHARING:
            kinds.append(SHARING[-1])
        for number in range(AGENTS):
            self.add_agent(number, draw.choice(kinds))
        for role in draw.sample(("a", "b", "c", "q"), draw.randrange(4)):
            self.set_quota(role)

    def use(self) -> None:
        """Tasks on shared volumes begin and end (X45)."""
        draw = self.random
        for grant in self.held:
            volume = grant.resources.shared()
            if volume and draw.random() < 0.7:
                framework_id, agent_id, _ = self._part(grant)
                copies = Resources.of([item for item in volume for _ in range(draw.randrange(1, 3))])
                self.allocator.offered_to_allocated(framework_id, agent_id, copies)
                self.users.append((framework_id, agent_id, copies))
                self.used += 1
        for user in draw.sample(self.users, len(self.users) // 3):
            self.users.remove(user)
            self.allocator.recover(*user, refuse_seconds=None, allocated=True, now=self.now)

    def add_framework(self, number: int) -> None:
        draw = self.random
        view = FrameworkView(
            framework_id=FrameworkId(f"f{number}"),
            roles=frozenset(map(Role, draw.sample(ROLES, 1 + draw.randrange(2)))),
            capabilities=frozenset({"GPU_RESOURCES"} if draw.random() < 0.4 else ())
            | frozenset({"SHARED_RESOURCES"} if number % 3 else ()),
            short_tasks=frozenset({Role("b"), Role("q")} if number % 3 == 0 else ()),
            min_allocatable={Role("a"): ({"cpus": 1},)} if draw.random() < 0.1 else {},
        )
        self.allocator.add_framework(view, {}, True)

    def add_agent(self, number: int, machine: str) -> None:
        total = Resources.parse(machine)
        name = f"agent{number}"
        used: dict[FrameworkId, Resources] = {}
        if self.random.random() < 0.1:
            used[FrameworkId("f1")] = Resources.parse("cpus:0.001").allocated_to("b")
        self.allocator.add_agent(AgentView(agent_id=AgentId(name), hostname=name, total=total), used)

    def set_quota(self, role: str) -> None:
        draw = self.random
        guarantees = {"cpus": 1000 * draw.randrange(400)} if draw.random() < 0.5 else {}
        limits = {"cpus": guarantees.get("cpus", 0) + 777 * draw.randrange(900), "mem": 1000 * draw.randrange(300_000)}
        limits = {name: amount for name, amount in limits.items() if draw.random() < 0.7}
        self.allocator.update_quota(Role(role), Quota(guarantees=guarantees, limits=limits))

    def step(self) -> None:
        """A pass, and what frameworks make of it."""
        draw = self.random
        agents = None
        if draw.random() < 0.4:
            agents = {AgentId(f"agent{number}") for number in draw.sample(range(AGENTS), 200)}
        limit = draw.choice((None, None, 0, 1, 50, 400))
        grants = list(self.allocator.allocate(self.now, draw, agents=agents, limit=limit))
        self.passes.append(grants)
        self.held += grants
        self.now += draw.choice((0.5, 3.0, 30.0))
        keep = draw.choice((0.0, 0.3, 0.9))
        seconds = draw.choice((None, 0.0, 5.0, 600.0))
        kept: list[Grant] = []
        for grant in self.held:
            if draw.random() < keep:
                kept.append(grant)
                continue
            self.allocator.recover(*self._part(grant), refuse_seconds=seconds, allocated=False, now=self.now)
        self.held = kept
        if draw.random() < 0.2:
            self.allocator.revive(FrameworkId("f0"), ())
        if draw.random() < 0.1:
            self.allocator.suppress(FrameworkId("f2"), ())

    def churn(self) -> None:
        """Frameworks and agents come, change and go between two passes, and weights with them."""
        draw = self.random
        known = sorted(set(self.ledger.frameworks) - {"f0", "f2"})
        chosen = draw.choice(known)
        match draw.randrange(8):
            case 6:
                view = self.ledger.frameworks[chosen].view
                minimum = {
                    role: ({"cpus": draw.choice((1, 3000, 5000))},) for role in view.roles if draw.random() < 0.6
                }
                capabilities = frozenset(draw.sample(("GPU_RESOURCES", "SHARED_RESOURCES"), draw.randrange(3)))
                self.allocator.update_framework(
                    replace(view, min_allocatable=minimum, capabilities=capabilities, short_tasks=view.roles)
                )
            case 7:
                view = self.ledger.frameworks[chosen].view
                wanted = make_filter("at_least", resources={"mem": draw.choice((1, 700, 4000))})
                filters = {role: (wanted,) for role in view.roles if draw.random() < 0.6}
                self.allocator.update_framework(replace(view, filters=filters))
            case 0:
                self.add_framework(1000 + len(self.ledger.frameworks) + 100 * len(self.passes))
            case 1 if len(known) > 1:
                self.allocator.remove_framework(chosen)
                for grant in self.held:
                    if grant.framework_id == chosen:
                        self.allocator.recover(*self._part(grant), refuse_seconds=None, allocated=False, now=self.now)
                self.held = [grant for grant in self.held if grant.framework_id != chosen]
            case 2:
                roles = frozenset(map(Role, draw.sample(ROLES, 1 + draw.randrange(3))))
                self.allocator.update_framework(replace(self.ledger.frameworks[chosen].view, roles=roles))
            case 3:
                self.allocator.set_framework_active(chosen, not self.ledger.frameworks[chosen].active)
            case 4:
                self.allocator.update_weights({Role(draw.choice(ROLES[:-1])): draw.choice((0.3, 1.0, 2.0))})
            case _:
                gone = draw.choice(sorted(self.ledger.agents))
                self.allocator.remove_agent(gone)
                self.held = [grant for grant in self.held if grant.agent_id != gone]
                self.add_agent(AGENTS + draw.getrandbits(32), draw.choice(MACHINES))

    def _part(self, grant: Grant) -> tuple[FrameworkId, AgentId, Resources]:
        return grant.framework_id, grant.agent_id, grant.resources

    def books(self) -> object:
        """What every client and every role with quota holds, and what is remembered of refusals."""
        clients = self.ledger.clients()
        accounts = {(one.framework_id, one.role): (list(one.amounts), one.served) for one in clients}
        free = {name: amount for name, amount in self.ledger.quota.free.items() if amount}
        vetoes = [(book.vetoed, book.vetoed_free) for book in self.ledger.agents.values()]
        return accounts, self.ledger.quota.consumed, free, vetoes


@pytest.mark.parametrize("name", ["hierarchical", "strict_priority"])
@pytest.mark.parametrize("seed", [*range(12), 137, 218])
@pytest.mark.usefixtures("compiled_kernel")
def test_x31_x32_both_kernels_decide_the_same(seed: int, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled, python = Twin(seed, name), Twin(seed, name)
    for number in range(8):
        compiled.step()
        with monkeypatch.context() as patch:
            patch.setattr(kernel, "enabled", False)
            patch.setattr(by_levels, "enabled", False)
            python.step()
        assert compiled.passes[-1] == python.passes[-1], f"pass {number}"
        assert compiled.books() == python.books(), f"pass {number}"
    assert contradictions(compiled.ledger) == []
    assert any(compiled.passes)


@pytest.mark.parametrize("name", ["hierarchical", "strict_priority"])
@pytest.mark.parametrize("seed", [*range(12, 17), *range(18, 24), 137, 218])
def test_x31_x32_stretches_are_decided_as_one_agent_after_the_other(
    seed: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stretches, single = Twin(seed, name), Twin(seed, name)
    monkeypatch.setattr(kernel, "enabled", False)
    for number in range(8):
        with monkeypatch.context() as patch:
            lengths = {"LEAST": 0, "STRETCH": (4096, 90)[seed % 2], "SHORT": (256, 8)[seed % 2], "ALONE": 1 + seed % 7}
            lengths["WORTH"] = 2048 if seed % 3 == 0 else 0  # all of them one after the other, or stretches
            for constant, value in lengths.items():
                patch.setattr(by_levels, constant, value)
            stretches.step()
        with monkeypatch.context() as patch:
            patch.setattr(by_levels, "enabled", False)
            single.step()
        assert stretches.passes[-1] == single.passes[-1], f"pass {number}"
        assert stretches.books() == single.books(), f"pass {number}"
        assert refusals(stretches) == refusals(single), f"pass {number}"
    assert contradictions(stretches.ledger) == []
    assert any(stretches.passes)


@pytest.mark.parametrize("seed", range(400, 406))
@pytest.mark.usefixtures("compiled_kernel")
def test_x31_x32_what_is_kept_from_pass_to_pass_follows_who_comes_and_goes(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The flat tree is kept for as long as the same ones stand in it, and no longer."""
    compiled, stretches, single = (Twin(seed, "hierarchical") for _ in range(3))
    for number in range(12):
        compiled.step()
        with monkeypatch.context() as patch:
            patch.setattr(kernel, "enabled", False)
            patch.setattr(by_levels, "LEAST", 0)
            stretches.step()
            patch.setattr(by_levels, "enabled", False)
            single.step()
        for twin in (compiled, stretches, single):
            assert twin.passes[-1] == single.passes[-1], f"pass {number}"
            assert twin.books() == single.books(), f"pass {number}"
            twin.churn()
            twin.churn()
            assert contradictions(twin.ledger) == []


@pytest.mark.parametrize("seed", range(300, 306))
@pytest.mark.usefixtures("compiled_kernel")
def test_x45_shared_volumes_are_decided_the_same_by_all(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a volume adds to a share depends on who uses it where, and so no agent with one is like another."""
    compiled, stretches, single = (Twin(seed, "hierarchical", SHARING) for _ in range(3))
    for number in range(8):
        compiled.step()
        with monkeypatch.context() as patch:
            patch.setattr(kernel, "enabled", False)
            patch.setattr(by_levels, "LEAST", 0)
            stretches.step()
            patch.setattr(by_levels, "enabled", False)
            single.step()
        for twin in (compiled, stretches, single):
            assert twin.passes[-1] == single.passes[-1], f"pass {number}"
            assert twin.books() == single.books(), f"pass {number}"
            assert contradictions(twin.ledger) == []
            twin.use()
            assert contradictions(twin.ledger) == []
    assert single.used


def refusals(twin: Twin) -> object:
    """How often whom a gate refused in the last pass, and why."""
    cycle = getattr(twin.allocator, "cycle", None)
    assert isinstance(cycle, Cycle)
    return cycle.summary.refused


def test_x32_a_long_queue_is_served_by_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests above compare something only if it is."""
    served: list[int | None] = []
    run = by_levels.serve

    def serve(one_pass: Pass, ledger: Ledger, queue: Queue, active: int, limit: int) -> int | None:
        served.append(run(one_pass, ledger, queue, active, limit))
        return served[-1]

    monkeypatch.setattr(kernel, "enabled", False)
    monkeypatch.setattr(by_levels, "serve", serve)
    twin = Twin(1, "hierarchical")
    twin.allocator.allocate(0.0, Random(1), agents=None)
    assert AGENTS in served


@pytest.mark.usefixtures("compiled_kernel")
def test_x32_the_compiled_kernel_serves_a_long_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests above compare something only if it does."""
    served: list[int | None] = []
    run = kernel.serve

    def serve(one_pass: Pass, ledger: Ledger, queue: Queue, active: int, limit: int) -> int | None:
        served.append(run(one_pass, ledger, queue, active, limit))
        return served[-1]

    monkeypatch.setattr(kernel, "serve", serve)
    twin = Twin(1, "hierarchical")
    twin.allocator.allocate(0.0, Random(1), agents=None)
    assert AGENTS in served


@pytest.mark.parametrize("agents", [100, AGENTS])
@pytest.mark.usefixtures("compiled_kernel")
def test_x27_a_filter_stands_although_no_veto_is_remembered(agents: int) -> None:
    """More was free for a while than was refused, which forgets vetoes; then as much as was refused is free again."""
    allocator = load(ALLOCATORS, "hierarchical")(AllocatorOptions())
    framework = FrameworkId("f")
    allocator.add_framework(FrameworkView(framework_id=framework, roles=frozenset({Role("a")})), {}, True)
    one = Resources.parse("cpus:1").allocated_to("a")
    ids = [AgentId(f"agent{number}") for number in range(agents)]
    for agent_id in ids:
        view = AgentView(agent_id=agent_id, hostname="h", total=Resources.parse("cpus:2"))
        allocator.add_agent(view, {framework: one})
    random = Random(1)
    assert len(allocator.allocate(0.0, random, agents=None)) == agents
    for agent_id in ids:
        allocator.recover(framework, agent_id, one, refuse_seconds=600.0, allocated=False, now=0.0)
    assert not allocator.allocate(1.0, random, agents=None)
    for agent_id in ids:
        allocator.recover(framework, agent_id, one, refuse_seconds=None, allocated=True, now=1.0)
    assert len(allocator.allocate(2.0, random, agents=None)) == agents
    for agent_id in ids:
        allocator.offered_to_allocated(framework, agent_id, one)
        allocator.recover(framework, agent_id, one, refuse_seconds=None, allocated=False, now=2.0)
    assert not allocator.allocate(3.0, random, agents=None)
    assert len(allocator.allocate(700.0, random, agents=None)) == agents


@pytest.mark.usefixtures("compiled_kernel")
def test_x32_an_agent_that_is_named_twice_is_offered_once() -> None:
    twin = Twin(3, "hierarchical")
    named = [AgentId(f"agent{number}") for number in range(100)] * 2
    twin.allocator.allocate(0.0, Random(1), agents=named)
    assert contradictions(twin.ledger) == []


@pytest.mark.parametrize("exponent", [20, 38, 40, 52])
@pytest.mark.usefixtures("compiled_kernel")
def test_x31_amounts_of_any_size_are_decided_alike(exponent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond 2**53 of anything the kernel lets Python divide, and beyond what its columns hold, Python serves."""

    def decide() -> Sequence[Grant]:
        weights = {Role("b"): 1.1, Role("c"): 0.3}
        allocator = load(ALLOCATORS, "hierarchical")(AllocatorOptions(weights=weights))
        for number, role in enumerate("aabbc"):
            view = FrameworkView(framework_id=FrameworkId(f"f{number}"), roles=frozenset({Role(role)}))
            allocator.add_framework(view, {}, True)
        for number in range(600):
            total = Resources.parse(f"cpus:{1 + number % 3};mem:{2**exponent - number % 7}")
            allocator.add_agent(AgentView(agent_id=AgentId(str(number)), hostname="h", total=total), {})
        return allocator.allocate(0.0, Random(1), agents=None)

    by_compiled = decide()
    monkeypatch.setattr(kernel, "enabled", False)
    assert by_compiled == decide()
    monkeypatch.setattr(by_levels, "enabled", False)
    assert by_compiled == decide()
    assert len(by_compiled) == 600


@pytest.mark.parametrize("limits", [{"cpus": 40_000}, {"mem": 40_000_000}, {"cpus": 41_500, "gpus": 5000}])
@pytest.mark.parametrize("machine", ["cpus:4;mem:4000;disk:1000;gpus:1", "cpus:4;mem:4000;disk:1000;gpus:1;fpgas:3"])
@pytest.mark.usefixtures("compiled_kernel")
def test_x31_x36_what_a_limit_leaves_of_machines_that_are_all_alike_counts(
    machine: str, limits: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of whole ones any resource makes the same shares as all others; of what a used-up limit leaves it does not."""

    def decide() -> Sequence[Grant]:
        allocator = load(ALLOCATORS, "hierarchical")(AllocatorOptions())
        for number, role in enumerate("qqbc"):
            view = FrameworkView(
                framework_id=FrameworkId(f"f{number}"),
                roles=frozenset({Role(role)}),
                capabilities=frozenset({"GPU_RESOURCES"}),
            )
            allocator.add_framework(view, {}, True)
        for number in range(AGENTS):
            view_of_agent = AgentView(agent_id=AgentId(str(number)), hostname="h", total=Resources.parse(machine))
            allocator.add_agent(view_of_agent, {})
        allocator.update_quota(Role("q"), Quota(guarantees={}, limits=limits))
        return [
            *allocator.allocate(0.0, Random(1), agents=None, limit=AGENTS - 100),
            *allocator.allocate(0.0, Random(2), agents=None),
        ]

    by_compiled = decide()
    assert len(by_compiled) > AGENTS
    monkeypatch.setattr(kernel, "enabled", False)
    by_stretches = decide()
    monkeypatch.setattr(by_levels, "enabled", False)
    assert decide() == by_compiled
    assert decide() == by_stretches


@pytest.mark.usefixtures("compiled_kernel")
def test_x32_columns_that_do_not_fit_are_refused_with_a_sentence() -> None:
    """Nothing that Python hands over can make the kernel read what is not there."""
    assert kernel.compiled is not None
    with pytest.raises(TypeError, match="by name"):
        kernel.compiled.Kernel()
    with pytest.raises(TypeError, match="nodes is missing"):
        kernel.compiled.Kernel(clients=1)
    empty = kernel.compiled.Kernel.__new__(kernel.compiled.Kernel)
    for call in (empty.run, lambda: empty.walk(1), lambda: empty.charge(0, b"")):
        with pytest.raises(RuntimeError, match="not given yet"):
            call()


@pytest.mark.parametrize("weight", [5e-324, 1e-310, 1.7e308])
@pytest.mark.parametrize("sorter", ["drf", "random"])
@pytest.mark.parametrize("agents", [3, AGENTS])
@pytest.mark.usefixtures("compiled_kernel")
def test_x33_no_weight_is_too_small_or_too_large(
    agents: int, sorter: Literal["drf", "random"], weight: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A share over it was more than a float can be, and no pass came to an end any more."""

    def decide() -> Sequence[Grant]:
        allocator = load(ALLOCATORS, "hierarchical")(AllocatorOptions(role_sorter=sorter))
        for role in "abc":
            view = FrameworkView(framework_id=FrameworkId(role), roles=frozenset({Role(role)}))
            allocator.add_framework(view, {}, True)
        for number in range(agents):
            name = str(number)
            allocator.add_agent(AgentView(agent_id=AgentId(name), hostname=name, total=Resources.parse("cpus:4")), {})
        allocator.update_weights({Role("a"): weight, Role("b"): weight})
        return allocator.allocate(0.0, Random(1), agents=None)

    by_compiled = decide()
    assert len(by_compiled) == agents
    monkeypatch.setattr(kernel, "enabled", False)
    assert by_compiled == decide()
    monkeypatch.setattr(by_levels, "enabled", False)
    assert by_compiled == decide()
    if agents > 3:
        served = {grant.role for grant in by_compiled}
        assert served >= ({"a", "b"} if weight > 1 or sorter == "drf" else {"c"})
