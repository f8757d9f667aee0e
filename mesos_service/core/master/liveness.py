"""Whether agents are there: links that break, pings, and what becomes of an agent that is gone.

Losing a connection is not losing an agent: it is offered to nobody until it registers again, and its tasks go on
(X23). Only when it leaves ``--max_agent_ping_timeouts`` pings unanswered, or stays away for
``--agent_reregister_timeout``, it is unreachable: that is stored first, and then its tasks are reported (X16).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mesos_service.core.effects import Persist, SendAgent
from mesos_service.core.events import Failure
from mesos_service.core.link import Ping
from mesos_service.core.master import books, offers, tasks
from mesos_service.core.master.deadlines import PingDue, ReregistrationOverdue
from mesos_service.core.master.state import Agent, Framework, MasterState, Task
from mesos_service.core.master.turn import Turn
from mesos_service.core.messages import LinkLost
from mesos_service.core.registry.operations import MarkAgentUnreachable, Operation, RemoveAgent
from mesos_service.domain.ids import AgentId
from mesos_service.domain.tasks import TERMINAL_STATES, TaskState

REASON_AGENT_REMOVED: Final = "REASON_AGENT_REMOVED"
UNREACHABLE_MAX: Final = 102_400
"""Unreachable agents remembered; the longest gone are forgotten first, and their tasks are then unknown (M-HA-09)."""


@dataclass(frozen=True, slots=True)
class Unreachable:
    """Waits for ``MarkAgentUnreachable`` to be stored."""

    agent_id: AgentId
    at: float
    message: str


@dataclass(frozen=True, slots=True)
class Removal:
    """Waits for ``RemoveAgent`` to be stored. ``fact`` is what is told then."""

    agent_id: AgentId
    message: str
    fact: str


# -- links ---------------------------------------------------------------------------------------------------


def on_link_lost(turn: Turn, message: LinkLost) -> None:
    """Every agent that the link carried is disconnected; one that has moved to another link is not on it any more."""
    state = turn.state
    state.registrations.pop(message.link_id, None)
    for agent_id in state.links.pop(message.link_id, {}):
        disconnect(turn, state.agents[agent_id])


def disconnect(turn: Turn, agent: Agent) -> None:
    """Its offers are taken back at once (as recorded of Mesos); tasks and executors stay."""
    state = turn.state
    agent.link_id = None
    agent.connected = False
    deactivate(turn, agent, "agent disconnected")
    state.timers.set(ReregistrationOverdue(agent.agent_id), turn.now + state.options.agent_reregister_timeout_seconds)
    turn.note("agent.disconnected", agent_id=agent.agent_id, hostname=agent.info.hostname)


def deactivate(turn: Turn, agent: Agent, reason: str) -> None:
    """Offer it to nobody."""
    if agent.active:
        agent.active = False
        turn.state.allocator.set_agent_active(agent.agent_id, False)
    offers.rescind_all(turn, agent.offers.values(), reason)


# -- pings ---------------------------------------------------------------------------------------------------


def on_ping_due(turn: Turn, deadline: PingDue) -> None:
    """Ask again, unless too many questions have gone unanswered."""
    state = turn.state
    agent = state.agents.get(deadline.agent_id)
    if agent is None or agent.agent_id in state.leaving:
        return
    if agent.pings_unanswered >= state.options.max_agent_ping_timeouts:
        mark_unreachable(turn, agent, "health check timed out")
        return
    agent.pings_unanswered += 1
    turn.tell_agent(agent, Ping(agent.connected))
    state.timers.set(deadline, turn.now + state.options.agent_ping_timeout_seconds)


def on_reregistration_overdue(turn: Turn, deadline: ReregistrationOverdue) -> None:
    agent = turn.state.agents.get(deadline.agent_id)
    if agent is not None and not agent.connected and agent.agent_id not in turn.state.leaving:
        mark_unreachable(turn, agent, "agent did not register again in time")


# -- leaving -------------------------------------------------------------------------------------------------


def persist(turn: Turn, operation: Operation, continuation: object) -> int:
    """Have an operation stored; ``registration.on_persisted`` goes on with the continuation."""
    state = turn.state
    state.operation_counter += 1
    number = state.operation_counter
    state.persisting[number] = (operation, continuation)
    turn.do(Persist(number, operation))
    return number


def mark_unreachable(turn: Turn, agent: Agent, message: str) -> None:
    """Offer it no more, and have the registry say that it is unreachable; its tasks are told of after that (X16)."""
    deactivate(turn, agent, "agent unreachable")
    waiting = Unreachable(agent.agent_id, turn.now, message)
    turn.state.leaving[agent.agent_id] = persist(turn, MarkAgentUnreachable(agent.agent_id, turn.now), waiting)


def begin_removal(turn: Turn, agent: Agent, message: str, fact: str) -> None:
    """The agent is not to come back under this id. Does nothing when it is on its way out already."""
    if agent.agent_id in turn.state.leaving:
        return
    deactivate(turn, agent, "agent removed")
    waiting = Removal(agent.agent_id, message, fact)
    turn.state.leaving[agent.agent_id] = persist(turn, RemoveAgent(agent.agent_id), waiting)


def on_unreachable_stored(turn: Turn, stored: Unreachable) -> None:
    """Its tasks may still run, but nobody knows (as recorded of Mesos)."""
    state = turn.state
    agent = state.agents[stored.agent_id]
    state.unreachable[stored.agent_id] = stored.at
    while len(state.unreachable) > UNREACHABLE_MAX:
        del state.unreachable[next(iter(state.unreachable))]
    hostname, link_id = agent.info.hostname, agent.link_id
    _remove(
        turn,
        agent,
        lambda framework: tasks.state_for(framework, TaskState.UNREACHABLE),
        stored.message,
        unreachable_at=stored.at,
    )
    turn.note("agent.unreachable", agent_id=stored.agent_id, hostname=hostname)
    if link_id is not None:
        # It hung, and its link is still open: once it goes on it has to learn that it must register again (X26).
        turn.do(SendAgent(link_id, stored.agent_id, Ping(connected=False)))


def on_removal_stored(turn: Turn, stored: Removal) -> None:
    """Its tasks are lost, whatever their framework knows of partitions."""
    state = turn.state
    agent = state.agents[stored.agent_id]
    hostname = agent.info.hostname
    _remove(turn, agent, lambda _: TaskState.LOST, stored.message)
    state.removed.append(stored.agent_id)
    turn.note(stored.fact, agent_id=stored.agent_id, hostname=hostname)


def _remove(
    turn: Turn,
    agent: Agent,
    fate: Callable[[Framework], TaskState],
    message: str,
    unreachable_at: float | None = None,
) -> None:
    """Take an agent out of the memory. Tasks are reported first, then the agent's end to every framework (X16)."""
    state = turn.state
    agent_id = agent.agent_id
    offers.rescind_all(turn, agent.offers.values(), message)
    state.allocator.remove_agent(agent_id)
    for framework_id, on_agent in list(agent.tasks.items()):
        framework = state.frameworks[framework_id]
        for task in list(on_agent.values()):
            alive = task.state not in TERMINAL_STATES
            if alive:
                tasks.declare(turn, framework, task, fate(framework), REASON_AGENT_REMOVED, message, unreachable_at)
            task.charged = books.NOTHING
            tasks.remove(framework, agent, task)
            if alive and unreachable_at is not None:
                _keep_unreachable(state, framework, task)
            else:
                framework.completed_tasks.append(task)
    for framework_id in agent.executors:
        state.frameworks[framework_id].executors.pop(agent_id, None)
    _forget(state, agent)
    for framework in state.frameworks.values():
        turn.tell(framework, Failure(agent_id))


def _keep_unreachable(state: MasterState, framework: Framework, task: Task) -> None:
    framework.unreachable_tasks[task.info.task_id] = task
    while len(framework.unreachable_tasks) > state.options.max_unreachable_tasks_per_framework:
        del framework.unreachable_tasks[next(iter(framework.unreachable_tasks))]


def _forget(state: MasterState, agent: Agent) -> None:
    agent_id = agent.agent_id
    state.leaving.pop(agent_id, None)
    state.touched.pop(agent_id, None)
    state.timers.cancel(PingDue(agent_id))
    state.timers.cancel(ReregistrationOverdue(agent_id))
    if agent.link_id is not None:
        del state.links[agent.link_id][agent_id]
    address = (agent.info.hostname, agent.info.port)
    at_address = state.addresses[address]
    del at_address[agent_id]
    if not at_address:
        del state.addresses[address]
    del state.agents[agent_id]
