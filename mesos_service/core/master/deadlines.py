"""What the master plans ahead: one small record for each kind of deadline, by which it is set and cancelled.

Passes and offer time-outs are not among them: both come in their own order, for which ``state`` keeps plainer means.
"""

from __future__ import annotations

from dataclasses import dataclass

from mesos_service.domain.ids import AgentId, FrameworkId, StreamId


@dataclass(frozen=True, slots=True)
class HeartbeatDue:
    """Every ``heartbeat_interval_seconds`` on each stream (M-SE-01)."""

    stream_id: StreamId


@dataclass(frozen=True, slots=True)
class FailoverOverdue:
    """A framework has been away for its whole ``failover_timeout`` (X18c)."""

    framework_id: FrameworkId


@dataclass(frozen=True, slots=True)
class LeaseDue:
    """The scheduler that acts for a framework promised to have called by now (A44)."""

    framework_id: FrameworkId


@dataclass(frozen=True, slots=True)
class GraceOver:
    """The scheduler that acted before this master was elected had its time to come back: one that stands by may take
    over (A44)."""

    framework_id: FrameworkId


@dataclass(frozen=True, slots=True)
class PingDue:
    """Every ``--agent_ping_timeout``."""

    agent_id: AgentId


@dataclass(frozen=True, slots=True)
class ReregistrationOverdue:
    """A disconnected agent has been away for ``--agent_reregister_timeout`` (X23)."""

    agent_id: AgentId


@dataclass(frozen=True, slots=True)
class RecoveryOverdue:
    """Whoever the registry knows had ``--agent_reregister_timeout`` to come to this master (X24)."""


@dataclass(frozen=True, slots=True)
class RemovalDue:
    """``--agent_removal_rate_limit`` lets the next agent be marked unreachable (M-HA-06)."""


@dataclass(frozen=True, slots=True)
class RegistryGcDue:
    """Every ``--registry_gc_interval`` (M-HA-09)."""


@dataclass(frozen=True, slots=True)
class AllocatorDue:
    """An allocator that failed is to be made anew (N09)."""


@dataclass(frozen=True, slots=True)
class ShadowDue:
    """The same, of the one that runs in shadow."""


@dataclass(frozen=True, slots=True)
class RevocationDue:
    """Every ``--allocation_interval``: look at revocations under way, and at guarantees (B36)."""


@dataclass(frozen=True, slots=True)
class StarvationDue:
    """Look for frameworks that have waited too long for an offer (N08)."""


Deadline = (
    HeartbeatDue
    | FailoverOverdue
    | LeaseDue
    | GraceOver
    | PingDue
    | ReregistrationOverdue
    | RecoveryOverdue
    | RemovalDue
    | RegistryGcDue
    | AllocatorDue
    | ShadowDue
    | RevocationDue
    | StarvationDue
)
