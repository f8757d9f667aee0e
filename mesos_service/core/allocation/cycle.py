"""The allocation pass: agent by agent, everything free to the first in order who may have it (X32; B32, M-AL-01).

Agents come in an order drawn anew for each pass. For each of them the order of clients is brought up to date, and
clients are asked in it: the first whose offer passes all gates is given all of that offer. What is left then, such as
what is reserved to others, goes on to the next in the same order.

Where roles have guarantees that are not satisfied, a stage before this serves these alone, each agent only if it
brings a role nearer to its guarantee (X38); then the agents are shuffled again, so that the second stage does not
begin where the first one left holes (M-AL-23).

A pass costs what it looks at: agents with something free, and on each the clients that no remembered veto excludes.
An idle cluster whose frameworks have refused everything is passed over at a few nanoseconds per agent.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import chain, repeat

import numpy as np

from mesos_service.core.allocation import kernel, reasons, stand_offs
from mesos_service.core.allocation.entries import AgentBook
from mesos_service.core.allocation.ledger import Ledger
from mesos_service.core.allocation.one_pass import Pass
from mesos_service.core.allocation.shuffle import FEW, Queue, as_list, by_and_by, joined, second, shuffled
from mesos_service.core.allocation.summary import PassSummary
from mesos_service.core.allocation.table import NO_ROW, Rows
from mesos_service.core.allocation.telling import Teller, WhyNot
from mesos_service.domain.ids import AgentId
from mesos_service.domain.randomness import RandomSource
from mesos_service.plugins.allocator import Grant, Observer


class Cycle:
    """Runs passes over one ledger. Remembers only which agents a limit left out, and the last pass in numbers."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._left_out: Queue = []
        self._left_out_serials = np.zeros(0, np.uint64)
        self.summary = PassSummary()
        self._largest: dict[str, int] = {}
        """The most of each resource that was ever prepared for one offer: what head-room must have room for."""

    def run(
        self,
        now: float,
        random: RandomSource,
        *,
        agents: Collection[AgentId] | None,
        limit: int | None = None,
        observer: Observer | None = None,
        levels: Sequence[int] | None = None,
        before: Before | None = None,
        why_not: WhyNot | None = None,
    ) -> list[Grant]:
        """One pass; see :meth:`mesos_service.plugins.allocator.Allocator.allocate`.

        Agents that an earlier limit left out come first, in the order in which they stood; a full pass draws a new
        order for all. Exactly one number is drawn from ``random`` in each pass. An observer changes no decision.

        Policies other than DRF's differ in two places: ``levels`` are bits of clients, and all of one are served
        before any of the next (by default all clients are one level); ``before`` may grant what it likes ahead of
        them, from the agents it is given, by :meth:`Pass.grant`; ``why_not`` then says to an
        observer whom it kept away.
        """
        ledger = self._ledger
        seed = random.getrandbits(64)
        ledger.lapse_filters(now)
        ledger.settle_quota()
        self.summary = PassSummary(number=self.summary.number + 1, at=now, is_full=agents is None)
        teller = None if observer is None else Teller(ledger, observer)
        waiting = ledger.recovery.lasts(now) if ledger.quota else None
        if waiting is not None:
            if teller is not None:
                teller.tell_all(reasons.recovering(*waiting))
            return []
        if agents is None:
            ledger.release_holds()
            if ledger.lifts_unanimous:
                stand_offs.lift(ledger)
            first: Queue = []
            new: Queue = self._worth_asking()
        else:
            first = self._still_left_out()
            new = self._touched(agents, first)
        if teller is not None:
            teller.begin(ledger.agents if agents is None else agents)
        one_pass = Pass(ledger, self.summary, limit, seed, self._largest)
        table = ledger.table
        if one_pass.sizing is not None:
            if one_pass.sizing.unsatisfied:
                one_pass.serve_guarantees(chain(as_list(first), by_and_by(seed, new, table)))
            seed = second(seed)
        queue = joined(first, shuffled(seed, new, table))
        if before is not None:
            one_pass.begin_stage("requests")
            before(one_pass, table.books_at(queue))
        one_pass.begin_stage("shares")
        if levels is None:
            self._leave_out(queue[one_pass.serve(queue, ledger.sorter.active) :])
        else:
            # Who was left out by a limit on one level was asked for none of the next.
            done = all(one_pass.serve(queue, level & ledger.sorter.active) == len(queue) for level in levels)
            self._leave_out([] if done else [index for index in as_list(queue) if table.free[index]])
        made = one_pass.close()
        if teller is not None:
            teller.end(one_pass.grants, one_pass.stages, one_pass.sizing, why_not, levels or ())
        return made

    def _worth_asking(self) -> Queue:
        """The agents but those on which every active client is vetoed already: nothing can come of them."""
        table, active = self._ledger.table, self._ledger.sorter.active
        rows = table.all_open()
        vetoed = table.vetoed
        if not active:
            return []
        if not table.vetoing.any():
            return rows
        return [index for index in rows.tolist() if not vetoed[index] or active & ~vetoed[index]]

    def _touched(self, agents: Collection[AgentId], first: Queue) -> Queue:
        """Of ``agents`` those with something to offer that are not in ``first`` already."""
        table = self._ledger.table
        if len(agents) < FEW:
            waited = {NO_ROW, *as_list(first)}
            found = dict.fromkeys(map(table.row_of.get, agents, repeat(NO_ROW)))
            return [index for index in found if index not in waited and table.open[index]]
        rows = kernel.rows_of(agents, table.row_of)
        touched = np.zeros(len(table.open), np.bool_)
        touched[rows[rows != NO_ROW]] = True
        touched[np.asarray(first, np.int32)] = False
        touched &= table.open
        return np.flatnonzero(touched).astype(np.int32)

    def _still_left_out(self) -> Queue:
        if not len(self._left_out):
            return []
        table, rows = self._ledger.table, np.asarray(self._left_out, np.int32)
        found: Rows = rows[table.open[rows] & (table.serials[rows] == self._left_out_serials)]
        return found

    def _leave_out(self, rows: Queue) -> None:
        """A limit was reached: these come first in the next pass."""
        self._left_out = rows
        if len(rows):
            self._left_out_serials = self._ledger.table.serials[rows]


Before = Callable[[Pass, Sequence[AgentBook]], None]
"""What a policy does ahead of the stages of a pass."""
