"""What was decided of a long queue and is booked later, all at once."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise, repeat
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mesos_service.core.allocation.entries import AgentBook
from mesos_service.core.allocation.long_queue import PassAtWork
from mesos_service.core.allocation.table import NOTHING, AgentTable, Holdings
from mesos_service.domain.ids import AgentId, FrameworkId, Role
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import Grant

Indices = NDArray[np.int64]

PENDING: Final = Grant(FrameworkId(""), Role(""), AgentId(""), Resources.EMPTY)
"""Stands where a grant will be that is decided."""

LONG: Final = 8
"""Where so many rows follow on each other, as a rule, they are written at once."""


class Decisions:
    """All that is free on an agent goes to one client. Which shape to whom is a *pair*, a number of the queue's own."""

    def __init__(self, one_pass: PassAtWork, table: AgentTable[AgentBook]) -> None:
        self._pass = one_pass
        self._table = table
        self._many: list[tuple[Indices, Indices, Indices]] = []
        """Rows of agents, pairs, and places among the grants."""
        self._single: list[tuple[int, int, int]] = []

    def add(self, rows: NDArray[np.int32], pairs: Indices) -> None:
        """Of so many agents, in the order of the pass."""
        first = len(self._pass.grants)
        self._many.append((rows.astype(np.int64), pairs, np.arange(first, first + len(rows))))
        self._pass.grants += repeat(PENDING, len(rows))

    def add_these(self, rows: Sequence[int], pairs: Sequence[int]) -> None:
        """As :meth:`add`, of a few."""
        first = len(self._pass.grants)
        self._single += zip(rows, pairs, range(first, first + len(rows)), strict=True)
        self._pass.grants += repeat(PENDING, len(rows))

    def make_grants(self, parts: Mapping[int, tuple[Any, ...]], take: Callable[[int, int], None]) -> Indices:
        """Book all of it; the pairs. Parts are framework, role, granted and holdings; ``take`` books what is free of an
        agent of which more is offered already.

        It is done in the order in which agents lie in memory, which is not that of the pass: to fetch records from
        anywhere takes longer than all that is done with them.
        """
        single = np.array(self._single, np.int64).reshape(-1, 3).T
        columns: list[Indices] = [np.concatenate(each) for each in zip(*self._many, single, strict=True)]
        rows, pairs, places = columns
        if not len(rows):
            return pairs
        # Numbers are sorted many times as fast as places of numbers.
        as_they_lie: Indices = np.sort(rows << 32 | np.arange(len(rows))) & 0xFFFF_FFFF
        rows, pairs, places = rows[as_they_lie], pairs[as_they_lie], places[as_they_lie]
        times = np.bincount(pairs)
        kinds = np.flatnonzero(times)
        kind_of = (np.cumsum(times != 0) - 1)[pairs]
        each_part = zip(*(parts[pair] for pair in kinds.tolist()), strict=True)
        frameworks, roles, granted, holdings = (_column(part)[kind_of].tolist() for part in each_part)
        ids: list[AgentId] = list(map(self._table.ids.__getitem__, rows.tolist()))
        again = self._mark_as_offered(rows, holdings)
        for at in again:
            insort(self._pass.again, int(places[at]))
            take(int(rows[at]), int(pairs[at]))
        grants = self._pass.grants
        # As ``Grant(*row)``, without a call of Python: half the time, and it is done 50,000 times a pass.
        # All are made before any is put into its place: should garbage be collected meanwhile, it finds them one behind
        # the other, and not all over the memory.
        made = list(map(tuple.__new__, repeat(Grant), zip(frameworks, roles, ids, granted, strict=True)))
        for place, grant in zip(places.tolist(), made, strict=True):
            grants[place] = grant
        self._table.open[rows] = False
        return pairs

    def _mark_as_offered(self, rows: Indices, holdings: list[Holdings]) -> list[int]:
        """What is free on these agents is offered. The places of those of which more is offered already, which are left
        to the caller."""
        free, offered = self._table.free, self._table.offered
        again: list[int] = []
        begins = np.flatnonzero(np.diff(rows, prepend=-2) != 1)
        if len(begins) * LONG > len(rows):
            for at, row in enumerate(rows.tolist()):
                if offered[row] is NOTHING:
                    offered[row] = holdings[at]
                    free[row] = Resources.EMPTY
                else:
                    again.append(at)
            return again
        # Rows that follow on each other are written at once.
        for first, behind in pairwise((*begins.tolist(), len(rows))):
            begin, end = int(rows[first]), int(rows[behind - 1]) + 1
            if offered[begin:end].count(NOTHING) == end - begin:
                free[begin:end] = repeat(Resources.EMPTY, end - begin)
                offered[begin:end] = holdings[first:behind]
                continue
            for at in range(first, behind):
                row = begin + at - first
                if offered[row] is NOTHING:
                    offered[row] = holdings[at]
                    free[row] = Resources.EMPTY
                else:
                    again.append(at)
        return again


def _column(values: Sequence[object]) -> NDArray[np.object_]:
    column = np.empty(len(values), np.object_)
    for number, value in enumerate(values):
        column[number] = value
    return column
