"""Ordinary agents served in Python each by itself, where looking ahead does not pay: short queues, and those parts of
long ones in which quota or filters are in somebody's way every few agents.

:meth:`OneByOne._one_by_one` is one loop on purpose: it is gone through for each agent, and calls would be half of it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import Any, Final

import numpy as np

from mesos_service.core.allocation.decisions import Decisions
from mesos_service.core.allocation.ledger import Ledger
from mesos_service.core.allocation.long_queue import LongQueue, PassAtWork
from mesos_service.core.allocation.orders import NOBODY, Indices, Orders
from mesos_service.core.allocation.rounds import WIDTH, moved_general
from mesos_service.core.allocation.shuffle import Queue

UNKNOWN: Final = 0
WHOLE: Final = 1
OTHER: Final = 2
"""Of a shape and a client: whether all of the shape would be offered to the client."""


class OneByOne(LongQueue):
    """One queue at work."""

    def __init__(self, one_pass: PassAtWork, ledger: Ledger, queue: Queue, limit: int) -> None:
        super().__init__(one_pass, ledger, queue)
        self._limit = limit
        self._decided = Decisions(one_pass, ledger.table)
        self._parts: dict[int, tuple[Any, ...]] = {}
        """Framework, role, granted and holdings of a grant, by pair: ``shape * clients + client``."""

    def lay_out(self) -> None:
        """What the loops are handed of clients and shapes."""
        scale, sorter, sizing = self._ledger.scale, self._ledger.sorter, self._pass.sizing
        contest = sorter.contest() if sum(map(bool, scale.totals)) > WIDTH else None
        self._orders = Orders(self._groups, self._clients, scale.totals, self._vectors, len(self._queue), contest)
        self._codes = np.full(len(self._shapes) * len(self._clients), UNKNOWN, np.uint8)
        limited = sorted(set() if sizing is None else sizing.limited)
        self._limited = {role: np.array([one.role == role for one in self._clients], np.bool_) for role in limited}
        """Which clients a limit is for, by role."""
        rows = self._ledger.filters.rows
        self._filters = [rows.get(one.serial) for one in self._clients] if rows else [None] * len(self._clients)
        """The refusal filters of each client who has any."""
        self._filtered = [
            (number, row.on(len(self._table.books))) for number, row in enumerate(self._filters) if row is not None
        ]
        """Clients with refusal filters, each with a function that says on which agents."""
        self._is_sized = [sizing is not None and sizing.is_of_concern(one.role) for one in self._clients]
        """Whether quota has anything to say of what a client is offered."""
        self._is_vetoed = any(self._table.vetoed)
        """Whether anybody vetoed anything before this pass: what is vetoed in it concerns agents that were served."""

    def _one_by_one(self, positions: Indices) -> tuple[bool, int]:
        """Serve agents each by itself; whether nothing was in the way of anybody who was first, and how many were done
        before the limit was reached, or a limit has to be looked at again."""
        limit, stride, parts = self._limit, len(self._clients), self._parts
        if limit >= 0:
            positions = positions[: limit - len(self._pass.grants)]
        decided, vetoed, is_vetoed = self._decided, self._table.vetoed, self._is_vetoed
        orders, masks_of, belows, floats, is_plain, totals = self._orders.columns()
        first_total, second_total, third_total = totals
        asked = list(map(self._asked_for, range(len(self._shapes))))
        is_sized, filters = self._is_sized, self._filters
        rows, locals_ = self._queue[positions].tolist(), self._local[positions].tolist()
        pairs: list[int] = []
        begin = 0
        smooth = True
        for at, (index, number) in enumerate(zip(rows, locals_, strict=True)):
            wanted = asked[number]
            if is_vetoed:
                wanted &= ~vetoed[index]
            group, path = 0, []
            while True:
                order, masks = orders[group], masks_of[group]
                entry = order[0]
                place = entry[2]
                if not masks[place] & wanted:
                    for entry in order:
                        place = entry[2]
                        if masks[place] & wanted:
                            break
                    else:
                        client = NOBODY
                        break
                path.append((group, entry))
                client = belows[group][place]
                if client >= 0:
                    break
                group = ~client
            pair = number * stride + client
            if client != NOBODY and (pair in parts or self._is_whole(number, client)):
                row = filters[client]
                if (row is None or not row.get(index)) and (not is_sized[client] or self._is_left(number, client)):
                    pairs.append(pair)
                    first, second, third = floats[number]
                    for group, entry in path:
                        order = orders[group]
                        if order[0] is entry:
                            del order[0]
                        else:
                            del order[bisect_left(order, entry)]
                        if is_plain[group]:
                            # As rounds.moved().
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
                            insort(order, (share, served + 1, place, one, two, three))
                        else:
                            insort(order, moved_general(entry, *self._orders.exact(number), 1))
                    continue
            decided.add_these(rows[begin:at], pairs)
            pairs = []
            smooth = self._closely(index, number, int(positions[at])) and smooth
            if limit >= 0:
                is_done = len(self._pass.grants) != limit or not self._table.free[index]
                return smooth, at + is_done
            begin = at + 1
            asked[number] = self._asked_for(number)
        decided.add_these(rows[begin:], pairs)
        return smooth, len(rows)

    def _asked_for(self, number: int) -> int:
        """Bits of those who may have something of a shape; of crumbs nobody, which are looked at closely."""
        shape = self._shapes[number]
        return 0 if shape.is_crumbs else shape.asked

    def _is_whole(self, number: int, client: int) -> bool:
        """Whether the client would be offered all of the shape; what the grant is made of is then known."""
        pair = number * len(self._clients) + client
        if self._codes[pair] == UNKNOWN:
            parts = self._ledger.shapes.prepared(self._shapes[number], self._clients[client]).parts
            self._codes[pair] = OTHER if parts is None else WHOLE
            if parts is not None:
                self._parts[pair] = parts
        return pair in self._parts

    def _is_left(self, number: int, client: int) -> bool:
        """Whether quota leaves all of the shape to the client; it then knows of it."""
        sizing = self._pass.sizing
        assert sizing is not None, "quota has something to say"
        prepared = self._ledger.shapes.prepared(self._shapes[number], self._clients[client])
        if not sizing.leaves(prepared):
            return False
        sizing.take(prepared)
        return True

    def _closely(self, index: int, number: int, position: int) -> bool:
        """Serve an agent of which something is to be minded; whether nobody may have anything of it."""
        shape = self._shapes[number]
        wanted = shape.asked & ~self._table.vetoed[index]
        smooth = next(iter(self._orders.walk(wanted)), None) is None
        if shape.is_crumbs:
            self._dull.append(position)
            self.remember()
        self._pass.serve_alone(self._pass.book(index), shape, wanted, self._orders)
        return smooth
