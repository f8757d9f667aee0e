"""What an agent writes down before it acts on it, so that the next one can go on from there (X05, X52).

The records of a run, read in order, give back everything that must outlive the agent: whom it runs things for, what
it runs, and what is still to be told. Nothing of a framework that does not checkpoint is written (X54). A record
replaces what was said before of the same thing, and one about a thing that is gone means nothing, so that reading one
twice does no harm. Completed tasks and executors are left out: nothing is owed for them any more.
"""

from __future__ import annotations

from dataclasses import dataclass

from mesos_service.core.link import OperationReport
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.executors import ExecutorInfo
from mesos_service.domain.frameworks import FrameworkInfo
from mesos_service.domain.ids import ContainerId, ExecutorId, FrameworkId, TaskId
from mesos_service.domain.operations import VolumePlace
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskInfo, TaskState, TaskStatus


@dataclass(frozen=True, slots=True)
class Termination:
    """Why something is being ended by the agent, kept until it has ended and can be reported."""

    state: TaskState
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class AgentKept:
    """Who this agent is, its id included."""

    info: AgentInfo


@dataclass(frozen=True, slots=True)
class ResourcesKept:
    """What operations have made of the agent's resources, and the operation that did so where it is to be told of.

    One record, so that neither is ever known without the other. Unlike all else it outlives the agent's id.
    """

    made: Resources
    doomed: tuple[tuple[str, VolumePlace], ...] = ()
    operation: OperationReport | None = None


@dataclass(frozen=True, slots=True)
class OperationKept:
    """An operation that failed, or that is still to be told of when all is written anew."""

    operation: OperationReport


@dataclass(frozen=True, slots=True)
class OperationForgotten:
    """The framework has taken note of it, or is gone."""

    uuid: bytes


@dataclass(frozen=True, slots=True)
class FrameworkKept:
    info: FrameworkInfo
    terminating: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorKept:
    """One run of an executor; another container id is another run."""

    framework_id: FrameworkId
    info: ExecutorInfo
    container_id: ContainerId
    launched_at: float
    registered_at: float | None = None
    ever_sent_task: bool = False
    terminating: bool = False
    termination: Termination | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskKept:
    """A task, and where it stands when ``statuses`` is its history."""

    framework_id: FrameworkId
    executor_id: ExecutorId
    info: TaskInfo
    received_at: float
    group: tuple[TaskId, ...] = ()
    container_id: ContainerId | None = None
    launched_at: float | None = None
    kill_started_at: float | None = None
    kill_grace_seconds: float | None = None
    overdue: bool = False
    termination: Termination | None = None
    statuses: tuple[TaskStatus, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskMoved:
    """What has changed about a task since ``TaskKept``; its updates are records of their own."""

    framework_id: FrameworkId
    task_id: TaskId
    launched_at: float | None
    kill_started_at: float | None
    kill_grace_seconds: float | None
    overdue: bool
    termination: Termination | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateKept:
    """A status update, received and not acknowledged (X05, X07)."""

    framework_id: FrameworkId
    status: TaskStatus
    executor_id: ExecutorId | None
    received_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateAcknowledged:
    """The framework has taken note of the oldest update of the task (X06)."""

    framework_id: FrameworkId
    task_id: TaskId
    uuid: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamKept:
    """A whole update stream; unlike ``UpdateKept`` it does not move the task."""

    framework_id: FrameworkId
    task_id: TaskId
    acknowledged: tuple[bytes, ...]
    pending: tuple[UpdateKept, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorForgotten:
    """Nothing of this run is left, and nothing of it is still to be told."""

    framework_id: FrameworkId
    executor_id: ExecutorId
    container_id: ContainerId


@dataclass(frozen=True, slots=True)
class FrameworkForgotten:
    framework_id: FrameworkId


Record = (
    AgentKept
    | ResourcesKept
    | OperationKept
    | OperationForgotten
    | FrameworkKept
    | ExecutorKept
    | TaskKept
    | TaskMoved
    | UpdateKept
    | UpdateAcknowledged
    | StreamKept
    | ExecutorForgotten
    | FrameworkForgotten
)
