"""The operator API of the master: calls, answers and the event stream (Mesos: master.proto).

Answers with lists of tasks, executors, frameworks or agents print them even when they are empty (recorded so).
"""

from __future__ import annotations

from typing import Literal

from mesos_service.wire.agents import AgentInfo, AgentInfoCapability, MasterInfo, ResourceProviderInfo
from mesos_service.wire.base import Int64, Message, printed
from mesos_service.wire.common import (
    AgentID,
    FrameworkID,
    MachineID,
    ProtobufDuration,
    TimeInfo,
)
from mesos_service.wire.constraints import OfferConstraints
from mesos_service.wire.frameworks import FrameworkInfo
from mesos_service.wire.offers import InverseOffer, Offer
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
from mesos_service.wire.policy import (
    ClusterStatus,
    DrainInfo,
    QuotaConfig,
    QuotaRequest,
    QuotaStatus,
    Role,
    Schedule,
    WeightInfo,
)
from mesos_service.wire.resources import Resource, ValueScalar
from mesos_service.wire.tasks import ExecutorInfo, Task, TaskState, TaskStatus

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
    "GET_AGENTS",
    "GET_FRAMEWORKS",
    "GET_EXECUTORS",
    "GET_OPERATIONS",
    "GET_TASKS",
    "GET_ROLES",
    "GET_WEIGHTS",
    "UPDATE_WEIGHTS",
    "GET_MASTER",
    "SUBSCRIBE",
    "RESERVE_RESOURCES",
    "UNRESERVE_RESOURCES",
    "CREATE_VOLUMES",
    "DESTROY_VOLUMES",
    "GROW_VOLUME",
    "SHRINK_VOLUME",
    "GET_MAINTENANCE_STATUS",
    "GET_MAINTENANCE_SCHEDULE",
    "UPDATE_MAINTENANCE_SCHEDULE",
    "START_MAINTENANCE",
    "STOP_MAINTENANCE",
    "DRAIN_AGENT",
    "DEACTIVATE_AGENT",
    "REACTIVATE_AGENT",
    "GET_QUOTA",
    "UPDATE_QUOTA",
    "SET_QUOTA",
    "REMOVE_QUOTA",
    "TEARDOWN",
    "MARK_AGENT_GONE",
]
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
    "GET_AGENTS",
    "GET_FRAMEWORKS",
    "GET_EXECUTORS",
    "GET_OPERATIONS",
    "GET_TASKS",
    "GET_ROLES",
    "GET_WEIGHTS",
    "GET_MASTER",
    "GET_MAINTENANCE_STATUS",
    "GET_MAINTENANCE_SCHEDULE",
    "GET_QUOTA",
]
EventType = Literal[
    "UNKNOWN",
    "SUBSCRIBED",
    "TASK_ADDED",
    "TASK_UPDATED",
    "AGENT_ADDED",
    "AGENT_REMOVED",
    "FRAMEWORK_ADDED",
    "FRAMEWORK_UPDATED",
    "FRAMEWORK_REMOVED",
    "HEARTBEAT",
]


class Call(Message, kw_only=True):
    """What an operator asks of the master."""

    type: CallType | None = None
    get_metrics: CallGetMetrics | None = None
    set_logging_level: CallSetLoggingLevel | None = None
    list_files: CallListFiles | None = None
    read_file: CallReadFile | None = None
    update_weights: CallUpdateWeights | None = None
    reserve_resources: CallReserveResources | None = None
    unreserve_resources: CallUnreserveResources | None = None
    create_volumes: CallCreateVolumes | None = None
    destroy_volumes: CallDestroyVolumes | None = None
    grow_volume: CallGrowVolume | None = None
    shrink_volume: CallShrinkVolume | None = None
    update_maintenance_schedule: CallUpdateMaintenanceSchedule | None = None
    start_maintenance: CallStartMaintenance | None = None
    stop_maintenance: CallStopMaintenance | None = None
    drain_agent: CallDrainAgent | None = None
    deactivate_agent: CallDeactivateAgent | None = None
    reactivate_agent: CallReactivateAgent | None = None
    update_quota: CallUpdateQuota | None = None
    teardown: CallTeardown | None = None
    mark_agent_gone: CallMarkAgentGone | None = None
    set_quota: CallSetQuota | None = None
    remove_quota: CallRemoveQuota | None = None


class CallUpdateWeights(Message, kw_only=True):
    weight_infos: tuple[WeightInfo, ...] = ()


class CallReserveResources(Message, kw_only=True):
    agent_id: AgentID
    source: tuple[Resource, ...] = ()
    resources: tuple[Resource, ...] = ()


class CallUnreserveResources(Message, kw_only=True):
    agent_id: AgentID
    resources: tuple[Resource, ...] = ()


class CallCreateVolumes(Message, kw_only=True):
    agent_id: AgentID
    volumes: tuple[Resource, ...] = ()


class CallDestroyVolumes(Message, kw_only=True):
    agent_id: AgentID
    volumes: tuple[Resource, ...] = ()


class CallGrowVolume(Message, kw_only=True):
    agent_id: AgentID | None = None
    volume: Resource
    addition: Resource


class CallShrinkVolume(Message, kw_only=True):
    agent_id: AgentID | None = None
    volume: Resource
    subtract: ValueScalar


class CallUpdateMaintenanceSchedule(Message, kw_only=True):
    schedule: Schedule


class CallStartMaintenance(Message, kw_only=True):
    machines: tuple[MachineID, ...] = ()


class CallStopMaintenance(Message, kw_only=True):
    machines: tuple[MachineID, ...] = ()


class CallDrainAgent(Message, kw_only=True):
    agent_id: AgentID
    max_grace_period: ProtobufDuration | None = None
    mark_gone: bool = printed(False)


class CallDeactivateAgent(Message, kw_only=True):
    agent_id: AgentID


class CallReactivateAgent(Message, kw_only=True):
    agent_id: AgentID


class CallUpdateQuota(Message, kw_only=True):
    force: bool | None = None
    quota_configs: tuple[QuotaConfig, ...] = ()


class CallSetQuota(Message, kw_only=True):
    quota_request: QuotaRequest


class CallRemoveQuota(Message, kw_only=True):
    role: str


class CallTeardown(Message, kw_only=True):
    framework_id: FrameworkID


class CallMarkAgentGone(Message, kw_only=True):
    agent_id: AgentID


class Response(Message, kw_only=True):
    """The master's answer: the type of the call and one sub-message, or none."""

    type: ResponseType | None = None
    get_health: ResponseGetHealth | None = None
    get_flags: ResponseGetFlags | None = None
    get_version: ResponseGetVersion | None = None
    get_metrics: ResponseGetMetrics | None = None
    get_logging_level: ResponseGetLoggingLevel | None = None
    list_files: ResponseListFiles | None = None
    read_file: ResponseReadFile | None = None
    get_state: ResponseGetState | None = None
    get_agents: ResponseGetAgents | None = None
    get_frameworks: ResponseGetFrameworks | None = None
    get_executors: ResponseGetExecutors | None = None
    get_operations: ResponseGetOperations | None = None
    get_tasks: ResponseGetTasks | None = None
    get_roles: ResponseGetRoles | None = None
    get_weights: ResponseGetWeights | None = None
    get_master: ResponseGetMaster | None = None
    get_maintenance_status: ResponseGetMaintenanceStatus | None = None
    get_maintenance_schedule: ResponseGetMaintenanceSchedule | None = None
    get_quota: ResponseGetQuota | None = None


class ResponseGetState(Message, kw_only=True):
    get_tasks: ResponseGetTasks | None = None
    get_executors: ResponseGetExecutors | None = None
    get_frameworks: ResponseGetFrameworks | None = None
    get_agents: ResponseGetAgents | None = None


class ResponseGetAgents(Message, kw_only=True):
    agents: tuple[ResponseGetAgentsAgent, ...] = printed(())
    recovered_agents: tuple[AgentInfo, ...] = printed(())


class ResponseGetAgentsAgent(Message, kw_only=True):
    agent_info: AgentInfo
    active: bool
    deactivated: bool | None = None
    version: str
    pid: str | None = None
    registered_time: TimeInfo | None = None
    reregistered_time: TimeInfo | None = None
    total_resources: tuple[Resource, ...] = ()
    allocated_resources: tuple[Resource, ...] = ()
    offered_resources: tuple[Resource, ...] = ()
    capabilities: tuple[AgentInfoCapability, ...] = ()
    resource_providers: tuple[ResponseGetAgentsAgentResourceProvider, ...] = ()
    drain_info: DrainInfo | None = None
    estimated_drain_start_time: TimeInfo | None = None


class ResponseGetAgentsAgentResourceProvider(Message, kw_only=True):
    resource_provider_info: ResourceProviderInfo
    total_resources: tuple[Resource, ...] = ()


class ResponseGetFrameworks(Message, kw_only=True):
    frameworks: tuple[ResponseGetFrameworksFramework, ...] = printed(())
    completed_frameworks: tuple[ResponseGetFrameworksFramework, ...] = printed(())
    recovered_frameworks: tuple[FrameworkInfo, ...] = ()


class ResponseGetFrameworksFramework(Message, kw_only=True):
    """The last two are of frameworks with several schedulers, and not of Mesos (A44)."""

    framework_info: FrameworkInfo
    active: bool
    connected: bool
    recovered: bool
    registered_time: TimeInfo | None = None
    reregistered_time: TimeInfo | None = None
    unregistered_time: TimeInfo | None = None
    offers: tuple[Offer, ...] = ()
    inverse_offers: tuple[InverseOffer, ...] = ()
    allocated_resources: tuple[Resource, ...] = ()
    offered_resources: tuple[Resource, ...] = ()
    offer_constraints: OfferConstraints | None = None
    fencing_token: Int64 | None = None
    standbys: tuple[ResponseGetFrameworksFrameworkStandby, ...] = ()


class ResponseGetFrameworksFrameworkStandby(Message, kw_only=True):
    """A scheduler that stands by; ``heard_time`` is that of its last call, where it has promised any."""

    joined_time: TimeInfo
    heard_time: TimeInfo | None = None
    lease_seconds: float | None = None
    hostname: str | None = None
    principal: str | None = None


class ResponseGetExecutors(Message, kw_only=True):
    executors: tuple[ResponseGetExecutorsExecutor, ...] = printed(())
    orphan_executors: tuple[ResponseGetExecutorsExecutor, ...] = ()


class ResponseGetExecutorsExecutor(Message, kw_only=True):
    executor_info: ExecutorInfo
    agent_id: AgentID


class ResponseGetTasks(Message, kw_only=True):
    pending_tasks: tuple[Task, ...] = ()
    tasks: tuple[Task, ...] = printed(())
    unreachable_tasks: tuple[Task, ...] = printed(())
    completed_tasks: tuple[Task, ...] = printed(())
    orphan_tasks: tuple[Task, ...] = ()


class ResponseGetRoles(Message, kw_only=True):
    roles: tuple[Role, ...] = ()


class ResponseGetWeights(Message, kw_only=True):
    weight_infos: tuple[WeightInfo, ...] = ()


class ResponseGetMaster(Message, kw_only=True):
    master_info: MasterInfo | None = None
    start_time: float | None = None
    elected_time: float | None = None


class ResponseGetMaintenanceStatus(Message, kw_only=True):
    status: ClusterStatus


class ResponseGetMaintenanceSchedule(Message, kw_only=True):
    schedule: Schedule


class ResponseGetQuota(Message, kw_only=True):
    status: QuotaStatus


class Event(Message, kw_only=True):
    """What the master tells subscribed operators."""

    type: EventType | None = None
    subscribed: EventSubscribed | None = None
    task_added: EventTaskAdded | None = None
    task_updated: EventTaskUpdated | None = None
    agent_added: EventAgentAdded | None = None
    agent_removed: EventAgentRemoved | None = None
    framework_added: EventFrameworkAdded | None = None
    framework_updated: EventFrameworkUpdated | None = None
    framework_removed: EventFrameworkRemoved | None = None


class EventSubscribed(Message, kw_only=True):
    get_state: ResponseGetState | None = None
    heartbeat_interval_seconds: float | None = None


class EventTaskAdded(Message, kw_only=True):
    task: Task


class EventTaskUpdated(Message, kw_only=True):
    framework_id: FrameworkID
    status: TaskStatus
    state: TaskState


class EventFrameworkAdded(Message, kw_only=True):
    framework: ResponseGetFrameworksFramework


class EventFrameworkUpdated(Message, kw_only=True):
    framework: ResponseGetFrameworksFramework


class EventFrameworkRemoved(Message, kw_only=True):
    framework_info: FrameworkInfo


class EventAgentAdded(Message, kw_only=True):
    agent: ResponseGetAgentsAgent


class EventAgentRemoved(Message, kw_only=True):
    agent_id: AgentID
