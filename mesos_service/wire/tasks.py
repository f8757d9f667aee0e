"""Tasks, executors and what is reported of them (mesos.proto)."""

from __future__ import annotations

from typing import Literal

import msgspec

from mesos_service.wire.base import Message, UInt32
from mesos_service.wire.checks import CheckInfo, CheckStatusInfo, HealthCheck
from mesos_service.wire.common import AgentID, DurationInfo, ExecutorID, FrameworkID, Labels, TaskID, TimeInfo
from mesos_service.wire.containers import CommandInfo, ContainerInfo, ContainerStatus
from mesos_service.wire.resources import Resource, ValueLimit

ExecutorInfoType = Literal["UNKNOWN", "DEFAULT", "CUSTOM"]
TaskState = Literal[
    "TASK_STAGING",
    "TASK_STARTING",
    "TASK_RUNNING",
    "TASK_KILLING",
    "TASK_FINISHED",
    "TASK_FAILED",
    "TASK_KILLED",
    "TASK_ERROR",
    "TASK_LOST",
    "TASK_DROPPED",
    "TASK_UNREACHABLE",
    "TASK_GONE",
    "TASK_GONE_BY_OPERATOR",
    "TASK_UNKNOWN",
]
TaskStatusSource = Literal["SOURCE_MASTER", "SOURCE_AGENT", "SOURCE_EXECUTOR"]
TaskStatusReason = Literal[
    "REASON_COMMAND_EXECUTOR_FAILED",
    "REASON_CONTAINER_LAUNCH_FAILED",
    "REASON_CONTAINER_LIMITATION",
    "REASON_CONTAINER_LIMITATION_DISK",
    "REASON_CONTAINER_LIMITATION_MEMORY",
    "REASON_CONTAINER_PREEMPTED",
    "REASON_CONTAINER_UPDATE_FAILED",
    "REASON_MAX_COMPLETION_TIME_REACHED",
    "REASON_EXECUTOR_REGISTRATION_TIMEOUT",
    "REASON_EXECUTOR_REREGISTRATION_TIMEOUT",
    "REASON_EXECUTOR_TERMINATED",
    "REASON_EXECUTOR_UNREGISTERED",
    "REASON_FRAMEWORK_REMOVED",
    "REASON_GC_ERROR",
    "REASON_INVALID_FRAMEWORKID",
    "REASON_INVALID_OFFERS",
    "REASON_IO_SWITCHBOARD_EXITED",
    "REASON_MASTER_DISCONNECTED",
    "REASON_RECONCILIATION",
    "REASON_RESOURCES_UNKNOWN",
    "REASON_AGENT_DISCONNECTED",
    "REASON_AGENT_DRAINING",
    "REASON_AGENT_REMOVED",
    "REASON_AGENT_REMOVED_BY_OPERATOR",
    "REASON_AGENT_REREGISTERED",
    "REASON_AGENT_RESTARTED",
    "REASON_AGENT_UNKNOWN",
    "REASON_TASK_KILLED_DURING_LAUNCH",
    "REASON_TASK_CHECK_STATUS_UPDATED",
    "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED",
    "REASON_TASK_GROUP_INVALID",
    "REASON_TASK_GROUP_UNAUTHORIZED",
    "REASON_TASK_INVALID",
    "REASON_TASK_UNAUTHORIZED",
    "REASON_TASK_UNKNOWN",
]
DiscoveryInfoVisibility = Literal["FRAMEWORK", "CLUSTER", "EXTERNAL"]


class KillPolicy(Message, kw_only=True):
    """How long a task may take between SIGTERM and SIGKILL."""

    grace_period: DurationInfo | None = None


class ExecutorInfo(Message, kw_only=True):
    """A custom executor has a command; the default executor and command tasks have none."""

    type: ExecutorInfoType | None = None
    executor_id: ExecutorID
    framework_id: FrameworkID | None = None
    command: CommandInfo | None = None
    container: ContainerInfo | None = None
    resources: tuple[Resource, ...] = ()
    name: str | None = None
    source: str | None = None
    data: bytes | None = None
    discovery: DiscoveryInfo | None = None
    shutdown_grace_period: DurationInfo | None = None
    labels: Labels | None = None


class TaskInfo(Message, kw_only=True):
    """Exactly one of ``executor`` and ``command`` is set, save within a task group. ``limits`` may be "Infinity"."""

    name: str
    task_id: TaskID
    agent_id: AgentID
    resources: tuple[Resource, ...] = ()
    executor: ExecutorInfo | None = None
    command: CommandInfo | None = None
    container: ContainerInfo | None = None
    health_check: HealthCheck | None = None
    check: CheckInfo | None = None
    kill_policy: KillPolicy | None = None
    data: bytes | None = None
    labels: Labels | None = None
    discovery: DiscoveryInfo | None = None
    max_completion_time: DurationInfo | None = None
    limits: dict[str, ValueLimit] = msgspec.field(default_factory=dict)


class TaskGroupInfo(Message, kw_only=True):
    tasks: tuple[TaskInfo, ...] = ()


class Task(Message, kw_only=True):
    """A task as masters and agents list it; ``statuses`` are the latest ones, without their data."""

    name: str
    task_id: TaskID
    framework_id: FrameworkID
    executor_id: ExecutorID | None = None
    agent_id: AgentID
    state: TaskState
    resources: tuple[Resource, ...] = ()
    statuses: tuple[TaskStatus, ...] = ()
    status_update_state: TaskState | None = None
    status_update_uuid: bytes | None = None
    labels: Labels | None = None
    discovery: DiscoveryInfo | None = None
    container: ContainerInfo | None = None
    health_check: HealthCheck | None = None
    kill_policy: KillPolicy | None = None
    user: str | None = None
    limits: dict[str, ValueLimit] = msgspec.field(default_factory=dict)


class TaskResourceLimitation(Message, kw_only=True):
    resources: tuple[Resource, ...] = ()


class TaskStatus(Message, kw_only=True):
    """``timestamp`` is unix seconds; ``uuid`` is 16 bytes, and absent when nobody waits for an acknowledgement."""

    task_id: TaskID
    state: TaskState
    message: str | None = None
    source: TaskStatusSource | None = None
    reason: TaskStatusReason | None = None
    data: bytes | None = None
    agent_id: AgentID | None = None
    executor_id: ExecutorID | None = None
    timestamp: float | None = None
    uuid: bytes | None = None
    healthy: bool | None = None
    check_status: CheckStatusInfo | None = None
    labels: Labels | None = None
    container_status: ContainerStatus | None = None
    unreachable_time: TimeInfo | None = None
    limitation: TaskResourceLimitation | None = None


class Port(Message, kw_only=True):
    number: UInt32
    name: str | None = None
    protocol: str | None = None
    visibility: DiscoveryInfoVisibility | None = None
    labels: Labels | None = None


class Ports(Message, kw_only=True):
    ports: tuple[Port, ...] = ()


class DiscoveryInfo(Message, kw_only=True):
    visibility: DiscoveryInfoVisibility
    name: str | None = None
    environment: str | None = None
    location: str | None = None
    version: str | None = None
    ports: Ports | None = None
    labels: Labels | None = None
