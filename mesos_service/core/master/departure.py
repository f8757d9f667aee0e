"""Agents leave: they became unreachable, ended in an orderly way, were replaced, or an operator gave them up.

Registry first, memory second (X16): that an agent leaves is stored, and only then its tasks are reported and frameworks
hear of its end. In between it is in ``leaving``: offered to nobody, and not taken back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mesos_service.core.effects import SendAgent
from mesos_service.core.events import Failure
from mesos_service.core.link import Ping, ShutdownAgent
from mesos_service.core.master import addresses, books, copies, inverse_offers, offers, operations, settling, tasks
from mesos_service.core.master.deadlines import PingDue, ReregistrationOverdue
from mesos_service.core.master.state import Agent, Framework, MasterState, Task
from mesos_service.core.master.turn import Turn
from mesos_service.core.operator_messages import OperatorMarkGone
from mesos_service.core.registry.operations import MarkAgentGone, MarkAgentUnreachable, RemoveAgent
from mesos_service.domain.ids import AgentId, LinkId
from mesos_service.domain.tasks import TERMINAL_STATES, TaskState

REASON_AGENT_REMOVED: Final = "REASON_AGENT_REMOVED"
REASON_AGENT_REMOVED_BY_OPERATOR: Final = "REASON_AGENT_REMOVED_BY_OPERATOR"
MARKED_GONE: Final = "Agent has been marked gone"


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


@dataclass(frozen=True, slots=True)
class Gone:
    """Waits for ``MarkAgentGone`` to be stored; an operator may wait for the answer to ``request``."""

    agent_id: AgentId
    at: float
    request: int | None


# -- beginning -----------------------------------------------------------------------------------------------


def deactivate(turn: Turn, agent: Agent, reason: str) -> None:
    """Offer it to nobody."""
    if agent.active:
        agent.active = False
        turn.state.allocator.set_agent_active(agent.agent_id, False)
    offers.rescind_all(turn, agent.offers.values(), reason)


def mark_unreachable(turn: Turn, agent_id: AgentId, message: str) -> None:
    """Have the registry say that it is unreachable; ``removals`` says when. It may be one that is not back yet."""
    state = turn.state
    agent = state.agents.get(agent_id)
    if agent is not None:
        deactivate(turn, agent, "agent unreachable")
    operation = MarkAgentUnreachable(agent_id, turn.now)
    state.leaving[agent_id] = turn.persist(operation, Unreachable(agent_id, turn.now, message))


def begin_removal(turn: Turn, agent_id: AgentId, message: str, fact: str) -> None:
    """The agent is not to come back under this id. Does nothing when it is on its way out already."""
    state = turn.state
    if agent_id in state.leaving:
        return
    agent = state.agents.get(agent_id)
    if agent is not None:
        deactivate(turn, agent, "agent removed")
    state.removals.pop(agent_id, None)
    operation = RemoveAgent(agent_id)
    state.leaving[agent_id] = turn.persist(operation, Removal(agent_id, message, fact))


def on_mark_gone(turn: Turn, call: OperatorMarkGone) -> None:
    """An operator's word that an agent never comes back: the only way back is as a new agent (M-OM-13).

    Answered when it is stored; an agent that is gone already is answered at once. Whatever else is being stored about
    the agent comes first, and the agent is then taken out of wherever that has put it.
    """
    state = turn.state
    agent_id = call.agent_id
    if agent_id in state.gone:
        turn.reply(call.request, 200)
        return
    agent = state.agents.get(agent_id)
    if agent is None and agent_id not in state.recovered and agent_id not in state.unreachable:
        turn.reply(call.request, 404, f"Agent '{agent_id}' not found")
        return
    mark_gone(turn, agent_id, call.request)


def mark_gone(turn: Turn, agent_id: AgentId, request: int | None) -> None:
    """Have the registry say that it is gone, for an operator who waits, or has asked for it before."""
    state = turn.state
    agent = state.agents.get(agent_id)
    if agent is not None:
        deactivate(turn, agent, "agent marked gone")
    state.removals.pop(agent_id, None)
    operation = MarkAgentGone(agent_id, turn.now)
    state.leaving[agent_id] = turn.persist(operation, Gone(agent_id, turn.now, request))


# -- stored --------------------------------------------------------------------------------------------------


def on_unreachable_stored(turn: Turn, number: int, stored: Unreachable) -> None:
    """Its tasks may still run, but nobody knows (as recorded of Mesos)."""
    state = turn.state
    agent_id = stored.agent_id
    _left(state, agent_id, number)
    state.unreachable[agent_id] = stored.at
    agent = state.agents.get(agent_id)
    if agent is None:
        _lose_recovered(turn, agent_id, "agent.unreachable")
        turn.note("agent.not_returned", agent_id=agent_id)
        return
    hostname, link_id = agent.info.hostname, agent.link_id
    _remove(
        turn,
        agent,
        lambda framework: tasks.state_for(framework, TaskState.UNREACHABLE),
        REASON_AGENT_REMOVED,
        stored.message,
        unreachable_at=stored.at,
    )
    turn.note("agent.unreachable", agent_id=agent_id, hostname=hostname)
    if link_id is not None:
        # It hung, and its link is still open: once it goes on it has to learn that it must register again (X26).
        turn.do(SendAgent(link_id, agent_id, Ping(connected=False)))


def on_removal_stored(turn: Turn, number: int, stored: Removal) -> None:
    """Its tasks are lost, whatever their framework knows of partitions."""
    state = turn.state
    _left(state, stored.agent_id, number)
    state.deactivated.pop(stored.agent_id, None)
    agent = state.agents.get(stored.agent_id)
    if agent is None:
        _lose_recovered(turn, stored.agent_id, stored.fact)
        state.removed.append(stored.agent_id)
        return
    hostname = agent.info.hostname
    _remove(turn, agent, lambda _: TaskState.LOST, REASON_AGENT_REMOVED, stored.message)
    state.removed.append(stored.agent_id)
    turn.note(stored.fact, agent_id=stored.agent_id, hostname=hostname)


def on_gone_stored(turn: Turn, number: int, stored: Gone) -> None:
    """Its tasks are gone by the operator's word, those of frameworks that do not know of that are lost."""
    state = turn.state
    agent_id = stored.agent_id
    _left(state, agent_id, number)
    state.deactivated.pop(agent_id, None)
    if stored.request is not None:
        turn.reply(stored.request, 200)
    if agent_id in state.gone:
        return
    state.gone[agent_id] = stored.at
    agent = state.agents.get(agent_id)
    if agent is not None:
        hostname = agent.info.hostname
        if agent.link_id is not None:
            shut_down_gone(turn, agent.link_id, agent_id)
        _remove(
            turn,
            agent,
            lambda framework: tasks.state_for(framework, TaskState.GONE_BY_OPERATOR),
            REASON_AGENT_REMOVED_BY_OPERATOR,
            MARKED_GONE,
        )
        turn.note("agent.gone", agent_id=agent_id, hostname=hostname)
    elif agent_id in state.recovered:
        _lose_recovered(turn, agent_id, "agent.gone")
    else:
        state.unreachable.pop(agent_id, None)
        _give_up_unreachable_tasks(turn, agent_id)
        turn.note("agent.gone", agent_id=agent_id)


def shut_down_gone(turn: Turn, link_id: LinkId, agent_id: AgentId) -> None:
    """Tell an agent that was marked gone, and is there all the same, to end (X17)."""
    turn.do(SendAgent(link_id, agent_id, ShutdownAgent(MARKED_GONE)))


# -- within --------------------------------------------------------------------------------------------------


def _left(state: MasterState, agent_id: AgentId, number: int) -> None:
    """One thing that was to be stored is; the agent goes on leaving while another is under way."""
    if state.leaving.get(agent_id) == number:
        del state.leaving[agent_id]


def _lose_recovered(turn: Turn, agent_id: AgentId, fact: str) -> None:
    """One that never came back to this master, which does not know what ran on it: only its end can be told."""
    info = turn.state.recovered.pop(agent_id)
    addresses.strike(turn.state, agent_id, info)
    _tell_of_end(turn, agent_id)
    turn.note(fact, agent_id=agent_id, hostname=info.hostname)


def _tell_of_end(turn: Turn, agent_id: AgentId) -> None:
    for framework in turn.state.frameworks.values():
        turn.tell(framework, Failure(agent_id))


def _remove(
    turn: Turn,
    agent: Agent,
    fate: Callable[[Framework], TaskState],
    reason: str,
    message: str,
    unreachable_at: float | None = None,
) -> None:
    """Take an agent out of the memory. Tasks are reported first, then the agent's end to every framework (X16)."""
    state = turn.state
    agent_id = agent.agent_id
    offers.rescind_all(turn, agent.offers.values(), message)
    state.allocator.remove_agent(agent_id)
    inverse_offers.rescind(turn, agent_id)
    for framework_id, on_agent in list(agent.tasks.items()):
        framework = state.frameworks[framework_id]
        for task in list(on_agent.values()):
            alive = task.state not in TERMINAL_STATES
            if alive:
                tasks.declare(turn, framework, task, fate(framework), reason, message, unreachable_at)
            task.charged = books.NOTHING
            settling.remove(framework, agent, task)
            if alive and unreachable_at is not None:
                _keep_unreachable(state, framework, task)
            else:
                framework.completed_tasks.append(task)
    operations.lose_agent(turn, agent, unreachable_at is not None)
    for framework_id in agent.executors:
        state.frameworks[framework_id].executors.pop(agent_id, None)
    copies.forget_agent(turn, agent)
    _forget(state, agent)
    _tell_of_end(turn, agent_id)


def _keep_unreachable(state: MasterState, framework: Framework, task: Task) -> None:
    framework.unreachable_tasks[task.info.task_id] = task
    while len(framework.unreachable_tasks) > state.options.max_unreachable_tasks_per_framework:
        del framework.unreachable_tasks[next(iter(framework.unreachable_tasks))]


def _give_up_unreachable_tasks(turn: Turn, agent_id: AgentId) -> None:
    """Who was told UNREACHABLE may have waited for the agent to come back; who was told LOST has heard it all."""
    for framework in turn.state.frameworks.values():
        for task in [one for one in framework.unreachable_tasks.values() if one.agent_id == agent_id]:
            if task.state not in TERMINAL_STATES:
                state = tasks.state_for(framework, TaskState.GONE_BY_OPERATOR)
                tasks.declare(turn, framework, task, state, REASON_AGENT_REMOVED_BY_OPERATOR, MARKED_GONE)
            del framework.unreachable_tasks[task.info.task_id]
            framework.completed_tasks.append(task)


def _forget(state: MasterState, agent: Agent) -> None:
    agent_id = agent.agent_id
    state.touched.pop(agent_id, None)
    state.timers.cancel(PingDue(agent_id))
    state.timers.cancel(ReregistrationOverdue(agent_id))
    if agent.link_id is not None:
        del state.links[agent.link_id][agent_id]
    addresses.strike(state, agent_id, agent.info)
    del state.agents[agent_id]
