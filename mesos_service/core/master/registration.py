"""Agents come, and come back (X16, X17, X20, X21).

Registry first, memory second: an agent is in the memory only after its admission is stored, and hears of it only then.
What an agent that comes back says of its tasks is believed; what the master knows and the agent does not is asked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mesos_service.core.effects import SendAgent
from mesos_service.core.link import AgentUpdated, Ping, Pong, Register, Registered, Reregister, Reregistered
from mesos_service.core.master import (
    addresses,
    books,
    departure,
    draining,
    liveness,
    maintenance,
    offers,
    operations,
    oversubscription,
    passes,
    recovery,
    removals,
)
from mesos_service.core.master.deadlines import PingDue, ReregistrationOverdue
from mesos_service.core.master.state import Agent
from mesos_service.core.master.turn import Turn
from mesos_service.core.messages import FromAgent
from mesos_service.core.registry.operations import AdmitAgent, MarkAgentReachable, RemoveAgent
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.fault_domains import FaultDomain, refuse_place
from mesos_service.domain.ids import AgentId, LinkId
from mesos_service.domain.operations import made_by_operations, with_made
from mesos_service.domain.resources import Resources, ResourcesError


@dataclass(frozen=True, slots=True)
class Admission:
    """Waits for ``AdmitAgent`` to be stored."""

    agent_id: AgentId
    info: AgentInfo
    link_id: LinkId
    registration: str
    total: Resources
    oversubscribed: Resources


@dataclass(frozen=True, slots=True)
class Readmission:
    """Waits for ``MarkAgentReachable``, or a changed ``AdmitAgent``, to be stored; a repeated registration takes the
    place of an older one."""

    agent_id: AgentId
    link_id: LinkId
    message: Reregister


# -- coming --------------------------------------------------------------------------------------------------


def on_register(turn: Turn, envelope: FromAgent, message: Register) -> None:
    """Give an agent its id, once that is stored. A repetition on the same link gets the same id."""
    state = turn.state
    link_id = envelope.link_id
    state.links.setdefault(link_id, {})
    if maintenance.refused(turn, message.agent, link_id, None) or _is_misplaced(turn, message.agent):
        return
    known = state.registrations.setdefault(link_id, {})
    agent_id = known.get(message.registration)
    if agent_id is not None:
        agent = state.agents.get(agent_id)
        if agent is not None:
            turn.tell_agent(agent, Registered(registration=message.registration, agent_id=agent_id))
        return
    agent_id = AgentId(f"{state.master_id}-S{state.agent_counter}")
    state.agent_counter += 1
    known[message.registration] = agent_id
    info = replace(message.agent, agent_id=agent_id)
    _remove_predecessors(turn, info)
    lent = oversubscription.lawful(turn, agent_id, message.oversubscribed)
    waiting = Admission(agent_id, info, link_id, message.registration, _total(message), lent)
    state.registering[agent_id] = turn.persist(AdmitAgent(agent_id, info), waiting)


def _is_misplaced(turn: Turn, info: AgentInfo) -> bool:
    """Whether the agent is where this master takes none from. It is not answered, and asks again (as in Mesos): its
    tasks run on until it comes back with another ``--domain``, or is given up."""
    options = turn.state.options
    place = None if info.region is None or info.zone is None else FaultDomain(info.region, info.zone)
    refusal = refuse_place(options.fault_domain, place, required=options.require_agent_domain)
    if refusal is None:
        return False
    turn.note("agent.refused", agent_id=info.agent_id or "", hostname=info.hostname, reason=refusal)
    return True


def _remove_predecessors(turn: Turn, info: AgentInfo) -> None:
    """One that was at this address and is not here will not come back: a new one has taken its place.

    Should it come back all the same, it is admitted like one that was never heard of.
    """
    for agent_id in addresses.others_at(turn.state, info):
        agent = turn.state.agents.get(agent_id)
        if agent is None or not agent.connected:
            departure.begin_removal(turn, agent_id, "a new agent registered at the same address", "agent.replaced")


def on_reregister(turn: Turn, envelope: FromAgent, message: Reregister) -> None:
    """An agent that has an id: known, recovered, unreachable, or never heard of, which is admitted too (X17)."""
    state = turn.state
    agent_id = envelope.agent_id
    link_id = envelope.link_id
    if agent_id is None:
        return
    state.links.setdefault(link_id, {})
    if agent_id in state.leaving:
        # It is being stored that it is gone; it asks again, and is then one that comes back.
        turn.note("agent.asked_to_wait", agent_id=agent_id)
        return
    if agent_id in state.gone:
        turn.note("agent.refused", agent_id=agent_id, reason=departure.MARKED_GONE)
        departure.shut_down_gone(turn, link_id, agent_id)
        return
    if maintenance.refused(turn, message.agent, link_id, agent_id) or _is_misplaced(turn, message.agent):
        return
    removals.cancel(turn, agent_id)
    agent = state.agents.get(agent_id)
    if agent is not None:
        _reconnect(turn, agent, link_id, message)
        return
    waiting = Readmission(agent_id, link_id, message)
    pending = state.registering.get(agent_id)
    if pending is not None:
        state.persisting[pending] = (state.persisting[pending][0], waiting)
        return
    info = _named(message.agent, agent_id)
    known = state.recovered.get(agent_id)
    if known == info:
        # The registry says so already: after a failover most agents come back without a write.
        _readmit(turn, waiting)
    elif known is not None:
        state.registering[agent_id] = turn.persist(AdmitAgent(agent_id, info), waiting)
    else:
        state.registering[agent_id] = turn.persist(MarkAgentReachable(agent_id, info), waiting)


# -- stored --------------------------------------------------------------------------------------------------


def on_admission_stored(turn: Turn, stored: Admission) -> None:
    state = turn.state
    agent_id = stored.agent_id
    del state.registering[agent_id]
    if stored.link_id not in state.links:
        # The agent has not heard its id and will register anew: nobody is ever going to use this one.
        turn.persist(RemoveAgent(agent_id), None)
        state.removed.append(agent_id)
        turn.note("agent.admission_abandoned", agent_id=agent_id)
        return
    agent = _add(turn, agent_id, stored.info, stored.link_id, stored.registration, stored.total, stored.oversubscribed)
    state.allocator.add_agent(books.view(agent), {})
    turn.tell_agent(agent, Registered(registration=stored.registration, agent_id=agent_id))
    turn.note("agent.registered", agent_id=agent_id, hostname=agent.info.hostname)
    if not maintenance.end_if_down(turn, agent):
        books.touch(turn, agent_id)


def on_readmission_stored(turn: Turn, stored: Readmission) -> None:
    del turn.state.registering[stored.agent_id]
    _readmit(turn, stored)


def _readmit(turn: Turn, stored: Readmission) -> None:
    """Take up an agent with all that runs on it."""
    state = turn.state
    agent_id, message = stored.agent_id, stored.message
    if (known := state.recovered.pop(agent_id, None)) is not None:
        if addresses.place(known) != addresses.place(message.agent):
            addresses.strike(state, agent_id, known)
        books.came_back(turn)
    was_unreachable = state.unreachable.pop(agent_id, None) is not None
    here = stored.link_id in state.links
    info = _named(message.agent, agent_id)
    lent = oversubscription.lawful(turn, agent_id, message.oversubscribed)
    link_id = stored.link_id if here else None
    agent = _add(turn, agent_id, info, link_id, message.registration, _total(message), lent)
    agent.reregistered_at = turn.now
    recovery.recover_frameworks(turn, message)
    adopted = recovery.adopt_all(turn, agent, message)
    operations.compare(turn, agent, message.operations)
    books.count_used(agent)
    state.allocator.add_agent(books.view(agent), agent.used)
    turn.tell_agent(agent, Reregistered(registration=message.registration, agent_id=agent_id))
    recovery.bring_up_to_date(turn, agent, message)
    if known is None:
        recovery.tell_of_return(turn, adopted, was_unreachable)
    if was_unreachable:
        turn.note("agent.reachable", agent_id=agent_id, hostname=info.hostname)
    turn.note("agent.reregistered", agent_id=agent_id, hostname=info.hostname)
    if not here:
        liveness.disconnect(turn, agent)
        maintenance.end_if_down(turn, agent)
    elif agent_id in state.leaving:
        # An operator has given it up while its return was being stored.
        departure.deactivate(turn, agent, departure.MARKED_GONE)
    elif not maintenance.end_if_down(turn, agent):
        books.touch(turn, agent_id)
        draining.hold_back(turn, agent)


def _total(message: Register | Reregister) -> Resources:
    return message.agent.resources if message.total is None else message.total


def _add(
    turn: Turn,
    agent_id: AgentId,
    info: AgentInfo,
    link_id: LinkId | None,
    registration: str,
    total: Resources,
    oversubscribed: Resources,
) -> Agent:
    """Enter an agent into the memory, all but the allocator's."""
    state = turn.state
    agent = Agent(
        agent_id=agent_id,
        info=info,
        link_id=link_id,
        registered_at=turn.now,
        total=total + oversubscribed,
        oversubscribed=oversubscribed,
        free=total + oversubscribed,
        registration=registration,
    )
    state.agents[agent_id] = agent
    addresses.enter(state, agent_id, info)
    if link_id is not None:
        state.links[link_id][agent_id] = None
    state.timers.set(PingDue(agent_id), turn.now + state.options.agent_ping_timeout_seconds)
    passes.plan(state, turn.now)
    return agent


def _named(info: AgentInfo, agent_id: AgentId) -> AgentInfo:
    return info if info.agent_id == agent_id else replace(info, agent_id=agent_id)


# -- coming back ---------------------------------------------------------------------------------------------


def _reconnect(turn: Turn, agent: Agent, link_id: LinkId, message: Reregister) -> None:
    """A known agent is back, after a lost link or its own restart; nothing has to be stored for that (X21)."""
    state = turn.state
    answer = Reregistered(registration=message.registration, agent_id=agent.agent_id)
    if agent.connected and agent.link_id == link_id and agent.registration == message.registration:
        # It repeats itself, and may have been given work since: what it says of its tasks is old.
        turn.tell_agent(agent, answer)
        return
    if agent.link_id is not None:
        del state.links[agent.link_id][agent.agent_id]
    state.links[link_id][agent.agent_id] = None
    agent.link_id = link_id
    agent.registration = message.registration
    agent.reregistered_at = turn.now
    agent.connected = True
    agent.pings_unanswered = 0
    state.timers.cancel(ReregistrationOverdue(agent.agent_id))
    if not agent.active and agent.agent_id not in state.deactivated:
        agent.active = True
        state.allocator.set_agent_active(agent.agent_id, True)
    take_info(turn, agent, message.agent, _total(message))
    oversubscription.take(turn, agent, message.oversubscribed)
    operations.compare(turn, agent, message.operations)
    recovery.recover_frameworks(turn, message)
    asked, rebook = recovery.compare(turn, agent, message)
    if rebook:
        offers.rescind_all(turn, agent.offers.values(), "agent told what runs on it")
        books.count_used(agent)
        state.allocator.remove_agent(agent.agent_id)
        state.allocator.add_agent(books.view(agent), agent.used)
        if not agent.active:
            state.allocator.set_agent_active(agent.agent_id, False)
    turn.tell_agent(agent, replace(answer, asked=asked))
    recovery.bring_up_to_date(turn, agent, message)
    draining.hold_back(turn, agent)
    turn.note("agent.reregistered", agent_id=agent.agent_id, hostname=agent.info.hostname)
    books.touch(turn, agent.agent_id)


def on_agent_updated(turn: Turn, agent: Agent, message: AgentUpdated) -> None:
    """It has more or less to offer. Of one that is leaving nothing new is stored: that would admit it again, and undo
    even an operator's word; should it come back, it says the same anew."""
    if agent.agent_id in turn.state.leaving:
        turn.note("agent.update_ignored", agent_id=agent.agent_id)
        return
    total, resources = agent.total - agent.oversubscribed, message.agent.resources
    if resources != agent.info.resources:
        try:
            total = with_made(resources, made_by_operations(total))
        except ResourcesError as short:
            turn.note("agent.update_ignored", agent_id=agent.agent_id, reason=str(short))
            return
    take_info(turn, agent, message.agent, total)
    books.touch(turn, agent.agent_id)


def take_info(turn: Turn, agent: Agent, info: AgentInfo, total: Resources) -> None:
    """The agent's total or attributes may be others than before; what it offers is then no longer true.

    ``total`` is without what the agent lends, which stays as it is.
    """
    state = turn.state
    old = agent.info
    total += agent.oversubscribed
    info = _named(info, agent.agent_id)
    if info == old and total == agent.total:
        return
    offers.rescind_all(turn, agent.offers.values(), "agent changed")
    agent.info, agent.total = info, total
    addresses.strike(state, agent.agent_id, old)
    addresses.enter(state, agent.agent_id, info)
    books.count_free(agent)
    state.allocator.update_agent(books.view(agent))
    if info != old:
        turn.persist(AdmitAgent(agent.agent_id, info), None)
    turn.note("agent.updated", agent_id=agent.agent_id, hostname=info.hostname)


# -- others --------------------------------------------------------------------------------------------------


def on_stray(turn: Turn, envelope: FromAgent) -> None:
    """Word from an agent that is not registered on this link: it believes to be here and has to register (X26)."""
    agent_id = envelope.agent_id
    if agent_id is None or agent_id in turn.state.registering or isinstance(envelope.message, Pong):
        return
    turn.note("agent.unknown", agent_id=agent_id)
    turn.do(SendAgent(envelope.link_id, agent_id, Ping(connected=False)))
