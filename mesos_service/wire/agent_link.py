"""The link between agents and their master: ours, as Mesos keeps its own private.

An agent (or a relay that speaks for several) opens one stream with ``POST /api/v1/agent`` and a SUBSCRIBE call, and
reads records from it for as long as the link lives. Everything it has to say goes as MESSAGES calls to the same
path, as many messages and as many agents to a call as are waiting. ``link_id`` ties the two directions together; it
is chosen by the agent's side and new for each stream.

Order holds within one agent and direction (X62): a sender therefore keeps at most one MESSAGES call of a link on
its way, and puts what comes up meanwhile into the next one.

Messages mirror ``core.link`` one to one; task, framework and agent descriptions are the v1 messages. Both ends are
ours, so decoding is strict: there is one spelling for everything, and unknown message types are refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from mesos_service.wire.agents import AgentInfo, AgentInfoCapability
from mesos_service.wire.base import Int32, Message
from mesos_service.wire.errors import WireError
from mesos_service.wire.frameworks import FrameworkInfo
from mesos_service.wire.offers import OfferOperation
from mesos_service.wire.resources import Resource
from mesos_service.wire.tasks import ExecutorInfo, TaskInfo, TaskState, TaskStatus


class LinkMessage(Message, kw_only=True, tag_field="type", tag=str.upper):
    """``traceparent`` is the W3C header's text: the span under which the message was decided (N03)."""

    traceparent: str | None = None


# -- agent to master -----------------------------------------------------------------------------------------


class AgentDescription(Message, kw_only=True):
    """What an agent says of itself: the v1 message and what Mesos sends beside it."""

    info: AgentInfo
    ip: str
    version: str = ""
    capabilities: tuple[AgentInfoCapability, ...] = ()


class ExecutorReport(Message, kw_only=True):
    framework_id: str
    info: ExecutorInfo


class TaskReport(Message, kw_only=True):
    """A task as its agent knows it. ``state`` is the latest, perhaps not yet shown to the framework (X04)."""

    framework_id: str
    info: TaskInfo
    state: TaskState
    executor_id: str
    statuses: tuple[TaskStatus, ...] = ()


AgentOperationState = Literal["OPERATION_PENDING", "OPERATION_FINISHED", "OPERATION_FAILED"]
"""What an agent may have made of an operation."""


class OperationStatus(Message, kw_only=True):
    """What became of an operation. ``uuid`` is there when the framework is to acknowledge it."""

    state: AgentOperationState
    message: str = ""
    uuid: bytes | None = None
    converted: tuple[Resource, ...] = ()


class OperationReport(Message, kw_only=True):
    """An operation with an id that is not acknowledged yet; ``uuid`` is the master's name for it."""

    uuid: bytes
    framework_id: str
    operation: OfferOperation
    status: OperationStatus


class Register(LinkMessage, kw_only=True, tag="REGISTER"):
    """A new agent. The answer repeats ``registration``, as there is no agent id yet to address it by.

    ``total`` is what operations have made of its resources; without it, it is as ``agent`` says. ``oversubscribed`` is
    what it lends beside that, revocable.
    """

    agent: AgentDescription
    registration: str
    total: tuple[Resource, ...] | None = None
    oversubscribed: tuple[Resource, ...] = ()


class Reregister(LinkMessage, kw_only=True, tag="REREGISTER"):
    """An agent that has an id (in ``agent.info.id``) is back, with all it runs (X20).

    Operations that are neither done in ``total`` nor among ``operations`` have not happened (X14c).
    """

    agent: AgentDescription
    registration: str
    total: tuple[Resource, ...] | None = None
    oversubscribed: tuple[Resource, ...] = ()
    operations: tuple[OperationReport, ...] = ()
    executors: tuple[ExecutorReport, ...] = ()
    tasks: tuple[TaskReport, ...] = ()
    frameworks: tuple[FrameworkInfo, ...] = ()


class Unregister(LinkMessage, kw_only=True, tag="UNREGISTER"):
    """The agent ends in an orderly way and takes its tasks with it."""


class UpdateStatus(LinkMessage, kw_only=True, tag="UPDATE"):
    """The head of a task's status stream. ``latest_state`` lets the master free resources early (X04)."""

    framework_id: str
    status: TaskStatus
    executor_id: str | None = None
    latest_state: TaskState | None = None


class UpdateOperation(LinkMessage, kw_only=True, tag="UPDATE_OPERATION"):
    """What became of the operation that the master knows by ``uuid``; repeated where the status has a uuid."""

    uuid: bytes
    status: OperationStatus


class ExitedExecutor(LinkMessage, kw_only=True, tag="EXITED_EXECUTOR"):
    """``status`` is the raw wait status."""

    framework_id: str
    executor_id: str
    status: Int32


class MessageFromExecutor(LinkMessage, kw_only=True, tag="FRAMEWORK_MESSAGE"):
    framework_id: str
    executor_id: str
    data: bytes


class Pong(LinkMessage, kw_only=True, tag="PONG"):
    pass


class AgentUpdated(LinkMessage, kw_only=True, tag="UPDATE_AGENT"):
    """The agent's total or attributes changed while it was registered."""

    agent: AgentDescription


class OversubscriptionChanged(LinkMessage, kw_only=True, tag="UPDATE_OVERSUBSCRIBED"):
    """All that the agent lends now, in place of what it said before; revocable amounts only."""

    oversubscribed: tuple[Resource, ...] = ()


Uplink = (
    Register
    | Reregister
    | Unregister
    | UpdateStatus
    | UpdateOperation
    | ExitedExecutor
    | MessageFromExecutor
    | Pong
    | AgentUpdated
    | OversubscriptionChanged
)


class UplinkBatch(Message, kw_only=True):
    """What one agent has to say, oldest first. ``agent_id`` is absent only before the first registration."""

    agent_id: str | None = None
    messages: tuple[Uplink, ...]


class SubscribeLink(Message, kw_only=True, tag_field="type", tag="SUBSCRIBE"):
    """Open the downlink; it is the body of the answer, one record per ``DownlinkBatch``."""

    link_id: str


class LinkMessages(Message, kw_only=True, tag_field="type", tag="MESSAGES"):
    """Answered 202 once queued; 400 when it cannot be read, 404 when no stream of this ``link_id`` is open.

    Single messages that cannot be read or used are left out, and logged, for the sake of all the others.
    """

    link_id: str
    batches: tuple[UplinkBatch, ...]


LinkCall = SubscribeLink | LinkMessages

# -- master to agent -----------------------------------------------------------------------------------------


class TaskReference(Message, kw_only=True):
    framework_id: str
    task_id: str


class Registered(LinkMessage, kw_only=True, tag="REGISTERED"):
    registration: str
    agent_id: str


class Reregistered(LinkMessage, kw_only=True, tag="REREGISTERED"):
    """``asked`` are tasks the master has and the agent did not name: the agent answers for each (X21)."""

    registration: str
    agent_id: str
    asked: tuple[TaskReference, ...] = ()


class RunTask(LinkMessage, kw_only=True, tag="RUN_TASK"):
    framework: FrameworkInfo
    task: TaskInfo


class RunTaskGroup(LinkMessage, kw_only=True, tag="RUN_TASK_GROUP"):
    """All or nothing (M-OP-02)."""

    framework: FrameworkInfo
    executor: ExecutorInfo
    tasks: tuple[TaskInfo, ...]


class ApplyOperation(LinkMessage, kw_only=True, tag="APPLY_OPERATION"):
    """Change the agent's resources. An ``operation.id`` asks for a status that is repeated until acknowledged."""

    uuid: bytes
    operation: OfferOperation
    framework_id: str | None = None


class AcknowledgeOperation(LinkMessage, kw_only=True, tag="ACKNOWLEDGE_OPERATION"):
    """The framework has heard the status ``status_uuid`` of the operation ``uuid``."""

    uuid: bytes
    status_uuid: bytes


class EncodedRunTask(LinkMessage, kw_only=True, tag="RUN_TASK"):
    """RUN_TASK as the master writes it: a framework's description is encoded once, not with each of its tasks."""

    framework: msgspec.Raw
    task: TaskInfo


class KillTask(LinkMessage, kw_only=True, tag="KILL_TASK"):
    framework_id: str
    task_id: str
    grace_seconds: float | None = None


class ShutdownExecutor(LinkMessage, kw_only=True, tag="SHUTDOWN_EXECUTOR"):
    framework_id: str
    executor_id: str


class ShutdownFramework(LinkMessage, kw_only=True, tag="SHUTDOWN_FRAMEWORK"):
    framework_id: str


class AcknowledgeUpdate(LinkMessage, kw_only=True, tag="ACKNOWLEDGE"):
    """``uuid`` is that of the update, 16 bytes."""

    framework_id: str
    task_id: str
    uuid: bytes


class MessageToAgent(LinkMessage, kw_only=True, tag="FRAMEWORK_MESSAGE"):
    """Opaque bytes for an executor (M-SC-11)."""

    framework_id: str
    executor_id: str
    data: bytes


class FrameworkUpdated(LinkMessage, kw_only=True, tag="UPDATE_FRAMEWORK"):
    framework: FrameworkInfo


class ReconcileTasks(LinkMessage, kw_only=True, tag="RECONCILE_TASKS"):
    """The master believes these tasks are on the agent; it answers for those it never had (X21)."""

    tasks: tuple[TaskReference, ...] = ()


class Ping(LinkMessage, kw_only=True, tag="PING"):
    """``connected`` is what the master believes; an agent it thinks disconnected registers again (X26)."""

    connected: bool = True


class ShutdownAgent(LinkMessage, kw_only=True, tag="SHUTDOWN"):
    """Kill all tasks and end: the agent was removed or marked gone."""

    message: str


class LinkRefused(LinkMessage, kw_only=True, tag="ERROR"):
    """The last record of a stream that the master ends by itself; ``message`` is for people."""

    message: str


Downlink = (
    Registered
    | Reregistered
    | RunTask
    | RunTaskGroup
    | ApplyOperation
    | AcknowledgeOperation
    | KillTask
    | ShutdownExecutor
    | ShutdownFramework
    | AcknowledgeUpdate
    | MessageToAgent
    | FrameworkUpdated
    | ReconcileTasks
    | Ping
    | ShutdownAgent
    | LinkRefused
)


class DownlinkBatch(Message, kw_only=True):
    """One record of the stream: messages for one agent, oldest first.

    ``agent_id`` is absent for the answer to a first registration, and for what concerns the link as a whole.
    """

    agent_id: str | None = None
    messages: tuple[Downlink, ...]


class _OutgoingDownlinkBatch(Message, kw_only=True):
    """``DownlinkBatch`` for writing only, where RUN_TASK may come with its framework already encoded."""

    agent_id: str | None = None
    messages: tuple[Downlink | EncodedRunTask, ...]


# -- bytes ---------------------------------------------------------------------------------------------------

_ENCODER: Final = msgspec.json.Encoder()
_CALLS: Final[msgspec.json.Decoder[LinkCall]] = msgspec.json.Decoder(LinkCall)
_DOWNLINK: Final = msgspec.json.Decoder(DownlinkBatch)


def encode_link_call(call: LinkCall) -> bytes:
    """The body of one ``POST /api/v1/agent``."""
    return _ENCODER.encode(call)


class _OutgoingBatch(Message, kw_only=True):
    """``UplinkBatch`` for writing only, of messages that are encoded already."""

    agent_id: str | None = None
    messages: Sequence[msgspec.Raw]


class _OutgoingMessages(Message, kw_only=True, tag_field="type", tag="MESSAGES"):
    link_id: str
    batches: Sequence[_OutgoingBatch]


def encode_uplink(message: Uplink) -> msgspec.Raw:
    """One message as it will stand in a MESSAGES call, so that its size is known before it is sent."""
    return msgspec.Raw(_ENCODER.encode(message))


def encode_link_messages(link_id: str, batches: Iterable[tuple[str | None, Sequence[msgspec.Raw]]]) -> bytes:
    """A MESSAGES call of encoded messages, agent by agent."""
    return _ENCODER.encode(
        _OutgoingMessages(
            link_id=link_id,
            batches=[_OutgoingBatch(agent_id=agent_id, messages=messages) for agent_id, messages in batches],
        )
    )


def decode_link_call(body: bytes) -> LinkCall:
    """Read the body of one ``POST /api/v1/agent``; raise ``WireError`` (400) when it is not one."""
    try:
        return _CALLS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(400, f"Failed to read the agent link call: {error}") from None


class _RawBatch(Message, kw_only=True):
    agent_id: str | None = None
    messages: tuple[msgspec.Raw, ...]


class _RawMessages(Message, kw_only=True, tag_field="type", tag="MESSAGES"):
    link_id: str
    batches: tuple[_RawBatch, ...]


_RAW_MESSAGES: Final = msgspec.json.Decoder(_RawMessages)
_UPLINK: Final[msgspec.json.Decoder[Uplink]] = msgspec.json.Decoder(Uplink)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """One message that was left out, and why; ``agent_id`` as its batch has it."""

    agent_id: str | None
    reason: str


def salvage_link_messages(body: bytes) -> tuple[LinkMessages, tuple[Unreadable, ...]] | None:
    """What can be read of a MESSAGES call that ``decode_link_call`` refused, message by message.

    A sender repeats what is not accepted, so that refusing all for the sake of one would silence every agent of its
    link for good. ``None`` when the call itself makes no sense.
    """
    try:
        raw = _RAW_MESSAGES.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    batches: list[UplinkBatch] = []
    unreadable: list[Unreadable] = []
    for batch in raw.batches:
        messages: list[Uplink] = []
        for message in batch.messages:
            try:
                messages.append(_UPLINK.decode(message))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                unreadable.append(Unreadable(batch.agent_id, str(error)))
        batches.append(UplinkBatch(agent_id=batch.agent_id, messages=tuple(messages)))
    return LinkMessages(link_id=raw.link_id, batches=tuple(batches)), tuple(unreadable)


def encode_downlink(agent_id: str | None, messages: Sequence[Downlink | EncodedRunTask]) -> bytes:
    """One record of the downlink, without its RecordIO length."""
    return _ENCODER.encode(_OutgoingDownlinkBatch(agent_id=agent_id, messages=tuple(messages)))


def decode_downlink(record: bytes) -> DownlinkBatch:
    """Read one record of the downlink; raise ``WireError`` (502: the fault is the master's) when it is not one."""
    try:
        return _DOWNLINK.decode(record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(502, f"Failed to read a record of the agent link: {error}") from None
