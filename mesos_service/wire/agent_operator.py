"""The operator API of the agent: calls and answers (Mesos: agent.proto).

The calls that configure storage resource providers are known by name only.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from mesos_service.wire.agents import AgentInfo, ResourceProviderInfo
from mesos_service.wire.base import Int32, Message, printed
from mesos_service.wire.common import (
    ContainerID,
    DurationInfo,
    ExecutorID,
    FrameworkID,
    TimeInfo,
)
from mesos_service.wire.containers import CommandInfo, ContainerInfo, ContainerStatus, Image, TTYInfo
from mesos_service.wire.frameworks import FrameworkInfo
from mesos_service.wire.operator_common import (
    CallGetMetrics,
    CallListFiles,
    CallReadFile,
    CallSetLoggingLevel,
    ResponseGetFlags,
    ResponseGetHealth,
    ResponseGetLoggingLevel,
    ResponseGetMetrics,
    ResponseGetOperations,
    ResponseGetVersion,
    ResponseListFiles,
    ResponseReadFile,
)
from mesos_service.wire.policy import DrainConfig
from mesos_service.wire.resources import Resource, ValueLimit
from mesos_service.wire.statistics import ResourceStatistics
from mesos_service.wire.tasks import ExecutorInfo, Task, TaskResourceLimitation, TaskState, TaskStatusReason

CallType = Literal[
    "UNKNOWN",
    "GET_HEALTH",
    "GET_FLAGS",
    "GET_VERSION",
    "GET_METRICS",
    "GET_LOGGING_LEVEL",
    "SET_LOGGING_LEVEL",
    "LIST_FILES",
    "READ_FILE",
    "GET_STATE",
    "GET_CONTAINERS",
    "GET_FRAMEWORKS",
    "GET_EXECUTORS",
    "GET_OPERATIONS",
    "GET_TASKS",
    "GET_AGENT",
    "GET_RESOURCE_PROVIDERS",
    "LAUNCH_NESTED_CONTAINER",
    "WAIT_NESTED_CONTAINER",
    "KILL_NESTED_CONTAINER",
    "REMOVE_NESTED_CONTAINER",
    "LAUNCH_NESTED_CONTAINER_SESSION",
    "ATTACH_CONTAINER_INPUT",
    "ATTACH_CONTAINER_OUTPUT",
    "LAUNCH_CONTAINER",
    "WAIT_CONTAINER",
    "KILL_CONTAINER",
    "REMOVE_CONTAINER",
    "ADD_RESOURCE_PROVIDER_CONFIG",
    "UPDATE_RESOURCE_PROVIDER_CONFIG",
    "REMOVE_RESOURCE_PROVIDER_CONFIG",
    "MARK_RESOURCE_PROVIDER_GONE",
    "PRUNE_IMAGES",
]
CallAttachContainerInputType = Literal["UNKNOWN", "CONTAINER_ID", "PROCESS_IO"]
ResponseType = Literal[
    "UNKNOWN",
    "GET_HEALTH",
    "GET_FLAGS",
    "GET_VERSION",
    "GET_METRICS",
    "GET_LOGGING_LEVEL",
    "LIST_FILES",
    "READ_FILE",
    "GET_STATE",
    "GET_CONTAINERS",
    "GET_FRAMEWORKS",
    "GET_EXECUTORS",
    "GET_OPERATIONS",
    "GET_TASKS",
    "GET_AGENT",
    "GET_RESOURCE_PROVIDERS",
    "WAIT_NESTED_CONTAINER",
    "WAIT_CONTAINER",
]
ProcessIOType = Literal["UNKNOWN", "DATA", "CONTROL"]
ProcessIODataType = Literal["UNKNOWN", "STDIN", "STDOUT", "STDERR"]
ProcessIOControlType = Literal["UNKNOWN", "TTY_INFO", "HEARTBEAT"]


class Call(Message, kw_only=True):
    """What an operator asks of an agent."""

    type: CallType | None = None
    get_metrics: CallGetMetrics | None = None
    set_logging_level: CallSetLoggingLevel | None = None
    list_files: CallListFiles | None = None
    read_file: CallReadFile | None = None
    get_containers: CallGetContainers | None = None
    launch_nested_container: CallLaunchNestedContainer | None = None
    wait_nested_container: CallWaitNestedContainer | None = None
    kill_nested_container: CallKillNestedContainer | None = None
    remove_nested_container: CallRemoveNestedContainer | None = None
    launch_nested_container_session: CallLaunchNestedContainerSession | None = None
    attach_container_input: CallAttachContainerInput | None = None
    attach_container_output: CallAttachContainerOutput | None = None
    launch_container: CallLaunchContainer | None = None
    wait_container: CallWaitContainer | None = None
    kill_container: CallKillContainer | None = None
    remove_container: CallRemoveContainer | None = None
    prune_images: CallPruneImages | None = None


class CallPruneImages(Message, kw_only=True):
    excluded_images: tuple[Image, ...] = ()


class CallGetContainers(Message, kw_only=True):
    show_nested: bool | None = None
    show_standalone: bool | None = None


class CallLaunchNestedContainer(Message, kw_only=True):
    container_id: ContainerID
    command: CommandInfo | None = None
    container: ContainerInfo | None = None


class CallWaitNestedContainer(Message, kw_only=True):
    container_id: ContainerID


class CallKillNestedContainer(Message, kw_only=True):
    container_id: ContainerID
    signal: Int32 | None = None


class CallRemoveNestedContainer(Message, kw_only=True):
    container_id: ContainerID


class CallLaunchNestedContainerSession(Message, kw_only=True):
    container_id: ContainerID
    command: CommandInfo | None = None
    container: ContainerInfo | None = None


class CallAttachContainerInput(Message, kw_only=True):
    type: CallAttachContainerInputType | None = None
    container_id: ContainerID | None = None
    process_io: ProcessIO | None = None


class CallAttachContainerOutput(Message, kw_only=True):
    container_id: ContainerID


class CallLaunchContainer(Message, kw_only=True):
    container_id: ContainerID
    command: CommandInfo | None = None
    resources: tuple[Resource, ...] = ()
    container: ContainerInfo | None = None
    limits: dict[str, ValueLimit] = msgspec.field(default_factory=dict)


class CallWaitContainer(Message, kw_only=True):
    container_id: ContainerID


class CallKillContainer(Message, kw_only=True):
    container_id: ContainerID
    signal: Int32 | None = None


class CallRemoveContainer(Message, kw_only=True):
    container_id: ContainerID


class Response(Message, kw_only=True):
    """The agent's answer: the type of the call and one sub-message, or none."""

    type: ResponseType | None = None
    get_health: ResponseGetHealth | None = None
    get_flags: ResponseGetFlags | None = None
    get_version: ResponseGetVersion | None = None
    get_metrics: ResponseGetMetrics | None = None
    get_logging_level: ResponseGetLoggingLevel | None = None
    list_files: ResponseListFiles | None = None
    read_file: ResponseReadFile | None = None
    get_state: ResponseGetState | None = None
    get_containers: ResponseGetContainers | None = None
    get_frameworks: ResponseGetFrameworks | None = None
    get_executors: ResponseGetExecutors | None = None
    get_operations: ResponseGetOperations | None = None
    get_tasks: ResponseGetTasks | None = None
    get_agent: ResponseGetAgent | None = None
    get_resource_providers: ResponseGetResourceProviders | None = None
    wait_nested_container: ResponseWaitNestedContainer | None = None
    wait_container: ResponseWaitContainer | None = None


class ResponseGetState(Message, kw_only=True):
    get_tasks: ResponseGetTasks | None = None
    get_executors: ResponseGetExecutors | None = None
    get_frameworks: ResponseGetFrameworks | None = None


class ResponseGetContainers(Message, kw_only=True):
    containers: tuple[ResponseGetContainersContainer, ...] = ()


class ResponseGetContainersContainer(Message, kw_only=True):
    framework_id: FrameworkID | None = None
    executor_id: ExecutorID | None = None
    executor_name: str | None = None
    container_id: ContainerID
    container_status: ContainerStatus | None = None
    resource_statistics: ResourceStatistics | None = None


class ResponseGetFrameworks(Message, kw_only=True):
    frameworks: tuple[ResponseGetFrameworksFramework, ...] = printed(())
    completed_frameworks: tuple[ResponseGetFrameworksFramework, ...] = printed(())


class ResponseGetFrameworksFramework(Message, kw_only=True):
    framework_info: FrameworkInfo


class ResponseGetExecutors(Message, kw_only=True):
    executors: tuple[ResponseGetExecutorsExecutor, ...] = printed(())
    completed_executors: tuple[ResponseGetExecutorsExecutor, ...] = printed(())


class ResponseGetExecutorsExecutor(Message, kw_only=True):
    executor_info: ExecutorInfo


class ResponseGetTasks(Message, kw_only=True):
    pending_tasks: tuple[Task, ...] = printed(())
    queued_tasks: tuple[Task, ...] = printed(())
    launched_tasks: tuple[Task, ...] = printed(())
    terminated_tasks: tuple[Task, ...] = printed(())
    completed_tasks: tuple[Task, ...] = printed(())


class ResponseGetAgent(Message, kw_only=True):
    agent_info: AgentInfo | None = None
    drain_config: DrainConfig | None = None
    estimated_drain_start_time: TimeInfo | None = None


class ResponseGetResourceProviders(Message, kw_only=True):
    resource_providers: tuple[ResponseGetResourceProvidersResourceProvider, ...] = ()


class ResponseGetResourceProvidersResourceProvider(Message, kw_only=True):
    resource_provider_info: ResourceProviderInfo
    total_resources: tuple[Resource, ...] = ()


class ResponseWaitNestedContainer(Message, kw_only=True):
    exit_status: Int32 | None = None
    state: TaskState | None = None
    reason: TaskStatusReason | None = None
    limitation: TaskResourceLimitation | None = None
    message: str | None = None


class ResponseWaitContainer(Message, kw_only=True):
    exit_status: Int32 | None = None
    state: TaskState | None = None
    reason: TaskStatusReason | None = None
    limitation: TaskResourceLimitation | None = None
    message: str | None = None


class ProcessIO(Message, kw_only=True):
    type: ProcessIOType | None = None
    data: ProcessIOData | None = None
    control: ProcessIOControl | None = None


class ProcessIOData(Message, kw_only=True):
    type: ProcessIODataType | None = None
    data: bytes | None = None


class ProcessIOControl(Message, kw_only=True):
    type: ProcessIOControlType | None = None
    tty_info: TTYInfo | None = None
    heartbeat: ProcessIOControlHeartbeat | None = None


class ProcessIOControlHeartbeat(Message, kw_only=True):
    interval: DurationInfo | None = None
