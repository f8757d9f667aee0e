"""All that can go out, in order. A driver performs effects and feeds what comes of them back as messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mesos_service.core.agent.records import Record
from mesos_service.core.allocation.explanation import AgentExplanation, Explanation
from mesos_service.core.events import ExecutorEvent, SchedulerEvent
from mesos_service.core.link import Downlink, Uplink
from mesos_service.core.registry.operations import Operation
from mesos_service.core.trace import TraceParent
from mesos_service.domain.checks import Check, Purpose
from mesos_service.domain.executors import ExecutorInfo
from mesos_service.domain.frameworks import FrameworkInfo
from mesos_service.domain.ids import AgentId, ContainerId, ExecutorId, FrameworkId, LinkId, StreamId
from mesos_service.domain.operations import VolumePlace
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskInfo

Attributes = Mapping[str, str | int | float | bool]


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer the call ``request``: an HTTP status, and text where there is something to say."""

    request: int
    status: int
    text: str = ""
    explanation: Explanation | None = None
    """To whom asked why a framework is offered nothing (N01)."""
    of_agent: AgentExplanation | None = None
    """To whom asked who is offered an agent."""
    revocation: object = None
    """To whom asked what would be revoked: a ``revocation_plan.Preview`` (N15)."""


@dataclass(frozen=True, slots=True)
class Note:
    """A fact worth counting, logging or telling in a story. ``fact`` is ``noun.past_participle``."""

    fact: str
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of an offer's life, complete when it is told. Times are unix seconds; only made while tracing is on."""

    name: str
    trace: TraceParent
    parent: TraceParent | None
    start: float
    end: float
    attributes: Attributes = field(default_factory=dict)
    link: TraceParent | None = None
    """Another trace that this one touches, such as the caller's own."""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Exit:
    """The work of this master or agent is over: end the process with this status and message."""

    status: int
    message: str


# -- the master's --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OpenStream:
    """Answer a SUBSCRIBE with 200 and a stream; events follow by ``SendScheduler``."""

    request: int
    framework_id: FrameworkId | None
    stream_id: StreamId


@dataclass(frozen=True, slots=True)
class SendScheduler:
    stream_id: StreamId
    event: SchedulerEvent


@dataclass(frozen=True, slots=True)
class CloseStream:
    """End the stream after what was sent on it before."""

    stream_id: StreamId


@dataclass(frozen=True, slots=True)
class SendAgent:
    link_id: LinkId
    agent_id: AgentId
    message: Downlink


@dataclass(frozen=True, slots=True)
class Persist:
    """Store ``operation``; ``Persisted(number)`` says that it is durable, in the order of the numbers."""

    number: int
    operation: Operation


class Told(NamedTuple):
    """One call to the allocator; the arguments are those of the method, in order (``core.master.journal``)."""

    method: str
    arguments: tuple[Any, ...]  # Any: as each method has them


@dataclass(frozen=True, slots=True)
class JournalAllocations:
    """Append to the journal of allocations; nothing waits for it, and none of it may be left out."""

    told: tuple[Told, ...]


MasterEffect = (
    Reply | OpenStream | SendScheduler | CloseStream | SendAgent | Persist | JournalAllocations | Exit | Note | Span
)

# -- the agent's ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SendMaster:
    link_id: LinkId
    agent_id: AgentId | None
    message: Uplink


@dataclass(frozen=True, slots=True)
class OpenExecutorStream:
    request: int
    framework_id: FrameworkId
    executor_id: ExecutorId
    stream_id: StreamId


@dataclass(frozen=True, slots=True)
class SendExecutor:
    stream_id: StreamId
    event: ExecutorEvent


@dataclass(frozen=True, slots=True)
class CloseExecutorStream:
    stream_id: StreamId


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchContainer:
    """Start a container; ``ContainerLaunched`` or ``ContainerLaunchFailed`` answers.

    For a custom executor ``task`` is ``None`` and the executor's command is run with the executor API's environment;
    for a built-in executor ``task`` is the command to run. ``parent`` nests the container in an executor's own.
    """

    container_id: ContainerId
    framework: FrameworkInfo
    executor: ExecutorInfo
    task: TaskInfo | None
    resources: Resources
    parent: ContainerId | None = None
    trace: TraceParent | None = None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Write ``record`` down; ``Checkpointed(number)`` says that it, and all before it, will be found again (X05)."""

    number: int
    record: Record


@dataclass(frozen=True, slots=True)
class RecoverContainers:
    """Find out what became of the containers of the agent before, and destroy all others; ``ContainersRecovered``
    answers. Those that go on are described as for their launch."""

    launched: tuple[LaunchContainer, ...]


@dataclass(frozen=True, slots=True)
class SignalContainer:
    """Send a signal to the container's whole tree (X56)."""

    container_id: ContainerId
    signal: int


@dataclass(frozen=True, slots=True)
class DestroyContainer:
    """Kill whatever is left and clean up, in whatever phase it is (X51); ``ContainerDestroyed`` answers."""

    container_id: ContainerId


@dataclass(frozen=True, slots=True)
class StartProbe:
    """Try a check once, in or against a task's container; ``ProbeEnded`` answers, unless it is stopped before."""

    container_id: ContainerId
    purpose: Purpose
    probe: int
    check: Check


@dataclass(frozen=True, slots=True)
class StopProbe:
    """Give the try up, and leave nothing of it behind; nothing answers."""

    probe: int


@dataclass(frozen=True, slots=True)
class MakeVolume:
    """Have a directory for the volume, empty unless it is there already."""

    place: VolumePlace


@dataclass(frozen=True, slots=True)
class AttachVolumes:
    """Let the volumes among its resources appear in a container that was launched without them."""

    launched: LaunchContainer


@dataclass(frozen=True, slots=True)
class RemoveVolume:
    """Delete what is on the volume; ``VolumeRemoved(token)`` answers. Once for each token, however often it is said:
    the place may be another volume's by the time it is said again."""

    token: str
    place: VolumePlace


@dataclass(frozen=True, slots=True)
class ForgetVolume:
    """``RemoveVolume(token, ...)`` will not be said again."""

    token: str


@dataclass(frozen=True, slots=True)
class RecoverVolumes:
    """Of removals, only these tokens may be said again."""

    tokens: tuple[str, ...]


AgentEffect = (
    Reply
    | SendMaster
    | OpenExecutorStream
    | SendExecutor
    | CloseExecutorStream
    | Checkpoint
    | LaunchContainer
    | RecoverContainers
    | SignalContainer
    | DestroyContainer
    | StartProbe
    | StopProbe
    | MakeVolume
    | AttachVolumes
    | RemoveVolume
    | ForgetVolume
    | RecoverVolumes
    | Exit
    | Note
    | Span
)
