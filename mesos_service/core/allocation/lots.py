"""Lots for the random sorter (M-AL-03): who is asked next is drawn by weight, whatever everybody holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mesos_service.core.allocation.shuffle import place
from mesos_service.core.allocation.tree import VIRTUAL_LEAF, Node


class Lots:
    """The lots of one pass. ``roles`` and ``frameworks`` say which of the two are drawn; the others stand in order."""

    __slots__ = ("_drawn", "_seed", "frameworks", "roles")

    stage = "lots"
    """What decides, to an observer."""

    def __init__(self, seed: int, roles: bool, frameworks: bool) -> None:
        self._seed = seed
        self._drawn = 0
        self.roles = roles
        self.frameworks = frameworks

    def of(self, serial: int) -> Lots:
        """Those for one agent; the same whichever other agents take part."""
        return Lots(self.seed_of(serial), self.roles, self.frameworks)

    def seed_of(self, serial: int) -> int:
        return place(self._seed ^ 0x5851F42D4C957F2D, serial)

    def arranged(self, node: Node, among: list[Node]) -> Iterator[Node]:
        """The children of ``node`` in the order in which they are asked; given in that of their shares."""
        by_lot = self.frameworks if node.name == VIRTUAL_LEAF else self.roles
        while among:
            yield among.pop(self.draw([one.weight for one in among]) if by_lot and len(among) > 1 else 0)

    def chance(self) -> float:
        """From 0 to 1, another one each time."""
        self._drawn += 1
        return place(self._seed, self._drawn) / 2.0**64

    def draw(self, weights: Sequence[float]) -> int:
        """An index, each with the chance of its weight."""
        at = self.chance() * sum(weights)
        for index, weight in enumerate(weights):
            at -= weight
            if at < 0:
                return index
        return len(weights) - 1
