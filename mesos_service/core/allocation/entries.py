"""The entries of the books, one per framework and agent; :class:`~mesos_service.core.allocation.ledger.Ledger`
writes in them."""

from __future__ import annotations

from collections.abc import Iterable

from mesos_service.core.allocation.clients import Client
from mesos_service.core.allocation.shapes import Prepared, Traits
from mesos_service.core.allocation.table import NOTHING, AgentTable, Holdings
from mesos_service.domain.ids import FrameworkId, Role
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import AgentView, FrameworkView


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
    again when the agent has gone. What a pass looks at stands in the columns of ``table``; here it has a name."""

    __slots__ = (
        "_table",
        "active",
        "agent_id",
        "allocated",
        "barred",
        "index",
        "overbooked",
        "serial",
        "total",
        "traits",
        "vetoed_free",
        "view",
        "whitelisted",
    )

    def __init__(
        self,
        view: AgentView,
        serial: int,
        table: AgentTable[AgentBook],
        traits: Traits,
        allocated: Holdings = NOTHING,
    ) -> None:
        self._table = table
        self.index = table.add(view.agent_id, serial)
        table.books[self.index] = self
        self.view = view
        self.agent_id = view.agent_id
        self.serial = serial
        self.active = True
        self.whitelisted = True
        self.allocated = allocated
        self.barred = 0
        """Bits of the clients whose standing filters keep this agent from them, whatever is free."""
        self.vetoed_free = Resources.EMPTY
        """See :attr:`vetoed`."""
        self.total = view.total
        self.traits = traits
        free, self.overbooked = view.total.without(self.held())
        """Whether more is held than there is, as after an agent came back smaller than what runs on it."""
        table.free[self.index] = free

    @property
    def free(self) -> Resources:
        """What is held by nobody; set by :meth:`set_free` and :meth:`take`."""
        return self._table.free[self.index]

    @property
    def offered(self) -> Holdings:
        return self._table.offered[self.index]

    @offered.setter
    def offered(self, holdings: Holdings) -> None:
        self._table.offered[self.index] = holdings

    @property
    def vetoed(self) -> int:
        """Bits of the clients that a gate refused, and would refuse any offer contained in ``vetoed_free``; those that
        are barred are always among them, so that a pass needs to know nothing of them."""
        return self._table.vetoed[self.index]

    @vetoed.setter
    def vetoed(self, bits: int) -> None:
        self._table.vetoed[self.index] = bits
        self._table.vetoing[self.index] = bits != 0

    def set_total(self, total: Resources, traits: Traits) -> None:
        self.total = total
        self.traits = traits
        self._table.shapes[self.index] = 0  # the same free resources are of another shape where traits differ
        self.vetoed = self.barred
        self.count_free()

    def take_traits(self, traits: Traits) -> None:
        """Gates see something else of it: what they refused they may grant."""
        self.traits = traits
        self._table.shapes[self.index] = 0
        self.vetoed = self.barred

    def count_free(self) -> None:
        """Work out ``free`` from scratch. Of a kind that is overbooked, nothing is."""
        free, self.overbooked = self.total.without(self.held())
        self.set_free(free)

    def set_free(self, free: Resources) -> None:
        """Something else is free. When that is more than what vetoes were spoken of, they no longer hold.

        An offer that is declined by one after the other is the case to think of: it is the same each time it comes
        back, and those who refused it before need not be asked again.
        """
        table, index = self._table, self.index
        table.free[index] = free
        if table.vetoed[index] and free is not self.vetoed_free and not self.vetoed_free.contains(free):
            self.vetoed = self.barred

    def take(self, prepared: Prepared) -> None:
        """Offer ``prepared``, which was made of what is free here. What was vetoed stays so: less is free."""
        self._table.free[self.index] = prepared.rest
        offered = self.offered
        if offered:
            framework_id = prepared.client.framework_id
            before = offered.get(framework_id, Resources.EMPTY)
            self.offered = holding(offered, framework_id, before + prepared.granted)
        else:
            self.offered = prepared.holdings

    def remember_veto(self, bit: int) -> None:
        """The client of ``bit`` was refused what is free now."""
        self.remember_veto_of(bit, self._table.free[self.index])

    def remember_veto_of(self, bits: int, free: Resources) -> None:
        """The clients of ``bits`` were refused ``free``, which was free here just now."""
        self.vetoed |= bits
        self.vetoed_free = free

    def bar(self, bit: int) -> None:
        """A standing filter keeps this agent from the client of ``bit``."""
        self.barred |= bit
        self.vetoed |= bit

    def forget_bits(self, bits: int) -> None:
        """They mean nobody any more, or somebody else."""
        self.barred &= ~bits
        self.vetoed &= ~bits

    def held(self) -> Resources:
        """All that is offered and allocated, to be compared with the total (X48), without copies of what is shared."""
        total = Resources.EMPTY
        for resources in self.offered.values():
            total = total + resources.unallocated()
        for resources in self.allocated.values():
            total = total + resources.non_shared().unallocated()
        return total

    def held_by(self, framework_id: FrameworkId) -> Resources:
        """All that is offered and allocated to one."""
        offered, allocated = self.offered.get(framework_id), self.allocated.get(framework_id)
        if offered is None or allocated is None:
            return offered or allocated or Resources.EMPTY
        return offered + allocated

    def new_to(self, framework_id: FrameworkId, resources: Resources) -> Resources:
        """``resources`` without the shared ones that are held by the framework besides, in the same role (X45)."""
        if not resources.has_shared:
            return resources
        held = self.held_by(framework_id)
        if not any(held.copies(item) for item in resources.shared()):
            return resources
        return resources.filter(lambda item: not (item.key.shared and held.copies(item)))

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
