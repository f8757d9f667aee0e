"""Resources: what agents have, offers bundle and tasks use, as one value that adds up (X40-X48; M-AL-25).

This is the value everything else counts with. Amounts of one :class:`ResourceKey` add up; amounts of different keys
stand side by side, and nothing is ever taken from a neighbour. Hence the laws that callers lean on (and that
``tests/properties`` checks):

- ``(a + b) - b == a``, and ``a + b == b + a``;
- ``a.contains(b)`` exactly when ``a - b`` does not raise, and then ``(a - b) + b == a``;
- what is zero or empty is not there (X43).
"""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterable, Iterator
from functools import partial
from itertools import chain, repeat
from typing import ClassVar, Final

from mesos_service.domain.amounts import covers, difference, join, with_allocation
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

_resource: Final = partial(tuple.__new__, Resource)
"""``Resource(*pair)`` without a call of Python: registries and offers go through very many of them."""

_NONE_COUNTED: Final[dict[Resource, int]] = {}
"""Shared by nearly all Resources; like every dict in here it is never changed once a Resources holds it."""

LEFT_MAX: Final = 1024
"""What :meth:`Resources.without` remembers; past this it begins anew."""
_left: Final[dict[tuple[int, int], tuple[Resources, Resources, tuple[Resources, bool]]]] = {}


class Resources:
    """An immutable, hashable bundle of resources.

    It has two parts, and a resource is in exactly one of them:

    - ``_amounts``: key to amount, for what adds up. Nearly always all there is.
    - ``_counted``: resource to number of copies, for what never merges with its like: exclusive disks and
      persistent volumes (X42), which come and go whole, and shared resources (X45).

    Neither holds a zero or an empty amount. Order of insertion is kept for printing and means nothing else.
    """

    __slots__ = ("_amounts", "_counted", "_hash", "_unallocated")

    EMPTY: ClassVar[Resources]

    _amounts: dict[ResourceKey, Value]
    _counted: dict[Resource, int]
    _hash: int | None
    _unallocated: Resources | None
    """The same without allocation roles, once somebody asked: the books of several ask for each offer and task."""

    def __init__(self, items: Iterable[Resource] = ()) -> None:
        """Raises :class:`ResourcesError` for negative scalars, and when one key comes with amounts of two types."""
        amounts: dict[ResourceKey, Value] = {}
        counted: dict[Resource, int] = {}
        for item in items:
            key, value = item
            if not value:
                continue
            if type(value) is int and value < 0:
                raise ResourcesError(f"{item} is negative")
            if key.is_counted:
                counted[item] = counted.get(item, 0) + 1
            else:
                mine = amounts.get(key)
                amounts[key] = value if mine is None else join(key, mine, value)
        self._amounts = amounts
        self._counted = counted or _NONE_COUNTED
        self._hash = None
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

    def contains(self, other: Resources) -> bool:
        """Whether ``other`` can be subtracted. Like is compared with like only (X42, X47)."""
        amounts = self._amounts
        if amounts == other._amounts and not other._counted:
            return True
        for key, value in other._amounts.items():
            mine = amounts.get(key)
            if mine is None:
                return False
            if type(mine) is int and type(value) is int:
                if mine < value:
                    return False
            elif not covers(mine, value):
                return False
        if other._counted:
            counted = self._counted
            return all(counted.get(item, 0) >= copies for item, copies in other._counted.items())
        return True

    def __bool__(self) -> bool:
        return bool(self._amounts or self._counted)

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
        return _make(amounts, counted or _NONE_COUNTED)

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

    def __iter__(self) -> Iterator[Resource]:
        """Each resource, shared ones as many times as there are copies: ``Resources.of(r) == r``."""
        amounts = map(_resource, self._amounts.items())
        if not self._counted:
            return amounts
        return chain(amounts, *(repeat(item, copies) for item, copies in self._counted.items()))

    def pairs(self) -> ItemsView[ResourceKey, Value] | None:
        """Key and amount of each, without a ``Resource`` made of them; ``None`` where some are counted (X42, X45)."""
        return None if self._counted else self._amounts.items()

    def spelt_as_in(self, other: Resources) -> Resources:
        """The same resources; what equals something in ``other`` without being the same, such as a volume that is
        mounted elsewhere, is as it is there."""
        if not self._counted:
            return self
        known = {item: item for item in other._counted}
        return _make(self._amounts, {known.get(item, item): copies for item, copies in self._counted.items()})

    def __len__(self) -> int:
        """How many resources iteration gives."""
        return len(self._amounts) + sum(self._counted.values())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Resources):
            return NotImplemented
        return self._amounts == other._amounts and self._counted == other._counted

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash((frozenset(self._amounts.items()), frozenset(self._counted.items())))
        return self._hash

    def __str__(self) -> str:
        """``cpus:4; mem:4096; ports:[31000-32000]``, as in Mesos' messages."""
        return "; ".join(str(item) for item in self)

    def __repr__(self) -> str:
        return f"<Resources {self}>"

    def __reduce__(self) -> tuple[type[Resources], tuple[list[Resource]]]:
        # The cached hash must not travel: strings hash differently in every process.
        return Resources, (list(self),)

    def scalar(self, name: str) -> Milli:
        """Thousandths of ``name`` over all roles, reservations and disks; shared resources count once (X45)."""
        total = 0
        for key, value in self._amounts.items():
            if key.name == name and type(value) is int:
                total += value
        for item, copies in self._counted.items():
            if item.key.name == name and isinstance(item.value, int):
                total += item.value if item.key.shared else item.value * copies
        return total

    def quantities(self) -> dict[str, Milli]:
        """Thousandths of every scalar by name, all else dropped; shared resources count once (X45)."""
        totals: dict[str, int] = {}
        for key, value in self._amounts.items():
            if type(value) is int:
                totals[key.name] = totals.get(key.name, 0) + value
        for item, copies in self._counted.items():
            if isinstance(item.value, int):
                amount = item.value if item.key.shared else item.value * copies
                totals[item.key.name] = totals.get(item.key.name, 0) + amount
        return totals

    def ranges(self, name: str) -> Ranges:
        """The union of the ranges called ``name``, over all roles and reservations."""
        found = Ranges.EMPTY
        for key, value in self._amounts.items():
            if key.name == name and isinstance(value, Ranges):
                found |= value
        return found

    def ports(self) -> Ranges:
        return self.ranges("ports")

    def names(self) -> frozenset[str]:
        return frozenset(key.name for key in self._keys())

    def copies(self, item: Resource) -> int:
        """How many copies of a shared or exclusive resource are here (X45)."""
        return self._counted.get(item, 0)

    # Parts.

    def filter(self, predicate: Callable[[Resource], bool]) -> Resources:
        """The resources for which ``predicate`` holds; it must not depend on how many copies there are."""
        return _make(
            {key: value for key, value in self._amounts.items() if predicate(Resource(key, value))},
            {item: copies for item, copies in self._counted.items() if predicate(item)} or _NONE_COUNTED,
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

    @property
    def has_shared(self) -> bool:
        """Whether several may use some of this at once (X45). Mostly nothing is counted, and so nothing shared."""
        return bool(self._counted) and any(item.key.shared for item in self._counted)

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
        allocated = _make({with_allocation(key, role): value for key, value in self._amounts.items()}, _NONE_COUNTED)
        allocated._unallocated = self
        return allocated

    def unallocated(self) -> Resources:
        """The same resources without allocation role, to be compared with an agent's total (X48)."""
        if self._unallocated is None:
            if not self._is_allocated():
                return self  # Not kept: that would be a cycle, for the garbage collector alone to find.
            self._unallocated = self._rekey(lambda key: with_allocation(key, None))
        return self._unallocated

    def is_allocated_whole(self) -> bool:
        """Whether each of the resources has an allocation role."""
        for key in self._amounts:
            if key.allocation_role is None:
                return False
        for item in self._counted:  # noqa: SIM110
            if item.key.allocation_role is None:
                return False
        return True

    def _is_allocated(self) -> bool:
        # Loops, as a generator costs several times as much for these few keys.
        for key in self._amounts:
            if key.allocation_role is not None:
                return True
        for item in self._counted:  # noqa: SIM110
            if item.key.allocation_role is not None:
                return True
        return False

    def allocations(self) -> dict[str, Resources]:
        """Parts by allocation role; raises :class:`ResourcesError` when a resource has none."""
        roles = {key.allocation_role: None for key in self._amounts}
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

    def _keys(self) -> Iterator[ResourceKey]:
        yield from self._amounts
        for item in self._counted:
            yield item.key

    def _select(self, wanted: Callable[[ResourceKey], bool]) -> Resources:
        amounts = {key: value for key, value in self._amounts.items() if wanted(key)}
        if not self._counted:
            return self if len(amounts) == len(self._amounts) else _make(amounts, _NONE_COUNTED)
        counted = {item: copies for item, copies in self._counted.items() if wanted(item.key)}
        return _make(amounts, counted or _NONE_COUNTED)

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
        return _make(amounts, counted or _NONE_COUNTED)


def _make(amounts: dict[ResourceKey, Value], counted: dict[Resource, int]) -> Resources:
    """Wrap parts that hold the invariants, and that nobody will change."""
    resources = object.__new__(Resources)
    resources._amounts = amounts
    resources._counted = counted
    resources._hash = None
    resources._unallocated = None
    return resources


Resources.EMPTY = Resources()
