"""Drives the agent's core: performs what it decides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from mesos_service.core.agent.records import Record
from mesos_service.core.agent.state import AgentState
from mesos_service.core.agent.step import next_deadline, step
from mesos_service.core.agent_messages import AgentMessage
from mesos_service.core.effects import (
    AgentEffect,
    AttachVolumes,
    Checkpoint,
    CloseExecutorStream,
    DestroyContainer,
    Exit,
    ForgetVolume,
    LaunchContainer,
    MakeVolume,
    Note,
    OpenExecutorStream,
    RecoverContainers,
    RecoverVolumes,
    RemoveVolume,
    Reply,
    SendExecutor,
    SendMaster,
    SignalContainer,
    Span,
    StartProbe,
    StopProbe,
)
from mesos_service.core.events import ExecutorEvent
from mesos_service.core.link import Uplink
from mesos_service.core.messages import Tick
from mesos_service.domain.ids import AgentId, ContainerId, LinkId, StreamId
from mesos_service.domain.operations import VolumePlace
from mesos_service.driver import Driver


class Outlets(Protocol):
    """Where effects go that leave the core; given by ``service``."""

    def send_master(self, link_id: LinkId, agent_id: AgentId | None, message: Uplink) -> None: ...
    def open_executor(self, request: int, stream_id: StreamId) -> None: ...
    def send_executor(self, stream_id: StreamId, event: ExecutorEvent) -> None: ...
    def close_executor(self, stream_id: StreamId) -> None: ...
    def exit(self, status: int, message: str) -> None: ...


class Checkpoints(Protocol):
    """Stores records; each number is answered by ``Checkpointed`` later, and nothing waits."""

    def store(self, number: int, record: Record) -> None: ...


class Containers(Protocol):
    """Runs containers; each call is answered by a message later and never waits."""

    def recover(self, effect: RecoverContainers) -> None: ...
    def launch(self, effect: LaunchContainer) -> None: ...
    def signal(self, container_id: ContainerId, signal: int) -> None: ...
    def destroy(self, container_id: ContainerId) -> None: ...
    def attach_volumes(self, launched: LaunchContainer) -> None: ...
    def start_probe(self, effect: StartProbe) -> None: ...
    def stop_probe(self, probe: int) -> None: ...


class Volumes(Protocol):
    """Makes and removes the directories of volumes; a removal is answered by ``VolumeRemoved``."""

    def recover(self, tokens: tuple[str, ...]) -> None: ...
    def make(self, place: VolumePlace) -> None: ...
    def remove(self, token: str, place: VolumePlace) -> None: ...
    def forget(self, token: str) -> None: ...


class Observers(Protocol):
    """Who is told facts and spans; see ``telemetry.observers``."""

    def note(self, note: Note, stimulus: str) -> None: ...
    def span(self, span: Span) -> None: ...


class AgentDriver(Driver[AgentMessage, AgentEffect, Reply | OpenExecutorStream]):
    """One agent's loop side; ``failed`` is told of a defect that it cannot go on with."""

    def __init__(
        self,
        state: AgentState,
        outlets: Outlets,
        make_containers: Callable[[Callable[[AgentMessage], None]], Containers],
        make_checkpoints: Callable[[Callable[[AgentMessage], None]], Checkpoints],
        make_volumes: Callable[[Callable[[AgentMessage], None]], Volumes],
        observers: Observers,
        failed: Callable[[BaseException], object],
        clock: Callable[[], float] | None = None,
    ) -> None:
        super().__init__(Tick(), failed, clock)
        self.state = state
        self._outlets = outlets
        self._containers = make_containers(self.submit)
        self._checkpoints = make_checkpoints(self.submit)
        self._volumes = make_volumes(self.submit)
        self._observers = observers

    def _step(self, message: AgentMessage, now: float) -> Sequence[AgentEffect]:
        return step(self.state, message, now)

    def _next_deadline(self) -> float | None:
        return next_deadline(self.state)

    def _perform(self, effect: AgentEffect, stimulus: str) -> None:
        match effect:
            case Reply():
                self._resolve(effect.request, effect)
            case OpenExecutorStream():
                self._outlets.open_executor(effect.request, effect.stream_id)
                self._resolve(effect.request, effect)
            case SendMaster(link_id, agent_id, message):
                self._outlets.send_master(link_id, agent_id, message)
            case SendExecutor(stream_id, event):
                self._outlets.send_executor(stream_id, event)
            case CloseExecutorStream(stream_id):
                self._outlets.close_executor(stream_id)
            case Checkpoint(number, record):
                self._checkpoints.store(number, record)
            case RecoverContainers():
                self._containers.recover(effect)
            case LaunchContainer():
                self._containers.launch(effect)
            case SignalContainer(container_id, signal):
                self._containers.signal(container_id, signal)
            case DestroyContainer(container_id):
                self._containers.destroy(container_id)
            case StartProbe():
                self._containers.start_probe(effect)
            case StopProbe(probe):
                self._containers.stop_probe(probe)
            case AttachVolumes(launched):
                self._containers.attach_volumes(launched)
            case MakeVolume(place):
                self._volumes.make(place)
            case RemoveVolume(token, place):
                self._volumes.remove(token, place)
            case ForgetVolume(token):
                self._volumes.forget(token)
            case RecoverVolumes(tokens):
                self._volumes.recover(tokens)
            case Exit(status, message):
                self._outlets.exit(status, message)
            case Note():
                self._observers.note(effect, stimulus)
            case Span():
                self._observers.span(effect)
