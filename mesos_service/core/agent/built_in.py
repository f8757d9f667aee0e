"""What the two built-in executors share: where their tasks run, and what is said when a task's process ends."""

from __future__ import annotations

from mesos_service.core.agent import probing, status_updates
from mesos_service.core.agent.state import CompletionOverdue, Container, Executor, Framework, Task
from mesos_service.core.agent.texts import SIGNALED_BY_KILL, describe_wait_status
from mesos_service.core.agent.turn import Turn
from mesos_service.domain.tasks import ContainerStatus, TaskState

REASON_KILLED_DURING_LAUNCH = "REASON_TASK_KILLED_DURING_LAUNCH"
REASON_MAX_COMPLETION_TIME_REACHED = "REASON_MAX_COMPLETION_TIME_REACHED"


def where(turn: Turn, executor: Executor, task: Task, pid: int | None) -> ContainerStatus:
    """Where the task runs: in its executor's container, or in one nested there."""
    container_id = task.container_id or executor.container_id
    return ContainerStatus(
        container_id=container_id,
        parent_id=executor.container_id if container_id != executor.container_id else None,
        executor_pid=pid,
        ip_addresses=(turn.state.info.ip,),
    )


def runs(turn: Turn, task: Task, since: float | None = None) -> None:
    """The task runs, from now on or from ``since``: begin its checks, and set the deadline of one that may only run
    for a while (M-AG-22)."""
    probing.begin(turn, task, since)
    if task.info.max_completion_seconds is not None and task.container_id is not None:
        deadline = CompletionOverdue(task.container_id)
        started_at = turn.now if since is None else since
        turn.state.timers.set(deadline, max(turn.now, started_at + task.info.max_completion_seconds))


def kill_grace_seconds(turn: Turn, task: Task) -> float:
    """The task's own kill policy, or the agent's default (M-AG-21)."""
    own = task.info.kill_grace_seconds
    return turn.state.options.kill_grace_seconds if own is None else own


def shutdown_grace_seconds(turn: Turn, task: Task) -> float:
    """The task's own grace, as far as the executor's shutdown leaves room for it (X55)."""
    return min(kill_grace_seconds(turn, task), turn.state.options.executor_shutdown_grace_period_seconds)


def report_end(
    turn: Turn, framework: Framework, executor: Executor, task: Task, wait_status: int | None, pid: int | None
) -> None:
    """Say how a task ended: KILLED when it was killed, else FINISHED for status 0 alone (as recorded of Mesos 1.12).

    ``wait_status`` is ``None`` for one that was killed before its process began.
    """
    reason = None
    message = "Killed during launch" if wait_status is None else f"Command {describe_wait_status(wait_status)}"
    if task.overdue:
        state, reason = TaskState.FAILED, REASON_MAX_COMPLETION_TIME_REACHED
    elif task.kill_started_at is not None:
        state = TaskState.KILLED
        reason = REASON_KILLED_DURING_LAUNCH if wait_status is None else None
    else:
        state = TaskState.FINISHED if wait_status == 0 else TaskState.FAILED
    place = where(turn, executor, task, pid)
    status = status_updates.executor_status(turn, task, state, place, message, reason)
    status_updates.report(turn, framework, executor, task, status)


def final_wait_status(container: Container) -> int | None:
    """How the container's process ended, once nothing is left of it; ``None`` when there never was one.

    One that nobody saw end was ended by the destruction of its container.
    """
    if container.exit_status is None and container.pid is not None:
        return SIGNALED_BY_KILL
    return container.exit_status
