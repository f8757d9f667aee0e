"""Hierarchical dominant resource fairness: the stock allocator (Mesos: ``--allocator=hierarchical``).

Roles share the cluster by weighted dominant share, and so do the frameworks inside each role (DRF paper, section 4;
Mesos docs, "Allocation modules"). All of it is in ``mesos_service.core.allocation``: the ledger keeps the books, the
cycle decides.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import ClassVar

from mesos_service.core.allocation.over_ledger import LedgerAllocator
from mesos_service.domain.ids import AgentId
from mesos_service.domain.randomness import RandomSource
from mesos_service.plugins.allocator import PROMISES, Grant, Observer


class HierarchicalDrf(LedgerAllocator):
    """Exact DRF over a tree of roles (X30-X38), coarse grained: one offer takes all that is free on an agent.

    With ``--role_sorter=random`` or ``--framework_sorter=random`` roles, or the frameworks in each, are asked in an
    order drawn by weight instead (M-AL-03): nobody waits long then, whatever the others hold. Those whom the core calls
    aged are asked before all others (N08).
    """

    name: ClassVar[str] = "hierarchical_drf"
    api_version: ClassVar[int] = 1
    promises: ClassVar[frozenset[str]] = PROMISES

    def allocate(
        self,
        now: float,
        random: RandomSource,
        *,
        agents: Collection[AgentId] | None,
        limit: int | None = None,
        observer: Observer | None = None,
    ) -> Sequence[Grant]:
        aged = self.ledger.aged_bits
        levels = (aged, ~aged) if aged else None
        return self.cycle.run(now, random, agents=agents, limit=limit, observer=observer, levels=levels)
