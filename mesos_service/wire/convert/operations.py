"""Operations on resources between the wire and the domain, as schedulers, operators, agents and journals spell them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, assert_never

from mesos_service.core import link
from mesos_service.domain import operations as domain
from mesos_service.domain.ids import FrameworkId, OperationId
from mesos_service.domain.resource import Resource, plain_key
from mesos_service.domain.resources import Resources
from mesos_service.domain.values import from_milli, to_milli_signed
from mesos_service.wire import agent_link, common, offers
from mesos_service.wire import resources as wire
from mesos_service.wire.convert.values import resources_from_wire, resources_to_wire


def operation_from_wire(sent: offers.OfferOperation) -> tuple[domain.Operation, str | None] | None:
    """The operation, and why it may not be used as it was sent; ``None`` for one that is not on resources.

    An operation that cannot be read keeps its kind, so that it can be told of, and names no resources.
    """
    match sent.type:
        case "RESERVE":
            body = sent.reserve or offers.OfferOperationReserve()
            return reserve(body.resources, body.source)
        case "UNRESERVE":
            return unreserve((sent.unreserve or offers.OfferOperationUnreserve()).resources)
        case "CREATE":
            return create((sent.create or offers.OfferOperationCreate()).volumes)
        case "DESTROY":
            return destroy((sent.destroy or offers.OfferOperationDestroy()).volumes)
        case "GROW_VOLUME" if sent.grow_volume is not None:
            return grow(sent.grow_volume.volume, sent.grow_volume.addition)
        case "SHRINK_VOLUME" if sent.shrink_volume is not None:
            return shrink(sent.shrink_volume.volume, sent.shrink_volume.subtract)
        case _:
            return None


def reserve(
    resources: Sequence[wire.Resource], source: Sequence[wire.Resource] = ()
) -> tuple[domain.Operation, str | None]:
    """RESERVE, and why it may not be used as it was sent, or ``None``."""
    wanted, refusal = resources_from_wire(resources)
    of, source_refusal = resources_from_wire(source)
    return domain.Reserve(wanted, of), refusal or source_refusal


def unreserve(resources: Sequence[wire.Resource]) -> tuple[domain.Operation, str | None]:
    """UNRESERVE, as :func:`reserve`."""
    named, refusal = resources_from_wire(resources)
    return domain.Unreserve(named), refusal


def create(volumes: Sequence[wire.Resource]) -> tuple[domain.Operation, str | None]:
    """CREATE, as :func:`reserve`."""
    named, refusal = resources_from_wire(volumes)
    return domain.Create(named), refusal


def destroy(volumes: Sequence[wire.Resource]) -> tuple[domain.Operation, str | None]:
    """DESTROY, as :func:`reserve`."""
    named, refusal = resources_from_wire(volumes)
    return domain.Destroy(named), refusal


def grow(volume: wire.Resource, addition: wire.Resource) -> tuple[domain.Operation, str | None]:
    """GROW_VOLUME, as :func:`reserve`."""
    whole, refusal = _single(volume, "volume")
    more, more_refusal = _single(addition, "addition")
    return domain.GrowVolume(whole, more), refusal or more_refusal


def shrink(volume: wire.Resource, subtract: wire.ValueScalar) -> tuple[domain.Operation, str | None]:
    """SHRINK_VOLUME by megabytes, as :func:`reserve`."""
    whole, refusal = _single(volume, "volume")
    try:
        milli = to_milli_signed(subtract.value)
    except ValueError as error:
        return domain.ShrinkVolume(whole, 0), refusal or f"'subtract' is invalid: {error}"
    return domain.ShrinkVolume(whole, milli), refusal


def _single(sent: wire.Resource, name: str) -> tuple[Resource, str | None]:
    resources, refusal = resources_from_wire((sent,))
    for item in resources:
        return item, refusal
    return _NO_DISK, refusal or f"'{name}' is empty"


_NO_DISK: Final = Resource(plain_key("disk"), 1)
"""In place of a volume that could not be read."""


def operation_to_wire(operation: domain.Operation, operation_id: OperationId | None = None) -> offers.OfferOperation:
    """With RESERVATION_REFINEMENT's spelling of reservations."""
    identifier = None if operation_id is None else common.OperationID(value=operation_id)
    match operation:
        case domain.Reserve(resources, source):
            return offers.OfferOperation(
                type="RESERVE",
                id=identifier,
                reserve=offers.OfferOperationReserve(
                    source=resources_to_wire(source), resources=resources_to_wire(resources)
                ),
            )
        case domain.Unreserve(resources):
            return offers.OfferOperation(
                type="UNRESERVE",
                id=identifier,
                unreserve=offers.OfferOperationUnreserve(resources=resources_to_wire(resources)),
            )
        case domain.Create(volumes):
            return offers.OfferOperation(
                type="CREATE", id=identifier, create=offers.OfferOperationCreate(volumes=resources_to_wire(volumes))
            )
        case domain.Destroy(volumes):
            return offers.OfferOperation(
                type="DESTROY", id=identifier, destroy=offers.OfferOperationDestroy(volumes=resources_to_wire(volumes))
            )
        case domain.GrowVolume(volume, addition):
            [grown, more] = resources_to_wire((volume, addition))
            return offers.OfferOperation(
                type="GROW_VOLUME",
                id=identifier,
                grow_volume=offers.OfferOperationGrowVolume(volume=grown, addition=more),
            )
        case domain.ShrinkVolume(volume, subtract):
            [shrunk] = resources_to_wire((volume,))
            return offers.OfferOperation(
                type="SHRINK_VOLUME",
                id=identifier,
                shrink_volume=offers.OfferOperationShrinkVolume(
                    volume=shrunk, subtract=wire.ValueScalar(value=from_milli(subtract))
                ),
            )
        case _:
            assert_never(operation)


# -- between masters and agents, and in journals -------------------------------------------------------------


def exact_resources(sent: Sequence[wire.Resource]) -> Resources:
    """Raises ``ValueError`` for what our own side would not have written."""
    resources, refusal = resources_from_wire(sent)
    if refusal is not None:
        raise ValueError(refusal)
    return resources


def exact_operation(sent: offers.OfferOperation) -> domain.Operation:
    """Raises ``ValueError`` for what our own side would not have written."""
    read = operation_from_wire(sent)
    if read is None or read[1] is not None:
        raise ValueError(f"operation {sent.type} cannot be used: {read[1] if read else 'it is of another kind'}")
    return read[0]


def status_to_wire(status: link.OperationStatus) -> agent_link.OperationStatus:
    return agent_link.OperationStatus(
        state=status.state,
        message=status.message,
        uuid=status.uuid,
        converted=resources_to_wire(status.converted),
    )


def status_from_wire(status: agent_link.OperationStatus) -> link.OperationStatus:
    return link.OperationStatus(
        state=status.state,
        message=status.message,
        uuid=status.uuid,
        converted=exact_resources(status.converted),
    )


def report_to_wire(report: link.OperationReport) -> agent_link.OperationReport:
    return agent_link.OperationReport(
        uuid=report.uuid,
        framework_id=report.framework_id,
        operation=operation_to_wire(report.operation, report.operation_id),
        status=status_to_wire(report.status),
    )


def report_from_wire(report: agent_link.OperationReport) -> link.OperationReport:
    if report.operation.id is None:
        raise ValueError("an operation without id is not reported")
    return link.OperationReport(
        uuid=report.uuid,
        framework_id=FrameworkId(report.framework_id),
        operation_id=OperationId(report.operation.id.value),
        operation=exact_operation(report.operation),
        status=status_from_wire(report.status),
    )
