"""What becomes of operations on resources, and who is told (M-SC-15, M-SE-07).

Only an operation with an id is spoken of. What its agent says carries a uuid and is repeated by the agent until the
framework acknowledges it, like a task's update (X01, X02); what the master says on its own carries none, and the
framework's means against a lost word is RECONCILE_OPERATIONS. Operations without id are remembered until their agent
has answered, so that operators can see what is under way.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mesos_service.core.events import OperationState, UpdateOperationStatus
from mesos_service.core.link import (
    AcknowledgeOperation,
    OperationReport,
    OperationStatus,
    ShutdownFramework,
    UpdateOperation,
)
from mesos_service.core.master.state import Agent, Framework, MasterState, OperationRecord
from mesos_service.core.master.turn import Turn
from mesos_service.core.resource_messages import ResourceOperation
from mesos_service.core.scheduler_messages import AcknowledgeOperationStatus, ReconcileOperations, UnsupportedOperation
from mesos_service.domain.ids import AgentId, FrameworkId, OperationId
from mesos_service.domain.operations import name_of

TERMINAL_STATES = frozenset({"OPERATION_FINISHED", "OPERATION_FAILED", "OPERATION_ERROR", "OPERATION_DROPPED"})

DISK_OPERATIONS: Final = frozenset({"CREATE_DISK", "DESTROY_DISK"})
"""Of resource providers, which make disks of what a storage system has."""


# -- refusing ------------------------------------------------------------------------------------------------


def refuse_unsupported(turn: Turn, framework: Framework, operation: UnsupportedOperation) -> None:
    """Note that the operation cannot be done here, and tell so where it has an id."""
    turn.note("operation.unsupported", framework_id=framework.framework_id, type=operation.type)
    why = "is of a kind that this master does not support"
    if operation.type in DISK_OPERATIONS:
        # As in Mesos, of any disk that is in an agent's own --resources; there are no others here.
        why = "is invalid: 'source' is not managed by a resource provider"
    _tell_error(turn, framework, operation, why)


def refuse(turn: Turn, framework: Framework, operation: ResourceOperation, reason: str) -> None:
    """Note why nothing came of the operation, and tell so where it has an id."""
    kind = name_of(operation.operation)
    turn.note("operation.refused", framework_id=framework.framework_id, type=kind, reason=reason)
    words = reason if reason.startswith("has an ") else f"is invalid: {reason}"
    _tell_error(turn, framework, operation, words)


def refuse_with_offers(
    turn: Turn, framework: Framework, operation: ResourceOperation | UnsupportedOperation, refusal: str
) -> None:
    """The offers of its call are invalid (X14a)."""
    _tell_error(turn, framework, operation, f"was sent with invalid offers: {refusal}")


def _tell_error(
    turn: Turn, framework: Framework, operation: ResourceOperation | UnsupportedOperation, why: str
) -> None:
    if operation.operation_id is not None:
        kind = operation.type if isinstance(operation, UnsupportedOperation) else name_of(operation.operation)
        message = f"Operation '{operation.operation_id}' ({kind}) {why}"
        turn.tell(framework, UpdateOperationStatus(operation.operation_id, "OPERATION_ERROR", message))


# -- remembering ---------------------------------------------------------------------------------------------


def enter(state: MasterState, agent: Agent, record: OperationRecord) -> None:
    """Remember an operation by its agent, and by its framework's name for it."""
    agent.operations[record.uuid] = record
    if record.framework_id is not None and record.operation_id is not None:
        state.operations[record.framework_id, record.operation_id] = record


def forget(state: MasterState, agent: Agent, record: OperationRecord) -> None:
    """Nothing more is to be said of it."""
    del agent.operations[record.uuid]
    if record.framework_id is not None and record.operation_id is not None:
        key = record.framework_id, record.operation_id
        # An id may be used again once its framework has acknowledged the end of the operation that had it.
        if state.operations.get(key) is record:
            del state.operations[key]


def forget_framework(state: MasterState, framework_id: FrameworkId) -> list[Agent]:
    """The framework is removed; returns the agents that have operations of it and may wait for acknowledgements."""
    agents: dict[AgentId, Agent] = {}
    for (owner, _), record in list(state.operations.items()):
        if owner == framework_id:
            agent = agents[record.agent_id] = state.agents[record.agent_id]
            forget(state, agent, record)
    return list(agents.values())


# -- from agents ---------------------------------------------------------------------------------------------


def on_update(turn: Turn, agent: Agent, message: UpdateOperation) -> None:
    """Pass on what became of an operation; the framework acknowledges it to the agent."""
    record = agent.operations.get(message.uuid)
    if record is None:
        # It was acknowledged, and that has not reached the agent yet; when it registers again it says so itself.
        turn.note("operation.unknown", agent_id=agent.agent_id)
        return
    if record.status.state != message.status.state:
        _note(turn, "operation.updated", record, message.status.state)
    record.status = message.status
    if message.status.uuid is None:
        forget(turn.state, agent, record)
        return
    _pass_on(turn, record)


def compare(turn: Turn, agent: Agent, reports: Iterable[OperationReport]) -> None:
    """The agent has registered again, and has said which operations it has not been relieved of.

    Those that it does not name never reached it (X14c): it says what its resources are, and they are not in that.
    """
    state = turn.state
    reported = {report.uuid: report for report in reports}
    for record in [one for uuid, one in agent.operations.items() if uuid not in reported]:
        forget(state, agent, record)
        if record.status.state == "OPERATION_PENDING":
            _note(turn, "operation.dropped", record, "OPERATION_DROPPED")
            _tell(turn, record, "OPERATION_DROPPED", "The agent has not received the operation")
    for report in reported.values():
        known = agent.operations.get(report.uuid)
        if known is not None:
            known.status = report.status
        elif report.framework_id in state.removed_frameworks:
            turn.tell_agent(agent, ShutdownFramework(report.framework_id))
        else:
            # The agent sends the status by itself; here only the name is taken down.
            enter(
                state,
                agent,
                OperationRecord(
                    uuid=report.uuid,
                    agent_id=agent.agent_id,
                    operation=report.operation,
                    framework_id=report.framework_id,
                    operation_id=report.operation_id,
                    status=report.status,
                ),
            )


def lose_agent(turn: Turn, agent: Agent, unreachable: bool) -> None:
    """The agent is taken out of the memory, and so is what was under way on it."""
    for record in list(agent.operations.values()):
        forget(turn.state, agent, record)
        if record.status.state not in TERMINAL_STATES:
            state: OperationState = "OPERATION_UNREACHABLE" if unreachable else "OPERATION_GONE_BY_OPERATOR"
            _note(turn, "operation.lost", record, state)
            _tell(turn, record, state, "The agent is unreachable" if unreachable else "The agent is gone")


def repeat(turn: Turn, framework: Framework) -> None:
    """Somebody listens again: what became of the framework's operations need not wait until agents repeat it (X03)."""
    for (framework_id, _), record in turn.state.operations.items():
        if framework_id == framework.framework_id and record.status.uuid is not None:
            _pass_on(turn, record)


# -- from frameworks -----------------------------------------------------------------------------------------


def on_acknowledge(turn: Turn, framework: Framework, call: AcknowledgeOperationStatus) -> None:
    """Relieve the agent of a status; one that nobody waits for is ignored, as an echo of a repetition (X06)."""
    turn.reply(call.request, 202)
    state = turn.state
    record = state.operations.get((framework.framework_id, call.operation_id))
    agent = state.agents.get(call.agent_id)
    if record is None or agent is None or record.agent_id != call.agent_id or record.status.uuid != call.uuid:
        turn.note(
            "operation.acknowledgement_ignored", framework_id=framework.framework_id, operation_id=call.operation_id
        )
        return
    turn.tell_agent(agent, AcknowledgeOperation(uuid=record.uuid, status_uuid=call.uuid))
    if agent.connected:
        # Otherwise the agent repeats it when it is back, and the framework acknowledges it again.
        forget(state, agent, record)


def on_reconcile(turn: Turn, framework: Framework, call: ReconcileOperations) -> None:
    """Answer for each operation that is named, or for every one in memory when none is."""
    turn.reply(call.request, 202)
    if call.operations:
        for operation_id, agent_id in call.operations:
            turn.tell(framework, _answer(turn.state, framework.framework_id, operation_id, agent_id))
        return
    for (framework_id, operation_id), record in turn.state.operations.items():
        if framework_id == framework.framework_id:
            turn.tell(framework, _latest(operation_id, record))


def _answer(
    state: MasterState, framework_id: FrameworkId, operation_id: OperationId, agent_id: AgentId | None
) -> UpdateOperationStatus:
    """The first row that fits (Mesos: ``Master::reconcileOperations``)."""
    record = state.operations.get((framework_id, operation_id))
    if record is not None:
        return _latest(operation_id, record)
    found: OperationState = "OPERATION_UNKNOWN"
    words = "Operation is unknown"
    if agent_id is None:
        words += " and no 'agent_id' was provided"
    elif agent_id in state.agents:
        pass
    elif agent_id in state.recovered or agent_id in state.registering:
        found, words = "OPERATION_RECOVERING", "Agent has not registered with this master yet"
    elif agent_id in state.unreachable:
        found, words = "OPERATION_UNREACHABLE", "Operation is unknown and its agent is unreachable"
    elif agent_id in state.gone:
        found, words = "OPERATION_GONE_BY_OPERATOR", "Operation is unknown and its agent is gone"
    return UpdateOperationStatus(operation_id, found, f"Reconciliation: {words}", agent_id)


def _latest(operation_id: OperationId, record: OperationRecord) -> UpdateOperationStatus:
    return UpdateOperationStatus(
        operation_id,
        record.status.state,
        "Reconciliation: Latest operation state",
        record.agent_id,
        converted=record.status.converted,
    )


# -- within --------------------------------------------------------------------------------------------------


def _note(turn: Turn, fact: str, record: OperationRecord, state: OperationState) -> None:
    turn.note(
        fact,
        agent_id=record.agent_id,
        framework_id=record.framework_id or "",
        operation_id=record.operation_id or "",
        type=name_of(record.operation),
        state=state,
    )


def _pass_on(turn: Turn, record: OperationRecord) -> None:
    status = record.status
    _tell(turn, record, status.state, status.message, status)


def _tell(
    turn: Turn, record: OperationRecord, state: OperationState, message: str, status: OperationStatus | None = None
) -> None:
    """Whoever gave no id is told nothing, nor is one who is not here now."""
    framework = turn.state.frameworks.get(record.framework_id) if record.framework_id is not None else None
    if framework is None or record.operation_id is None:
        return
    event = UpdateOperationStatus(record.operation_id, state, message, record.agent_id)
    if status is not None:
        event = UpdateOperationStatus(
            record.operation_id, state, message, record.agent_id, status.uuid, status.converted
        )
    turn.tell(framework, event)
