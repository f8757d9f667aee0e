"""Reads the records of an agent that is gone, and gives back what it remembered (X07, X52).

Nothing is decided here. What became of the containers meanwhile is learned afterwards (``recovery.py``); until then
each container stands where the records left it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import assert_never

from mesos_service.core.agent import status_updates
from mesos_service.core.agent.records import (
    AgentKept,
    ExecutorForgotten,
    ExecutorKept,
    FrameworkForgotten,
    FrameworkKept,
    OperationForgotten,
    OperationKept,
    Record,
    ResourcesKept,
    StreamKept,
    TaskKept,
    TaskMoved,
    UpdateAcknowledged,
    UpdateKept,
)
from mesos_service.core.agent.state import (
    AgentState,
    Container,
    ContainerPhase,
    Executor,
    ExecutorState,
    Framework,
    PendingOperation,
    Recovering,
    Task,
)
from mesos_service.core.agent.update_stream import PendingUpdate, UpdateStream
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.executors import ExecutorType
from mesos_service.domain.operations import with_made
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TERMINAL_STATES, TaskState


def kept_agent(records: Iterable[Record]) -> AgentInfo | None:
    """What the agent last said of itself; ``None`` when it never had an id."""
    found = None
    for record in records:
        if isinstance(record, AgentKept):
            found = record.info
    return found


def kept_resources(records: Iterable[Record]) -> Resources:
    """What operations had made of the agent's resources."""
    made = Resources.EMPTY
    for record in records:
        if isinstance(record, ResourcesKept):
            made = record.made
    return made


def replay(state: AgentState, records: Iterable[Record]) -> None:
    """Fill a fresh ``state`` with what the records tell; it then waits for ``Recover``.

    Its own description stays, save for the id, which the records know. That its resources are enough for what was made
    of them is the caller's to see to.
    """
    for record in records:
        _apply(state, record)
    for framework in state.frameworks.values():
        for executor in framework.executors.values():
            _index_containers(state, framework, executor)
    state.recovering = Recovering()


def _apply(state: AgentState, record: Record) -> None:
    match record:
        case AgentKept(info):
            state.info = replace(state.info, agent_id=info.agent_id)
        case ResourcesKept(made, doomed, operation):
            state.total = with_made(state.info.resources, made)
            state.doomed = dict(doomed)
            if operation is not None:
                state.operations[operation.uuid] = PendingOperation(operation)
        case OperationKept(operation):
            state.operations[operation.uuid] = PendingOperation(operation)
        case OperationForgotten(uuid):
            state.operations.pop(uuid, None)
        case FrameworkKept():
            _framework(state, record)
        case FrameworkForgotten(framework_id):
            state.frameworks.pop(framework_id, None)
        case ExecutorKept():
            _executor(state, record)
        case ExecutorForgotten():
            _forget_executor(state, record)
        case TaskKept():
            _task(state, record)
        case TaskMoved():
            _move(state, record)
        case UpdateKept():
            _update(state, record)
        case UpdateAcknowledged():
            _acknowledge(state, record)
        case StreamKept():
            stream = _stream(state, record)
            stream.acknowledged.update(dict.fromkeys(record.acknowledged))
            for update in record.pending:
                _queue(stream, update)
        case _:
            assert_never(record)


def _framework(state: AgentState, record: FrameworkKept) -> None:
    framework_id = record.info.framework_id
    if framework_id is None:
        return
    framework = state.frameworks.setdefault(framework_id, Framework(framework_id, record.info))
    framework.info = record.info
    framework.terminating = record.terminating
    if record.terminating:
        # Nobody is told of its tasks any more (X11).
        for key in [key for key in state.streams if key[0] == framework_id]:
            del state.streams[key]
        for executor in framework.executors.values():
            for task_id in executor.terminated:
                framework.tasks.pop(task_id, None)
            executor.terminated.clear()


def _executor(state: AgentState, record: ExecutorKept) -> None:
    framework = state.frameworks.get(record.framework_id)
    if framework is None:
        return
    executor = framework.executors.get(record.info.executor_id)
    if executor is None or executor.container_id != record.container_id:
        executor = Executor(record.info, record.framework_id, record.container_id, record.launched_at)
        framework.executors[record.info.executor_id] = executor
    executor.registered_at = record.registered_at
    executor.ever_sent_task = record.ever_sent_task
    executor.termination = record.termination
    if record.terminating:
        executor.state = ExecutorState.TERMINATING
    elif record.registered_at is not None:
        executor.state = ExecutorState.RUNNING


def _forget_executor(state: AgentState, record: ExecutorForgotten) -> None:
    framework = state.frameworks.get(record.framework_id)
    executor = framework.executors.get(record.executor_id) if framework is not None else None
    if framework is not None and executor is not None and executor.container_id == record.container_id:
        del framework.executors[record.executor_id]
        for task_id in (*executor.queued, *executor.launched, *executor.terminated):
            if framework.tasks.get(task_id) is executor:
                del framework.tasks[task_id]


def _task(state: AgentState, record: TaskKept) -> None:
    framework = state.frameworks.get(record.framework_id)
    executor = framework.executors.get(record.executor_id) if framework is not None else None
    if framework is None or executor is None:
        return
    task = Task(
        info=record.info,
        framework_id=record.framework_id,
        executor_id=record.executor_id,
        received_at=record.received_at,
        group=record.group,
        state=record.statuses[-1].state if record.statuses else TaskState.STAGING,
        statuses=list(record.statuses),
        container_id=record.container_id,
        launched_at=record.launched_at,
        kill_started_at=record.kill_started_at,
        kill_grace_seconds=record.kill_grace_seconds,
        overdue=record.overdue,
        termination=record.termination,
        healthy=record.statuses[-1].healthy if record.statuses else None,
        check_status=record.statuses[-1].check_status if record.statuses else None,
    )
    framework.tasks[record.info.task_id] = executor
    _place(executor, task)


def _place(executor: Executor, task: Task) -> None:
    # The built-in executor of groups has its tasks from the start, before their processes run.
    if task.state in TERMINAL_STATES:
        place = executor.terminated
    elif task.launched_at is None and executor.info.type is not ExecutorType.DEFAULT:
        place = executor.queued
    else:
        place = executor.launched
        executor.ever_sent_task = True
    for tasks in (executor.queued, executor.launched, executor.terminated):
        if tasks is not place:
            tasks.pop(task.info.task_id, None)
    place[task.info.task_id] = task
    if executor.info.type is ExecutorType.COMMAND and task.launched_at is not None:
        if executor.state is ExecutorState.REGISTERING:
            executor.state = ExecutorState.RUNNING
        executor.registered_at = executor.registered_at or task.launched_at


def _move(state: AgentState, record: TaskMoved) -> None:
    framework = state.frameworks.get(record.framework_id)
    executor = framework.tasks.get(record.task_id) if framework is not None else None
    task = _find(executor, record) if executor is not None else None
    if executor is None or task is None:
        return
    task.launched_at = record.launched_at
    task.kill_started_at = record.kill_started_at
    task.kill_grace_seconds = record.kill_grace_seconds
    task.overdue = record.overdue
    task.termination = record.termination
    _place(executor, task)


def _find(executor: Executor, record: TaskMoved | UpdateKept) -> Task | None:
    task_id = record.task_id if isinstance(record, TaskMoved) else record.status.task_id
    for tasks in (executor.queued, executor.launched, executor.terminated):
        if task_id in tasks:
            return tasks[task_id]
    return None


def _update(state: AgentState, record: UpdateKept) -> None:
    stream = _stream(state, record)
    if record.status.uuid is None or stream.is_known(record.status.uuid):
        return
    _queue(stream, record)
    framework = state.frameworks.get(record.framework_id)
    executor = framework.tasks.get(record.status.task_id) if framework is not None else None
    task = _find(executor, record) if executor is not None else None
    if executor is not None and task is not None and task.state not in TERMINAL_STATES:
        status_updates.move_task(executor, task, record.status)


def _stream(state: AgentState, record: UpdateKept | StreamKept) -> UpdateStream:
    task_id = record.task_id if isinstance(record, StreamKept) else record.status.task_id
    key = (record.framework_id, task_id)
    stream = state.streams.get(key)
    if stream is None:
        stream = state.streams[key] = UpdateStream(record.framework_id, task_id, kept=True)
    return stream


def _queue(stream: UpdateStream, record: UpdateKept) -> None:
    if record.status.uuid is not None:
        stream.put(PendingUpdate(record.status, record.executor_id, record.received_at))


def _acknowledge(state: AgentState, record: UpdateAcknowledged) -> None:
    key = (record.framework_id, record.task_id)
    stream = state.streams.get(key)
    update = stream.pending.get(record.uuid) if stream is not None else None
    if stream is None or update is None:
        return
    for uuid in list(stream.pending):
        # Sent one by one, those before it were acknowledged too; only the record of that is not there (--no-strict).
        stream.take(uuid)
        if uuid == record.uuid:
            break
    if update.status.is_terminal and not stream.pending:
        del state.streams[key]
        framework = state.frameworks.get(record.framework_id)
        executor = framework.tasks.pop(record.task_id, None) if framework is not None else None
        if executor is not None:
            executor.terminated.pop(record.task_id, None)


def _index_containers(state: AgentState, framework: Framework, executor: Executor) -> None:
    """The containers that the executor may still have: its own, or those of its live tasks."""
    live = [*executor.queued.values(), *executor.launched.values()]
    if executor.info.type is ExecutorType.CUSTOM:
        phase = ContainerPhase.LAUNCHING if executor.registered_at is None else ContainerPhase.RUNNING
        containers = {executor.container_id: Container(framework.framework_id, executor.info.executor_id, None, phase)}
    else:
        containers = {
            task.container_id or executor.container_id: Container(
                framework.framework_id,
                executor.info.executor_id,
                task.info.task_id,
                ContainerPhase.LAUNCHING if task.launched_at is None else ContainerPhase.RUNNING,
            )
            for task in live
        }
    state.containers.update(containers)
    executor.live_containers = len(containers)
