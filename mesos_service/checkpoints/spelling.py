"""Records as bytes and back: JSON with the words of the v1 API, one record an object with its ``type``.

What is inside (tasks, executors, frameworks, statuses) is spelt as on the wire, so that an agent of a later version
reads it with the same leniency with which it reads what others send.
"""

from __future__ import annotations

from typing import Final, assert_never

import msgspec

from mesos_service.core.agent import records
from mesos_service.core.agent.records import Termination
from mesos_service.domain.executors import ExecutorInfo, ExecutorType
from mesos_service.domain.ids import ContainerId, ExecutorId, FrameworkId, TaskId
from mesos_service.domain.operations import VolumePlace
from mesos_service.domain.tasks import TaskState
from mesos_service.wire import tasks
from mesos_service.wire.agent_link import AgentDescription, OperationReport
from mesos_service.wire.base import Message
from mesos_service.wire.convert import operations
from mesos_service.wire.convert.infos import (
    executor_from_wire,
    executor_to_wire,
    framework_from_wire,
    framework_to_wire,
    status_from_wire,
    status_to_wire,
    task_from_wire,
    task_to_wire,
)
from mesos_service.wire.convert.link import agent_description_from_wire, agent_description_to_wire
from mesos_service.wire.convert.values import resources_to_wire
from mesos_service.wire.frameworks import FrameworkInfo
from mesos_service.wire.resources import Resource


class _Record(Message, kw_only=True, tag_field="type"):
    pass


class _Ended(Message, kw_only=True):
    """A :class:`Termination`."""

    state: tasks.TaskState
    reason: str
    message: str


class _Agent(_Record, kw_only=True, tag="AGENT"):
    agent: AgentDescription


class _Doomed(Message, kw_only=True):
    """A volume that was destroyed: a :class:`VolumePlace` and the token of its removal."""

    token: str
    role: str
    id: str
    root: str | None = None
    mount: bool = False


class _Resources(_Record, kw_only=True, tag="RESOURCES"):
    made: tuple[Resource, ...] = ()
    doomed: tuple[_Doomed, ...] = ()
    operation: OperationReport | None = None


class _Operation(_Record, kw_only=True, tag="OPERATION"):
    operation: OperationReport


class _OperationForgotten(_Record, kw_only=True, tag="OPERATION_FORGOTTEN"):
    uuid: bytes


class _Framework(_Record, kw_only=True, tag="FRAMEWORK"):
    framework: FrameworkInfo
    terminating: bool = False


class _Executor(_Record, kw_only=True, tag="EXECUTOR"):
    framework_id: str
    executor: tasks.ExecutorInfo
    container_id: str
    launched_at: float
    command: bool = False
    """Whether it is the built-in executor of a command task, for which the wire has no word."""
    registered_at: float | None = None
    ever_sent_task: bool = False
    terminating: bool = False
    termination: _Ended | None = None


class _Task(_Record, kw_only=True, tag="TASK"):
    framework_id: str
    executor_id: str
    task: tasks.TaskInfo
    received_at: float
    group: tuple[str, ...] = ()
    container_id: str | None = None
    launched_at: float | None = None
    kill_started_at: float | None = None
    kill_grace_seconds: float | None = None
    overdue: bool = False
    termination: _Ended | None = None
    statuses: tuple[tasks.TaskStatus, ...] = ()


class _TaskMoved(_Record, kw_only=True, tag="TASK_MOVED"):
    framework_id: str
    task_id: str
    launched_at: float | None = None
    kill_started_at: float | None = None
    kill_grace_seconds: float | None = None
    overdue: bool = False
    termination: _Ended | None = None


class _Update(_Record, kw_only=True, tag="UPDATE"):
    framework_id: str
    status: tasks.TaskStatus
    received_at: float
    executor_id: str | None = None


class _Acknowledged(_Record, kw_only=True, tag="ACK"):
    framework_id: str
    task_id: str
    uuid: bytes


class _Stream(_Record, kw_only=True, tag="STREAM"):
    framework_id: str
    task_id: str
    acknowledged: tuple[bytes, ...] = ()
    pending: tuple[_Update, ...] = ()


class _ExecutorForgotten(_Record, kw_only=True, tag="EXECUTOR_FORGOTTEN"):
    framework_id: str
    executor_id: str
    container_id: str


class _FrameworkForgotten(_Record, kw_only=True, tag="FRAMEWORK_FORGOTTEN"):
    framework_id: str


_Spelt = (
    _Agent
    | _Resources
    | _Operation
    | _OperationForgotten
    | _Framework
    | _Executor
    | _Task
    | _TaskMoved
    | _Update
    | _Acknowledged
    | _Stream
    | _ExecutorForgotten
    | _FrameworkForgotten
)

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final[msgspec.json.Decoder[_Spelt]] = msgspec.json.Decoder(_Spelt)


def encode(record: records.Record) -> bytes:
    """One record, without line breaks."""
    return _ENCODER.encode(_spell(record))


def decode(text: bytes) -> records.Record:
    """Raises ``ValueError`` saying what is wrong with it."""
    try:
        return _read(_DECODER.decode(text))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None


def _spell(record: records.Record) -> _Spelt:
    match record:
        case records.UpdateKept():
            return _update(record)
        case records.UpdateAcknowledged():
            return _Acknowledged(framework_id=record.framework_id, task_id=record.task_id, uuid=record.uuid)
        case records.TaskMoved():
            return _TaskMoved(
                framework_id=record.framework_id,
                task_id=record.task_id,
                launched_at=record.launched_at,
                kill_started_at=record.kill_started_at,
                kill_grace_seconds=record.kill_grace_seconds,
                overdue=record.overdue,
                termination=_ended(record.termination),
            )
        case records.TaskKept():
            return _Task(
                framework_id=record.framework_id,
                executor_id=record.executor_id,
                task=task_to_wire(record.info),
                received_at=record.received_at,
                group=record.group,
                container_id=record.container_id,
                launched_at=record.launched_at,
                kill_started_at=record.kill_started_at,
                kill_grace_seconds=record.kill_grace_seconds,
                overdue=record.overdue,
                termination=_ended(record.termination),
                statuses=tuple(map(status_to_wire, record.statuses)),
            )
        case records.ExecutorKept():
            return _Executor(
                framework_id=record.framework_id,
                executor=executor_to_wire(record.info),
                command=record.info.type is ExecutorType.COMMAND,
                container_id=record.container_id,
                launched_at=record.launched_at,
                registered_at=record.registered_at,
                ever_sent_task=record.ever_sent_task,
                terminating=record.terminating,
                termination=_ended(record.termination),
            )
        case records.ExecutorForgotten():
            return _ExecutorForgotten(
                framework_id=record.framework_id, executor_id=record.executor_id, container_id=record.container_id
            )
        case records.FrameworkKept(info, terminating):
            return _Framework(framework=framework_to_wire(info), terminating=terminating)
        case records.FrameworkForgotten(framework_id):
            return _FrameworkForgotten(framework_id=framework_id)
        case records.StreamKept():
            return _Stream(
                framework_id=record.framework_id,
                task_id=record.task_id,
                acknowledged=record.acknowledged,
                pending=tuple(map(_update, record.pending)),
            )
        case records.ResourcesKept(made, doomed, operation):
            return _Resources(
                made=resources_to_wire(made),
                doomed=tuple(
                    _Doomed(token=token, role=place.role, id=place.id, root=place.root, mount=place.mount)
                    for token, place in doomed
                ),
                operation=None if operation is None else operations.report_to_wire(operation),
            )
        case records.OperationKept(operation):
            return _Operation(operation=operations.report_to_wire(operation))
        case records.OperationForgotten(uuid):
            return _OperationForgotten(uuid=uuid)
        case records.AgentKept(info):
            return _Agent(agent=agent_description_to_wire(info))
        case _:
            assert_never(record)


def _read(spelt: _Spelt) -> records.Record:
    match spelt:
        case _Resources():
            return records.ResourcesKept(
                operations.exact_resources(spelt.made),
                tuple((one.token, VolumePlace(one.role, one.id, one.root, one.mount)) for one in spelt.doomed),
                None if spelt.operation is None else operations.report_from_wire(spelt.operation),
            )
        case _Operation():
            return records.OperationKept(operations.report_from_wire(spelt.operation))
        case _OperationForgotten():
            return records.OperationForgotten(spelt.uuid)
        case _Update():
            return _read_update(spelt)
        case _Acknowledged():
            return records.UpdateAcknowledged(
                framework_id=FrameworkId(spelt.framework_id), task_id=TaskId(spelt.task_id), uuid=spelt.uuid
            )
        case _TaskMoved():
            return records.TaskMoved(
                framework_id=FrameworkId(spelt.framework_id),
                task_id=TaskId(spelt.task_id),
                launched_at=spelt.launched_at,
                kill_started_at=spelt.kill_started_at,
                kill_grace_seconds=spelt.kill_grace_seconds,
                overdue=spelt.overdue,
                termination=_read_ended(spelt.termination),
            )
        case _Task():
            return records.TaskKept(
                framework_id=FrameworkId(spelt.framework_id),
                executor_id=ExecutorId(spelt.executor_id),
                info=task_from_wire(spelt.task),
                received_at=spelt.received_at,
                group=tuple(map(TaskId, spelt.group)),
                container_id=None if spelt.container_id is None else ContainerId(spelt.container_id),
                launched_at=spelt.launched_at,
                kill_started_at=spelt.kill_started_at,
                kill_grace_seconds=spelt.kill_grace_seconds,
                overdue=spelt.overdue,
                termination=_read_ended(spelt.termination),
                statuses=tuple(map(status_from_wire, spelt.statuses)),
            )
        case _Executor():
            return records.ExecutorKept(
                framework_id=FrameworkId(spelt.framework_id),
                info=_read_executor(spelt),
                container_id=ContainerId(spelt.container_id),
                launched_at=spelt.launched_at,
                registered_at=spelt.registered_at,
                ever_sent_task=spelt.ever_sent_task,
                terminating=spelt.terminating,
                termination=_read_ended(spelt.termination),
            )
        case _ExecutorForgotten():
            return records.ExecutorForgotten(
                framework_id=FrameworkId(spelt.framework_id),
                executor_id=ExecutorId(spelt.executor_id),
                container_id=ContainerId(spelt.container_id),
            )
        case _Framework():
            return records.FrameworkKept(framework_from_wire(spelt.framework), spelt.terminating)
        case _FrameworkForgotten():
            return records.FrameworkForgotten(FrameworkId(spelt.framework_id))
        case _Stream():
            return records.StreamKept(
                framework_id=FrameworkId(spelt.framework_id),
                task_id=TaskId(spelt.task_id),
                acknowledged=spelt.acknowledged,
                pending=tuple(map(_read_update, spelt.pending)),
            )
        case _Agent():
            return records.AgentKept(agent_description_from_wire(spelt.agent))
        case _:
            assert_never(spelt)


def _update(record: records.UpdateKept) -> _Update:
    return _Update(
        framework_id=record.framework_id,
        status=status_to_wire(record.status),
        received_at=record.received_at,
        executor_id=record.executor_id,
    )


def _read_update(spelt: _Update) -> records.UpdateKept:
    return records.UpdateKept(
        framework_id=FrameworkId(spelt.framework_id),
        status=status_from_wire(spelt.status),
        received_at=spelt.received_at,
        executor_id=None if spelt.executor_id is None else ExecutorId(spelt.executor_id),
    )


def _read_executor(spelt: _Executor) -> ExecutorInfo:
    info = executor_from_wire(spelt.executor)
    if not spelt.command:
        return info
    return ExecutorInfo(
        executor_id=info.executor_id,
        type=ExecutorType.COMMAND,
        framework_id=info.framework_id,
        resources=info.resources,
        name=info.name,
        source=info.source,
    )


def _ended(why: Termination | None) -> _Ended | None:
    return None if why is None else _Ended(state=why.state.value, reason=why.reason, message=why.message)


def _read_ended(spelt: _Ended | None) -> Termination | None:
    return None if spelt is None else Termination(TaskState(spelt.state), spelt.reason, spelt.message)
