"""Dominant shares (DRF paper, section 4; X30).

A dominant share is the largest fraction that someone holds of any one scalar resource of the whole cluster.
Amounts are kept as one list of thousandths per holder, all lists in the same order of resource names.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from operator import truediv
from typing import Final

from mesos_service.domain.frameworks import Quantities
from mesos_service.domain.resources import Resources

Amounts = list[int]
"""Thousandths, by index of the resource's name in :class:`Scale`."""

Vector = Sequence[tuple[int, int]]
"""Thousandths of a few resources: pairs of index and amount."""

Counted = Sequence[tuple[int, int, int]]
"""Those of a vector that count in shares: index, amount, and how much the cluster has."""


def dominant_share(amounts: Sequence[int], totals: Sequence[int], weight: float) -> float:
    """The dominant share of ``amounts`` out of ``totals``, over ``weight``; resources with total 0 never count.

    Each quotient is of two whole numbers and rounded once only. Shares that are equal on paper are then equal here,
    so that the tie rule (X31) decides and not the noise of a float.
    """
    share = 0.0
    if weight == 1.0:
        if 0 not in totals:
            # Nearly always, and for each holder of a large cluster: the same in one go.
            return max(0.0, max(map(truediv, amounts, totals), default=0.0))
        for amount, total in zip(amounts, totals, strict=True):
            if amount and total:
                fraction = amount / total
                if fraction > share:
                    share = fraction
        return share
    numerator, denominator = weight.as_integer_ratio()
    for amount, total in zip(amounts, totals, strict=True):
        if amount and total:
            fraction = amount * denominator / (total * numerator)
            if fraction > share:
                share = fraction
    return share


KNOWN_MAX: Final = 1024
"""Vectors that a scale remembers; past this it begins anew."""


class Scale:
    """What the whole cluster has: the denominators of every share.

    All agents count with their scalars, reserved and revocable ones too, and whether the agent is active or not
    (X30). Resources excluded from fair sharing (M-AL-18) have an index but stay at total 0: they never count.
    """

    __slots__ = ("_excluded", "_index", "_known", "totals")

    def __init__(self, excluded: Collection[str] = ()) -> None:
        self._excluded = frozenset(excluded)
        self._index: dict[str, int] = {}
        self._known: dict[int, tuple[Resources, list[tuple[int, int]]]] = {}
        """Vectors by the identity of what they are of: thousands of agents that come together have the same."""
        self.totals: Amounts = []

    def __len__(self) -> int:
        return len(self.totals)

    def vector(self, resources: Resources) -> list[tuple[int, int]]:
        """The scalars of ``resources`` by index, not to be changed. New names get an index; holders' lists must then be
        widened."""
        known = self._known.get(id(resources))
        if known is not None and known[0] is resources:
            return known[1]
        vector = self.vector_of(resources.quantities())
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        self._known[id(resources)] = (resources, vector)
        return vector

    def vector_of(self, quantities: Quantities) -> list[tuple[int, int]]:
        index = self._index
        pairs: list[tuple[int, int]] = []
        for name, amount in quantities.items():
            position = index.get(name)
            if position is None:
                position = index[name] = len(self.totals)
                self.totals.append(0)
            pairs.append((position, amount))
        return pairs

    def names(self) -> list[str]:
        """Resource names, by index."""
        return list(self._index)

    def grow(self, vector: Vector) -> None:
        """An agent's scalars are there from now on."""
        self._move(vector, 1)

    def shrink(self, vector: Vector) -> None:
        """An agent's scalars are gone."""
        self._move(vector, -1)

    def _move(self, vector: Vector, sign: int) -> None:
        names = self.names() if self._excluded else ()
        for position, amount in vector:
            if not names or names[position] not in self._excluded:
                self.totals[position] += sign * amount


class Contest:
    """Which resources can be anybody's dominant one while amounts only grow.

    Where all holders have at least as large a share of one resource as of another, and everything that is given
    adds at least as large a share of the one as of the other, that stays so: the other need not be looked at. It
    spares most of the arithmetic of a pass in a cluster whose machines are alike, and changes no decision.
    """

    __slots__ = ("_beaten", "_totals", "kept")

    def __init__(self, totals: Amounts, holders: Iterable[Amounts], *, keep_all: bool = False) -> None:
        self._totals = totals
        self.kept = [position for position, total in enumerate(totals) if total]
        self._beaten: list[tuple[int, int]] = []
        """Left out, and the one kept that always beats it."""
        if keep_all:
            return
        held = list(holders)
        candidates, self.kept = self.kept, []
        for one in candidates:
            if not any(self._beats(other, one, held) for other in self.kept):
                self.kept = [other for other in self.kept if not self._beats(one, other, held)] + [one]
        for one in candidates:
            if one not in self.kept:
                self._beaten.append((one, next(other for other in self.kept if self._beats(other, one, held))))

    def _beats(self, one: int, other: int, held: Iterable[Amounts]) -> bool:
        large, small = self._totals[one], self._totals[other]
        return all(amounts[other] * large <= amounts[one] * small for amounts in held)

    def is_upset_by(self, vector: Vector) -> bool:
        """Whether giving ``vector`` could make a resource dominant that was left out."""
        if not self._beaten:
            return False
        amounts = dict(vector)
        totals = self._totals
        return any(amounts.get(one, 0) * totals[by] > amounts.get(by, 0) * totals[one] for one, by in self._beaten)

    def counted(self, vector: Vector) -> Counted:
        """What of ``vector`` is to be looked at."""
        return tuple((position, amount, self._totals[position]) for position, amount in vector if position in self.kept)
