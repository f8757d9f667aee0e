"""Allocation passes: the allocator's grants become offers (M-AL-01, B32, A19).

Events only mark what they touched; the pass runs with the next tick, so that everything that happened in one turn of
the loop is decided together, and once. Every ``--allocation_interval`` all agents are looked at, because time alone
changes verdicts: refusal filters end.

While ``outstanding_offers_max`` offers wait for an answer no more are made. What was gathered then waits for the next
event, and any answer is one.
"""

from __future__ import annotations

from mesos_service.core.allocation import reasons
from mesos_service.core.events import Offers
from mesos_service.core.master import books, explaining, inverse_offers, journal
from mesos_service.core.master.shadow import Followed
from mesos_service.core.master.state import Agent, Framework, MasterState
from mesos_service.core.master.turn import Turn
from mesos_service.core.trace import child_of, start_trace
from mesos_service.domain.ids import FrameworkId, OfferId
from mesos_service.domain.offers import Offer
from mesos_service.domain.resources import Resources
from mesos_service.domain.roles import is_strict_subrole
from mesos_service.plugins.allocator import Grant


def plan(state: MasterState, now: float) -> None:
    """Start the clock of full passes: there is somebody to serve. Does nothing where it runs already."""
    if state.full_pass_due_at is None:
        state.full_pass_due_at = now + state.options.allocation_interval_seconds


def run_due(turn: Turn) -> None:
    """Run the pass that is due, if one is."""
    state, now = turn.state, turn.now
    if state.full_pass_due_at is not None and state.full_pass_due_at <= now:
        interval = state.options.allocation_interval_seconds
        following = state.full_pass_due_at + interval
        wanted_at = state.full_pass_due_at
        # After a long pause one pass is enough; the rhythm begins anew.
        state.full_pass_due_at = following if following > now else now + interval
        state.full_pass_wanted = True
        inverse_offers.send(turn)
    elif state.pass_due_at is None or state.pass_due_at > now:
        return
    else:
        wanted_at = state.pass_due_at
    state.pass_due_at, state.passed_at = None, now
    journal.hand_over(turn)
    if state.allocator.broken:
        # What was touched is looked at by the full pass with which the next instance begins.
        if explaining.is_asked(state):
            explaining.answer_without_pass(turn, reasons.allocator_failed(state.allocator.name))
        return
    room = state.options.outstanding_offers_max - len(state.offers)
    if room > 0:
        _run(turn, room, wanted_at)
    elif explaining.is_asked(state):
        explaining.answer_without_pass(turn, reasons.pass_full(state.options.outstanding_offers_max))


def _run(turn: Turn, room: int, wanted_at: float) -> None:
    state = turn.state
    agents = None if state.full_pass_wanted else tuple(state.touched)
    state.touched.clear()
    state.full_pass_wanted = False
    heard = explaining.listener(state) if agents is None else None
    grants = state.allocator.allocate(turn.now, state.random, agents=agents, limit=room, observer=heard)
    turn.note("allocation.ran", seconds=state.allocator.took_seconds, waited_seconds=turn.now - wanted_at)
    made: dict[FrameworkId, list[Offer]] = {}
    offered: list[Grant] = []
    for grant in grants:
        offer = _make_offer(turn, grant)
        if offer is not None:
            made.setdefault(grant.framework_id, []).append(offer)
            offered.append(grant)
    for framework_id, offers in made.items():
        turn.tell(state.frameworks[framework_id], Offers(tuple(offers)))
    if isinstance(state.allocator, Followed) and not state.allocator.broken:
        same = state.allocator.shadow.follow(turn.now, state.allocator.drawn, agents, room, offered)
        if same is False:
            turn.note("shadow.differed", allocator=state.allocator.name, shadow=state.allocator.shadow.guard.name)
    journal.hand_over(turn)
    if heard is not None and state.allocator.broken:
        explaining.answer_without_pass(turn, reasons.allocator_failed(state.allocator.name))
    elif heard is not None:
        explaining.answer(turn, heard, grants)


def _make_offer(turn: Turn, grant: Grant) -> Offer | None:
    """Book a grant as an offer; one that contradicts our books goes back, with a note that names the module."""
    state = turn.state
    framework = state.frameworks.get(grant.framework_id)
    agent = state.agents.get(grant.agent_id)
    unallocated = grant.resources.unallocated()
    reason = _refuse(grant, framework, agent, unallocated)
    if reason is not None or framework is None or agent is None:
        turn.note(
            "grant.refused",
            allocator=state.allocator.name,
            framework_id=grant.framework_id,
            agent_id=grant.agent_id,
            reason=reason or "",
        )
        state.allocator.give_up(grant, turn.now)
        return None
    # What is free on one agent may equal what is free on another, and its volumes be mounted elsewhere all the same.
    spelt = unallocated.spelt_as_in(agent.total)
    trace = start_trace(state.random) if state.options.tracing else None
    timeout = state.options.offer_timeout_seconds
    offer = Offer(
        offer_id=OfferId(f"{state.master_id}-O{state.offer_counter}"),
        framework_id=grant.framework_id,
        agent_id=grant.agent_id,
        role=grant.role,
        resources=grant.resources if spelt is unallocated else spelt.allocated_to(grant.role),
        offered_at=turn.now,
        expires_at=None if timeout is None else turn.now + timeout,
        trace=trace,
    )
    state.offer_counter += 1
    books.add_offer(state, agent, framework, offer, unallocated)
    framework.offers_sent += 1
    framework.offered_at = turn.now
    turn.note("offer.sent", offer_id=offer.offer_id, framework_id=offer.framework_id, agent_id=offer.agent_id)
    if trace is not None:
        turn.span(
            "master.allocation",
            child_of(trace, state.random),
            trace,
            turn.now,
            {
                "allocator": state.allocator.name,
                "framework_id": grant.framework_id,
                "role": grant.role,
                "agent_id": grant.agent_id,
                "resources": str(grant.resources),
            },
        )
    return offer


def _refuse(grant: Grant, framework: Framework | None, agent: Agent | None, unallocated: Resources) -> str | None:
    if framework is None or not framework.connected:
        return "the framework is not connected"
    if agent is None or not agent.active:
        return "the agent is not active"
    if grant.role not in framework.info.roles:
        return f"the framework is not in role '{grant.role}'"
    if not unallocated:
        return "there is nothing in it"
    for resource in grant.resources:
        key = resource.key
        if key.allocation_role != grant.role:
            return f"{resource} in it is not allocated to role '{grant.role}'"
        if key.reservations and key.role != grant.role and not is_strict_subrole(grant.role, of=key.role):
            return f"{resource} in it is reserved to role '{key.role}'"
    if not agent.free.contains(unallocated):
        return f"{agent.free or 'nothing'} is free, which does not contain {unallocated}"
    return None
