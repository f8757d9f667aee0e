"""Reconciliation: what the master knows of tasks that a framework asks about (M-SC-10; X15a-X15g).

Answers are updates without uuid, so that nobody acknowledges them. No answer at all is an answer too: that of a master
which may come to know soon, because an agent is on its way back (X15b).
"""

from __future__ import annotations

from mesos_service.core.events import Update
from mesos_service.core.master.state import Framework, Task
from mesos_service.core.master.turn import Turn
from mesos_service.core.scheduler_messages import Reconcile
from mesos_service.domain.frameworks import PARTITION_AWARE
from mesos_service.domain.ids import AgentId, TaskId
from mesos_service.domain.tasks import Source, TaskState, TaskStatus


def on_reconcile(turn: Turn, framework: Framework, call: Reconcile) -> None:
    """Answer for each task that is named, or for every one in memory when none is (X15g)."""
    turn.reply(call.request, 202)
    if call.tasks:
        for task_id, agent_id in call.tasks:
            answer(turn, framework, task_id, agent_id)
    else:
        for task in framework.tasks.values():
            turn.tell(framework, Update(_latest(turn, task)))


def answer(turn: Turn, framework: Framework, task_id: TaskId, agent_id: AgentId | None) -> None:
    """One explicit answer: the first row of the table that fits."""
    status = _status(turn, framework, task_id, agent_id)
    if status is not None:
        turn.tell(framework, Update(status))


def _status(turn: Turn, framework: Framework, task_id: TaskId, agent_id: AgentId | None) -> TaskStatus | None:
    state = turn.state
    task = framework.tasks.get(task_id)
    if task is not None:
        return _latest(turn, task)
    known = framework.unreachable_tasks.get(task_id)
    if known is not None:
        agent_id = known.agent_id
    if agent_id in state.recovered or (agent_id is None and state.recovered):
        # It may run there; whoever asks again when the agent is back, or is known not to come, gets an answer (X15b).
        return None
    if agent_id is None:
        return _unknown(turn, framework, task_id, None, TaskState.UNKNOWN, "Task is unknown")
    if agent_id in state.agents:
        return _unknown(turn, framework, task_id, agent_id, TaskState.GONE, "Task is unknown to the agent")
    if agent_id in state.unreachable:
        at = state.unreachable[agent_id]
        return _unknown(turn, framework, task_id, agent_id, TaskState.UNREACHABLE, "Task is unreachable", at)
    if agent_id in state.gone:
        return _unknown(turn, framework, task_id, agent_id, TaskState.GONE_BY_OPERATOR, "Task is gone")
    if agent_id in state.registering:
        return None
    return _unknown(turn, framework, task_id, agent_id, TaskState.UNKNOWN, "Task is unknown")


def _latest(turn: Turn, task: Task) -> TaskStatus:
    """The last update the framework was shown, without its data (X15a)."""
    shown = task.shown
    # A new master has it from the agent, which sends at once again what may not have been shown (X03).
    last = shown if shown is not None or not task.statuses else task.statuses[-1]
    return TaskStatus(
        task_id=task.info.task_id,
        state=task.state if shown is None else shown.state,
        source=Source.MASTER,
        reason="REASON_RECONCILIATION",
        message="Reconciliation: Latest task state",
        agent_id=task.agent_id,
        timestamp=turn.now,
        healthy=None if last is None else last.healthy,
        check_status=None if last is None else last.check_status,
        container=None if last is None else last.container,
    )


def _unknown(
    turn: Turn,
    framework: Framework,
    task_id: TaskId,
    agent_id: AgentId | None,
    state: TaskState,
    message: str,
    unreachable_at: float | None = None,
) -> TaskStatus:
    """``state``, or LOST to a framework that does not tell them apart."""
    return TaskStatus(
        task_id=task_id,
        state=state if framework.info.has(PARTITION_AWARE) else TaskState.LOST,
        source=Source.MASTER,
        reason="REASON_RECONCILIATION",
        message=f"Reconciliation: {message}",
        agent_id=agent_id,
        timestamp=turn.now,
        unreachable_at=unreachable_at,
    )
