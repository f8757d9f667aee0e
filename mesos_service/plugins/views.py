"""What modules of several kinds are shown: an agent, and a role's quota."""

from __future__ import annotations

from dataclasses import dataclass, field

from mesos_service.domain.attributes import Attribute
from mesos_service.domain.frameworks import Quantities
from mesos_service.domain.ids import AgentId
from mesos_service.domain.resources import Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What a top-level role is guaranteed and may have at most, in thousandths of scalars by name (X36-X38).

    A limit of 0 means none of it; a resource that is not named has no limit. An empty quota is no quota.
    """

    guarantees: Quantities = field(default_factory=dict)
    limits: Quantities = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.guarantees or self.limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentView:
    """What an allocator may know of an agent. ``total`` includes reserved and revocable resources."""

    agent_id: AgentId
    hostname: str
    total: Resources
    attributes: tuple[Attribute, ...] = ()
    region: str | None = None
    zone: str | None = None
