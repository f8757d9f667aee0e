"""What agents lend beside their own: revocable resources that come and go with what their tasks use (M-AG-26, M-AL-19).

They are part of an agent's total, and the allocator grants them like all else, to frameworks that know them. An agent
says anew how much it lends whenever that changes, so that less than it said before is nothing unusual: then offers are
taken back, as many as no longer fit and those made last first; what is in use stays so, and nothing is free until
enough of it has ended. Mesos takes back every offer with something revocable in it, whatever changed.
"""

from __future__ import annotations

from mesos_service.core.link import OversubscriptionChanged
from mesos_service.core.master import books, offers
from mesos_service.core.master.state import Agent
from mesos_service.core.master.turn import Turn
from mesos_service.core.oversubscription.estimators import refuse_lent
from mesos_service.domain.ids import AgentId
from mesos_service.domain.resources import Resources


def on_changed(turn: Turn, agent: Agent, message: OversubscriptionChanged) -> None:
    """The agent lends more or less than before."""
    if take(turn, agent, message.oversubscribed):
        books.touch(turn, agent.agent_id)


def lawful(turn: Turn, agent_id: AgentId, oversubscribed: Resources) -> Resources:
    """What an agent that comes says that it lends; nothing, where that cannot be lent."""
    return oversubscribed if _is_lawful(turn, agent_id, oversubscribed) else Resources.EMPTY


def take(turn: Turn, agent: Agent, oversubscribed: Resources) -> bool:
    """Bring the books in line with what the agent lends; whether anything changed. What cannot be lent is ignored."""
    if oversubscribed == agent.oversubscribed or not _is_lawful(turn, agent.agent_id, oversubscribed):
        return False
    total = agent.total - agent.oversubscribed + oversubscribed
    _rescind_beyond(turn, agent, total.revocable())
    agent.total, agent.oversubscribed = total, oversubscribed
    books.count_free(agent)
    turn.state.allocator.update_agent(books.view(agent))
    turn.note("agent.oversubscribed", agent_id=agent.agent_id, oversubscribed=str(oversubscribed))
    return True


def _is_lawful(turn: Turn, agent_id: AgentId, oversubscribed: Resources) -> bool:
    refusal = refuse_lent(oversubscribed)
    if refusal is not None:
        turn.note("oversubscription.refused", agent_id=agent_id, lendable=str(oversubscribed), reason=refusal)
    return refusal is None


def _rescind_beyond(turn: Turn, agent: Agent, revocable: Resources) -> None:
    left = revocable
    for used in agent.used.values():
        left, _ = left.without(used.revocable().unallocated())
    for offer in list(agent.offers.values()):
        offered = offer.resources.revocable().unallocated()
        if not offered:
            continue
        if left.contains(offered):
            left -= offered
        else:
            offers.rescind(turn, offer, "agent lends less")
