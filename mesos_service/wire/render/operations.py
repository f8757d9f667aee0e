"""Operations as ``GET_OPERATIONS`` of masters and agents shows them (M-SC-15)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mesos_service.core.agent.state import AgentState
from mesos_service.core.link import OperationStatus
from mesos_service.core.master.state import MasterState, OperationRecord
from mesos_service.domain.ids import AgentId, OperationId
from mesos_service.wire import common, offers
from mesos_service.wire.convert.operations import operation_to_wire
from mesos_service.wire.convert.values import resources_to_wire


def operations_of_master(state: MasterState) -> tuple[offers.Operation, ...]:
    """Those under way, and those that their frameworks have not acknowledged."""
    return tuple(_operation(record) for agent in state.agents.values() for record in agent.operations.values())


def operations_of_agent(state: AgentState) -> tuple[offers.Operation, ...]:
    """Those that their frameworks have not acknowledged."""
    return tuple(_reported(state))


def _reported(state: AgentState) -> Iterator[offers.Operation]:
    for pending in state.operations.values():
        report = pending.report
        yield offers.Operation(
            framework_id=common.FrameworkID(value=report.framework_id),
            agent_id=None if state.agent_id is None else common.AgentID(value=state.agent_id),
            info=operation_to_wire(report.operation, report.operation_id),
            latest_status=_status(report.status, report.operation_id, state.agent_id),
            statuses=_history((report.status,), report.operation_id, state.agent_id),
            uuid=common.UUID(value=report.uuid),
        )


def _operation(record: OperationRecord) -> offers.Operation:
    told = () if record.status.state == "OPERATION_PENDING" else (record.status,)
    return offers.Operation(
        framework_id=None if record.framework_id is None else common.FrameworkID(value=record.framework_id),
        agent_id=common.AgentID(value=record.agent_id),
        info=operation_to_wire(record.operation, record.operation_id),
        latest_status=_status(record.status, record.operation_id, record.agent_id),
        statuses=_history(told, record.operation_id, record.agent_id),
        uuid=common.UUID(value=record.uuid),
    )


def _history(
    told: Iterable[OperationStatus], operation_id: OperationId | None, agent_id: AgentId | None
) -> tuple[offers.OperationStatus, ...]:
    return tuple(_status(status, operation_id, agent_id) for status in told)


def _status(
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
