"""Masters that come and go: one leads, it fails or is deposed, another is elected and starts from the registry.

A deposed master is the dangerous one: it goes on as long as it does not notice, beside its successor, with the agents
and schedulers whose connections have not broken yet. All that holds it back is that its writes are refused (X22, X25).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, assert_never

from mesos_service.core import effects, messages, operator_messages, scheduler_messages
from mesos_service.core.events import SchedulerEvent
from mesos_service.core.link import Downlink, Uplink
from mesos_service.core.master import startup
from mesos_service.core.master import step as master_core
from mesos_service.core.master.guard import Guard
from mesos_service.core.master.journal import Journaled
from mesos_service.core.master.state import MasterOptions, MasterState
from mesos_service.core.registry.operations import Operation, apply
from mesos_service.core.registry.registry import Registry
from mesos_service.core.resource_messages import OperatorOperation
from mesos_service.domain.agents import Drain
from mesos_service.domain.ids import AgentId, LinkId, MasterId, StreamId
from mesos_service.domain.operations import Operation as ResourceChange
from mesos_service.plugins.allocator import Allocator
from mesos_service.simulator.clock import VirtualClock
from mesos_service.simulator.network import Connection, Network

Journal = Callable[[float, str, object], None]
"""Is told time, place and message of everything that is stepped: the history."""


class Ear(Protocol):
    """A scheduler's end of its connection."""

    def hear(self, stream_id: StreamId, event: SchedulerEvent) -> None: ...
    def opened(self, request: int, stream_id: StreamId) -> None: ...
    def answered(self, request: int, status: int, text: str) -> None: ...
    def closed(self, stream_id: StreamId) -> None: ...


class Operator:
    """Waits for one answer; ``done`` is told its status."""

    def __init__(self, done: Callable[[int], None]) -> None:
        self._done = done

    def answered(self, request: int, status: int, text: str) -> None:
        self._done(status)

    def hear(self, stream_id: StreamId, event: SchedulerEvent) -> None:
        raise AssertionError(f"an operator hears {event}")

    def opened(self, request: int, stream_id: StreamId) -> None:
        raise AssertionError("an operator subscribes to nothing")

    def closed(self, stream_id: StreamId) -> None:
        raise AssertionError("an operator has no stream")


class LinkEnd(Protocol):
    """An agent's end of its link."""

    def send_down(self, link_id: LinkId, message: Downlink) -> None: ...
    def link_died(self, link_id: LinkId) -> None: ...


class Watcher(Protocol):
    """Sees every step of every master, and raises what is wrong with it."""

    def stepped(
        self, master: MasterNode, message: messages.MasterMessage, decided: Sequence[effects.MasterEffect]
    ) -> None: ...


class Store:
    """Where the registry is kept: writes become durable in order, and only those of the newest writer (X25)."""

    def __init__(
        self, clock: VirtualClock, source: random.Random, write_seconds: tuple[float, float] = (0.001, 0.03)
    ) -> None:
        self.registry = Registry()
        self.writer = 0
        self._clock = clock
        self._source = source
        self._write_seconds = write_seconds
        self._durable_at = 0.0

    def take(self) -> int:
        """Become the writer; whoever was it before is so no more."""
        self.writer += 1
        return self.writer

    def write(self, writer: int, operation: Operation, stored: Callable[[], None], refused: Callable[[], None]) -> None:
        """Store after a while, and answer a little later: a writer that fails in between never learns that it was."""

        def arrive() -> None:
            if writer != self.writer:
                refused()
                return
            self.registry = apply(self.registry, [operation])
            self._clock.after(0.001, stored)

        low, high = self._write_seconds
        self._durable_at = max(self._clock.now + low + (high - low) * self._source.random(), self._durable_at)
        self._clock.at(self._durable_at, arrive)


class MasterNode:
    """One master from its election until it ends; it decides nothing after that."""

    def __init__(
        self,
        network: Network,
        allocator: Allocator,
        options: MasterOptions,
        name: str,
        source: random.Random,
        store: Store,
        journal: Journal,
        watcher: Watcher,
        notes: dict[str, int],
        on_end: Callable[[MasterNode], None],
        told: list[effects.Told] | None,
    ) -> None:
        self.clock: VirtualClock = network.clock
        self.name = name
        self.ended = False
        self.writer = store.take()
        self.state = MasterState(
            master_id=MasterId(name),
            options=options,
            allocator=Guard(allocator) if told is None else Journaled(allocator),
            random=source,
            started_at=self.clock.now,
            elected_at=self.clock.now,
        )
        self._store = store
        self._journal = journal
        self._watcher = watcher
        self._notes = notes
        self._told = told
        self._on_end = on_end
        self._requests: dict[int, tuple[Ear, Connection]] = {}
        self._streams: dict[StreamId, tuple[Ear, Connection]] = {}
        self._links: dict[LinkId, LinkEnd] = {}
        self._request_counter = 0
        self._planned = float("inf")
        startup.start(self.state, store.registry, self.clock.now)
        self._plan()

    @property
    def leads(self) -> bool:
        """Whether no other has been elected since."""
        return not self.ended and self.writer == self._store.writer

    @property
    def registry(self) -> Registry:
        """What is durable now, whoever wrote it."""
        return self._store.registry

    def end(self, why: str) -> None:
        """The process dies: connections break, and what was being stored may or may not have been."""
        if self.ended:
            return
        self.ended = True
        self._journal(self.clock.now, self.name, f"ends: {why}")
        for _, connection in [*self._requests.values(), *self._streams.values()]:
            connection.cut()
        for link_id, agent in list(self._links.items()):
            agent.link_died(link_id)
        self._on_end(self)

    # -- doors -----------------------------------------------------------------------------------------------
    def new_request(self, ear: Ear, connection: Connection) -> int:
        """A number for a call that came on ``connection``, on which ``ear`` is told the answer."""
        if self.ended:
            connection.cut()
        self._request_counter += 1
        self._requests[self._request_counter] = ear, connection
        return self._request_counter

    def open_link(self, link_id: LinkId, agent: LinkEnd) -> None:
        if self.ended:
            agent.link_died(link_id)
        self._links[link_id] = agent

    def lose_link(self, link_id: LinkId) -> None:
        if self._links.pop(link_id, None) is not None:
            self.take(messages.LinkLost(link_id))

    def hear_agent(self, link_id: LinkId, agent_id: AgentId | None, message: Uplink) -> None:
        if link_id in self._links:
            self.take(messages.FromAgent(link_id=link_id, agent_id=agent_id, message=message))

    def lose_scheduler(self, stream_id: StreamId) -> None:
        self._streams.pop(stream_id, None)
        framework_id = self.state.streams.get(stream_id)
        if framework_id is not None:
            self.take(scheduler_messages.SchedulerDisconnected(framework_id=framework_id, stream_id=stream_id))

    # -- the loop --------------------------------------------------------------------------------------------
    def take(self, message: messages.MasterMessage) -> None:
        """Step one message, check, perform."""
        if self.ended:
            return
        self._journal(self.clock.now, self.name, message)
        decided = master_core.step(self.state, message, self.clock.now)
        self._watcher.stepped(self, message, decided)
        self._perform(decided)
        self._plan()

    def _plan(self) -> None:
        deadline = master_core.next_deadline(self.state)
        if deadline is None or deadline >= self._planned:
            return
        self._planned = deadline
        self.clock.at(deadline, self._tick)

    def _tick(self) -> None:
        if self._planned <= self.clock.now:
            self._planned = float("inf")
            self.take(messages.Tick())

    def _perform(self, decided: Sequence[effects.MasterEffect]) -> None:
        for effect in decided:
            match effect:
                case effects.Reply(request, status, text):
                    ear, connection = self._requests.pop(request)
                    connection.send(1, partial(ear.answered, request, status, text))
                case effects.OpenStream(request, _, stream_id):
                    ear, connection = self._streams[stream_id] = self._requests.pop(request)
                    connection.on_broken(partial(self.lose_scheduler, stream_id))
                    connection.send(1, partial(ear.opened, request, stream_id))
                case effects.SendScheduler(stream_id, event):
                    if stream_id in self._streams:
                        ear, connection = self._streams[stream_id]
                        connection.send(1, partial(ear.hear, stream_id, event))
                case effects.CloseStream(stream_id):
                    if stream_id in self._streams:
                        ear, connection = self._streams.pop(stream_id)
                        connection.send(1, partial(ear.closed, stream_id))
                case effects.SendAgent(link_id, _, downlink):
                    agent = self._links.get(link_id)
                    if agent is not None:
                        agent.send_down(link_id, downlink)
                case effects.Persist(number, operation):
                    stored = partial(self.take, messages.Persisted(number))
                    self._store.write(self.writer, operation, stored, partial(self.end, "deposed"))
                case effects.Exit(_, text):
                    self.end(text)
                case effects.Note(fact):
                    self._notes[fact] = self._notes.get(fact, 0) + 1
                case effects.JournalAllocations(told):
                    if self._told is not None:
                        self._told += told
                case effects.Span():
                    pass
                case _:
                    assert_never(effect)


class Masters:
    """The machines on which masters stand by: while one is up, somebody is elected."""

    def __init__(
        self,
        network: Network,
        make_allocator: Callable[[], Allocator],
        options: MasterOptions,
        seed: int,
        journal: Journal,
        watcher: Watcher,
        told: dict[str, list[effects.Told]] | None = None,
    ) -> None:
        """``told``: what allocators are told and decide goes in here, by the name of the master."""
        self.clock = network.clock
        self.leader: MasterNode | None = None
        """``None`` while nobody leads."""
        self.elections = 0
        self.notes: dict[str, int] = {}
        self.store = Store(network.clock, random.Random(seed + 1))
        self._network = network
        self._make_allocator = make_allocator
        self._options = options
        self._seed = seed
        self._journal = journal
        self._watcher = watcher
        self._told = told
        self._source = random.Random(seed + 2)
        self.elect()

    def elect(self) -> None:
        """Another leads from now on; the one before may not know yet."""
        self.elections += 1
        self.leader = MasterNode(
            self._network,
            self._make_allocator(),
            self._options,
            f"master-{self._seed}-{self.elections}",
            random.Random(self._seed * 1000 + self.elections),
            self.store,
            self._journal,
            self._watcher,
            self.notes,
            self._on_end,
            self._journal_of(f"master-{self._seed}-{self.elections}"),
        )

    def _journal_of(self, name: str) -> list[effects.Told] | None:
        return None if self._told is None else self._told.setdefault(name, [])

    def crash(self) -> None:
        """The leader dies; a while later another is elected."""
        if self.leader is not None:
            self.leader.end("crashed")

    def depose(self, unnoticed_seconds: float) -> None:
        """Another is elected while the leader goes on, until it is refused a write or finds out by itself."""
        deposed = self.leader
        if deposed is None:
            return
        self.elect()
        self.clock.after(unnoticed_seconds, partial(deposed.end, "found out that it was deposed"))

    def mark_gone(self, agent_id: AgentId, done: Callable[[], None]) -> None:
        """An operator gives an agent up; ``done`` is called when the leader says that it is so."""
        self.operate(
            lambda request: operator_messages.OperatorMarkGone(request=request, agent_id=agent_id),
            lambda status: done() if status == 200 else None,
        )

    def drain(self, agent_id: AgentId, drain: Drain, done: Callable[[int], None]) -> None:
        """An operator has an agent drained; ``done`` is told the status of the answer, if one comes."""
        self.operate(
            lambda request: operator_messages.OperatorDrain(request=request, agent_id=agent_id, drain=drain), done
        )

    def reactivate(self, agent_id: AgentId, done: Callable[[int], None]) -> None:
        """An operator puts an agent back; ``done`` as above."""
        self.operate(lambda request: operator_messages.OperatorReactivate(request=request, agent_id=agent_id), done)

    def change_resources(self, agent_id: AgentId, operation: ResourceChange) -> None:
        """An operator reserves or unreserves, if that can be done."""
        self.operate(
            lambda request: OperatorOperation(request=request, agent_id=agent_id, operation=operation),
            lambda _: None,
        )

    def operate(self, ask: Callable[[int], messages.MasterMessage], done: Callable[[int], None]) -> None:
        """An operator asks the leader, if there is one; ``done`` is told the status of the answer, if one comes."""
        master = self.leader
        if master is None:
            return
        connection = Connection(self._network)

        def arrive() -> None:
            master.take(ask(master.new_request(Operator(done), connection)))

        connection.send(0, arrive)

    def _on_end(self, master: MasterNode) -> None:
        if master is self.leader:
            self.leader = None
            self.clock.after(0.2 + 2.0 * self._source.random(), self.elect)
