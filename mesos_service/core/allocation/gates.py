"""The gates an offer must pass, in the order in which their refusals are told (X29b).

A gate may also make the offer smaller: what the role or the framework cannot have is stripped before the minimum
size is asked for a second time. All of these depend on the shape of what is free and on the client alone, so that
their answer is worked out once for each two of them. Two more gates follow, and are asked each time: quota, which may
make the offer smaller again (:mod:`~mesos_service.core.allocation.quota`), and refusal filters, which look at what
would really be sent (:mod:`~mesos_service.core.allocation.filters`).

**A "no" is remembered** for each agent (:class:`~mesos_service.core.allocation.entries.AgentBook`) until more is free
there, or agent or framework change. That is right because the "no" of a gate here, and of a filter, stays a "no" when
less is free. Quota's depends on what is used elsewhere, and is not remembered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mesos_service.core.allocation import reasons
from mesos_service.core.allocation.clients import Client, Minimum
from mesos_service.core.allocation.cutting import shrink
from mesos_service.core.allocation.drf import Scale
from mesos_service.core.allocation.parts import OfferSize
from mesos_service.core.allocation.shapes import Attempt, Gate, Prepared, Shape, countable, is_countable
from mesos_service.domain.frameworks import (
    GPU_RESOURCES,
    REGION_AWARE,
    RESERVATION_REFINEMENT,
    REVOCABLE_RESOURCES,
    SHARED_RESOURCES,
    Quantities,
)
from mesos_service.domain.resources import Resource, Resources
from mesos_service.plugins.verdict import Veto


class ForRole:
    """Reserved resources go to the role they are reserved to, or to a role below it (X32, X44)."""

    reason = reasons.NOTHING_FOR_ROLE

    def refuses(self, attempt: Attempt) -> bool:
        if attempt.shape.has_reserved:
            attempt.shrink(attempt.offer.allocatable_to(attempt.client.role))
        return not attempt.offer

    def veto(self, attempt: Attempt) -> Veto:
        return reasons.nothing_for_role({resource.key.role for resource in attempt.shape.free})


def covers(quantities: Quantities, minimum: Minimum) -> bool:
    """Whether one of the alternatives of ``minimum`` is met in full."""
    for alternative in minimum:
        for name, amount in alternative:
            if quantities.get(name, 0) < amount:
                break
        else:
            return True
    return False


class Wanted:
    """A framework's standing filters on what is free (B45). Those on agents are bits of the agent, and come before."""

    reason = reasons.OFFER_FILTER

    def refuses(self, attempt: Attempt) -> bool:
        return self._veto(attempt) is not None

    def veto(self, attempt: Attempt) -> Veto:
        veto = self._veto(attempt)
        assert veto is not None, "asked for a veto of what was not refused"
        return veto

    def _veto(self, attempt: Attempt) -> Veto | None:
        for one in attempt.client.filters:
            veto = one.about_free(attempt.offer)
            if veto is not None:
                return veto
        return None


class MinimumSize:
    """One of the alternatives must be covered; without any, everything is large enough (M-AL-13)."""

    reason = reasons.BELOW_MINIMUM

    def refuses(self, attempt: Attempt) -> bool:
        minimum = attempt.client.minimum
        return bool(minimum) and not covers(attempt.quantities, minimum)

    def veto(self, attempt: Attempt) -> Veto:
        return reasons.below_minimum(
            attempt.client.role, attempt.quantities, [dict(one) for one in attempt.client.minimum]
        )


class Capable:
    """Agents with GPUs are kept for the frameworks that can use them (M-AL-20)."""

    reason = reasons.CAPABILITY_MISSING

    def refuses(self, attempt: Attempt) -> bool:
        return attempt.shape.traits.has_gpus and GPU_RESOURCES not in attempt.client.capabilities

    def veto(self, attempt: Attempt) -> Veto:
        return reasons.capability_missing(GPU_RESOURCES, "Agents with gpus are")


class Strip:
    """Take away the kinds of resources a framework did not say it can handle; the rest may still be offered."""

    reason = reasons.NOTHING_FOR_ROLE

    def refuses(self, attempt: Attempt) -> bool:
        if not attempt.shape.has_special:
            return False
        capabilities = attempt.client.capabilities
        if REVOCABLE_RESOURCES not in capabilities:
            attempt.shrink(attempt.offer.non_revocable())
        if SHARED_RESOURCES not in capabilities:
            attempt.shrink(attempt.offer.non_shared())
        if attempt.shape.has_reserved and RESERVATION_REFINEMENT not in capabilities:
            attempt.shrink(attempt.offer.filter(_is_not_refined))
        return not attempt.offer

    def veto(self, attempt: Attempt) -> Veto:
        needed: set[str] = set()
        for resource in attempt.shape.free.allocatable_to(attempt.client.role):
            if resource.key.revocable:
                needed.add(REVOCABLE_RESOURCES)
            if resource.key.shared:
                needed.add(SHARED_RESOURCES)
            if not _is_not_refined(resource):
                needed.add(RESERVATION_REFINEMENT)
        return reasons.nothing_for_role(capabilities=needed - attempt.client.capabilities)


class Nearby:
    """Agents in another region than the master's are for frameworks that know about regions (M-AL-21)."""

    reason = reasons.CAPABILITY_MISSING

    def refuses(self, attempt: Attempt) -> bool:
        return attempt.shape.traits.is_remote and REGION_AWARE not in attempt.client.capabilities

    def veto(self, attempt: Attempt) -> Veto:
        return reasons.capability_missing(REGION_AWARE, "Agents of other regions are")


class Sliced:
    """A part of each agent is kept for short tasks; others get what is free above it (A54)."""

    reason = reasons.SHORT_SLICE

    def refuses(self, attempt: Attempt) -> bool:
        kept = attempt.shape.traits.kept
        if not kept or attempt.client.short:
            return False
        free = dict(countable(attempt.shape.free))
        scalars = attempt.offer.filter(is_countable)
        left = {name: free.get(name, 0) - amount for name, amount in kept}
        above = shrink(scalars, left)
        if above == scalars:
            return False
        attempt.shrink(attempt.offer - scalars + above)
        minimum = attempt.client.minimum
        return not attempt.offer or (bool(minimum) and not covers(attempt.quantities, minimum))

    def veto(self, attempt: Attempt) -> Veto:
        return reasons.short_slice(attempt.client.role, dict(attempt.shape.traits.kept))


class Portion:
    """A module offers no more of an agent at once than its :data:`~mesos_service.core.allocation.parts.OfferSize`."""

    reason = reasons.OFFER_SIZE

    def __init__(self, size: OfferSize) -> None:
        self._size = size

    def refuses(self, attempt: Attempt) -> bool:
        portion = self._size(attempt.client.framework_id, attempt.client.role, attempt.offer)
        if not isinstance(portion, Resources) or not attempt.offer.contains(portion):
            raise ValueError(f"an offer's size is {portion!r}, which is no part of {attempt.offer}")
        if portion != attempt.offer:
            attempt.shrink(portion)
        return not portion

    def veto(self, attempt: Attempt) -> Veto:
        return reasons.offer_size(attempt.shape.quantities)


_MINIMUM: Final = MinimumSize()
WANTED: Final = Wanted()

GATES: Final[tuple[Gate, ...]] = (
    ForRole(),
    WANTED,
    _MINIMUM,
    Capable(),
    Nearby(),
    Strip(),
    Sliced(),
    WANTED,
    _MINIMUM,
)
"""X29b up to sizing, which is :mod:`~mesos_service.core.allocation.quota`'s."""


def gates_with(size: OfferSize | None) -> Sequence[Gate]:
    """All of them, and one that makes offers smaller before these are measured for the last time."""
    return GATES if size is None else (*GATES[:-2], Portion(size), *GATES[-2:])


def prepare(shape: Shape, client: Client, scale: Scale, gates: Sequence[Gate] = GATES) -> Prepared:
    """Send ``client`` through the gates."""
    attempt = Attempt(shape, client)
    for gate in gates:
        if gate.refuses(attempt):
            return Prepared.refused(gate, attempt)
    return Prepared(client, shape.free, attempt.offer, attempt.quantities, scale)


def _is_not_refined(resource: Resource) -> bool:
    return len(resource.key.reservations) < 2
