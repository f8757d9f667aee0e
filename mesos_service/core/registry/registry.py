"""The registry as a value (Mesos: ``registry.proto``). Storing it is an adapter's work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.ids import AgentId


@dataclass(frozen=True, slots=True)
class Registry:
    """An agent is in at most one of the three collections; times are unix seconds."""

    admitted: Mapping[AgentId, AgentInfo] = field(default_factory=dict)
    unreachable: Mapping[AgentId, float] = field(default_factory=dict)
    gone: Mapping[AgentId, float] = field(default_factory=dict)
