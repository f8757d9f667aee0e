"""What the streams say: events to schedulers and to executors (M-SE, M-EX; Mesos scheduler and executor API).

``wire`` turns these into JSON; nothing here knows how they travel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.executors import ExecutorInfo
from mesos_service.domain.frameworks import FrameworkInfo, SchedulerMode
from mesos_service.domain.ids import AgentId, ContainerId, ExecutorId, FrameworkId, OfferId, OperationId, TaskId
from mesos_service.domain.offers import InverseOffer, Offer
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskInfo, TaskStatus

# -- to schedulers -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Subscribed:
    """First on every stream; the adapter adds the master's own description."""

    framework_id: FrameworkId
    heartbeat_interval_seconds: float
    mode: SchedulerMode | None = None
    """Told only to a scheduler that knows of modes, as is the token."""
    fencing_token: int | None = None
    """Larger than any that another scheduler of the framework holds; ``None`` for one that stands by."""


@dataclass(frozen=True, slots=True)
class Promoted:
    """To one that stood by: it acts from here on, and no other does (A44, N11)."""

    framework_id: FrameworkId
    fencing_token: int


@dataclass(frozen=True, slots=True)
class Heartbeat:
    pass


@dataclass(frozen=True, slots=True)
class Offers:
    offers: tuple[Offer, ...]


@dataclass(frozen=True, slots=True)
class Rescind:
    offer_id: OfferId


@dataclass(frozen=True, slots=True)
class InverseOffers:
    offers: tuple[InverseOffer, ...]


@dataclass(frozen=True, slots=True)
class RescindInverseOffer:
    offer_id: OfferId


@dataclass(frozen=True, slots=True)
class Update:
    status: TaskStatus


OperationState = Literal[
    "OPERATION_PENDING",
    "OPERATION_FINISHED",
    "OPERATION_FAILED",
    "OPERATION_ERROR",
    "OPERATION_DROPPED",
    "OPERATION_UNREACHABLE",
    "OPERATION_GONE_BY_OPERATOR",
    "OPERATION_RECOVERING",
    "OPERATION_UNKNOWN",
]
"""Mesos' names. FINISHED and FAILED are an agent's word, all others the master's."""
AgentOperationState = Literal["OPERATION_PENDING", "OPERATION_FINISHED", "OPERATION_FAILED"]
"""What an agent has made of an operation; PENDING while it has said nothing."""


@dataclass(frozen=True, slots=True)
class UpdateOperationStatus:
    """What became of an operation that carries an id (M-SE-07).

    Without uuid, as all that the master says on its own, nobody is to acknowledge it; with one, it is repeated until
    the framework does.
    """

    operation_id: OperationId
    state: OperationState
    message: str
    agent_id: AgentId | None = None
    uuid: bytes | None = None
    converted: Resources = Resources.EMPTY
    """What a finished operation has made."""


@dataclass(frozen=True, slots=True)
class Message:
    """Opaque bytes from an executor (M-SE-04)."""

    agent_id: AgentId
    executor_id: ExecutorId
    data: bytes


@dataclass(frozen=True, slots=True)
class Failure:
    """An agent went (``executor_id`` is ``None``), or an executor ended; ``status`` is the raw wait status."""

    agent_id: AgentId
    executor_id: ExecutorId | None = None
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Error:
    """The last event of a stream (M-SE-06)."""

    message: str


SchedulerEvent = (
    Subscribed
    | Promoted
    | Heartbeat
    | Offers
    | Rescind
    | InverseOffers
    | RescindInverseOffer
    | Update
    | UpdateOperationStatus
    | Message
    | Failure
    | Error
)

# -- to executors --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ExecutorSubscribed:
    executor: ExecutorInfo
    framework: FrameworkInfo
    agent: AgentInfo
    container_id: ContainerId


@dataclass(frozen=True, slots=True)
class Launch:
    task: TaskInfo


@dataclass(frozen=True, slots=True)
class LaunchGroup:
    tasks: tuple[TaskInfo, ...]


@dataclass(frozen=True, slots=True)
class Kill:
    task_id: TaskId
    grace_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Acknowledged:
    task_id: TaskId
    uuid: bytes


@dataclass(frozen=True, slots=True)
class MessageToExecutor:
    data: bytes


@dataclass(frozen=True, slots=True)
class Shutdown:
    pass


ExecutorEvent = (
    ExecutorSubscribed | Launch | LaunchGroup | Kill | Acknowledged | MessageToExecutor | Shutdown | Error | Heartbeat
)
