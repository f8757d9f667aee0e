"""Records made of what an agent remembers: of one thing as it is now, or of all of it."""

from __future__ import annotations

from mesos_service.core.agent.records import (
    AgentKept,
    ExecutorKept,
    FrameworkKept,
    OperationKept,
    Record,
    ResourcesKept,
    StreamKept,
    TaskKept,
    TaskMoved,
    UpdateKept,
)
from mesos_service.core.agent.state import AgentState, Executor, Framework, Task
from mesos_service.core.agent.update_stream import UpdateStream
from mesos_service.core.link import OperationReport
from mesos_service.domain.operations import made_by_operations


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
