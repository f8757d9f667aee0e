"""Launches: what the master sends to be run, handed to the executor that is to run it (M-OP-01, M-OP-02)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, assert_never

from mesos_service.core.agent import (
    command_executor,
    custom_executor,
    default_executor,
    executors,
    registration,
    status_updates,
)
from mesos_service.core.agent.records import FrameworkKept
from mesos_service.core.agent.state import ExecutorState, Framework, Task
from mesos_service.core.agent.turn import Turn
from mesos_service.core.agent.validation import REASON_LIMITS_NOT_ENFORCED, refuse_limits
from mesos_service.core.link import RunTask, RunTaskGroup
from mesos_service.core.trace import TraceParent
from mesos_service.domain.executors import ExecutorInfo, ExecutorType
from mesos_service.domain.frameworks import FrameworkInfo
from mesos_service.domain.ids import ExecutorId, FrameworkId, TaskId
from mesos_service.domain.operations import made_by_operations, may_be_made
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskInfo

REASON_TASK_INVALID: Final = "REASON_TASK_INVALID"
REASON_RESOURCES_UNKNOWN: Final = "REASON_RESOURCES_UNKNOWN"


def on_run_task(turn: Turn, message: RunTask) -> None:
    """Run one task: of its own command, or on the executor it names."""
    info = message.task.executor
    # A default executor runs groups; a task sent to it alone is a group of one.
    grouped = info is not None and info.type is ExecutorType.DEFAULT
    _run(turn, message.framework, info, (message.task,), grouped, message.trace)


def on_run_task_group(turn: Turn, message: RunTaskGroup) -> None:
    """Run all the tasks of a group, or none of them (M-OP-02)."""
    _run(turn, message.framework, message.executor, message.tasks, True, message.trace)


def _run(
    turn: Turn,
    framework_info: FrameworkInfo,
    executor_info: ExecutorInfo | None,
    tasks: tuple[TaskInfo, ...],
    grouped: bool,
    trace: TraceParent | None,
) -> None:
    framework_id = framework_info.framework_id
    if framework_id is None or not tasks or not _is_for_us(turn, framework_id, tasks):
        return
    executor_info = executor_info or command_executor.describe(tasks[0])
    refusal = (
        _refuse_tasks(turn, tasks)
        or _refuse_resources(turn, tasks, executor_info)
        or _refuse_executor(turn, framework_id, executor_info, tasks)
    )
    if refusal is not None:
        for task in tasks:
            status_updates.drop(
                turn,
                framework_id,
                framework_info,
                task.task_id,
                refusal.reason,
                refusal.message,
                refusal.executor_id,
                trace,
            )
        return
    framework = _framework(turn, framework_id, framework_info)
    made = _make_tasks(turn, framework_id, executor_info, tasks, grouped, trace)
    match executor_info.type:
        case ExecutorType.COMMAND:
            command_executor.launch(turn, framework, executor_info, made[0])
        case ExecutorType.DEFAULT:
            default_executor.launch(turn, framework, executor_info, made)
        case ExecutorType.CUSTOM:
            custom_executor.launch(turn, framework, executor_info, made)
        case _:
            assert_never(executor_info.type)


def _is_for_us(turn: Turn, framework_id: FrameworkId, tasks: tuple[TaskInfo, ...]) -> bool:
    """Whether the launch is to be looked at; if not, re-registration settles what became of it (X21)."""
    state = turn.state
    framework = state.frameworks.get(framework_id)
    reason = None
    if state.ending is not None:
        reason = "agent is terminating"
    elif framework is not None and framework.terminating:
        reason = "framework is terminating"
    elif any(task.agent_id != state.agent_id for task in tasks):
        reason = "meant for another agent"
    elif framework is not None and any(task.task_id in framework.tasks for task in tasks):
        reason = "known already"
    if reason is not None:
        turn.note("task.ignored", framework_id=framework_id, task_id=tasks[0].task_id, reason=reason)
    return reason is None


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why tasks cannot be run as asked; they are dropped with it."""

    reason: str
    message: str
    executor_id: ExecutorId | None = None


def _refuse_tasks(turn: Turn, tasks: tuple[TaskInfo, ...]) -> _Refusal | None:
    for task in tasks:
        text = refuse_limits(task, turn.state.options)
        if text is not None:
            return _Refusal(REASON_LIMITS_NOT_ENFORCED, text)
    return None


def _refuse_resources(turn: Turn, tasks: tuple[TaskInfo, ...], executor_info: ExecutorInfo) -> _Refusal | None:
    """What is to be used of reservations and volumes must have come about here (X14c).

    The operation that was to make it may have been lost on its way, or may have failed.
    """
    known = turn.state.total
    for resources in (*(task.resources for task in tasks), executor_info.resources):
        made = made_by_operations(resources) if may_be_made(resources) else Resources.EMPTY
        if made and not known.contains(made.unallocated()):
            return _Refusal(REASON_RESOURCES_UNKNOWN, f"{known.shortage(made.unallocated())} is unknown to the agent")
    return None


def _refuse_executor(
    turn: Turn, framework_id: FrameworkId, info: ExecutorInfo, tasks: tuple[TaskInfo, ...]
) -> _Refusal | None:
    """An executor that is ending takes no tasks, and they are not kept for its next run (X57)."""
    framework = turn.state.frameworks.get(framework_id)
    executor = framework.executors.get(info.executor_id) if framework is not None else None
    if executor is None:
        return None
    if executor.state in (ExecutorState.TERMINATING, ExecutorState.TERMINATED):
        message = f"Executor {executor.state.lower()}"
        return _Refusal(executors.REASON_EXECUTOR_TERMINATED, message, info.executor_id)
    others = executor.launched.values()
    if info.type is ExecutorType.DEFAULT and any(one.info.shares_cgroups != tasks[0].shares_cgroups for one in others):
        message = "All tasks of an executor must have the same value of 'share_cgroups'"
        return _Refusal(REASON_TASK_INVALID, message, info.executor_id)
    if executor.info.type is not info.type:
        # A command task's executor bears the task's name, which another executor may have taken.
        return _Refusal(REASON_TASK_INVALID, f"Executor ID '{info.executor_id}' is in use", info.executor_id)
    return None


def _framework(turn: Turn, framework_id: FrameworkId, info: FrameworkInfo) -> Framework:
    """The framework's record, taken up again where its last executor had ended."""
    state = turn.state
    framework = state.frameworks.get(framework_id)
    if framework is None:
        framework = state.completed_frameworks.pop(framework_id, None) or Framework(framework_id, info)
        framework.info = info
        framework.terminating = False
        state.frameworks[framework_id] = framework
        if info.checkpoint:
            turn.checkpoint(FrameworkKept(info))
    registration.take_framework_info(turn, framework, info)
    return framework


def _make_tasks(
    turn: Turn,
    framework_id: FrameworkId,
    executor_info: ExecutorInfo,
    tasks: tuple[TaskInfo, ...],
    grouped: bool,
    trace: TraceParent | None,
) -> list[Task]:
    group: tuple[TaskId, ...] = tuple(task.task_id for task in tasks) if grouped else ()
    return [
        Task(
            info=task,
            framework_id=framework_id,
            executor_id=executor_info.executor_id,
            received_at=turn.now,
            group=group,
            trace=trace,
            launch_trace=turn.new_span(trace),
            running_trace=turn.new_span(trace),
        )
        for task in tasks
    ]
