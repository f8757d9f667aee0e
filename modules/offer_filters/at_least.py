"""Only agents with at least so much free: the filter for "at least R resources free" of the Mesos paper (B45)."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from mesos_service.domain.resources import Resources
from mesos_service.domain.values import to_milli
from mesos_service.plugins.offer_filter import OfferFilter, filtered
from mesos_service.plugins.verdict import Veto


class Parameters(BaseModel):
    """``resources`` are scalars by name, in Mesos' units: ``{"cpus": 2, "mem": 1024}``. All of them must be free."""

    model_config = ConfigDict(extra="forbid")
    resources: dict[str, float] = Field(min_length=1)

    @field_validator("resources")
    @classmethod
    def _are_amounts(cls, resources: dict[str, float]) -> dict[str, float]:
        for amount in resources.values():
            to_milli(amount)
        return resources


class AtLeast(OfferFilter):
    """Compares with what the framework could be offered; unlike the minimum of ``offer_filters``, there is no "or"."""

    name: ClassVar[str] = "at_least"
    api_version: ClassVar[int] = 1
    Config: ClassVar[type[Any] | None] = Parameters

    def __init__(self, config: Parameters) -> None:
        super().__init__(config)
        self._wanted = {name: to_milli(amount) for name, amount in config.resources.items()}

    def about_free(self, free: Resources) -> Veto | None:
        has = free.quantities()
        for name, amount in self._wanted.items():
            if has.get(name, 0) < amount:
                return filtered(
                    self.name, f"{has.get(name, 0) / 1000:g} {name} could be offered, and {amount / 1000:g} are wanted."
                )
        return None
