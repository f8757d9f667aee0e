"""Values, resources and attributes as Mesos v1 spells them (mesos.proto).

Scalars are doubles here; what they are worth in thousandths is decided in ``domain.resources`` (X40).
"""

from __future__ import annotations

from typing import Literal

from mesos_service.wire.base import Message, UInt64
from mesos_service.wire.common import Labels, ResourceProviderID
from mesos_service.wire.containers import Volume

ValueType = Literal["SCALAR", "RANGES", "SET", "TEXT"]
ResourceReservationInfoType = Literal["UNKNOWN", "STATIC", "DYNAMIC"]
ResourceDiskInfoSourceType = Literal["UNKNOWN", "PATH", "MOUNT", "BLOCK", "RAW"]


class ValueScalar(Message, kw_only=True):
    value: float


class ValueLimit(Message, kw_only=True):
    """A scalar that may also be without bound, which JSON can only say as a string (M-AL-27)."""

    value: float | Literal["Infinity"]


class ValueRange(Message, kw_only=True):
    begin: UInt64
    end: UInt64


class ValueRanges(Message, kw_only=True):
    range: tuple[ValueRange, ...] = ()


class ValueSet(Message, kw_only=True):
    item: tuple[str, ...] = ()


class ValueText(Message, kw_only=True):
    value: str


class Attribute(Message, kw_only=True):
    name: str
    type: ValueType
    scalar: ValueScalar | None = None
    ranges: ValueRanges | None = None
    set: ValueSet | None = None
    text: ValueText | None = None


class Resource(Message, kw_only=True):
    """Exactly one of ``scalar``, ``ranges`` and ``set``, by ``type``.

    A reservation is said in ``reservations`` (a stack, outermost first), or in ``role`` and ``reservation`` by
    frameworks without RESERVATION_REFINEMENT; unreserved then reads ``role: "*"``.
    """

    provider_id: ResourceProviderID | None = None
    name: str
    type: ValueType
    scalar: ValueScalar | None = None
    ranges: ValueRanges | None = None
    set: ValueSet | None = None
    role: str | None = None
    allocation_info: ResourceAllocationInfo | None = None
    reservation: ResourceReservationInfo | None = None
    reservations: tuple[ResourceReservationInfo, ...] = ()
    disk: ResourceDiskInfo | None = None
    revocable: ResourceRevocableInfo | None = None
    shared: ResourceSharedInfo | None = None


class ResourceAllocationInfo(Message, kw_only=True):
    role: str | None = None


class ResourceReservationInfo(Message, kw_only=True):
    """One level of a reservation stack."""

    type: ResourceReservationInfoType | None = None
    role: str | None = None
    principal: str | None = None
    labels: Labels | None = None


class ResourceDiskInfo(Message, kw_only=True):
    persistence: ResourceDiskInfoPersistence | None = None
    volume: Volume | None = None
    source: ResourceDiskInfoSource | None = None


class ResourceDiskInfoPersistence(Message, kw_only=True):
    id: str
    principal: str | None = None


class ResourceDiskInfoSource(Message, kw_only=True):
    type: ResourceDiskInfoSourceType
    path: ResourceDiskInfoSourcePath | None = None
    mount: ResourceDiskInfoSourceMount | None = None
    vendor: str | None = None
    id: str | None = None
    metadata: Labels | None = None
    profile: str | None = None


class ResourceDiskInfoSourcePath(Message, kw_only=True):
    root: str | None = None


class ResourceDiskInfoSourceMount(Message, kw_only=True):
    root: str | None = None


class ResourceRevocableInfo(Message, kw_only=True):
    pass


class ResourceSharedInfo(Message, kw_only=True):
    pass
