"""Only agents that cost little enough, by an attribute that says what they cost (N10)."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from mesos_service.domain.attributes import first, format_attribute_value
from mesos_service.domain.values import format_milli, to_milli
from mesos_service.plugins.allocator import AgentView
from mesos_service.plugins.offer_filter import OfferFilter, filtered
from mesos_service.plugins.verdict import Veto


class Parameters(BaseModel):
    """``at_most`` is in whatever unit the operator's ``attribute`` has (``--attributes=cost:0.35``), of three decimals.

    ``unpriced`` says whether agents are wanted that do not say, as a number, what they cost.
    """

    model_config = ConfigDict(extra="forbid")
    at_most: float
    attribute: str = Field("cost", min_length=1)
    unpriced: bool = False

    @field_validator("at_most")
    @classmethod
    def _is_amount(cls, amount: float) -> float:
        to_milli(amount)
        return amount


class Cost(OfferFilter):
    """Compares in thousandths, as all scalars are (X40)."""

    name: ClassVar[str] = "cost"
    api_version: ClassVar[int] = 1
    Config: ClassVar[type[Any] | None] = Parameters

    def __init__(self, config: Parameters) -> None:
        super().__init__(config)
        self._at_most = to_milli(config.at_most)

    def about_agent(self, agent: AgentView, now: float) -> Veto | None:
        found = first(agent.attributes, self.config.attribute)
        if found is None or not isinstance(found.value, int):
            if self.config.unpriced:
                return None
            shown = "nothing" if found is None else format_attribute_value(found.value)
            return filtered(self.name, f"Agent {agent.hostname} has no price: its {self.config.attribute} is {shown}.")
        if found.value <= self._at_most:
            return None
        return filtered(
            self.name,
            f"The {self.config.attribute} of agent {agent.hostname} is {format_milli(found.value)}, and at most"
            f" {format_milli(self._at_most)} is wanted.",
        )
