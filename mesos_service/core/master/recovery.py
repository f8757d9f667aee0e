"""What an agent that comes back brings with it: frameworks, executors and tasks (X17, X20, X21).

The master's memory is soft: what agents say when they register is what it is rebuilt from (A42, B52).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from mesos_service.core.events import Update
from mesos_service.core.link import FrameworkUpdated, Reregister, ShutdownFramework, TaskReport
from mesos_service.core.master import books, copies, frameworks, settling, tasks
from mesos_service.core.master.state import Agent, Framework, Task
from mesos_service.core.master.turn import Turn
from mesos_service.core.registry.registry import RegisteredFramework
from mesos_service.domain.executors import ExecutorInfo
from mesos_service.domain.ids import ExecutorId, FrameworkId, TaskId, refuse_id
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TERMINAL_STATES, Source, TaskStatus

# -- frameworks ----------------------------------------------------------------------------------------------


def recover_frameworks(turn: Turn, message: Reregister) -> None:
    """Take up frameworks that the registry does not have and this agent knows (X20)."""
    state = turn.state
    for info in message.frameworks:
        framework_id = info.framework_id
        if framework_id is None or framework_id in state.frameworks or framework_id in state.removed_frameworks:
            continue
        refusal = refuse_id(framework_id)
        if refusal is not None:
            # No master admitted it; its end would be stored under this id, which not every database can keep.
            turn.note("framework.not_recovered", name=info.name, reason=refusal)
            continue
        frameworks.recover(state, RegisteredFramework(info, generation=0), turn.now)
        turn.note("framework.recovered", framework_id=framework_id, name=info.name)


def bring_up_to_date(turn: Turn, agent: Agent, message: Reregister) -> None:
    """Tell the agent what happened to its frameworks while it was away, and repeat the kills it may have missed."""
    state = turn.state
    for info in message.frameworks:
        if info.framework_id is None:
            continue
        framework = state.frameworks.get(info.framework_id)
        if framework is None:
            turn.tell_agent(agent, ShutdownFramework(info.framework_id))
        elif framework.info != info:
            turn.tell_agent(agent, FrameworkUpdated(framework.info))
    for (framework_id, task_id), grace_seconds in agent.pending_kills.items():
        tasks.send_kill(turn, agent, framework_id, task_id, grace_seconds)


# -- an agent that was not in the memory ---------------------------------------------------------------------


def adopt_all(turn: Turn, agent: Agent, message: Reregister) -> list[Task]:
    """Enter all that the agent runs; the sums are the caller's."""
    for framework_id, executor in message.executors:
        framework = turn.state.frameworks.get(framework_id)
        if framework is not None:
            books.add_executor(framework, agent, _with_role(executor, framework))
    tasks: list[Task] = []
    for report in message.tasks:
        framework = turn.state.frameworks.get(report.framework_id)
        if framework is None:
            continue
        if copies.is_copy(framework, agent, report.info.task_id):
            _take_copy(turn, framework, agent, report)
        else:
            tasks.append(_adopt(turn, framework, agent, report))
    return tasks


def tell_of_return(turn: Turn, adopted: Iterable[Task], was_unreachable: bool) -> None:
    """Tell frameworks that their tasks are there after all (as recorded of Mesos).

    Of those that have ended meanwhile the agent itself tells, with an update that can be acknowledged. Of an agent that
    a new master waits for nothing is told: nobody has said of its tasks that they are not there.
    """
    for task in adopted:
        framework = turn.state.frameworks[task.framework_id]
        if task.state in TERMINAL_STATES or framework.stream_id is None:
            continue
        last = task.statuses[-1] if task.statuses else task.shown
        status = TaskStatus(
            task_id=task.info.task_id,
            state=task.state,
            source=Source.MASTER,
            reason="REASON_AGENT_REREGISTERED",
            message="Unreachable agent re-reregistered" if was_unreachable else "Unknown agent reregistered",
            agent_id=task.agent_id,
            executor_id=task.executor_id,
            timestamp=turn.now,
            healthy=None if last is None else last.healthy,
            check_status=None if last is None else last.check_status,
            container=None if last is None else last.container,
        )
        turn.tell(framework, Update(status))


def _take_copy(turn: Turn, framework: Framework, agent: Agent, report: TaskReport) -> bool:
    return copies.take_in(turn, framework, agent, report, _allocated(report.info.resources, framework))


def _adopt(turn: Turn, framework: Framework, agent: Agent, report: TaskReport) -> Task:
    task_id = report.info.task_id
    before = framework.unreachable_tasks.pop(task_id, None)
    over = report.state in TERMINAL_STATES
    if over:
        _forget_completed(framework, agent, task_id)
    info = report.info
    if not over and (resources := _allocated(info.resources, framework)) is not info.resources:
        info = replace(info, resources=resources)
    listed = agent.executors.get(report.framework_id, {})
    task = Task(
        info=info,
        framework_id=report.framework_id,
        agent_id=agent.agent_id,
        executor_id=report.executor_id if info.executor is not None or report.executor_id in listed else None,
        state=report.state,
        shown=before.shown if before is not None else None,
        statuses=tuple(
            status if status.data is None else replace(status, data=None)
            for status in report.statuses[-turn.state.options.max_statuses_per_task :]
        ),
        trace=before.trace if before is not None else None,
        launched_at=before.launched_at if before is not None else turn.now,
        charged=books.NOTHING if over else info.resources,
    )
    framework.tasks[task_id] = task
    agent.tasks.setdefault(report.framework_id, {})[task_id] = task
    return task


def _forget_completed(framework: Framework, agent: Agent, task_id: TaskId) -> None:
    """The acknowledgement of its end got lost on the way: it is not over yet."""
    completed = framework.completed_tasks
    kept = [task for task in completed if task.info.task_id != task_id or task.agent_id != agent.agent_id]
    if len(kept) < len(completed):
        completed.clear()
        completed.extend(kept)


# -- an agent that was ---------------------------------------------------------------------------------------


def compare(turn: Turn, agent: Agent, message: Reregister) -> tuple[tuple[tuple[FrameworkId, TaskId], ...], bool]:
    """Bring the memory in line with what the agent says.

    Returns the tasks that the agent must answer for, as it did not name them, and whether something was found that
    uses resources the books do not know of.
    """
    rebook = _compare_executors(turn, agent, message)
    reported: set[tuple[FrameworkId, TaskId]] = set()
    for report in message.tasks:
        framework_id, task_id = report.framework_id, report.info.task_id
        reported.add((framework_id, task_id))
        task = agent.tasks.get(framework_id, {}).get(task_id) or copies.find(agent, framework_id, task_id)
        framework = turn.state.frameworks.get(framework_id)
        if task is not None:
            settling.take_state(turn, agent, task, report.state)
        elif framework is None:
            continue
        elif copies.is_copy(framework, agent, task_id):
            rebook = _take_copy(turn, framework, agent, report) or rebook
        else:
            rebook = bool(_adopt(turn, framework, agent, report).charged) or rebook
    copies.compare(turn, agent, reported)
    asked = tuple(
        (framework_id, task_id)
        for framework_id, on_agent in agent.tasks.items()
        for task_id in on_agent
        if (framework_id, task_id) not in reported
    )
    return asked, rebook


def _compare_executors(turn: Turn, agent: Agent, message: Reregister) -> bool:
    reported: dict[tuple[FrameworkId, ExecutorId], None] = {}
    rebook = False
    for framework_id, executor in message.executors:
        reported[framework_id, executor.executor_id] = None
        framework = turn.state.frameworks.get(framework_id)
        if framework is not None and executor.executor_id not in agent.executors.get(framework_id, {}):
            books.add_executor(framework, agent, _with_role(executor, framework))
            rebook = True
    missing = [
        (framework_id, executor_id)
        for framework_id, executors in agent.executors.items()
        for executor_id in executors
        if (framework_id, executor_id) not in reported
    ]
    for framework_id, executor_id in missing:
        gone = books.remove_executor(turn.state, framework_id, agent, executor_id)
        if gone is not None:
            books.release(turn, framework_id, agent, gone.resources)
    agent.unproven_executors.clear()
    return rebook


# -- within --------------------------------------------------------------------------------------------------


def _with_role(executor: ExecutorInfo, framework: Framework) -> ExecutorInfo:
    resources = _allocated(executor.resources, framework)
    return executor if resources is executor.resources else replace(executor, resources=resources)


def _allocated(resources: Resources, framework: Framework) -> Resources:
    """Resources that came back without an allocation role get the framework's (first) one."""
    if resources.is_allocated_whole() or not framework.info.roles:
        return resources
    return resources.allocated_to(framework.info.roles[0])
