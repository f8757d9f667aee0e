"""The built-in executor of command tasks: one executor, one task, one container, one process (M-EX-06).

Its executor id is the task's, and its container is the command itself: nothing is started but what the framework
asked for. What it says is what Mesos' command executor says (as recorded of Mesos 1.12).
"""

from __future__ import annotations

from mesos_service.core.agent import built_in, executors, kills, status_updates
from mesos_service.core.agent.state import Container, Executor, ExecutorState, Framework, Task
from mesos_service.core.agent.turn import Turn
from mesos_service.domain.executors import ExecutorInfo, ExecutorType
from mesos_service.domain.ids import ExecutorId
from mesos_service.domain.tasks import TaskInfo, TaskState


def describe(task: TaskInfo) -> ExecutorInfo:
    """The executor of a command task."""
    return ExecutorInfo(
        executor_id=ExecutorId(task.task_id),
        type=ExecutorType.COMMAND,
        name=f"Command Executor (Task: {task.task_id})",
        source=task.task_id,
    )


def launch(turn: Turn, framework: Framework, info: ExecutorInfo, task: Task) -> None:
    """Start the command; the task stays queued until it runs."""
    executor = executors.start(turn, framework, info)
    executor.queued[task.info.task_id] = task
    framework.tasks[task.info.task_id] = executor
    executors.launch_container(turn, framework, executor, task, task.info.resources, task.running_trace)
    executors.keep_new_task(turn, framework, task)


def on_launched(turn: Turn, framework: Framework, executor: Executor, container: Container) -> None:
    """The command runs: STARTING and RUNNING, both at once, as there is nothing between them."""
    executor.pid = container.pid
    task = next(iter(executor.queued.values()), None)
    if task is None or executor.state is not ExecutorState.REGISTERING:
        # Killed while it was being launched; it is being destroyed already.
        return
    executor.state = ExecutorState.RUNNING
    executor.registered_at = turn.now
    executors.task_launched(turn, executor, task)
    place = built_in.where(turn, executor, task, container.pid)
    for state in (TaskState.STARTING, TaskState.RUNNING):
        status = status_updates.executor_status(turn, task, state, place)
        status_updates.report(turn, framework, executor, task, status)
    built_in.runs(turn, task)


def on_exited(turn: Turn, framework: Framework, executor: Executor, status: int) -> None:
    """The command is over: say how at once, and have what it left behind cleaned up."""
    executor.state = ExecutorState.TERMINATING
    executors.destroy_container(turn, executor.container_id)
    if executor.termination is None:
        for task in list(executor.launched.values()):
            built_in.report_end(turn, framework, executor, task, status, executor.pid)


def on_destroyed(turn: Turn, framework: Framework, executor: Executor, container: Container) -> None:
    status = built_in.final_wait_status(container)
    for task in list(executor.launched.values()):
        if task.kill_started_at is not None and executor.termination is None:
            built_in.report_end(turn, framework, executor, task, status, executor.pid)
    executors.terminated(turn, framework, executor, status)


def shut_down(turn: Turn, framework: Framework, executor: Executor) -> None:
    """End the one task as a kill would, within the grace that an executor has to shut down."""
    executor.state = ExecutorState.TERMINATING
    executors.keep(turn, executor)
    for task in list(executor.launched.values()):
        kills.kill_launched(turn, framework, executor, task, built_in.shutdown_grace_seconds(turn, task))
    if executor.queued:
        kills.kill_queued(turn, framework, executor, next(iter(executor.queued.values())))
