"""What schedulers ask of the master; a part of ``messages``, to be read by itself."""

from __future__ import annotations

from dataclasses import dataclass

from mesos_service.core.resource_messages import ResourceOperation
from mesos_service.core.trace import TraceParent
from mesos_service.domain.executors import ExecutorInfo
from mesos_service.domain.frameworks import FrameworkInfo, Quantities, SchedulerMode
from mesos_service.domain.ids import (
    AgentId,
    ExecutorId,
    FrameworkId,
    OfferId,
    OperationId,
    Role,
    StreamId,
    TaskId,
)
from mesos_service.domain.offers import DEFAULT_FILTERS, Filters
from mesos_service.domain.tasks import TaskInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerCall:
    """Common to all calls but SUBSCRIBE. ``stream_id`` is the header as sent, ``None`` when it was absent (X18a)."""

    request: int
    framework_id: FrameworkId
    stream_id: str | None
    principal: str | None = None
    stimulus: str = ""
    caller_trace: TraceParent | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribe:
    request: int
    framework: FrameworkInfo
    suppressed_roles: tuple[Role, ...] = ()
    force: bool = False
    mode: SchedulerMode | None = None
    """``None``, as of all schedulers written for Mesos: it takes over from whoever was there before (X18b)."""
    fencing_token: int | None = None
    """The last one it was given."""
    lease_seconds: float | None = None
    """It promises to make some call at least so often while it acts, or stands by."""
    principal: str | None = None
    stimulus: str = ""
    caller_trace: TraceParent | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Teardown(SchedulerCall):
    pass


@dataclass(frozen=True, slots=True)
class LaunchOperation:
    tasks: tuple[TaskInfo, ...]
    operation_id: str | None = None
    """Naming a launch is itself an error (X14d)."""


@dataclass(frozen=True, slots=True)
class LaunchGroupOperation:
    executor: ExecutorInfo
    tasks: tuple[TaskInfo, ...]
    operation_id: str | None = None


@dataclass(frozen=True, slots=True)
class UnsupportedOperation:
    """An operation of Mesos that this master cannot do; it fails alone, the others of the call go on (X14c).

    Who gave it an id is told so (M-SE-07).
    """

    type: str
    operation_id: OperationId | None = None
    carried: object = None


AcceptOperation = LaunchOperation | LaunchGroupOperation | ResourceOperation | UnsupportedOperation


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept(SchedulerCall):
    offer_ids: tuple[OfferId, ...]
    operations: tuple[AcceptOperation, ...] = ()
    filters: Filters = DEFAULT_FILTERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Decline(SchedulerCall):
    offer_ids: tuple[OfferId, ...]
    filters: Filters = DEFAULT_FILTERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Revive(SchedulerCall):
    roles: tuple[Role, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppress(SchedulerCall):
    roles: tuple[Role, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill(SchedulerCall):
    task_id: TaskId
    agent_id: AgentId | None = None
    grace_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shutdown(SchedulerCall):
    executor_id: ExecutorId
    agent_id: AgentId


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledge(SchedulerCall):
    agent_id: AgentId
    task_id: TaskId
    uuid: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconcile(SchedulerCall):
    """An empty list asks for all (X15g)."""

    tasks: tuple[tuple[TaskId, AgentId | None], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileOperations(SchedulerCall):
    """An empty list asks for all."""

    operations: tuple[tuple[OperationId, AgentId | None], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgeOperationStatus(SchedulerCall):
    """``uuid`` is that of the status (M-SC-15)."""

    agent_id: AgentId
    operation_id: OperationId
    uuid: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageCall(SchedulerCall):
    agent_id: AgentId
    executor_id: ExecutorId
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(SchedulerCall):
    requests: tuple[Quantities, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateFramework(SchedulerCall):
    """Answered 200 when done, 400 with the reason when refused: all or nothing (X18h)."""

    framework: FrameworkInfo
    suppressed_roles: tuple[Role, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerHeartbeat(SchedulerCall):
    """A sign of life, from one that acts or one that stands by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerInverseOffers(SchedulerCall):
    """ACCEPT_INVERSE_OFFERS or DECLINE_INVERSE_OFFERS (M-SC-14)."""

    offer_ids: tuple[OfferId, ...]
    accepted: bool
    filters: Filters = DEFAULT_FILTERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Unhandled(SchedulerCall):
    """A lawful call about what this master does not have: accepted, no effect."""

    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerDisconnected:
    """The stream is gone; older streams of the framework that were replaced are ignored."""

    framework_id: FrameworkId
    stream_id: StreamId
    reason: str = ""


SchedulerMessage = (
    Subscribe
    | Teardown
    | Accept
    | Decline
    | Revive
    | Suppress
    | Kill
    | Shutdown
    | Acknowledge
    | Reconcile
    | ReconcileOperations
    | AcknowledgeOperationStatus
    | MessageCall
    | Request
    | UpdateFramework
    | SchedulerHeartbeat
    | AnswerInverseOffers
    | Unhandled
)
