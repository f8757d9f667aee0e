"""What was decided of a long queue and is booked later, all at once."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Sequence
from itertools import chain, pairwise, repeat
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from mesos_service.core.allocation.entries import AgentBook
from mesos_service.core.allocation.long_queue import PassAtWork
from mesos_service.core.allocation.shapes import GrantParts
from mesos_service.core.allocation.table import NOTHING, AgentTable, Holdings, at
from mesos_service.domain.ids import AgentId, FrameworkId, Role
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import Grant

Indices = NDArray[np.int64]

PENDING: Final = Grant(FrameworkId(""), Role(""), AgentId(""), Resources.EMPTY)
"""Stands where a grant will be that is decided."""

FEW: Final = 4096
"""Grants of which it does not pay to sort them by how their agents lie: of so few, hardly two share anything."""

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

    def make_grants(self, parts: Sequence[Sequence[GrantParts | None]], take: Callable[[int, int], None]) -> Indices:
        """Book all of it; the pairs. ``parts`` are by shape and client; ``take`` books what is free of an agent of
        which more is offered already.

        It is done in the order in which agents lie in memory, which is not that of the pass: to fetch records from
        anywhere takes longer than all that is done with them.
        """
        single = np.array(self._single, np.int64).reshape(-1, 3).T
        columns: list[Indices] = [np.concatenate(each) for each in zip(*self._many, single, strict=True)]
        rows, pairs, places = columns
        if len(rows) < FEW:
            self._make_few(rows, pairs, places, _of_pairs(pairs, parts), take)
            return pairs
        # Numbers are sorted many times as fast as places of numbers.
        as_they_lie: Indices = np.sort(rows << 32 | np.arange(len(rows))) & 0xFFFF_FFFF
        rows, pairs, places = rows[as_they_lie], pairs[as_they_lie], places[as_they_lie]
        times = np.bincount(pairs)
        kinds = np.flatnonzero(times)
        kind_of = (np.cumsum(times != 0) - 1)[pairs]
        each_part = zip(*_of_pairs(kinds, parts), strict=True)
        frameworks, roles, granted, holdings = (_column(part)[kind_of].tolist() for part in each_part)
        ids: list[AgentId] = list(map(self._table.ids.__getitem__, rows.tolist()))
        again = self._mark_as_offered(rows, holdings)
        for number in again:
            insort(self._pass.again, int(places[number]))
            take(int(rows[number]), int(pairs[number]))
        grants = self._pass.grants
        # As ``Grant(*row)``, without a call of Python: half the time, and it is done 50,000 times a pass.
        # All are made before any is put into its place: should garbage be collected meanwhile, it finds them one behind
        # the other, and not all over the memory.
        made = list(map(tuple.__new__, repeat(Grant), zip(frameworks, roles, ids, granted, strict=True)))
        for place, grant in zip(places.tolist(), made, strict=True):
            grants[place] = grant
        self._table.open[rows] = False
        return pairs

    def _make_few(
        self,
        rows: Indices,
        pairs: Indices,
        places: Indices,
        parts: Sequence[GrantParts],
        take: Callable[[int, int], None],
    ) -> None:
        """As :meth:`make_grants`, one after the other."""
        grants, free, offered, new = self._pass.grants, self._table.free, self._table.offered, tuple.__new__
        nothing_free, numbers = Resources.EMPTY, rows.tolist()
        ids, standing = at(self._table.ids, rows), at(offered, rows)
        for number, before in enumerate(standing) if standing.count(NOTHING) < len(rows) else ():
            if before is not NOTHING:
                insort(self._pass.again, int(places[number]))
                take(numbers[number], int(pairs[number]))
        made: list[Grant] = []
        add = made.append
        for row, agent_id, before, (framework_id, role, granted, holdings) in zip(
            numbers, ids, standing, parts, strict=True
        ):
            add(new(Grant, (framework_id, role, agent_id, granted)))
            if before is NOTHING:
                offered[row] = holdings
                free[row] = nothing_free
        # Their places follow on each other, but where an agent was served in between by itself.
        begins = np.flatnonzero(np.diff(places, prepend=-2) != 1)
        for begin, end in pairwise((*begins.tolist(), len(made))):
            first = int(places[begin])
            grants[first : first + end - begin] = made[begin:end]
        self._table.open[rows] = False

    def _mark_as_offered(self, rows: Indices, holdings: list[Holdings]) -> list[int]:
        """What is free on these agents is offered. The places of those of which more is offered already, which are left
        to the caller."""
        free, offered = self._table.free, self._table.offered
        again: list[int] = []
        begins = np.flatnonzero(np.diff(rows, prepend=-2) != 1)
        if len(begins) * LONG > len(rows):
            for number, row in enumerate(rows.tolist()):
                if offered[row] is NOTHING:
                    offered[row] = holdings[number]
                    free[row] = Resources.EMPTY
                else:
                    again.append(number)
            return again
        # Rows that follow on each other are written at once.
        for first, behind in pairwise((*begins.tolist(), len(rows))):
            begin, end = int(rows[first]), int(rows[behind - 1]) + 1
            if offered[begin:end].count(NOTHING) == end - begin:
                free[begin:end] = repeat(Resources.EMPTY, end - begin)
                offered[begin:end] = holdings[first:behind]
                continue
            for number in range(first, behind):
                row = begin + number - first
                if offered[row] is NOTHING:
                    offered[row] = holdings[number]
                    free[row] = Resources.EMPTY
                else:
                    again.append(number)
        return again


def _of_pairs(pairs: Indices, parts: Sequence[Sequence[GrantParts | None]]) -> Sequence[GrantParts]:
    """The parts of each pair, all of which are known: it was decided."""
    return cast("Sequence[GrantParts]", at(list(chain.from_iterable(parts)), pairs))


def _column(values: Sequence[object]) -> NDArray[np.object_]:
    column = np.empty(len(values), np.object_)
    for number, value in enumerate(values):
        column[number] = value
    return column
