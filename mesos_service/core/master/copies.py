"""Tasks whose id stands for another task now: which of two is meant, and what becomes of the other.

A master that does not know of a task lets its id be used again: a new leader before the task's agent is back, or one
that has forgotten what was unreachable. When that agent returns there are two processes and one id. The framework means
the one that it launched last, which is the one that is known; what comes back is a *copy*. It holds resources like any
other task until it has ended (X15, X17), it is killed at once, and again whenever its agent registers, and nobody is
told of it: to the framework its end would be that of the task that runs. So the master acknowledges what is said of it.
"""

from __future__ import annotations

from mesos_service.core.link import AcknowledgeUpdate, TaskReport, UpdateStatus
from mesos_service.core.master import books, settling
from mesos_service.core.master.state import Agent, Framework, Task
from mesos_service.core.master.turn import Turn
from mesos_service.domain.ids import FrameworkId, TaskId
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TERMINAL_STATES


def is_copy(framework: Framework, agent: Agent, task_id: TaskId) -> bool:
    """Whether what ``agent`` runs under this id is not the task that the framework means."""
    known = framework.tasks.get(task_id) or framework.unreachable_tasks.get(task_id)
    return known is not None and known.agent_id != agent.agent_id


def find(agent: Agent, framework_id: FrameworkId, task_id: TaskId) -> Task | None:
    return agent.copies.get(framework_id, {}).get(task_id)


def take_in(turn: Turn, framework: Framework, agent: Agent, report: TaskReport, resources: Resources) -> bool:
    """Enter what has come back, and have it killed; the sums are the caller's. Whether it holds anything."""
    framework_id, task_id = report.framework_id, report.info.task_id
    over = report.state in TERMINAL_STATES
    agent.copies.setdefault(framework_id, {})[task_id] = Task(
        info=report.info,
        framework_id=framework_id,
        agent_id=agent.agent_id,
        executor_id=report.executor_id,
        state=report.state,
        launched_at=turn.now,
        charged=books.NOTHING if over else resources,
    )
    framework.copies[agent.agent_id] = None
    if not over:
        agent.pending_kills[framework_id, task_id] = None
    turn.note("task.duplicate", framework_id=framework_id, task_id=task_id, agent_id=agent.agent_id)
    return not over and bool(resources)


def on_update(turn: Turn, framework: Framework, agent: Agent, message: UpdateStatus) -> bool:
    """Take what an agent says of a copy; whether it was one, and so is done with.

    It may be one that was never taken in: the end of a former task, whose acknowledgement got lost on its way.
    """
    status = message.status
    copy = find(agent, framework.framework_id, status.task_id)
    if copy is None and not is_copy(framework, agent, status.task_id):
        return False
    if copy is not None:
        settling.take_state(turn, agent, copy, message.latest_state or status.state)
    if status.uuid is not None:
        turn.tell_agent(
            agent,
            AcknowledgeUpdate(framework_id=framework.framework_id, task_id=status.task_id, uuid=status.uuid),
        )
    if copy is not None and status.state in TERMINAL_STATES:
        strike(turn, framework, agent, status.task_id)
    return True


def compare(turn: Turn, agent: Agent, reported: set[tuple[FrameworkId, TaskId]]) -> None:
    """Strike out copies that an agent which has come back does not name any more."""
    for framework_id, copies in list(agent.copies.items()):
        for task_id in list(copies):
            if (framework_id, task_id) not in reported:
                strike(turn, turn.state.frameworks[framework_id], agent, task_id)


def strike(turn: Turn, framework: Framework, agent: Agent, task_id: TaskId) -> None:
    """It has ended, or is not there."""
    framework_id = framework.framework_id
    copies = agent.copies[framework_id]
    copy = copies.pop(task_id)
    if not copies:
        del agent.copies[framework_id]
        del framework.copies[agent.agent_id]
    if copy.charged:
        settling.settle(turn, agent, copy)
    agent.pending_kills.pop((framework_id, task_id), None)


def forget_agent(turn: Turn, agent: Agent) -> None:
    """The agent leaves the memory, and its books with it."""
    for framework_id in agent.copies:
        del turn.state.frameworks[framework_id].copies[agent.agent_id]


def forget_framework(framework: Framework, agent: Agent) -> None:
    """The framework leaves the memory; whoever calls releases all that it held on the agent."""
    for task_id in agent.copies.pop(framework.framework_id, {}):
        agent.pending_kills.pop((framework.framework_id, task_id), None)
    framework.copies.pop(agent.agent_id, None)
