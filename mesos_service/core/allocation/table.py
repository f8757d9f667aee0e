"""What a pass looks at of each agent, in columns: one row for an agent, found by the agent's ``index``.

A pass over a large cluster looks at every agent, and each in another order than the last time. Records of fifty
thousand agents do not fit into a processor's cache, so that fetching one costs more than all that is then done with it;
the few columns here do fit. Rows of agents that have gone are given again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from mesos_service.domain.ids import AgentId, FrameworkId
from mesos_service.domain.resources import Resources

B = TypeVar("B")
"""What is written down of an agent besides."""

T = TypeVar("T")

Rows = NDArray[np.int32]
"""Indices of agents."""

Holdings = Mapping[FrameworkId, Resources]
"""Resources with allocation roles, never empty ones. Never changed, only replaced: the thousands of agents on which
the same is offered to the same framework share one."""

NOTHING: Final[Holdings] = {}

NO_ROW: Final = -1
"""Of an agent that is not there."""

NOBODY: Final = AgentId("")

FIRST_CAPACITY: Final = 64


class AgentTable(Generic[B]):
    """Columns that are lists hold objects or integers of any size, the others are arrays and longer than needed."""

    __slots__ = (
        "_vacant",
        "books",
        "free",
        "ids",
        "offered",
        "open",
        "row_of",
        "serials",
        "shapes",
        "vetoed",
        "vetoing",
    )

    def __init__(self) -> None:
        self.books: list[B | None] = []
        self.ids: list[AgentId] = []
        self.row_of: dict[AgentId, int] = {}
        """The same the other way round: whoever wants no more than rows need not fetch the books."""
        self.free: list[Resources] = []
        """Unallocated, and held by nobody."""
        self.offered: list[Holdings] = []
        self.vetoed: list[int] = []
        """See :class:`~mesos_service.core.allocation.entries.AgentBook`."""
        self.vetoing: NDArray[np.bool_] = np.zeros(FIRST_CAPACITY, np.bool_)
        """Whether anything may be in ``vetoed``: as a rule nothing is, and then nobody needs to look."""
        self.shapes: Rows = np.zeros(FIRST_CAPACITY, np.int32)
        """A number of the :class:`~mesos_service.core.allocation.shape_book.ShapeBook`. It is a guess: it is right when
        the shape's ``free`` is the very object that is free here."""
        self.open: NDArray[np.bool_] = np.zeros(FIRST_CAPACITY, np.bool_)
        """Whether there is something to offer: what a full pass looks at."""
        self.serials: NDArray[np.uint64] = np.zeros(FIRST_CAPACITY, np.uint64)
        self._vacant: list[int] = []

    def add(self, agent_id: AgentId, serial: int) -> int:
        """A row for an agent, whose book is to be put into it."""
        if self._vacant:
            index = self._vacant.pop()
            self.ids[index] = agent_id
        else:
            index = len(self.books)
            self.ids.append(agent_id)
            self.books.append(None)
            self.free.append(Resources.EMPTY)
            self.offered.append(NOTHING)
            self.vetoed.append(0)
            if index == len(self.open):
                self.shapes = _twice(self.shapes)
                self.open = _twice(self.open)
                self.vetoing = _twice(self.vetoing)
                self.serials = _twice(self.serials)
        self.serials[index] = serial
        self.row_of[agent_id] = index
        return index

    def remove(self, index: int) -> None:
        """The agent has gone."""
        self.books[index] = None
        del self.row_of[self.ids[index]]
        self.ids[index] = NOBODY
        self.free[index] = Resources.EMPTY
        self.offered[index] = NOTHING
        self.vetoed[index] = 0
        self.vetoing[index] = False
        self.shapes[index] = 0
        self.open[index] = False
        self._vacant.append(index)

    def all_open(self) -> Rows:
        """In no order that means anything."""
        return np.flatnonzero(self.open).astype(np.int32)

    def books_at(self, rows: Rows | Sequence[int]) -> list[B]:
        """Of agents that are there."""
        found = [self.books[index] for index in (rows.tolist() if isinstance(rows, np.ndarray) else rows)]
        return [book for book in found if book is not None]


def at(column: Sequence[T], rows: NDArray[np.integer[Any]]) -> Sequence[T]:
    """What a column that is a list has in these rows.

    They lie anywhere, so that waiting for memory is nearly all of it. Of the loops that Python has, that of
    ``itemgetter`` is so short that the processor fetches several ahead by itself: half the time of any other.
    """
    if len(rows) < 2:
        return [column[row] for row in rows.tolist()]
    found: tuple[T, ...] = itemgetter(*rows.tolist())(column)
    return found


def _twice(column: NDArray[Any]) -> NDArray[Any]:  # Any: whatever it is a column of
    return np.concatenate([column, np.zeros_like(column)])
