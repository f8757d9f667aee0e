"""``bench allocator``: how long passes of the stock allocator take, without a master around it.

The cluster is Mesos' own benchmark's size and more: 50,000 agents and 200 frameworks in two levels of roles, agents of
four kinds with four kinds of resources each, quota on two roles. CPU time is taken, and the best of several runs told,
because what else the machine does can only add to it. As in a master, no garbage is collected in the middle of a pass,
and nothing goes through all records between the changes that a pass is about and the pass.

- *full cycle*: everything is free, a pass over all agents offers all of it; until the list of grants is there;
- *worst filters*: the same, when of all pairs of agent and framework a share is under a refusal filter; the shares
  tried are in ``WORST_SHARES``, and the slowest is told;
- *incremental*: a pass over 1,700 agents that have changed, as many as tasks end in a second of the paper's largest
  experiment;
- *20k x 2k*: 20,000 agents and 2,000 frameworks in one role, as Mesos publishes it;
- *in Python*: the same passes without the compiled kernel, where there is one.
"""

from __future__ import annotations

import gc
import resource
import time
from collections.abc import Callable, Sequence
from random import Random

from mesos_service.bench.allocator_bounds import bounds_ms
from mesos_service.bench.report import Report
from mesos_service.core.allocation import kernel
from mesos_service.core.allocation.ledger import Ledger
from mesos_service.domain.errors import InvariantBroken
from mesos_service.domain.ids import AgentId, FrameworkId, Role
from mesos_service.domain.resources import Resources
from mesos_service.memory import COLLECTIONS, collections_put_off
from mesos_service.plugins.allocator import AgentView, Allocator, AllocatorOptions, FrameworkView, Grant, Quota
from mesos_service.plugins.loader import ALLOCATORS, load

KINDS = (
    "cpus:24;mem:4096;disk:4096;ports:[31000-32000]",
    "cpus:16;mem:65536;disk:8192;ports:[31000-32000]",
    "cpus:48;mem:131072;disk:4096;ports:[31000-32000]",
    "cpus:8;mem:16384;disk:16384;ports:[31000-32000]",
)
CHANGED = 1700
WORST_SHARES = (0.5, 0.9, 0.95, 0.99, 0.995)
YEAR = 365 * 86400.0


class _Bench:
    """One allocator with a cluster of so many agents, and frameworks in the roles given."""

    def __init__(self, agents: int, roles: Sequence[str], quotas: dict[Role, Quota] | None = None) -> None:
        self.allocator: Allocator = load(ALLOCATORS, "hierarchical")(AllocatorOptions(quotas=quotas or {}))
        self.random = Random(1)
        self.now = 0.0
        for number, role in enumerate(roles):
            framework = FrameworkView(framework_id=FrameworkId(f"framework-{number:04}"), roles=frozenset({Role(role)}))
            self.allocator.add_framework(framework, {}, True)
        totals = [Resources.parse(kind) for kind in KINDS]
        for number in range(agents):
            agent = AgentView(
                agent_id=AgentId(f"agent-{number:06}"), hostname=f"host-{number}", total=totals[number % len(totals)]
            )
            self.allocator.add_agent(agent, {})

    @property
    def ledger(self) -> Ledger:
        ledger = getattr(self.allocator, "ledger", None)
        if not isinstance(ledger, Ledger):
            raise InvariantBroken("the stock allocator keeps a ledger")
        return ledger

    def timed(self, agents: Sequence[AgentId] | None = None) -> tuple[float, Sequence[Grant]]:
        """CPU seconds of one pass, and what it granted."""
        self.now += 1.0
        with collections_put_off():
            begin = time.process_time()
            grants = self.allocator.allocate(self.now, self.random, agents=agents)
            return time.process_time() - begin, grants

    def give_back(self, grants: Sequence[Grant]) -> None:
        for framework_id, _, agent_id, resources in grants:
            self.allocator.recover(
                framework_id, agent_id, resources, refuse_seconds=None, allocated=False, now=self.now
            )

    def full(self, runs: int) -> float:
        """Best CPU seconds of a pass that offers everything."""
        best = float("inf")
        for _ in range(runs):
            seconds, grants = self.timed()
            best = min(best, seconds)
            gc.collect()
            self.give_back(grants)
        return best

    def incremental(self, runs: int) -> float:
        """Best CPU seconds of a pass over changed agents, in a cluster where all else is offered already."""
        standing: dict[AgentId, list[Grant]] = {}
        for grant in self.timed()[1]:
            standing.setdefault(grant.agent_id, []).append(grant)
        best = float("inf")
        for _ in range(runs):
            changed = self.random.sample(sorted(standing), min(CHANGED, len(standing)))
            gc.collect()
            for agent_id in changed:
                self.give_back(standing.pop(agent_id))
            seconds, grants = self.timed(changed)
            best = min(best, seconds)
            for grant in grants:
                standing.setdefault(grant.agent_id, []).append(grant)
        for held in standing.values():
            self.give_back(held)
        return best

    def filtered(self, share: float, runs: int) -> tuple[float, float]:
        """Best CPU seconds of a full pass when a random ``share`` of all pairs is under a filter; and in Python."""
        ledger = self.ledger
        clients = list(ledger.clients())
        for agent in ledger.agents.values():
            for client in clients:
                if self.random.random() < share:
                    ledger.refuse(agent, client, agent.free, self.now + YEAR)
        best, in_python = self.full(runs), in_plain_python(self.full, runs)
        for framework_id in list(ledger.frameworks):
            self.allocator.revive(framework_id, ())
        return best, in_python


def in_plain_python(measure: Callable[[int], float], runs: int) -> float:
    """What ``measure`` gives without the compiled kernel."""
    kernel.enabled = False
    try:
        return measure(runs)
    finally:
        kernel.enabled = True


def _two_levels(frameworks: int) -> list[str]:
    """Twenty roles at the top; most frameworks are in one of ten roles below one of them, some at the top itself."""
    return [
        f"role{number % 20}" if number % 10 == 9 else f"role{number % 20}/team{number % 10}"
        for number in range(frameworks)
    ]


def _quotas() -> dict[Role, Quota]:
    """A guarantee that has yet to be met, and a limit."""
    return {
        Role("role9"): Quota(guarantees={"cpus": 2_000_000, "mem": 4_000_000_000}),
        Role("role19"): Quota(limits={"cpus": 30_000_000, "mem": 60_000_000_000}),
    }


async def measure(
    agents: int = 50_000,
    frameworks: int = 200,
    wide_agents: int = 20_000,
    wide_frameworks: int = 2_000,
    runs: int = 7,
    shares: Sequence[float] = WORST_SHARES,
    bounded: bool = False,
) -> Report:
    """All figures of ``bench allocator``; memory is the most the process ever held, filters included. With ``bounded``
    those of :mod:`~mesos_service.bench.allocator_bounds`, too."""
    often = gc.get_threshold()
    gc.set_threshold(*COLLECTIONS)
    try:
        report = _measured(agents, frameworks, wide_agents, wide_frameworks, runs, shares)
        if bounded:
            report.figures.update(bounds_ms(agents, min(CHANGED, agents), runs))
            report.legend["bound_of_changed_ms"] = "the sum of those above: the least of 1,700 changed agents"
        return report
    finally:
        gc.set_threshold(*often)


def _measured(
    agents: int, frameworks: int, wide_agents: int, wide_frameworks: int, runs: int, shares: Sequence[float]
) -> Report:
    report = Report("allocator")
    bench = _Bench(agents, _two_levels(frameworks), _quotas())
    built = _peak_mb()
    figures, in_python = report.figures, dict[str, float]()
    few = max(1, runs // 2)
    figures["full_cycle_ms"] = bench.full(runs) * 1e3
    in_python["full_cycle_ms"] = in_plain_python(bench.full, few) * 1e3
    figures["incremental_cycle_ms"] = bench.incremental(runs) * 1e3
    in_python["incremental_cycle_ms"] = in_plain_python(bench.incremental, runs) * 1e3
    filtered = {share: bench.filtered(share, few) for share in shares}
    figures["worst_filter_cycle_ms"] = max(best for best, _ in filtered.values()) * 1e3
    in_python["worst_filter_cycle_ms"] = max(slow for _, slow in filtered.values()) * 1e3
    del bench
    gc.collect()
    wide = _Bench(wide_agents, ["role"] * wide_frameworks)
    figures["cycle_20k_2k_ms"] = wide.full(runs) * 1e3
    in_python["cycle_20k_2k_ms"] = in_plain_python(wide.full, few) * 1e3
    if kernel.name() == "compiled":
        figures.update({f"python_{name}": value for name, value in in_python.items()})
    figures["rss_mb"] = _peak_mb()
    report.details = {
        "kernel": kernel.name(),
        "agents": agents,
        "frameworks": frameworks,
        "wide": [wide_agents, wide_frameworks],
        "filtered_ms": {str(share): round(best * 1e3, 1) for share, (best, _) in filtered.items()},
        "rss_mb_without_filters": built,
    }
    report.legend = {
        "full_cycle_ms": f"kernel: {kernel.name()}",
        "worst_filter_cycle_ms": "by share of filtered pairs: "
        + ", ".join(f"{share:.1%} {best * 1e3:.0f} ms" for share, (best, _) in filtered.items()),
        "rss_mb": f"at the most; {built:.0f} MB before any filter",
    }
    return report


def _peak_mb() -> float:
    """The most memory that was resident at any time, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
