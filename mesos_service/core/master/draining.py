"""Agents that operators take out of use: deactivated, draining, drained, and back again (M-OM-12, M-AG-25).

A deactivated agent is offered to nobody, and its tasks run on. Draining is more: all its tasks are killed, and when the
ends of all of them are acknowledged it is drained, and gone if the operator wanted that (Mesos docs, "Maintenance").
Registry first, memory second (X16): what was asked holds through lost connections, unreachability and failovers, so
that each master that finds an agent in the registry's list goes on with it where the one before stopped. Kills are kept
as those of frameworks are, and repeated when the agent registers again (X21).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mesos_service.core.link import UpdateStatus
from mesos_service.core.master import books, departure, tasks
from mesos_service.core.master.state import Agent, MasterState, Task
from mesos_service.core.master.turn import Turn
from mesos_service.core.operator_messages import OperatorDeactivate, OperatorDrain, OperatorReactivate
from mesos_service.core.registry.operations import DeactivateAgent, MarkAgentDrained, ReactivateAgent
from mesos_service.domain.agents import Deactivation
from mesos_service.domain.frameworks import PARTITION_AWARE
from mesos_service.domain.ids import AgentId
from mesos_service.domain.tasks import TERMINAL_STATES, TaskState, TaskStatus

REASON_AGENT_DRAINING = "REASON_AGENT_DRAINING"
UNKNOWN = "Unknown agent"
NOT_DEACTIVATED = "Agent is not deactivated"
STILL_DRAINING = "Agent is still draining; its tasks are being killed, and cannot be saved any more"


@dataclass(frozen=True, slots=True)
class Stored:
    """Waits for ``DeactivateAgent`` to be stored; an operator waits for the answer to ``request``."""

    agent_id: AgentId
    deactivation: Deactivation
    request: int


@dataclass(frozen=True, slots=True)
class Drained:
    """Waits for ``MarkAgentDrained`` to be stored."""

    agent_id: AgentId


@dataclass(frozen=True, slots=True)
class Reactivation:
    """Waits for ``ReactivateAgent`` to be stored; an operator waits for the answer to ``request``."""

    agent_id: AgentId
    request: int


# -- what operators ask ----------------------------------------------------------------------------------------


def on_deactivate(turn: Turn, call: OperatorDeactivate) -> None:
    """Offer the agent to nobody; one that is out of use already, for whichever reason, stays as it is."""
    state = turn.state
    if not _is_known(state, call.agent_id):
        turn.reply(call.request, 400, UNKNOWN)
    elif call.agent_id in state.deactivated:
        turn.reply(call.request, 200)
    else:
        _store(turn, call.agent_id, Deactivation(since=turn.now), call.request)


def on_drain(turn: Turn, call: OperatorDrain) -> None:
    """Deactivate the agent and kill what runs there. Asked again, the later word counts: a shorter grace hurries."""
    if not _is_known(turn.state, call.agent_id):
        turn.reply(call.request, 400, UNKNOWN)
    else:
        _store(turn, call.agent_id, Deactivation(since=turn.now, drain=call.drain), call.request)


def on_reactivate(turn: Turn, call: OperatorReactivate) -> None:
    """Offer the agent again. While it drains that is refused: half of its tasks would be dead."""
    found = turn.state.deactivated.get(call.agent_id)
    if not _is_known(turn.state, call.agent_id):
        turn.reply(call.request, 400, UNKNOWN)
    elif found is None:
        turn.reply(call.request, 400, NOT_DEACTIVATED)
    elif found.is_draining:
        turn.reply(call.request, 409, STILL_DRAINING)
    else:
        turn.persist(ReactivateAgent(call.agent_id), Reactivation(call.agent_id, call.request))


def _is_known(state: MasterState, agent_id: AgentId) -> bool:
    return agent_id in state.agents or agent_id in state.recovered or agent_id in state.unreachable


def _store(turn: Turn, agent_id: AgentId, deactivation: Deactivation, request: int) -> None:
    turn.persist(DeactivateAgent(agent_id, deactivation), Stored(agent_id, deactivation, request))


# -- stored --------------------------------------------------------------------------------------------------


def on_stored(turn: Turn, stored: Stored) -> None:
    state, agent_id = turn.state, stored.agent_id
    turn.reply(stored.request, 200)
    if not _is_known(state, agent_id):
        return  # It was removed or given up meanwhile, and whoever asked for that had it stored first.
    state.deactivated[agent_id] = stored.deactivation
    turn.note("agent.draining" if stored.deactivation.drain else "agent.deactivated", agent_id=agent_id)
    agent = state.agents.get(agent_id)
    if agent is not None:
        hold_back(turn, agent)


def on_reactivation_stored(turn: Turn, stored: Reactivation) -> None:
    state, agent_id = turn.state, stored.agent_id
    turn.reply(stored.request, 200)
    if state.deactivated.pop(agent_id, None) is None:
        return
    turn.note("agent.reactivated", agent_id=agent_id)
    agent = state.agents.get(agent_id)
    if agent is not None and agent.connected and agent_id not in state.leaving:
        agent.active = True
        state.allocator.set_agent_active(agent_id, True)
        books.touch(turn, agent_id)


def on_drained_stored(turn: Turn, stored: Drained) -> None:
    found = turn.state.deactivated.get(stored.agent_id)
    if found is None or found.drain is None:
        return
    turn.state.deactivated[stored.agent_id] = replace(found, drained=True)
    turn.note("agent.drained", agent_id=stored.agent_id)
    if found.drain.mark_gone:
        departure.mark_gone(turn, stored.agent_id, None)


# -- as long as it lasts ---------------------------------------------------------------------------------------


def hold_back(turn: Turn, agent: Agent) -> None:
    """An agent that is there is out of use: offer it to nobody, and if it drains kill all that it has."""
    found = turn.state.deactivated.get(agent.agent_id)
    if found is None:
        return
    departure.deactivate(turn, agent, "agent deactivated")
    if found.drain is None:
        return
    for on_agent in agent.tasks.values():
        for task in on_agent.values():
            if task.state not in TERMINAL_STATES:
                _kill(turn, agent, task, found.drain.max_grace_seconds)
    see_to(turn, agent.agent_id)


def _kill(turn: Turn, agent: Agent, task: Task, grace_seconds_max: float | None) -> None:
    own, key = task.info.kill_grace_seconds, (task.framework_id, task.info.task_id)
    # None leaves the grace to the task's own policy, which the agent knows.
    grace = grace_seconds_max if own is None or grace_seconds_max is None else min(own, grace_seconds_max)
    agent.pending_kills[key] = grace
    tasks.send_kill(turn, agent, task.framework_id, task.info.task_id, grace)


def see_to(turn: Turn, agent_id: AgentId | None) -> None:
    """Something about the agent has changed: whether it is drained now. Cheap for one that does not drain."""
    state = turn.state
    if agent_id is None or agent_id not in state.deactivated:
        return
    agent = state.agents.get(agent_id)
    if (
        agent is None
        or agent.tasks
        or agent.copies
        or not agent.connected
        or not state.deactivated[agent_id].is_draining
    ):
        return
    if not any(isinstance(one, Drained) and one.agent_id == agent_id for _, one in state.persisting.values()):
        turn.persist(MarkAgentDrained(agent_id), Drained(agent_id))


def see_to_all(turn: Turn) -> None:
    """A framework is gone with all its tasks, wherever they were."""
    for agent_id in list(turn.state.deactivated):
        see_to(turn, agent_id)


def explained(turn: Turn, agent: Agent, message: UpdateStatus) -> UpdateStatus:
    """What an agent that drains says of a kill, with the reason for it (as recorded of Mesos).

    With ``mark_gone`` its tasks are gone for whoever knows that state: nobody is going to find them there again.
    """
    found = turn.state.deactivated.get(agent.agent_id)
    if found is None or found.drain is None or message.status.state not in (TaskState.KILLING, TaskState.KILLED):
        return message
    framework = turn.state.frameworks.get(message.framework_id)
    gone = found.drain.mark_gone and framework is not None and framework.info.has(PARTITION_AWARE)

    def fate(state: TaskState) -> TaskState:
        return TaskState.GONE_BY_OPERATOR if gone and state is TaskState.KILLED else state

    status: TaskStatus = replace(message.status, state=fate(message.status.state), reason=REASON_AGENT_DRAINING)
    latest = None if message.latest_state is None else fate(message.latest_state)
    return replace(message, status=status, latest_state=latest)
