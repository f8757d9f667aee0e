"""Inverse offers: frameworks are asked to give back what they hold on machines that go (M-SE-08, M-SC-14).

Whoever holds resources on such a machine is asked, and asked again when its last answer has lapsed. Its answer is shown
to operators and binds nobody: when the time comes the machine goes (Mesos docs, "Maintenance").
"""

from __future__ import annotations

from mesos_service.core.events import InverseOffers, RescindInverseOffer
from mesos_service.core.master import machines, offers
from mesos_service.core.master.state import Framework, MasterState
from mesos_service.core.master.turn import Turn
from mesos_service.core.scheduler_messages import AnswerInverseOffers
from mesos_service.domain.ids import AgentId, FrameworkId, OfferId
from mesos_service.domain.machines import MachineMode
from mesos_service.domain.offers import InverseAnswer, InverseOffer


def send(turn: Turn) -> None:
    """Ask everybody who holds something where a machine goes, unless it has just answered or has yet to."""
    state = turn.state
    if not state.machines:
        return
    waiting = {(one.agent_id, one.framework_id) for one in state.inverse_offers.values()}
    made: dict[FrameworkId, list[InverseOffer]] = {}
    for agent in state.agents.values():
        machine = machines.of(state, agent.info)
        if machine is None or machine.mode is not MachineMode.DRAINING or not agent.connected:
            continue
        for framework_id in agent.used:
            key = (agent.agent_id, framework_id)
            answer = state.inverse_answers.get(key)
            if key in waiting or (answer is not None and turn.now < answer.asked_again_at):
                continue
            if not state.frameworks[framework_id].connected:
                continue
            one = InverseOffer(
                offer_id=OfferId(f"{state.master_id}-O{state.offer_counter}"),
                framework_id=framework_id,
                agent_id=agent.agent_id,
                unavailability=machine.unavailability,
            )
            state.offer_counter += 1
            state.inverse_offers[one.offer_id] = one
            made.setdefault(framework_id, []).append(one)
    for framework_id, found in made.items():
        turn.tell(state.frameworks[framework_id], InverseOffers(tuple(found)))


def on_answer(turn: Turn, framework: Framework, call: AnswerInverseOffers) -> None:
    """ACCEPT_INVERSE_OFFERS or DECLINE_INVERSE_OFFERS; of what is not outstanding any more nothing is heard."""
    state = turn.state
    turn.reply(call.request, 202)
    seconds = offers.refuse_seconds(call.filters, state.options.allocation_interval_seconds)
    for offer_id in call.offer_ids:
        found = state.inverse_offers.get(offer_id)
        if found is None or found.framework_id != framework.framework_id:
            turn.note("inverse_offer.answer_ignored", framework_id=framework.framework_id, offer_id=offer_id)
            continue
        del state.inverse_offers[offer_id]
        answer = InverseAnswer(call.accepted, turn.now, turn.now + seconds)
        state.inverse_answers[found.agent_id, found.framework_id] = answer


def rescind(turn: Turn, agent_id: AgentId) -> None:
    """What the agent's machine was said to be is no longer so: take the questions back, and forget the answers."""
    state = turn.state
    for one in [one for one in state.inverse_offers.values() if one.agent_id == agent_id]:
        del state.inverse_offers[one.offer_id]
        framework = state.frameworks.get(one.framework_id)
        if framework is not None:
            turn.tell(framework, RescindInverseOffer(one.offer_id))
    forget_agent(state, agent_id)


def forget_agent(state: MasterState, agent_id: AgentId) -> None:
    """It has left the memory."""
    for key in [key for key in state.inverse_answers if key[0] == agent_id]:
        del state.inverse_answers[key]


def forget_framework(state: MasterState, framework_id: FrameworkId) -> None:
    """Its stream has ended, so that it does not know what it was asked: it is asked again when it is back."""
    for offer_id in [one.offer_id for one in state.inverse_offers.values() if one.framework_id == framework_id]:
        del state.inverse_offers[offer_id]
