"""The statuses of an operation as ``GET_OPERATIONS`` of masters and agents shows them (M-SC-15)."""

from __future__ import annotations

from collections.abc import Iterable

from mesos_service.core.link import OperationStatus
from mesos_service.domain.ids import AgentId, OperationId
from mesos_service.wire import common, offers
from mesos_service.wire.convert.values import resources_to_wire


def history_to_wire(
    told: Iterable[OperationStatus], operation_id: OperationId | None, agent_id: AgentId | None
) -> tuple[offers.OperationStatus, ...]:
    return tuple(status_to_wire(status, operation_id, agent_id) for status in told)


def status_to_wire(
    status: OperationStatus, operation_id: OperationId | None, agent_id: AgentId | None
) -> offers.OperationStatus:
    return offers.OperationStatus(
        operation_id=None if operation_id is None else common.OperationID(value=operation_id),
        state=status.state,
        message=status.message or None,
        converted_resources=resources_to_wire(status.converted),
        uuid=None if status.uuid is None else common.UUID(value=status.uuid),
        agent_id=None if agent_id is None else common.AgentID(value=agent_id),
    )
