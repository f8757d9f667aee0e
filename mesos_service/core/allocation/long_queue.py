"""A long queue of agents at work, by whichever kernel: what is free on them, and the books afterwards.

:mod:`~mesos_service.core.allocation.kernel` and :mod:`~mesos_service.core.allocation.by_levels` decide; here is what
both need for it. Agents are told by their position in the queue, shapes and clients by numbers of this queue alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import is_
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from mesos_service.core.allocation.clients import Client
from mesos_service.core.allocation.entries import AgentBook
from mesos_service.core.allocation.ledger import Ledger
from mesos_service.core.allocation.quota import Sizing
from mesos_service.core.allocation.shapes import Prepared, Shape, countable
from mesos_service.core.allocation.shuffle import Queue
from mesos_service.core.allocation.summary import PassSummary
from mesos_service.core.allocation.table import at
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import Grant

PAIRS_MAX: Final = 2_000_000
"""Shapes times clients, of which there are tables."""

SHAPES_FEW: Final = 64
"""From so many on there must be four times as many agents: where all are different, shapes are not worth laying out."""

ANY: Final = 1 << 60
"""Amounts from here on are not told apart. Where the books hold such, agents are served one by one."""

NOTHING_FREE: Final = -1


class Order(Protocol):
    """Who is asked in which order, where that is not the sorter's to say."""

    def walk(self, wanted: int) -> Iterable[Client]: ...
    def charge(self, client: Client, prepared: Prepared) -> None: ...


class PassAtWork(Protocol):
    """The pass that a queue is a part of; see :class:`~mesos_service.core.allocation.one_pass.Pass`."""

    grants: list[Grant]
    again: list[int]
    sizing: Sizing | None
    summary: PassSummary

    @property
    def is_full(self) -> bool: ...
    def book(self, index: int) -> AgentBook: ...
    def is_filtered(self, agent: AgentBook, client: Client, prepared: Prepared, whole: bool) -> bool: ...
    def offer_pieces(self, agent: AgentBook, wanted: int, order: Order | None = None) -> None: ...
    def serve_alone(self, agent: AgentBook, shape: Shape, wanted: int, order: Order) -> None: ...


class LongQueue:
    """One queue at work."""

    def __init__(self, one_pass: PassAtWork, ledger: Ledger, queue: Queue) -> None:
        self._pass = one_pass
        self._ledger = ledger
        self._table = ledger.table
        self._queue = np.ascontiguousarray(queue, np.int32)
        self._local = np.empty(len(queue), np.int32)
        """The shape that is free on each agent, or ``NOTHING_FREE``."""
        self._shapes: list[Shape] = []
        self._dull: list[int] = []
        """Agents of which somebody was refused something that is to be remembered: by position those of which crumbs
        are free, by the complement of it those of which nobody was granted anything."""

    # -- laying out ------------------------------------------------------------------------------------------
    def find_shapes(self) -> bool:
        """Which shape is free on each agent; false when there are too many."""
        book = self._ledger.shapes
        numbered = book.by_number
        for position in self._guess():
            self._local[position] = book.at(int(self._queue[position])).number
        if book.by_number is not numbered:
            return False  # so many that they are forgotten as fast as they are found
        here = np.zeros(len(book.by_number) + 1, np.int32)
        here[self._local] = 1
        here[-1] = 0  # where nothing is free
        numbers = np.flatnonzero(here)
        if len(numbers) * self._ledger.sorter.active.bit_count() > PAIRS_MAX:
            return False
        if SHAPES_FEW < len(numbers) > len(self._queue) // 4:
            return False
        here[numbers] = np.arange(len(numbers), dtype=np.int32)
        here[-1] = NOTHING_FREE
        self._local = here[self._local]
        self._shapes = [book.by_number[number] for number in numbers.tolist()]
        return True

    def _guess(self) -> Sequence[int]:
        """Fill in the numbers of the shapes; at which positions the guess was wrong."""
        free_on, frees, nothing = self._table.free, self._ledger.shapes.frees, Resources.EMPTY
        self._local = self._table.shapes[self._queue]
        if len(self._queue) * 2 > len(free_on):
            # Nearly all agents: they are gone through as they lie.
            guessed = map(frees.__getitem__, self._table.shapes[: len(free_on)].tolist())
            same = np.fromiter(map(is_, guessed, free_on), np.bool_, len(free_on))[self._queue]
        else:
            same = np.fromiter(map(is_, at(frees, self._local), at(free_on, self._queue)), np.bool_, len(self._queue))
        if same.all():
            return ()
        wrong: list[int] = []
        for position in np.flatnonzero(~same).tolist():
            if free_on[self._queue[position]] is nothing:
                self._local[position] = NOTHING_FREE
            else:
                wrong.append(position)
        return wrong

    def lay_out_shapes(self, active: int) -> bool:
        """Their columns, and who of ``active`` is asked for them; false when some amount is too large."""
        ledger = self._ledger
        self._names = ledger.scale.names()
        self._places = {name: place for place, name in enumerate(self._names)}
        width, shapes = len(self._names), self._shapes
        if any(amount >= ANY for shape in shapes for amount in shape.quantities.values()):
            return False
        self._vectors = np.zeros((len(shapes), width), np.int64)
        self._counted = np.zeros((len(shapes), width), np.int64)
        """What quota counts of each shape."""
        self._crumbs = np.zeros(len(shapes), np.uint8)
        self._words = (ledger.sorter.width + 63) // 64
        own = ledger.own_minimum_bits
        turn = object()
        for number, shape in enumerate(shapes):
            for name, amount in shape.quantities.items():
                self._vectors[number, self._places[name]] = amount
            for name, amount in countable(shape.free):
                self._counted[number, self._places[name]] = amount
            self._crumbs[number] = shape.is_crumbs
            shape.asked, shape.blocked, shape.asked_in = active & own if shape.is_crumbs else active, 0, turn
        self._active, self._own = active, own
        return True

    def asked(self) -> NDArray[np.uint64]:
        """Bits of the clients that may have something of each shape."""
        size = self._words * 8
        text = b"".join([shape.asked.to_bytes(size, "little") for shape in self._shapes])
        return np.frombuffer(text, np.uint64).reshape(len(self._shapes), self._words).copy()

    def flatten(self) -> bool:
        """The tree of who competes; false when somebody holds too much."""
        self._flat = flat = self._ledger.flat
        flat.follow(self._ledger.sorter)
        self._groups, self._clients = flat.groups, flat.clients
        totals = self._ledger.scale.totals
        amounts = flat.amounts()
        if amounts is None:
            return False
        self._amounts = amounts
        """What each node of the flat tree holds, by resource."""
        self._held = int(amounts.max(initial=0))
        """The most that anybody holds of anything."""
        return self._held < ANY and max(totals, default=0) < ANY

    # -- afterwards ------------------------------------------------------------------------------------------
    def account(self, given: NDArray[np.int64]) -> None:
        """Bring the accounts up to date with how often each shape went to each client, all of it."""
        ledger = self._ledger
        nodes, gained = self._flat.sums(np.column_stack((given.T @ self._vectors, given.sum(axis=0))))
        ledger.sorter.charge_many(zip(nodes, gained[:, :-1].tolist(), gained[:, -1].tolist(), strict=True))
        if ledger.quota:
            taken = given.T @ self._counted
            for role in ledger.quota.consumed:
                ledger.quota.took(role, self._by_name(taken[self._flat.below(role)].sum(axis=0)))
            ledger.quota.took(None, self._by_name(taken.sum(axis=0)))

    def _by_name(self, amounts: NDArray[np.int64]) -> dict[str, int]:
        return {name: amount for name, amount in zip(self._names, amounts.tolist(), strict=True) if amount}

    def remember(self) -> None:
        """Write down whom the agents in ``_dull`` refused. To be done before any of it is refused more, or less."""
        table, too_little = self._table, self._active & ~self._own
        for position in self._dull:
            crumbs = position >= 0
            if not crumbs:
                position = ~position
            shape = self._shapes[self._local[position]]
            bits = too_little if crumbs else shape.blocked
            if crumbs or bits:
                book = table.books[self._queue[position]]
                assert book is not None, "a row in the queue has an agent"
                book.remember_veto_of(bits, shape.free)
        self._dull.clear()
