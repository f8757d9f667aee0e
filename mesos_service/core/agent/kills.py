"""Killing tasks: before they reach their executor, by way of a custom executor, or by signals (M-AG-21, X56).

For built-in executors the agent escalates itself: TERM to the whole tree, and when the grace is over whatever is left
is destroyed. The grace counts from the first kill; a later kill may shorten it and never lengthens it.
"""

from __future__ import annotations

import signal

from mesos_service.core.agent import built_in, executors, probing, status_updates
from mesos_service.core.agent.state import (
    CompletionOverdue,
    ContainerPhase,
    Executor,
    ExecutorState,
    Framework,
    KillOverdue,
    Task,
)
from mesos_service.core.agent.turn import Turn
from mesos_service.core.effects import SendExecutor, SignalContainer
from mesos_service.core.events import Kill
from mesos_service.core.link import KillTask
from mesos_service.domain.executors import ExecutorType
from mesos_service.domain.frameworks import TASK_KILLING_STATE
from mesos_service.domain.ids import TaskId
from mesos_service.domain.tasks import TaskState


def on_kill_task(turn: Turn, message: KillTask) -> None:
    """Kill one task wherever it is; one that is over, or was never here, only gets an answer."""
    framework = turn.state.frameworks.get(message.framework_id)
    turn.note("task.kill_requested", framework_id=message.framework_id, task_id=message.task_id)
    executor = framework.tasks.get(message.task_id) if framework is not None else None
    if framework is not None and executor is not None:
        if task := executor.queued.get(message.task_id):
            kill_queued(turn, framework, executor, task)
        elif task := executor.launched.get(message.task_id):
            kill_launched(turn, framework, executor, task, message.grace_seconds)
        return
    if (message.framework_id, message.task_id) in turn.state.streams or _was_here(turn, message):
        return
    status_updates.drop(
        turn,
        message.framework_id,
        framework.info if framework else None,
        message.task_id,
        executors.REASON_EXECUTOR_TERMINATED,
        "Cannot find executor",
    )


def kill_launched(
    turn: Turn,
    framework: Framework,
    executor: Executor,
    task: Task,
    grace_seconds: float | None,
    announce: bool = True,
) -> None:
    """Kill a task that has reached its executor. ``grace_seconds`` ``None`` means the task's own policy.

    ``announce`` says whether a framework that knows TASK_KILLING is told; it only is the first time.
    """
    if executor.info.type is ExecutorType.CUSTOM:
        task.kill_started_at = turn.now if task.kill_started_at is None else task.kill_started_at
        task.kill_grace_seconds = grace_seconds
        executors.keep_task(turn, executor, task)
        if executor.stream_id is not None:
            turn.do(SendExecutor(executor.stream_id, Kill(task.info.task_id, grace_seconds)))
        return
    if grace_seconds is None:
        grace_seconds = built_in.kill_grace_seconds(turn, task)
    _kill_container(turn, framework, executor, task, max(0.0, grace_seconds), announce)


def repeat_kill(turn: Turn, executor: Executor, task: Task) -> None:
    """Tell an executor that has subscribed again of a kill it may not have heard."""
    if task.kill_started_at is not None and executor.stream_id is not None:
        turn.do(SendExecutor(executor.stream_id, Kill(task.info.task_id, task.kill_grace_seconds)))


def on_kill_overdue(turn: Turn, deadline: KillOverdue) -> None:
    """The grace is over: destroy the container, which kills the whole tree."""
    if deadline.container_id in turn.state.containers:
        turn.note("task.kill_escalated", container_id=deadline.container_id)
        executors.destroy_container(turn, deadline.container_id)


def on_completion_overdue(turn: Turn, deadline: CompletionOverdue) -> None:
    """``max_completion_time`` has passed: end the task as a kill would, and call it failed (M-AG-22)."""
    state = turn.state
    found = state.executor_of(deadline.container_id)
    if found is None:
        return
    framework, executor = found
    task_id = state.containers[deadline.container_id].task_id
    task = executor.launched.get(task_id) if task_id is not None else None
    if task is not None:
        task.overdue = True
        executors.keep_task(turn, executor, task)
        turn.note("task.overdue", framework_id=framework.framework_id, task_id=task.info.task_id)
        kill_launched(turn, framework, executor, task, None, announce=False)


def _kill_container(
    turn: Turn, framework: Framework, executor: Executor, task: Task, grace_seconds: float, announce: bool
) -> None:
    state = turn.state
    container_id = task.container_id
    container = state.containers.get(container_id) if container_id is not None else None
    if container_id is None or container is None or container.phase is ContainerPhase.DESTROYING:
        return
    overdue = KillOverdue(container_id)
    first = task.kill_started_at is None
    started_at = task.kill_started_at = turn.now if task.kill_started_at is None else task.kill_started_at
    if first or task.kill_grace_seconds is None or grace_seconds < task.kill_grace_seconds:
        task.kill_grace_seconds = grace_seconds
        executors.keep_task(turn, executor, task)
    if first:
        probing.stop(turn, task)
    if first and announce and framework.info.has(TASK_KILLING_STATE):
        status = status_updates.executor_status(
            turn, task, TaskState.KILLING, built_in.where(turn, executor, task, container.pid)
        )
        status_updates.report(turn, framework, executor, task, status)
    if container.phase is ContainerPhase.LAUNCHING:
        # Nothing runs yet that could heed a TERM (X51).
        executors.destroy_container(turn, container_id)
        return
    deadline = started_at + grace_seconds
    if first:
        state.timers.cancel(CompletionOverdue(container_id))
        turn.do(SignalContainer(container_id, int(signal.SIGTERM)))
        state.timers.set(overdue, deadline)
    else:
        planned = state.timers.deadline(overdue)
        if planned is not None and deadline < planned:
            state.timers.set(overdue, max(turn.now, deadline))


def kill_queued(turn: Turn, framework: Framework, executor: Executor, task: Task) -> None:
    """The task never reaches its executor, nor does any other of its group (M-SC-07)."""
    doomed = [task] if not task.group else [executor.queued[other] for other in task.group if other in executor.queued]
    for one in doomed:
        _report_killed_during_launch(turn, framework, executor, one)
    if executor.queued or executor.launched or executor.ever_sent_task:
        return
    # An executor that never got a task has nothing to live for (X57).
    if executor.info.type is ExecutorType.CUSTOM:
        if executor.state in (ExecutorState.REGISTERING, ExecutorState.RUNNING):
            executors.shut_down_custom(turn, executor)
    else:
        executor.state = ExecutorState.TERMINATING
        executors.destroy_container(turn, executor.container_id)


def _report_killed_during_launch(turn: Turn, framework: Framework, executor: Executor, task: Task) -> None:
    message = "Killed before delivery to the executor"
    executors.tell_launch_failed(turn, task, message)
    status = status_updates.agent_status(
        turn, task.info.task_id, TaskState.KILLED, built_in.REASON_KILLED_DURING_LAUNCH, message, task.executor_id
    )
    status_updates.report(turn, framework, executor, task, status)


def _was_here(turn: Turn, message: KillTask) -> bool:
    """Whether the task is over and acknowledged: the kill and the acknowledgement crossed."""
    frameworks = (
        turn.state.frameworks.get(message.framework_id),
        turn.state.completed_frameworks.get(message.framework_id),
    )
    return any(
        _has_completed(executor, message.task_id)
        for framework in frameworks
        if framework is not None
        for executor in (*framework.executors.values(), *framework.completed_executors)
    )


def _has_completed(executor: Executor, task_id: TaskId) -> bool:
    return any(task.info.task_id == task_id for task in executor.completed)
