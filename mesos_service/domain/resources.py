"""Resources: what agents have, offers bundle and tasks use, as one value that adds up (X40-X48; M-AL-25).

This is the value everything else counts with. Amounts of one :class:`ResourceKey` add up; amounts of different keys
stand side by side, and nothing is ever taken from a neighbour. Hence the laws that callers lean on (and that
``tests/properties`` checks):

- ``(a + b) - b == a``, and ``a + b == b + a``;
- ``a.contains(b)`` exactly when ``a - b`` does not raise, and then ``(a - b) + b == a``;
- what is zero or empty is not there (X43).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar, Final

from mesos_service.domain.amounts import covers, difference, join, with_allocation
from mesos_service.domain.contents import NONE_COUNTED, Contents
from mesos_service.domain.resource import (
    DiskInfo,
    DiskSource,
    DiskSourceType,
    Labels,
    Persistence,
    Reservation,
    ReservationType,
    Resource,
    ResourceKey,
    ResourcesError,
    Value,
    ValueType,
    Volume,
    VolumeMode,
    plain_key,
    refuse_old_and_new_format,
    refuse_push,
    validate,
)
from mesos_service.domain.resources_text import parse_resources
from mesos_service.domain.values import Milli, Ranges, from_milli, to_milli

__all__ = [
    "DiskInfo",
    "DiskSource",
    "DiskSourceType",
    "Labels",
    "Milli",
    "Persistence",
    "Ranges",
    "Reservation",
    "ReservationType",
    "Resource",
    "ResourceKey",
    "Resources",
    "ResourcesError",
    "Value",
    "ValueType",
    "Volume",
    "VolumeMode",
    "from_milli",
    "parse_resources",
    "plain_key",
    "refuse_old_and_new_format",
    "refuse_push",
    "to_milli",
    "validate",
]

LEFT_MAX: Final = 1024
"""What :meth:`Resources.without` remembers; past this it begins anew."""
_left: Final[dict[tuple[int, int], tuple[Resources, Resources, tuple[Resources, bool]]]] = {}


class Resources(Contents):
    """A bundle of resources: :class:`Contents` says how it is kept and read, this what can be made of it."""

    __slots__ = ("_unallocated",)

    EMPTY: ClassVar[Resources]

    _unallocated: Resources | None
    """The same without allocation roles, once somebody asked: the books of several ask for each offer and task."""

    def __init__(self, items: Iterable[Resource] = ()) -> None:
        """The sum of ``items``; raises as :class:`Contents` does."""
        super().__init__(items)
        self._unallocated = None

    @classmethod
    def of(cls, items: Iterable[Resource]) -> Resources:
        """The sum of ``items``; raises as the constructor does."""
        return cls(items)

    @classmethod
    def parse(cls, text: str, default_role: str = "*") -> Resources:
        """Read the text or JSON form of ``--resources``; see :func:`parse_resources`."""
        return cls(parse_resources(text, default_role))

    @classmethod
    def scalars(cls, **amounts: float | int | str) -> Resources:
        """Unreserved scalars by name, in whole units: ``Resources.scalars(cpus=0.5, mem=128)``."""
        return cls(Resource(plain_key(name), to_milli(amount)) for name, amount in amounts.items())

    # Arithmetic. These four are run several times per task; see the two parts above.

    def __add__(self, other: Resources) -> Resources:
        if not (self._amounts or self._counted):
            return other
        if not (other._amounts or other._counted):
            return self
        amounts = self._amounts.copy()
        for key, value in other._amounts.items():
            mine = amounts.get(key)
            if mine is None:
                amounts[key] = value
            elif type(mine) is int and type(value) is int:
                amounts[key] = mine + value
            else:
                amounts[key] = join(key, mine, value)
        counted = self._counted
        if other._counted:
            counted = counted.copy()
            for item, copies in other._counted.items():
                counted[item] = counted.get(item, 0) + copies
        return _make(amounts, counted)

    def __sub__(self, other: Resources) -> Resources:
        """Raises :class:`ResourcesError`, naming what is short, unless ``self.contains(other)`` (X43)."""
        if not (other._amounts or other._counted):
            return self
        if self is other or (self._amounts == other._amounts and self._counted == other._counted):
            return Resources.EMPTY  # What was given as one nearly always comes back as one.
        amounts = self._amounts.copy()
        for key, value in other._amounts.items():
            mine = amounts.get(key)
            if type(mine) is int and type(value) is int and mine >= value:
                if mine > value:
                    amounts[key] = mine - value
                else:
                    del amounts[key]
            elif mine is None or not covers(mine, value):
                raise self._short_of(other)
            elif left := difference(mine, value):
                amounts[key] = left
            else:
                del amounts[key]
        counted = self._counted
        if other._counted:
            counted = counted.copy()
            for item, copies in other._counted.items():
                left_copies = counted.get(item, 0) - copies
                if left_copies < 0:
                    raise self._short_of(other)
                if left_copies:
                    counted[item] = left_copies
                else:
                    del counted[item]
        return _make(amounts, counted)

    def shortage(self, wanted: Resources) -> Resources:
        """The part of ``wanted`` that is not here; empty exactly when ``self.contains(wanted)``."""
        amounts: dict[ResourceKey, Value] = {}
        for key, value in wanted._amounts.items():
            mine = self._amounts.get(key)
            if mine is None or type(mine) is not type(value):
                amounts[key] = value
            elif isinstance(value, int) and isinstance(mine, int):
                if value > mine:
                    amounts[key] = value - mine
            elif missing := difference(value, mine):
                amounts[key] = missing
        counted = {
            item: copies - self._counted.get(item, 0)
            for item, copies in wanted._counted.items()
            if copies > self._counted.get(item, 0)
        }
        return _make(amounts, counted or NONE_COUNTED)

    def without(self, held: Resources) -> tuple[Resources, bool]:
        """What is left beside ``held``, and whether that is more than there is: of such a kind nothing is left.

        Thousands of agents that come back to a new master have the same, and run the same: of the same two objects it
        is worked out once, and what is left is one object for all of them.
        """
        pair = (id(self), id(held))
        known = _left.get(pair)
        if known is not None and known[0] is self and known[1] is held:
            return known[2]
        is_short = not self.contains(held)
        found = (self - (held - self.shortage(held) if is_short else held), is_short)
        if len(_left) >= LEFT_MAX:
            _left.clear()
        # With both objects, whose identities nothing else can have as long as they are here.
        _left[pair] = (self, held, found)
        return found

    def _short_of(self, other: Resources) -> ResourcesError:
        have = str(self) or "nothing"
        return ResourcesError(f"{have} does not contain {other}; short of {self.shortage(other)}")

    # Looking in.

    def spelt_as_in(self, other: Resources) -> Resources:
        """The same resources; what equals something in ``other`` without being the same, such as a volume that is
        mounted elsewhere, is as it is there."""
        if not self._counted:
            return self
        known = {item: item for item in other._counted}
        return _make(self._amounts, {known.get(item, item): copies for item, copies in self._counted.items()})

    # Parts.

    def filter(self, predicate: Callable[[Resource], bool]) -> Resources:
        """The resources for which ``predicate`` holds; it must not depend on how many copies there are."""
        return _make(
            {key: value for key, value in self._amounts.items() if predicate(Resource(key, value))},
            {item: copies for item, copies in self._counted.items() if predicate(item)} or NONE_COUNTED,
        )

    def unreserved(self) -> Resources:
        return self._select(lambda key: not key.reservations)

    def reserved(self, role: str | None = None) -> Resources:
        """What is reserved to ``role`` itself (not to its ancestors), or to anyone."""
        if role is None:
            return self._select(lambda key: bool(key.reservations))
        return self._select(lambda key: bool(key.reservations) and key.reservations[-1].role == role)

    def reservations(self) -> dict[str, Resources]:
        """What is reserved, by the role that owns it."""
        roles = dict.fromkeys(key.role for key in self._keys() if key.reservations)
        return {role: self.reserved(role) for role in roles}

    def allocatable_to(self, role: str) -> Resources:
        """What ``role`` may be offered: unreserved, or reserved to it or to an ancestor of it (X44)."""
        return self._select(lambda key: not key.reservations or key.is_allocatable_to(role))

    def revocable(self) -> Resources:
        return self._select(lambda key: key.revocable)

    def non_revocable(self) -> Resources:
        return self._select(lambda key: not key.revocable)

    def shared(self) -> Resources:
        return self._select(lambda key: key.shared) if self.has_shared else Resources.EMPTY

    def shared_once(self) -> Resources:
        """The same with one copy of what is shared, as its users are shown it."""
        if not self.has_shared:
            return self
        counted = {item: 1 if item.key.shared else copies for item, copies in self._counted.items()}
        return _make(self._amounts, counted)

    def non_shared(self) -> Resources:
        return self._select(lambda key: not key.shared) if self.has_shared else self

    def persistent_volumes(self) -> Resources:
        return self._select(lambda key: key.disk is not None and key.disk.persistence is not None)

    # Changing what resources are, not how much of them there is.

    def allocated_to(self, role: str) -> Resources:
        """The same resources, allocated to ``role`` whatever they were allocated to before (X48)."""
        if self._counted or self._is_allocated():
            return self._rekey(lambda key: with_allocation(key, role))
        # All keys stay apart: this is done for each offer and each task.
        allocated = _make({with_allocation(key, role): value for key, value in self._amounts.items()}, NONE_COUNTED)
        allocated._unallocated = self
        return allocated

    def unallocated(self) -> Resources:
        """The same resources without allocation role, to be compared with an agent's total (X48)."""
        if self._unallocated is None:
            if not self._is_allocated():
                return self  # Not kept: that would be a cycle, for the garbage collector alone to find.
            self._unallocated = self._rekey(lambda key: with_allocation(key, None))
        return self._unallocated

    def allocations(self) -> dict[str, Resources]:
        """Parts by allocation role; raises :class:`ResourcesError` when a resource has none."""
        roles = {key.allocation_role: None for key in self._amounts}
        if self._counted:
            roles |= {item.key.allocation_role: None for item in self._counted}
        parts: dict[str, Resources] = {}
        for role in roles:
            # An offer, a task, an executor: nearly always all of it belongs to one role.
            part = self if len(roles) == 1 else self._allocated(role)
            if role is None:
                raise ResourcesError(f"{part} is not allocated to any role")
            parts[role] = part
        return parts

    def _allocated(self, role: str | None) -> Resources:
        return self._select(lambda key: key.allocation_role == role)

    def push_reservation(self, reservation: Reservation) -> Resources:
        """Reserve, or refine the reservation of, every resource (X44).

        Raises :class:`ResourcesError` when the reservation may not go on top of some resource's stack.
        """

        def push(key: ResourceKey) -> ResourceKey:
            refusal = refuse_push(key.reservations, reservation)
            if refusal is not None:
                raise ResourcesError(f"cannot reserve {key}: {refusal}")
            return key._replace(reservations=(*key.reservations, reservation))

        return self._rekey(push)

    def pop_reservation(self) -> Resources:
        """Take the top off every resource's reservation stack (X44).

        Raises :class:`ResourcesError` when some resource is unreserved or statically reserved.
        """

        def pop(key: ResourceKey) -> ResourceKey:
            if not key.reservations:
                raise ResourcesError(f"cannot unreserve {key}: it is not reserved")
            if key.reservations[-1].type == "STATIC":
                raise ResourcesError(f"cannot unreserve {key}: it is statically reserved")
            return key._replace(reservations=key.reservations[:-1])

        return self._rekey(pop)

    def to_unreserved(self) -> Resources:
        """The same resources with empty reservation stacks, static reservations included; for counting only."""
        return self._rekey(lambda key: key._replace(reservations=()) if key.reservations else key)

    def _select(self, wanted: Callable[[ResourceKey], bool]) -> Resources:
        amounts = {key: value for key, value in self._amounts.items() if wanted(key)}
        if not self._counted:
            return self if len(amounts) == len(self._amounts) else _make(amounts, NONE_COUNTED)
        counted = {item: copies for item, copies in self._counted.items() if wanted(item.key)}
        return _make(amounts, counted or NONE_COUNTED)

    def _rekey(self, change: Callable[[ResourceKey], ResourceKey]) -> Resources:
        amounts: dict[ResourceKey, Value] = {}
        for key, value in self._amounts.items():
            changed = change(key)
            mine = amounts.get(changed)
            # Two keys may become one, as when what several roles have is unallocated.
            amounts[changed] = value if mine is None else join(changed, mine, value)
        counted: dict[Resource, int] = {}
        for item, copies in self._counted.items():
            changed_item = Resource(change(item.key), item.value)
            counted[changed_item] = counted.get(changed_item, 0) + copies
        return _make(amounts, counted or NONE_COUNTED)


def _make(amounts: dict[ResourceKey, Value], counted: dict[Resource, int]) -> Resources:
    """Wrap parts that hold the invariants, and that nobody will change."""
    resources = object.__new__(Resources)
    resources._amounts = amounts
    resources._counted = counted
    resources._hash = None
    resources._unallocated = None
    return resources


Resources.EMPTY = Resources()
