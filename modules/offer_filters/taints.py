"""No agents with a taint that is not tolerated: an attribute sets them apart, as taints do in Kubernetes (N10)."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from mesos_service.domain.attributes import format_attribute_value
from mesos_service.plugins.allocator import AgentView
from mesos_service.plugins.offer_filter import OfferFilter, filtered
from mesos_service.plugins.verdict import Veto


class Parameters(BaseModel):
    """Each attribute called ``attribute`` is one taint (``--attributes=taint:spot;taint:old``)."""

    model_config = ConfigDict(extra="forbid")
    tolerates: frozenset[str] = frozenset()
    attribute: str = Field("taint", min_length=1)


class Taints(OfferFilter):
    """Of several taints each has to be tolerated; an agent without any is always taken."""

    name: ClassVar[str] = "taints"
    api_version: ClassVar[int] = 1
    Config: ClassVar[type[Any] | None] = Parameters

    def about_agent(self, agent: AgentView, now: float) -> Veto | None:
        taints = {format_attribute_value(one.value) for one in agent.attributes if one.name == self.config.attribute}
        unwanted = sorted(taints - self.config.tolerates)
        if not unwanted:
            return None
        return filtered(
            self.name, f"Agent {agent.hostname} has {self.config.attribute} {', '.join(unwanted)}, not tolerated."
        )
