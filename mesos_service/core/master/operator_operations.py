"""Reservations and volumes by operators (M-OM-09, M-OM-10, M-LE-02).

They take what nobody uses: what is free, and what offers hold, which are rescinded as far as it takes.
"""

from __future__ import annotations

from mesos_service.core.master import books, offers, operation_validation
from mesos_service.core.master.reservations import tell_agent
from mesos_service.core.master.state import Agent
from mesos_service.core.master.turn import Turn
from mesos_service.core.resource_messages import OperatorOperation
from mesos_service.domain.operations import Conversion, conversions, convert, mapped, name_of
from mesos_service.domain.resources import Resources, ResourcesError


def on_operator_operation(turn: Turn, call: OperatorOperation) -> None:
    """Do it with what is free, and with what offers hold, which are rescinded as far as needed (as in Mesos).

    When even all of them would not do, none is touched.
    """
    state = turn.state
    agent = state.agents.get(call.agent_id)
    if agent is None:
        turn.reply(call.request, 400, "No agent found with specified ID")
        return
    name = name_of(call.operation)
    operation = mapped(call.operation, Resources.unallocated)
    reason = call.refusal or operation_validation.refuse(operation, agent, call.principal)
    if reason is not None:
        turn.reply(call.request, 400, f"Invalid {name} operation on agent {agent.agent_id}: {reason}")
        return
    if not agent.connected or agent.agent_id in state.leaving:
        turn.reply(call.request, 409, f"Agent {agent.agent_id} is not connected, or about to leave")
        return
    changes = conversions(operation)
    available = agent.free
    for offer in agent.offers.values():
        available = available + offer.resources.unallocated()
    try:
        convert(available, changes)
    except ResourcesError as short:
        turn.reply(call.request, 409, str(short))
        return
    _make_room(turn, agent, changes)
    for change in changes:
        books.convert_free(turn, agent, change)
    tell_agent(turn, agent, operation, None, None)
    turn.reply(call.request, 202)
    turn.note("operation.accepted", agent_id=agent.agent_id, type=name, by=call.principal or "operator")


def _make_room(turn: Turn, agent: Agent, changes: list[Conversion]) -> None:
    """Rescind offers one by one until what is free will do; those that hold nothing of what is short are kept."""
    needed = Resources.EMPTY
    for change in changes:
        needed = needed + change.consumed
    for offer in list(agent.offers.values()):
        short = agent.free.shortage(needed)
        held = offer.resources.unallocated()
        if _fits(agent.free, changes):
            return
        if held.shortage(short) != short:
            offers.rescind(turn, offer, "an operator needs what it holds")


def _fits(free: Resources, changes: list[Conversion]) -> bool:
    try:
        convert(free, changes)
    except ResourcesError:
        return False
    return True
