"""The gates an offer must pass, in the order in which their refusals are told (X29b).

A gate may also make the offer smaller: what the role or the framework cannot have is stripped before the minimum
size is asked for a second time and refusal filters look at what would really be sent. The order of X29b has places
for two gates that are not here: constraints at the front, and sizing by quota between stripping and the second
minimum.

**A verdict is remembered** (by :class:`~mesos_service.core.allocation.entries.AgentBook`) until more is free on the
agent, or agent or framework change. That is right as long as a gate's "no" stays a "no" when less is free; a gate
whose verdict depends on anything else, such as what is used elsewhere, must set ``remembered`` to false.
"""

from __future__ import annotations

from typing import Final, Protocol

from mesos_service.core.allocation import reasons
from mesos_service.core.allocation.entries import AgentBook, Client, Minimum
from mesos_service.core.allocation.filters import RefusalFilters
from mesos_service.domain.frameworks import (
    GPU_RESOURCES,
    RESERVATION_REFINEMENT,
    REVOCABLE_RESOURCES,
    SHARED_RESOURCES,
    Quantities,
)
from mesos_service.domain.resources import Resource, Resources
from mesos_service.plugins.verdict import Veto


class Attempt:
    """One client considered for one agent. ``offer`` begins as all that is free and shrinks from gate to gate."""

    __slots__ = ("_quantities", "agent", "client", "offer")

    def __init__(self, agent: AgentBook, client: Client) -> None:
        self.agent = agent
        self.client = client
        self.offer = agent.free
        self._quantities: Quantities | None = agent.free_quantities

    @property
    def quantities(self) -> Quantities:
        """Scalars of the offer as it is now."""
        if self._quantities is None:
            self._quantities = self.offer.quantities()
            if self.offer is self.agent.free:
                self.agent.free_quantities = self._quantities
        return self._quantities

    def shrink(self, offer: Resources) -> None:
        if offer is not self.offer:
            self.offer = offer
            self._quantities = None


class Gate(Protocol):
    """``refuses`` decides, cheaply; ``veto`` says why, and is only asked right after ``refuses`` said yes."""

    remembered: bool

    def refuses(self, attempt: Attempt) -> bool: ...
    def veto(self, attempt: Attempt) -> Veto: ...


class ForRole:
    """Reserved resources go to the role they are reserved to, or to a role below it (X32, X44)."""

    remembered = True

    def refuses(self, attempt: Attempt) -> bool:
        if attempt.agent.has_reserved:
            attempt.shrink(attempt.offer.allocatable_to(attempt.client.role))
        return not attempt.offer

    def veto(self, attempt: Attempt) -> Veto:
        return reasons.nothing_for_role()


def covers(quantities: Quantities, minimum: Minimum) -> bool:
    """Whether one of the alternatives of ``minimum`` is met in full."""
    for alternative in minimum:
        for name, amount in alternative:
            if quantities.get(name, 0) < amount:
                break
        else:
            return True
    return False


class MinimumSize:
    """One of the alternatives must be covered; without any, everything is large enough (M-AL-13)."""

    remembered = True

    def refuses(self, attempt: Attempt) -> bool:
        minimum = attempt.client.minimum
        return bool(minimum) and not covers(attempt.quantities, minimum)

    def veto(self, attempt: Attempt) -> Veto:
        return reasons.below_minimum(attempt.quantities, [dict(one) for one in attempt.client.minimum])


class Capable:
    """Agents with GPUs are kept for the frameworks that can use them (M-AL-20)."""

    remembered = True

    def refuses(self, attempt: Attempt) -> bool:
        return attempt.agent.has_gpus and GPU_RESOURCES not in attempt.client.capabilities

    def veto(self, attempt: Attempt) -> Veto:
        return reasons.capability_missing(GPU_RESOURCES, "Agents with gpus are")


class Strip:
    """Take away the kinds of resources a framework did not say it can handle; the rest may still be offered."""

    remembered = True

    def refuses(self, attempt: Attempt) -> bool:
        if not attempt.agent.has_special:
            return False
        capabilities = attempt.client.capabilities
        if REVOCABLE_RESOURCES not in capabilities:
            attempt.shrink(attempt.offer.non_revocable())
        if SHARED_RESOURCES not in capabilities:
            attempt.shrink(attempt.offer.non_shared())
        if attempt.agent.has_reserved and RESERVATION_REFINEMENT not in capabilities:
            attempt.shrink(attempt.offer.filter(_is_not_refined))
        return not attempt.offer

    def veto(self, attempt: Attempt) -> Veto:
        return reasons.nothing_for_role()


class NotRefused:
    """No refusal filter may contain the offer (X27)."""

    remembered = True

    def __init__(self, filters: RefusalFilters) -> None:
        self._filters = filters

    def refuses(self, attempt: Attempt) -> bool:
        return self._filters.blocking(attempt.client.serial, attempt.agent.serial, attempt.offer) is not None

    def veto(self, attempt: Attempt) -> Veto:
        refusal = self._filters.blocking(attempt.client.serial, attempt.agent.serial, attempt.offer)
        assert refusal is not None, "asked for a veto without having refused"
        return reasons.refusal_filter(refusal.refused, refusal.expires)


def gates_in_order(filters: RefusalFilters) -> tuple[Gate, ...]:
    """X29b: constraints, minimum size, capability, strip, sizing, minimum size again, refusal filters."""
    minimum: Final = MinimumSize()
    return (ForRole(), minimum, Capable(), Strip(), minimum, NotRefused(filters))


def _is_not_refined(resource: Resource) -> bool:
    return len(resource.key.reservations) < 2
