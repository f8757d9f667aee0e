"""Drives the master's core: performs what it decides."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from mesos_service.core.effects import (
    CloseStream,
    Exit,
    JournalAllocations,
    MasterEffect,
    Note,
    OpenStream,
    Persist,
    Reply,
    SendAgent,
    SendScheduler,
    Span,
    Told,
)
from mesos_service.core.events import SchedulerEvent
from mesos_service.core.link import Downlink
from mesos_service.core.master.state import MasterState
from mesos_service.core.master.step import next_deadline, step
from mesos_service.core.messages import MasterMessage, Persisted, Tick
from mesos_service.core.registry.operations import Operation
from mesos_service.domain.ids import AgentId, LinkId, StreamId
from mesos_service.driver import Driver
from mesos_service.memory import collections_put_off


class Outlets(Protocol):
    """Where effects go that leave the process; given by ``service``."""

    def open_stream(self, request: int, stream_id: StreamId) -> None: ...
    def send_scheduler(self, stream_id: StreamId, event: SchedulerEvent) -> None: ...
    def close_stream(self, stream_id: StreamId) -> None: ...
    def send_agent(self, link_id: LinkId, agent_id: AgentId, message: Downlink) -> None: ...


class Observers(Protocol):
    """Who is told facts and spans; see ``telemetry.observers``."""

    def note(self, note: Note, stimulus: str) -> None: ...
    def span(self, span: Span) -> None: ...


class Registrar(Protocol):
    """Stores operations in order and answers each through :meth:`MasterDriver.persisted`."""

    def persist(self, number: int, operation: Operation) -> None: ...


class AllocationJournal(Protocol):
    """Where :class:`JournalAllocations` goes."""

    def write(self, told: Iterable[Told]) -> None: ...


class MasterDriver(Driver[MasterMessage, MasterEffect, Reply | OpenStream]):
    """One master's loop side, held until the master leads; ``gave_up`` is told when the core wants to end, ``failed``
    of a defect that it cannot go on with."""

    def __init__(
        self,
        state: MasterState,
        outlets: Outlets,
        observers: Observers,
        make_registrar: Callable[[Callable[[int], object]], Registrar],
        gave_up: Callable[[Exit], object],
        failed: Callable[[BaseException], object],
        clock: Callable[[], float] | None = None,
        journal: AllocationJournal | None = None,
    ) -> None:
        super().__init__(Tick(), failed, clock, held=True)
        self.state = state
        self._outlets = outlets
        self._observers = observers
        self._registrar = make_registrar(self.persisted)
        self._gave_up = gave_up
        self._allocation_journal = journal

    def lead(self, permits: Callable[[], bool]) -> None:
        """Decide from now on, for as long as ``permits`` says so."""
        self._permits = permits
        self.go_on()

    def persisted(self, number: int) -> None:
        """The registrar's word that an operation is durable."""
        self.submit(Persisted(number))

    def _step(self, message: MasterMessage, now: float) -> Sequence[MasterEffect]:
        if isinstance(message, Tick):
            with collections_put_off():  # with a tick an allocation pass may come
                return step(self.state, message, now)
        return step(self.state, message, now)

    def _next_deadline(self) -> float | None:
        return next_deadline(self.state)

    def _perform(self, effect: MasterEffect, stimulus: str) -> None:
        match effect:  # The most frequent first.
            case Note():
                self._observers.note(effect, stimulus)
            case SendScheduler(stream_id, event):
                self._outlets.send_scheduler(stream_id, event)
            case SendAgent(link_id, agent_id, message):
                self._outlets.send_agent(link_id, agent_id, message)
            case Reply():
                self._resolve(effect.request, effect)
            case Span():
                self._observers.span(effect)
            case OpenStream():
                self._outlets.open_stream(effect.request, effect.stream_id)
                self._resolve(effect.request, effect)
            case CloseStream(stream_id):
                self._outlets.close_stream(stream_id)
            case Persist(number, operation):
                self._registrar.persist(number, operation)
            case JournalAllocations(told):
                if self._allocation_journal is not None:
                    self._allocation_journal.write(told)
            case Exit():
                self._gave_up(effect)
