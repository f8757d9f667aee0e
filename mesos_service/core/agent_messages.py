"""All that can come in to an agent: from its master, executors, containers and disk, and from its own process."""

from __future__ import annotations

from dataclasses import dataclass

from mesos_service.core.link import Downlink
from mesos_service.core.messages import Tick
from mesos_service.core.oversubscription.controllers import Correction
from mesos_service.domain.checks import ProbeResult, Purpose
from mesos_service.domain.ids import (
    ContainerId,
    ExecutorId,
    FrameworkId,
    LinkId,
    StreamId,
)
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskInfo, TaskStatus


@dataclass(frozen=True, slots=True)
class MasterConnected:
    """A link to the leading master is open; the agent registers on it."""

    link_id: LinkId


@dataclass(frozen=True, slots=True)
class MasterLost:
    link_id: LinkId


@dataclass(frozen=True, slots=True, kw_only=True)
class FromMaster:
    link_id: LinkId
    message: Downlink
    stimulus: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorCall:
    request: int
    framework_id: FrameworkId
    executor_id: ExecutorId
    stimulus: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorSubscribe(ExecutorCall):
    """Repeats what the executor has not seen acknowledged (X10)."""

    unacknowledged_tasks: tuple[TaskInfo, ...] = ()
    unacknowledged_updates: tuple[TaskStatus, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorUpdate(ExecutorCall):
    status: TaskStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorMessage(ExecutorCall):
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorHeartbeat(ExecutorCall):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorDisconnected:
    framework_id: FrameworkId
    executor_id: ExecutorId
    stream_id: StreamId


@dataclass(frozen=True, slots=True)
class ContainerLaunched:
    container_id: ContainerId
    pid: int


@dataclass(frozen=True, slots=True)
class ContainerLaunchFailed:
    """Nothing runs and nothing is left over. ``reason`` is a Mesos task status reason."""

    container_id: ContainerId
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class ContainerExited:
    """The container's first process ended with this raw wait status."""

    container_id: ContainerId
    status: int


@dataclass(frozen=True, slots=True)
class ContainerLost:
    """The container's first process ended, and how can not be known any more; ``message`` says why."""

    container_id: ContainerId
    message: str


@dataclass(frozen=True, slots=True)
class ContainerLimited:
    """An isolator reports a breach (memory, disk, ports); the container is to be destroyed."""

    container_id: ContainerId
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class ContainerDestroyed:
    """No process of the container is left."""

    container_id: ContainerId


@dataclass(frozen=True, slots=True)
class ProbeEnded:
    """The try ``probe`` of a check is over; not said of one that was stopped."""

    container_id: ContainerId
    purpose: Purpose
    probe: int
    result: ProbeResult


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundContainer:
    """A container of the agent before. One that was not found has left nothing, or never was."""

    container_id: ContainerId
    pid: int | None
    """``None`` when it is not known any more whether there ever was a process."""
    alive: bool
    status: int | None = None
    """Raw wait status of one that has ended; ``None`` when nobody saw it end."""
    lost: str = ""
    """Why its end was not seen."""
    limited: ContainerLimited | None = None
    """The breach that ended it, where an isolator can still tell."""


@dataclass(frozen=True, slots=True)
class ContainersRecovered:
    """What the containerizer found; it watches those that are alive."""

    found: tuple[FoundContainer, ...] = ()


@dataclass(frozen=True, slots=True)
class OversubscriptionEstimated:
    """The resource estimator's answer: all that may be lent, as revocable amounts; it replaces the one before."""

    lendable: Resources


@dataclass(frozen=True, slots=True)
class QosCorrections:
    """The QoS controller wants these executors ended."""

    corrections: tuple[Correction, ...]


@dataclass(frozen=True, slots=True)
class VolumeRemoved:
    """What was on the volume that ``RemoveVolume(token, ...)`` named is nobody's any more."""

    token: str


@dataclass(frozen=True, slots=True)
class Recover:
    """Go on where the agent before this one stopped. ``cleanup``: end all that it left running, and then the agent."""

    cleanup: bool = False


@dataclass(frozen=True, slots=True)
class Checkpointed:
    """This checkpoint is stored, and so are all with lower numbers."""

    number: int


@dataclass(frozen=True, slots=True)
class ShutDown:
    """The agent itself is asked to end for good: unregister and take the tasks along."""


ExecutorMessages = ExecutorSubscribe | ExecutorUpdate | ExecutorMessage | ExecutorHeartbeat


ContainerMessage = (
    ContainerLaunched | ContainerLaunchFailed | ContainerExited | ContainerLost | ContainerLimited | ContainerDestroyed
)


AgentMessage = (
    MasterConnected
    | MasterLost
    | FromMaster
    | ExecutorMessages
    | ExecutorDisconnected
    | ContainerMessage
    | ContainersRecovered
    | ProbeEnded
    | OversubscriptionEstimated
    | QosCorrections
    | VolumeRemoved
    | Recover
    | Checkpointed
    | ShutDown
    | Tick
)
