"""Strict priorities: who is more important is served first, and others get what is left (Mesos paper, section 3.3).

The weight of a role is its priority: ``--weights=production=2,batch=1``. A role below another has the priority of the
upper one first and its own second; roles of equal priority share as under ``hierarchical_drf``. A framework that is
satisfied steps aside by declining or by suppressing offers, which is also how batch ever gets anything.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import ClassVar

from mesos_service.core.allocation.over_ledger import LedgerAllocator
from mesos_service.domain.ids import AgentId, Role
from mesos_service.domain.randomness import RandomSource
from mesos_service.plugins.allocator import GUARANTEES, LIMITS, WORK_CONSERVING, Grant, Observer

Priority = tuple[float, ...]


class StrictPriority(LedgerAllocator):
    """On every agent all of one priority are asked before any of the next (A30b, M-AL-04)."""

    name: ClassVar[str] = "strict_priority"
    api_version: ClassVar[int] = 1
    promises: ClassVar[frozenset[str]] = frozenset({WORK_CONSERVING, GUARANTEES, LIMITS})

    def allocate(
        self,
        now: float,
        random: RandomSource,
        *,
        agents: Collection[AgentId] | None,
        limit: int | None = None,
        observer: Observer | None = None,
    ) -> Sequence[Grant]:
        return self.cycle.run(now, random, agents=agents, limit=limit, observer=observer, levels=self._levels())

    def _levels(self) -> list[int]:
        """The bits of all clients, by falling priority."""
        bits: dict[Priority, int] = {}
        depth = max((client.role.count("/") for client in self.ledger.clients()), default=0) + 1
        for client in self.ledger.clients():
            priority = self._priority(client.role, depth)
            bits[priority] = bits.get(priority, 0) | client.bit
        return [bits[priority] for priority in sorted(bits, reverse=True)]

    def _priority(self, role: Role, depth: int) -> Priority:
        """The weights from the top down to ``role``; what has no weight counts 1, also below the role itself."""
        parts = role.split("/")
        paths = [Role("/".join(parts[: length + 1])) for length in range(len(parts))]
        weights = [self.ledger.sorter.weight(path) for path in paths]
        return tuple(weights) + (1.0,) * (depth - len(weights))
