"""One allocation pass at work: its stages, and what each of them grants; see
:mod:`~mesos_service.core.allocation.cycle`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from typing import Final

from mesos_service.core.allocation import by_levels, guarantees, kernel, reasons
from mesos_service.core.allocation.clients import Client
from mesos_service.core.allocation.entries import AgentBook
from mesos_service.core.allocation.ledger import Ledger
from mesos_service.core.allocation.long_queue import Order
from mesos_service.core.allocation.merging import merged
from mesos_service.core.allocation.quota import UNBOUNDED, Sizing
from mesos_service.core.allocation.shapes import Prepared, Shape
from mesos_service.core.allocation.shuffle import Queue, as_list
from mesos_service.core.allocation.summary import PassSummary
from mesos_service.core.allocation.telling import Stage
from mesos_service.domain.ids import Role
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import Grant

MANY: Final = 5000
"""From so many agents on it pays to find out which resources can be dominant at all."""

_grant: Final = partial(tuple.__new__, Grant)
"""``Grant(*row)`` without a call of Python: half the time, and it is done 50,000 times a pass."""


class Pass:
    """One pass at work."""

    def __init__(
        self,
        ledger: Ledger,
        summary: PassSummary,
        limit: int | None,
        seed: int,
        largest: dict[str, int],
    ) -> None:
        self._ledger = ledger
        self.summary = summary
        self._limit = limit
        self._lots = ledger.lots(seed)
        self.sizing = Sizing(ledger.quota, ledger.scale) if ledger.quota else None
        self.grants: list[Grant] = []
        """In the order in which they were decided; several may go to one client on one agent."""
        self.stages: list[Stage] = []
        self._may_repeat = 0
        """How many of the grants may be followed by another one to the same client on the same agent."""
        self.again: list[int] = []
        """Which of the later ones are of an agent of which something was offered already."""
        self._owed: dict[Prepared, int] = {}
        """Grants that neither sorter nor sizing has been charged for in full, and how many of each."""
        self.given: dict[Prepared, int] = {}
        """The same of the whole pass, but for those that are owed still."""
        self._largest = largest
        self._unsized = 0
        """How many more of them head-room is sure to leave whole."""
        self._taken: list[int] = []
        """Rows of the agents of which all was granted at once; they are still among the candidates."""
        self._contest = ledger.sorter.full_contest()

    def close(self) -> list[Grant]:
        """Settle what is owed; the grants."""
        self._settle_owed()
        self._ledger.close(self._taken, self.given)
        grants = self.grants
        self.summary.grants = len(grants)
        return merged(grants, self._may_repeat, self.again)

    @property
    def is_full(self) -> bool:
        """Whether the limit of grants is reached."""
        return len(self.grants) == self._limit

    def begin_stage(self, name: str) -> None:
        """What is granted from here on is decided otherwise than before."""
        if name == "shares" and self._lots is not None:
            name = self._lots.stage
        self.stages.append((len(self.grants), name))

    def grant(self, agent: AgentBook, client: Client, offer: Resources) -> bool:
        """Grant a part of what is prepared for ``client`` on ``agent``, unless quota or a filter is in the way.

        The order of clients is to be settled before it is asked for again.
        """
        ledger = self._ledger
        shape = ledger.shapes.of(agent)
        piece = ledger.fitted(agent, Prepared(client, shape.free, offer, offer.quantities(), ledger.scale))
        if self.sizing is not None and self.sizing.sized(shape, client, piece) is not piece:
            return False
        if ledger.filters.blocking(client.serial, agent.index, offer) is not None:
            return False
        if self.sizing is not None:
            self.sizing.take(piece)
        self.grants.append(ledger.give(agent, piece))
        self._may_repeat = len(self.grants)
        self.again.clear()
        return True

    def _settle_owed(self) -> None:
        """Bring the accounts of sorter and quota up to date with what was granted at full speed."""
        given = self.given
        for prepared, times in self._owed.items():
            given[prepared] = given.get(prepared, 0) + times
            if self.sizing is not None and prepared.client.role not in self.sizing.limited:
                self.sizing.take(prepared, times)
        self._ledger.sorter.settle_owed(
            (prepared.client, prepared.vector, prepared.counted, times) for prepared, times in self._owed.items()
        )
        self._owed.clear()
        self._find_room()

    def _find_room(self) -> None:
        self._unsized = UNBOUNDED if self.sizing is None else self.sizing.room(self._largest)

    # -- stage one -------------------------------------------------------------------------------------------
    def serve_guarantees(self, queue: Iterable[int]) -> None:
        """The first stage (X38)."""
        assert self.sizing is not None, "without quota nothing is guaranteed"
        self.begin_stage("guarantees")
        guarantees.serve(self, self._ledger, self.sizing, queue)
        self._may_repeat = len(self.grants)

    # -- stage two -------------------------------------------------------------------------------------------
    def serve(self, queue: Queue, active: int) -> int:
        """Everything to whoever of ``active`` may have it; how many agents were done before the limit was reached."""
        ledger, sizing, table = self._ledger, self.sizing, self._ledger.table
        sorter, prepared_of = ledger.sorter, ledger.shapes.prepared
        first, leader, serve = sorter.first, sorter.leader, sorter.serve
        limited = frozenset[Role]() if sizing is None else sizing.limited
        grants, owed, taken = self.grants, self._owed, self._taken
        limit = -1 if self._limit is None else self._limit
        filtered = ledger.filters.rows
        free_on, offered_on, vetoed_on, ids = table.free, table.offered, table.vetoed, table.ids
        self._settle_owed()
        if self._lots is None and kernel.pays(len(queue), sorter.active):
            sorter.settle()
            done = kernel.serve(self, self._ledger, queue, active, limit)
            if done is not None:
                self._find_room()
                return done
        if self._lots is None and by_levels.pays(len(queue), sorter.active):
            done = by_levels.serve(self, self._ledger, queue, active, limit)
            if done is not None:
                self._find_room()
                return done
        sorter.settle()
        guessed, shapes, nothing = table.shapes[queue].tolist(), ledger.shapes.by_number, Resources.EMPTY
        turn = object()
        if len(queue) > MANY:
            self._contest = sorter.contest()
        for position, index in enumerate(as_list(queue)):
            free = free_on[index]
            if free is nothing:
                continue  # taken in an earlier stage
            if len(grants) == limit:
                return position
            if self._lots is not None:
                self.offer_pieces(self.book(index), active & ~vetoed_on[index])
                if len(grants) == limit and free_on[index]:
                    return position
                continue
            shape = shapes[guessed[position]]
            if shape.free is not free:
                shape = ledger.shapes.at(index)
            if shape.asked_in is not turn:
                shape.asked, shape.blocked, shape.asked_in = active, 0, turn
            vetoed = vetoed_on[index]
            wanted = shape.asked & ~vetoed if vetoed else shape.asked
            if shape.is_crumbs:
                wanted = self._without_crumbs(self.book(index), wanted)
            while wanted:
                client = leader()
                if not client.bit & wanted:
                    client = first(wanted)
                prepared = whole = shape.prepared.get(client.stamp) or prepared_of(shape, client)
                if prepared.blocked is not None:
                    shape.asked &= ~client.bit
                    shape.blocked |= client.bit
                    self.summary.count(client, prepared.blocked.reason)
                    wanted ^= client.bit
                    continue
                if prepared.counted_at is not self._contest:
                    self._enter(prepared)
                if sizing is not None and (self._unsized <= 0 or client.role in limited):
                    if self._unsized <= 0:
                        self._settle_owed()
                    prepared = sizing.sized(shape, client, whole)
                    if prepared.blocked is not None:
                        shape.asked &= ~client.bit
                        self.summary.count(client, prepared.blocked.reason)
                        wanted ^= client.bit
                        continue
                if client.serial in filtered and self.is_filtered(
                    self.book(index), client, prepared, prepared is whole
                ):
                    wanted ^= client.bit
                    continue
                if prepared.parts is None:
                    # The rest goes on in the order in which this agent was begun.
                    self.offer_pieces(self.book(index), wanted)
                    break
                if client.role in limited and sizing is not None:
                    sizing.take(prepared)
                self._unsized -= 1
                if offered_on[index]:
                    self.again.append(len(grants))
                    self.book(index).take(prepared)
                else:
                    free_on[index] = nothing
                    offered_on[index] = prepared.holdings
                taken.append(index)
                grants.append(_grant((client.framework_id, client.role, ids[index], prepared.granted)))
                serve(client, prepared.counted)
                owed[prepared] = owed.get(prepared, 0) + 1
                break
            else:
                if shape.blocked:
                    self.book(index).remember_veto(shape.blocked)
            if len(grants) == limit and free_on[index]:
                return position
        return len(queue)

    def book(self, index: int) -> AgentBook:
        book = self._ledger.table.books[index]
        assert book is not None, "a row in the queue has an agent"
        return book

    def _enter(self, prepared: Prepared) -> None:
        """``prepared`` is looked at for the first time in this pass: what of it counts, and is it the largest yet?"""
        if self._contest.is_upset_by(prepared.vector):
            self._settle_owed()
            self._contest = self._ledger.sorter.full_contest()
        prepared.counted = self._contest.counted(prepared.vector)
        prepared.counted_at = self._contest
        larger = {name: amount for name, amount in prepared.countable if amount > self._largest.get(name, 0)}
        if larger:
            self._largest.update(larger)
            self._settle_owed()

    def _without_crumbs(self, agent: AgentBook, wanted: int) -> int:
        """Bits of the clients that may be granted something of what is less than the default minimum.

        Crumbs, such as the ports and disk beside a full agent's tasks, are too little for everybody with that
        minimum: one look tells it, where walking the clients would ask each of them.
        """
        too_little = wanted & ~self._ledger.own_minimum_bits
        agent.remember_veto(too_little)
        return wanted ^ too_little

    def offer_pieces(self, agent: AgentBook, wanted: int, order: Order | None = None) -> None:
        """One agent in full: whoever is left asked in order, until nothing is free there."""
        if order is not None:
            self._offer_in_turn(agent, order.walk(wanted), order)
            return
        if self.sizing is not None:
            self._settle_owed()
        self._offer_in_turn(agent, self._walk(agent, wanted), None)
        self._ledger.sorter.settle()
        self._find_room()

    def _offer_in_turn(self, agent: AgentBook, clients: Iterable[Client], order: Order | None) -> None:
        ledger, sizing = self._ledger, self.sizing
        upset = False
        number = -1 if sizing is None else sizing.number
        shape = ledger.shapes.of(agent)
        for client in clients:
            prepared = whole = shape.prepared.get(client.stamp) or ledger.shapes.prepared(shape, client)
            if prepared.blocked is None and sizing is not None:
                if prepared.sized_at == number:
                    continue  # of the same on another agent, and counted there
                prepared = sizing.sized(shape, client, whole)
            if prepared.blocked is not None:
                if prepared is whole:
                    agent.remember_veto(client.bit)
                self.summary.count(client, prepared.blocked.reason)
                continue
            if self.is_filtered(agent, client, prepared, prepared is whole):
                continue
            prepared = ledger.fitted(agent, prepared)
            if sizing is not None:
                sizing.take(prepared)
            if agent.offered:
                self.again.append(len(self.grants))
            self.grants.append(ledger.give(agent, prepared))
            upset = upset or self._contest.is_upset_by(prepared.vector)
            if order is not None:
                order.charge(client, prepared)
            if not agent.free or self.is_full:
                break
            shape = ledger.shapes.of(agent)
        if upset:
            # A piece of another kind than the whole was: what was left out of the reckoning may matter now.
            self._settle_owed()
            self._contest = ledger.sorter.full_contest()

    def serve_alone(self, agent: AgentBook, shape: Shape, wanted: int, order: Order) -> None:
        """One agent, in the middle of a long queue, with all that may be in the way of who is asked in ``order``."""
        ledger, sizing = self._ledger, self.sizing
        walk = iter(order.walk(wanted))
        for client in walk:
            prepared = whole = ledger.shapes.prepared(shape, client)
            if prepared.blocked is not None:
                shape.blocked |= client.bit
            elif sizing is not None:
                prepared = sizing.sized(shape, client, whole)
            if prepared.blocked is not None:
                shape.asked &= ~client.bit
                self.summary.count(client, prepared.blocked.reason)
            elif not self.is_filtered(agent, client, prepared, prepared is whole):
                self._offer_in_turn(agent, chain((client,), walk), order)
                return
        if shape.blocked:
            agent.remember_veto(shape.blocked)

    def _walk(self, agent: AgentBook, wanted: int) -> Iterator[Client]:
        sorter = self._ledger.sorter
        return sorter.walk(wanted) if self._lots is None else sorter.drawn(wanted, self._lots.of(agent.serial))

    def is_filtered(self, agent: AgentBook, client: Client, prepared: Prepared, whole: bool) -> bool:
        """Whether a refusal filter is in the way, which is then counted, and remembered if this is the ``whole``."""
        if self._ledger.filters.blocking(client.serial, agent.index, prepared.offer) is None:
            return False
        if whole:
            agent.remember_veto(client.bit)
        self.summary.count(client, reasons.REFUSAL_FILTER)
        return True
