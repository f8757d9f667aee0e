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

from collections.abc import Collection, Iterator, Sequence
from itertools import repeat
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from mesos_service.core.allocation.long_queue import ANY, LongQueue, PassAtWork
from mesos_service.core.allocation.shapes import Prepared
from mesos_service.core.allocation.shuffle import Queue
from mesos_service.core.allocation.table import NO_ROW, NOTHING, Rows
from mesos_service.domain.ids import AgentId, Role
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import Grant

INTERFACE: Final = 3
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
    from mesos_service.core.allocation.clients import Client
    from mesos_service.core.allocation.ledger import Ledger
    from mesos_service.core.allocation.tree import Node

LEAST: Final = 64
"""Fewer agents are served before their columns are laid out; and so are fewer than a quarter of the clients."""

enabled = True


def name() -> str:
    """Which kernel runs: ``compiled`` or ``python``."""
    return "python" if compiled is None or not enabled else "compiled"


def rows_of(agents: Collection[AgentId], row_of: dict[AgentId, int]) -> Rows:
    """The rows of ``agents``, and ``NO_ROW`` for those that are not there.

    They lie anywhere in memory, and with an array of them, the compiled code fetches ahead. In Python, see
    :func:`~mesos_service.core.allocation.table.at`.
    """
    rows: Rows = np.empty(len(agents), np.int32)
    if name() == "compiled":
        compiled.rows_of(list(agents), row_of, rows)
        return rows
    if len(agents):
        try:
            rows[:] = itemgetter(*agents)(row_of)
        except KeyError:
            rows[:] = list(map(row_of.get, agents, repeat(NO_ROW)))
    return rows


def pays(length: int, active: int) -> bool:
    """Whether a queue so long is worth laying out columns for, with the clients of ``active`` in the order."""
    return length >= LEAST and name() == "compiled" and active != 0 and length * 4 * 64 >= active.bit_count() * LEAST


def serve(one_pass: PassAtWork, ledger: Ledger, queue: Queue, active: int, limit: int) -> int | None:
    """As :meth:`Pass.serve`, of which this is a part; ``None`` when this queue is Python's to serve."""
    run = Run(one_pass, ledger, queue)
    if not run.find_shapes() or not run.lay_out(active, limit):
        return None
    return run.serve()


class Run(LongQueue):
    """One queue at work."""

    def __init__(self, one_pass: PassAtWork, ledger: Ledger, queue: Queue) -> None:
        super().__init__(one_pass, ledger, queue)
        self._kept: list[tuple[Role | None, str, int]] = []
        """What quota is known to leave, of a limited role or of head-room, by resource."""
        self._known: tuple[bytes, bytes] | None = None
        """The columns of what quota leaves, when it knew of all that was taken."""

    # -- laying out ------------------------------------------------------------------------------------------
    def _guess(self) -> Sequence[int]:
        table, frees = self._table, self._ledger.shapes.frees
        if compiled.guess(self._queue, table.shapes, table.free, frees, Resources.EMPTY, self._local):
            return ()
        wrong: list[int] = np.flatnonzero(self._local == -2).tolist()
        return wrong

    def lay_out(self, active: int, limit: int) -> bool:
        """All columns; false when some number is too large for them."""
        table, scale = self._table, self._ledger.scale
        if not self.lay_out_shapes(active) or not self.flatten():
            return False
        width, shapes = len(self._names), self._shapes
        rows, maybe = self._filters()
        self._limited = sorted(set() if self._pass.sizing is None else self._pass.sizing.limited)
        limits = {role: number for number, role in enumerate(self._limited)}
        self._surplus = np.full(width, ANY, np.int64)
        self._left = np.full((len(self._limited), width), ANY, np.int64)
        self._begin_sizing()
        self._given = np.zeros((len(shapes), len(self._clients)), np.int32)
        self._kernel = compiled.Kernel(
            **self._tree(),
            clients=len(self._clients),
            words=self._words,
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
            crumbs=self._crumbs,
            asked=self.asked(),
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

    def _tree(self) -> dict[str, Any]:  # Any: the columns differ in type
        """The groups in columns: their nodes are numbered through, as they stand by name."""
        order: list[int] = []
        standing: list[tuple[float, int, int, Node]] = []
        held: list[int] = []
        weights: list[tuple[int, int] | None] = []
        for one in self._groups:
            first = len(standing)
            for node in one.nodes:
                held += node.amounts
                weights.append(None if node.weight == 1.0 else node.weight.as_integer_ratio())
            in_order = one.standing()
            order += [first + entry[2] for entry in in_order]
            standing += sorted(in_order, key=itemgetter(2))
        shares, served, _, _ = zip(*standing, strict=True)
        return {
            "nodes": len(standing),
            "groups": len(self._groups),
            "order": np.array(order, np.int32),
            "share": np.array(shares, np.float64),
            "served": np.array(served, np.int64),
            "held": np.array(held, np.int64),
            "weights": weights,
            "bit_of": np.array([one.bit.bit_length() - 1 for one in self._clients], np.int32),
            **self._flat.columns(),
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
        self.account(self._given.astype(np.int64))
        self.remember()
        return done

    def look(self, shape_number: int, client_number: int) -> int | tuple[object, ...]:
        """What the client would be offered of the shape: all of it, as parts of a grant; 2 for less, 3 for nothing."""
        shape, client = self._shapes[shape_number], self._clients[client_number]
        prepared = self._ledger.shapes.prepared(shape, client)
        if prepared.blocked is not None:
            self.remember()
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
        self.remember()
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
        group, at = self._flat.places()[client.serial]
        self._kernel.charge(int(self._groups[group].below[at]), vector)

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
