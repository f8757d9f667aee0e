"""What agents and masters say of themselves (mesos.proto)."""

from __future__ import annotations

from typing import Literal

from mesos_service.wire.base import Int32, Message, UInt32, printed
from mesos_service.wire.common import Address, AgentID, DomainInfo, ResourceProviderID
from mesos_service.wire.resources import Attribute, Resource, ResourceReservationInfo

MasterInfoCapabilityType = Literal["UNKNOWN", "AGENT_UPDATE", "AGENT_DRAINING", "QUOTA_V2"]
AgentInfoCapabilityType = Literal[
    "UNKNOWN",
    "MULTI_ROLE",
    "HIERARCHICAL_ROLE",
    "RESERVATION_REFINEMENT",
    "RESOURCE_PROVIDER",
    "RESIZE_VOLUME",
    "AGENT_OPERATION_FEEDBACK",
    "AGENT_DRAINING",
    "TASK_RESOURCE_LIMITS",
]


class MasterInfo(Message, kw_only=True):
    """``ip`` is the address as a little-endian integer, as old clients know it; ``address`` says it readably."""

    id: str
    ip: UInt32
    port: UInt32
    pid: str | None = None
    hostname: str | None = None
    version: str | None = None
    address: Address | None = None
    domain: DomainInfo | None = None
    capabilities: tuple[MasterInfoCapability, ...] = ()


class MasterInfoCapability(Message, kw_only=True):
    type: MasterInfoCapabilityType | None = None


class AgentInfo(Message, kw_only=True):
    """``checkpoint`` is not in the v1 .proto, but masters print it (recorded so)."""

    hostname: str
    port: Int32 = printed(5051)
    resources: tuple[Resource, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    id: AgentID | None = None
    checkpoint: bool | None = None
    domain: DomainInfo | None = None


class AgentInfoCapability(Message, kw_only=True):
    type: AgentInfoCapabilityType | None = None


class ResourceProviderInfo(Message, kw_only=True):
    id: ResourceProviderID | None = None
    attributes: tuple[Attribute, ...] = ()
    type: str
    name: str
    default_reservations: tuple[ResourceReservationInfo, ...] = ()
