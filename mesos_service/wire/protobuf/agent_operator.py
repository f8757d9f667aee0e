"""Numbers of fields and values: the agent's operator API (see ``table``)."""

from __future__ import annotations

from typing import Final

from mesos_service.wire import agent_operator
from mesos_service.wire.protobuf.notation import Enums, Fields

FIELDS: Final[Fields] = {
    agent_operator.Call: (
        "type=1 get_metrics=2 set_logging_level=3 list_files=4 read_file=5 get_containers=20 "
        "launch_nested_container=6 wait_nested_container=7 kill_nested_container=8 remove_nested_container=12 "
        "launch_nested_container_session=9 attach_container_input=10 attach_container_output=11 "
        "launch_container=13 wait_container=14 kill_container=15 remove_container=16 prune_images=21"
    ),
    agent_operator.CallPruneImages: "excluded_images=1",
    agent_operator.CallGetContainers: "show_nested=1 show_standalone=2",
    agent_operator.CallLaunchNestedContainer: "container_id=1 command=2 container=3",
    agent_operator.CallWaitNestedContainer: "container_id=1",
    agent_operator.CallKillNestedContainer: "container_id=1 signal=2",
    agent_operator.CallRemoveNestedContainer: "container_id=1",
    agent_operator.CallLaunchNestedContainerSession: "container_id=1 command=2 container=3",
    agent_operator.CallAttachContainerInput: "type=1 container_id=2 process_io=3",
    agent_operator.CallAttachContainerOutput: "container_id=1",
    agent_operator.CallLaunchContainer: "container_id=1 command=2 resources=3 container=4 limits=5",
    agent_operator.CallWaitContainer: "container_id=1",
    agent_operator.CallKillContainer: "container_id=1 signal=2",
    agent_operator.CallRemoveContainer: "container_id=1",
    agent_operator.Response: (
        "type=1 get_health=2 get_flags=3 get_version=4 get_metrics=5 get_logging_level=6 list_files=7 "
        "read_file=8 get_state=9 get_containers=10 get_frameworks=11 get_executors=12 get_operations=18 "
        "get_tasks=13 get_agent=15 get_resource_providers=17 wait_nested_container=14 wait_container=16"
    ),
    agent_operator.ResponseGetState: "get_tasks=1 get_executors=2 get_frameworks=3",
    agent_operator.ResponseGetContainers: "containers=1",
    agent_operator.ResponseGetContainersContainer: (
        "framework_id=1 executor_id=2 executor_name=3 container_id=4 container_status=5 resource_statistics=6"
    ),
    agent_operator.ResponseGetFrameworks: "frameworks=1 completed_frameworks=2",
    agent_operator.ResponseGetFrameworksFramework: "framework_info=1",
    agent_operator.ResponseGetExecutors: "executors=1 completed_executors=2",
    agent_operator.ResponseGetExecutorsExecutor: "executor_info=1",
    agent_operator.ResponseGetTasks: (
        "pending_tasks=1 queued_tasks=2 launched_tasks=3 terminated_tasks=4 completed_tasks=5"
    ),
    agent_operator.ResponseGetAgent: "agent_info=1 drain_config=2 estimated_drain_start_time=3",
    agent_operator.ResponseGetResourceProviders: "resource_providers=1",
    agent_operator.ResponseGetResourceProvidersResourceProvider: "resource_provider_info=1 total_resources=2",
    agent_operator.ResponseWaitNestedContainer: "exit_status=1 state=2 reason=3 limitation=4 message=5",
    agent_operator.ResponseWaitContainer: "exit_status=1 state=2 reason=3 limitation=4 message=5",
    agent_operator.ProcessIO: "type=1 data=2 control=3",
    agent_operator.ProcessIOData: "type=1 data=2",
    agent_operator.ProcessIOControl: "type=1 tty_info=2 heartbeat=3",
    agent_operator.ProcessIOControlHeartbeat: "interval=1",
}

ENUMS: Final[Enums] = {
    agent_operator.CallType: (
        "UNKNOWN=0 GET_HEALTH=1 GET_FLAGS=2 GET_VERSION=3 GET_METRICS=4 GET_LOGGING_LEVEL=5 "
        "SET_LOGGING_LEVEL=6 LIST_FILES=7 READ_FILE=8 GET_STATE=9 GET_CONTAINERS=10 GET_FRAMEWORKS=11 "
        "GET_EXECUTORS=12 GET_OPERATIONS=31 GET_TASKS=13 GET_AGENT=20 GET_RESOURCE_PROVIDERS=26 "
        "LAUNCH_NESTED_CONTAINER=14 WAIT_NESTED_CONTAINER=15 KILL_NESTED_CONTAINER=16 "
        "REMOVE_NESTED_CONTAINER=21 LAUNCH_NESTED_CONTAINER_SESSION=17 ATTACH_CONTAINER_INPUT=18 "
        "ATTACH_CONTAINER_OUTPUT=19 LAUNCH_CONTAINER=22 WAIT_CONTAINER=23 KILL_CONTAINER=24 "
        "REMOVE_CONTAINER=25 ADD_RESOURCE_PROVIDER_CONFIG=27 UPDATE_RESOURCE_PROVIDER_CONFIG=28 "
        "REMOVE_RESOURCE_PROVIDER_CONFIG=29 MARK_RESOURCE_PROVIDER_GONE=32 PRUNE_IMAGES=30"
    ),
    agent_operator.CallAttachContainerInputType: "UNKNOWN=0 CONTAINER_ID=1 PROCESS_IO=2",
    agent_operator.ResponseType: (
        "UNKNOWN=0 GET_HEALTH=1 GET_FLAGS=2 GET_VERSION=3 GET_METRICS=4 GET_LOGGING_LEVEL=5 LIST_FILES=6 "
        "READ_FILE=7 GET_STATE=8 GET_CONTAINERS=9 GET_FRAMEWORKS=10 GET_EXECUTORS=11 GET_OPERATIONS=17 "
        "GET_TASKS=12 GET_AGENT=14 GET_RESOURCE_PROVIDERS=16 WAIT_NESTED_CONTAINER=13 WAIT_CONTAINER=15"
    ),
    agent_operator.ProcessIOType: "UNKNOWN=0 DATA=1 CONTROL=2",
    agent_operator.ProcessIODataType: "UNKNOWN=0 STDIN=1 STDOUT=2 STDERR=3",
    agent_operator.ProcessIOControlType: "UNKNOWN=0 TTY_INFO=1 HEARTBEAT=2",
}
