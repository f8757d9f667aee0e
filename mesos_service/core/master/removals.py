"""How many agents may become unreachable in how much time (``--agent_removal_rate_limit``, M-HA-06).

A broken network switch looks like the death of many agents at once, and rescheduling all that ran on them may do more
harm than waiting. Without a limit an agent is marked as soon as it is due; with one, it waits for its turn, and a sign
of life in the meantime strikes it out.
"""

from __future__ import annotations

from mesos_service.core.master import departure
from mesos_service.core.master.deadlines import RemovalDue
from mesos_service.core.master.turn import Turn
from mesos_service.domain.ids import AgentId


def schedule(turn: Turn, agent_id: AgentId, message: str) -> None:
    """Mark an agent of ``agents`` or ``recovered`` unreachable as soon as the limit allows; ``message`` says why.

    Does nothing for one that is scheduled, or leaving, already.
    """
    state = turn.state
    if agent_id in state.leaving or agent_id in state.removals:
        return
    turn.note("agent.removal_scheduled", agent_id=agent_id, reason=message)
    if state.options.agent_removal_interval_seconds is None:
        departure.mark_unreachable(turn, agent_id, message)
        return
    state.removals[agent_id] = message
    if turn.now >= state.removal_allowed_at:
        on_removal_due(turn)
        return
    if len(state.removals) == 1:
        state.timers.set(RemovalDue(), state.removal_allowed_at)


def cancel(turn: Turn, agent_id: AgentId) -> None:
    """The agent has given a sign of life; does nothing for one that was not scheduled."""
    state = turn.state
    if state.removals.pop(agent_id, None) is None:
        return
    if not state.removals:
        state.timers.cancel(RemovalDue())
    turn.note("agent.removal_cancelled", agent_id=agent_id)


def on_removal_due(turn: Turn) -> None:
    """Let the longest waiting one through."""
    state = turn.state
    interval = state.options.agent_removal_interval_seconds
    agent_id = next(iter(state.removals), None)
    if agent_id is None or interval is None:
        return
    message = state.removals.pop(agent_id)
    state.removal_allowed_at = turn.now + interval
    if state.removals:
        state.timers.set(RemovalDue(), state.removal_allowed_at)
    departure.mark_unreachable(turn, agent_id, message)
