"""The life of executors, of all three types: made, running, terminating, terminated, completed.

A custom executor is a process of its own that subscribes (``custom_executor.py``); the two built-in ones are state
machines of this agent (``command_executor.py``, ``default_executor.py``). What they share is here: how a run begins,
how it ends, and what its end means for its tasks.
"""

from __future__ import annotations

from dataclasses import replace

from mesos_service.core.agent import probing, status_updates
from mesos_service.core.agent.recording import executor_kept, task_kept, task_moved
from mesos_service.core.agent.records import ExecutorForgotten, FrameworkForgotten, Termination
from mesos_service.core.agent.state import (
    CompletionOverdue,
    Container,
    ContainerPhase,
    Executor,
    ExecutorHeartbeatDue,
    ExecutorReconnectOverdue,
    ExecutorRegistrationOverdue,
    ExecutorShutdownOverdue,
    ExecutorState,
    Framework,
    KillOverdue,
    Task,
)
from mesos_service.core.agent.turn import Turn
from mesos_service.core.effects import CloseExecutorStream, DestroyContainer, Exit, LaunchContainer, SendExecutor
from mesos_service.core.events import Shutdown
from mesos_service.core.link import ExitedExecutor
from mesos_service.core.trace import TraceParent
from mesos_service.domain.executors import ExecutorInfo, ExecutorType
from mesos_service.domain.frameworks import PARTITION_AWARE
from mesos_service.domain.ids import ContainerId, TaskId
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskState

REASON_EXECUTOR_TERMINATED = "REASON_EXECUTOR_TERMINATED"
REASON_CONTAINER_LAUNCH_FAILED = "REASON_CONTAINER_LAUNCH_FAILED"
STATUS_UNKNOWN = -1
"""Told of an executor that has no wait status, as it was never started."""


def start(turn: Turn, framework: Framework, info: ExecutorInfo) -> Executor:
    """Begin a new run under a fresh container id."""
    executor = Executor(
        info=replace(info, framework_id=framework.framework_id),
        framework_id=framework.framework_id,
        container_id=ContainerId(turn.new_uuid_text()),
        launched_at=turn.now,
    )
    framework.executors[info.executor_id] = executor
    keep(turn, executor)
    turn.note(
        "executor.launched",
        framework_id=framework.framework_id,
        executor_id=info.executor_id,
        container_id=executor.container_id,
        type=info.type,
    )
    return executor


def keep(turn: Turn, executor: Executor) -> None:
    """Write down how it stands with the executor, where its framework checkpoints."""
    if _is_kept(turn, executor):
        turn.checkpoint(executor_kept(executor, executor.is_ending))


def keep_new_task(turn: Turn, framework: Framework, task: Task) -> None:
    """Write a task down, before anything that is said of it."""
    if framework.info.checkpoint:
        turn.checkpoint(task_kept(task))


def keep_task(turn: Turn, executor: Executor, task: Task) -> None:
    """Write down what has changed about a task of the executor, where its framework checkpoints."""
    if _is_kept(turn, executor):
        turn.checkpoint(task_moved(task))


def launch_container(
    turn: Turn,
    framework: Framework,
    executor: Executor,
    task: Task | None,
    resources: Resources,
    trace: TraceParent | None,
    container_id: ContainerId | None = None,
) -> None:
    """Ask for the executor's own container, or with ``container_id`` for one nested in it."""
    nested = container_id is not None
    container_id = container_id or executor.container_id
    if task is not None:
        task.container_id = container_id
    turn.state.containers[container_id] = Container(
        framework.framework_id, executor.info.executor_id, task.info.task_id if task else None
    )
    executor.live_containers += 1
    turn.do(
        LaunchContainer(
            container_id=container_id,
            framework=framework.info,
            executor=executor.info,
            task=task.info if task else None,
            resources=resources,
            parent=executor.container_id if nested else None,
            trace=trace,
        )
    )


def destroy_container(turn: Turn, container_id: ContainerId) -> None:
    """Kill and clean up, whatever phase it is in (X51). Asking again changes nothing."""
    container = turn.state.containers[container_id]
    if container.phase is not ContainerPhase.DESTROYING:
        container.phase = ContainerPhase.DESTROYING
        turn.state.timers.cancel(KillOverdue(container_id))
        turn.state.timers.cancel(CompletionOverdue(container_id))
        task = _task_in(turn, container_id)
        if task is not None:
            probing.stop(turn, task)
        turn.do(DestroyContainer(container_id))


def launch_failure(framework: Framework, reason: str, message: str) -> Termination:
    """What the containerizer's refusal means for a task: it failed, or never came to an executor (as recorded)."""
    if reason == REASON_EXECUTOR_TERMINATED:
        dropped = TaskState.DROPPED if framework.info.has(PARTITION_AWARE) else TaskState.LOST
        return Termination(dropped, reason, message)
    if reason == REASON_CONTAINER_LAUNCH_FAILED:
        message = f"Failed to launch container: {message}"
    return Termination(TaskState.FAILED, reason, message)


def tell_launch_failed(turn: Turn, task: Task, error: str) -> None:
    """End the launch span of a task that did not come to run."""
    named = {"task_id": task.info.task_id}
    turn.span("agent.launch", task.launch_trace, task.trace, task.received_at, named, error=error)
    task.launch_trace = None


def task_launched(turn: Turn, executor: Executor, task: Task) -> None:
    """The task has reached its executor: from here on it is the executor's to report."""
    executor.queued.pop(task.info.task_id, None)
    executor.launched[task.info.task_id] = task
    executor.ever_sent_task = True
    task.launched_at = turn.now
    keep_task(turn, executor, task)
    turn.note(
        "task.launched",
        framework_id=task.framework_id,
        task_id=task.info.task_id,
        agent_id=task.info.agent_id,
        executor_id=task.executor_id,
        seconds=turn.now - task.received_at,
    )
    turn.span("agent.launch", task.launch_trace, task.trace, task.received_at, {"task_id": task.info.task_id})


def end_by_agent(turn: Turn, executor: Executor, state: TaskState, reason: str, message: str) -> None:
    """Destroy the executor and all it runs; its live tasks will be reported with this state and reason."""
    executor.state = ExecutorState.TERMINATING
    executor.termination = executor.termination or Termination(state, reason, message)
    keep(turn, executor)
    cancel_timers(turn, executor)
    destroy_container(turn, executor.container_id)


def shut_down_custom(turn: Turn, executor: Executor) -> None:
    """Ask a custom executor to end, and destroy this very run when it does not within its grace (X55).

    One that has not subscribed cannot hear the request and is destroyed at once.
    """
    registering = executor.state is ExecutorState.REGISTERING
    executor.state = ExecutorState.TERMINATING
    keep(turn, executor)
    cancel_timers(turn, executor)
    if registering:
        destroy_container(turn, executor.container_id)
        return
    if executor.stream_id is not None:
        turn.do(SendExecutor(executor.stream_id, Shutdown()))
    grace = executor.info.shutdown_grace_seconds
    if grace is None:
        grace = turn.state.options.executor_shutdown_grace_period_seconds
    turn.state.timers.set(ExecutorShutdownOverdue(executor.container_id), turn.now + grace)


def on_shutdown_overdue(turn: Turn, deadline: ExecutorShutdownOverdue) -> None:
    found = turn.state.executor_of(deadline.container_id)
    if found is not None:
        destroy_container(turn, deadline.container_id)


def detach_stream(turn: Turn, executor: Executor) -> None:
    """Close the executor's stream, where it has one."""
    if executor.stream_id is not None:
        turn.state.executor_streams.pop(executor.stream_id, None)
        turn.do(CloseExecutorStream(executor.stream_id))
        executor.stream_id = None


def terminated(turn: Turn, framework: Framework, executor: Executor, status: int | None) -> None:
    """Nothing of the executor is left. Tells the master, and reports what it left undone.

    ``status`` is the raw wait status, ``None`` when it never ran. Built-in command executors are not told of: the
    master does not list them (as recorded: every other end of an executor gives a FAILURE event).
    """
    executor.state = ExecutorState.TERMINATED
    executor.exit_status = status
    cancel_timers(turn, executor)
    detach_stream(turn, executor)
    turn.note(
        "executor.terminated",
        framework_id=framework.framework_id,
        executor_id=executor.info.executor_id,
        container_id=executor.container_id,
        status=STATUS_UNKNOWN if status is None else status,
    )
    unfinished = [*executor.launched.values(), *executor.queued.values()]
    if framework.terminating:
        for task in unfinished:
            status_updates.complete(turn, framework, executor, task)
    else:
        if executor.info.type is not ExecutorType.COMMAND and turn.state.registered:
            turn.tell_master(
                ExitedExecutor(
                    framework_id=framework.framework_id,
                    executor_id=executor.info.executor_id,
                    status=STATUS_UNKNOWN if status is None else status,
                )
            )
        for task in unfinished:
            fail(turn, framework, executor, task)
    remove_if_idle(turn, framework, executor)


def fail(turn: Turn, framework: Framework, executor: Executor, task: Task) -> None:
    """Tell of a task that its executor's end has ended it, and why the agent ended that."""
    ended = executor.termination or Termination(TaskState.FAILED, REASON_EXECUTOR_TERMINATED, "Executor terminated")
    if task.launched_at is None:
        tell_launch_failed(turn, task, ended.message)
    status = status_updates.agent_status(
        turn, task.info.task_id, ended.state, ended.reason, ended.message, task.executor_id
    )
    status_updates.report(turn, framework, executor, task, status)


def task_acknowledged(turn: Turn, framework: Framework, task_id: TaskId) -> None:
    """A terminal update is acknowledged: the task is over (X08), and with it perhaps its executor's record."""
    executor = framework.tasks.get(task_id)
    task = executor.terminated.get(task_id) if executor is not None else None
    if executor is not None and task is not None:
        status_updates.complete(turn, framework, executor, task)
        remove_if_idle(turn, framework, executor)


def remove_if_idle(turn: Turn, framework: Framework, executor: Executor) -> None:
    """Let go of an executor that has ended and has nothing left to be acknowledged."""
    if executor.state is not ExecutorState.TERMINATED:
        return
    if executor.has_unfinished_tasks:
        return
    options = turn.state.options
    del framework.executors[executor.info.executor_id]
    if framework.info.checkpoint:
        turn.checkpoint(
            ExecutorForgotten(
                framework_id=framework.framework_id,
                executor_id=executor.info.executor_id,
                container_id=executor.container_id,
            )
        )
    framework.completed_executors.append(executor)
    while len(framework.completed_executors) > options.max_completed_executors_per_framework:
        framework.completed_executors.popleft()
    remove_framework_if_idle(turn, framework)


def remove_framework_if_idle(turn: Turn, framework: Framework) -> None:
    """Let go of a framework that has no executor here; the agent's own end may have waited for it."""
    state = turn.state
    if framework.executors or framework.framework_id not in state.frameworks:
        return
    del state.frameworks[framework.framework_id]
    state.completed_frameworks[framework.framework_id] = framework
    while len(state.completed_frameworks) > state.options.max_completed_frameworks:
        del state.completed_frameworks[next(iter(state.completed_frameworks))]
    if framework.info.checkpoint:
        turn.checkpoint(FrameworkForgotten(framework.framework_id))
    turn.note("framework.idle", framework_id=framework.framework_id)
    exit_if_idle(turn)


def exit_if_idle(turn: Turn) -> None:
    """End the agent once it is asked to and nothing runs on it any more."""
    state = turn.state
    if state.ending is not None and not state.frameworks and not state.exited:
        state.exited = True
        turn.do(Exit(state.ending.status, state.ending.message))


def cancel_timers(turn: Turn, executor: Executor) -> None:
    """Nothing is waited for any more from a custom executor that is ending; the built-in ones have no such timers."""
    if executor.info.type is not ExecutorType.CUSTOM:
        return
    for deadline in (
        ExecutorRegistrationOverdue(executor.container_id),
        ExecutorReconnectOverdue(executor.container_id),
        ExecutorShutdownOverdue(executor.container_id),
        ExecutorHeartbeatDue(executor.container_id),
    ):
        turn.state.timers.cancel(deadline)


def _task_in(turn: Turn, container_id: ContainerId) -> Task | None:
    found, task_id = turn.state.executor_of(container_id), turn.state.containers[container_id].task_id
    return found[1].launched.get(task_id) if found is not None and task_id is not None else None


def _is_kept(turn: Turn, executor: Executor) -> bool:
    framework = turn.state.frameworks.get(executor.framework_id)
    return framework is not None and framework.info.checkpoint
