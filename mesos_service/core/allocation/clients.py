"""Who is granted something: a framework in one of its roles, as the books and the gates know it."""

from __future__ import annotations

from collections.abc import Sequence

from mesos_service.core.allocation.tree import Leaf
from mesos_service.domain.frameworks import Quantities
from mesos_service.domain.ids import FrameworkId, Role
from mesos_service.plugins.offer_filter import OfferFilter

Minimum = tuple[tuple[tuple[str, int], ...], ...]
"""Alternatives of (resource name, thousandths); see ``AllocatorOptions.min_allocatable``."""


class Client(Leaf):
    """One framework in one role. ``serial`` is never given twice, unlike the bit of the sorter."""

    __slots__ = ("aged", "capabilities", "filters", "framework_id", "minimum", "role", "serial", "short", "stamp")

    def __init__(self, framework_id: FrameworkId, role: Role, serial: int) -> None:
        super().__init__(framework_id)
        self.framework_id = framework_id
        self.role = role
        self.serial = serial
        self.capabilities: frozenset[str] = frozenset()
        self.minimum: Minimum = ()
        self.filters: tuple[OfferFilter, ...] = ()
        self.aged = False
        """Whether it comes before those who are not (N08)."""
        self.short = False
        """Whether all its tasks are short (A54)."""
        self.stamp = 0
        """Another number, never given twice, after each change of what gates ask for."""


def minimum_of(alternatives: Sequence[Quantities]) -> Minimum:
    return tuple(tuple(quantities.items()) for quantities in alternatives)
