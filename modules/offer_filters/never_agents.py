"""Never these agents: the black list of a framework (D09)."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from mesos_service.plugins.allocator import AgentView
from mesos_service.plugins.offer_filter import OfferFilter, filtered
from mesos_service.plugins.verdict import Veto


class Parameters(BaseModel):
    """``agents`` are ids or hostnames."""

    model_config = ConfigDict(extra="forbid")
    agents: frozenset[str] = Field(min_length=1)


class NeverAgents(OfferFilter):
    """Agents on the list are not offered, whatever is free there."""

    name: ClassVar[str] = "never_agents"
    api_version: ClassVar[int] = 1
    Config: ClassVar[type[Any] | None] = Parameters

    def about_agent(self, agent: AgentView, now: float) -> Veto | None:
        if agent.agent_id in self.config.agents or agent.hostname in self.config.agents:
            return filtered(self.name, f"The framework wants nothing of agent {agent.hostname}.")
        return None
