"""The executor API: one ``Call`` to the agent, a stream of ``Event`` back (Mesos: executor.proto)."""

from __future__ import annotations

from typing import Literal

from mesos_service.wire.agents import AgentInfo
from mesos_service.wire.base import Message
from mesos_service.wire.common import ContainerID, ExecutorID, FrameworkID, TaskID
from mesos_service.wire.frameworks import FrameworkInfo
from mesos_service.wire.tasks import ExecutorInfo, KillPolicy, TaskGroupInfo, TaskInfo, TaskStatus

EventType = Literal[
    "UNKNOWN",
    "SUBSCRIBED",
    "LAUNCH",
    "LAUNCH_GROUP",
    "KILL",
    "ACKNOWLEDGED",
    "MESSAGE",
    "ERROR",
    "SHUTDOWN",
    "HEARTBEAT",
]
CallType = Literal["UNKNOWN", "SUBSCRIBE", "UPDATE", "MESSAGE", "HEARTBEAT"]


class Event(Message, kw_only=True):
    """What an agent sends to an executor."""

    type: EventType | None = None
    subscribed: EventSubscribed | None = None
    acknowledged: EventAcknowledged | None = None
    launch: EventLaunch | None = None
    launch_group: EventLaunchGroup | None = None
    kill: EventKill | None = None
    message: EventMessage | None = None
    error: EventError | None = None


class EventSubscribed(Message, kw_only=True):
    """The first event: who the executor is, for whom and where."""

    executor_info: ExecutorInfo
    framework_info: FrameworkInfo
    agent_info: AgentInfo
    container_id: ContainerID | None = None


class EventLaunch(Message, kw_only=True):
    """Run a task."""

    task: TaskInfo


class EventLaunchGroup(Message, kw_only=True):
    """Run tasks together; one that fails takes the others with it."""

    task_group: TaskGroupInfo


class EventKill(Message, kw_only=True):
    """End a task; ``kill_policy`` takes the place of the task's own."""

    task_id: TaskID
    kill_policy: KillPolicy | None = None


class EventAcknowledged(Message, kw_only=True):
    """The update with this ``uuid`` need not be sent again."""

    task_id: TaskID
    uuid: bytes


class EventMessage(Message, kw_only=True):
    """Opaque bytes from the scheduler."""

    data: bytes


class EventError(Message, kw_only=True):
    """Why the agent closes the stream."""

    message: str


class Call(Message, kw_only=True):
    """What an executor sends to its agent."""

    executor_id: ExecutorID
    framework_id: FrameworkID
    type: CallType | None = None
    subscribe: CallSubscribe | None = None
    update: CallUpdate | None = None
    message: CallMessage | None = None


class CallSubscribe(Message, kw_only=True):
    """Open the stream. After a lost connection it repeats what has not been acknowledged."""

    unacknowledged_tasks: tuple[TaskInfo, ...] = ()
    unacknowledged_updates: tuple[CallUpdate, ...] = ()


class CallUpdate(Message, kw_only=True):
    """A task's state. ``source`` is SOURCE_EXECUTOR and ``uuid`` 16 bytes of the executor's choosing."""

    status: TaskStatus


class CallMessage(Message, kw_only=True):
    """Opaque bytes for the scheduler."""

    data: bytes
