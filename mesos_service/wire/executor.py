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
    executor_info: ExecutorInfo
    framework_info: FrameworkInfo
    agent_info: AgentInfo
    container_id: ContainerID | None = None


class EventLaunch(Message, kw_only=True):
    task: TaskInfo


class EventLaunchGroup(Message, kw_only=True):
    task_group: TaskGroupInfo


class EventKill(Message, kw_only=True):
    task_id: TaskID
    kill_policy: KillPolicy | None = None


class EventAcknowledged(Message, kw_only=True):
    task_id: TaskID
    uuid: bytes


class EventMessage(Message, kw_only=True):
    data: bytes


class EventError(Message, kw_only=True):
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
    unacknowledged_tasks: tuple[TaskInfo, ...] = ()
    unacknowledged_updates: tuple[CallUpdate, ...] = ()


class CallUpdate(Message, kw_only=True):
    status: TaskStatus


class CallMessage(Message, kw_only=True):
    data: bytes
