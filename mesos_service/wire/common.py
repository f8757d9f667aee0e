"""Small messages that the others are made of: identifiers, times, addresses, labels (Mesos v1: mesos.proto)."""

from __future__ import annotations

from mesos_service.wire.base import Int32, Int64, Message, UInt32, UInt64


class FrameworkID(Message, kw_only=True):
    value: str


class OfferID(Message, kw_only=True):
    value: str


class AgentID(Message, kw_only=True):
    value: str


class TaskID(Message, kw_only=True):
    value: str


class ExecutorID(Message, kw_only=True):
    value: str


class ContainerID(Message, kw_only=True):
    """Nested containers name the one they live in."""

    value: str
    parent: ContainerID | None = None


class ResourceProviderID(Message, kw_only=True):
    value: str


class OperationID(Message, kw_only=True):
    value: str


class TimeInfo(Message, kw_only=True):
    """Nanoseconds since the epoch."""

    nanoseconds: Int64


class DurationInfo(Message, kw_only=True):
    """Nanoseconds."""

    nanoseconds: Int64


class Address(Message, kw_only=True):
    hostname: str | None = None
    ip: str | None = None
    port: Int32


class URL(Message, kw_only=True):
    scheme: str
    address: Address
    path: str | None = None
    query: tuple[Parameter, ...] = ()
    fragment: str | None = None


class Unavailability(Message, kw_only=True):
    """Without a duration it has no end."""

    start: TimeInfo
    duration: DurationInfo | None = None


class MachineID(Message, kw_only=True):
    """A machine: agents that share both names belong to it."""

    hostname: str | None = None
    ip: str | None = None


class DomainInfo(Message, kw_only=True):
    fault_domain: DomainInfoFaultDomain | None = None


class DomainInfoFaultDomain(Message, kw_only=True):
    region: DomainInfoFaultDomainRegionInfo
    zone: DomainInfoFaultDomainZoneInfo


class DomainInfoFaultDomainRegionInfo(Message, kw_only=True):
    name: str


class DomainInfoFaultDomainZoneInfo(Message, kw_only=True):
    name: str


class UUID(Message, kw_only=True):
    """Sixteen bytes in an object of their own; most uuids on the wire are bare bytes instead."""

    value: bytes


class Parameter(Message, kw_only=True):
    key: str
    value: str


class Parameters(Message, kw_only=True):
    parameter: tuple[Parameter, ...] = ()


class Labels(Message, kw_only=True):
    """A list in an object, as pairs may repeat."""

    labels: tuple[Label, ...] = ()


class Label(Message, kw_only=True):
    key: str
    value: str | None = None


class VersionInfo(Message, kw_only=True):
    version: str
    build_date: str | None = None
    build_time: float | None = None
    build_user: str | None = None
    git_sha: str | None = None
    git_branch: str | None = None
    git_tag: str | None = None


class Flag(Message, kw_only=True):
    name: str
    value: str | None = None


class Metric(Message, kw_only=True):
    name: str
    value: float | None = None


class FileInfo(Message, kw_only=True):
    path: str
    nlink: Int32 | None = None
    size: UInt64 | None = None
    mtime: TimeInfo | None = None
    mode: UInt32 | None = None
    uid: str | None = None
    gid: str | None = None


class ProtobufDuration(Message, kw_only=True):
    """``google.protobuf.Duration``; DRAIN_AGENT alone takes its times in this form."""

    seconds: Int64 | None = None
    nanos: Int32 | None = None
