"""One history: a master, agents and schedulers from a seed, faults while it runs, then peace, then the reckoning."""

from __future__ import annotations

import dataclasses
import hashlib
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from mesos_service.core.agent import invariants as agent_invariants
from mesos_service.core.agent.state import AgentOptions
from mesos_service.core.master import invariants as master_invariants
from mesos_service.core.master.state import MasterOptions
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.errors import InvariantBroken
from mesos_service.domain.frameworks import MULTI_ROLE, PARTITION_AWARE, FrameworkInfo
from mesos_service.domain.ids import Role
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import Allocator, AllocatorOptions
from mesos_service.simulator.clock import VirtualClock
from mesos_service.simulator.frameworks import RESOLVED, SimFramework
from mesos_service.simulator.network import Network
from mesos_service.simulator.nodes import AgentNode, MasterNode

AGENT_TOTAL = Resources.parse("cpus:4;mem:4096;disk:1024;ports:[31000-31099]")
HISTORY_KEPT = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a history is made of; times are virtual seconds."""

    agents: int = 4
    frameworks: int = 3
    seconds: float = 60.0
    fault_every_seconds: float = 2.0
    """Mean pause between faults; 0 for none."""
    heal_seconds: float = 180.0


@dataclass(slots=True)
class Outcome:
    """What came of a history. Equal seeds give equal ``digest``."""

    seed: int
    digest: str = ""
    steps: int = 0
    tasks: int = 0
    states: dict[str, int] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)


class HistoryFailed(InvariantBroken):
    """A history broke a promise; the text ends with what led there and how to see it again."""


class Cluster:
    """Builds everything from ``seed`` and runs it."""

    def __init__(self, seed: int, make_allocator: Callable[[AllocatorOptions], Allocator], plan: Plan | None = None):
        self.plan = plan or Plan()
        self.seed = seed
        self.clock = VirtualClock()
        self._source = random.Random(seed)
        self._digest = hashlib.sha256()
        self._recent: deque[str] = deque(maxlen=HISTORY_KEPT)
        self._steps = 0
        network = Network(self.clock, random.Random(seed + 11))
        options = MasterOptions(offer_timeout_seconds=7.0, agent_ping_timeout_seconds=2.0, max_agent_ping_timeouts=3)
        self.master = MasterNode(
            network, make_allocator(AllocatorOptions()), options, seed, self._journal, self._check_master
        )
        self.agents = [
            AgentNode(
                network,
                AgentInfo(hostname=f"agent-{number}", port=5051 + number, resources=AGENT_TOTAL),
                AgentOptions(status_update_retry_interval_min_seconds=2.0, executor_shutdown_grace_period_seconds=1.0),
                seed * 1000 + number,
                self._journal,
                self._check_agent,
            )
            for number in range(self.plan.agents)
        ]
        self.frameworks = [
            SimFramework(network, self.master, _framework(number), seed * 1000 + 500 + number)
            for number in range(self.plan.frameworks)
        ]

    # -- running ---------------------------------------------------------------------------------------------
    def run(self) -> Outcome:
        """The whole history.

        Raises:
            HistoryFailed: with the last steps, and the line that replays it.
        """
        try:
            return self._run()
        except Exception as error:
            story = "\n".join(self._recent)
            raise HistoryFailed(
                f"{error}\n\nThe last {len(self._recent)} steps:\n{story}\n\nReplay: make sim SEED={self.seed}"
            ) from error

    def _run(self) -> Outcome:
        for agent in self.agents:
            self.clock.after(self._source.random(), partial(agent.connect, self.master))
        for framework in self.frameworks:
            self.clock.after(self._source.random(), framework.subscribe)
            self._plan_mischief(framework)
        if self.plan.fault_every_seconds:
            self._plan_fault()
        self.clock.run(self.plan.seconds)
        for framework in self.frameworks:
            framework.heal()
        # Reconciliation answers may be lost with a connection that breaks at the last moment: ask again, as one does.
        for _ in range(6):
            self.clock.run(self.plan.heal_seconds / 6)
            for framework in self.frameworks:
                framework.ask()
        self.clock.run(5.0)
        self._reckon()
        states: dict[str, int] = {}
        for framework in self.frameworks:
            for state, _ in framework.tasks.values():
                states[state] = states.get(state, 0) + 1
        return Outcome(
            seed=self.seed,
            digest=self._digest.hexdigest(),
            steps=self._steps,
            tasks=sum(len(framework.tasks) for framework in self.frameworks),
            states=states,
            notes=dict(self.master.notes),
        )

    def _healing(self) -> bool:
        return self.frameworks[0].healed if self.frameworks else False

    def _plan_mischief(self, framework: SimFramework) -> None:
        def act() -> None:
            if not framework.healed:
                framework.misbehave()
                self.clock.after(self._source.expovariate(1.0), act)

        self.clock.after(self._source.expovariate(1.0), act)

    def _plan_fault(self) -> None:
        def strike() -> None:
            if self._healing():
                return
            victims: list[AgentNode | SimFramework] = [*self.agents, *self.frameworks]
            victim = self._source.choice(victims)
            if isinstance(victim, AgentNode) and self._source.random() < 0.3:
                seconds = self._source.uniform(2.0, 15.0)
                self._journal(self.clock.now, "fault", f"isolate {victim.name} for {seconds:.3f} s")
                victim.isolate(seconds)
            else:
                self._journal(self.clock.now, "fault", f"cut {victim.name}")
                victim.cut()
            self._plan_fault()

        self.clock.after(self._source.expovariate(1.0 / self.plan.fault_every_seconds), strike)

    # -- watching --------------------------------------------------------------------------------------------
    def _journal(self, now: float, place: str, message: object) -> None:
        self._steps += 1
        line = f"{now:.6f} {place}: {canonical(message)}"
        self._digest.update(line.encode())
        self._recent.append(line[:400])

    def _check_master(self, node: MasterNode | AgentNode) -> None:
        assert isinstance(node, MasterNode)
        master_invariants.check(node.state)

    def _check_agent(self, node: MasterNode | AgentNode) -> None:
        assert isinstance(node, AgentNode)
        agent_invariants.check(node.state)

    def _reckon(self) -> None:
        """Peace has come: nothing may be left open, nothing lost, and everything free again."""
        state = self.master.state
        for framework in self.frameworks:
            left = {task: told for task, (told, _) in framework.tasks.items() if told not in RESOLVED}
            if left:
                raise HistoryFailed(f"{framework.info.name} was never told how these ended: {left}")
            if framework.framework_id in state.frameworks and state.frameworks[framework.framework_id].tasks:
                raise HistoryFailed(f"the master still holds tasks of {framework.info.name}")
        for agent in self.agents:
            if agent.state.agent_id not in state.agents:
                raise HistoryFailed(f"{agent.name} is healthy but not registered")
            if state.agents[agent.state.agent_id].used:
                raise HistoryFailed(f"{agent.name} still has resources in use that no task holds")
            if agent.state.containers:
                raise HistoryFailed(f"{agent.name} has containers left: {list(agent.state.containers)}")
        for framework in self.frameworks:
            if not framework.offers_seen:
                raise HistoryFailed(f"{framework.info.name} never got an offer")


def canonical(value: object) -> str:
    """As ``repr``, but the same in every process: sets of texts print in an order that differs from one to the next."""
    if isinstance(value, frozenset):
        return "{" + ", ".join(sorted(map(repr, value))) + "}"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(canonical, value)) + ")"
    if dataclasses.is_dataclass(value):
        told = (f"{one.name}={canonical(getattr(value, one.name))}" for one in dataclasses.fields(value) if one.repr)
        return f"{type(value).__name__}({', '.join(told)})"
    return repr(value)


def _framework(number: int) -> FrameworkInfo:
    multi = number % 2 == 0
    capabilities = {PARTITION_AWARE, "TASK_KILLING_STATE"} if number % 3 else {PARTITION_AWARE}
    if multi:
        capabilities.add(MULTI_ROLE)
    return FrameworkInfo(
        name=f"framework-{number}",
        user="root",
        roles=(Role(f"role-{number}"), Role("shared")) if multi else (Role("shared"),),
        capabilities=frozenset(capabilities),
        failover_timeout_seconds=3600.0,
        checkpoint=True,
    )
