"""Short ways to the operations on offered resources: reservations and persistent volumes (M-OP-03 to M-OP-05).

Each goes into an ACCEPT, before the launches that use what it makes. Whoever gives an id is told what became of it, by
``Scheduler.operation_status``.
"""

from __future__ import annotations

from collections.abc import Iterable

from mesos_service.domain.resource import DiskInfo, Persistence, Reservation, Resource, Volume, VolumeMode
from mesos_service.domain.resources import Resources, ResourcesError
from mesos_service.wire import offers as wire
from mesos_service.wire.common import OperationID
from mesos_service.wire.convert.values import resources_to_wire
from mesos_service.wire.resources import ValueScalar


def reserved(
    needs: str | Resources, role: str, principal: str | None = None, labels: Iterable[tuple[str, str | None]] = ()
) -> Resources:
    """``needs`` as they are when reserved dynamically for ``role``; on top of a reservation, they refine it.

    Raises:
        ResourcesError: they cannot be reserved so.
    """
    plain = Resources.parse(needs) if isinstance(needs, str) else needs
    return plain.push_reservation(Reservation("DYNAMIC", role, principal, tuple(labels)))


def volume(
    disk: Resources,
    volume_id: str,
    container_path: str,
    *,
    principal: str | None = None,
    mode: VolumeMode = "RW",
    shared: bool = False,
) -> Resources:
    """Reserved disk as the persistent volume that is made of it; ``container_path`` is below the sandbox.

    With ``shared`` several tasks may use it at once, of frameworks that have the capability SHARED_RESOURCES.

    Raises:
        ResourcesError: ``disk`` is anything but one reserved disk.
    """
    items = list(disk)
    if len(items) != 1 or items[0].name != "disk" or not items[0].key.reservations:
        raise ResourcesError(f"a volume is made of one reserved disk, not of {disk or 'nothing'}")
    key, value = items[0]
    made = DiskInfo(
        source=None if key.disk is None else key.disk.source,
        persistence=Persistence(volume_id, principal),
        volume=Volume(container_path, mode),
    )
    return Resources.of((Resource(key._replace(disk=made, shared=shared), value),))


def reserve(
    resources: Resources, source: Resources = Resources.EMPTY, *, operation_id: str | None = None
) -> wire.OfferOperation:
    """Reserve; with ``source``, what was reserved otherwise (re-reservation)."""
    return wire.OfferOperation(
        type="RESERVE",
        id=_id(operation_id),
        reserve=wire.OfferOperationReserve(source=resources_to_wire(source), resources=resources_to_wire(resources)),
    )


def unreserve(resources: Resources, *, operation_id: str | None = None) -> wire.OfferOperation:
    """Take the topmost reservation off."""
    return wire.OfferOperation(
        type="UNRESERVE",
        id=_id(operation_id),
        unreserve=wire.OfferOperationUnreserve(resources=resources_to_wire(resources)),
    )


def create(volumes: Resources, *, operation_id: str | None = None) -> wire.OfferOperation:
    """Make persistent volumes of reserved disk."""
    return wire.OfferOperation(
        type="CREATE",
        id=_id(operation_id),
        create=wire.OfferOperationCreate(volumes=resources_to_wire(volumes)),
    )


def destroy(volumes: Resources, *, operation_id: str | None = None) -> wire.OfferOperation:
    """Delete volumes and all that is on them; the disk stays reserved."""
    return wire.OfferOperation(
        type="DESTROY",
        id=_id(operation_id),
        destroy=wire.OfferOperationDestroy(volumes=resources_to_wire(volumes)),
    )


def grow_volume(existing: Resources, addition: Resources, *, operation_id: str | None = None) -> wire.OfferOperation:
    """Add reserved disk to a volume; the larger one is not to be used in the same call."""
    [grown], [more] = resources_to_wire(existing), resources_to_wire(addition)
    return wire.OfferOperation(
        type="GROW_VOLUME",
        id=_id(operation_id),
        grow_volume=wire.OfferOperationGrowVolume(volume=grown, addition=more),
    )


def shrink_volume(existing: Resources, megabytes: float, *, operation_id: str | None = None) -> wire.OfferOperation:
    """Take so much off a volume; what is on it stays."""
    [shrunk] = resources_to_wire(existing)
    return wire.OfferOperation(
        type="SHRINK_VOLUME",
        id=_id(operation_id),
        shrink_volume=wire.OfferOperationShrinkVolume(volume=shrunk, subtract=ValueScalar(value=megabytes)),
    )


def _id(operation_id: str | None) -> OperationID | None:
    return None if operation_id is None else OperationID(value=operation_id)
