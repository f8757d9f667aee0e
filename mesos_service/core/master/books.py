"""The master's own books: who is offered or uses what on which agent. Every change of an amount goes through here.

On each agent ``total = free + offered + used`` at all times, and the allocator is told of each change by the one call
that says the same to it. A shared volume is free unless it is offered: its users have copies of it, and it goes on
being offered meanwhile (X45). The books are kept beside the allocator's on purpose: an allocator is somebody's module,
and what it grants is only offered when it fits in here (E60a).
"""

from __future__ import annotations

from typing import Final

from mesos_service.core.master.state import Agent, Framework, MasterState
from mesos_service.core.master.turn import Turn
from mesos_service.domain.executors import ExecutorInfo
from mesos_service.domain.ids import AgentId, ExecutorId, FrameworkId
from mesos_service.domain.offers import Offer
from mesos_service.domain.operations import Conversion
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import AgentView

NOTHING: Final = Resources.EMPTY
RETURNING_SECONDS: Final = 0.1
"""Agents come back as long as one came within the last so many seconds."""
PASS_SECONDS_WHILE_RETURNING: Final = 0.25
"""From one pass to the next while agents come back to a new master."""

# -- passes --------------------------------------------------------------------------------------------------


def touch(turn: Turn, agent_id: AgentId) -> None:
    """There may be something new to offer on this agent: look at it in the next pass, which is due now (B32)."""
    turn.state.touched[agent_id] = None
    _have_pass(turn)


def want_full_pass(turn: Turn) -> None:
    """Somebody new is to be offered things: look at all agents in the next pass, which is due now (B32)."""
    turn.state.full_pass_wanted = True
    _have_pass(turn)


def came_back(turn: Turn) -> None:
    """An agent of before is back. Thousands of them come at the same moment, and each is to be heard before everybody
    is offered what the last one brought: passes keep a distance for as long as that lasts."""
    turn.state.returning_until = turn.now + RETURNING_SECONDS


def _have_pass(turn: Turn) -> None:
    state, now = turn.state, turn.now
    if state.pass_due_at is None:
        returning = now < state.returning_until
        state.pass_due_at = max(now, state.passed_at + PASS_SECONDS_WHILE_RETURNING) if returning else now


# -- offers --------------------------------------------------------------------------------------------------


def add_offer(state: MasterState, agent: Agent, framework: Framework, offer: Offer, unallocated: Resources) -> None:
    """``unallocated`` is what the offer holds, without its allocation role; it fits into what is free."""
    agent.free = agent.free - unallocated
    state.offers[offer.offer_id] = agent.offers[offer.offer_id] = framework.offers[offer.offer_id] = offer
    if offer.expires_at is not None:
        state.offer_expiries.append((offer.expires_at, offer.offer_id))


def remove_offer(state: MasterState, offer: Offer) -> None:
    """The offer is over; what it held must be used, or given back, in the same step."""
    offer_id = offer.offer_id
    del state.offers[offer_id]
    del state.agents[offer.agent_id].offers[offer_id]
    del state.frameworks[offer.framework_id].offers[offer_id]


def give_back(
    turn: Turn, framework_id: FrameworkId, agent: Agent, resources: Resources, refuse_seconds: float | None
) -> None:
    """Offered resources are free again; ``refuse_seconds`` as in ``Allocator.recover``."""
    _free(agent, resources)
    turn.state.allocator.recover(
        framework_id, agent.agent_id, resources, refuse_seconds=refuse_seconds, allocated=False, now=turn.now
    )
    touch(turn, agent.agent_id)


# -- use -----------------------------------------------------------------------------------------------------


def use_offered(turn: Turn, framework_id: FrameworkId, agent: Agent, resources: Resources) -> None:
    """What was merely offered is now used. Of what is shared these are copies, and the offered one is still to be
    given back."""
    agent.used[framework_id] = agent.used.get(framework_id, Resources.EMPTY) + resources
    turn.state.allocator.offered_to_allocated(framework_id, agent.agent_id, resources)


def release(turn: Turn, framework_id: FrameworkId, agent: Agent, resources: Resources) -> None:
    """What was used is free again, and looked at at once: a freed slot does not wait (B32)."""
    if not resources:
        return
    left = agent.used[framework_id] - resources
    if left:
        agent.used[framework_id] = left
    else:
        del agent.used[framework_id]
    _free(agent, resources.non_shared())
    turn.state.allocator.recover(
        framework_id, agent.agent_id, resources, refuse_seconds=None, allocated=True, now=turn.now
    )
    touch(turn, agent.agent_id)


def count_used(agent: Agent) -> None:
    """Add up anew what tasks and executors use, as after the agent told what runs on it."""
    used: dict[FrameworkId, Resources] = {}
    for held in (agent.tasks, agent.copies):
        for framework_id, tasks in held.items():
            for task in tasks.values():
                if task.charged:
                    used[framework_id] = used.get(framework_id, Resources.EMPTY) + task.charged
    for framework_id, executors in agent.executors.items():
        for executor in executors.values():
            if executor.resources:
                used[framework_id] = used.get(framework_id, Resources.EMPTY) + executor.resources
    agent.used = used
    count_free(agent)


def count_free(agent: Agent) -> None:
    """Add up anew what is free. Where more is held than there is, nothing of that kind is free."""
    held = Resources.EMPTY
    for resources in agent.used.values():
        held = held + resources.non_shared().unallocated()
    for offer in agent.offers.values():
        held = held + offer.resources.unallocated()
    agent.free, agent.overbooked = agent.total.without(held)


def _free(agent: Agent, resources: Resources) -> None:
    if agent.overbooked:
        count_free(agent)
    else:
        # A volume may have been mounted elsewhere by its user; what is free is as the agent has it.
        agent.free = agent.free + resources.unallocated().spelt_as_in(agent.total)


# -- conversions ---------------------------------------------------------------------------------------------


def convert_offered(agent: Agent, change: Conversion) -> None:
    """What is offered becomes something else, and the agent's total with it (X14c); both have the allocation role.

    Like all that an answer to an offer does, this is between the end of the offer and the use, or return, of what it
    held. :func:`tell_converted` is to follow, once for all conversions of the answer.
    """
    agent.total = agent.total - change.consumed.unallocated() + change.converted.unallocated()


def tell_converted(turn: Turn, framework_id: FrameworkId, agent: Agent, before: Resources, after: Resources) -> None:
    """The allocator is told what conversions have made of all that the offers held."""
    turn.state.allocator.update_allocation(framework_id, agent.agent_id, before, after)


def convert_free(turn: Turn, agent: Agent, change: Conversion) -> None:
    """What is free becomes something else."""
    agent.total = agent.total - change.consumed + change.converted
    agent.free = agent.free - change.consumed + change.converted
    turn.state.allocator.update_agent(view(agent))
    touch(turn, agent.agent_id)


def view(agent: Agent) -> AgentView:
    """What the allocator may know of an agent."""
    info = agent.info
    return AgentView(
        agent_id=agent.agent_id,
        hostname=info.hostname,
        total=agent.total,
        attributes=info.attributes,
        region=info.region,
        zone=info.zone,
    )


# -- executors -----------------------------------------------------------------------------------------------


def add_executor(framework: Framework, agent: Agent, executor: ExecutorInfo) -> None:
    """List an executor; its resources are counted once, by whoever lists it."""
    agent.executors.setdefault(framework.framework_id, {})[executor.executor_id] = executor
    framework.executors.setdefault(agent.agent_id, {})[executor.executor_id] = executor


def remove_executor(
    state: MasterState, framework_id: FrameworkId, agent: Agent, executor_id: ExecutorId
) -> ExecutorInfo | None:
    """Take an executor off the lists and return it; its resources are still in the books."""
    executors = agent.executors.get(framework_id, {})
    executor = executors.pop(executor_id, None)
    if executor is None:
        return None
    if not executors:
        del agent.executors[framework_id]
    agent.unproven_executors.pop((framework_id, executor_id), None)
    framework = state.frameworks.get(framework_id)
    if framework is not None:
        on_agent = framework.executors[agent.agent_id]
        del on_agent[executor_id]
        if not on_agent:
            del framework.executors[agent.agent_id]
    return executor
