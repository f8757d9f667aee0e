"""Offers: what becomes of them once they are made. Accepted, declined, rescinded or run out (A40).

An offer ends in exactly one way, and in the same step everything it held is either used or free again. Offers die with
the connection of their framework and with that of their agent, and are never stored (X14g).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final, assert_never

from mesos_service.core.events import Rescind
from mesos_service.core.master import books, operations, reservations, validation
from mesos_service.core.master.launching import Launch, drop
from mesos_service.core.master.state import Framework, MasterState
from mesos_service.core.master.turn import Turn
from mesos_service.core.resource_messages import ResourceOperation
from mesos_service.core.scheduler_messages import (
    Accept,
    AcceptOperation,
    Decline,
    LaunchGroupOperation,
    LaunchOperation,
    UnsupportedOperation,
)
from mesos_service.core.trace import TraceParent
from mesos_service.domain.offers import Filters, Offer

REFUSE_SECONDS_DEFAULT: Final = 5.0
REFUSE_SECONDS_MAX: Final = 365 * 86400.0

HOLD: Final = 0.0
"""No filter, but not the same agent again before the next full pass."""


def refuse_seconds(filters: Filters, allocation_interval_seconds: float) -> float:
    """The length of a refusal filter, by the rules of X28.

    Negative, and what is no number: the default of 5 s. More than a year: a year. 0: no filter. Anything else lasts
    at least until the next full pass has seen it (MESOS-4302).
    """
    asked = filters.refuse_seconds
    if asked == 0:
        return HOLD
    if asked < 0 or math.isnan(asked):
        asked = REFUSE_SECONDS_DEFAULT
    return max(min(asked, REFUSE_SECONDS_MAX), allocation_interval_seconds)


# -- answers -------------------------------------------------------------------------------------------------


def on_decline(turn: Turn, framework: Framework, call: Decline) -> None:
    """Give the offers back with a filter; those that are not, or no more, this framework's are ignored (X14f)."""
    turn.reply(call.request, 202)
    seconds = refuse_seconds(call.filters, turn.state.options.allocation_interval_seconds)
    for offer_id in call.offer_ids:
        offer = framework.offers.get(offer_id)
        if offer is None:
            turn.note("offer.unknown", offer_id=offer_id, framework_id=framework.framework_id)
        else:
            _decline(turn, framework, offer, seconds, call.caller_trace)


def on_accept(turn: Turn, framework: Framework, call: Accept) -> None:
    """Do the operations in order on what the offers hold, and give back what is left (X14a-f).

    One invalid offer spoils the call: tasks are told so, and this framework's offers among those named are free again.
    """
    turn.reply(call.request, 202)
    state = turn.state
    refusal = validation.refuse_offers(state, framework, call.offer_ids)
    offers = [framework.offers[one] for one in dict.fromkeys(call.offer_ids) if one in framework.offers]
    if refusal is not None:
        # Held back until the next full pass, as in the recordings: a confused scheduler must not spin the master.
        for offer in offers:
            _decline(turn, framework, offer, HOLD, call.caller_trace)
        for operation in call.operations:
            if isinstance(operation, ResourceOperation | UnsupportedOperation):
                operations.refuse_with_offers(turn, framework, operation, refusal)
            else:
                drop(turn, framework, operation.tasks, "REASON_INVALID_OFFERS", _invalid_offers(refusal))
        return
    seconds = refuse_seconds(call.filters, state.options.allocation_interval_seconds)
    if not any(_uses(operation) for operation in call.operations):
        for operation in call.operations:
            if isinstance(operation, UnsupportedOperation):
                operations.refuse_unsupported(turn, framework, operation)
        for offer in offers:
            _decline(turn, framework, offer, seconds, call.caller_trace)
        return
    agent = state.agents[offers[0].agent_id]
    available = offers[0].resources
    for offer in offers[1:]:
        available = available + offer.resources
    for offer in offers:
        _accepted(turn, framework, offer, call.caller_trace)
    trace = _accept_span(turn, offers, call)
    launch = Launch(turn, framework, agent, offers[0].role, available, offers[0].offer_id, trace)
    conversions = reservations.Conversions(turn, framework, agent, offers[0].role, launch)
    for operation in call.operations:
        match operation:
            case LaunchOperation():
                launch.tasks(operation)
            case LaunchGroupOperation():
                launch.group(operation)
            case ResourceOperation():
                conversions.apply(operation)
            case UnsupportedOperation():
                operations.refuse_unsupported(turn, framework, operation)
            case _:
                assert_never(operation)
    conversions.finish(available)
    if launch.taken:
        books.use_offered(turn, framework.framework_id, agent, launch.taken)
    changed, untouched = conversions.split(launch.left)
    if changed:
        books.give_back(turn, framework.framework_id, agent, changed, None)
    if untouched:
        books.give_back(turn, framework.framework_id, agent, untouched, seconds)


# -- ends that nobody asked for ------------------------------------------------------------------------------


def rescind(turn: Turn, offer: Offer, reason: str) -> None:
    """Take an offer back: its framework is told, and gets no filter for it (X14g, X29)."""
    framework = turn.state.frameworks[offer.framework_id]
    framework.offers_rescinded += 1
    turn.tell(framework, Rescind(offer.offer_id))
    turn.note(
        "offer.rescinded",
        offer_id=offer.offer_id,
        framework_id=offer.framework_id,
        agent_id=offer.agent_id,
        reason=reason,
    )
    _end(turn, offer, "rescinded")
    books.give_back(turn, offer.framework_id, turn.state.agents[offer.agent_id], offer.resources, None)


def rescind_all(turn: Turn, offers: Iterable[Offer], reason: str) -> None:
    """Rescind several; the collection may be the very index they are taken out of."""
    for offer in list(offers):
        rescind(turn, offer, reason)


def discard_all(turn: Turn, framework: Framework) -> None:
    """The offers die with their framework's connection; there is nobody to tell (X18b)."""
    for offer in list(framework.offers.values()):
        turn.note("offer.discarded", offer_id=offer.offer_id, framework_id=offer.framework_id, agent_id=offer.agent_id)
        _end(turn, offer, "discarded")
        books.give_back(turn, offer.framework_id, turn.state.agents[offer.agent_id], offer.resources, None)


def rescind_expired(turn: Turn) -> None:
    """Rescind what has been left unanswered for ``--offer_timeout`` (A40)."""
    state = turn.state
    while (at := next_expiry(state)) is not None and at <= turn.now:
        _, offer_id = state.offer_expiries.popleft()
        rescind(turn, state.offers[offer_id], "timed out")


def next_expiry(state: MasterState) -> float | None:
    """When the next offer runs out, unix seconds; forgets those that have been answered since."""
    expiries = state.offer_expiries
    while expiries:
        at, offer_id = expiries[0]
        if offer_id in state.offers:
            return at
        expiries.popleft()
    return None


# -- within --------------------------------------------------------------------------------------------------


def _decline(turn: Turn, framework: Framework, offer: Offer, seconds: float, caller_trace: TraceParent | None) -> None:
    framework.offers_declined += 1
    turn.note(
        "offer.declined",
        offer_id=offer.offer_id,
        framework_id=offer.framework_id,
        agent_id=offer.agent_id,
        refuse_seconds=seconds,
    )
    _end(turn, offer, "declined", caller_trace)
    books.give_back(turn, offer.framework_id, turn.state.agents[offer.agent_id], offer.resources, seconds)


def _accepted(turn: Turn, framework: Framework, offer: Offer, caller_trace: TraceParent | None) -> None:
    framework.offers_accepted += 1
    turn.note("offer.accepted", offer_id=offer.offer_id, framework_id=offer.framework_id, agent_id=offer.agent_id)
    _end(turn, offer, "accepted", caller_trace)


def _end(turn: Turn, offer: Offer, outcome: str, caller_trace: TraceParent | None = None) -> None:
    books.remove_offer(turn.state, offer)
    if offer.trace is not None:
        turn.span(
            "master.offer",
            TraceParent(offer.trace),
            None,
            offer.offered_at,
            {
                "offer_id": offer.offer_id,
                "framework_id": offer.framework_id,
                "agent_id": offer.agent_id,
                "outcome": outcome,
            },
            link=caller_trace,
        )


def _accept_span(turn: Turn, offers: list[Offer], call: Accept) -> TraceParent | None:
    """The story goes on in the first offer's trace."""
    if offers[0].trace is None:
        return None
    parent = TraceParent(offers[0].trace)
    trace = turn.new_span(parent)
    turn.span(
        "master.accept",
        trace,
        parent,
        turn.now,
        {"framework_id": call.framework_id, "offers": len(offers), "operations": len(call.operations)},
        link=call.caller_trace,
    )
    return trace


def _uses(operation: AcceptOperation) -> bool:
    """Whether anything may come of it; a call of which nothing can declines its offers (X14f)."""
    match operation:
        case ResourceOperation():
            return True
        case UnsupportedOperation():
            return False
        case _:
            return bool(operation.tasks)


def _invalid_offers(refusal: str) -> str:
    return f"Task launched with invalid offers: {refusal}"
