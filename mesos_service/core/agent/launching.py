"""Launches: what the master sends to be run, handed to the executor that is to run it (M-OP-01, M-OP-02)."""

from __future__ import annotations

from typing import assert_never

from mesos_service.core.agent import command_executor, custom_executor, default_executor, executors, status_updates
from mesos_service.core.agent.state import ExecutorState, Framework, Task
from mesos_service.core.agent.turn import Turn
from mesos_service.core.agent.validation import REASON_LIMITS_NOT_ENFORCED, refuse_limits
from mesos_service.core.link import RunTask, RunTaskGroup
from mesos_service.core.trace import TraceParent
from mesos_service.domain.executors import ExecutorInfo, ExecutorType
from mesos_service.domain.frameworks import FrameworkInfo
from mesos_service.domain.ids import FrameworkId, TaskId
from mesos_service.domain.tasks import TaskInfo


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
    refusal = _refuse(turn, tasks)
    if refusal is not None:
        for task in tasks:
            status_updates.drop(turn, framework_id, framework_info, task.task_id, *refusal, trace=trace)
        return
    existing = turn.state.frameworks.get(framework_id)
    executor = existing.executors.get(executor_info.executor_id) if existing and executor_info else None
    if executor is not None and executor.state in (ExecutorState.TERMINATING, ExecutorState.TERMINATED):
        # The framework is told rather than the task kept for the next run (X57).
        for task in tasks:
            status_updates.drop(
                turn,
                framework_id,
                framework_info,
                task.task_id,
                executors.REASON_EXECUTOR_TERMINATED,
                f"Executor {executor.state.lower()}",
                executor.info.executor_id,
                trace,
            )
        return
    framework = _framework(turn, framework_id, framework_info)
    executor_info = executor_info or command_executor.describe(tasks[0])
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


def _refuse(turn: Turn, tasks: tuple[TaskInfo, ...]) -> tuple[str, str] | None:
    """The reason and message of the first task that this agent cannot run as asked."""
    for task in tasks:
        text = refuse_limits(task, turn.state.options)
        if text is not None:
            return REASON_LIMITS_NOT_ENFORCED, text
    return None


def _framework(turn: Turn, framework_id: FrameworkId, info: FrameworkInfo) -> Framework:
    """The framework's record, taken up again where its last executor had ended."""
    state = turn.state
    framework = state.frameworks.get(framework_id)
    if framework is None:
        framework = state.completed_frameworks.pop(framework_id, None) or Framework(framework_id, info)
        framework.terminating = False
        state.frameworks[framework_id] = framework
    framework.info = info
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
