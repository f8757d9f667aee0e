"""Numbers of fields and values: tasks and executors, and the containers they run in (see ``table``)."""

from __future__ import annotations

from typing import Final

from mesos_service.wire import checks, containers, statistics, tasks
from mesos_service.wire.protobuf.notation import Enums, Fields

FIELDS: Final[Fields] = {
    tasks.KillPolicy: "grace_period=1",
    tasks.ExecutorInfo: (
        "type=15 executor_id=1 framework_id=8 command=7 container=11 resources=5 name=9 source=10 data=4 "
        "discovery=12 shutdown_grace_period=13 labels=14"
    ),
    tasks.TaskInfo: (
        "name=1 task_id=2 agent_id=3 resources=4 executor=5 command=7 container=9 health_check=8 check=13 "
        "kill_policy=12 data=6 labels=10 discovery=11 max_completion_time=14 limits=15"
    ),
    tasks.TaskGroupInfo: "tasks=1",
    tasks.Task: (
        "name=1 task_id=2 framework_id=3 executor_id=4 agent_id=5 state=6 resources=7 statuses=8 "
        "status_update_state=9 status_update_uuid=10 labels=11 discovery=12 container=13 health_check=15 "
        "kill_policy=16 user=14 limits=17"
    ),
    tasks.TaskResourceLimitation: "resources=1",
    tasks.TaskStatus: (
        "task_id=1 state=2 message=4 source=9 reason=10 data=3 agent_id=5 executor_id=7 timestamp=6 uuid=11 "
        "healthy=8 check_status=15 labels=12 container_status=13 unreachable_time=14 limitation=16"
    ),
    tasks.Port: "number=1 name=2 protocol=3 visibility=4 labels=5",
    tasks.Ports: "ports=1",
    tasks.DiscoveryInfo: "visibility=1 name=2 environment=3 location=4 version=5 ports=6 labels=7",
    containers.CommandInfo: "uris=1 environment=2 shell=6 value=3 arguments=7 user=5",
    containers.CommandInfoURI: "value=1 executable=2 extract=3 cache=4 output_file=5",
    containers.Environment: "variables=1",
    containers.EnvironmentVariable: "name=1 type=3 value=2 secret=4",
    containers.Credential: "principal=1 secret=2",
    containers.Secret: "type=1 reference=2 value=3",
    containers.SecretReference: "name=1 key=2",
    containers.SecretValue: "data=1",
    containers.Image: "type=1 appc=2 docker=3 cached=4",
    containers.ImageAppc: "name=1 id=2 labels=3",
    containers.ImageDocker: "name=1 credential=2 config=3",
    containers.MountPropagation: "mode=1",
    containers.Volume: "mode=3 container_path=1 host_path=2 image=4 source=5",
    containers.VolumeSource: "type=1 docker_volume=2 host_path=5 sandbox_path=3 secret=4",
    containers.VolumeSourceDockerVolume: "driver=1 name=2 driver_options=3",
    containers.VolumeSourceHostPath: "path=1 mount_propagation=2",
    containers.VolumeSourceSandboxPath: "type=1 path=2",
    containers.NetworkInfo: "ip_addresses=5 name=6 groups=3 labels=4 port_mappings=7",
    containers.NetworkInfoIPAddress: "protocol=1 ip_address=2",
    containers.NetworkInfoPortMapping: "host_port=1 container_port=2 protocol=3",
    containers.CapabilityInfo: "capabilities=1",
    containers.SeccompInfo: "profile_name=1 unconfined=2",
    containers.LinuxInfo: (
        "capability_info=1 bounding_capabilities=2 effective_capabilities=3 share_pid_namespace=4 seccomp=5 "
        "ipc_mode=6 shm_size=7 share_cgroups=8"
    ),
    containers.RLimitInfo: "rlimits=1",
    containers.RLimitInfoRLimit: "type=1 hard=2 soft=3",
    containers.TTYInfo: "window_size=1",
    containers.TTYInfoWindowSize: "rows=1 columns=2",
    containers.ContainerInfo: (
        "type=1 volumes=2 hostname=4 docker=3 mesos=5 network_infos=7 linux_info=8 rlimit_info=9 tty_info=10"
    ),
    containers.ContainerInfoDockerInfo: (
        "image=1 network=2 port_mappings=3 privileged=4 parameters=5 force_pull_image=6 volume_driver=7"
    ),
    containers.ContainerInfoDockerInfoPortMapping: "host_port=1 container_port=2 protocol=3",
    containers.ContainerInfoMesosInfo: "image=1",
    containers.ContainerStatus: "container_id=4 network_infos=1 cgroup_info=2 executor_pid=3",
    containers.CgroupInfo: "net_cls=1",
    containers.CgroupInfoNetCls: "classid=1",
    checks.CheckInfo: "type=1 command=2 http=3 tcp=7 delay_seconds=4 interval_seconds=5 timeout_seconds=6",
    checks.CheckInfoCommand: "command=1",
    checks.CheckInfoHttp: "port=1 path=2",
    checks.CheckInfoTcp: "port=1",
    checks.HealthCheck: (
        "delay_seconds=2 interval_seconds=3 timeout_seconds=4 consecutive_failures=5 grace_period_seconds=6 "
        "type=8 command=7 http=1 tcp=9"
    ),
    checks.HealthCheckHTTPCheckInfo: "protocol=5 scheme=3 port=1 path=2 statuses=4",
    checks.HealthCheckTCPCheckInfo: "protocol=2 port=1",
    checks.CheckStatusInfo: "type=1 command=2 http=3 tcp=4",
    checks.CheckStatusInfoCommand: "exit_code=1",
    checks.CheckStatusInfoHttp: "status_code=1",
    checks.CheckStatusInfoTcp: "succeeded=1",
    statistics.DiskStatistics: "source=1 persistence=2 limit_bytes=3 used_bytes=4",
    statistics.ResourceStatistics: (
        "timestamp=1 processes=30 threads=31 cpus_user_time_secs=2 cpus_system_time_secs=3 cpus_limit=4 "
        "cpus_soft_limit=45 cpus_nr_periods=7 cpus_nr_throttled=8 cpus_throttled_time_secs=9 "
        "mem_total_bytes=36 mem_total_memsw_bytes=37 mem_kmem_usage_bytes=52 mem_kmem_tcp_usage_bytes=53 "
        "mem_limit_bytes=6 mem_soft_limit_bytes=38 mem_file_bytes=10 mem_anon_bytes=11 mem_cache_bytes=39 "
        "mem_rss_bytes=5 mem_mapped_file_bytes=12 mem_swap_bytes=40 mem_unevictable_bytes=41 "
        "mem_low_pressure_counter=32 mem_medium_pressure_counter=33 mem_critical_pressure_counter=34 "
        "disk_limit_bytes=26 disk_used_bytes=27 disk_statistics=43 net_rx_packets=14 net_rx_bytes=15 "
        "net_rx_errors=16 net_rx_dropped=17 net_tx_packets=18 net_tx_bytes=19 net_tx_errors=20 "
        "net_tx_dropped=21 net_tx_rate_limit=46 net_tx_burst_rate_limit=47 net_tx_burst_size=48 "
        "net_rx_rate_limit=49 net_rx_burst_rate_limit=50 net_rx_burst_size=51 net_rate_statistics=54 "
        "net_ephemeral_ports=55 net_tcp_rtt_microsecs_p50=22 net_tcp_rtt_microsecs_p90=23 "
        "net_tcp_rtt_microsecs_p95=24 net_tcp_rtt_microsecs_p99=25 net_tcp_active_connections=28 "
        "net_tcp_time_wait_connections=29"
    ),
    statistics.ResourceStatisticsRatePercentiles: "min=1 max=2 p50=3 p90=4 p95=5 p99=6 p999=7 p9999=8 samples=9",
    statistics.ResourceStatisticsRateStatistics: (
        "rx_rate=1 rx_packet_rate=2 rx_drop_rate=3 rx_error_rate=4 tx_rate=5 tx_packet_rate=6 tx_drop_rate=7 "
        "tx_error_rate=8 sampling_window_secs=9 sampling_interval_secs=10"
    ),
}

ENUMS: Final[Enums] = {
    tasks.ExecutorInfoType: "UNKNOWN=0 DEFAULT=1 CUSTOM=2",
    tasks.TaskState: (
        "TASK_STAGING=6 TASK_STARTING=0 TASK_RUNNING=1 TASK_KILLING=8 TASK_FINISHED=2 TASK_FAILED=3 "
        "TASK_KILLED=4 TASK_ERROR=7 TASK_LOST=5 TASK_DROPPED=9 TASK_UNREACHABLE=10 TASK_GONE=11 "
        "TASK_GONE_BY_OPERATOR=12 TASK_UNKNOWN=13"
    ),
    tasks.TaskStatusSource: "SOURCE_MASTER=0 SOURCE_AGENT=1 SOURCE_EXECUTOR=2",
    tasks.TaskStatusReason: (
        "REASON_COMMAND_EXECUTOR_FAILED=0 REASON_CONTAINER_LAUNCH_FAILED=21 REASON_CONTAINER_LIMITATION=19 "
        "REASON_CONTAINER_LIMITATION_DISK=20 REASON_CONTAINER_LIMITATION_MEMORY=8 "
        "REASON_CONTAINER_PREEMPTED=17 REASON_CONTAINER_UPDATE_FAILED=22 "
        "REASON_MAX_COMPLETION_TIME_REACHED=33 REASON_EXECUTOR_REGISTRATION_TIMEOUT=23 "
        "REASON_EXECUTOR_REREGISTRATION_TIMEOUT=24 REASON_EXECUTOR_TERMINATED=1 "
        "REASON_EXECUTOR_UNREGISTERED=2 REASON_FRAMEWORK_REMOVED=3 REASON_GC_ERROR=4 "
        "REASON_INVALID_FRAMEWORKID=5 REASON_INVALID_OFFERS=6 REASON_IO_SWITCHBOARD_EXITED=27 "
        "REASON_MASTER_DISCONNECTED=7 REASON_RECONCILIATION=9 REASON_RESOURCES_UNKNOWN=18 "
        "REASON_AGENT_DISCONNECTED=10 REASON_AGENT_DRAINING=34 REASON_AGENT_REMOVED=11 "
        "REASON_AGENT_REMOVED_BY_OPERATOR=31 REASON_AGENT_REREGISTERED=32 REASON_AGENT_RESTARTED=12 "
        "REASON_AGENT_UNKNOWN=13 REASON_TASK_KILLED_DURING_LAUNCH=30 REASON_TASK_CHECK_STATUS_UPDATED=28 "
        "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED=29 REASON_TASK_GROUP_INVALID=25 "
        "REASON_TASK_GROUP_UNAUTHORIZED=26 REASON_TASK_INVALID=14 REASON_TASK_UNAUTHORIZED=15 "
        "REASON_TASK_UNKNOWN=16"
    ),
    tasks.DiscoveryInfoVisibility: "FRAMEWORK=0 CLUSTER=1 EXTERNAL=2",
    containers.EnvironmentVariableType: "UNKNOWN=0 VALUE=1 SECRET=2",
    containers.SecretType: "UNKNOWN=0 REFERENCE=1 VALUE=2",
    containers.ImageType: "APPC=1 DOCKER=2",
    containers.MountPropagationMode: "UNKNOWN=0 HOST_TO_CONTAINER=1 BIDIRECTIONAL=2",
    containers.VolumeMode: "RW=1 RO=2",
    containers.VolumeSourceType: "UNKNOWN=0 DOCKER_VOLUME=1 HOST_PATH=4 SANDBOX_PATH=2 SECRET=3 CSI_VOLUME=5",
    containers.VolumeSourceSandboxPathType: "UNKNOWN=0 SELF=1 PARENT=2",
    containers.NetworkInfoProtocol: "IPv4=1 IPv6=2",
    containers.CapabilityInfoCapability: (
        "UNKNOWN=0 CHOWN=1000 DAC_OVERRIDE=1001 DAC_READ_SEARCH=1002 FOWNER=1003 FSETID=1004 KILL=1005 "
        "SETGID=1006 SETUID=1007 SETPCAP=1008 LINUX_IMMUTABLE=1009 NET_BIND_SERVICE=1010 NET_BROADCAST=1011 "
        "NET_ADMIN=1012 NET_RAW=1013 IPC_LOCK=1014 IPC_OWNER=1015 SYS_MODULE=1016 SYS_RAWIO=1017 "
        "SYS_CHROOT=1018 SYS_PTRACE=1019 SYS_PACCT=1020 SYS_ADMIN=1021 SYS_BOOT=1022 SYS_NICE=1023 "
        "SYS_RESOURCE=1024 SYS_TIME=1025 SYS_TTY_CONFIG=1026 MKNOD=1027 LEASE=1028 AUDIT_WRITE=1029 "
        "AUDIT_CONTROL=1030 SETFCAP=1031 MAC_OVERRIDE=1032 MAC_ADMIN=1033 SYSLOG=1034 WAKE_ALARM=1035 "
        "BLOCK_SUSPEND=1036 AUDIT_READ=1037 PERFMON=1038 BPF=1039 CHECKPOINT_RESTORE=1040"
    ),
    containers.LinuxInfoIpcMode: "UNKNOWN=0 PRIVATE=1 SHARE_PARENT=2",
    containers.RLimitInfoRLimitType: (
        "UNKNOWN=0 RLMT_AS=1 RLMT_CORE=2 RLMT_CPU=3 RLMT_DATA=4 RLMT_FSIZE=5 RLMT_LOCKS=6 RLMT_MEMLOCK=7 "
        "RLMT_MSGQUEUE=8 RLMT_NICE=9 RLMT_NOFILE=10 RLMT_NPROC=11 RLMT_RSS=12 RLMT_RTPRIO=13 RLMT_RTTIME=14 "
        "RLMT_SIGPENDING=15 RLMT_STACK=16"
    ),
    containers.ContainerInfoType: "DOCKER=1 MESOS=2",
    containers.ContainerInfoDockerInfoNetwork: "HOST=1 BRIDGE=2 NONE=3 USER=4",
    checks.CheckInfoType: "UNKNOWN=0 COMMAND=1 HTTP=2 TCP=3",
}
