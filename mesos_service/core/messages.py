"""All that can come in: calls, facts about connections, and the passing of time.

Calls carry ``request``, the number by which the driver knows who waits for the answer; every other field is said in
domain words. ``caller_trace`` is the ``traceparent`` header of the call, where there was one. ``stimulus`` names what
set a chain of effects off and is repeated in every note about it.
"""

from __future__ import annotations

from dataclasses import dataclass

from mesos_service.core.link import Downlink, Uplink
from mesos_service.core.operator_messages import OperatorAgents, OperatorMaintenance
from mesos_service.core.oversubscription.controllers import Correction
from mesos_service.core.resource_messages import OperatorOperation, ResourceOperation
from mesos_service.core.trace import TraceParent
from mesos_service.domain.checks import ProbeResult, Purpose
from mesos_service.domain.executors import ExecutorInfo
from mesos_service.domain.frameworks import FrameworkInfo, Quantities, SchedulerMode
from mesos_service.domain.ids import (
    AgentId,
    ContainerId,
    ExecutorId,
    FrameworkId,
    LinkId,
    OfferId,
    OperationId,
    Role,
    StreamId,
    TaskId,
)
from mesos_service.domain.offers import DEFAULT_FILTERS, Filters
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskInfo, TaskStatus
from mesos_service.plugins.allocator import Quota


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed: run what is due. Sent at ``next_deadline(state)``, and at any other time without harm."""


# -- to the master, from schedulers -----------------------------------------------------------


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


# -- to the master, from agents ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FromAgent:
    """One uplink message. ``agent_id`` is ``None`` only in a first registration."""

    link_id: LinkId
    agent_id: AgentId | None
    message: Uplink
    stimulus: str = ""


@dataclass(frozen=True, slots=True)
class LinkLost:
    """The connection is gone, and with it every agent it carried is disconnected (X23)."""

    link_id: LinkId


# -- to the master, from operators and its own adapters ------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorTeardown:
    request: int
    framework_id: FrameworkId
    principal: str | None = None
    stimulus: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateWhitelist:
    """From now on only agents on these hosts are offered (M-AL-15)."""

    hostnames: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainFramework:
    """Why is this framework offered nothing (N01)? Answered after the next full pass, or with 404."""

    request: int
    framework_id: FrameworkId
    stimulus: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorMarkGone:
    """MARK_AGENT_GONE (M-OM-13): answered 200 when it is stored, 404 where nobody knows the agent."""

    request: int
    agent_id: AgentId
    principal: str | None = None
    stimulus: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorUpdateQuota:
    """UPDATE_QUOTA (M-OM-08): all of it or nothing; answered 200 when it is stored, 400 with a reason."""

    request: int
    quotas: tuple[tuple[Role, Quota], ...]
    force: bool = False
    stimulus: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorSetQuota:
    """SET_QUOTA, the older form: a guarantee that is also the limit, for a role that has no quota yet."""

    request: int
    role: Role
    guarantee: Quantities
    force: bool = False
    stimulus: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorRemoveQuota:
    """REMOVE_QUOTA, the older form. ``path`` is what the refusal names, as in Mesos."""

    request: int
    role: Role
    path: str
    stimulus: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorUpdateWeights:
    """UPDATE_WEIGHTS (M-OM-07): all of it or nothing; answered 200 when it is stored, 400 with a reason."""

    request: int
    weights: tuple[tuple[Role, float], ...]
    stimulus: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewRevocation:
    """What would be revoked now, and why (N15)? Answered at once; changes nothing."""

    request: int
    stimulus: str = ""


OperatorPolicy = OperatorUpdateQuota | OperatorSetQuota | OperatorRemoveQuota | OperatorUpdateWeights


@dataclass(frozen=True, slots=True)
class Persisted:
    """The registrar has stored the operation; what presumed it may now be said."""

    operation: int


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
MasterMessage = (
    SchedulerMessage
    | SchedulerDisconnected
    | FromAgent
    | LinkLost
    | OperatorTeardown
    | OperatorMarkGone
    | OperatorAgents
    | OperatorMaintenance
    | OperatorPolicy
    | PreviewRevocation
    | OperatorOperation
    | ExplainFramework
    | UpdateWhitelist
    | Persisted
    | Tick
)

# -- to the agent, from its master ---------------------------------------------------------------------------


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


# -- to the agent, from executors -------------------------------------------------------------


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


# -- to the agent, from its containerizer --------------------------------------------------------------------


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


# -- to the agent, from what watches its usage ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OversubscriptionEstimated:
    """The resource estimator's answer: all that may be lent, as revocable amounts; it replaces the one before."""

    lendable: Resources


@dataclass(frozen=True, slots=True)
class QosCorrections:
    """The QoS controller wants these executors ended."""

    corrections: tuple[Correction, ...]


# -- to the agent, from its disk -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VolumeRemoved:
    """What was on the volume that ``RemoveVolume(token, ...)`` named is nobody's any more."""

    token: str


# -- to the agent, from its own process ----------------------------------------------------------------------


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
