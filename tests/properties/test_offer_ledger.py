"""A stateful machine over the master's books: anybody does anything at any time, and nothing is ever offered twice.

``invariants.check`` runs after each step (in ``World.take``). On top of it the machine keeps its own, simpler account
of what was said, and at the end everybody goes home and everything must be free again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from mesos_service.core.effects import MasterEffect
from mesos_service.core.link import (
    AcknowledgeUpdate,
    AgentUpdated,
    ExitedExecutor,
    RunTask,
    RunTaskGroup,
    ShutdownFramework,
    TaskReport,
)
from mesos_service.core.master.state import MasterOptions
from mesos_service.core.messages import Persisted
from mesos_service.core.scheduler_messages import LaunchGroupOperation, LaunchOperation
from mesos_service.domain.executors import ExecutorInfo, ExecutorType
from mesos_service.domain.frameworks import FrameworkInfo
from mesos_service.domain.ids import AgentId, ExecutorId, FrameworkId, TaskId
from mesos_service.domain.offers import Offer
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TERMINAL_STATES, Source, TaskInfo, TaskState, TaskStatus
from tests.unit.core.master.infos import AWARE, custom, framework_info
from tests.unit.core.master.told import messages_to, only, replies
from tests.unit.core.master.world import Node, Scheduler, World

TOTALS = (
    "cpus:2;mem:512",
    "cpus:4;mem:1024;ports:[1-20]",
    "cpus:1;mem:64;disk:100",
    "cpus(a):1;mem(a):64;cpus:1;mem:64",
)
SIZES = (
    "cpus:0.5;mem:64",
    "cpus:1;mem:32",
    "cpus:0.2;mem:16",
    "cpus:0.1;mem:8;ports:[3-3]",
    "cpus:4;mem:1024",
    "disk:50",
)
ROLES = (("a",), ("b",), ("a", "b"), ("a/x", "b"))
LIVE = (TaskState.STARTING, TaskState.RUNNING, TaskState.KILLING)
INDEX = st.integers(0, 1 << 16)
RARELY = st.integers(0, 5).map(lambda number: number == 5)
REFUSE = st.sampled_from([-1.0, 0.0, 0.5, 5.0, 30.0])


@dataclass
class Running:
    """A task as its agent believes it: what it was told to run, and how far that is."""

    scheduler: Scheduler
    node: Node
    info: TaskInfo
    executor_id: ExecutorId
    state: TaskState = TaskState.STAGING
    unacknowledged: TaskStatus | None = None


class OfferLedger(RuleBasedStateMachine):
    """Frameworks and agents with a memory of their own; links may break, and stores may take their time."""

    def __init__(self) -> None:
        super().__init__()
        options = MasterOptions(
            offer_timeout_seconds=10.0,
            agent_ping_timeout_seconds=5.0,
            max_agent_ping_timeouts=2,
            agent_reregister_timeout_seconds=20.0,
            outstanding_offers_max=6,
            max_completed_frameworks=2,
        )
        self.world = World(options=options)
        self.schedulers: list[Scheduler] = []
        self.nodes: list[Node] = []
        self.running: dict[tuple[FrameworkId, TaskId], Running] = {}
        self.executors: dict[AgentId, dict[tuple[FrameworkId, ExecutorId], ExecutorInfo]] = {}
        self.offered: dict[str, Offer] = {}
        self.counter = 0

    @initialize(
        roles=st.lists(st.sampled_from(ROLES), min_size=1, max_size=3),
        totals=st.lists(st.sampled_from(TOTALS), min_size=1, max_size=3),
    )
    def begin(self, roles: list[tuple[str, ...]], totals: list[str]) -> None:
        for total in totals:
            self.nodes.append(self.world.agent(total))
        for own in roles:
            self.subscribe(own, True, 1000.0)

    # -- helpers ---------------------------------------------------------------------------------------------
    def note(self, effects: list[MasterEffect]) -> None:
        """Agents take up what they are told to run."""
        for node in self.nodes:
            for message in messages_to(effects, node.agent_id):
                if isinstance(message, RunTask):
                    self.take_up(node, message.framework.framework_id, (message.task,), message.task.executor)
                elif isinstance(message, RunTaskGroup):
                    self.take_up(node, message.framework.framework_id, message.tasks, message.executor)
                elif isinstance(message, ShutdownFramework):
                    self.forget_framework(node, message.framework_id)

    def take_up(
        self, node: Node, framework_id: FrameworkId | None, tasks: tuple[TaskInfo, ...], executor: ExecutorInfo | None
    ) -> None:
        assert framework_id is not None
        (scheduler,) = [one for one in self.schedulers if one.framework_id == framework_id]
        for task in tasks:
            key = (framework_id, task.task_id)
            assert key not in self.running, "a task id that is still in use was launched again"
            executor_id = executor.executor_id if executor is not None else ExecutorId(task.task_id)
            self.running[key] = Running(scheduler, node, task, executor_id)
        if executor is not None:
            known = self.executors.setdefault(node.agent_id, {}).setdefault(
                (framework_id, executor.executor_id), executor
            )
            assert known == executor

    def forget_framework(self, node: Node, framework_id: FrameworkId) -> None:
        for key, task in list(self.running.items()):
            if key[0] == framework_id and task.node is node:
                del self.running[key]
        held = self.executors.get(node.agent_id, {})
        for framework_executor in [key for key in held if key[0] == framework_id]:
            del held[framework_executor]

    def some_scheduler(self, index: int) -> Scheduler | None:
        known = [one for one in self.schedulers if one.framework_id in self.world.state.frameworks]
        return known[index % len(known)] if known else None

    def connected(self, index: int) -> Scheduler | None:
        known = [
            one
            for one in self.schedulers
            if one.framework_id in self.world.state.frameworks and one.record.stream_id == one.stream_id
        ]
        return known[index % len(known)] if known else None

    def holder(self, index: int) -> Scheduler | None:
        """A connected scheduler that has an offer, once what is due has been offered."""
        self.note(self.world.settle())
        state = self.world.state
        known = [
            one
            for one in self.schedulers
            if one.stream_id in state.streams and state.frameworks[state.streams[one.stream_id]].offers
        ]
        return known[index % len(known)] if known else None

    def some_node(self, index: int, *, here: bool) -> Node | None:
        known = [one for one in self.nodes if self.is_here(one) is here]
        return known[index % len(known)] if known else None

    def is_here(self, node: Node) -> bool:
        agent = self.world.state.agents.get(node.agent_id)
        return agent is not None and agent.link_id == node.link_id

    # -- frameworks ------------------------------------------------------------------------------------------
    @precondition(lambda self: len(self.schedulers) < 6)
    @rule(roles=st.sampled_from(ROLES), aware=st.booleans(), failover_timeout=st.sampled_from([0.0, 8.0, 1000.0]))
    def subscribe(self, roles: tuple[str, ...], aware: bool, failover_timeout: float) -> None:
        capabilities = AWARE if aware else AWARE - {"PARTITION_AWARE"}
        info = framework_info(
            f"f{len(self.schedulers)}", roles=roles, capabilities=capabilities, failover_timeout=failover_timeout
        )
        scheduler = Scheduler(self.world, info)
        self.schedulers.append(scheduler)
        self.note(scheduler.subscribe())

    @rule(index=INDEX, roles=st.sampled_from(ROLES), sure=RARELY)
    def subscribe_again(self, index: int, roles: tuple[str, ...], sure: bool) -> None:
        scheduler = self.some_scheduler(index)
        if scheduler is not None and (sure or not scheduler.record.connected):
            self.note(scheduler.subscribe_again(framework_info("again", roles=roles, failover_timeout=8.0)))

    @rule(index=INDEX, sure=RARELY)
    def disconnect(self, index: int, sure: bool) -> None:
        scheduler = self.connected(index)
        if scheduler is not None and sure:
            self.note(scheduler.disconnect())

    @rule(index=INDEX, roles=st.sampled_from(ROLES), suppress=st.booleans())
    def update_framework(self, index: int, roles: tuple[str, ...], suppress: bool) -> None:
        scheduler = self.connected(index)
        if scheduler is not None:
            info = framework_info("updated", roles=roles, failover_timeout=8.0)
            effects = scheduler.update(info, suppressed=roles[:1] if suppress else ())
            assert replies(effects) == [(200, "")] or not self.world.stores
            self.note(effects)

    @rule(index=INDEX, revive=st.booleans(), roles=st.sampled_from([(), ("a",), ("zz",)]))
    def suppress_or_revive(self, index: int, revive: bool, roles: tuple[str, ...]) -> None:
        scheduler = self.connected(index)
        if scheduler is not None:
            self.note(scheduler.revive(*roles) if revive else scheduler.suppress(*roles))

    @rule(index=INDEX, sure=RARELY)
    def tear_down(self, index: int, sure: bool) -> None:
        scheduler = self.connected(index)
        if scheduler is not None and sure:
            self.note(scheduler.tear_down())

    # -- offers ----------------------------------------------------------------------------------------------
    @rule(index=INDEX, refuse=REFUSE, all_of_them=st.booleans())
    def decline(self, index: int, refuse: float, all_of_them: bool) -> None:
        scheduler = self.holder(index)
        if scheduler is not None:
            chosen = scheduler.offers if all_of_them else scheduler.offers[:1]
            self.note(scheduler.decline(*chosen, refuse_seconds=refuse))
            assert not set(chosen) & set(scheduler.offers)

    @rule(index=INDEX, sizes=st.lists(st.sampled_from(SIZES), max_size=4), with_executor=st.booleans(), refuse=REFUSE)
    def accept(self, index: int, sizes: list[str], with_executor: bool, refuse: float) -> None:
        scheduler = self.holder(index)
        if scheduler is not None:
            offer = scheduler.offers[index % len(scheduler.offers)]
            executor = custom() if with_executor else None
            tasks = tuple(self.new_task(offer.agent_id, size, executor) for size in sizes)
            self.note(scheduler.accept([offer], LaunchOperation(tasks), refuse_seconds=refuse))

    @rule(index=INDEX, sizes=st.lists(st.sampled_from(SIZES), min_size=1, max_size=3), refuse=REFUSE)
    def accept_group(self, index: int, sizes: list[str], refuse: float) -> None:
        scheduler = self.holder(index)
        if scheduler is not None:
            offer = scheduler.offers[0]
            pod = ExecutorInfo(
                executor_id=ExecutorId("pod"), type=ExecutorType.DEFAULT, resources=Resources.scalars(cpus="0.1")
            )
            tasks = tuple(self.new_task(offer.agent_id, size, None) for size in sizes)
            self.note(scheduler.accept([offer], LaunchGroupOperation(pod, tasks), refuse_seconds=refuse))

    @rule(index=INDEX, size=st.sampled_from(SIZES))
    def accept_several(self, index: int, size: str) -> None:
        """All offers at once, of one agent or of several; the latter must fail as a whole."""
        scheduler = self.holder(index)
        if scheduler is not None:
            offers = scheduler.offers
            mixed = len({(offer.agent_id, offer.role) for offer in offers}) > 1
            task = self.new_task(offers[0].agent_id, size, None)
            effects = scheduler.accept(offers, LaunchOperation((task,)))
            self.note(effects)
            assert scheduler.offers == []
            if mixed:
                assert [reason for _, _, reason in scheduler.told(effects)] == ["REASON_INVALID_OFFERS"]

    @rule(index=INDEX, size=st.sampled_from(SIZES))
    def accept_what_was_offered_once(self, index: int, size: str) -> None:
        scheduler = self.connected(index)
        if scheduler is not None and self.offered:
            stale = list(self.offered.values())[index % len(self.offered)]
            if stale.offer_id not in self.world.state.offers:
                effects = scheduler.launch(stale, self.new_task(stale.agent_id, size, None))
                assert [reason for _, _, reason in scheduler.told(effects)] == ["REASON_INVALID_OFFERS"]
                self.note(effects)

    def new_task(self, agent_id: AgentId, size: str, executor: ExecutorInfo | None) -> TaskInfo:
        self.counter += 1
        return TaskInfo(
            task_id=TaskId(f"t{self.counter}"),
            agent_id=agent_id,
            resources=Resources.parse(size),
            executor=executor,
            command=None if executor is not None else "run",
        )

    # -- tasks -----------------------------------------------------------------------------------------------
    @precondition(lambda self: self.running)
    @rule(index=INDEX, state=st.sampled_from([*LIVE, *sorted(TERMINAL_STATES)]), ahead=st.booleans())
    def task_goes_on(self, index: int, state: TaskState, ahead: bool) -> None:
        """An agent reports on a task; ``ahead`` says that its latest state is further on than what it shows."""
        task = list(self.running.values())[index % len(self.running)]
        if task.unacknowledged is None and task.state not in TERMINAL_STATES:
            source = Source.AGENT if state in (TaskState.DROPPED, TaskState.LOST) else Source.EXECUTOR
            shown = TaskState.RUNNING if ahead and state in TERMINAL_STATES else state
            task.unacknowledged = task.node.status(task.info.task_id, shown, source=source)
            task.state = state
        elif task.unacknowledged is None:
            # The agent showed an earlier state first; now the end itself is due.
            task.unacknowledged = task.node.status(task.info.task_id, task.state)
        if self.is_here(task.node):
            self.note(task.node.update(task.scheduler, task.unacknowledged, latest=task.state))

    @precondition(lambda self: self.running)
    @rule(index=INDEX)
    def acknowledge(self, index: int) -> None:
        waiting = [task for task in self.running.values() if task.unacknowledged is not None]
        if not waiting:
            return
        task = waiting[index % len(waiting)]
        status = task.unacknowledged
        assert status is not None
        effects = task.scheduler.acknowledge(status)
        self.note(effects)
        if only(messages_to(effects, task.node.agent_id), AcknowledgeUpdate):
            task.unacknowledged = None
            if status.state in TERMINAL_STATES:
                self.running.pop((task.scheduler.framework_id, task.info.task_id), None)

    @precondition(lambda self: self.running)
    @rule(index=INDEX)
    def kill(self, index: int) -> None:
        task = list(self.running.values())[index % len(self.running)]
        self.note(task.scheduler.kill(task.info.task_id))

    @rule(index=INDEX)
    def reconcile(self, index: int) -> None:
        scheduler = self.connected(index)
        if scheduler is not None:
            assert len(scheduler.statuses(scheduler.reconcile())) == len(scheduler.record.tasks)

    @precondition(lambda self: any(self.executors.values()))
    @rule(index=INDEX)
    def executor_ends(self, index: int) -> None:
        held = [(agent_id, key) for agent_id, keys in self.executors.items() for key in keys]
        agent_id, key = held[index % len(held)]
        (node,) = [one for one in self.nodes if one.agent_id == agent_id]
        if not self.is_here(node):
            return
        del self.executors[agent_id][key]
        self.note(node.say(ExitedExecutor(framework_id=key[0], executor_id=key[1], status=0)))

    # -- agents ----------------------------------------------------------------------------------------------
    @precondition(lambda self: len(self.nodes) < 5)
    @rule(total=st.sampled_from(TOTALS))
    def register(self, total: str) -> None:
        self.world.stores = True
        self.nodes.append(self.world.agent(total))
        self.store_all()

    @rule(index=INDEX, sure=RARELY)
    def lose_link(self, index: int, sure: bool) -> None:
        node = self.some_node(index, here=True)
        if node is not None and sure:
            self.note(node.lose_link())

    @rule(index=INDEX)
    def come_back(self, index: int) -> None:
        """Whoever is away says what it runs; one that never left may say it as well."""
        if self.nodes:
            node = self.nodes[index % len(self.nodes)]
            self.register_again(node)

    def register_again(self, node: Node) -> None:
        own = [task for task in self.running.values() if task.node is node]
        frameworks = dict.fromkeys(task.scheduler.framework_id for task in own)
        frameworks |= dict.fromkeys(key[0] for key in self.executors.get(node.agent_id, {}))
        known = [self.info_of(framework_id) for framework_id in frameworks]
        reports = [
            TaskReport(
                framework_id=task.scheduler.framework_id,
                info=task.info,
                state=task.state,
                executor_id=task.executor_id,
            )
            for task in own
        ]
        executors = [(key[0], one) for key, one in self.executors.get(node.agent_id, {}).items()]
        self.note(node.come_back(*reports, frameworks=known, executors=executors))

    def info_of(self, framework_id: FrameworkId) -> FrameworkInfo:
        (scheduler,) = [one for one in self.schedulers if one.framework_id == framework_id]
        return replace(scheduler.info, framework_id=framework_id)

    @rule(index=INDEX, total=st.sampled_from(TOTALS), sure=RARELY)
    def change_agent(self, index: int, total: str, sure: bool) -> None:
        node = self.some_node(index, here=True)
        if node is not None and sure:
            node.info = replace(node.info, resources=Resources.parse(total))
            self.note(node.say(AgentUpdated(agent=node.info)))

    @rule(slow=RARELY)
    def registrar(self, slow: bool) -> None:
        """From here on operations are stored later, or at once."""
        self.world.stores = not slow
        if not slow:
            self.store_all()

    def store_all(self) -> None:
        self.world.stores = True
        if self.world.state.persisting:
            self.note(self.world.take(Persisted(next(iter(self.world.state.persisting)))))

    # -- time ------------------------------------------------------------------------------------------------
    @rule(seconds=st.sampled_from([0.0, 0.3, 1.0, 4.0, 11.0]), answering=st.booleans())
    def time_passes(self, seconds: float, answering: bool) -> None:
        effects = self.world.advance(seconds)
        self.note(effects)
        if answering:
            for node in self.nodes:
                if self.is_here(node):
                    self.note(node.pong())

    @invariant()
    def offers_are_new(self) -> None:
        """No offer id names two different offers, ever."""
        for offer_id, offer in self.world.state.offers.items():
            assert self.offered.setdefault(offer_id, offer) == offer

    def teardown(self) -> None:
        """Everybody goes home: all is free again, and nothing is left over."""
        self.store_all()
        for scheduler in self.schedulers:
            if scheduler.framework_id in self.world.state.frameworks:
                scheduler.subscribe_again(framework_info("last"))
                self.note(scheduler.tear_down())
        self.running.clear()
        self.executors.clear()
        for node in self.nodes:
            if not self.is_here(node):
                self.register_again(node)
        self.store_all()
        state = self.world.state
        assert state.offers == {}
        assert state.frameworks == {}
        for agent in state.agents.values():
            assert agent.used == {}
            assert agent.free == agent.info.resources


def play(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        OfferLedger,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )


def test_a23_and_e60a_nothing_is_offered_twice_whatever_anybody_does() -> None:
    play(examples=100, steps=60)


@pytest.mark.long
def test_a23_and_e60a_nothing_is_offered_twice_for_longer() -> None:
    play(examples=1500, steps=150)
