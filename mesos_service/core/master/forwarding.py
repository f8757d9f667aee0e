"""What stands between the master and an allocator module: whatever changes the module's books goes through one method.

:class:`Forwarding` has each such call of the interface once, and passes it on by name. Who wants to do something with
every one of them (watch it, write it down, say it to somebody else as well) overrides :meth:`Forwarding._tell`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from mesos_service.domain.frameworks import Quantities
from mesos_service.domain.ids import AgentId, FrameworkId, Role
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import AgentView, Allocator, FrameworkView, Quota


class Forwarding(Allocator):
    """Says nothing itself; what asks an allocator something is left to who extends it."""

    @abstractmethod
    def _tell(self, method: str, *arguments: Any, **named: Any) -> None:  # Any: as the method has them
        """Something is so from now on; arguments by name in the order in which the method has them."""

    # -- frameworks ------------------------------------------------------------------------------------------
    def add_framework(self, framework: FrameworkView, used: Mapping[AgentId, Resources], active: bool) -> None:
        self._tell("add_framework", framework, used, active)

    def update_framework(self, framework: FrameworkView) -> None:
        self._tell("update_framework", framework)

    def remove_framework(self, framework_id: FrameworkId) -> None:
        self._tell("remove_framework", framework_id)

    def set_framework_active(self, framework_id: FrameworkId, active: bool) -> None:
        self._tell("set_framework_active", framework_id, active)

    def suppress(self, framework_id: FrameworkId, roles: Collection[Role]) -> None:
        self._tell("suppress", framework_id, roles)

    def revive(self, framework_id: FrameworkId, roles: Collection[Role]) -> None:
        self._tell("revive", framework_id, roles)

    def request_resources(self, framework_id: FrameworkId, requests: Sequence[Quantities]) -> None:
        self._tell("request_resources", framework_id, requests)

    # -- agents ----------------------------------------------------------------------------------------------
    def add_agent(self, agent: AgentView, used: Mapping[FrameworkId, Resources]) -> None:
        self._tell("add_agent", agent, used)

    def update_agent(self, agent: AgentView) -> None:
        self._tell("update_agent", agent)

    def remove_agent(self, agent_id: AgentId) -> None:
        self._tell("remove_agent", agent_id)

    def set_agent_active(self, agent_id: AgentId, active: bool) -> None:
        self._tell("set_agent_active", agent_id, active)

    def update_whitelist(self, hostnames: Collection[str] | None) -> None:
        self._tell("update_whitelist", hostnames)

    # -- resources -------------------------------------------------------------------------------------------
    def offered_to_allocated(self, framework_id: FrameworkId, agent_id: AgentId, resources: Resources) -> None:
        self._tell("offered_to_allocated", framework_id, agent_id, resources)

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
        self._tell(
            "recover", framework_id, agent_id, resources, refuse_seconds=refuse_seconds, allocated=allocated, now=now
        )

    def update_allocation(
        self, framework_id: FrameworkId, agent_id: AgentId, before: Resources, after: Resources
    ) -> None:
        self._tell("update_allocation", framework_id, agent_id, before, after)

    def add_offer(self, framework_id: FrameworkId, agent_id: AgentId, resources: Resources) -> None:
        self._tell("add_offer", framework_id, agent_id, resources)

    # -- policy ----------------------------------------------------------------------------------------------
    def update_weights(self, weights: Mapping[Role, float]) -> None:
        self._tell("update_weights", weights)

    def update_quota(self, role: Role, quota: Quota) -> None:
        self._tell("update_quota", role, quota)

    def expect_agents(self, count: int, now: float) -> None:
        self._tell("expect_agents", count, now)
