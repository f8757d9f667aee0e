"""Operations on this agent's resources: reservations and volumes (M-OP-03 to M-OP-05; X14c, M-AL-10).

The master has done each in its own books before it sent it, and what follows relies on it. What an operation makes is
written down together with what is to be told of it, and before anything is told (``checkpointing.py``); the
directories of volumes follow what is written, at once or after a crash.

An agent that is not registered takes no operation. Whatever comes then was sent before the master learnt what this
agent's resources are, from the registration under way; taking it would make the two differ (X14c).
"""

from __future__ import annotations

from mesos_service.core.agent import operation_updates, registration
from mesos_service.core.agent.recording import resources_kept
from mesos_service.core.agent.records import OperationKept
from mesos_service.core.agent.turn import Turn
from mesos_service.core.agent_messages import VolumeRemoved
from mesos_service.core.effects import ForgetVolume, MakeVolume, RecoverVolumes, RemoveVolume
from mesos_service.core.link import ApplyOperation, OperationReport, OperationStatus
from mesos_service.domain.operations import conversions, convert, name_of, places
from mesos_service.domain.resources import Resources, ResourcesError


def on_apply(turn: Turn, message: ApplyOperation) -> None:
    """Do an operation, write it down, and tell what became of it."""
    state = turn.state
    if not state.registered or message.uuid in state.operations:
        turn.note("operation.ignored", type=name_of(message.operation), registered=state.registered)
        return
    try:
        changes = conversions(message.operation)
        total = convert(state.total, changes)
    except ResourcesError as refusal:
        _fail(turn, message, str(refusal))
        return
    converted = Resources.EMPTY
    for change in changes:
        # What one conversion makes of what another has made is counted once.
        converted = converted - (change.consumed - converted.shortage(change.consumed)) + change.converted
    status = OperationStatus(state="OPERATION_FINISHED", uuid=_status_uuid(turn, message), converted=converted)
    report = _report(message, status)
    before, after = places(state.total), places(total)
    removed = [place for place in before if place not in after]
    doomed = {f"{message.uuid.hex()}-{number}": place for number, place in enumerate(removed)}
    state.total = total
    state.doomed.update(doomed)
    turn.checkpoint(resources_kept(state, report))
    for token, place in doomed.items():
        turn.do(RemoveVolume(token, place))
    for place in after:
        if place not in before:
            turn.do(MakeVolume(place))
    turn.note("operation.finished", type=name_of(message.operation), operation_id=message.operation_id or "")
    operation_updates.tell(turn, message.uuid, status, report)


def on_volume_removed(turn: Turn, message: VolumeRemoved) -> None:
    """What was on it is gone: nobody has to see to that again."""
    if turn.state.doomed.pop(message.token, None) is not None:
        turn.checkpoint(resources_kept(turn.state))
        turn.do(ForgetVolume(message.token))


def recover_volumes(turn: Turn) -> None:
    """Whatever a crash left undone is done, in the order in which it was decided."""
    state = turn.state
    turn.do(RecoverVolumes(tuple(state.doomed)))
    for token, place in state.doomed.items():
        turn.do(RemoveVolume(token, place))
    for place in places(state.total):
        turn.do(MakeVolume(place))


def _fail(turn: Turn, message: ApplyOperation, reason: str) -> None:
    """The master believes it done: tell that it is not, and then all that there is."""
    status = OperationStatus(state="OPERATION_FAILED", message=reason, uuid=_status_uuid(turn, message))
    report = _report(message, status)
    turn.note("operation.failed", type=name_of(message.operation), reason=reason)
    if report is not None:
        turn.checkpoint(OperationKept(report))
    operation_updates.tell(turn, message.uuid, status, report)
    registration.begin_anew(turn)


def _status_uuid(turn: Turn, message: ApplyOperation) -> bytes | None:
    asked = message.framework_id is not None and message.operation_id is not None
    return turn.new_uuid() if asked else None


def _report(message: ApplyOperation, status: OperationStatus) -> OperationReport | None:
    """What is kept until the framework acknowledges it; nothing of an operation without id."""
    if message.framework_id is None or message.operation_id is None:
        return None
    return OperationReport(
        uuid=message.uuid,
        framework_id=message.framework_id,
        operation_id=message.operation_id,
        operation=message.operation,
        status=status,
    )
