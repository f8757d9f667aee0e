"""Long queues of ordinary agents, served by compiled code where there is any (ADR 9).

``_kernel.c`` does for many agents what :meth:`~mesos_service.core.allocation.one_pass.Pass.serve` does in Python: it
finds the first client in order that may have all that is free, books it, and moves the client to its new place. This
module lays out for it in columns what it needs: the nodes of the tree that compete, the shapes that are free, who may
have them, and what quota leaves. It asks back, by numbers of agent, shape and client, what only the books can tell:

- what a client would be offered of a shape (:meth:`Run.look`), and whether a refusal filter is in the way
  (:meth:`Run.ask`);
- what becomes of an offer that quota does not leave whole (:meth:`Run.squeeze`);
- agents that are granted in several pieces, which are served in Python altogether (:meth:`Run.special`), and those of
  which something is offered already (:meth:`Run.take`).

Both decide the same, in the same order; a property test holds them to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from mesos_service.core.allocation.quota import top_of
from mesos_service.core.allocation.shapes import Prepared, Shape, countable
from mesos_service.core.allocation.shuffle import Queue
from mesos_service.core.allocation.table import NOTHING
from mesos_service.domain.ids import Role
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import Grant

INTERFACE: Final = 2
"""What ``_kernel.c`` is handed. One that was compiled from an older source is left alone."""

compiled: Any = None  # Any: the module _kernel
try:
    from mesos_service.core.allocation import _kernel
except ImportError:
    pass  # no compiler was there when this was installed
else:
    if _kernel.INTERFACE == INTERFACE:
        compiled = _kernel

if TYPE_CHECKING:
    from mesos_service.core.allocation.entries import Client
    from mesos_service.core.allocation.ledger import Ledger
    from mesos_service.core.allocation.one_pass import Pass
    from mesos_service.core.allocation.tree import Node

LEAST: Final = 64
"""Fewer agents are served before their columns are laid out; and so are fewer than a quarter of the clients."""

PAIRS_MAX: Final = 2_000_000
"""Shapes times clients, of which there are tables."""

SHAPES_FEW: Final = 64
"""From so many on there must be four times as many agents: where all are different, shapes are not worth laying out."""

ANY: Final = 1 << 60
"""Amounts from here on are not told apart. Where the books hold such, Python serves."""

enabled = True


def name() -> str:
    """Which kernel runs: ``compiled`` or ``python``."""
    return "python" if compiled is None or not enabled else "compiled"


def pays(length: int, active: int) -> bool:
    """Whether a queue so long is worth laying out columns for, with the clients of ``active`` in the order."""
    return length >= LEAST and name() == "compiled" and active != 0 and length * 4 * 64 >= active.bit_count() * LEAST


def serve(one_pass: Pass, ledger: Ledger, queue: Queue, active: int, limit: int) -> int | None:
    """As :meth:`Pass.serve`, of which this is a part; ``None`` when this queue is Python's to serve."""
    run = Run(one_pass, ledger, np.ascontiguousarray(queue, np.int32))
    if not run.find_shapes() or not run.lay_out(active, limit):
        return None
    return run.serve()


class Run:
    """One queue at work."""

    def __init__(self, one_pass: Pass, ledger: Ledger, queue: NDArray[np.int32]) -> None:
        self._pass = one_pass
        self._ledger = ledger
        self._table = ledger.table
        self._queue = queue
        self._local = np.empty(len(queue), np.int32)
        self._shapes: list[Shape] = []
        self._clients: list[Client] = []
        self._numbers: dict[int, int] = {}
        """Numbers of clients by serial."""
        self._kept: list[tuple[Role | None, str, int]] = []
        """What quota is known to leave, of a limited role or of head-room, by resource."""
        self._known: tuple[bytes, bytes] | None = None
        """The columns of what quota leaves, when it knew of all that was taken."""
        self._dull: list[int] = []
        """Agents of which somebody was refused something that is to be remembered: by position those of which crumbs
        are free, by the complement of it those of which nobody was granted anything."""

    # -- laying out ------------------------------------------------------------------------------------------
    def find_shapes(self) -> bool:
        """Which shape is free on each agent; false when there are too many."""
        table, book = self._table, self._ledger.shapes
        for _ in range(2):
            if compiled.guess(self._queue, table.shapes, table.free, book.frees, Resources.EMPTY, self._local):
                break
            for position in np.flatnonzero(self._local == -2).tolist():
                book.at(int(self._queue[position]))
        else:
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
        here[-1] = -1
        self._local = here[self._local]
        self._shapes = [book.by_number[number] for number in numbers.tolist()]
        return True

    def lay_out(self, active: int, limit: int) -> bool:
        """All columns; false when some number is too large for them."""
        ledger, table, scale = self._ledger, self._table, self._ledger.scale
        self._names = scale.names()
        places = {name: place for place, name in enumerate(self._names)}
        width, shapes = len(self._names), self._shapes
        self._vectors = np.zeros((len(shapes), width), np.int64)
        self._counted = np.zeros((len(shapes), width), np.int64)
        crumbs = np.zeros(len(shapes), np.uint8)
        words = (ledger.sorter.width + 63) // 64
        asked = np.zeros((len(shapes), words), np.uint64)
        own = ledger.own_minimum_bits
        turn = object()
        if any(amount >= ANY for shape in shapes for amount in shape.quantities.values()):
            return False
        for number, shape in enumerate(shapes):
            for name, amount in shape.quantities.items():
                self._vectors[number, places[name]] = amount
            for name, amount in countable(shape.free):
                self._counted[number, places[name]] = amount
            crumbs[number] = shape.is_crumbs
            shape.asked, shape.blocked, shape.asked_in = active & own if shape.is_crumbs else active, 0, turn
            asked[number] = np.frombuffer(shape.asked.to_bytes(words * 8, "little"), np.uint64)
        tree = self._flatten()
        if tree is None:
            return False
        self._active, self._own = active, own
        rows, maybe = self._filters()
        self._limited = sorted(set() if self._pass.sizing is None else self._pass.sizing.limited)
        limits = {role: number for number, role in enumerate(self._limited)}
        self._surplus = np.full(width, ANY, np.int64)
        self._left = np.full((len(self._limited), width), ANY, np.int64)
        self._places = places
        self._begin_sizing()
        self._given = np.zeros((len(shapes), len(self._clients)), np.int32)
        self._kernel = compiled.Kernel(
            **tree,
            clients=len(self._clients),
            words=words,
            resources=width,
            shapes=len(shapes),
            limits=len(self._limited),
            length=len(self._queue),
            agents=len(table.books),
            limit=limit,
            limit_of=np.array([limits.get(client.role, -1) for client in self._clients], np.int32),
            totals=np.array(scale.totals, np.int64),
            vectors=self._vectors,
            countable=self._counted,
            crumbs=crumbs,
            asked=asked,
            surplus=self._surplus,
            left=self._left,
            given=self._given,
            rows=rows,
            maybe=maybe,
            queue=self._queue,
            local=self._local,
            open=table.open,
            free=table.free,
            offered=table.offered,
            vetoed=table.vetoed,
            ids=table.ids,
            grants=self._pass.grants,
            dull=self._dull,
            stamps=[client.stamp for client in self._clients],
            prepared=[shape.prepared for shape in shapes],
            look=self.look,
            ask=self.ask,
            squeeze=self.squeeze,
            special=self.special,
            take=self.take,
            empty=Resources.EMPTY,
            nothing=NOTHING,
            grant=Grant,
        )
        return True

    def _flatten(self) -> dict[str, Any] | None:  # Any: the columns differ in type
        """The nodes that compete, siblings together in groups; who has no sibling is passed over."""
        groups: list[Node] = [_branching(self._ledger.sorter.root)]
        owner, begin = [-1], [0]
        share: list[float] = []
        columns: dict[str, list[int]] = {name: [] for name in ("served", "rank", "group", "client", "child")}
        served, rank, group, client, child = columns.values()
        held: list[int] = []
        weights: list[tuple[int, int] | None] = []
        node_of: list[int] = []
        for parent in groups:
            # A cluster with one client only: it competes with nobody, and stands there alone.
            entries = parent.order if parent.children else [(0.0, parent.served, parent.name, parent)]
            names = {entry[2]: place for place, entry in enumerate(sorted(entries, key=lambda entry: entry[2]))}
            number = len(begin) - 1
            for entry in entries:
                node = entry[3]
                share.append(entry[0])
                served.append(entry[1])
                rank.append(names[entry[2]])
                group.append(number)
                held += node.amounts
                weights.append(None if node.weight == 1.0 else node.weight.as_integer_ratio())
                below = _branching(node)
                if below.children:
                    client.append(-1)
                    child.append(len(groups))
                    owner.append(len(share) - 1)
                    groups.append(below)
                else:
                    client.append(len(node_of))
                    child.append(-1)
                    node_of.append(len(share) - 1)
                    self._clients.append(_as_client(below))
            begin.append(len(share))
        if max(held, default=0) >= ANY or max(self._ledger.scale.totals, default=0) >= ANY:
            return None
        self._numbers = {one.serial: number for number, one in enumerate(self._clients)}
        return {
            "nodes": len(share),
            "groups": len(groups),
            "owner": np.array(owner, np.int32),
            "begin": np.array(begin, np.int32),
            "order": np.arange(len(share), dtype=np.int32),
            "share": np.array(share, np.float64),
            "held": np.array(held, np.int64),
            "weights": weights,
            "node_of": np.array(node_of, np.int32),
            "bit_of": np.array([one.bit.bit_length() - 1 for one in self._clients], np.int32),
            **{name: np.array(values, np.int64 if name == "served" else np.int32) for name, values in columns.items()},
        }

    def _filters(self) -> tuple[list[Any], NDArray[np.uint8]]:  # Any: None, False, or an array
        """Where clients have refusal filters: nowhere, maybe where the second column says, or where their row says."""
        all_rows = self._ledger.filters.rows
        maybe = np.zeros(len(self._table.books), np.uint8)
        rows: list[Any] = []
        for client in self._clients:
            row = all_rows.get(client.serial)
            if row is None:
                rows.append(None)
            elif row.many is not None:
                rows.append(row.many)
            else:
                rows.append(False)
                maybe[np.fromiter(row.few, np.int32, len(row.few))] = 1
        return rows, maybe

    # -- at work ---------------------------------------------------------------------------------------------
    def serve(self) -> int:
        """Run the kernel, and bring the books up to date with what it did."""
        try:
            done: int = self._kernel.run()
        finally:
            self._kernel.release()
            # It knows our methods, and we know it: that would be left to the garbage collector, which runs rarely.
            del self._kernel
        self._end_sizing()
        ledger, given = self._ledger, self._given
        amounts, times = (given.T.astype(np.int64) @ self._vectors).tolist(), given.sum(axis=0).tolist()
        charged = ((self._clients[number], amounts[number], count) for number, count in enumerate(times) if count)
        ledger.sorter.charge_many(charged)
        if ledger.quota:
            taken = given.T.astype(np.int64) @ self._counted
            for role in ledger.quota.consumed:
                mine = [number for number, one in enumerate(self._clients) if top_of(one.role) == role]
                ledger.quota.took(role, self._by_name(taken[mine].sum(axis=0)))
            ledger.quota.took(None, self._by_name(taken.sum(axis=0)))
        self._remember()
        return done

    def _by_name(self, amounts: NDArray[np.int64]) -> dict[str, int]:
        return {name: amount for name, amount in zip(self._names, amounts.tolist(), strict=True) if amount}

    def _remember(self) -> None:
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

    def look(self, shape_number: int, client_number: int) -> int | tuple[object, ...]:
        """What the client would be offered of the shape: all of it, as parts of a grant; 2 for less, 3 for nothing."""
        shape, client = self._shapes[shape_number], self._clients[client_number]
        prepared = self._ledger.shapes.prepared(shape, client)
        if prepared.blocked is not None:
            self._remember()
            shape.asked &= ~client.bit
            shape.blocked |= client.bit
            self._pass.summary.count(client, prepared.blocked.reason)
            return 3
        return prepared.parts or 2

    def ask(self, index: int, shape_number: int, client_number: int) -> bool:
        """Whether a refusal filter is in the way of all that is free."""
        prepared = self._prepared(shape_number, client_number)
        return self._pass.is_filtered(self._pass.book(index), prepared.client, prepared, True)

    def squeeze(self, index: int, shape_number: int, client_number: int) -> int:
        """Quota does not leave all of the shape. If it leaves a piece, this agent is served: 1; or a refusal filter is
        in the way of that: 2. If it leaves too little, so it does on other agents: 0."""
        shape, client = self._shapes[shape_number], self._clients[client_number]
        sizing = self._pass.sizing
        assert sizing is not None, "without quota everything fits"
        self._end_sizing()
        whole = self._prepared(shape_number, client_number)
        piece = sizing.sized(shape, client, whole)
        if piece.blocked is None:
            if self._pass.is_filtered(self._pass.book(index), client, piece, piece is whole):
                return 2
            return self.special(index, shape_number, client_number)
        shape.asked &= ~client.bit
        self._pass.summary.count(client, piece.blocked.reason)
        return 0

    def special(self, index: int, shape_number: int, _: int) -> bool:
        """This agent may be granted in several pieces."""
        self._remember()
        self._end_sizing()
        wanted = self._shapes[shape_number].asked & ~self._table.vetoed[index]
        self._pass.offer_pieces(self._pass.book(index), wanted, self)
        self._begin_sizing()
        return True

    def take(self, index: int, shape_number: int, client_number: int) -> bool:
        """All that is free on an agent of which more is offered already."""
        self._pass.again.append(len(self._pass.grants))
        self._pass.book(index).take(self._prepared(shape_number, client_number))
        return True

    def _prepared(self, shape_number: int, client_number: int) -> Prepared:
        return self._ledger.shapes.prepared(self._shapes[shape_number], self._clients[client_number])

    # -- as an order -----------------------------------------------------------------------------------------
    def walk(self, wanted: int) -> Iterator[Client]:
        return (self._clients[number] for number in self._kernel.walk(wanted))

    def charge(self, client: Client, prepared: Prepared) -> None:
        """The books were charged by who granted it; the kernel's order is not yet."""
        vector = np.zeros(len(self._names), np.int64)
        for place, amount in prepared.vector:
            vector[place] = amount
        self._kernel.charge(self._numbers[client.serial], vector)

    # -- quota -----------------------------------------------------------------------------------------------
    def _begin_sizing(self) -> None:
        """Tell the kernel what quota leaves."""
        if self._pass.sizing is None:
            return
        self._kept.clear()
        surplus, limits = self._pass.sizing.left()
        for name, amount in surplus.items():
            self._keep(None, self._surplus, name, amount)
        for row, role in zip(self._left, self._limited, strict=True):
            for name, amount in limits[role].items():
                self._keep(role, row, name, amount)
        self._known = (self._surplus.tobytes(), self._left.tobytes())

    def _keep(self, role: Role | None, row: NDArray[np.int64], name: str, amount: int) -> None:
        place = self._places.get(name)
        if place is not None:
            row[place] = bounded = max(-ANY, min(ANY, amount))
            self._kept.append((role, name, bounded))

    def _end_sizing(self) -> None:
        """Tell quota what the kernel took since."""
        sizing = self._pass.sizing
        state = (self._surplus.tobytes(), self._left.tobytes())
        if sizing is None or state == self._known:
            return
        self._known = state
        surplus: dict[str, int] = {}
        limits: dict[Role, dict[str, int]] = {}
        rows = dict(zip(self._limited, self._left, strict=True))
        for number, (role, name, before) in enumerate(self._kept):
            now = int((self._surplus if role is None else rows[role])[self._places[name]])
            self._kept[number] = (role, name, now)
            (surplus if role is None else limits.setdefault(role, {}))[name] = before - now
        sizing.took(surplus, limits)


def _branching(node: Node) -> Node:
    """The first node from here downwards at which somebody has to be chosen, or the client where there is none."""
    while node.standing_children == 1:
        node = node.order[0][3]
    return node


def _as_client(node: Node) -> Client:
    from mesos_service.core.allocation.entries import Client

    assert isinstance(node, Client), "what has no children is a client"
    return node
