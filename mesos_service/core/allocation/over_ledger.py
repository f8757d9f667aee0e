"""An allocator over the common books: every call but the deciding one, for modules that differ only in that.

A module extends :class:`LedgerAllocator` and says in ``allocate`` who is granted what; ``hierarchical_drf`` is the
shortest example. One that differs in less says in ``make_parts`` in which :mod:`~mesos_service.core.allocation.parts`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from mesos_service.core.allocation.consumption import consumed_by
from mesos_service.core.allocation.cycle import Cycle
from mesos_service.core.allocation.ledger import Ledger
from mesos_service.core.allocation.parts import Parts
from mesos_service.domain.frameworks import Quantities
from mesos_service.domain.ids import AgentId, FrameworkId, Role
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import AgentView, Allocator, AllocatorOptions, FrameworkView, Quota
from mesos_service.plugins.revocation import Revocation, Situation


class LedgerAllocator(Allocator):
    """Keeps a :class:`~mesos_service.core.allocation.ledger.Ledger`, and has a
    :class:`~mesos_service.core.allocation.cycle.Cycle` over it to run passes with."""

    def __init__(self, options: AllocatorOptions, config: Any = None) -> None:  # Any: the module's own model
        super().__init__(options, config)
        self.parts = self.make_parts()
        self.ledger = Ledger(options, self.parts)
        self.cycle = Cycle(self.ledger)

    def make_parts(self) -> Parts:
        """What a module puts in the place of the stock policy's; ``options`` and ``config`` are there already."""
        return Parts()

    def add_framework(self, framework: FrameworkView, used: Mapping[AgentId, Resources], active: bool) -> None:
        self.ledger.add_framework(framework, used, active)

    def update_framework(self, framework: FrameworkView) -> None:
        self.ledger.update_framework(framework)

    def remove_framework(self, framework_id: FrameworkId) -> None:
        self.ledger.remove_framework(framework_id)

    def set_framework_active(self, framework_id: FrameworkId, active: bool) -> None:
        self.ledger.set_framework_active(framework_id, active)

    def suppress(self, framework_id: FrameworkId, roles: Collection[Role]) -> None:
        self.ledger.suppress(framework_id, roles)

    def revive(self, framework_id: FrameworkId, roles: Collection[Role]) -> None:
        self.ledger.revive(framework_id, roles)

    def request_resources(self, framework_id: FrameworkId, requests: Sequence[Quantities]) -> None:
        """Requests change nothing, unless a module listens to them (M-SC-12)."""

    def add_agent(self, agent: AgentView, used: Mapping[FrameworkId, Resources]) -> None:
        self.ledger.add_agent(agent, used)

    def update_agent(self, agent: AgentView) -> None:
        self.ledger.update_agent(agent)

    def remove_agent(self, agent_id: AgentId) -> None:
        self.ledger.remove_agent(agent_id)

    def set_agent_active(self, agent_id: AgentId, active: bool) -> None:
        self.ledger.set_agent_active(agent_id, active)

    def update_whitelist(self, hostnames: Collection[str] | None) -> None:
        self.ledger.update_whitelist(hostnames)

    def offered_to_allocated(self, framework_id: FrameworkId, agent_id: AgentId, resources: Resources) -> None:
        self.ledger.offered_to_allocated(framework_id, agent_id, resources)

    def recover(
        self,
        framework_id: FrameworkId,
        agent_id: AgentId,
        resources: Resources,
        *,
        refuse_seconds: float | None,
        allocated: bool,
        now: float,
    ) -> None:
        self.ledger.recover(
            framework_id, agent_id, resources, refuse_seconds=refuse_seconds, allocated=allocated, now=now
        )

    def update_allocation(
        self, framework_id: FrameworkId, agent_id: AgentId, before: Resources, after: Resources
    ) -> None:
        self.ledger.update_allocation(framework_id, agent_id, before, after)

    def add_offer(self, framework_id: FrameworkId, agent_id: AgentId, resources: Resources) -> None:
        self.ledger.add_offer(framework_id, agent_id, resources)

    def update_weights(self, weights: Mapping[Role, float]) -> None:
        self.ledger.update_weights(weights)

    def update_quota(self, role: Role, quota: Quota) -> None:
        self.ledger.update_quota(role, quota)

    def quota_consumption(self, role: Role) -> Quantities:
        return consumed_by(role, self.ledger.agents.values(), self.ledger.frameworks)

    def active_filters(self) -> Mapping[Role, int]:
        found: dict[Role, int] = {}
        for client in self.ledger.clients():
            standing = self.ledger.filters.standing(client.serial)
            if standing:
                found[client.role] = found.get(client.role, 0) + standing
        return found

    def revocations(self, situation: Situation) -> Sequence[Revocation]:
        return self.parts.revoker(situation)

    def expect_agents(self, count: int, now: float) -> None:
        self.ledger.recovery.begin(count, now)
