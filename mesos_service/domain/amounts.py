"""Arithmetic on the amounts of one kind of resource, whichever of the three types they are of (X40-X43)."""

from __future__ import annotations

from functools import lru_cache

from mesos_service.domain.resource import ResourceKey, ResourcesError, Value, format_value
from mesos_service.domain.values import Ranges


def join(key: ResourceKey, left: Value, right: Value) -> Value:
    """Both together; raises ``ResourcesError`` where they are of different types."""
    if isinstance(left, int) and isinstance(right, int):
        return left + right
    if isinstance(left, Ranges) and isinstance(right, Ranges):
        return left | right
    if isinstance(left, frozenset) and isinstance(right, frozenset):
        return left | right
    raise ResourcesError(f"'{key}' cannot be {format_value(left)} and {format_value(right)} at once: types differ")


def covers(have: Value, wanted: Value) -> bool:
    """Whether ``wanted`` can be taken from ``have``; never where their types differ."""
    if isinstance(have, int) and isinstance(wanted, int):
        return have >= wanted
    if isinstance(have, Ranges) and isinstance(wanted, Ranges):
        return have.contains(wanted)
    if isinstance(have, frozenset) and isinstance(wanted, frozenset):
        return have >= wanted
    return False


def difference(left: Value, right: Value) -> Value:
    """``left`` without ``right``. Callers have seen to it that the types agree."""
    if isinstance(left, int) and isinstance(right, int):
        return left - right
    if isinstance(left, Ranges) and isinstance(right, Ranges):
        return left - right
    if isinstance(left, frozenset) and isinstance(right, frozenset):
        return left - right
    raise ResourcesError(f"{format_value(right)} cannot be taken from {format_value(left)}: types differ")


def with_allocation(key: ResourceKey, role: str | None) -> ResourceKey:
    """The same kind of resource, allocated to ``role``, or to nobody (X48)."""
    # Keys with a disk are not cached: they are equal even when their volumes differ, and a cache would mix them up.
    if key.disk is None:
        return _cached_with_allocation(key, role)
    return key._replace(allocation_role=role)


@lru_cache(maxsize=16384)
def _cached_with_allocation(key: ResourceKey, role: str | None) -> ResourceKey:
    return key._replace(allocation_role=role)
