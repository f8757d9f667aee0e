"""Numbers of fields and values: the master's operator API (see ``table``)."""

from __future__ import annotations

from typing import Final

from mesos_service.wire import operator
from mesos_service.wire.protobuf.notation import Enums, Fields

FIELDS: Final[Fields] = {
    operator.Call: (
        "type=1 get_metrics=2 set_logging_level=3 list_files=4 read_file=5 update_weights=6 "
        "reserve_resources=7 unreserve_resources=8 create_volumes=9 destroy_volumes=10 grow_volume=18 "
        "shrink_volume=19 update_maintenance_schedule=11 start_maintenance=12 stop_maintenance=13 "
        "drain_agent=21 deactivate_agent=22 reactivate_agent=23 update_quota=20 teardown=16 "
        "mark_agent_gone=17 set_quota=14 remove_quota=15"
    ),
    operator.CallUpdateWeights: "weight_infos=1",
    operator.CallReserveResources: "agent_id=1 source=3 resources=2",
    operator.CallUnreserveResources: "agent_id=1 resources=2",
    operator.CallCreateVolumes: "agent_id=1 volumes=2",
    operator.CallDestroyVolumes: "agent_id=1 volumes=2",
    operator.CallGrowVolume: "agent_id=1 volume=2 addition=3",
    operator.CallShrinkVolume: "agent_id=1 volume=2 subtract=3",
    operator.CallUpdateMaintenanceSchedule: "schedule=1",
    operator.CallStartMaintenance: "machines=1",
    operator.CallStopMaintenance: "machines=1",
    operator.CallDrainAgent: "agent_id=1 max_grace_period=2 mark_gone=3",
    operator.CallDeactivateAgent: "agent_id=1",
    operator.CallReactivateAgent: "agent_id=1",
    operator.CallUpdateQuota: "force=1 quota_configs=2",
    operator.CallSetQuota: "quota_request=1",
    operator.CallRemoveQuota: "role=1",
    operator.CallTeardown: "framework_id=1",
    operator.CallMarkAgentGone: "agent_id=1",
    operator.Response: (
        "type=1 get_health=2 get_flags=3 get_version=4 get_metrics=5 get_logging_level=6 list_files=7 "
        "read_file=8 get_state=9 get_agents=10 get_frameworks=11 get_executors=12 get_operations=20 "
        "get_tasks=13 get_roles=14 get_weights=15 get_master=16 get_maintenance_status=17 "
        "get_maintenance_schedule=18 get_quota=19"
    ),
    operator.ResponseGetState: "get_tasks=1 get_executors=2 get_frameworks=3 get_agents=4",
    operator.ResponseGetAgents: "agents=1 recovered_agents=2",
    operator.ResponseGetAgentsAgent: (
        "agent_info=1 active=2 deactivated=12 version=3 pid=4 registered_time=5 reregistered_time=6 "
        "total_resources=7 allocated_resources=8 offered_resources=9 capabilities=10 resource_providers=11 "
        "drain_info=13 estimated_drain_start_time=14"
    ),
    operator.ResponseGetAgentsAgentResourceProvider: "resource_provider_info=1 total_resources=2",
    operator.ResponseGetFrameworks: "frameworks=1 completed_frameworks=2 recovered_frameworks=3",
    operator.ResponseGetFrameworksFramework: (
        "framework_info=1 active=2 connected=3 recovered=11 registered_time=4 reregistered_time=5 "
        "unregistered_time=6 offers=7 inverse_offers=8 allocated_resources=9 offered_resources=10 "
        "offer_constraints=12 fencing_token=- standbys=-"
    ),
    operator.ResponseGetExecutors: "executors=1 orphan_executors=2",
    operator.ResponseGetExecutorsExecutor: "executor_info=1 agent_id=2",
    operator.ResponseGetTasks: "pending_tasks=1 tasks=2 unreachable_tasks=5 completed_tasks=3 orphan_tasks=4",
    operator.ResponseGetRoles: "roles=1",
    operator.ResponseGetWeights: "weight_infos=1",
    operator.ResponseGetMaster: "master_info=1 start_time=2 elected_time=3",
    operator.ResponseGetMaintenanceStatus: "status=1",
    operator.ResponseGetMaintenanceSchedule: "schedule=1",
    operator.ResponseGetQuota: "status=1",
    operator.Event: (
        "type=1 subscribed=2 task_added=3 task_updated=4 agent_added=5 agent_removed=6 framework_added=7 "
        "framework_updated=8 framework_removed=9"
    ),
    operator.EventSubscribed: "get_state=1 heartbeat_interval_seconds=2",
    operator.EventTaskAdded: "task=1",
    operator.EventTaskUpdated: "framework_id=1 status=2 state=3",
    operator.EventFrameworkAdded: "framework=1",
    operator.EventFrameworkUpdated: "framework=1",
    operator.EventFrameworkRemoved: "framework_info=1",
    operator.EventAgentAdded: "agent=1",
    operator.EventAgentRemoved: "agent_id=1",
}

ENUMS: Final[Enums] = {
    operator.CallType: (
        "UNKNOWN=0 GET_HEALTH=1 GET_FLAGS=2 GET_VERSION=3 GET_METRICS=4 GET_LOGGING_LEVEL=5 "
        "SET_LOGGING_LEVEL=6 LIST_FILES=7 READ_FILE=8 GET_STATE=9 GET_AGENTS=10 GET_FRAMEWORKS=11 "
        "GET_EXECUTORS=12 GET_OPERATIONS=33 GET_TASKS=13 GET_ROLES=14 GET_WEIGHTS=15 UPDATE_WEIGHTS=16 "
        "GET_MASTER=17 SUBSCRIBE=18 RESERVE_RESOURCES=19 UNRESERVE_RESOURCES=20 CREATE_VOLUMES=21 "
        "DESTROY_VOLUMES=22 GROW_VOLUME=34 SHRINK_VOLUME=35 GET_MAINTENANCE_STATUS=23 "
        "GET_MAINTENANCE_SCHEDULE=24 UPDATE_MAINTENANCE_SCHEDULE=25 START_MAINTENANCE=26 STOP_MAINTENANCE=27 "
        "DRAIN_AGENT=37 DEACTIVATE_AGENT=38 REACTIVATE_AGENT=39 GET_QUOTA=28 UPDATE_QUOTA=36 SET_QUOTA=29 "
        "REMOVE_QUOTA=30 TEARDOWN=31 MARK_AGENT_GONE=32"
    ),
    operator.ResponseType: (
        "UNKNOWN=0 GET_HEALTH=1 GET_FLAGS=2 GET_VERSION=3 GET_METRICS=4 GET_LOGGING_LEVEL=5 LIST_FILES=6 "
        "READ_FILE=7 GET_STATE=8 GET_AGENTS=9 GET_FRAMEWORKS=10 GET_EXECUTORS=11 GET_OPERATIONS=19 "
        "GET_TASKS=12 GET_ROLES=13 GET_WEIGHTS=14 GET_MASTER=15 GET_MAINTENANCE_STATUS=16 "
        "GET_MAINTENANCE_SCHEDULE=17 GET_QUOTA=18"
    ),
    operator.EventType: (
        "UNKNOWN=0 SUBSCRIBED=1 TASK_ADDED=2 TASK_UPDATED=3 AGENT_ADDED=4 AGENT_REMOVED=5 FRAMEWORK_ADDED=6 "
        "FRAMEWORK_UPDATED=7 FRAMEWORK_REMOVED=8 HEARTBEAT=9"
    ),
}
