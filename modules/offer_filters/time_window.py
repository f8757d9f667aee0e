"""Offers at certain hours of the day only: for batch work that runs at night."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from mesos_service.plugins.allocator import AgentView
from mesos_service.plugins.offer_filter import OfferFilter, filtered
from mesos_service.plugins.verdict import Veto

DAY_SECONDS = 86_400.0


class Parameters(BaseModel):
    """``begin`` and ``end`` are ``HH:MM`` of UTC; where the end is before the beginning, the night is meant."""

    model_config = ConfigDict(extra="forbid")
    begin: str = Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    end: str = Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")


class TimeWindow(OfferFilter):
    """Nothing is offered outside the window; what runs then goes on. Equal ends are the whole day."""

    name: ClassVar[str] = "time_window"
    api_version: ClassVar[int] = 1
    Config: ClassVar[type[Any] | None] = Parameters

    def __init__(self, config: Parameters) -> None:
        super().__init__(config)
        self._begin, self._end = _seconds(config.begin), _seconds(config.end)

    def about_agent(self, agent: AgentView, now: float) -> Veto | None:
        if (now - self._begin) % DAY_SECONDS < self._length:
            return None
        return filtered(self.name, f"It is outside the hours from {self.config.begin} to {self.config.end} UTC.")

    def changes_at(self, now: float) -> float | None:
        if self._length == DAY_SECONDS:
            return None
        return now + min(
            (self._begin - now) % DAY_SECONDS or DAY_SECONDS, (self._end - now) % DAY_SECONDS or DAY_SECONDS
        )

    @property
    def _length(self) -> float:
        return (self._end - self._begin) % DAY_SECONDS or DAY_SECONDS


def _seconds(clock: str) -> float:
    hours, _, minutes = clock.partition(":")
    return int(hours) * 3600.0 + int(minutes) * 60.0
