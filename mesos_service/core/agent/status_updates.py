"""Status updates: from a task's new state to the framework's acknowledgement (X01-X12).

Each (framework, task) has a stream, first in first out. Its head is sent and sent again, 10 s later, then 20 s, until
the framework acknowledges it; only then the next one goes out, with the pause at its start again. Later updates wait,
terminal ones too, but every update tells the latest state, so that the master can free resources early. What waits is
bounded (``update_stream.py``).

The order of one update is fixed (X05): the task's state first, then the stream, and the executor's acknowledgement
last. The update is written down with the stream, in :func:`report`, and until it is stored neither the update nor the
acknowledgement leaves (``checkpointing.py``).
"""

from __future__ import annotations

from dataclasses import replace

from mesos_service.core.agent import probing
from mesos_service.core.agent.records import UpdateAcknowledged, UpdateKept
from mesos_service.core.agent.state import Executor, Framework, RetryDue, Task
from mesos_service.core.agent.turn import Turn
from mesos_service.core.agent.update_stream import PendingUpdate, UpdateStream
from mesos_service.core.link import AcknowledgeUpdate, UpdateStatus
from mesos_service.core.trace import TraceParent
from mesos_service.domain.frameworks import PARTITION_AWARE, FrameworkInfo
from mesos_service.domain.ids import ExecutorId, FrameworkId, TaskId
from mesos_service.domain.tasks import TERMINAL_STATES, ContainerStatus, Source, TaskState, TaskStatus


def agent_status(
    turn: Turn,
    task_id: TaskId,
    state: TaskState,
    reason: str | None,
    message: str,
    executor_id: ExecutorId | None,
) -> TaskStatus:
    """The agent's own word on a task; it has a uuid and is repeated like an executor's (X09)."""
    return TaskStatus(
        task_id=task_id,
        state=state,
        source=Source.AGENT,
        reason=reason,
        message=message,
        agent_id=turn.state.agent_id,
        executor_id=executor_id,
        timestamp=turn.now,
        uuid=turn.new_uuid(),
    )


def executor_status(
    turn: Turn,
    task: Task,
    state: TaskState,
    container: ContainerStatus | None,
    message: str | None = None,
    reason: str | None = None,
) -> TaskStatus:
    """A built-in executor's word on its task, with what its checks last said.

    The end of a task says nothing of its check, and of its health only when that was bad as it was killed (as recorded
    of Mesos 1.12).
    """
    ended = state in TERMINAL_STATES
    killed_unhealthy = task.healthy is False and task.kill_started_at is not None
    return TaskStatus(
        task_id=task.info.task_id,
        state=state,
        source=Source.EXECUTOR,
        reason=reason,
        message=message,
        agent_id=turn.state.agent_id,
        executor_id=task.executor_id,
        timestamp=turn.now,
        uuid=turn.new_uuid(),
        healthy=task.healthy if not ended else False if killed_unhealthy else None,
        check_status=probing.check_status(task, ended),
        container=container,
    )


def report(turn: Turn, framework: Framework, executor: Executor, task: Task, status: TaskStatus) -> None:
    """Let ``task`` take the state of ``status`` and tell the framework, unless it is being torn down (X11).

    The task must not be in a terminal state already.
    """
    move_task(executor, task, status)
    turn.note(
        "task.updated",
        framework_id=framework.framework_id,
        task_id=task.info.task_id,
        state=status.state,
        source=status.source or "",
        reason=status.reason or "",
    )
    if task.running_trace is not None and task.launched_at is not None and status.is_terminal:
        _tell_running(turn, task, status)
    if framework.terminating:
        if status.is_terminal:
            complete(turn, framework, executor, task)
        return
    _enqueue(turn, framework.framework_id, status, task.executor_id, task.trace, framework.info.checkpoint)


def drop(
    turn: Turn,
    framework_id: FrameworkId,
    framework: FrameworkInfo | None,
    task_id: TaskId,
    reason: str,
    message: str,
    executor_id: ExecutorId | None = None,
    trace: TraceParent | None = None,
) -> None:
    """Tell that a task never started here: DROPPED, or LOST to frameworks that do not know that state.

    Of a framework that is unknown here nothing is known either; it is told DROPPED. One that is being torn down is
    told nothing (X11). This word is not written down: who lost it asks again when the agent registers (X21).
    """
    here = turn.state.frameworks.get(framework_id)
    if here is not None and here.terminating:
        return
    state = TaskState.DROPPED if framework is None or framework.has(PARTITION_AWARE) else TaskState.LOST
    turn.note("task.dropped", framework_id=framework_id, task_id=task_id, reason=reason)
    status = agent_status(turn, task_id, state, reason, message, executor_id)
    _enqueue(turn, framework_id, status, executor_id, trace, keep=False)


def is_known(stream: UpdateStream | None, uuid: bytes | None) -> bool:
    """Whether this update was received before (X06)."""
    return stream is not None and stream.is_known(uuid)


def acknowledge(turn: Turn, message: AcknowledgeUpdate) -> bool:
    """Take the acknowledged head off its stream; whether the stream ended with it (X08).

    Anything but the head's uuid is ignored (X06): a late echo of a repeated update.
    """
    state = turn.state
    key = (message.framework_id, message.task_id)
    stream = state.streams.get(key)
    if stream is None or not stream.pending or next(iter(stream.pending)) != message.uuid:
        turn.note("acknowledgement.ignored", framework_id=message.framework_id, task_id=message.task_id)
        return False
    update = stream.take(message.uuid)
    if stream.kept:
        turn.checkpoint(UpdateAcknowledged(framework_id=key[0], task_id=key[1], uuid=message.uuid))
    state.timers.cancel(RetryDue(*key))
    turn.span(
        "agent.update",
        update.trace,
        update.parent,
        update.received_at,
        {"task_id": message.task_id, "state": update.status.state, "sent": update.sent},
    )
    if update.status.is_terminal and not stream.pending:
        del state.streams[key]
        return True
    if stream.pending:
        _send_first(turn, stream)
    return False


def on_retry_due(turn: Turn, deadline: RetryDue) -> None:
    """Send an unacknowledged head again, and wait twice as long for the next time (X02)."""
    stream = turn.state.streams[deadline.framework_id, deadline.task_id]
    turn.note("update.resent", framework_id=deadline.framework_id, task_id=deadline.task_id)
    _send(turn, stream)
    stream.retry_seconds = min(stream.retry_seconds * 2, turn.state.options.status_update_retry_interval_max_seconds)
    turn.state.timers.set(deadline, turn.now + stream.retry_seconds)


def pause(turn: Turn) -> None:
    """No update travels while there is no registered master (X03)."""
    for key, stream in turn.state.streams.items():
        if stream.pending:
            turn.state.timers.cancel(RetryDue(*key))


def resume(turn: Turn, framework_id: FrameworkId | None = None) -> None:
    """Somebody listens again: every head goes out at once, or those of one framework that is back (X03)."""
    for stream in turn.state.streams.values():
        if stream.pending and framework_id in (None, stream.framework_id):
            _send_first(turn, stream)


def forget_framework(turn: Turn, framework_id: FrameworkId) -> None:
    """Nobody is left to tell: the framework is torn down (X11)."""
    state = turn.state
    for key in [key for key in state.streams if key[0] == framework_id]:
        state.timers.cancel(RetryDue(*key))
        del state.streams[key]


def complete(turn: Turn, framework: Framework, executor: Executor, task: Task) -> None:
    """Move a task that is over and has nobody left to hear of it to the completed ones."""
    framework.tasks.pop(task.info.task_id, None)
    for tasks in (executor.queued, executor.launched, executor.terminated):
        tasks.pop(task.info.task_id, None)
    executor.completed.append(task)
    while len(executor.completed) > turn.state.options.max_completed_tasks_per_executor:
        executor.completed.popleft()


def move_task(executor: Executor, task: Task, status: TaskStatus) -> None:
    """Let a task take the state that an update tells, and remember it in the task's history (X12)."""
    task_id = task.info.task_id
    task.state = status.state
    if not status.is_terminal:
        task.healthy, task.check_status = status.healthy, status.check_status
    remembered = replace(status, data=None) if status.data is not None else status
    if task.statuses and task.statuses[-1].state is status.state:
        task.statuses[-1] = remembered
    else:
        task.statuses.append(remembered)
    if status.is_terminal:
        executor.queued.pop(task_id, None)
        executor.launched.pop(task_id, None)
        executor.terminated[task_id] = task


def _tell_running(turn: Turn, task: Task, status: TaskStatus) -> None:
    failed = status.state not in (TaskState.FINISHED, TaskState.KILLED)
    turn.span(
        "task.running",
        task.running_trace,
        task.trace,
        task.launched_at or turn.now,
        {"task_id": task.info.task_id, "state": status.state},
        error=(status.message or status.state) if failed else None,
    )


def _enqueue(
    turn: Turn,
    framework_id: FrameworkId,
    status: TaskStatus,
    executor_id: ExecutorId | None,
    parent: TraceParent | None,
    keep: bool,
) -> None:
    key = (framework_id, status.task_id)
    stream = turn.state.streams.get(key)
    if stream is None:
        stream = turn.state.streams[key] = UpdateStream(framework_id, status.task_id)
    stream.kept = stream.kept or keep
    if stream.kept:
        turn.checkpoint(
            UpdateKept(framework_id=framework_id, status=status, executor_id=executor_id, received_at=turn.now)
        )
    given_way = stream.put(PendingUpdate(status, executor_id, turn.now, parent, turn.new_span(parent)))
    if given_way:
        turn.note("update.gave_way", framework_id=framework_id, task_id=status.task_id, count=given_way)
    if len(stream.pending) == 1:
        _send_first(turn, stream)


def _send_first(turn: Turn, stream: UpdateStream) -> None:
    if not turn.state.registered:
        return
    stream.retry_seconds = turn.state.options.status_update_retry_interval_min_seconds
    _send(turn, stream)
    turn.state.timers.set(RetryDue(stream.framework_id, stream.task_id), turn.now + stream.retry_seconds)


def _send(turn: Turn, stream: UpdateStream) -> None:
    head = next(iter(stream.pending.values()))
    head.sent += 1
    turn.tell_master(
        UpdateStatus(
            framework_id=stream.framework_id,
            status=head.status,
            executor_id=head.executor_id,
            latest_state=next(reversed(stream.pending.values())).status.state,
            trace=head.trace,
        )
    )
