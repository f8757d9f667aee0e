"""The scheduler API: one ``Call`` upward, a stream of ``Event`` downward (Mesos: scheduler.proto).

As in Mesos a call is one message with a ``type`` and a sub-message for most types; a call that carries further
sub-messages is lawful and they are ignored. Which sub-message a type needs is said in ``validate``.
"""

from __future__ import annotations

from typing import Literal

from mesos_service.wire.agents import MasterInfo
from mesos_service.wire.base import Int32, Int64, Message
from mesos_service.wire.common import AgentID, ExecutorID, FrameworkID, OfferID, OperationID, ResourceProviderID, TaskID
from mesos_service.wire.constraints import OfferConstraints
from mesos_service.wire.frameworks import FrameworkInfo
from mesos_service.wire.offers import Filters, InverseOffer, Offer, OfferOperation, OperationStatus
from mesos_service.wire.resources import Resource
from mesos_service.wire.tasks import KillPolicy, TaskStatus

EventType = Literal[
    "UNKNOWN",
    "SUBSCRIBED",
    "OFFERS",
    "INVERSE_OFFERS",
    "RESCIND",
    "RESCIND_INVERSE_OFFER",
    "UPDATE",
    "UPDATE_OPERATION_STATUS",
    "MESSAGE",
    "FAILURE",
    "ERROR",
    "HEARTBEAT",
    "PROMOTED",
]
CallType = Literal[
    "UNKNOWN",
    "SUBSCRIBE",
    "TEARDOWN",
    "ACCEPT",
    "DECLINE",
    "ACCEPT_INVERSE_OFFERS",
    "DECLINE_INVERSE_OFFERS",
    "REVIVE",
    "KILL",
    "SHUTDOWN",
    "ACKNOWLEDGE",
    "ACKNOWLEDGE_OPERATION_STATUS",
    "RECONCILE",
    "RECONCILE_OPERATIONS",
    "MESSAGE",
    "REQUEST",
    "SUPPRESS",
    "UPDATE_FRAMEWORK",
    "HEARTBEAT",
]
SchedulerMode = Literal["PRIMARY", "STANDBY"]


class Event(Message, kw_only=True):
    """What the master sends to a scheduler."""

    type: EventType | None = None
    subscribed: EventSubscribed | None = None
    offers: EventOffers | None = None
    inverse_offers: EventInverseOffers | None = None
    rescind: EventRescind | None = None
    rescind_inverse_offer: EventRescindInverseOffer | None = None
    update: EventUpdate | None = None
    update_operation_status: EventUpdateOperationStatus | None = None
    message: EventMessage | None = None
    failure: EventFailure | None = None
    error: EventError | None = None
    promoted: EventPromoted | None = None


class EventSubscribed(Message, kw_only=True):
    """The first event. ``heartbeat_interval_seconds`` is how long silence may last (M-SE-01).

    ``mode`` and ``fencing_token`` are told to those that subscribe as one of several (A44); Mesos has neither.
    """

    framework_id: FrameworkID
    heartbeat_interval_seconds: float | None = None
    master_info: MasterInfo | None = None
    mode: SchedulerMode | None = None
    fencing_token: Int64 | None = None


class EventOffers(Message, kw_only=True):
    """New offers; each is of one agent."""

    offers: tuple[Offer, ...] = ()


class EventInverseOffers(Message, kw_only=True):
    """Requests to give resources back."""

    inverse_offers: tuple[InverseOffer, ...] = ()


class EventRescind(Message, kw_only=True):
    """The offer is void; an ACCEPT that crossed this event fails its tasks."""

    offer_id: OfferID


class EventRescindInverseOffer(Message, kw_only=True):
    """The request is void."""

    inverse_offer_id: OfferID


class EventUpdate(Message, kw_only=True):
    """A task's state; to be acknowledged if, and only if, it has a ``uuid`` (M-SE-03)."""

    status: TaskStatus


class EventUpdateOperationStatus(Message, kw_only=True):
    """What became of an operation that has an id."""

    status: OperationStatus


class EventMessage(Message, kw_only=True):
    """Opaque bytes from an executor, delivered at most once."""

    agent_id: AgentID
    executor_id: ExecutorID
    data: bytes


class EventFailure(Message, kw_only=True):
    """An executor ended (``status`` is its raw wait status), or, without ``executor_id``, a whole agent was lost."""

    agent_id: AgentID | None = None
    executor_id: ExecutorID | None = None
    status: Int32 | None = None


class EventError(Message, kw_only=True):
    """The last event of its stream: why the master closes it."""

    message: str


class EventPromoted(Message, kw_only=True):
    """To a scheduler that stood by: it acts from here on, and no other does (A44; Mesos has no such event)."""

    framework_id: FrameworkID
    fencing_token: Int64


class Call(Message, kw_only=True):
    """What a scheduler sends. ``framework_id`` is required by every type but SUBSCRIBE."""

    framework_id: FrameworkID | None = None
    type: CallType | None = None
    subscribe: CallSubscribe | None = None
    accept: CallAccept | None = None
    decline: CallDecline | None = None
    accept_inverse_offers: CallAcceptInverseOffers | None = None
    decline_inverse_offers: CallDeclineInverseOffers | None = None
    revive: CallRevive | None = None
    kill: CallKill | None = None
    shutdown: CallShutdown | None = None
    acknowledge: CallAcknowledge | None = None
    acknowledge_operation_status: CallAcknowledgeOperationStatus | None = None
    reconcile: CallReconcile | None = None
    reconcile_operations: CallReconcileOperations | None = None
    message: CallMessage | None = None
    request: CallRequest | None = None
    suppress: CallSuppress | None = None
    update_framework: CallUpdateFramework | None = None


class CallSubscribe(Message, kw_only=True):
    """Open the stream of a new framework, or take over that of one with an id.

    The last three are for one of several schedulers of a framework, and not of Mesos (A44).
    """

    framework_info: FrameworkInfo
    suppressed_roles: tuple[str, ...] = ()
    offer_constraints: OfferConstraints | None = None
    mode: SchedulerMode | None = None
    fencing_token: Int64 | None = None
    lease_seconds: float | None = None


class CallAccept(Message, kw_only=True):
    """Use offers of one agent; without operations this declines them."""

    offer_ids: tuple[OfferID, ...] = ()
    operations: tuple[OfferOperation, ...] = ()
    filters: Filters | None = None


class CallDecline(Message, kw_only=True):
    """Refuse offers for as long as ``filters`` say, five seconds by default."""

    offer_ids: tuple[OfferID, ...] = ()
    filters: Filters | None = None


class CallAcceptInverseOffers(Message, kw_only=True):
    """Agree to give resources back."""

    inverse_offer_ids: tuple[OfferID, ...] = ()
    filters: Filters | None = None


class CallDeclineInverseOffers(Message, kw_only=True):
    """Do not agree; the resources are taken all the same when the time comes."""

    inverse_offer_ids: tuple[OfferID, ...] = ()
    filters: Filters | None = None


class CallRevive(Message, kw_only=True):
    """Drop decline filters and suppression of these roles, of all roles when none is named."""

    roles: tuple[str, ...] = ()


class CallKill(Message, kw_only=True):
    """End a task. Without ``agent_id`` the master looks where it runs."""

    task_id: TaskID
    agent_id: AgentID | None = None
    kill_policy: KillPolicy | None = None


class CallShutdown(Message, kw_only=True):
    """End an executor and all its tasks."""

    executor_id: ExecutorID
    agent_id: AgentID


class CallAcknowledge(Message, kw_only=True):
    """The update with this ``uuid`` (16 bytes) has been dealt with; the next one of its task may come."""

    agent_id: AgentID
    task_id: TaskID
    uuid: bytes


class CallAcknowledgeOperationStatus(Message, kw_only=True):
    """As ACKNOWLEDGE, for operations."""

    agent_id: AgentID | None = None
    resource_provider_id: ResourceProviderID | None = None
    uuid: bytes
    operation_id: OperationID


class CallReconcile(Message, kw_only=True):
    """Ask for the state of these tasks, of all when none is named."""

    tasks: tuple[CallReconcileTask, ...] = ()


class CallReconcileTask(Message, kw_only=True):
    """``agent_id`` helps the master to tell a task that is gone from one it never knew."""

    task_id: TaskID
    agent_id: AgentID | None = None


class CallReconcileOperations(Message, kw_only=True):
    """Ask for the state of these operations, of all when none is named."""

    operations: tuple[CallReconcileOperationsOperation, ...] = ()


class CallReconcileOperationsOperation(Message, kw_only=True):
    operation_id: OperationID
    agent_id: AgentID | None = None
    resource_provider_id: ResourceProviderID | None = None


class CallMessage(Message, kw_only=True):
    """Opaque bytes for an executor, delivered at most once."""

    agent_id: AgentID
    executor_id: ExecutorID
    data: bytes


class CallRequest(Message, kw_only=True):
    """Say what would be welcome; the allocator may listen."""

    requests: tuple[Request, ...] = ()


class Request(Message, kw_only=True):
    """Resources that a framework would like to be offered, on any agent or on one."""

    agent_id: AgentID | None = None
    resources: tuple[Resource, ...] = ()


class CallSuppress(Message, kw_only=True):
    """Send no offers for these roles, for all roles when none is named, until REVIVE."""

    roles: tuple[str, ...] = ()


class CallUpdateFramework(Message, kw_only=True):
    """Change what the framework said of itself, all of it or nothing."""

    framework_info: FrameworkInfo
    suppressed_roles: tuple[str, ...] = ()
    offer_constraints: OfferConstraints | None = None
