"""Offers that stand in the way of a quota are taken back: for a guarantee whole agents' until enough is free again
(X14h), for a limit the role's own above it (X37).

One call may name a hundred thousand roles: what they use is counted once, and kept up as offers go.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Mapping

from mesos_service.core.allocation.quota import top_of
from mesos_service.core.allocation.shapes import is_countable
from mesos_service.core.master import offers
from mesos_service.core.master.role_use import RoleUse, uses_of
from mesos_service.core.master.state import Agent
from mesos_service.core.master.turn import Turn
from mesos_service.domain.frameworks import Quantities
from mesos_service.domain.ids import Role
from mesos_service.domain.offers import Offer
from mesos_service.plugins.allocator import Quota


def make(turn: Turn, quotas: Collection[tuple[Role, Quota]]) -> None:
    """Take back what the new quota of each of these roles needs."""
    uses = uses_of(turn.state, [role for role, quota in quotas if quota])
    if not uses or not turn.state.offers:
        return
    own: defaultdict[Role, list[Offer]] = defaultdict(list)
    for offer in turn.state.offers.values():
        own[top_of(offer.role)].append(offer)
    offering = deque(agent for agent in turn.state.agents.values() if agent.active and agent.offers)
    for role, quota in quotas:
        if quota.limits:
            _rescind_above_limit(turn, role, quota.limits, uses, own.get(role, ()))
        if quota.guarantees:
            _rescind_for_guarantee(turn, role, quota.guarantees, uses, offering)


def _rescind_for_guarantee(
    turn: Turn, role: Role, guarantees: Quantities, uses: Mapping[Role, RoleUse], offering: deque[Agent]
) -> None:
    """Free what the role lacks, agent by agent, on at least as many agents as it has frameworks (X14h).

    Like Mesos it computes no minimum; unlike there, nothing is rescinded for a guarantee that is satisfied.
    """
    use = uses[role]
    held, offered = use.consumed(), use.offered
    lacking = {
        name: amount - held.get(name, 0) - offered.get(name, 0)
        for name, amount in guarantees.items()
        if amount > held.get(name, 0) + offered.get(name, 0)
    }
    if not lacking:
        return
    agents = sum(1 for framework_id in use.frameworks if turn.state.frameworks[framework_id].connected)
    while offering and (agents > 0 or any(amount > 0 for amount in lacking.values())):
        agent = offering.popleft()
        if not agent.offers:
            continue  # They were taken back for a limit.
        agents -= 1
        for offer in list(agent.offers.values()):
            _count_off(lacking, _counted(offer))
            _rescind(turn, offer, uses, f"quota of role '{role}'")


def _rescind_above_limit(
    turn: Turn, role: Role, limits: Quantities, uses: Mapping[Role, RoleUse], own: Collection[Offer]
) -> None:
    """Take back offers of the role, and of those below it, until they fit with what it consumes (X37)."""
    consumed = uses[role].consumed()
    left = {name: limit - consumed.get(name, 0) for name, limit in limits.items()}
    for offer in own:
        if offer.offer_id not in turn.state.offers:
            continue  # It was taken back for another role's guarantee.
        amounts = _counted(offer)
        if all(amounts.get(name, 0) <= max(0, left[name]) for name in limits):
            _count_off(left, amounts)
        else:
            _rescind(turn, offer, uses, f"quota limit of role '{role}'")


def _rescind(turn: Turn, offer: Offer, uses: Mapping[Role, RoleUse], reason: str) -> None:
    offers.rescind(turn, offer, reason)
    use = uses.get(top_of(offer.role))
    if use is not None:
        for item in offer.resources:
            if isinstance(item.value, int):
                use.offered[item.name] -= item.value


def _counted(offer: Offer) -> Quantities:
    return offer.resources.unallocated().filter(is_countable).quantities()


def _count_off(amounts: dict[str, int], taken: Quantities) -> None:
    for name in amounts:
        amounts[name] -= taken.get(name, 0)
