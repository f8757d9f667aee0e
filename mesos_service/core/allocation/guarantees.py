"""The first stage of a pass: roles whose guarantees are not satisfied are served alone (X38).

An agent goes to them only as far as it brings a role nearer to its guarantee. What this stage says no to is not told:
the second one asks everybody again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from mesos_service.core.allocation.clients import Client
from mesos_service.core.allocation.entries import AgentBook
from mesos_service.core.allocation.ledger import Ledger
from mesos_service.core.allocation.long_queue import PassAtWork
from mesos_service.core.allocation.quota import Sizing
from mesos_service.domain.ids import Role


def serve(one_pass: PassAtWork, ledger: Ledger, sizing: Sizing, queue: Iterable[int]) -> None:
    """Serve the agents in these rows, until all is guaranteed that can be."""
    sorter = ledger.sorter
    vetoed_on = ledger.table.vetoed
    unsatisfied = frozenset[Role]()
    wanted_by_all = 0
    for index in queue:
        if not sizing.unsatisfied or one_pass.is_full:
            break
        if unsatisfied != sizing.unsatisfied.keys():
            unsatisfied = frozenset(sizing.unsatisfied)
            wanted_by_all = _bits_in(ledger, unsatisfied)
        wanted = wanted_by_all & ~vetoed_on[index]
        if not wanted:
            continue
        agent = one_pass.book(index)
        sorter.settle()
        for client in sorter.walk(wanted):
            if not agent.free or one_pass.is_full:
                break
            _guarantee(one_pass, ledger, sizing, agent, client)


def _guarantee(one_pass: PassAtWork, ledger: Ledger, sizing: Sizing, agent: AgentBook, client: Client) -> None:
    shape = ledger.shapes.of(agent)
    prepared = ledger.shapes.prepared(shape, client)
    if prepared.blocked is not None:
        return
    found = sizing.guaranteed(shape, client, prepared)
    if found is None:
        return
    piece, progress = found
    if piece.blocked is None and ledger.filters.blocking(client.serial, agent.index, piece.offer) is None:
        sizing.take_guaranteed(client, piece.offer, progress)
        one_pass.grants.append(ledger.give(agent, ledger.fitted(agent, piece)))


def _bits_in(ledger: Ledger, roles: Collection[Role]) -> int:
    bits = 0
    for client in ledger.clients():
        if client.standing and client.role in roles:
            bits |= client.bit
    return bits
