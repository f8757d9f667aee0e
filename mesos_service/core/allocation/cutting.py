"""Taking as much of some resources as is allowed, and no more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from mesos_service.core.allocation.shapes import Kept, Prepared
from mesos_service.domain.resource import Resource
from mesos_service.domain.resources import Resources

CUTS_MAX: Final = 1024
"""So many cut offers are remembered; past this it begins anew."""


class Cuts:
    """Offers that were cut, remembered from pass to pass.

    Towards the end of a limit the same is cut again and again: agents come in few shapes, and what is taken before has
    a common measure.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, Kept], tuple[Resources, Resources]] = {}
        """By the identity of the offer, which stands behind it: of a shape, frameworks are offered the same object."""

    def of(self, prepared: Prepared, left: Kept) -> Resources:
        """What is left of the offer when of what quota counts in it no more than ``left`` is offered."""
        offer, key = prepared.offer, (id(prepared.offer), left)
        known = self._known.get(key)
        if known is not None and known[0] is offer:
            return known[1]
        scalars, others = prepared.halves()
        if len(self._known) >= CUTS_MAX:
            self._known.clear()
        found = others + shrink(scalars, dict(left))
        self._known[key] = offer, found
        return found


def shrink(scalars: Resources, left: Mapping[str, int], *, others: bool = True) -> Resources:
    """As much of ``scalars`` as ``left`` allows; with ``others``, all of what it does not name.

    A disk that can only be taken whole (X42) is taken whole or not at all. Such disks come first, and the largest
    before the others: what can be cut fills what they leave. The order in which several disks are listed has no say, as
    it tells who gave back what when.
    """
    rest = dict(left)
    kept: list[Resource] = []
    in_order: Iterable[Resource] = scalars
    pairs = scalars.pairs()
    if pairs is None or len({key.name for key, _ in pairs}) < len(pairs):
        in_order = sorted(scalars, key=_whole_and_large_first)
    for resource in in_order:
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


def _whole_and_large_first(resource: Resource) -> tuple[bool, int, str]:
    assert isinstance(resource.value, int)
    return not resource.key.is_counted, -resource.value, str(resource)
