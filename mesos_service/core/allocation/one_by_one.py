"""Ordinary agents served in Python each by itself, where looking ahead does not pay: short queues, and those parts of
long ones in which quota or filters are in somebody's way every few agents.

:meth:`OneByOne._one_by_one` is one loop on purpose: it is gone through for each agent, and calls would be half of it.
"""

from __future__ import annotations

from bisect import bisect_left, insort

import numpy as np

from mesos_service.core.allocation.decisions import Decisions
from mesos_service.core.allocation.drf import Contest
from mesos_service.core.allocation.ledger import Ledger
from mesos_service.core.allocation.long_queue import LongQueue, PassAtWork
from mesos_service.core.allocation.orders import NOBODY, Indices, Orders
from mesos_service.core.allocation.pairs import OTHER, UNKNOWN, WHOLE
from mesos_service.core.allocation.rounds import WIDTH, moved_general
from mesos_service.core.allocation.shuffle import Queue


class OneByOne(LongQueue):
    """One queue at work."""

    def __init__(self, one_pass: PassAtWork, ledger: Ledger, queue: Queue, limit: int) -> None:
        super().__init__(one_pass, ledger, queue)
        self._limit = limit
        self._decided = Decisions(one_pass, ledger.table)

    def lay_out(self) -> None:
        """What the loops are handed of clients and shapes."""
        scale, sorter, sizing = self._ledger.scale, self._ledger.sorter, self._pass.sizing
        self._stand(sorter.contest() if sum(map(bool, scale.totals)) > WIDTH else None)
        self._rows = self._ledger.pairs.rows(self._shapes, self._clients)
        self._parts = [row.parts for row in self._rows]
        """By shape and client, where the client would be offered all of the shape, and that is known."""
        self._codes = np.frombuffer(bytearray().join([row.codes for row in self._rows]), np.uint8)
        """What is known, by pair: ``shape * clients + client``."""
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
        self._sized = 0
        """Bits of those."""
        for client, is_sized in zip(self._clients, self._is_sized, strict=True):
            if is_sized:
                self._sized |= client.bit
        self._is_vetoed = bool(self._table.vetoing[self._queue].any())
        """Whether anybody vetoed anything before this pass: what is vetoed in it concerns agents that were served."""

    def _stand(self, contest: Contest | None) -> None:
        """Lay out the order of the clients, which is that of the sorter."""
        totals = self._ledger.scale.totals
        self._orders = Orders(self._flat, totals, self._vectors, len(self._queue), contest, self._amounts)

    def _write_down(self) -> None:
        """Make grants of what was decided, and bring the accounts up to date with them."""
        pairs = self._decided.make_grants(self._parts, self._take)
        self._decided = Decisions(self._pass, self._table)
        if len(pairs):
            shape = (len(self._shapes), len(self._clients))
            self.account(np.bincount(pairs, minlength=shape[0] * shape[1]).reshape(shape))

    def _take(self, index: int, pair: int) -> None:
        """All that is free on an agent of which more is offered already."""
        shape, client = divmod(pair, len(self._clients))
        self._pass.book(index).take(self._ledger.shapes.prepared(self._shapes[shape], self._clients[client]))

    def _one_by_one(self, positions: Indices) -> tuple[bool, int]:
        """Serve agents each by itself; whether nothing was in the way of anybody who was first, and how many were done
        before the limit was reached, or a limit has to be looked at again, or who stands where."""
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
        smooth, is_clear = True, self._is_clear()
        for done, (index, number) in enumerate(zip(rows, locals_, strict=True)):
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
            if client != NOBODY and (parts[number][client] is not None or self._is_whole(number, client)):
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
            decided.add_these(rows[begin:done], pairs)
            pairs = []
            smooth = self._closely(index, number, int(positions[done])) and smooth
            if limit >= 0 or self._orders.is_upset:
                is_done = len(self._pass.grants) != limit or not self._table.free[index]
                return smooth, done + is_done
            begin = done + 1
            if not is_clear and self._is_clear():
                return True, begin
            asked[number] = self._asked_for(number)
        decided.add_these(rows[begin:], pairs)
        return smooth, len(rows)

    def _is_clear(self) -> bool:
        """Whether quota stops nobody any more: whom it concerns has been refused all that is free anywhere."""
        return not any(shape.asked & self._sized for shape in self._shapes)

    def _asked_for(self, number: int) -> int:
        """Bits of those who may have something of a shape; of crumbs nobody, which are looked at closely."""
        shape = self._shapes[number]
        return 0 if shape.is_crumbs else shape.asked

    def _is_whole(self, number: int, client: int) -> bool:
        """Whether the client would be offered all of the shape; what the grant is made of is then known."""
        row = self._rows[number]
        if row.codes[client] == UNKNOWN:
            parts = row.parts[client] = self._ledger.shapes.prepared(self._shapes[number], self._clients[client]).parts
            code = row.codes[client] = OTHER if parts is None else WHOLE
            self._codes[number * len(self._clients) + client] = code
        return row.codes[client] == WHOLE

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

    def _reckon_with_all(self) -> None:
        """What was left out of the reckoning matters from here on."""
        self._write_down()
        self._ledger.sorter.settle()
        self.flatten()
        self._stand(None)
