"""What can be done to resources that lasts: reservations and persistent volumes (Mesos docs, "Reservation" and
"Persistent Volumes"; X14c, X44).

An operation is a series of conversions: so much is consumed, and so much stands in its place. Master and agent do the
same conversions on their own books, in the same order, so that one need not send the other its whole total. Two laws
hold of each conversion, and ``tests/properties`` checks them: quantities stay what they are, and converting back gives
back what was there.

Amounts come without allocation role, as in an agent's total, or all with the same one, as in an offer (X48).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from mesos_service.domain.resource import (
    DiskInfo,
    DiskSourceType,
    Resource,
    ResourceKey,
    ResourcesError,
    refuse_push,
)
from mesos_service.domain.resources import Resources


@dataclass(frozen=True, slots=True)
class Reserve:
    """``resources`` as they are to be, the new reservation on top of each stack.

    Without ``source`` they are made of what they would be without that top; with it, of ``source``, which may be
    reserved to somebody else (re-reservation).
    """

    resources: Resources
    source: Resources = Resources.EMPTY


@dataclass(frozen=True, slots=True)
class Unreserve:
    """``resources`` as they are now; each loses the top of its stack."""

    resources: Resources


@dataclass(frozen=True, slots=True)
class Create:
    """Make persistent volumes out of reserved disk."""

    volumes: Resources


@dataclass(frozen=True, slots=True)
class Destroy:
    """The volumes are reserved disk again, and what was on them is deleted."""

    volumes: Resources


@dataclass(frozen=True, slots=True)
class GrowVolume:
    """``addition``, plain disk reserved as the volume is, becomes part of it."""

    volume: Resource
    addition: Resource


@dataclass(frozen=True, slots=True)
class ShrinkVolume:
    """``subtract`` thousandths of a megabyte of the volume become plain reserved disk."""

    volume: Resource
    subtract: int


Operation = Reserve | Unreserve | Create | Destroy | GrowVolume | ShrinkVolume


class Conversion(NamedTuple):
    """``consumed`` goes, ``converted`` comes in its place; neither is empty."""

    consumed: Resources
    converted: Resources


def name_of(operation: Operation) -> str:
    """The operation's name on the wire."""
    match operation:
        case Reserve():
            return "RESERVE"
        case Unreserve():
            return "UNRESERVE"
        case Create():
            return "CREATE"
        case Destroy():
            return "DESTROY"
        case GrowVolume():
            return "GROW_VOLUME"
        case ShrinkVolume():
            return "SHRINK_VOLUME"


def conversions(operation: Operation) -> list[Conversion]:
    """What the operation does, one conversion after the other; it must be a lawful one.

    Raises :class:`ResourcesError` for what cannot be, such as popping an empty stack; ``validation`` has refused that
    before with better words.
    """
    match operation:
        case Reserve(resources, source) if source:
            return [Conversion(source, resources)]
        case Reserve(resources):
            return [Conversion(_one(_popped(item)), _one(item)) for item in resources]
        case Unreserve(resources):
            return [Conversion(_one(item), _one(_popped(item))) for item in resources]
        case Create(volumes):
            return [Conversion(_one(without_volume(item)), _one(item)) for item in volumes]
        case Destroy(volumes):
            return [Conversion(_one(item), _one(without_volume(item))) for item in volumes]
        case GrowVolume(volume, addition):
            grown = volume._replace(value=_milli(volume) + _milli(addition))
            return [Conversion(Resources.of((volume, addition)), _one(grown))]
        case ShrinkVolume(volume, subtract):
            shrunk = volume._replace(value=_milli(volume) - subtract)
            rest = without_volume(volume)._replace(value=subtract)
            return [Conversion(_one(volume), Resources.of((shrunk, rest)))]


def convert(resources: Resources, changes: list[Conversion]) -> Resources:
    """``resources`` after all conversions; raises :class:`ResourcesError`, naming the first that finds too little."""
    for consumed, converted in changes:
        if not resources.contains(consumed):
            raise ResourcesError(f"{resources or 'nothing'} does not contain {consumed}")
        resources = resources - consumed + converted
    return resources


def mapped(operation: Operation, change: Callable[[Resources], Resources]) -> Operation:
    """The same operation on changed resources, as with or without allocation roles."""
    match operation:
        case Reserve(resources, source):
            return Reserve(change(resources), change(source))
        case Unreserve(resources):
            return Unreserve(change(resources))
        case Create(volumes):
            return Create(change(volumes))
        case Destroy(volumes):
            return Destroy(change(volumes))
        case GrowVolume(volume, addition):
            return GrowVolume(_only(change(_one(volume))), _only(change(_one(addition))))
        case ShrinkVolume(volume, subtract):
            return ShrinkVolume(_only(change(_one(volume))), subtract)


def parts(operation: Operation) -> Iterator[Resource]:
    """Every resource that the operation names."""
    match operation:
        case Reserve(resources, source):
            yield from resources
            yield from source
        case Unreserve(resources):
            yield from resources
        case Create(volumes) | Destroy(volumes):
            yield from volumes
        case GrowVolume(volume, addition):
            yield volume
            yield addition
        case ShrinkVolume(volume, _):
            yield volume


# -- volumes -------------------------------------------------------------------------------------------------


class VolumePlace(NamedTuple):
    """Which volume of an agent it is, whatever its size: ids are unique per role (M-AL-10).

    ``root`` is the directory of a PATH or MOUNT disk, ``None`` for the agent's own; ``mount``: the volume is all of it.
    """

    role: str
    id: str
    root: str | None = None
    mount: bool = False


def place_of(key: ResourceKey) -> VolumePlace | None:
    """Where the volume is, or ``None`` for what is no persistent volume."""
    disk = key.disk
    if disk is None or disk.persistence is None:
        return None
    source = disk.source
    mount = source is not None and source.type is DiskSourceType.MOUNT
    return VolumePlace(key.role, disk.persistence.id, source.root if source is not None else None, mount)


def places(resources: Resources) -> dict[VolumePlace, None]:
    """The volumes among ``resources``, in order."""
    found = (place_of(key) for key, _ in resources)
    return {place: None for place in found if place is not None}


def without_volume(item: Resource) -> Resource:
    """The disk that a persistent volume is made of."""
    disk = item.key.disk
    plain = None if disk is None or disk.source is None else DiskInfo(source=disk.source)
    return item._replace(key=item.key._replace(disk=plain, shared=False))


# -- what an agent keeps -------------------------------------------------------------------------------------


def made_by_operations(resources: Resources) -> Resources:
    """What is not as ``--resources`` says: reserved dynamically, or a persistent volume. The agent keeps it."""
    return resources.filter(lambda item: _is_made(item.key))


def may_be_made(resources: Resources) -> bool:
    """Whether :func:`made_by_operations` could find anything; quick, as nearly always it could not."""
    for key, _ in resources:  # noqa: SIM110 - a loop costs half as much, and this is asked of each task
        if key.reservations or key.disk is not None:
            return True
    return False


def with_made(configured: Resources, made: Resources) -> Resources:
    """An agent's total: what is configured, with what operations have made of it.

    Raises :class:`ResourcesError` when that is more than there is, as after ``--resources`` became less.
    """
    total = configured
    for item in made:
        base = _one(as_configured(item))
        if not total.contains(base):
            raise ResourcesError(f"{total or 'nothing'} does not contain {base}, which {item} is made of")
        total = total - base + _one(item)
    return total


def as_configured(item: Resource) -> Resource:
    """What ``item`` was before any operation: no volume, and only static reservations."""
    item = without_volume(item) if place_of(item.key) is not None else item
    stack = tuple(level for level in item.key.reservations if level.type == "STATIC")
    return item._replace(key=item.key._replace(reservations=stack))


def _is_made(key: ResourceKey) -> bool:
    return any(level.type == "DYNAMIC" for level in key.reservations) or place_of(key) is not None


# -- within --------------------------------------------------------------------------------------------------


def _popped(item: Resource) -> Resource:
    stack = item.key.reservations
    if not stack or stack[-1].type == "STATIC":
        raise ResourcesError(f"{item} is not dynamically reserved")
    refusal = refuse_push(stack[:-1], stack[-1])
    if refusal is not None:
        raise ResourcesError(f"{item}: {refusal}")
    return item._replace(key=item.key._replace(reservations=stack[:-1]))


def _one(item: Resource) -> Resources:
    return Resources.of((item,))


def _only(resources: Resources) -> Resource:
    [item] = resources
    return item


def _milli(item: Resource) -> int:
    if not isinstance(item.value, int):
        raise ResourcesError(f"{item} is not a scalar")
    return item.value
