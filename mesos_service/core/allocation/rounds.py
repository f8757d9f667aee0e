"""Whose turn it is among siblings, agent after agent: the innermost loops of a pass in Python.

What is here decided for a level of the tree does not depend on what is decided below it: which role gets an agent
says nothing but the shares of the roles and who of them wants it. So the siblings of one level are gone through for
thousands of agents at once, with nothing in hand but tuples: (share, times served, name) decides (X31), and what of
each resource is held goes with it.

:func:`plain`, :func:`masked` and :func:`scattered` are for siblings without weights that compete for at most three
resources; amounts are floats there, which hold whole numbers below 2**53 exactly, so that their quotients are rounded
as those of integers are. :func:`general` has integers of any size, and weights.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from heapq import heapreplace
from itertools import repeat
from operator import add
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

WIDTH: Final = 3
"""So many resources have :func:`plain`, :func:`masked` and :func:`scattered`."""

SPARSE: Final = 8
"""Where less than one sibling in so many may have something, those are compared instead of passing the others."""

HARDLY_ANY: Final = 2.5
"""Up to so many siblings that may have something of an agent, on average, are compared instead of kept in order."""

ALL: Final = -1
"""A mask with every bit."""

Amounts = tuple[float, float, float]

Plain = tuple[float, int, int, float, float, float]
"""Share, times served, place by name among the siblings, and what is held."""

General = tuple[float, int, int, tuple[int, ...], int, int]
"""The same with any number of resources, and the weight as numerator and denominator."""

Winners = bytearray | list[int]
"""Places by name, in the order of what was given."""

Places = NDArray[np.uint8] | NDArray[np.int64]
"""The same as an array."""

BYTES: Final = 256
"""So many places can be told in a byte."""

E = TypeVar("E", Plain, General)


def places(siblings: int) -> Winners:
    """Where places are put down: of few siblings in bytes, which become an array at once."""
    return bytearray() if siblings <= BYTES else []


def as_array(winners: Winners) -> Places:
    return np.frombuffer(winners, np.uint8) if isinstance(winners, bytearray) else np.array(winners, np.int64)


def plain(order: list[Plain], given: Iterable[Amounts], totals: Amounts, winners: Winners) -> None:
    """Give each of ``given`` to the first of ``order``, which is sorted, and is again afterwards; to whom, by place, is
    added to ``winners``."""
    first_total, second_total, third_total = totals
    won = winners.append
    for first, second, third in given:
        share, served, place, one, two, three = order[0]
        one += first
        two += second
        three += third
        share = one / first_total
        fraction = two / second_total
        if fraction > share:
            share = fraction
        fraction = three / third_total
        if fraction > share:
            share = fraction
        won(place)
        heapreplace(order, (share, served + 1, place, one, two, three))
    order.sort()


def moved(entry: Plain, gained: Amounts, totals: Amounts, times: int) -> Plain:
    """As what it stands when it gets so much in so many times."""
    share, served, place, one, two, three = entry
    if not times:
        return entry
    one += gained[0]
    two += gained[1]
    three += gained[2]
    share = max(one / totals[0], two / totals[1], three / totals[2])
    return share, served + times, place, one, two, three


def moved_general(entry: General, gained: Sequence[int], totals: Sequence[int], times: int) -> General:
    """As :func:`moved`, with integers and weights."""
    share, served, place, held, numerator, denominator = entry
    held = tuple(map(add, held, gained))
    for amount, more, total in zip(held, gained, totals, strict=True):
        if more and total:
            fraction = amount * denominator / (total * numerator)
            if fraction > share:
                share = fraction
    return share, served + times, place, held, numerator, denominator


def masked(
    order: list[Plain], given: Iterable[Amounts], totals: Amounts, masks: Iterable[int], winners: Winners
) -> None:
    """As :func:`plain`, to the first of those whose bit, ``1 << place``, is in the mask; none of which is 0."""
    first_total, second_total, third_total = totals
    won = winners.append
    known = _by_place(order)
    sparse = len(order) // SPARSE
    for (first, second, third), mask in zip(given, masks, strict=True):
        at = 0
        if mask.bit_count() > sparse:
            for entry in order:
                if mask >> entry[2] & 1:
                    break
                at += 1
        else:
            entry = _least(known, mask)
            at = bisect_left(order, entry)
        del order[at]
        _, served, place, one, two, three = entry
        one += first
        two += second
        three += third
        share = one / first_total
        fraction = two / second_total
        if fraction > share:
            share = fraction
        fraction = three / third_total
        if fraction > share:
            share = fraction
        won(place)
        known[place] = fresh = (share, served + 1, place, one, two, three)
        insort(order, fresh)


def scattered(
    order: list[Plain], given: Iterable[Amounts], totals: Amounts, masks: Iterable[int], winners: Winners
) -> None:
    """As :func:`masked`, for masks of hardly more than one bit: those few are compared, and nobody is kept in order.

    It is for where nearly everything is filtered: finding somebody in the order and moving him would be most of it.
    """
    first_total, second_total, third_total = totals
    won = winners.append
    known = _by_place(order)
    for (first, second, third), mask in zip(given, masks, strict=True):
        others = mask & (mask - 1)
        entry = known[(mask ^ others).bit_length() - 1]
        while others:
            bit = others & -others
            other = known[bit.bit_length() - 1]
            if other < entry:
                entry = other
            others ^= bit
        _, served, place, one, two, three = entry
        one += first
        two += second
        three += third
        share = one / first_total
        fraction = two / second_total
        if fraction > share:
            share = fraction
        fraction = three / third_total
        if fraction > share:
            share = fraction
        won(place)
        known[place] = (share, served + 1, place, one, two, three)
    order[:] = sorted(known.values())


def general(
    order: list[General],
    given: Iterable[Sequence[int]],
    totals: Sequence[int],
    masks: Iterable[int] | None,
    winners: Winners,
) -> None:
    """As :func:`masked`, or without masks as :func:`plain`, with integers and weights."""
    known = _by_place(order)
    sparse = len(order) // SPARSE
    for amounts, mask in zip(given, repeat(ALL) if masks is None else masks, strict=False):
        entry = _first(order, known, mask, sparse)
        del order[bisect_left(order, entry)]
        winners.append(entry[2])
        known[entry[2]] = fresh = moved_general(entry, amounts, totals, 1)
        insort(order, fresh)


def _by_place(order: list[E]) -> dict[int, E]:
    return {entry[2]: entry for entry in order}


def _first(order: list[E], known: dict[int, E], mask: int, sparse: int) -> E:
    """The first of ``order`` whose bit is in ``mask``."""
    if mask == ALL:
        return order[0]
    if mask.bit_count() <= sparse:
        return _least(known, mask)
    return next(entry for entry in order if mask >> entry[2] & 1)


def _least(known: dict[int, E], mask: int) -> E:
    """The first of those whose bit is in ``mask``."""
    found: list[E] = []
    while mask:
        bit = mask & -mask
        found.append(known[bit.bit_length() - 1])
        mask ^= bit
    return min(found)
