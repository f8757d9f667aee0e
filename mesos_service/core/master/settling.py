"""What the latest state of a task does to the books: resources are free as soon as it is terminal (X08).

What a framework is shown of a task is another matter (``tasks``), and may lag behind.
"""

from __future__ import annotations

from mesos_service.core import task_states
from mesos_service.core.master import books
from mesos_service.core.master.state import Agent, Framework, Task
from mesos_service.core.master.turn import Turn
from mesos_service.domain.tasks import TERMINAL_STATES, TaskState


def take_state(turn: Turn, agent: Agent, task: Task, latest: TaskState) -> None:
    """Believe the agent's latest word on a task where the table of states allows it, and free what it held."""
    if not task_states.may_follow(task.state, latest):
        if latest is not task.state:
            turn.note("task.state_ignored", task_id=task.info.task_id, state=latest, held=task.state)
        return
    task.state = latest
    if latest in TERMINAL_STATES:
        settle(turn, agent, task)


def settle(turn: Turn, agent: Agent, task: Task) -> None:
    """The task's latest state is terminal: it holds nothing any more."""
    charged = task.charged
    task.charged = books.NOTHING
    agent.pending_kills.pop((task.framework_id, task.info.task_id), None)
    books.release(turn, task.framework_id, agent, charged)


def remove(framework: Framework, agent: Agent, task: Task) -> None:
    """Take a task out of the memory; whoever calls has settled it and keeps it elsewhere."""
    task_id = task.info.task_id
    del framework.tasks[task_id]
    on_agent = agent.tasks[framework.framework_id]
    del on_agent[task_id]
    if not on_agent:
        del agent.tasks[framework.framework_id]
    agent.pending_kills.pop((framework.framework_id, task_id), None)
