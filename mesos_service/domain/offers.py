"""Offers: a bundle of resources on one agent, held by one framework in one role (A19, E60a)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mesos_service.domain.ids import AgentId, FrameworkId, OfferId, Role
from mesos_service.domain.machines import Unavailability
from mesos_service.domain.resources import Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """``resources`` carry their allocation role; ``expires_at`` is unix seconds (``--offer_timeout``, A40)."""

    offer_id: OfferId
    framework_id: FrameworkId
    agent_id: AgentId
    role: Role
    resources: Resources
    offered_at: float = 0.0
    expires_at: float | None = None
    trace: str | None = None
    """The ``traceparent`` of the span under which this offer was decided (N03)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InverseOffer:
    """A framework is asked to give back what it holds on an agent, as its machine is about to go (M-SE-08)."""

    offer_id: OfferId
    framework_id: FrameworkId
    agent_id: AgentId
    unavailability: Unavailability


@dataclass(frozen=True, slots=True)
class InverseAnswer:
    """What a framework said last of an agent that goes; times in unix seconds."""

    accepted: bool
    at: float
    asked_again_at: float


@dataclass(frozen=True, slots=True)
class Filters:
    """``refuse_seconds`` as sent; what it means is said in X28 (negative: default; 0: none; capped at a year)."""

    refuse_seconds: float = 5.0


DEFAULT_FILTERS: Final = Filters()
"""What a call without filters means: five seconds (B43)."""
