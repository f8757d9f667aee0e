"""Operations that this master does not do (RESERVE, CREATE and the like), and what is said of them (M-SE-07).

Only an operation with an id is spoken of. What is said has no uuid, as nobody is to acknowledge it: there is no agent
that would repeat it. The framework's means against a lost word is RECONCILE_OPERATIONS.
"""

from __future__ import annotations

from mesos_service.core.events import UpdateOperationStatus
from mesos_service.core.master.state import Framework
from mesos_service.core.master.turn import Turn
from mesos_service.core.messages import ReconcileOperations, UnsupportedOperation


def refuse_unsupported(turn: Turn, framework: Framework, operation: UnsupportedOperation) -> None:
    """Note that the operation cannot be done here, and tell so where it has an id."""
    turn.note("operation.unsupported", framework_id=framework.framework_id, type=operation.type)
    refuse(turn, framework, operation, "is of a kind that this master does not support")


def refuse(turn: Turn, framework: Framework, operation: UnsupportedOperation, why: str) -> None:
    """Tell that nothing came of the operation; ``why`` goes on from its name. Silent for one without an id."""
    if operation.operation_id is not None:
        message = f"Operation '{operation.operation_id}' ({operation.type}) {why}"
        turn.tell(framework, UpdateOperationStatus(operation.operation_id, "OPERATION_ERROR", message))


def on_reconcile_operations(turn: Turn, framework: Framework, call: ReconcileOperations) -> None:
    """No operation was ever begun, so each that is named is unknown; asked for all of them, there is nothing to say."""
    turn.reply(call.request, 202)
    for operation_id, agent_id in call.operations:
        message = "Reconciliation: Operation is unknown"
        if agent_id is None:
            message += " and no 'agent_id' was provided"
        turn.tell(framework, UpdateOperationStatus(operation_id, "OPERATION_UNKNOWN", message, agent_id))
