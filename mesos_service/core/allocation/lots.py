"""Lots for the random sorter (M-AL-03): who is asked next is drawn by weight, whatever everybody holds."""

from __future__ import annotations

from collections.abc import Sequence

from mesos_service.core.allocation.shuffle import place


class Lots:
    """The lots of one pass. ``roles`` and ``frameworks`` say which of the two are drawn; the others stand in order."""

    __slots__ = ("_drawn", "_seed", "frameworks", "roles")

    def __init__(self, seed: int, roles: bool, frameworks: bool) -> None:
        self._seed = seed
        self._drawn = 0
        self.roles = roles
        self.frameworks = frameworks

    def of(self, serial: int) -> Lots:
        """Those for one agent; the same whichever other agents take part."""
        return Lots(place(self._seed ^ 0x5851F42D4C957F2D, serial), self.roles, self.frameworks)

    def draw(self, weights: Sequence[float]) -> int:
        """An index, each with the chance of its weight."""
        self._drawn += 1
        at = place(self._seed, self._drawn) / 2.0**64 * sum(weights)
        for index, weight in enumerate(weights):
            at -= weight
            if at < 0:
                return index
        return len(weights) - 1
