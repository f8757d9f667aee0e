"""What this agent lends: revocable resources beside its own, of which the master is told (M-AG-26).

What is told is the estimate, and beyond it whatever is lent already: an estimate that shrinks takes nothing from
anybody, and the master's books must not be short of what runs here (Mesos docs, oversubscription).
"""

from __future__ import annotations

from mesos_service.core.agent.state import AgentState, ExecutorState
from mesos_service.core.agent.turn import Turn
from mesos_service.core.agent_messages import OversubscriptionEstimated
from mesos_service.core.link import OversubscriptionChanged
from mesos_service.core.oversubscription.estimators import refuse_lent
from mesos_service.domain.resources import Resources


def current(state: AgentState) -> Resources:
    """All that is lent or may be."""
    held = Resources.EMPTY
    for framework in state.frameworks.values():
        for executor in framework.executors.values():
            if executor.state is not ExecutorState.TERMINATED:
                held += executor.resources.revocable()
    # What the agent was configured with may be revocable, too, and is told as its own.
    held = state.total.shortage(held.unallocated())
    return state.lendable + state.lendable.shortage(held)


def on_estimated(turn: Turn, message: OversubscriptionEstimated) -> None:
    """Take the estimator's answer, and tell the master of it where it makes a difference."""
    refusal = refuse_lent(message.lendable)
    if refusal is not None:
        turn.note("oversubscription.refused", lendable=str(message.lendable), reason=refusal)
        return
    turn.state.lendable = message.lendable
    tell(turn)


def tell(turn: Turn) -> None:
    """Tell the master what is lent, where it was told something else; registering tells it, too."""
    state = turn.state
    if not state.registered:
        return
    lent = current(state)
    if lent != state.oversubscribed:
        state.oversubscribed = lent
        turn.note("oversubscription.changed", oversubscribed=str(lent))
        turn.tell_master(OversubscriptionChanged(lent))
