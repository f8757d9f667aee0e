"""All that can come in to a master: calls, facts about connections, and the passing of time.

Calls carry ``request``, the number by which the driver knows who waits for the answer; every other field is said in
domain words. ``caller_trace`` is the ``traceparent`` header of the call, where there was one. ``stimulus`` names what
set a chain of effects off and is repeated in every note about it.
"""

from __future__ import annotations

from dataclasses import dataclass

from mesos_service.core.link import Uplink
from mesos_service.core.operator_messages import (
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
    | UpdateWhitelist
    | Persisted
    | Tick
)
