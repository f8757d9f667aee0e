"""Agents: the machines that run tasks (Mesos: ``SlaveInfo``)."""

from __future__ import annotations

from dataclasses import dataclass, field

from mesos_service.domain.attributes import Attribute
from mesos_service.domain.ids import AgentId
from mesos_service.domain.resources import Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentInfo:
    """What an agent says of itself when it registers; ``resources`` is its total, unallocated."""

    hostname: str
    ip: str = "127.0.0.1"
    port: int = 5051
    agent_id: AgentId | None = None
    resources: Resources = Resources.EMPTY
    attributes: tuple[Attribute, ...] = ()
    checkpoint: bool = True
    region: str | None = None
    zone: str | None = None
    capabilities: frozenset[str] = frozenset()
    version: str = ""
    carried: object = field(default=None, compare=False, repr=False)
