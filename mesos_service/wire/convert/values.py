"""Resources, attributes, labels and times between the wire and the domain.

On the wire a reservation is said in ``reservations`` to those who know RESERVATION_REFINEMENT, and in ``role`` and
``reservation`` to the others; both ways are read, one is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from mesos_service.domain.attributes import Attribute
from mesos_service.domain.resource import (
    DiskInfo,
    DiskSource,
    DiskSourceType,
    Labels,
    Persistence,
    Reservation,
    ReservationType,
    Resource,
    ResourceKey,
    Value,
    Volume,
    plain_key,
    refuse_old_and_new_format,
    validate,
)
from mesos_service.domain.resources import Resources
from mesos_service.domain.values import Ranges, from_milli, to_milli_signed
from mesos_service.wire import common, containers
from mesos_service.wire import resources as wire
from mesos_service.wire.convert.alike import Alike

NANOSECONDS: Final = 1_000_000_000
NANOSECONDS_MAX: Final = 2**63 - 1
ANY_ROLE: Final = "*"


def duration_from_wire(duration: common.DurationInfo | None) -> float | None:
    """Seconds."""
    return None if duration is None else duration.nanoseconds / NANOSECONDS


def duration_to_wire(seconds: float) -> common.DurationInfo:
    return common.DurationInfo(nanoseconds=_nanoseconds(seconds))


def time_to_wire(unix_seconds: float) -> common.TimeInfo:
    return common.TimeInfo(nanoseconds=_nanoseconds(unix_seconds))


def _nanoseconds(seconds: float) -> int:
    # The longest that is lawful rounds up to what no reader takes: not the agent, and not the next master.
    return max(-NANOSECONDS_MAX, min(NANOSECONDS_MAX, round(seconds * NANOSECONDS)))


def labels_from_wire(labels: common.Labels | None) -> Labels:
    return () if labels is None else tuple((label.key, label.value) for label in labels.labels)


def labels_to_wire(labels: Labels) -> common.Labels | None:
    if not labels:
        return None
    return common.Labels(labels=tuple(common.Label(key=key, value=value) for key, value in labels))


# -- resources: from the wire --------------------------------------------------------------------------------


def resources_from_wire(sent: Sequence[wire.Resource]) -> tuple[Resources, str | None]:
    """The resources, and why they may not be used as they were sent, or ``None``.

    An amount of exactly zero is accepted and counts for nothing, as Mesos does; one that only rounds to zero is
    refused. Of equal ones the same object is returned.
    """
    return _same_resources(sent) if sent else _NO_RESOURCES


def _resources_from_wire(sent: Sequence[wire.Resource]) -> tuple[Resources, str | None]:
    items: list[Resource] = []
    refusal: str | None = None
    plain = True
    for one in sent:
        try:
            item, simple = _resource_from_wire(one)
        except ValueError as error:
            return Resources.EMPTY, f"Resource '{one.name}' is invalid: {error}"
        if item is None:
            continue
        plain = plain and simple
        items.append(item)
    if not plain:
        refusal = _refuse_formats(sent) or validate(items)
        if refusal is not None:
            return Resources.EMPTY, refusal
    return Resources.of(items), None


_NO_RESOURCES: Final = (Resources.EMPTY, None)
_same_resources: Final = Alike(_resources_from_wire)


def _resource_from_wire(one: wire.Resource) -> tuple[Resource | None, bool]:
    """The item (``None`` for an exact zero), and whether it is plain: a positive, unreserved scalar."""
    allocation = one.allocation_info.role if one.allocation_info is not None else None
    scalar = one.scalar
    if (
        scalar is not None
        and one.role in (None, ANY_ROLE)
        and one.disk is None
        and not one.reservations
        and one.reservation is None
        and one.revocable is None
        and one.shared is None
        and one.provider_id is None
    ):
        if scalar.value == 0:
            return None, True
        milli = to_milli_signed(scalar.value)
        return Resource(plain_key(one.name, allocation), milli), milli > 0 and one.name != "gpus" and one.name != ""
    value = _value_from_wire(one)
    if value == 0:
        return None, True
    key = ResourceKey(
        name=one.name,
        allocation_role=allocation,
        reservations=_reservations_from_wire(one),
        disk=None if one.disk is None else _disk_from_wire(one.disk),
        revocable=one.revocable is not None,
        shared=one.shared is not None,
        provider_id=None if one.provider_id is None else one.provider_id.value,
    )
    return Resource(key, value), False


def _value_from_wire(one: wire.Resource) -> Value:
    match one.type:
        case "SCALAR" if one.scalar is not None:
            return 0 if one.scalar.value == 0 else to_milli_signed(one.scalar.value)
        case "RANGES" if one.ranges is not None:
            return ranges_from_wire(one.ranges)
        case "SET" if one.set is not None:
            return frozenset(one.set.item)
    raise ValueError(f"a resource of type {one.type} needs its value")


def ranges_from_wire(ranges: wire.ValueRanges) -> Ranges:
    """Raises ``ValueError`` for a range that ends before it begins."""
    return Ranges.of((span.begin, span.end) for span in ranges.range)


def _reservations_from_wire(one: wire.Resource) -> tuple[Reservation, ...]:
    if one.reservations:
        return tuple(_reservation_from_wire(level) for level in one.reservations)
    if one.role is None or one.role == ANY_ROLE:
        return ()
    if one.reservation is None:
        return (Reservation("STATIC", one.role),)
    return (Reservation("DYNAMIC", one.role, one.reservation.principal, labels_from_wire(one.reservation.labels)),)


def _reservation_from_wire(level: wire.ResourceReservationInfo) -> Reservation:
    kind: ReservationType = "STATIC" if level.type == "STATIC" else "DYNAMIC"
    return Reservation(kind, level.role or "", level.principal, labels_from_wire(level.labels))


def _disk_from_wire(disk: wire.ResourceDiskInfo) -> DiskInfo:
    source = disk.source
    return DiskInfo(
        source=None
        if source is None
        else DiskSource(
            type=DiskSourceType(source.type),
            root=(source.path or source.mount or wire.ResourceDiskInfoSourcePath()).root,
            id=source.id,
            profile=source.profile,
            vendor=source.vendor,
        ),
        persistence=None if disk.persistence is None else Persistence(disk.persistence.id, disk.persistence.principal),
        volume=None
        if disk.volume is None
        else Volume(disk.volume.container_path, disk.volume.mode, disk.volume.host_path),
    )


def _refuse_formats(sent: Iterable[wire.Resource]) -> str | None:
    for one in sent:
        refusal = refuse_old_and_new_format(
            one.role, has_reservation=one.reservation is not None, has_reservations=bool(one.reservations)
        )
        if refusal is not None:
            return f"Resource '{one.name}' is invalid: {refusal}"
    return None


# -- resources: to the wire ----------------------------------------------------------------------------------

KEPT_MAX: Final = 4096
"""Resources, and attributes, whose wire form is kept: a cluster has few that differ, on very many agents."""

_ALLOCATIONS: dict[str, wire.ResourceAllocationInfo] = {}


def allocation_to_wire(role: str) -> wire.ResourceAllocationInfo:
    """The same object for the same role: there are few roles and very many resources."""
    known = _ALLOCATIONS.get(role)
    if known is None:
        known = _ALLOCATIONS.setdefault(role, wire.ResourceAllocationInfo(role=role))
    return known


def resources_to_wire(
    resources: Iterable[Resource], *, refined: bool = True, allocation: bool = True
) -> tuple[wire.Resource, ...]:
    """``refined``: the reader has RESERVATION_REFINEMENT; ``allocation``: print whom each is allocated to."""
    # A list, as building a tuple of a generator takes half as long again.
    return tuple(
        [
            # Equal disks may still differ in what is printed, so of those no object stands for another.
            (_same_resource_to_wire if item.key.disk is None else _resource_to_wire)(item, refined, allocation)
            for item in resources
        ]
    )


def _resource_to_wire(item: Resource, refined: bool, allocation: bool) -> wire.Resource:
    key, value = item
    info = allocation_to_wire(key.allocation_role) if allocation and key.allocation_role is not None else None
    if refined and type(value) is int and key == plain_key(key.name, key.allocation_role):
        # Nearly all; not naming what is not there halves the time.
        return wire.Resource(
            name=key.name, type="SCALAR", scalar=wire.ValueScalar(value=from_milli(value)), allocation_info=info
        )
    reservations = key.reservations
    old_role = None if refined else key.role
    old_reservation = None
    if not refined and reservations and reservations[-1].type == "DYNAMIC":
        top = reservations[-1]
        old_reservation = wire.ResourceReservationInfo(principal=top.principal, labels=labels_to_wire(top.labels))
    return wire.Resource(
        provider_id=None if key.provider_id is None else common.ResourceProviderID(value=key.provider_id),
        name=key.name,
        type="SCALAR" if isinstance(value, int) else "RANGES" if isinstance(value, Ranges) else "SET",
        scalar=wire.ValueScalar(value=from_milli(value)) if isinstance(value, int) else None,
        ranges=ranges_to_wire(value) if isinstance(value, Ranges) else None,
        set=wire.ValueSet(item=tuple(sorted(value))) if isinstance(value, frozenset) else None,
        role=old_role,
        allocation_info=info,
        reservation=old_reservation,
        reservations=tuple(map(_reservation_to_wire, reservations)) if refined else (),
        disk=None if key.disk is None else _disk_to_wire(key.disk),
        revocable=wire.ResourceRevocableInfo() if key.revocable else None,
        shared=wire.ResourceSharedInfo() if key.shared else None,
    )


_same_resource_to_wire: Final = lru_cache(maxsize=KEPT_MAX)(_resource_to_wire)


def ranges_to_wire(ranges: Ranges) -> wire.ValueRanges:
    return wire.ValueRanges(range=tuple(wire.ValueRange(begin=begin, end=end) for begin, end in ranges))


def _reservation_to_wire(level: Reservation) -> wire.ResourceReservationInfo:
    return wire.ResourceReservationInfo(
        type=level.type, role=level.role, principal=level.principal, labels=labels_to_wire(level.labels)
    )


def _disk_to_wire(disk: DiskInfo) -> wire.ResourceDiskInfo:
    persistence = disk.persistence
    volume = disk.volume
    return wire.ResourceDiskInfo(
        persistence=None
        if persistence is None
        else wire.ResourceDiskInfoPersistence(id=persistence.id, principal=persistence.principal),
        volume=None
        if volume is None
        else containers.Volume(mode=volume.mode, container_path=volume.container_path, host_path=volume.host_path),
        source=None if disk.source is None else _source_to_wire(disk.source),
    )


_SOURCE_TYPES: Final[dict[DiskSourceType, wire.ResourceDiskInfoSourceType]] = {
    # ROOT has no word on the wire: disk without a source is the agent's own.
    DiskSourceType.PATH: "PATH",
    DiskSourceType.MOUNT: "MOUNT",
    DiskSourceType.BLOCK: "BLOCK",
    DiskSourceType.RAW: "RAW",
}


def _source_to_wire(source: DiskSource) -> wire.ResourceDiskInfoSource | None:
    kind = _SOURCE_TYPES.get(source.type)
    if kind is None:
        return None
    return wire.ResourceDiskInfoSource(
        type=kind,
        path=wire.ResourceDiskInfoSourcePath(root=source.root) if source.type is DiskSourceType.PATH else None,
        mount=wire.ResourceDiskInfoSourceMount(root=source.root) if source.type is DiskSourceType.MOUNT else None,
        vendor=source.vendor,
        id=source.id,
        profile=source.profile,
    )


# -- attributes ----------------------------------------------------------------------------------------------


def attributes_from_wire(attributes: Iterable[wire.Attribute]) -> tuple[Attribute, ...]:
    """Raises ``ValueError`` for an attribute whose value is not there or makes no sense."""
    return tuple([_same_attribute(one) for one in attributes])


def _attribute_from_wire(one: wire.Attribute) -> Attribute:
    return Attribute(one.name, _attribute_value(one))


_same_attribute: Final = Alike(_attribute_from_wire)


def _attribute_value(one: wire.Attribute) -> int | Ranges | str:
    if one.scalar is not None:
        return to_milli_signed(one.scalar.value)
    if one.ranges is not None:
        return ranges_from_wire(one.ranges)
    if one.text is not None:
        return one.text.value
    raise ValueError(f"attribute '{one.name}' has no value that can be read")


def attributes_to_wire(attributes: Iterable[Attribute]) -> tuple[wire.Attribute, ...]:
    return tuple([_attribute_to_wire(one) for one in attributes])


@lru_cache(maxsize=KEPT_MAX)
def _attribute_to_wire(one: Attribute) -> wire.Attribute:
    value = one.value
    if isinstance(value, int):
        return wire.Attribute(name=one.name, type="SCALAR", scalar=wire.ValueScalar(value=from_milli(value)))
    if isinstance(value, Ranges):
        return wire.Attribute(name=one.name, type="RANGES", ranges=ranges_to_wire(value))
    return wire.Attribute(name=one.name, type="TEXT", text=wire.ValueText(value=value))
