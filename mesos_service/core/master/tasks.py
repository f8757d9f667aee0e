"""Tasks on their way: updates, acknowledgements, kills, and their end.

Two things are known of a task: its latest state, by which resources are accounted, and the last update its framework
was shown, by which reconciliation answers (X04). The first may run ahead of the second. A task whose terminal update
is acknowledged leaves the memory; its resources were free as soon as its latest state was terminal (X08).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from mesos_service.core.events import Update
from mesos_service.core.link import AcknowledgeUpdate, KillTask, ShutdownFramework, UpdateStatus
from mesos_service.core.master import books, copies, reconciliation, settling
from mesos_service.core.master.revocation_plan import explained
from mesos_service.core.master.state import Agent, Framework, Task
from mesos_service.core.master.turn import Turn
from mesos_service.core.scheduler_messages import Acknowledge, Kill
from mesos_service.domain.frameworks import PARTITION_AWARE
from mesos_service.domain.ids import ExecutorId, FrameworkId, TaskId
from mesos_service.domain.tasks import TERMINAL_STATES, Source, TaskInfo, TaskState, TaskStatus

# -- what the master itself says -----------------------------------------------------------------------------


WAYS_OF_BEING_LOST: Final = frozenset(
    {
        TaskState.DROPPED,
        TaskState.UNREACHABLE,
        TaskState.GONE,
        TaskState.GONE_BY_OPERATOR,
        TaskState.UNKNOWN,
    }
)
"""States that only frameworks with PARTITION_AWARE are told of; to the others all of them are LOST."""


def state_for(framework: Framework, state: TaskState) -> TaskState:
    """``state``, or LOST to a framework that does not tell the ways of being lost apart (PARTITION_AWARE)."""
    return state if framework.info.has(PARTITION_AWARE) else TaskState.LOST


def tell_of_unlaunched(
    turn: Turn, framework: Framework, info: TaskInfo, state: TaskState, reason: str, message: str
) -> None:
    """Tell of a task that never got into the memory. Such an update has no uuid: nobody would repeat it (X09)."""
    status = TaskStatus(
        task_id=info.task_id,
        state=state,
        source=Source.MASTER,
        reason=reason,
        message=message,
        agent_id=info.agent_id,
        executor_id=info.executor.executor_id if info.executor is not None else None,
        timestamp=turn.now,
    )
    turn.tell(framework, Update(status))
    _note_update(turn, framework.framework_id, status)


def declare(
    turn: Turn,
    framework: Framework,
    task: Task,
    state: TaskState,
    reason: str,
    message: str,
    unreachable_at: float | None = None,
) -> None:
    """The master's own word on a task it knows: told, and kept in its history. What it holds is left to the caller."""
    status = TaskStatus(
        task_id=task.info.task_id,
        state=state,
        source=Source.MASTER,
        reason=reason,
        message=message,
        agent_id=task.agent_id,
        timestamp=turn.now,
        unreachable_at=unreachable_at,
    )
    turn.tell(framework, Update(status))
    _note_update(turn, framework.framework_id, status)
    task.state = state
    _remember(turn, task, status)


# -- what agents say -----------------------------------------------------------------------------------------


def on_update(turn: Turn, agent: Agent, message: UpdateStatus) -> None:
    """Pass an update on, and learn from it (X04, X11, X12).

    A framework that is away hears nothing and nothing is kept for it: its agent repeats the update.
    """
    state = turn.state
    framework_id = message.framework_id
    framework = state.frameworks.get(framework_id)
    status = message.status
    if framework is None:
        if framework_id in state.removed_frameworks:
            # It has not heard that the framework was torn down, and would repeat itself for ever.
            turn.tell_agent(agent, ShutdownFramework(framework_id))
        turn.note("task.update_ignored", framework_id=framework_id, task_id=status.task_id)
        return
    if copies.on_update(turn, framework, agent, message):
        return
    latest = message.latest_state or status.state
    if status.state in WAYS_OF_BEING_LOST:
        # An agent that was asked about a task may not know whose it is, and so not what its framework understands.
        status = replace(status, state=state_for(framework, status.state))
        latest = state_for(framework, latest) if latest in WAYS_OF_BEING_LOST else latest
    status = explained(state, framework_id, status)
    turn.tell(framework, Update(status))
    task = framework.tasks.get(status.task_id)
    if task is None or task.agent_id != agent.agent_id:
        # Its end was acknowledged, but the acknowledgement did not arrive: the framework says it again.
        return
    shown = task.shown
    if shown is None or shown.uuid != status.uuid:
        task.shown = _remember(turn, task, status)
        task.forwarded_at = turn.now
        _note_update(turn, framework_id, status)
        if task.trace is not None:
            task.update_trace = turn.new_span(task.trace)
            turn.span(
                "master.update",
                task.update_trace,
                message.trace or task.trace,
                turn.now,
                {"task_id": status.task_id, "state": status.state},
            )
        if agent.unproven_executors and task.executor_id is not None:
            _prove_executor(turn, agent, task, status, task.executor_id)
    settling.take_state(turn, agent, task, latest)


# -- what frameworks say -------------------------------------------------------------------------------------


def on_acknowledge(turn: Turn, framework: Framework, call: Acknowledge) -> None:
    """Hand the acknowledgement to the agent; with that of the terminal update the task is over (X08).

    An agent that is not here gets none: it repeats the update when it is back.
    """
    turn.reply(call.request, 202)
    agent = turn.state.agents.get(call.agent_id)
    if agent is None or not agent.connected:
        turn.note("acknowledgement.dropped", framework_id=framework.framework_id, task_id=call.task_id)
        return
    task = framework.tasks.get(call.task_id)
    if task is not None and task.agent_id == call.agent_id:
        shown = task.shown
        if shown is not None and shown.uuid == call.uuid:
            if task.update_trace is not None:
                turn.span(
                    "master.acknowledgement",
                    turn.new_span(task.update_trace),
                    task.update_trace,
                    task.forwarded_at,
                    {"task_id": call.task_id, "state": shown.state},
                    link=call.caller_trace,
                )
                task.update_trace = None
            if shown.state in TERMINAL_STATES:
                if task.charged:
                    settling.settle(turn, agent, task)
                settling.remove(framework, agent, task)
                framework.completed_tasks.append(task)
    turn.tell_agent(agent, AcknowledgeUpdate(framework_id=framework.framework_id, task_id=call.task_id, uuid=call.uuid))


def on_kill(turn: Turn, framework: Framework, call: Kill) -> None:
    """Have a task killed (M-SC-07, X14j).

    A task that is not known is answered as reconciliation would; a wrong agent is ignored; a kill for an agent that
    is away is sent when it is back.
    """
    turn.reply(call.request, 202)
    task = framework.tasks.get(call.task_id)
    if task is None:
        reconciliation.answer(turn, framework, call.task_id, call.agent_id)
        return
    if call.agent_id is not None and call.agent_id != task.agent_id:
        turn.note("kill.ignored", framework_id=framework.framework_id, task_id=call.task_id, agent_id=call.agent_id)
        return
    if task.state in TERMINAL_STATES:
        return
    agent = turn.state.agents[task.agent_id]
    agent.pending_kills[framework.framework_id, call.task_id] = call.grace_seconds
    turn.note("task.kill_requested", framework_id=framework.framework_id, task_id=call.task_id, agent_id=agent.agent_id)
    send_kill(turn, agent, framework.framework_id, call.task_id, call.grace_seconds)


def send_kill(
    turn: Turn, agent: Agent, framework_id: FrameworkId, task_id: TaskId, grace_seconds: float | None
) -> None:
    """Tell the agent, where it is connected. ``None`` leaves the grace to the task's own kill policy."""
    turn.tell_agent(agent, KillTask(framework_id=framework_id, task_id=task_id, grace_seconds=grace_seconds))


# -- within --------------------------------------------------------------------------------------------------


def _remember(turn: Turn, task: Task, status: TaskStatus) -> TaskStatus:
    """Add to the history: without ``data``, and over the last entry when the state is the same (X12)."""
    remembered = status if status.data is None else replace(status, data=None)
    statuses = task.statuses
    if statuses and statuses[-1].state is status.state:
        task.statuses = (*statuses[:-1], remembered)
    else:
        task.statuses = (*statuses, remembered)[-turn.state.options.max_statuses_per_task :]
    return remembered


def _note_update(turn: Turn, framework_id: FrameworkId, status: TaskStatus) -> None:
    turn.note(
        "task.updated",
        framework_id=framework_id,
        task_id=status.task_id,
        state=status.state,
        source=status.source or "",
        reason=status.reason or "",
    )


def _prove_executor(turn: Turn, agent: Agent, task: Task, status: TaskStatus, executor_id: ExecutorId) -> None:
    """Anything but a drop shows that the executor exists; a drop of all it was to run shows that it never did."""
    key = (task.framework_id, executor_id)
    waiting = agent.unproven_executors.get(key)
    if waiting is None:
        return
    if status.source is not Source.AGENT or status.state not in (TaskState.DROPPED, TaskState.LOST):
        del agent.unproven_executors[key]
    elif waiting > 1:
        agent.unproven_executors[key] = waiting - 1
    else:
        executor = books.remove_executor(turn.state, task.framework_id, agent, executor_id)
        if executor is not None:
            books.release(turn, task.framework_id, agent, executor.resources)
