"""Frameworks: who schedules, in which roles, with which capabilities (Mesos: ``FrameworkInfo``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from mesos_service.domain.ids import FrameworkId, Role

DEFAULT_ROLE: Final = Role("*")

REVOCABLE_RESOURCES: Final = "REVOCABLE_RESOURCES"
TASK_KILLING_STATE: Final = "TASK_KILLING_STATE"
GPU_RESOURCES: Final = "GPU_RESOURCES"
SHARED_RESOURCES: Final = "SHARED_RESOURCES"
PARTITION_AWARE: Final = "PARTITION_AWARE"
MULTI_ROLE: Final = "MULTI_ROLE"
RESERVATION_REFINEMENT: Final = "RESERVATION_REFINEMENT"
REGION_AWARE: Final = "REGION_AWARE"

SchedulerMode = Literal["PRIMARY", "STANDBY"]
"""Whether one of several schedulers of a framework acts, or stands by to take over (A44)."""

Quantities = Mapping[str, int]
"""Scalar amounts by resource name, in thousandths (X40)."""


@dataclass(frozen=True, slots=True)
class FilterSpec:
    """An offer filter as a framework asks for it: the module's name, and its parameters as they were sent (N10)."""

    name: str
    parameters: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OfferConstraints:
    """Mesos' constraints on the attributes of agents, by role, as they were sent (M-AL-14)."""

    by_role: Mapping[Role, Mapping[str, object]] = field(default_factory=dict)
    carried: object = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameworkInfo:
    """What a framework says of itself when it subscribes.

    ``carried`` is the wire message this was read from: the core hands it on and never looks inside.
    """

    name: str
    user: str
    framework_id: FrameworkId | None = None
    """``None`` until the master has given one (M-SC-01)."""
    roles: tuple[Role, ...] = (DEFAULT_ROLE,)
    """Without MULTI_ROLE exactly one; with it possibly none at all."""
    capabilities: frozenset[str] = frozenset()
    failover_timeout_seconds: float = 0.0
    checkpoint: bool = False
    principal: str | None = None
    hostname: str = ""
    min_allocatable: Mapping[Role, tuple[Quantities, ...]] = field(default_factory=dict)
    """Per role, alternatives of which one must be covered by an offer (``offer_filters``; M-AL-13)."""
    filters: Mapping[Role, tuple[FilterSpec, ...]] = field(default_factory=dict)
    """Per role, filters that stand until the framework says otherwise (``offer_filters``; N10)."""
    short_tasks: frozenset[Role] = frozenset()
    """Roles in which all its tasks are short (``offer_filters``; A54)."""
    constraints: OfferConstraints = field(default_factory=OfferConstraints, compare=False)
    """They come with the call and not with the FrameworkInfo, and hence are not in the registry."""
    refusal: str | None = field(default=None, compare=False)
    """Why it cannot be accepted as it was sent, where only the wire form shows it (``role`` beside ``roles``)."""
    carried: object = field(default=None, compare=False, repr=False)

    def has(self, capability: str) -> bool:
        return capability in self.capabilities
