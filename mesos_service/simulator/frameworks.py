"""A scheduler that does everything a scheduler may do, at random, and remembers what it was told."""

from __future__ import annotations

import random

from mesos_service.core import events
from mesos_service.core import scheduler_messages as messages
from mesos_service.domain.frameworks import FrameworkInfo
from mesos_service.domain.ids import AgentId, FrameworkId, OfferId, StreamId, TaskId
from mesos_service.domain.offers import Filters, Offer
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TERMINAL_STATES, TaskInfo, TaskState, TaskStatus
from mesos_service.simulator.masters import MasterNode, Masters
from mesos_service.simulator.network import Connection, Network
from mesos_service.simulator.promises import Promises

TASK = Resources.scalars(cpus="0.25", mem=64)
GIANT = Resources.scalars(cpus=1000, mem=1)

RESOLVED = TERMINAL_STATES | {TaskState.UNKNOWN}
"""States after which a framework need not ask about a task again."""


class SimFramework:
    """One scheduler with one connection. ``tasks`` is what it believes; ``heal`` makes it well-behaved."""

    def __init__(self, network: Network, masters: Masters, info: FrameworkInfo, seed: int, promises: Promises) -> None:
        self.info = info
        self.name = info.name
        self.connection: Connection | None = None
        self.tasks: dict[TaskId, tuple[TaskState, AgentId]] = {}
        self.offers_seen = 0
        self.offered_now: dict[OfferId, Offer] = {}
        self.refusals: list[tuple[int, str]] = []
        self.errors: list[str] = []
        self.healed = False
        self.torn_down = False
        self.framework_id: FrameworkId | None = None
        self._network = network
        self._masters = masters
        self._promises = promises
        self._master: MasterNode | None = None
        self._source = random.Random(seed)
        self._stream_id: StreamId | None = None
        self._counter = 0
        self._task_ids = info.name
        """How the ids of its tasks begin."""
        self.id_reuse = 0.0
        """The share of tasks that are given an id which it used before; each is used again once at most."""
        self._reused: set[TaskId] = set()
        self.task = TASK
        """What a task of it takes; some take twice as much."""

    # -- connection ------------------------------------------------------------------------------------------
    def subscribe(self) -> None:
        """Open a new connection and subscribe on it."""
        if self.torn_down:
            return
        if self.connection is not None and self.connection.open:
            self.connection.cut()
        master = self._master = self._masters.leader
        if master is None:
            self._network.clock.after(0.1 + self._source.random(), self.subscribe)
            return
        connection = self.connection = Connection(self._network)

        def retry() -> None:
            if self.connection is connection:
                self._stream_id = None
                self._network.clock.after(0.1 + self._source.random(), self.subscribe)

        connection.on_broken(retry)
        framework = FrameworkInfo(
            name=self.info.name,
            user=self.info.user,
            framework_id=self.framework_id,
            roles=self.info.roles,
            capabilities=self.info.capabilities,
            failover_timeout_seconds=self.info.failover_timeout_seconds,
            checkpoint=self.info.checkpoint,
        )

        def arrive() -> None:
            request = master.new_request(self, connection)
            master.take(self._subscription(request, framework))

        connection.send(0, arrive)

    def _subscription(self, request: int, framework: FrameworkInfo) -> messages.Subscribe:
        return messages.Subscribe(request=request, framework=framework)

    def cut(self) -> None:
        """Break the connection as the network would."""
        if self.connection is not None:
            self.connection.cut()

    def _call(self, make: type[messages.SchedulerCall], **fields: object) -> None:
        stream_id, framework_id, connection = self._stream_id, self.framework_id, self.connection
        master = self._master
        if stream_id is None or framework_id is None or connection is None or master is None:
            return

        def arrive() -> None:
            request = master.new_request(self, connection)
            # Every call class takes these three beside its own fields; a dictionary cannot say so to the type checker.
            call = make(request=request, framework_id=framework_id, stream_id=stream_id, **fields)  # type: ignore[arg-type]
            master.take(call)  # type: ignore[arg-type]

        connection.send(0, arrive)

    # -- what the master says --------------------------------------------------------------------------------
    def opened(self, request: int, stream_id: StreamId) -> None:
        del request
        self._stream_id = stream_id
        self.offered_now.clear()

    def answered(self, request: int, status: int, text: str) -> None:
        del request
        if status >= 300:
            self.refusals.append((status, text))

    def closed(self, stream_id: StreamId) -> None:
        if stream_id == self._stream_id and self.connection is not None:
            self.connection.cut()

    def hear(self, stream_id: StreamId, event: events.SchedulerEvent) -> None:
        if stream_id != self._stream_id:
            return
        match event:
            case events.Subscribed(framework_id):
                self.framework_id = framework_id
                open_tasks = [(task, agent) for task, (state, agent) in self.tasks.items() if state not in RESOLVED]
                if open_tasks:
                    self._call(messages.Reconcile, tasks=tuple(open_tasks))
            case events.Offers(offers):
                for offer in offers:
                    self.offers_seen += 1
                    self.offered_now[offer.offer_id] = offer
                    self._answer(offer)
            case events.Rescind(offer_id):
                self.offered_now.pop(offer_id, None)
            case events.Update(status):
                self._on_update(status)
            case events.Error(message):
                self.errors.append(message)
            case _:
                pass

    def _on_update(self, status: TaskStatus) -> None:
        self._promises.heard(self.name, status)
        known = self.tasks.get(status.task_id)
        if known is not None and known[0] not in TERMINAL_STATES:
            self.tasks[status.task_id] = (status.state, known[1])
        if status.uuid is not None and status.agent_id is not None and (self.healed or self._source.random() < 0.9):
            self._promises.acknowledged(self.name, status)
            self._call(messages.Acknowledge, agent_id=status.agent_id, task_id=status.task_id, uuid=status.uuid)

    # -- what it does ----------------------------------------------------------------------------------------
    def _answer(self, offer: Offer) -> None:
        if self.healed:
            self._call(messages.Decline, offer_ids=(offer.offer_id,), filters=Filters(3600.0))
            return
        choice = self._source.random()
        if choice < 0.1:
            return  # Sits on it until it is rescinded (A40).
        if not offer.resources.unallocated().contains(self.task + self.task):
            self._call(messages.Decline, offer_ids=(offer.offer_id,), filters=Filters(0.2))
            return
        if choice < 0.3:
            refuse = self._source.choice([-1.0, 0.0, 0.5, 5.0, 1e12])
            self._call(messages.Decline, offer_ids=(offer.offer_id,), filters=Filters(refuse))
            return
        tasks = tuple(self._new_task(offer) for _ in range(self._source.randrange(1, 4)))
        operations: tuple[messages.AcceptOperation, ...] = (messages.LaunchOperation(tasks),)
        if choice < 0.35:
            operations = (*operations, messages.UnsupportedOperation("RESERVE"))
        filters = Filters(self._source.choice([0.0, 1.0, 5.0]))
        self._call(messages.Accept, offer_ids=(offer.offer_id,), operations=operations, filters=filters)
        if choice < 0.45:  # The same offer twice: the second must be refused as a whole (X14a).
            again = (messages.LaunchOperation((self._new_task(offer),)),)
            self._call(messages.Accept, offer_ids=(offer.offer_id,), operations=again, filters=filters)

    def _new_task(self, offer: Offer) -> TaskInfo:
        """Mostly one that fits an agent, now and then one that fits none, or that is on the wrong agent."""
        self._counter += 1
        task_id = self._used_id(offer.agent_id) or TaskId(f"{self._task_ids}-{self._counter}")
        self.tasks[task_id] = (TaskState.STAGING, offer.agent_id)
        dice = self._source.random()
        resources = GIANT if dice < 0.03 else self.task + self.task if dice < 0.2 else self.task
        agent_id = AgentId("elsewhere") if dice > 0.95 else offer.agent_id
        return TaskInfo(task_id=task_id, agent_id=agent_id, name=task_id, resources=resources, command="simulated")

    def _used_id(self, agent_id: AgentId) -> TaskId | None:
        """Of a task that it still hopes for on another agent."""
        if not self.id_reuse or self._source.random() >= self.id_reuse:
            return None
        used = [
            task
            for task, (state, agent) in self.tasks.items()
            if state not in RESOLVED and agent != agent_id and task not in self._reused
        ]
        if not used:
            return None
        chosen = self._source.choice(used)
        self._reused.add(chosen)
        return chosen

    def misbehave(self) -> None:
        """Something a scheduler may do at any time."""
        open_tasks = [task for task, (state, _) in self.tasks.items() if state not in RESOLVED]
        match self._source.randrange(7):
            case 0 if open_tasks:
                self._call(messages.Kill, task_id=self._source.choice(open_tasks))
            case 1:
                self._call(messages.Suppress)
            case 2:
                self._call(messages.Revive)
            case 3:
                self._call(messages.Reconcile)
            case 4:
                self._call(messages.Acknowledge, agent_id=AgentId("nobody"), task_id=TaskId("none"), uuid=bytes(16))
            case 5:
                self._call(messages.Decline, offer_ids=(OfferId("never-made"),))
            case _:
                self._call(messages.Kill, task_id=TaskId("never-launched"))

    def heal(self) -> None:
        """From here on: acknowledge everything, launch nothing more, and ask about what is unresolved."""
        self.healed = True
        self._call(messages.Revive)
        self.ask()

    def ask(self) -> None:
        """Explicit reconciliation of everything unresolved, as a scheduler does now and then."""
        open_tasks = [(task, agent) for task, (state, agent) in self.tasks.items() if state not in RESOLVED]
        if open_tasks:
            self._call(messages.Reconcile, tasks=tuple(open_tasks))
