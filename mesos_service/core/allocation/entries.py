"""The entries of the books, one per framework, client and agent; :class:`~mesos_service.core.allocation.ledger.Ledger`
writes in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from mesos_service.core.allocation.shapes import Prepared, Shape, Traits
from mesos_service.core.allocation.tree import Leaf
from mesos_service.domain.frameworks import Quantities
from mesos_service.domain.ids import FrameworkId, Role
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import AgentView, FrameworkView
from mesos_service.plugins.offer_filter import OfferFilter

Minimum = tuple[tuple[tuple[str, int], ...], ...]
"""Alternatives of (resource name, thousandths); see ``AllocatorOptions.min_allocatable``."""

Holdings = Mapping[FrameworkId, Resources]
"""Resources with allocation roles, never empty ones. Never changed, only replaced: the thousands of agents on which
the same is offered to the same framework share one."""

NOTHING: Final[Holdings] = {}


class Client(Leaf):
    """One framework in one role. ``serial`` is never given twice, unlike the bit of the sorter."""

    __slots__ = ("capabilities", "filters", "framework_id", "minimum", "role", "serial", "stamp")

    def __init__(self, framework_id: FrameworkId, role: Role, serial: int) -> None:
        super().__init__(framework_id)
        self.framework_id = framework_id
        self.role = role
        self.serial = serial
        self.capabilities: frozenset[str] = frozenset()
        self.minimum: Minimum = ()
        self.filters: tuple[OfferFilter, ...] = ()
        self.stamp = 0
        """Another number, never given twice, after each change of what gates ask for."""


class FrameworkBook:
    """``clients`` has every role of the framework, and those it dropped but still holds something in."""

    __slots__ = ("active", "clients", "suppressed", "view")

    def __init__(self, view: FrameworkView, active: bool) -> None:
        self.view = view
        self.active = active
        self.suppressed = view.suppressed
        self.clients: dict[Role, Client] = {}

    def wants_offers(self, role: Role) -> bool:
        """X35: connected, in the role, and not suppressed there."""
        return self.active and role in self.view.roles and role not in self.suppressed


class AgentBook:
    """``serial`` grows in the order agents were added; it is never given twice. ``index`` is its row in tables, given
    again when the agent has gone."""

    __slots__ = (
        "active",
        "agent_id",
        "allocated",
        "barred",
        "free",
        "index",
        "offered",
        "overbooked",
        "serial",
        "shape",
        "total",
        "traits",
        "vetoed",
        "vetoed_free",
        "view",
        "whitelisted",
    )

    def __init__(self, view: AgentView, serial: int, index: int, traits: Traits) -> None:
        self.view = view
        self.agent_id = view.agent_id
        self.serial = serial
        self.index = index
        self.active = True
        self.whitelisted = True
        self.offered: Holdings = NOTHING
        self.allocated: Holdings = NOTHING
        self.overbooked = False
        """Whether more is held than there is, as after an agent came back smaller than what runs on it."""
        self.barred = 0
        """Bits of the clients whose standing filters keep this agent from them, whatever is free."""
        self.vetoed = 0
        """Bits of the clients that a gate refused, and would refuse any offer contained in ``vetoed_free``; those that
        are barred are always among them, so that a pass needs to know nothing of them."""
        self.vetoed_free = Resources.EMPTY
        self.set_total(view.total, traits)

    def set_total(self, total: Resources, traits: Traits) -> None:
        self.total = total
        self.traits = traits
        self.vetoed = self.barred
        self.count_free()

    def count_free(self) -> None:
        """Work out ``free`` from scratch. Of a kind that is overbooked, nothing is."""
        held = self.held()
        short = self.total.shortage(held)
        self.overbooked = bool(short)
        self.set_free(self.total - (held - short))

    def set_free(self, free: Resources) -> None:
        """Something else is free. When that is more than what vetoes were spoken of, they no longer hold.

        An offer that is declined by one after the other is the case to think of: it is the same each time it comes
        back, and those who refused it before need not be asked again.
        """
        self.free = free
        self.shape: Shape | None = None
        if self.vetoed and free is not self.vetoed_free and not self.vetoed_free.contains(free):
            self.vetoed = self.barred

    def take(self, prepared: Prepared) -> None:
        """Offer ``prepared``, which was made of what is free here. What was vetoed stays so: less is free."""
        self.free = prepared.rest
        self.shape = None
        if self.offered:
            framework_id = prepared.client.framework_id
            before = self.offered.get(framework_id, Resources.EMPTY)
            self.offered = holding(self.offered, framework_id, before + prepared.granted)
        else:
            self.offered = prepared.holdings

    def remember_veto(self, bit: int) -> None:
        """The client of ``bit`` was refused what is free now."""
        self.vetoed |= bit
        self.vetoed_free = self.free

    def bar(self, bit: int) -> None:
        """A standing filter keeps this agent from the client of ``bit``."""
        self.barred |= bit
        self.vetoed |= bit

    def forget_bits(self, bits: int) -> None:
        """They mean nobody any more, or somebody else."""
        self.barred &= ~bits
        self.vetoed &= ~bits

    def held(self) -> Resources:
        """All that is offered and allocated, to be compared with the total (X48)."""
        total = Resources.EMPTY
        for holdings in (self.offered, self.allocated):
            for resources in holdings.values():
                total = total + resources.unallocated()
        return total

    @property
    def is_open(self) -> bool:
        """Whether anything can be offered here at all."""
        return self.active and self.whitelisted and bool(self.free)


def holding(holdings: Holdings, framework_id: FrameworkId, resources: Resources) -> Holdings:
    """``holdings`` with ``resources`` as all that ``framework_id`` holds."""
    if not resources:
        if framework_id not in holdings or len(holdings) == 1:
            return holdings if framework_id not in holdings else NOTHING
        return {holder: held for holder, held in holdings.items() if holder != framework_id}
    return {**holdings, framework_id: resources}


def by_role(resources: Resources) -> Iterable[tuple[Role, Resources]]:
    """The parts of ``resources`` by allocation role."""
    for role, part in resources.allocations().items():
        yield Role(role), part


def minimum_of(alternatives: Sequence[Quantities]) -> Minimum:
    return tuple(tuple(quantities.items()) for quantities in alternatives)
