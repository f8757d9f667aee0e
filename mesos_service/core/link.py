"""The words that masters and agents exchange: what one core sends is what the other core receives.

Uplink messages are an agent's, downlink messages a master's. The adapter in between (``wire.agent_link``) batches
them and lets one connection carry several agents. Any of them may be lost with the connection, none is reordered
against another of the same direction (X62).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mesos_service.core.events import AgentOperationState
from mesos_service.core.trace import TraceParent
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.executors import ExecutorInfo
from mesos_service.domain.frameworks import FrameworkInfo
from mesos_service.domain.ids import AgentId, ExecutorId, FrameworkId, OperationId, TaskId
from mesos_service.domain.operations import Operation
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskInfo, TaskState, TaskStatus

# -- agent to master -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskReport:
    """A task as its agent knows it, told on re-registration (X20)."""

    framework_id: FrameworkId
    info: TaskInfo
    state: TaskState
    """The latest state, perhaps one the framework has not been shown yet (X04)."""
    executor_id: ExecutorId
    statuses: tuple[TaskStatus, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationStatus:
    """What became of an operation on the agent. ``uuid`` is there when the framework is to acknowledge it."""

    state: AgentOperationState
    message: str = ""
    uuid: bytes | None = None
    converted: Resources = Resources.EMPTY


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationReport:
    """An operation with an id whose status is not acknowledged yet; ``uuid`` is the master's name for it."""

    uuid: bytes
    framework_id: FrameworkId
    operation_id: OperationId
    operation: Operation
    status: OperationStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """A new agent. ``registration`` is a word of its own choosing by which it knows the answer."""

    agent: AgentInfo
    registration: str
    total: Resources | None = None
    """With what operations have made of it; ``None``: it is as the description says."""
    oversubscribed: Resources = Resources.EMPTY
    """What it lends beside that, as revocable resources."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reregister:
    """An agent that has an id: after a lost connection, its own restart, or a new master.

    What it says of its resources holds: operations that it does not know of have not happened (X14c).
    """

    agent: AgentInfo
    registration: str
    total: Resources | None = None
    """As in :class:`Register`."""
    oversubscribed: Resources = Resources.EMPTY
    operations: tuple[OperationReport, ...] = ()
    executors: tuple[tuple[FrameworkId, ExecutorInfo], ...] = ()
    tasks: tuple[TaskReport, ...] = ()
    frameworks: tuple[FrameworkInfo, ...] = ()


@dataclass(frozen=True, slots=True)
class Unregister:
    """The agent ends in an orderly way and takes its tasks with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateStatus:
    """The head of a task's status stream. ``latest_state`` lets the master free resources early (X04)."""

    framework_id: FrameworkId
    status: TaskStatus
    executor_id: ExecutorId | None = None
    latest_state: TaskState | None = None
    trace: TraceParent | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitedExecutor:
    """``status`` is the raw wait status. Built-in command executors are not told (as recorded of Mesos)."""

    framework_id: FrameworkId
    executor_id: ExecutorId
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFromExecutor:
    framework_id: FrameworkId
    executor_id: ExecutorId
    data: bytes


@dataclass(frozen=True, slots=True)
class Pong:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateOperation:
    """What became of the operation that the master knows by ``uuid``; repeated where it has a status uuid."""

    uuid: bytes
    status: OperationStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentUpdated:
    """The agent's total or attributes changed while it was registered."""

    agent: AgentInfo


@dataclass(frozen=True, slots=True)
class OversubscriptionChanged:
    """All that the agent lends now, in place of what it said before (Mesos docs, oversubscription; M-AG-26)."""

    oversubscribed: Resources


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

# -- master to agent -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    registration: str
    agent_id: AgentId


@dataclass(frozen=True, slots=True, kw_only=True)
class Reregistered:
    """``asked`` are tasks the master has and the agent did not name: the agent answers for each itself (X21)."""

    registration: str
    agent_id: AgentId
    asked: tuple[tuple[FrameworkId, TaskId], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTask:
    framework: FrameworkInfo
    task: TaskInfo
    trace: TraceParent | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTaskGroup:
    """All or nothing (M-OP-02)."""

    framework: FrameworkInfo
    executor: ExecutorInfo
    tasks: tuple[TaskInfo, ...]
    trace: TraceParent | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyOperation:
    """Change the agent's resources, unallocated as they are. ``operation_id`` asks for a status to be acknowledged."""

    uuid: bytes
    operation: Operation
    framework_id: FrameworkId | None = None
    operation_id: OperationId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgeOperation:
    """The framework has heard the status ``status_uuid`` of the operation ``uuid``."""

    uuid: bytes
    status_uuid: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class KillTask:
    framework_id: FrameworkId
    task_id: TaskId
    grace_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShutdownExecutor:
    framework_id: FrameworkId
    executor_id: ExecutorId


@dataclass(frozen=True, slots=True)
class ShutdownFramework:
    framework_id: FrameworkId


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgeUpdate:
    framework_id: FrameworkId
    task_id: TaskId
    uuid: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageToAgent:
    """Opaque bytes for an executor (M-SC-11)."""

    framework_id: FrameworkId
    executor_id: ExecutorId
    data: bytes


@dataclass(frozen=True, slots=True)
class FrameworkUpdated:
    framework: FrameworkInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileTasks:
    """The master believes these tasks are on the agent; it answers DROPPED for those it never had (X21)."""

    tasks: tuple[tuple[FrameworkId, TaskId], ...] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Ping:
    """``connected`` is what the master believes; an agent it thinks disconnected registers again (X26)."""

    connected: bool = True


@dataclass(frozen=True, slots=True)
class ShutdownAgent:
    """Kill all tasks and end: the agent was removed or marked gone."""

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
)
