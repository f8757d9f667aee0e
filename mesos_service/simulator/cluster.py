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
from mesos_service.core.effects import Told
from mesos_service.core.master.state import MasterOptions
from mesos_service.core.oversubscription.estimators import lent
from mesos_service.domain.agents import AGENT_OPERATION_FEEDBACK, RESIZE_VOLUME, AgentInfo, Drain
from mesos_service.domain.errors import InvariantBroken
from mesos_service.domain.frameworks import (
    MULTI_ROLE,
    PARTITION_AWARE,
    REVOCABLE_RESOURCES,
    SHARED_RESOURCES,
    FrameworkInfo,
)
from mesos_service.domain.ids import FrameworkId, Role
from mesos_service.domain.operations import Reserve, Unreserve, places
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import Allocator, AllocatorOptions
from mesos_service.simulator.clock import VirtualClock
from mesos_service.simulator.frameworks import RESOLVED, SimFramework
from mesos_service.simulator.governing import Governor
from mesos_service.simulator.maintaining import Maintainer
from mesos_service.simulator.masters import Masters
from mesos_service.simulator.network import Network
from mesos_service.simulator.nodes import AgentNode
from mesos_service.simulator.operating import OPERATORS, OperatingFramework
from mesos_service.simulator.promises import Promises
from mesos_service.simulator.schedulers import SimScheduler

MASTER_OPTIONS = MasterOptions(
    offer_timeout_seconds=7.0,
    agent_ping_timeout_seconds=2.0,
    max_agent_ping_timeouts=3,
    agent_reregister_timeout_seconds=12.0,
    registry_gc_interval_seconds=20.0,
    registry_max_agent_age_seconds=3600.0,
)
LENT_MAX = lent(Resources.scalars(cpus=2))
BORROWED = lent(Resources.scalars(cpus="0.25")) + Resources.scalars(mem=64)
AGENT_TOTAL = Resources.parse("cpus:4;mem:4096;disk:1024;ports:[31000-31099]")
HISTORY_KEPT = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a history is made of; times are virtual seconds."""

    agents: int = 4
    frameworks: int = 3
    schedulers: int = 2
    """How many the last of the frameworks has; the others have one."""
    seconds: float = 60.0
    fault_every_seconds: float = 2.0
    """Mean pause between faults; 0 for none."""
    master_faults: bool = True
    """Whether masters fail and are deposed, too."""
    id_reuse: float = 0.0
    """How many of the tasks are launched under an id that their framework has launched on another agent before."""
    operations: float = 0.0
    """The share of answers to offers that reserve, make volumes, or undo that; and whether operators do so, too."""
    drains: bool = False
    """Whether an operator drains agents, and puts them back when they are empty."""
    maintains: bool = False
    """Whether an operator takes machines out of service; what a master sends away is then started again."""
    lends: bool = False
    """Whether agents lend, now more and now less, and end borrowers; every other framework borrows."""
    governs: bool = False
    """Whether an operator gives roles quota, and changes it."""
    heal_seconds: float = 180.0
    run_seconds: tuple[float, float] = (0.1, 8.0)
    """Bounds of how long a task runs."""


@dataclass(slots=True)
class Outcome:
    """What came of a history. Equal seeds give equal ``digest``."""

    seed: int
    digest: str = ""
    steps: int = 0
    tasks: int = 0
    states: dict[str, int] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)
    elections: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    """How often what went wrong, by the first word of it."""


class HistoryFailed(InvariantBroken):
    """A history broke a promise; the text ends with what led there and how to see it again."""


class Cluster:
    """Builds everything from ``seed`` and runs it."""

    def __init__(
        self,
        seed: int,
        make_allocator: Callable[[AllocatorOptions], Allocator],
        plan: Plan | None = None,
        told: dict[str, list[Told]] | None = None,
    ):
        """``told`` are the journals of allocations by master, where somebody wants them (N23)."""
        self.plan = plan or Plan()
        self.seed = seed
        self.clock = VirtualClock()
        self._source = random.Random(seed)
        self._digest = hashlib.sha256()
        self._recent: deque[str] = deque(maxlen=HISTORY_KEPT)
        self._steps = 0
        self._faults: dict[str, int] = {}
        network = Network(self.clock, random.Random(seed + 11))
        self.promises = Promises()
        self.masters = Masters(
            network,
            lambda: make_allocator(AllocatorOptions()),
            # Every third history lets agents become unreachable one by one only.
            dataclasses.replace(MASTER_OPTIONS, agent_removal_interval_seconds=None if seed % 3 else 5.0),
            seed,
            self._journal,
            self.promises,
            told,
        )
        self.agents = [
            AgentNode(
                network,
                AgentInfo(
                    hostname=f"agent-{number}",
                    port=5051 + number,
                    resources=AGENT_TOTAL,
                    capabilities=frozenset({AGENT_OPERATION_FEEDBACK, RESIZE_VOLUME}),
                ),
                AgentOptions(status_update_retry_interval_min_seconds=2.0, executor_shutdown_grace_period_seconds=1.0),
                seed * 1000 + number,
                self._journal,
                self._check_agent,
                self.plan.run_seconds,
                supervised=self.plan.maintains,
            )
            for number in range(self.plan.agents)
        ]
        hostnames = [agent.name for agent in self.agents]
        chance = random.Random(seed + 13)
        self.maintainer = Maintainer(self.masters, self.promises, hostnames, chance, self._note_fault)
        roles = sorted({role for number in range(self.plan.frameworks) for role in _framework(number).roles})
        self.governor = Governor(self.masters, roles, random.Random(seed + 17), self._note_fault)
        self.frameworks: list[SimFramework] = [
            self._make_framework(network, number) for number in range(self.plan.frameworks - (self.plan.schedulers > 1))
        ]
        for framework in self.frameworks:
            framework.id_reuse = self.plan.id_reuse
        self.several: list[SimScheduler] = []
        """Schedulers of one framework; of ``frameworks`` as well."""
        for number in range(self.plan.schedulers if self.plan.schedulers > 1 else 0):
            info = _framework(self.plan.frameworks - 1)
            info = dataclasses.replace(info, framework_id=FrameworkId(info.name))
            own = seed * 1000 + 700 + number
            others = tuple(self.several)
            self.several.append(SimScheduler(network, self.masters, info, own, self.promises, number, others))
        self.frameworks += self.several

    def _make_framework(self, network: Network, number: int) -> SimFramework:
        info, own = _framework(number), self.seed * 1000 + 500 + number
        if self.plan.lends and number % 2 == 0:
            info = dataclasses.replace(info, capabilities=info.capabilities | {REVOCABLE_RESOURCES})
            borrower = SimFramework(network, self.masters, info, own, self.promises)
            borrower.task = BORROWED
            return borrower
        if self.plan.operations:
            return OperatingFramework(network, self.masters, info, own, self.promises, self.plan.operations)
        return SimFramework(network, self.masters, info, own, self.promises)

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
            self.clock.after(self._source.random(), partial(agent.connect, self.masters))
        for framework in self.frameworks:
            self.clock.after(self._source.random(), framework.subscribe)
            self._plan_mischief(framework)
        if self.plan.fault_every_seconds:
            self._plan_fault()
        if self.plan.operations:
            self._plan_operator()
        if self.plan.governs:
            self._plan_quota()
        for agent in self.agents if self.plan.lends else ():
            self._plan_lending(agent)
        self.clock.run(self.plan.seconds)
        self.governor.lift()
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
        known = {framework.name: framework.tasks for framework in self.frameworks}
        for tasks in known.values():
            for state, _ in tasks.values():
                states[state] = states.get(state, 0) + 1
        return Outcome(
            seed=self.seed,
            digest=self._digest.hexdigest(),
            steps=self._steps,
            tasks=sum(map(len, known.values())),
            states=states,
            notes=dict(self.masters.notes),
            elections=self.masters.elections,
            faults=dict(self._faults),
        )

    def _healing(self) -> bool:
        return self.frameworks[0].healed if self.frameworks else False

    def _plan_mischief(self, framework: SimFramework) -> None:
        def act() -> None:
            if not framework.healed:
                framework.misbehave()
                self.clock.after(self._source.expovariate(1.0), act)

        self.clock.after(self._source.expovariate(1.0), act)

    def _plan_operator(self) -> None:
        def act() -> None:
            if self._healing():
                return
            agent_id = self._source.choice(self.agents).state.agent_id
            if agent_id is not None:
                kind = self._source.choice((Reserve, Unreserve))
                self.masters.change_resources(agent_id, kind(OPERATORS))
            self._plan_operator()

        self.clock.after(self._source.expovariate(0.5), act)

    def _plan_quota(self) -> None:
        def act() -> None:
            if not self._healing():
                self.governor.begin()
                self._plan_quota()

        self.clock.after(self._source.expovariate(1.0), act)

    def _plan_lending(self, agent: AgentNode) -> None:
        def act() -> None:
            if self._healing():
                agent.lend(LENT_MAX)
            elif self._source.random() < 0.3:
                self._note_fault(f"preempt on {agent.name}")
                agent.preempt()
            else:
                agent.lend(lent(Resources.scalars(cpus=self._source.choice((0, "0.25", 1, 2)))))
            self._plan_lending(agent)

        self.clock.after(self._source.expovariate(1.0), act)

    def _plan_fault(self) -> None:
        def strike() -> None:
            if self._healing():
                return
            victims: list[AgentNode | SimFramework | Masters] = [*self.agents, *self.frameworks]
            if self.plan.master_faults:
                victims += [self.masters] * 2
            victim = self._source.choice(victims)
            if isinstance(victim, Masters):
                self._strike_master()
            elif self.plan.maintains and self._source.random() < 0.3:
                self.maintainer.begin()
            elif self.plan.drains and isinstance(victim, AgentNode) and self._source.random() < 0.3:
                self._drain(victim)
            elif isinstance(victim, AgentNode) and self._source.random() < 0.03:
                self._mark_gone(victim)
            elif isinstance(victim, SimScheduler) and self._source.random() < 0.5:
                seconds = self._source.uniform(0.5, 8.0)
                self._note_fault(f"freeze scheduler {victim.number} for {seconds:.3f} s")
                victim.freeze(seconds)
            elif isinstance(victim, AgentNode) and self._source.random() < 0.4:
                seconds = self._source.uniform(0.1, 8.0)
                self._note_fault(f"crash {victim.name}, away for {seconds:.3f} s")
                victim.crash(seconds)
            elif isinstance(victim, AgentNode) and self._source.random() < 0.3:
                seconds = self._source.uniform(2.0, 15.0)
                self._note_fault(f"isolate {victim.name} for {seconds:.3f} s")
                victim.isolate(seconds)
            else:
                self._note_fault(f"cut {victim.name}")
                victim.cut()
            self._plan_fault()

        self.clock.after(self._source.expovariate(1.0 / self.plan.fault_every_seconds), strike)

    def _strike_master(self) -> None:
        if self._source.random() < 0.5:
            self._note_fault("kill the master")
            self.masters.crash()
        else:
            seconds = self._source.uniform(0.0, 10.0)
            self._note_fault(f"depose the master, unnoticed for {seconds:.3f} s")
            self.masters.depose(seconds)

    def _mark_gone(self, victim: AgentNode) -> None:
        """An operator gives an agent up, one of the history and no more."""
        if victim.state.agent_id is not None and not self.promises.gone:
            self._note_fault(f"mark {victim.name} gone")
            self.masters.mark_gone(victim.state.agent_id, partial(self.promises.marked_gone, victim.state.agent_id))

    def _drain(self, victim: AgentNode) -> None:
        """An operator empties an agent, and asks for it back until a leader grants it, or knows nothing of it."""
        agent_id = victim.state.agent_id
        if agent_id is None or agent_id in self.promises.drains:
            return
        self._note_fault(f"drain {victim.name}")
        self.promises.drains[agent_id] = False

        def asked(status: int) -> None:
            if status == 200:
                self.promises.drains[agent_id] = True

        def answered(status: int) -> None:
            if status in (200, 400):
                self.promises.drains.pop(agent_id, None)

        def ask_back() -> None:
            if agent_id in self.promises.drains:
                self.masters.reactivate(agent_id, answered)
                self.clock.after(1.0 + self._source.random(), ask_back)

        self.masters.drain(agent_id, Drain(max_grace_seconds=self._source.choice((None, 0.0, 2.0))), asked)
        self.clock.after(self._source.uniform(1.0, 6.0), ask_back)

    def _note_fault(self, what: str) -> None:
        kind = what.split()[0]
        self._faults[kind] = self._faults.get(kind, 0) + 1
        self._journal(self.clock.now, "fault", what)

    # -- watching --------------------------------------------------------------------------------------------
    def _journal(self, now: float, place: str, message: object) -> None:
        self._steps += 1
        line = f"{now:.6f} {place}: {canonical(message)}"
        self._digest.update(line.encode())
        self._recent.append(line[:400])

    def _check_agent(self, node: AgentNode) -> None:
        agent_invariants.check(node.state)

    def _reckon_resources(self, agent: AgentNode, believed: Resources) -> None:
        """Master and agent agree, and so does the agent's disk (X14c, M-AL-10)."""
        state = agent.state
        has = state.total + state.oversubscribed
        if has != believed:
            raise HistoryFailed(f"{agent.name} has {has}, and the master believes that it is {believed}")
        if set(agent.volumes) != set(places(state.total)) or state.doomed or state.operations:
            raise HistoryFailed(
                f"{agent.name} has {state.total}, but on its disk {sorted(agent.volumes)},"
                f" to be removed {state.doomed}, to be told of {list(state.operations)}"
            )

    def _reckon(self) -> None:
        """Peace has come: nothing may be left open, nothing lost, and everything free again."""
        master = self.masters.leader
        healthy = [agent for agent in self.agents if agent.state.agent_id not in self.promises.gone]
        if master is None:
            raise HistoryFailed("nobody leads")
        state = master.state
        self.governor.reckon(master)
        self.promises.reckon(master, [agent.state.agent_id for agent in healthy if agent.state.agent_id])
        for framework in self.frameworks:
            left = {task: told for task, (told, _) in framework.tasks.items() if told not in RESOLVED}
            if left:
                raise HistoryFailed(f"{framework.info.name} was never told how these ended: {left}")
            if framework.framework_id in state.frameworks and state.frameworks[framework.framework_id].tasks:
                raise HistoryFailed(f"the master still holds tasks of {framework.info.name}")
            if isinstance(framework, OperatingFramework) and (unsettled := framework.unsettled()):
                raise HistoryFailed(f"{framework.info.name} was never told what became of {unsettled}")
        if self.maintainer.busy:
            raise HistoryFailed("an operator waits for ever for an answer about his schedule")
        if state.operations:
            raise HistoryFailed(f"operations are under way for ever: {list(state.operations)}")
        for agent in healthy:
            if agent.state.agent_id not in state.agents:
                raise HistoryFailed(f"{agent.name} is healthy but not registered")
            if state.agents[agent.state.agent_id].used:
                raise HistoryFailed(f"{agent.name} still has resources in use that no task holds")
            self._reckon_resources(agent, state.agents[agent.state.agent_id].total)
            if agent.state.containers:
                raise HistoryFailed(f"{agent.name} has containers left: {list(agent.state.containers)}")
        for name in {framework.name: None for framework in self.frameworks}:
            if not any(framework.offers_seen for framework in self.frameworks if framework.name == name):
                raise HistoryFailed(f"{name} never got an offer")
        if self.several:
            record = state.frameworks[FrameworkId(self.several[0].name)]
            acting = [scheduler.number for scheduler in self.several if scheduler.acts]
            if len(acting) != 1 or not record.connected or len(record.standbys) != len(self.several) - 1:
                raise HistoryFailed(
                    f"of {record.info.name} these act: {acting}, beside {len(record.standbys)} standbys"
                )


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
        capabilities |= {MULTI_ROLE, SHARED_RESOURCES}
    return FrameworkInfo(
        name=f"framework-{number}",
        user="root",
        roles=(Role(f"role-{number}"), Role("shared")) if multi else (Role("shared"),),
        capabilities=frozenset(capabilities),
        failover_timeout_seconds=3600.0,
        checkpoint=True,
    )
