"""The registry as a new leader reads it."""

from __future__ import annotations

from mesos_service.core.registry.registry import Registry
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.ids import AgentId
from tests.unit.core.master.infos import TOTAL


def registry(*names: str) -> Registry:
    """Agents that were admitted under some master before."""
    return Registry(
        admitted={
            AgentId(name): AgentInfo(hostname=f"host-{name}", resources=TOTAL, agent_id=AgentId(name)) for name in names
        }
    )
