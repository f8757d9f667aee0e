"""What could be offered of an agent, worked out once for all agents of which the same is free.

A *shape* is what is free on an agent, with the few facts about the agent that gates ask for. What one client would be
offered of a shape, and which gate stands in the way, depends on nothing else, as long as neither quota nor a refusal
filter is looked at. Agents of a cluster come in few shapes, so that most of a pass is looked up.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Protocol

from mesos_service.core.allocation.clients import Client
from mesos_service.core.allocation.drf import Counted, Scale, Vector
from mesos_service.domain.frameworks import Quantities
from mesos_service.domain.ids import FrameworkId, Role
from mesos_service.domain.resources import Resource, Resources
from mesos_service.plugins.verdict import Veto

Kept = tuple[tuple[str, int], ...]
"""Thousandths by name."""


GrantParts = tuple[FrameworkId, Role, Resources, Mapping[FrameworkId, Resources]]
"""Of a grant: framework, role, granted, and the holdings of an agent on which that is all that is offered."""


class Traits:
    """The facts of an agent that gates ask for, apart from what is free."""

    __slots__ = ("has_gpus", "is_remote", "kept", "shapes")

    def __init__(self, has_gpus: bool, is_remote: bool, kept: Kept = ()) -> None:
        self.has_gpus = has_gpus
        self.is_remote = is_remote
        self.kept = kept
        """What of it is for short tasks alone, and not held by any (A54)."""
        self.shapes: dict[Resources, Shape] = {}


class Shape:
    """``free`` on agents with the same :class:`Traits`; ``prepared`` is by the stamp of the client.

    ``number`` names it in :attr:`~mesos_service.core.allocation.shape_book.ShapeBook.by_number`.
    """

    __slots__ = (
        "asked",
        "asked_in",
        "blocked",
        "free",
        "has_reserved",
        "has_special",
        "is_crumbs",
        "number",
        "prepared",
        "quantities",
        "traits",
    )

    def __init__(self, free: Resources, traits: Traits, number: int) -> None:
        self.free = free
        self.number = number
        self.traits = traits
        self.is_crumbs = False
        """Whether it is less than the default minimum."""
        self.asked = 0
        """Bits of the clients that neither a gate nor quota keeps from this shape, in the pass ``asked_in``."""
        self.asked_in: object = None
        self.blocked = 0
        """Those that a gate keeps from it."""
        self.quantities: Quantities = free.quantities()
        keys = [resource.key for resource in free]
        self.has_reserved = any(key.reservations for key in keys)
        self.has_special = any(key.revocable or key.shared or len(key.reservations) > 1 for key in keys)
        self.prepared: dict[int, Prepared] = {}


class Prepared:
    """What one client would be offered of a shape, or a smaller piece of that.

    When ``blocked`` is set, that gate stood in the way, and only ``veto`` may be asked.
    """

    __slots__ = (
        "_attempt",
        "_halves",
        "blocked",
        "client",
        "countable",
        "counted",
        "counted_at",
        "granted",
        "guaranteed",
        "holdings",
        "offer",
        "parts",
        "quantities",
        "rest",
        "sized",
        "sized_at",
        "sized_for",
        "vector",
    )

    _attempt: Attempt
    """What was refused, where something was."""

    def __init__(self, client: Client, free: Resources, offer: Resources, quantities: Quantities, scale: Scale) -> None:
        self.blocked: Gate | None = None
        self.client = client
        self.offer = offer
        self.quantities = quantities
        self.granted = offer.allocated_to(client.role)
        self.rest = Resources.EMPTY if offer is free else (free - offer or Resources.EMPTY)
        self.holdings: Mapping[FrameworkId, Resources] = {client.framework_id: self.granted}
        """The holdings of an agent on which this is all that is offered."""
        self.parts: GrantParts | None = None
        """Where nothing is left and it counts the same on all agents."""
        if self.rest is Resources.EMPTY and not offer.has_shared:
            self.parts = (client.framework_id, client.role, self.granted, self.holdings)
        self.vector: Vector = tuple(scale.vector_of(quantities))
        self.countable = countable(offer)
        """What quota counts of it."""
        self.counted: Counted = ()
        self.counted_at: object = None
        """The :class:`~mesos_service.core.allocation.drf.Contest` that ``counted`` is for."""
        self._halves: tuple[Resources, Resources] | None = None
        self.sized: Prepared | None = None
        """The piece of it that quota last left, when ``sized_for`` was left of head-room and limit."""
        self.sized_for: object = None
        self.sized_at = -1
        """In which pass that was too little."""
        self.guaranteed: tuple[list[int], tuple[Prepared, dict[str, int]]] | None = None
        """The piece of it that last went towards a guarantee, and by how much, behind what it depends on."""

    @classmethod
    def refused(cls, gate: Gate, attempt: Attempt) -> Prepared:
        """``gate`` has just refused ``attempt``."""
        nothing = object.__new__(cls)
        nothing.blocked = gate
        nothing.parts = None
        nothing._attempt = attempt
        return nothing

    def halves(self) -> tuple[Resources, Resources]:
        """What of the offer quota counts, and the others."""
        if self._halves is None:
            scalars = self.offer.filter(is_countable)
            self._halves = scalars, self.offer - scalars
        return self._halves

    def veto(self) -> Veto:
        """Why nothing would be offered."""
        assert self.blocked is not None, "asked for a veto of what was not refused"
        return self.blocked.veto(self._attempt)


class Attempt:
    """One client considered for one shape. ``offer`` begins as all that is free and shrinks from gate to gate."""

    __slots__ = ("_quantities", "client", "offer", "shape")

    def __init__(self, shape: Shape, client: Client) -> None:
        self.shape = shape
        self.client = client
        self.offer = shape.free
        self._quantities: Quantities | None = shape.quantities

    @property
    def quantities(self) -> Quantities:
        """Scalars of the offer as it is now."""
        if self._quantities is None:
            self._quantities = self.offer.quantities()
        return self._quantities

    def shrink(self, offer: Resources) -> None:
        if offer is not self.offer:
            self.offer = offer
            self._quantities = None


class Gate(Protocol):
    """``refuses`` decides; ``veto`` says why, and is only asked of what was refused; its reason is ``reason``."""

    reason: str

    def refuses(self, attempt: Attempt) -> bool: ...
    def veto(self, attempt: Attempt) -> Veto: ...


def is_countable(resource: Resource) -> bool:
    """Whether quota counts it: an unreserved scalar that cannot be revoked."""
    key = resource.key
    return isinstance(resource.value, int) and not key.reservations and not key.revocable and not key.shared


@lru_cache(maxsize=16384)
def countable(resources: Resources) -> tuple[tuple[str, int], ...]:
    """Thousandths of what quota counts in ``resources``, by name."""
    amounts: dict[str, int] = {}
    for resource in resources:
        if is_countable(resource):
            assert isinstance(resource.value, int)
            amounts[resource.name] = amounts.get(resource.name, 0) + resource.value
    return tuple(amounts.items())
