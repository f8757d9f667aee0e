"""What was decided of a long queue and is booked later, all at once."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import repeat
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mesos_service.core.allocation.long_queue import PassAtWork
from mesos_service.core.allocation.table import NOTHING, AgentTable
from mesos_service.domain.ids import AgentId, FrameworkId, Role
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import Grant

Indices = NDArray[np.int64]

_grant: Final = partial(tuple.__new__, Grant)
"""``Grant(*row)`` without a call of Python: half the time, and it is done 50,000 times a pass."""

PENDING: Final = Grant(FrameworkId(""), Role(""), AgentId(""), Resources.EMPTY)
"""Stands where a grant will be that is decided."""


class Decisions:
    """All that is free on an agent goes to one client. Which shape to whom is a *pair*, a number of the queue's own."""

    def __init__(self, one_pass: PassAtWork, table: AgentTable) -> None:
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

    def add_one(self, row: int, pair: int) -> None:
        """Of one agent."""
        self._single.append((row, pair, len(self._pass.grants)))
        self._pass.grants.append(PENDING)

    def make_grants(self, parts: Mapping[int, tuple[Any, ...]], take: Callable[[int, int], None]) -> Indices:
        """Book all of it; the pairs. Parts are framework, role, granted and holdings; ``take`` books what is free of an
        agent of which more is offered already.

        It is done in the order in which agents lie in memory, which is not that of the pass: to fetch records from
        anywhere takes longer than all that is done with them.
        """
        single = np.array(self._single, np.int64).reshape(-1, 3).T
        rows, pairs, places = (np.concatenate(columns) for columns in zip(*self._many, single, strict=True))
        if not len(rows):
            return pairs
        as_they_lie = np.argsort(rows)
        rows, pairs, places = rows[as_they_lie], pairs[as_they_lie], places[as_they_lie]
        kinds = np.flatnonzero(np.bincount(pairs))
        kind_of = np.searchsorted(kinds, pairs)
        columns = zip(*(parts[pair] for pair in kinds.tolist()), strict=True)
        frameworks, roles, granted, holdings = (_column(column)[kind_of].tolist() for column in columns)
        table, grants = self._table, self._pass.grants
        ids: list[AgentId] = []
        for begin, end, first in _runs(rows):
            ids += table.ids[begin:end]
            if table.offered[begin:end].count(NOTHING) == end - begin:
                table.free[begin:end] = repeat(Resources.EMPTY, end - begin)
                table.offered[begin:end] = holdings[first : first + end - begin]
                continue
            for at in range(first, first + end - begin):
                if table.offered[rows[at]] is not NOTHING:
                    insort(self._pass.again, int(places[at]))
                take(int(rows[at]), int(pairs[at]))
        made = map(_grant, zip(frameworks, roles, ids, granted, strict=True))
        for place, grant in zip(places.tolist(), made, strict=True):
            grants[place] = grant
        table.open[rows] = False
        return pairs


def _column(values: Sequence[object]) -> NDArray[np.object_]:
    column = np.empty(len(values), np.object_)
    for number, value in enumerate(values):
        column[number] = value
    return column


def _runs(rows: Indices) -> Iterator[tuple[int, int, int]]:
    """Rows that follow on each other in an ascending column: the first, that behind the last, and where they begin."""
    begins = np.flatnonzero(np.diff(rows, prepend=-2) != 1)
    ends = np.append(begins[1:], len(rows))
    first = rows[begins]
    return zip(first.tolist(), (first + ends - begins).tolist(), begins.tolist(), strict=True)
