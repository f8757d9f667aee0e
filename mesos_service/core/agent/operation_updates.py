"""What became of operations is told until it is acknowledged (M-SC-15), as tasks' updates are (X02, X03).

An operation here has one status in its life, so that there is nothing to keep in order.
"""

from __future__ import annotations

from mesos_service.core.agent.records import OperationForgotten
from mesos_service.core.agent.state import OperationRetryDue, PendingOperation
from mesos_service.core.agent.turn import Turn
from mesos_service.core.link import AcknowledgeOperation, OperationReport, OperationStatus, UpdateOperation
from mesos_service.domain.ids import FrameworkId


def tell(turn: Turn, uuid: bytes, status: OperationStatus, report: OperationReport | None) -> None:
    """Tell the master; with a report, again and again."""
    if report is None:
        turn.tell_master(UpdateOperation(uuid=uuid, status=status))
        return
    pending = turn.state.operations[uuid] = PendingOperation(report)
    _send_first(turn, pending)


def on_acknowledge(turn: Turn, message: AcknowledgeOperation) -> None:
    """Whoever asked has heard it; anything but the status under way is an echo (X06)."""
    pending = turn.state.operations.get(message.uuid)
    if pending is None or pending.report.status.uuid != message.status_uuid:
        turn.note("operation.acknowledgement_ignored")
        return
    _forget(turn, message.uuid)


def on_retry_due(turn: Turn, deadline: OperationRetryDue) -> None:
    """Say it again, and wait twice as long for the next time."""
    pending = turn.state.operations[deadline.uuid]
    _send(turn, pending)
    options = turn.state.options
    pending.retry_seconds = min(pending.retry_seconds * 2, options.status_update_retry_interval_max_seconds)
    turn.state.timers.set(deadline, turn.now + pending.retry_seconds)


def pause(turn: Turn) -> None:
    """There is no registered master to tell."""
    for uuid in turn.state.operations:
        turn.state.timers.cancel(OperationRetryDue(uuid))


def resume(turn: Turn) -> None:
    """There is one again."""
    for pending in turn.state.operations.values():
        _send_first(turn, pending)


def forget_framework(turn: Turn, framework_id: FrameworkId) -> None:
    """Nobody is left to tell. What its operations have made stays (Mesos docs, "Reservation")."""
    for uuid, pending in list(turn.state.operations.items()):
        if pending.report.framework_id == framework_id:
            _forget(turn, uuid)


def _forget(turn: Turn, uuid: bytes) -> None:
    del turn.state.operations[uuid]
    turn.state.timers.cancel(OperationRetryDue(uuid))
    turn.checkpoint(OperationForgotten(uuid))


def _send_first(turn: Turn, pending: PendingOperation) -> None:
    if turn.state.registered:
        pending.retry_seconds = turn.state.options.status_update_retry_interval_min_seconds
        _send(turn, pending)
        turn.state.timers.set(OperationRetryDue(pending.report.uuid), turn.now + pending.retry_seconds)


def _send(turn: Turn, pending: PendingOperation) -> None:
    turn.tell_master(UpdateOperation(uuid=pending.report.uuid, status=pending.report.status))
