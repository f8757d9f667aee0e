"""The allocation pass: agent by agent, everything free to the first in order who may have it (X32; B32, M-AL-01).

Agents come in an order drawn anew for each pass. For each of them the order of clients is brought up to date, and
clients are asked in it: the first whose offer passes all gates is given all of that offer. What is left then, such as
what is reserved to others, goes on to the next in the same order.

A pass costs what it looks at: agents with something free, and on each the clients that no remembered veto excludes.
An idle cluster whose frameworks have refused everything is passed over at a few nanoseconds per agent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from typing import Final

from mesos_service.core.allocation import reasons
from mesos_service.core.allocation.entries import AgentBook, Client
from mesos_service.core.allocation.gates import Attempt, covers, gates_in_order
from mesos_service.core.allocation.ledger import Ledger
from mesos_service.domain.ids import AgentId
from mesos_service.domain.randomness import RandomSource
from mesos_service.plugins.allocator import Grant, Observer
from mesos_service.plugins.verdict import Veto

_MASK: Final = (1 << 64) - 1


def place(seed: int, serial: int) -> int:
    """Where an agent stands in the pass that drew ``seed``: the lower the earlier.

    A hash (the finaliser of splitmix64, Steele and others, OOPSLA 2014) instead of a shuffle: two agents stand in the
    same order whichever others take part, so that the outcome does not depend on which of them are left out early.
    """
    mixed = (seed + serial * 0x9E3779B97F4A7C15) & _MASK
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB & _MASK
    return mixed ^ (mixed >> 31)


class Cycle:
    """Runs passes over one ledger. Remembers only which agents a limit left out."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._gates = gates_in_order(ledger.filters)
        self._left_out: deque[int] = deque()
        self._is_left_out: set[int] = set()

    def run(
        self,
        now: float,
        random: RandomSource,
        *,
        agents: Collection[AgentId] | None,
        limit: int | None = None,
        observer: Observer | None = None,
    ) -> list[Grant]:
        """One pass; see :meth:`mesos_service.plugins.allocator.Allocator.allocate`.

        Agents that an earlier limit left out come first, in the order in which they stood; a full pass draws a new
        order for all. Exactly one number is drawn from ``random`` in each pass. An observer changes no decision.
        """
        ledger = self._ledger
        seed = random.getrandbits(64)
        ledger.lapse_filters(now)
        if agents is None:
            ledger.release_holds()
            self._left_out.clear()
            self._is_left_out.clear()
            self._enqueue(ledger.open, seed, remembering=observer is None)
        else:
            self._enqueue(ledger.serials_of(agents), seed, remembering=False)
        if observer is not None:
            self._tell_who_is_out(observer)
            self._tell_which_are_out(ledger.serials_of(ledger.agents if agents is None else agents), observer)
        grants: list[Grant] = []
        queue = self._left_out
        while queue and (limit is None or len(grants) < limit):
            serial = queue.popleft()
            self._is_left_out.discard(serial)
            agent = ledger.open.get(serial)
            if agent is None:
                continue
            if observer is None:
                self._offer(agent, grants, limit)
            else:
                self._offer_observed(agent, grants, limit, observer)
            if len(grants) == limit and agent.is_open:
                self._left_out.appendleft(serial)
                self._is_left_out.add(serial)
        return grants

    def _enqueue(self, serials: Iterable[int], seed: int, *, remembering: bool) -> None:
        """Put agents in this pass' order behind those left out before.

        ``remembering`` leaves out those on which every active client is vetoed already: nothing can come of them.
        """
        waiting = self._is_left_out
        if remembering:
            active = self._ledger.sorter.active
            books = self._ledger.open
            new = [serial for serial in serials if active & ~books[serial].vetoed]
        else:
            new = [serial for serial in serials if serial not in waiting]
        if len(new) > 1:
            new.sort(key=lambda serial: place(seed, serial))
        self._left_out.extend(new)
        waiting.update(new)

    def _offer(self, agent: AgentBook, grants: list[Grant], limit: int | None) -> None:
        ledger = self._ledger
        sorter = ledger.sorter
        wanted = self._asked(agent)
        if not wanted:
            return
        sorter.settle()
        for client in sorter.walk(wanted):
            attempt = Attempt(agent, client)
            for gate in self._gates:
                if gate.refuses(attempt):
                    if gate.remembered:
                        agent.remember_veto(client.bit)
                    break
            else:
                grants.append(ledger.give(agent, client, attempt.offer))
                if not agent.free or len(grants) == limit:
                    return

    def _asked(self, agent: AgentBook) -> int:
        """Bits of the clients that may be granted something here.

        Crumbs, such as the ports and disk beside a full agent's tasks, are too little for everybody with the default
        minimum: one look tells that, where walking the clients would ask each of them.
        """
        ledger = self._ledger
        wanted = ledger.sorter.active & ~agent.vetoed
        if not wanted or not ledger.default_minimum:
            return wanted
        if agent.free_quantities is None:
            agent.free_quantities = agent.free.quantities()
        if covers(agent.free_quantities, ledger.default_minimum):
            return wanted
        too_little = wanted & ~ledger.own_minimum_bits
        agent.remember_veto(too_little)
        return wanted ^ too_little

    def _offer_observed(self, agent: AgentBook, grants: list[Grant], limit: int | None, observer: Observer) -> None:
        """As :meth:`_offer`, but every client is asked, so that each hears its reason."""
        ledger = self._ledger
        sorter = ledger.sorter
        agent_id = agent.view.agent_id
        sorter.settle()
        served: Client | None = None
        for client in sorter.walk(sorter.active):
            if served is not None and (not agent.free or len(grants) == limit):
                observer.refused(client.framework_id, client.role, agent_id, reasons.others_first(served.framework_id))
                continue
            attempt = Attempt(agent, client)
            for gate in self._gates:
                if gate.refuses(attempt):
                    if gate.remembered:
                        agent.remember_veto(client.bit)
                    observer.refused(client.framework_id, client.role, agent_id, gate.veto(attempt))
                    break
            else:
                grants.append(ledger.give(agent, client, attempt.offer))
                served = client

    def _tell_who_is_out(self, observer: Observer) -> None:
        for framework_id, framework in self._ledger.frameworks.items():
            for role in sorted(framework.view.roles):
                if not framework.active:
                    observer.refused(framework_id, role, None, reasons.framework_inactive())
                elif role in framework.suppressed:
                    observer.refused(framework_id, role, None, reasons.role_suppressed())

    def _tell_which_are_out(self, serials: Iterable[int], observer: Observer) -> None:
        sorter = self._ledger.sorter
        sorter.settle()
        for serial in serials:
            agent = self._ledger.agent_of(serial)
            if agent.is_open:
                continue
            for client in sorter.walk(sorter.active):
                observer.refused(client.framework_id, client.role, agent.view.agent_id, _why_closed(agent))


def _why_closed(agent: AgentBook) -> Veto:
    if not agent.active:
        return reasons.agent_inactive()
    if not agent.whitelisted:
        return reasons.agent_not_whitelisted()
    return reasons.nothing_free()
