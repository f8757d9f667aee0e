"""Stand-offs: an agent that all who may have it refuse is refused by nobody any more (X29; Mesos' first allocator).

Frameworks that refuse for an hour what does not suit them now leave agents idle when nothing else suits anybody. Where
the operator wants it, such an agent is offered anew from the next full pass on, as if nobody had refused it. Whom
another gate keeps from the agent, such as one who knows nothing of gpus, has no say; whom quota alone keeps from it has
refused nothing.
"""

from __future__ import annotations

import numpy as np

from mesos_service.core.allocation.ledger import Ledger
from mesos_service.core.allocation.table import Rows


def lift(ledger: Ledger) -> None:
    """A full pass begins: drop all refusals of agents whose free resources everybody refuses who may have them."""
    rows = _refused_by_some(ledger)
    ledger.drop_refusals([index for index in rows.tolist() if _is_refused_by_all(ledger, index)])


def _refused_by_some(ledger: Ledger) -> Rows:
    """The agents with something to offer on which any client in the order has a filter."""
    rows = ledger.table.all_open()
    found = np.zeros(len(rows), np.bool_)
    for client in ledger.clients():
        filters = ledger.filters.rows.get(client.serial)
        if filters is not None and client.bit & ledger.sorter.active:
            found |= filters.on(len(ledger.table.open))(rows)
    return rows[found]


def _is_refused_by_all(ledger: Ledger, index: int) -> bool:
    undecided = ledger.sorter.active & ~ledger.table.vetoed[index]
    if not undecided:
        return True  # A veto that is remembered is that of a gate or of a filter.
    shape = ledger.shapes.at(index)
    for client in ledger.clients():
        if not client.bit & undecided:
            continue
        prepared = ledger.shapes.prepared(shape, client)
        if prepared.blocked is None and ledger.filters.blocking(client.serial, index, prepared.offer) is None:
            return False
    return True
