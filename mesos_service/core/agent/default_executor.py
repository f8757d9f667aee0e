"""The built-in executor of task groups: each task in a container nested in the executor's own (M-EX-06, M-AG-23).

It has no process of its own: the executor is this state machine, and ends when its last task has. When one task of a
group fails or is killed, so are the others; one that finishes leaves them alone (Mesos: default executor, M-SC-07).
"""

from __future__ import annotations

from collections.abc import Sequence

from mesos_service.core.agent import built_in, executors, kills, status_updates
from mesos_service.core.agent.records import Termination
from mesos_service.core.agent.state import Container, ContainerPhase, Executor, ExecutorState, Framework, Task
from mesos_service.core.agent.turn import Turn
from mesos_service.core.agent_messages import ContainerLaunchFailed, ContainerLimited, ContainerLost
from mesos_service.domain.executors import ExecutorInfo
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.tasks import TaskState


def launch(turn: Turn, framework: Framework, info: ExecutorInfo, tasks: Sequence[Task]) -> None:
    """Start a group, in a running executor where there is one."""
    executor = framework.executors.get(info.executor_id)
    if executor is None:
        executor = executors.start(turn, framework, info)
        executor.state = ExecutorState.RUNNING
        executor.registered_at = turn.now
        executors.keep(turn, executor)
    for task in tasks:
        container_id = ContainerId(turn.new_uuid_text())
        executor.launched[task.info.task_id] = task
        framework.tasks[task.info.task_id] = executor
        executor.ever_sent_task = True
        executors.launch_container(
            turn, framework, executor, task, task.info.resources, task.running_trace, container_id
        )
        executors.keep_new_task(turn, framework, task)
    for task in tasks:
        place = built_in.where(turn, executor, task, None)
        status = status_updates.executor_status(turn, task, TaskState.STARTING, place)
        status_updates.report(turn, framework, executor, task, status)


def on_launched(turn: Turn, framework: Framework, executor: Executor, container: Container) -> None:
    task = _task_in(executor, container)
    if task is None or container.phase is ContainerPhase.DESTROYING:
        return
    executors.task_launched(turn, executor, task)
    place = built_in.where(turn, executor, task, container.pid)
    status = status_updates.executor_status(turn, task, TaskState.RUNNING, place)
    status_updates.report(turn, framework, executor, task, status)
    built_in.runs(turn, task)


def on_launch_failed(
    turn: Turn, framework: Framework, executor: Executor, container: Container, message: ContainerLaunchFailed
) -> None:
    task = _task_in(executor, container)
    if task is not None and task.kill_started_at is None:
        task.termination = task.termination or executors.launch_failure(framework, message.reason, message.message)
    on_destroyed(turn, framework, executor, container)


def on_exited(turn: Turn, framework: Framework, executor: Executor, container: Container, status: int) -> None:
    task = _task_in(executor, container)
    if task is None:
        return
    if task.container_id is not None:
        executors.destroy_container(turn, task.container_id)
    if task.termination is None and executor.termination is None:
        _end(turn, framework, executor, task, status)


def on_limited(turn: Turn, executor: Executor, container: Container, message: ContainerLimited) -> None:
    """An isolator objects to one task (M-AG-09); its container is destroyed, and its group follows."""
    task = _task_in(executor, container)
    if task is not None:
        _doom(turn, executor, task, Termination(TaskState.FAILED, message.reason, message.message))
    executors.destroy_container(turn, message.container_id)


def on_lost(turn: Turn, executor: Executor, container: Container, message: ContainerLost) -> None:
    """A task's process ended and nobody saw how; one that was being killed is told as killed."""
    task = _task_in(executor, container)
    if task is not None and task.kill_started_at is None:
        reason = executors.REASON_EXECUTOR_TERMINATED
        _doom(turn, executor, task, Termination(TaskState.FAILED, reason, message.message))
    executors.destroy_container(turn, message.container_id)


def on_destroyed(turn: Turn, framework: Framework, executor: Executor, container: Container) -> None:
    """Nothing of this task is left; when that was the last one, the executor is over too."""
    task = _task_in(executor, container)
    if task is not None:
        _end(turn, framework, executor, task, built_in.final_wait_status(container))
    end_if_idle(turn, framework, executor)


def shut_down(turn: Turn, framework: Framework, executor: Executor) -> None:
    """End every task as a kill would, within the grace that an executor has to shut down (X55)."""
    executor.state = ExecutorState.TERMINATING
    executors.keep(turn, executor)
    for task in list(executor.launched.values()):
        kills.kill_launched(turn, framework, executor, task, built_in.shutdown_grace_seconds(turn, task))
    end_if_idle(turn, framework, executor)


def end_if_idle(turn: Turn, framework: Framework, executor: Executor) -> None:
    """End the executor once it runs nothing; its own status is always 0 (as recorded)."""
    if executor.live_containers == 0 and not executor.launched:
        executors.terminated(turn, framework, executor, 0)


def _doom(turn: Turn, executor: Executor, task: Task, why: Termination) -> None:
    task.termination = task.termination or why
    executors.keep_task(turn, executor, task)


def _task_in(executor: Executor, container: Container) -> Task | None:
    return executor.launched.get(container.task_id) if container.task_id is not None else None


def _end(turn: Turn, framework: Framework, executor: Executor, task: Task, wait_status: int | None) -> None:
    ended = task.termination
    if task.launched_at is None:
        executors.tell_launch_failed(turn, task, ended.message if ended else "Killed during launch")
    if ended is not None:
        place = built_in.where(turn, executor, task, None)
        status = status_updates.executor_status(turn, task, ended.state, place, ended.message, ended.reason)
        status_updates.report(turn, framework, executor, task, status)
    elif executor.termination is not None:
        executors.fail(turn, framework, executor, task)
    else:
        # The process is gone, and with it its pid (as recorded).
        built_in.report_end(turn, framework, executor, task, wait_status, None)
    if task.state is not TaskState.FINISHED:
        for other in task.group:
            if (sibling := executor.launched.get(other)) is not None and sibling.kill_started_at is None:
                kills.kill_launched(turn, framework, executor, sibling, None)
