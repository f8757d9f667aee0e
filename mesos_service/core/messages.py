"""All that can come in to a master: calls, facts about connections, and the passing of time.

Calls carry ``request``, the number by which the driver knows who waits for the answer; every other field is said in
domain words. ``caller_trace`` is the ``traceparent`` header of the call, where there was one. ``stimulus`` names what
set a chain of effects off and is repeated in every note about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mesos_service.core.link import Uplink
from mesos_service.core.operator_messages import (
    ExplainAgent,
    ExplainFramework,
    OperatorAgents,
    OperatorMaintenance,
    OperatorMarkGone,
    OperatorPolicy,
    OperatorTeardown,
    PreviewRevocation,
)
from mesos_service.core.resource_messages import OperatorOperation
from mesos_service.core.scheduler_messages import SchedulerDisconnected, SchedulerMessage
from mesos_service.domain.ids import (
    AgentId,
    LinkId,
)
from mesos_service.plugins.allocator import Allocator
from mesos_service.plugins.offer_filter import OfferFilter


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed: run what is due. Sent at ``next_deadline(state)``, and at any other time without harm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FromAgent:
    """One uplink message. ``agent_id`` is ``None`` only in a first registration."""

    link_id: LinkId
    agent_id: AgentId | None
    message: Uplink
    stimulus: str = ""


@dataclass(frozen=True, slots=True)
class LinkLost:
    """The connection is gone, and with it every agent it carried is disconnected (X23)."""

    link_id: LinkId


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateWhitelist:
    """From now on only agents on these hosts are offered (M-AL-15)."""

    hostnames: frozenset[str]


@dataclass(frozen=True, slots=True)
class NewAllocator:
    """An allocator, and the configuration that it was made of: what it keeps as such is its own affair."""

    module: Allocator
    config: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceModules:
    """Modules were changed (N09). An allocator comes newly made, and ``None`` where it has not changed; of offer
    filters these are all that frameworks may ask for from now on."""

    allocator: NewAllocator | None
    shadow: NewAllocator | None
    offer_filters: Mapping[str, type[OfferFilter]]


@dataclass(frozen=True, slots=True)
class Persisted:
    """The registrar has stored the operation; what presumed it may now be said."""

    operation: int


MasterMessage = (
    SchedulerMessage
    | SchedulerDisconnected
    | FromAgent
    | LinkLost
    | OperatorTeardown
    | OperatorMarkGone
    | OperatorAgents
    | OperatorMaintenance
    | OperatorPolicy
    | PreviewRevocation
    | OperatorOperation
    | ExplainFramework
    | ExplainAgent
    | UpdateWhitelist
    | ReplaceModules
    | Persisted
    | Tick
)
