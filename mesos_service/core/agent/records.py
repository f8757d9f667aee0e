"""What an agent writes down before it acts on it, so that the next one can go on from there (X05, X52).

The records of a run, read in order, give back everything that must outlive the agent: whom it runs things for, what
it runs, and what is still to be told. Nothing of a framework that does not checkpoint is written (X54). A record
replaces what was said before of the same thing, and one about a thing that is gone means nothing, so that reading one
twice does no harm. Completed tasks and executors are left out: nothing is owed for them any more.
"""

from __future__ import annotations

from dataclasses import dataclass

from mesos_service.core.agent.state import AgentState, Executor, Framework, Task, Termination, UpdateStream
from mesos_service.core.link import OperationReport
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.executors import ExecutorInfo
from mesos_service.domain.frameworks import FrameworkInfo
from mesos_service.domain.ids import ContainerId, ExecutorId, FrameworkId, TaskId
from mesos_service.domain.operations import VolumePlace, made_by_operations
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskInfo, TaskStatus


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


def resources_kept(state: AgentState, operation: OperationReport | None = None) -> ResourcesKept:
    """The record of the agent's resources as they are now."""
    return ResourcesKept(made_by_operations(state.total), tuple(state.doomed.items()), operation)


def executor_kept(executor: Executor, terminating: bool) -> ExecutorKept:
    """The record of an executor as it is now."""
    return ExecutorKept(
        framework_id=executor.framework_id,
        info=executor.info,
        container_id=executor.container_id,
        launched_at=executor.launched_at,
        registered_at=executor.registered_at,
        ever_sent_task=executor.ever_sent_task,
        terminating=terminating,
        termination=executor.termination,
    )


def task_kept(task: Task) -> TaskKept:
    """The record of a task as it is now."""
    return TaskKept(
        framework_id=task.framework_id,
        executor_id=task.executor_id,
        info=task.info,
        received_at=task.received_at,
        group=task.group,
        container_id=task.container_id,
        launched_at=task.launched_at,
        kill_started_at=task.kill_started_at,
        kill_grace_seconds=task.kill_grace_seconds,
        overdue=task.overdue,
        termination=task.termination,
        statuses=tuple(task.statuses),
    )


def task_moved(task: Task) -> TaskMoved:
    """What of a task may have changed."""
    return TaskMoved(
        framework_id=task.framework_id,
        task_id=task.info.task_id,
        launched_at=task.launched_at,
        kill_started_at=task.kill_started_at,
        kill_grace_seconds=task.kill_grace_seconds,
        overdue=task.overdue,
        termination=task.termination,
    )


def snapshot(state: AgentState) -> list[Record]:
    """Everything that is kept, in as few records as say it: what stands in place of all records before now."""
    records: list[Record] = []
    if state.agent_id is not None:
        records.append(AgentKept(state.info))
    if state.total != state.info.resources or state.doomed:
        records.append(resources_kept(state))
    records.extend(OperationKept(pending.report) for pending in state.operations.values())
    for framework in state.frameworks.values():
        if framework.info.checkpoint:
            records.extend(_snapshot_framework(framework))
    records.extend(_snapshot_stream(stream) for stream in state.streams.values() if stream.kept)
    return records


def _snapshot_framework(framework: Framework) -> list[Record]:
    records: list[Record] = [FrameworkKept(framework.info, framework.terminating)]
    for executor in framework.executors.values():
        records.append(executor_kept(executor, executor.is_ending))
        for tasks in (executor.queued, executor.launched, executor.terminated):
            records.extend(map(task_kept, tasks.values()))
    return records


def _snapshot_stream(stream: UpdateStream) -> StreamKept:
    return StreamKept(
        framework_id=stream.framework_id,
        task_id=stream.task_id,
        acknowledged=tuple(stream.acknowledged),
        pending=tuple(
            UpdateKept(
                framework_id=stream.framework_id,
                status=update.status,
                executor_id=update.executor_id,
                received_at=update.received_at,
            )
            for update in stream.pending.values()
        ),
    )
