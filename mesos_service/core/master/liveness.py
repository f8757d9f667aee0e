"""Whether agents are there: links that break, and pings.

Losing a connection is not losing an agent: it is offered to nobody until it registers again, and its tasks go on
(X23). Only when it leaves ``--max_agent_ping_timeouts`` pings unanswered, or stays away for
``--agent_reregister_timeout``, it is to be marked unreachable (``removals``, ``departure``).
"""

from __future__ import annotations

from mesos_service.core.link import Ping
from mesos_service.core.master import departure, removals
from mesos_service.core.master.deadlines import PingDue, ReregistrationOverdue
from mesos_service.core.master.state import Agent
from mesos_service.core.master.turn import Turn
from mesos_service.core.messages import LinkLost


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
    departure.deactivate(turn, agent, "agent disconnected")
    state.timers.set(ReregistrationOverdue(agent.agent_id), turn.now + state.options.agent_reregister_timeout_seconds)
    turn.note("agent.disconnected", agent_id=agent.agent_id, hostname=agent.info.hostname)


def on_ping_due(turn: Turn, deadline: PingDue) -> None:
    """Ask again. One that has left too many questions unanswered is asked on while it waits for its removal: an answer
    still saves it."""
    state = turn.state
    agent = state.agents.get(deadline.agent_id)
    if agent is None:
        return
    if agent.pings_unanswered >= state.options.max_agent_ping_timeouts:
        removals.schedule(turn, agent.agent_id, "health check timed out")
    if agent.agent_id in state.leaving:
        return
    agent.pings_unanswered += 1
    turn.tell_agent(agent, Ping(agent.connected))
    state.timers.set(deadline, turn.now + state.options.agent_ping_timeout_seconds)


def on_pong(turn: Turn, agent: Agent) -> None:
    """It lives, and was not removed in time (M-HA-05)."""
    agent.pings_unanswered = 0
    removals.cancel(turn, agent.agent_id)


def on_reregistration_overdue(turn: Turn, deadline: ReregistrationOverdue) -> None:
    agent = turn.state.agents.get(deadline.agent_id)
    if agent is not None and not agent.connected:
        removals.schedule(turn, agent.agent_id, "agent did not register again in time")
