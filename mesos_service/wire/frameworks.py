"""What a framework says of itself when it subscribes (mesos.proto)."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from mesos_service.wire.base import Message, printed
from mesos_service.wire.common import FrameworkID, Labels
from mesos_service.wire.resources import ValueScalar

FrameworkInfoCapabilityType = Literal[
    "UNKNOWN",
    "REVOCABLE_RESOURCES",
    "TASK_KILLING_STATE",
    "GPU_RESOURCES",
    "SHARED_RESOURCES",
    "PARTITION_AWARE",
    "MULTI_ROLE",
    "RESERVATION_REFINEMENT",
    "REGION_AWARE",
]


class FrameworkInfo(Message, kw_only=True):
    """``role`` is the old spelling for frameworks without MULTI_ROLE; ``failover_timeout`` is in seconds."""

    user: str
    name: str
    id: FrameworkID | None = None
    failover_timeout: float = printed(0.0)
    checkpoint: bool = printed(False)
    role: str | None = None
    roles: tuple[str, ...] = ()
    hostname: str | None = None
    principal: str | None = None
    webui_url: str | None = None
    capabilities: tuple[FrameworkInfoCapability, ...] = ()
    labels: Labels | None = None
    offer_filters: dict[str, OfferFilters] = msgspec.field(default_factory=dict)


class FrameworkInfoCapability(Message, kw_only=True):
    type: FrameworkInfoCapabilityType | None = None


class OfferFilters(Message, kw_only=True):
    """``filters`` are not of Mesos: filters by name that stand until the framework says otherwise (N10). Nor is
    ``short_tasks``, by which the framework says that all its tasks in the role are short (A54)."""

    min_allocatable_resources: OfferFiltersMinAllocatableResources | None = None
    filters: tuple[OfferFiltersFilter, ...] = ()
    short_tasks: bool = False


class OfferFiltersFilter(Message, kw_only=True):
    """One of ``mesos-service module list``, with the parameters that it documents."""

    name: str
    # Any: whatever the module documents.
    parameters: dict[str, Any] = msgspec.field(default_factory=dict)


class OfferFiltersResourceQuantities(Message, kw_only=True):
    quantities: dict[str, ValueScalar] = msgspec.field(default_factory=dict)


class OfferFiltersMinAllocatableResources(Message, kw_only=True):
    quantities: tuple[OfferFiltersResourceQuantities, ...] = ()
