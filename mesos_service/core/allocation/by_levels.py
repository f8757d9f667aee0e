"""Long queues of ordinary agents, served in Python thousands at a time.

Nearly always the first client in order gets all that is free on an agent, and nothing else happens. So this runs
ahead: for a stretch of agents it finds out level by level who would get each of them
(:mod:`~mesos_service.core.allocation.rounds`), as if quota, gates and refusal filters were in nobody's way; looks for
the first agent at which one is; books all before that at once; serves that one agent by itself; and goes on. Where such
agents come thick and fast, the following ones are served by themselves too.

Nothing is guessed: what is booked is what
:meth:`Pass.serve <mesos_service.core.allocation.one_pass.Pass.serve>` does agent by agent, and a property test holds
both to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mesos_service.core.allocation.ledger import Ledger
from mesos_service.core.allocation.long_queue import NOTHING_FREE, PassAtWork
from mesos_service.core.allocation.one_by_one import OneByOne
from mesos_service.core.allocation.orders import NOBODY, Indices, words
from mesos_service.core.allocation.pairs import OTHER, UNKNOWN, WHOLE
from mesos_service.core.allocation.shuffle import Queue
from mesos_service.core.allocation.table import at

LEAST: Final = 256
"""Fewer agents are served by themselves; and so are fewer than half of the clients."""

FIRST: Final = 4096
"""So many agents are looked at at once, and then up to twice as many each time: of what lies behind an agent with a
problem, the work is lost."""

STRETCH: Final = 8192
"""The most that are."""

WORTH: Final = 512
"""Fewer are all served one after the other: of so few, too much would be lost."""

SHORT: Final = 256
"""The stretch that follows such an agent; each further one may be twice as long."""

ALONE: Final = 64
"""Of so many agents one after the other nothing must have been in the way of the first client, before a stretch is
worth its cost again."""

enabled = True


def pays(length: int, active: int) -> bool:
    """Whether a queue so long is worth laying out, with the clients of ``active`` in the order."""
    return enabled and length >= LEAST and active != 0 and length * 2 * 256 >= active.bit_count() * LEAST


def serve(one_pass: PassAtWork, ledger: Ledger, queue: Queue, active: int, limit: int) -> int | None:
    """As :meth:`Pass.serve`, of which this is a part; ``None`` when this queue is to be served agent by agent."""
    run = Stretches(one_pass, ledger, queue, limit)
    if not run.find_shapes() or not run.lay_out_shapes(active) or not run.flatten():
        return None
    run.lay_out()
    return run.serve()


class Stretches(OneByOne):
    """One queue at work."""

    # -- at work ---------------------------------------------------------------------------------------------
    def serve(self) -> int:
        """How many agents were done before the limit was reached."""
        there = np.flatnonzero(self._local != NOTHING_FREE)
        done = self._serve(there)
        self._write_down()
        return len(self._queue) if done == len(there) else int(there[done])

    def _serve(self, there: Indices) -> int:
        """Serve the agents at these positions; how many were done."""
        grants, limit = self._pass.grants, self._limit
        at, length = 0, min(FIRST, STRETCH)
        # Whose limit was reached before is first again with what came back since, and stopped after a few agents.
        smooth = len(there) >= WORTH and self._is_clear()
        while at < len(there) and len(grants) != limit:
            if not smooth:
                some = there[at:] if len(there) < WORTH else there[at : at + ALONE]
                smooth, done = self._one_by_one(some)
                smooth = smooth and len(there) >= WORTH
                at += done
                if self._orders.is_upset:
                    self._reckon_with_all()
                continue
            some = there[at : at + length]
            done = self._stretch(some)
            at += done
            smooth = done == len(some)
            length = min(length * 2, STRETCH) if smooth else max(SHORT, done)
        return at

    def _prepare(self, pairs: Sequence[int]) -> None:
        """Find out of which of these all of the shape may go to the client; parts of such grants are then at hand."""
        shapes, clients, stride, prepare = self._shapes, self._clients, len(self._clients), self._ledger.shapes.prepared
        stamps = [client.stamp for client in clients]
        known = [shape.prepared for shape in shapes]
        codes: list[int] = []
        for pair in pairs:
            shape, client = divmod(pair, stride)
            prepared = known[shape].get(stamps[client]) or prepare(shapes[shape], clients[client])
            row = self._rows[shape]
            parts = row.parts[client] = prepared.parts
            code = row.codes[client] = OTHER if parts is None else WHOLE
            codes.append(code)
        self._codes[pairs] = codes

    # -- a stretch -------------------------------------------------------------------------------------------
    def _stretch(self, positions: Indices) -> int:
        """Serve agents up to the first that needs a closer look; how many."""
        shapes = self._local[positions]
        self._find_asked()
        wanted = self._wanted(positions)
        chosen = self._orders.choose(shapes, self._kinds, self._asked, wanted)
        who = chosen.who
        done = self._harmless(positions, shapes, who)
        self._orders.keep(chosen, shapes, done)
        self._book(positions[:done], shapes[:done], who[:done])
        return done

    def _find_asked(self) -> None:
        """Sets of clients that may have something of a shape: which there are, and which is that of each shape."""
        kinds: dict[int, int] = {}
        self._kinds = np.array([kinds.setdefault(shape.asked, len(kinds)) for shape in self._shapes], np.int32)
        self._asked = list(kinds)

    def _wanted(self, positions: Indices) -> NDArray[np.uint64] | None:
        """By agent, the bits of those who may have something of it; none where no client vetoed anything."""
        if not self._is_vetoed:
            return None
        rows = self._queue[positions]
        if not self._table.vetoing[rows].any():
            return None
        vetoes = words(at(self._table.vetoed, rows), self._words)
        wanted: NDArray[np.uint64] = words(self._asked, self._words)[self._kinds[self._local[positions]]] & ~vetoes
        return wanted

    # -- what may be in the way ------------------------------------------------------------------------------
    def _harmless(self, positions: Indices, shapes: NDArray[np.int32], who: NDArray[np.int32]) -> int:
        """How many of these agents come before the first at which something is in the way of the client's offer."""
        served = np.flatnonzero(who != NOBODY)
        room = self._limit - len(self._pass.grants)
        until = int(served[room - 1]) + 1 if 0 < room <= len(served) else len(positions)
        # A limit of grants ends the stretch behind the agent that reaches it, which itself is harmless.
        served = served[: np.searchsorted(served, until)]
        clients, given = who[served], shapes[served]
        pairs = given.astype(np.int64) * len(self._clients) + clients
        first = min(
            self._first_other(pairs),
            self._first_too_large(given, clients),
            self._first_filtered(positions[served], clients),
        )
        return until if first == inf else int(served[int(first)])

    def _first_other(self, pairs: Indices) -> float:
        """The first pair of which the client would not be offered the whole shape."""
        unknown = pairs[self._codes[pairs] == UNKNOWN]
        if len(unknown):
            self._prepare(np.unique(unknown).tolist())
        return _first(self._codes[pairs] == OTHER)

    def _first_too_large(self, given: NDArray[np.int32], clients: NDArray[np.int32]) -> float:
        """The first that head-room, or the limit of its role, does not leave whole."""
        sizing = self._pass.sizing
        if sizing is None or self._is_clear():
            return inf
        surplus, limits = sizing.left()
        found = [self._first_above(given, surplus)]
        for role, left in limits.items():
            places = np.flatnonzero(self._limited[role][clients])
            first = self._first_above(given[places], left)
            found.append(first if first == inf else float(places[int(first)]))
        return min(found)

    def _first_above(self, given: NDArray[np.int32], left: dict[str, int]) -> float:
        found = [inf]
        for name, most in left.items():
            place = self._places.get(name)
            if place is not None:
                each = self._counted[given, place]
                # Who takes nothing of it is not in the way of what is used up.
                found.append(_first((np.cumsum(each) > most) & (each > 0)))
        return min(found)

    def _first_filtered(self, positions: Indices, clients: NDArray[np.int32]) -> float:
        """The first that runs into a refusal filter."""
        filters = self._ledger.filters
        if not self._filtered:
            return inf
        by_client = np.argsort(clients, kind="stable")
        ends = np.cumsum(np.bincount(clients, minlength=len(self._clients))).tolist()
        agents = self._queue[positions][by_client]
        found = inf
        for number, has_some in self._filtered:
            begin, end = ends[number - 1] if number else 0, ends[number]
            if begin == end:
                continue
            some = has_some(agents[begin:end])
            if not some.any():
                continue
            client = self._clients[number]
            for place in by_client[begin:end][some].tolist():
                if place >= found:
                    break
                position = positions[place]
                whole = self._ledger.shapes.prepared(self._shapes[self._local[position]], client)
                if whole.parts is None:
                    continue  # of which somebody else tells
                if filters.blocking(client.serial, int(self._queue[position]), whole.offer) is not None:
                    found = place
        return found

    # -- booking ---------------------------------------------------------------------------------------------
    def _book(self, positions: Indices, shapes: NDArray[np.int32], who: NDArray[np.int32]) -> None:
        """Write into the books what was decided of these agents."""
        self._note_dull(positions, shapes, who)
        served = who != NOBODY
        rows: NDArray[np.int32] = self._queue[positions[served]]
        pairs = shapes[served].astype(np.int64) * len(self._clients) + who[served]
        self._take_of_quota(pairs)
        self._decided.add(rows, pairs)

    def _note_dull(self, positions: Indices, shapes: NDArray[np.int32], who: NDArray[np.int32]) -> None:
        if self._crumbs.any():
            self._dull += positions[self._crumbs[shapes] != 0].tolist()
        blocked = np.array([shape.blocked != 0 for shape in self._shapes], np.bool_)
        if blocked.any():
            self._dull += (~positions[(who == NOBODY) & blocked[shapes]]).tolist()
        self.remember()

    def _take_of_quota(self, pairs: Indices) -> None:
        sizing = self._pass.sizing
        if sizing is None or self._is_clear():
            return  # nobody whom it concerns was given anything
        surplus, limits = sizing.left()
        if not surplus and not limits:
            return
        given = np.bincount(pairs, minlength=len(self._codes)).reshape(len(self._shapes), len(self._clients))
        taken = self._by_name(given.sum(axis=1) @ self._counted)
        sizing.took(
            {name: amount for name, amount in taken.items() if name in surplus},
            {role: self._by_name(given[:, mine].sum(axis=1) @ self._counted) for role, mine in self._limited.items()},
        )


def _first(flags: NDArray[np.bool_]) -> float:
    """Where the first is set."""
    if not len(flags):
        return inf
    place = int(flags.argmax())
    return place if flags[place] else inf
