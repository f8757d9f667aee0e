"""Hierarchical dominant resource fairness: the stock allocator (Mesos: ``--allocator=hierarchical``).

Roles share the cluster by weighted dominant share, and so do the frameworks inside each role (DRF paper, section 4;
Mesos docs, "Allocation modules"). All it does is put the parts of ``mesos_service.core.allocation`` together: the
ledger keeps the books, the cycle decides.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

from mesos_service.core.allocation.cycle import Cycle
from mesos_service.core.allocation.ledger import Ledger
from mesos_service.domain.frameworks import Quantities
from mesos_service.domain.ids import AgentId, FrameworkId, Role
from mesos_service.domain.randomness import RandomSource
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import (
    AgentView,
    Allocator,
    AllocatorOptions,
    FrameworkView,
    Grant,
    Observer,
    Quota,
)


class HierarchicalDrf(Allocator):
    """Exact DRF over a tree of roles (X30-X35), coarse grained: one offer takes all that is free on an agent."""

    name: ClassVar[str] = "hierarchical_drf"
    api_version: ClassVar[int] = 1

    def __init__(self, options: AllocatorOptions, config: Any = None) -> None:  # Any: there is no configuration
        super().__init__(options, config)
        self.ledger = Ledger(options)
        self.cycle = Cycle(self.ledger)

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
        """Requests do not change who is entitled to what (M-SC-12): DRF listens to shares alone."""

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

    def update_weights(self, weights: Mapping[Role, float]) -> None:
        self.ledger.update_weights(weights)

    def update_quota(self, role: Role, quota: Quota) -> None:
        self.ledger.update_quota(role, quota)

    def quota_consumption(self, role: Role) -> Quantities:
        return self.ledger.quota_consumption(role)

    def expect_agents(self, count: int, now: float) -> None:
        self.ledger.recovery.begin(count, now)

    def allocate(
        self,
        now: float,
        random: RandomSource,
        *,
        agents: Collection[AgentId] | None,
        limit: int | None = None,
        observer: Observer | None = None,
    ) -> Sequence[Grant]:
        return self.cycle.run(now, random, agents=agents, limit=limit, observer=observer)
