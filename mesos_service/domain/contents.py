"""What is in a bundle of resources: how it is kept, read and compared (X40-X48).

:class:`~mesos_service.domain.resources.Resources` is such a bundle with all that is made of bundles; nothing here makes
another one.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator
from functools import partial
from itertools import chain, repeat
from typing import Final, Self

from mesos_service.domain.amounts import covers, join
from mesos_service.domain.resource import Resource, ResourceKey, ResourcesError, Value
from mesos_service.domain.values import Milli, Ranges

_resource: Final = partial(tuple.__new__, Resource)
"""``Resource(*pair)`` without a call of Python: registries and offers go through very many of them."""

NONE_COUNTED: Final[dict[Resource, int]] = {}
"""Shared by nearly all Resources; like every dict in here it is never changed once a Resources holds it."""


class Contents:
    """A bundle of resources, immutable and hashable.

    It has two parts, and a resource is in exactly one of them:

    - ``_amounts``: key to amount, for what adds up. Nearly always all there is.
    - ``_counted``: resource to number of copies, for what never merges with its like: exclusive disks and
      persistent volumes (X42), which come and go whole, and shared resources (X45).

    Neither holds a zero or an empty amount. Order of insertion is kept for printing and means nothing else.
    """

    __slots__ = ("_amounts", "_counted", "_hash")

    _amounts: dict[ResourceKey, Value]
    _counted: dict[Resource, int]
    _hash: int | None

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
        self._counted = counted or NONE_COUNTED
        self._hash = None

    def __iter__(self) -> Iterator[Resource]:
        """Each resource, shared ones as many times as there are copies: ``Resources.of(r) == r``."""
        amounts = map(_resource, self._amounts.items())
        if not self._counted:
            return amounts
        return chain(amounts, *(repeat(item, copies) for item, copies in self._counted.items()))

    def pairs(self) -> ItemsView[ResourceKey, Value] | None:
        """Key and amount of each, without a ``Resource`` made of them; ``None`` where some are counted (X42, X45)."""
        return None if self._counted else self._amounts.items()

    def __len__(self) -> int:
        """How many resources iteration gives."""
        return len(self._amounts) + sum(self._counted.values())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Contents):
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

    def __reduce__(self) -> tuple[type[Self], tuple[list[Resource]]]:
        # The cached hash must not travel: strings hash differently in every process.
        return type(self), (list(self),)

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

    @property
    def has_shared(self) -> bool:
        """Whether several may use some of this at once (X45). Mostly nothing is counted, and so nothing shared."""
        return bool(self._counted) and any(item.key.shared for item in self._counted)

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

    def contains(self, other: Contents) -> bool:
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

    def _keys(self) -> Iterator[ResourceKey]:
        yield from self._amounts
        for item in self._counted:
            yield item.key
