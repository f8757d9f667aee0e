"""Why an operation on resources may not be done, whatever is offered or free (X14c, X14i, X44; Mesos: validation.cpp).

Whether there is enough of what an operation consumes is found out by doing it (``reservations.py``). What cannot be
read as resources at all was refused by ``wire``, with the same words for tasks.
"""

from __future__ import annotations

from collections.abc import Iterable

from mesos_service.core.master.state import Agent, Framework
from mesos_service.domain.agents import RESIZE_VOLUME
from mesos_service.domain.frameworks import RESERVATION_REFINEMENT, SHARED_RESOURCES
from mesos_service.domain.ids import Role
from mesos_service.domain.operations import (
    Create,
    Destroy,
    GrowVolume,
    Operation,
    Reserve,
    ShrinkVolume,
    Unreserve,
    parts,
    place_of,
    places,
    without_volume,
)
from mesos_service.domain.resource import DiskSourceType, Reservation, Resource
from mesos_service.domain.resources import Resources


def refuse(operation: Operation, agent: Agent, principal: str | None) -> str | None:
    """Say why nobody may do this on ``agent``, or ``None``. ``principal`` is who asks, where that is known.

    Amounts are without allocation role, or with that of the offer.
    """
    named = list(parts(operation))
    if not named:
        return "The operation names no resources"
    for item in named:
        if item.key.provider_id is not None:
            return f"Resource '{item}' is of resource provider '{item.key.provider_id}', and there are none here"
    match operation:
        case Reserve(resources, source):
            return _refuse_reserve(resources, source, principal)
        case Unreserve(resources):
            return _refuse_unreserve(resources)
        case Create(volumes):
            return _refuse_create(volumes, agent, principal)
        case Destroy(volumes):
            return _refuse_destroy(volumes, agent)
        case GrowVolume(volume, addition):
            return _refuse_resize("Growing", volume, agent) or _refuse_addition(volume, addition)
        case ShrinkVolume(volume, subtract):
            return _refuse_resize("Shrinking", volume, agent) or _refuse_subtract(volume, subtract)


def refuse_of_framework(operation: Operation, framework: Framework, role: Role) -> str | None:
    """Say why a framework may not do this with an offer for ``role``, or ``None``."""
    for item in parts(operation):
        allocated = item.key.allocation_role
        if allocated is not None and allocated != role:
            return f"Resource '{item}' is allocated to role '{allocated}', but the offer is for role '{role}'"
    if isinstance(operation, Reserve):
        for item in operation.resources:
            if item.role != role:
                return (
                    f"A reserve operation was attempted for role '{item.role}', but framework"
                    f" {framework.framework_id} can only reserve what it was offered for its role '{role}'"
                )
            if len(item.key.reservations) > 1 and not framework.info.has(RESERVATION_REFINEMENT):
                return f"Framework {framework.framework_id} does not have the capability {RESERVATION_REFINEMENT}"
    if isinstance(operation, Create) and not framework.info.has(SHARED_RESOURCES):
        for item in operation.volumes:
            if item.key.shared:
                return (
                    f"Create volume operation for '{item}' has been attempted by framework '{framework.framework_id}'"
                    f" with no {SHARED_RESOURCES} capability"
                )
    return None


def refuse_destroying(operation: Operation, used: Resources) -> str | None:
    """Say why volumes may not go while ``used`` is in use, or ``None``. Shared ones are offered meanwhile (X45)."""
    if not isinstance(operation, Destroy):
        return None
    wanted = places(operation.volumes)
    return "Persistent volumes in use" if any(place in wanted for place in places(used)) else None


# -- reservations --------------------------------------------------------------------------------------------


def _refuse_reserve(resources: Resources, source: Resources, principal: str | None) -> str | None:
    for item in resources:
        top = _top(item)
        if top is None or top.type != "DYNAMIC":
            return f"Resource '{item}' must be dynamically reserved"
        if item.key.revocable:
            # What an agent lends it must be able to take back.
            return f"Dynamically reserved resource '{item}' cannot be created from revocable resources"
        if place_of(item.key) is not None:
            return f"Resource '{item}' is a persistent volume, which cannot be reserved"
        refusal = _refuse_principal("reserve", principal, top.principal, "reserved resource")
        if refusal is not None:
            return refusal
    return _refuse_source(resources, source) if source else None


def _refuse_source(resources: Resources, source: Resources) -> str | None:
    """Re-reservation goes down from one stack to what it has in common with the other, and up again."""
    if places(source):
        return "Persistent volumes cannot be reserved to others; destroy them first"
    if source.to_unreserved() != resources.to_unreserved():
        return f"'source' {source} and 'resources' {resources} are not the same but for their reservations"
    old, new = ({item.key.reservations for item in one} for one in (source, resources))
    if len(old) != 1 or len(new) != 1:
        return "All of 'source' must be reserved alike, and so must all of 'resources'"
    [before], [after] = old, new
    common = 0
    while common < min(len(before), len(after)) and before[common] == after[common]:
        common += 1
    if any(level.type == "STATIC" for level in (*before[common:], *after[common:])):
        return "A static reservation can neither be made nor taken away by an operation"
    return None


def _refuse_unreserve(resources: Resources) -> str | None:
    for item in resources:
        top = _top(item)
        if top is None or top.type != "DYNAMIC":
            return f"Resource '{item}' is not dynamically reserved"
        if place_of(item.key) is not None:
            return (
                f"A dynamically reserved persistent volume '{item}' cannot be unreserved directly. Please destroy the"
                " persistent volume first then unreserve the resource"
            )
    return None


def _top(item: Resource) -> Reservation | None:
    return item.key.reservations[-1] if item.key.reservations else None


def _refuse_principal(verb: str, principal: str | None, named: str | None, what: str) -> str | None:
    if principal is None or named == principal:
        return None
    if named is None:
        return (
            f"A {verb} operation was attempted by principal '{principal}', but there is a {what} in the request with"
            " no principal set"
        )
    return (
        f"A {verb} operation was attempted by principal '{principal}', which does not match principal '{named}' of a"
        f" {what} in the request"
    )


# -- volumes -------------------------------------------------------------------------------------------------


def _refuse_create(volumes: Resources, agent: Agent, principal: str | None) -> str | None:
    taken = {(place.role, place.id) for place in places(agent.total)}
    for item in volumes:
        place, disk = place_of(item.key), item.key.disk
        if place is None or disk is None or disk.persistence is None:
            return f"Resource '{item}' is not a persistent volume"
        if item.key.revocable:
            return f"Persistent volume '{item}' cannot be created from revocable resources"
        if (place.role, place.id) in taken:
            return f"Persistence ID '{place.id}' is not unique in role '{place.role}' on agent {agent.agent_id}"
        taken.add((place.role, place.id))
        refusal = refuse_container_path(disk.volume.container_path if disk.volume is not None else "")
        refusal = refusal or _refuse_principal("create", principal, disk.persistence.principal, "volume")
        if refusal is not None:
            return refusal
    return None


def refuse_container_path(path: str) -> str | None:
    """Volumes appear below the sandbox and nowhere else."""
    if path.startswith("/"):
        return f"Container path '{path}' of a persistent volume must not be absolute"
    if not path or "\0" in path or ".." in path.split("/") or not path.strip("./"):
        return f"Container path '{path}' of a persistent volume must lead into the sandbox"
    return None


def _refuse_destroy(volumes: Resources, agent: Agent) -> str | None:
    refusal = _refuse_not_volumes(volumes)
    if refusal is not None:
        return refusal
    if not agent.total.contains(volumes.unallocated()):
        return "Persistent volumes not found"
    for used in agent.used.values():
        refusal = refuse_destroying(Destroy(volumes), used)
        if refusal is not None:
            return refusal
    return None


def _refuse_not_volumes(items: Iterable[Resource]) -> str | None:
    for item in items:
        if place_of(item.key) is None:
            return f"Resource '{item}' is not a persistent volume"
    return None


def _refuse_resize(doing: str, volume: Resource, agent: Agent) -> str | None:
    if RESIZE_VOLUME not in agent.info.capabilities:
        return f"Agent {agent.agent_id} does not have the capability {RESIZE_VOLUME}"
    refusal = _refuse_not_volumes((volume,))
    if refusal is not None:
        return refusal
    if volume.key.shared:
        return f"{doing} a shared persistent volume is not supported, and '{volume}' is one"
    source = volume.key.disk.source if volume.key.disk is not None else None
    if source is not None and source.type is DiskSourceType.MOUNT:
        return f"A persistent volume on MOUNT disk cannot be resized, and '{volume}' is one"
    return None


def _refuse_addition(volume: Resource, addition: Resource) -> str | None:
    if place_of(addition.key) is not None:
        return f"'addition' {addition} must not be a persistent volume"
    if addition.key != without_volume(volume).key:
        return f"'volume' {volume} cannot be grown by 'addition' {addition}: it is not the same kind of disk"
    return None


def _refuse_subtract(volume: Resource, subtract: int) -> str | None:
    if subtract <= 0:
        return "'subtract' must be more than zero"
    if not isinstance(volume.value, int) or subtract >= volume.value:
        return f"'subtract' must be less than 'volume' {volume} has"
    return None
