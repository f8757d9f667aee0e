"""The agent's answers to ``GET_*`` calls of ``POST /api/v1`` (Mesos docs, operator HTTP API; M-OA-01)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mesos_service.core.agent.state import AgentState, Executor, Framework, Task
from mesos_service.domain.executors import ExecutorType
from mesos_service.domain.tasks import TaskStatus
from mesos_service.wire import agent_operator as operator
from mesos_service.wire import common, offers, tasks
from mesos_service.wire.convert.infos import agent_to_wire, executor_to_wire, framework_to_wire
from mesos_service.wire.convert.operations import operation_to_wire
from mesos_service.wire.convert.values import resources_to_wire
from mesos_service.wire.render.operations import history_to_wire, status_to_wire
from mesos_service.wire.render.tasks_v1 import task_v1


def get_agent(state: AgentState) -> operator.ResponseGetAgent:
    return operator.ResponseGetAgent(agent_info=agent_to_wire(state.info))


def get_state(state: AgentState) -> operator.ResponseGetState:
    return operator.ResponseGetState(
        get_tasks=get_tasks(state), get_executors=get_executors(state), get_frameworks=get_frameworks(state)
    )


def get_frameworks(state: AgentState) -> operator.ResponseGetFrameworks:
    return operator.ResponseGetFrameworks(
        frameworks=_frameworks(state.frameworks.values()),
        completed_frameworks=_frameworks(state.completed_frameworks.values()),
    )


def _frameworks(found: Iterable[Framework]) -> tuple[operator.ResponseGetFrameworksFramework, ...]:
    return tuple(
        operator.ResponseGetFrameworksFramework(framework_info=framework_to_wire(framework.info)) for framework in found
    )


def get_executors(state: AgentState) -> operator.ResponseGetExecutors:
    live, completed = state.frameworks.values(), (*state.frameworks.values(), *state.completed_frameworks.values())
    return operator.ResponseGetExecutors(
        executors=_executors(executor for framework in live for executor in framework.executors.values()),
        completed_executors=_executors(
            executor for framework in completed for executor in framework.completed_executors
        ),
    )


def _executors(found: Iterable[Executor]) -> tuple[operator.ResponseGetExecutorsExecutor, ...]:
    return tuple(operator.ResponseGetExecutorsExecutor(executor_info=_executor_info(one)) for one in found)


def _executor_info(executor: Executor) -> tasks.ExecutorInfo:
    """The built-in executor of a command task has no type and is not in any framework's words."""
    info = executor.info
    if info.type is not ExecutorType.COMMAND:
        return executor_to_wire(info)
    return tasks.ExecutorInfo(
        executor_id=common.ExecutorID(value=info.executor_id),
        framework_id=common.FrameworkID(value=executor.framework_id),
        resources=resources_to_wire(info.resources),
        name=info.name,
        source=info.source,
    )


def get_tasks(state: AgentState) -> operator.ResponseGetTasks:
    """Tasks of executors that are over are completed, and so are those that are over on a live one."""
    live = [executor for framework in state.frameworks.values() for executor in framework.executors.values()]
    return operator.ResponseGetTasks(
        queued_tasks=_tasks(state, ((one, task) for one in live for task in one.queued.values())),
        launched_tasks=_tasks(state, ((one, task) for one in live for task in one.launched.values())),
        terminated_tasks=_tasks(state, ((one, task) for one in live for task in one.terminated.values())),
        completed_tasks=_tasks(state, ((one, task) for one in _all_executors(state) for task in one.completed)),
    )


def _all_executors(state: AgentState) -> Iterator[Executor]:
    for framework in (*state.frameworks.values(), *state.completed_frameworks.values()):
        yield from framework.executors.values()
        yield from framework.completed_executors


def _tasks(state: AgentState, found: Iterable[tuple[Executor, Task]]) -> tuple[tasks.Task, ...]:
    return tuple(
        task_v1(
            task.info,
            task.framework_id,
            None if executor.info.type is ExecutorType.COMMAND else task.executor_id,
            task.state,
            task.statuses,
            _last_sent(state, task),
        )
        for executor, task in found
    )


def _last_sent(state: AgentState, task: Task) -> TaskStatus | None:
    """The update under way; with none under way, the last one that there was."""
    stream = state.streams.get((task.framework_id, task.info.task_id))
    if stream is not None and stream.pending:
        return next(iter(stream.pending.values())).status
    return task.statuses[-1] if task.statuses else None


def operations(state: AgentState) -> tuple[offers.Operation, ...]:
    """Those that their frameworks have not acknowledged."""
    return tuple(_reported(state))


def _reported(state: AgentState) -> Iterator[offers.Operation]:
    for pending in state.operations.values():
        report = pending.report
        yield offers.Operation(
            framework_id=common.FrameworkID(value=report.framework_id),
            agent_id=None if state.agent_id is None else common.AgentID(value=state.agent_id),
            info=operation_to_wire(report.operation, report.operation_id),
            latest_status=status_to_wire(report.status, report.operation_id, state.agent_id),
            statuses=history_to_wire((report.status,), report.operation_id, state.agent_id),
            uuid=common.UUID(value=report.uuid),
        )
