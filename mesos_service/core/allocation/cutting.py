"""Taking as much of some resources as is allowed, and no more."""

from __future__ import annotations

from collections.abc import Mapping

from mesos_service.domain.resource import Resource
from mesos_service.domain.resources import Resources


def shrink(scalars: Resources, left: Mapping[str, int], *, others: bool = True) -> Resources:
    """As much of ``scalars`` as ``left`` allows; with ``others``, all of what it does not name.

    A disk that can only be taken whole (X42) is taken whole or not at all.
    """
    rest = dict(left)
    kept: list[Resource] = []
    for resource in scalars:
        name, value = resource.name, resource.value
        assert isinstance(value, int)
        room = rest.get(name, value if others else 0)
        amount = min(value, room)
        if amount <= 0 or (resource.key.is_counted and amount < value):
            continue
        if name in rest:
            rest[name] -= amount
        kept.append(Resource(resource.key, amount))
    return Resources.of(kept)
