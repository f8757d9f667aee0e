"""One resource: an amount of something, with all that says whose it is (Mesos: ``Resource``; X42, X44-X46).

Two amounts are of the same thing exactly when their :class:`ResourceKey` is equal. :func:`validate` refuses what
Mesos' ``Resources::validate`` refuses.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Literal, NamedTuple

from mesos_service.domain.errors import MesosServiceError
from mesos_service.domain.ids import refuse_id
from mesos_service.domain.roles import ANY_ROLE, is_strict_subrole, refuse_role
from mesos_service.domain.values import Ranges, format_milli

Value = int | Ranges | frozenset[str]
"""A scalar in thousandths (X40), ranges, or a set."""

Labels = tuple[tuple[str, str | None], ...]
"""Key and optional value, in the order they were sent."""

ReservationType = Literal["STATIC", "DYNAMIC"]
VolumeMode = Literal["RW", "RO"]


class ResourcesError(MesosServiceError, ValueError):
    """An operation on resources that cannot be done; the text says which resource stands in the way."""


class ValueType(StrEnum):
    """The wire's ``Value.Type``, as far as resources have it."""

    SCALAR = "SCALAR"
    RANGES = "RANGES"
    SET = "SET"


class Reservation(NamedTuple):
    """One level of a reservation stack (X44). STATIC comes from ``--resources``, DYNAMIC from an operation."""

    type: ReservationType
    role: str
    principal: str | None = None
    labels: Labels = ()

    def __str__(self) -> str:
        parts = [self.type, self.role]
        if self.principal is not None:
            parts.append(self.principal)
        if self.labels:
            labels = (key if value is None else f"{key}: {value}" for key, value in self.labels)
            parts.append("{" + ", ".join(labels) + "}")
        return "(" + ",".join(parts) + ")"


class DiskSourceType(StrEnum):
    """Where disk comes from. ROOT is the agent's work directory and is usually left unsaid."""

    ROOT = "ROOT"
    PATH = "PATH"
    MOUNT = "MOUNT"
    BLOCK = "BLOCK"
    RAW = "RAW"


class DiskSource(NamedTuple):
    """``root`` is a directory of the agent (PATH, MOUNT); ``id`` names a device of a storage provider."""

    type: DiskSourceType
    root: str | None = None
    id: str | None = None
    profile: str | None = None
    vendor: str | None = None

    def __str__(self) -> str:
        device = ",".join(part for part in (self.vendor, self.id, self.profile) if part)
        text = self.type + (f"({device})" if device else "")
        return f"{text}:{self.root}" if self.root else text


class Volume(NamedTuple):
    """Where in a container a disk appears. ``host_path`` is never lawful for a persistent volume."""

    container_path: str
    mode: VolumeMode = "RW"
    host_path: str | None = None

    def __str__(self) -> str:
        host = f"{self.host_path}:" if self.host_path else ""
        return f"{host}{self.container_path}" + (":ro" if self.mode == "RO" else "")


@dataclass(frozen=True, slots=True)
class Persistence:
    """The id of a persistent volume, unique per role and agent (M-AL-10), and who made it.

    The principal does not take part in comparison: whoever uses the volume need not repeat it.
    """

    id: str
    principal: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class DiskInfo:
    """What sets some disk apart from plain disk (M-AL-12).

    ``volume`` says how this use of the disk shows in a container, not which disk it is. It therefore takes no part
    in comparison: a framework may mount one volume under another path with every task (as in Mesos).
    """

    source: DiskSource | None = None
    persistence: Persistence | None = None
    volume: Volume | None = field(default=None, compare=False)

    @property
    def is_exclusive(self) -> bool:
        """Taken whole or not at all (X42): MOUNT, BLOCK, RAW with an id, and every persistent volume."""
        if self.persistence is not None:
            return True
        source = self.source
        if source is None:
            return False
        return source.type in (DiskSourceType.MOUNT, DiskSourceType.BLOCK) or (
            source.type is DiskSourceType.RAW and source.id is not None
        )

    def __str__(self) -> str:
        parts = [str(part) for part in (self.source,) if part is not None]
        if self.persistence is not None:
            parts.append(self.persistence.id)
        text = ",".join(parts)
        return text if self.volume is None else f"{text}:{self.volume}"


class ResourceKey(NamedTuple):
    """All of a resource but its amount (X42).

    ``allocation_role`` is set in offers and tasks and absent from agent totals (X48). ``reservations`` is a stack
    with its top, the owner, last; empty means unreserved (X44). ``revocable`` resources may be taken back at any
    time, ``shared`` ones are used by several tasks at once (X45), ``provider_id`` names a resource provider.
    """

    name: str
    allocation_role: str | None = None
    reservations: tuple[Reservation, ...] = ()
    disk: DiskInfo | None = None
    revocable: bool = False
    shared: bool = False
    provider_id: str | None = None

    @property
    def role(self) -> str:
        """Who the resource is reserved to, ``*`` when nobody."""
        return self.reservations[-1].role if self.reservations else ANY_ROLE

    @property
    def is_counted(self) -> bool:
        """Whether amounts of this never merge into one: shared (X45) or exclusive (X42)."""
        return self.shared or (self.disk is not None and self.disk.is_exclusive)

    def is_allocatable_to(self, role: str) -> bool:
        """Unreserved, reserved to ``role``, or reserved to an ancestor of it (X44)."""
        if not self.reservations:
            return True
        owner = self.reservations[-1].role
        return owner == role or is_strict_subrole(role, of=owner)

    def __str__(self) -> str:
        text = self.name
        if self.allocation_role is not None:
            text += f"(allocated: {self.allocation_role})"
        if self.reservations:
            text += "(reservations: [" + ", ".join(map(str, self.reservations)) + "])"
        if self.disk is not None:
            text += f"[{self.disk}]"
        return text + ("{REV}" if self.revocable else "") + ("<SHARED>" if self.shared else "")


class Resource(NamedTuple):
    """An amount of what ``key`` describes."""

    key: ResourceKey
    value: Value

    @property
    def name(self) -> str:
        return self.key.name

    @property
    def role(self) -> str:
        """Who the resource is reserved to, ``*`` when nobody."""
        return self.key.role

    @property
    def type(self) -> ValueType:
        return value_type(self.value)

    @property
    def is_scalar(self) -> bool:
        return isinstance(self.value, int)

    def __str__(self) -> str:
        return f"{self.key}:{format_value(self.value)}"


@lru_cache(maxsize=4096)
def plain_key(name: str, allocation_role: str | None = None) -> ResourceKey:
    """The key of an unreserved resource. The same object each time, which makes looking it up cheap."""
    return ResourceKey(name, allocation_role)


def value_type(value: Value) -> ValueType:
    """By what the wire calls an amount of this kind."""
    if isinstance(value, int):
        return ValueType.SCALAR
    return ValueType.RANGES if isinstance(value, Ranges) else ValueType.SET


def format_value(value: Value) -> str:
    """``4``, ``[31000-32000]`` or ``{a, b}``, as Mesos prints amounts."""
    if isinstance(value, int):
        return format_milli(value)
    return str(value) if isinstance(value, Ranges) else "{" + ", ".join(sorted(value)) + "}"


def refuse_push(stack: tuple[Reservation, ...], reservation: Reservation) -> str | None:
    """Say why ``reservation`` may not go on top of ``stack``, or ``None`` when it may (X44)."""
    refusal = refuse_role(reservation.role)
    if refusal is not None:
        return f"Invalid reservation: {refusal}"
    if reservation.role == ANY_ROLE:
        return "Invalid reservation: role '*' cannot be reserved to"
    if not stack:
        return None
    if reservation.type == "STATIC":
        return "Invalid refined reservation: a static reservation can only be at the bottom of the stack"
    if not is_strict_subrole(reservation.role, of=stack[-1].role):
        return f"Invalid refined reservation: role '{reservation.role}' is not a strict sub-role of '{stack[-1].role}'"
    return None


def refuse_old_and_new_format(role: str | None, *, has_reservation: bool, has_reservations: bool) -> str | None:
    """Refuse a wire resource that says its reservation twice: once by ``reservations`` and once the old way.

    The old way is ``role`` (static), with ``reservation`` (dynamic); both ways are read, but not in one resource.
    """
    if has_reservations and (role is not None or has_reservation):
        return "'role' and 'reservation' cannot be set together with 'reservations'"
    if has_reservation and (role is None or role == ANY_ROLE):
        return "Invalid reservation: role '*' cannot be dynamically reserved"
    return None


def validate(resources: Iterable[Resource]) -> str | None:
    """The first reason why ``resources``, as they came in, may not be used, or ``None``.

    Give it the list as sent: a :class:`~mesos_service.domain.resources.Resources` has already dropped the empty
    ones, and cannot hold one key with amounts of two types.
    """
    first_values: dict[str, Value] = {}
    for resource in resources:
        key, value = resource
        # Equal disks may differ in their volume, so that only keys without a disk have one cached answer each.
        refuse_key = _refuse_key_cached if key.disk is None else _refuse_key
        refusal = refuse_key(key) or _refuse_value(key.name, value)
        if refusal is not None:
            return f"Resource '{resource}' is invalid: {refusal}"
        known = first_values.setdefault(key.name, value)
        if type(known) is not type(value):
            return f"Resources named '{key.name}' have different types: {value_type(known)} and {value_type(value)}"
    return None


def _refuse_value(name: str, value: Value) -> str | None:
    if isinstance(value, int):
        if value <= 0:
            return "Invalid scalar resource: value <= 0"
        if name == "gpus" and value % 1000:
            return "Invalid scalar resource: 'gpus' must be a whole number"
        return None
    if name == "gpus":
        return "'gpus' must be a scalar"
    if not value:
        return "Invalid ranges resource: no range" if isinstance(value, Ranges) else "Invalid set resource: no item"
    return None


def _refuse_key(key: ResourceKey) -> str | None:
    if not key.name:
        return "Empty resource name"
    if key.allocation_role is not None:
        refusal = refuse_role(key.allocation_role)
        if refusal is not None:
            return f"Invalid allocation role: {refusal}"
    for depth, reservation in enumerate(key.reservations):
        refusal = refuse_push(key.reservations[:depth], reservation)
        if refusal is not None:
            return refusal
        if reservation.type == "DYNAMIC" and key.revocable:
            return "Revocable resources cannot be dynamically reserved"
    if key.shared and (key.disk is None or key.disk.persistence is None):
        return "Only persistent volumes can be shared"
    return None if key.disk is None else _refuse_disk(key, key.disk)


_refuse_key_cached = lru_cache(maxsize=8192)(_refuse_key)


def _refuse_disk(key: ResourceKey, disk: DiskInfo) -> str | None:
    if key.name != "disk":
        return f"DiskInfo cannot be set on '{key.name}'"
    if disk.persistence is None:
        if disk.volume is not None:
            return "Non-persistent volumes are not supported"
        return "DiskInfo is set but empty" if disk.source is None else None
    refusal = refuse_id(disk.persistence.id)
    if refusal is not None:
        return f"Invalid persistence ID: {refusal}"
    if not key.reservations:
        return "Persistent volumes cannot be created from unreserved resources"
    if key.revocable:
        return "Persistent volumes cannot be created from revocable resources"
    if disk.source is not None and disk.source.type in (DiskSourceType.BLOCK, DiskSourceType.RAW):
        return f"Persistent volumes cannot be created from {disk.source.type} disk"
    if disk.volume is None:
        return "Persistent volumes need 'volume' to be set"
    if disk.volume.host_path is not None:
        return "Persistent volumes cannot have a 'host_path'"
    if not disk.volume.container_path:
        return "Persistent volumes need a 'container_path'"
    return None
