"""The random order of agents in a pass (X32, M-AL-23), drawn from one number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mesos_service.core.allocation.entries import AgentBook
from mesos_service.core.allocation.table import AgentTable, Rows

_MASK: Final = (1 << 64) - 1
_STEP: Final = 0x9E3779B97F4A7C15
_FIRST: Final = 0xBF58476D1CE4E5B9
_SECOND: Final = 0x94D049BB133111EB

FEW: Final = 64
"""Below this, an array is not worth making."""

PIECE: Final = 512
"""So many are put in order first, where it is likely that nobody will ask for more."""


def place(seed: int, serial: int) -> int:
    """Where an agent stands in the pass that drew ``seed``: the lower the earlier.

    A hash (the finaliser of splitmix64, Steele and others, OOPSLA 2014) instead of a shuffle: two agents stand in the
    same order whichever others take part, so that the outcome does not depend on which of them are left out early.
    """
    mixed = (seed + serial * _STEP) & _MASK
    mixed = (mixed ^ (mixed >> 30)) * _FIRST & _MASK
    mixed = (mixed ^ (mixed >> 27)) * _SECOND & _MASK
    return mixed ^ (mixed >> 31)


def by_and_by(seed: int, rows: Queue, table: AgentTable[AgentBook]) -> Iterator[int]:
    """As :func:`shuffled`, for who is likely to look at the first few only."""
    if len(rows) > 4 * PIECE:
        rows = np.asarray(rows, np.int32)
        mixed = _places(seed, rows, table)
        near = mixed < np.partition(mixed, PIECE)[PIECE]
        yield from rows[near][np.argsort(mixed[near])].tolist()
        rows = rows[~near]
    yield from as_list(shuffled(seed, rows, table))


def second(seed: int) -> int:
    """The seed of the second order of the same pass: where there is quota, each stage has its own."""
    return place(seed, _MASK)


Queue = list[int] | Rows
"""Rows of agents in the order in which a pass looks at them: an array where there are many."""


def shuffled(seed: int, rows: Queue, table: AgentTable[AgentBook]) -> Queue:
    """``rows`` by the :func:`place` of their agents."""
    if len(rows) < FEW:
        return sorted(as_list(rows), key=lambda index: place(seed, int(table.serials[index])))
    rows = np.asarray(rows, np.int32)
    mixed = _places(seed, rows, table)
    # Sorting numbers is many times as fast as sorting places of numbers: the low bits, which decide nothing unless two
    # agents agree in all others, are given to the place.
    low = np.uint64((1 << len(rows).bit_length()) - 1)
    ordered = np.sort((mixed & ~low) | np.arange(len(rows), dtype=np.uint64))
    high = ordered & ~low
    if (high[1:] == high[:-1]).any():
        return rows[np.argsort(mixed)]  # no two places are equal
    return rows[(ordered & low).astype(np.intp)]


def _places(seed: int, rows: Rows, table: AgentTable[AgentBook]) -> NDArray[np.uint64]:
    """The :func:`place` of each of many agents."""
    mixed: NDArray[np.uint64] = table.serials[rows] * np.uint64(_STEP) + np.uint64(seed)  # both wrap, as is wanted
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(_FIRST)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(_SECOND)
    return mixed ^ (mixed >> np.uint64(31))


def joined(one: Queue, other: Queue) -> Queue:
    """``one`` and then ``other``."""
    if not len(one):
        return other
    if isinstance(one, list) and isinstance(other, list):
        return one + other
    return np.concatenate([np.asarray(one, np.int32), np.asarray(other, np.int32)])


def as_list(rows: Queue) -> list[int]:
    return rows if isinstance(rows, list) else rows.tolist()
