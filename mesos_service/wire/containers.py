"""How a command is run: environment, files to fetch, images, volumes, networks, limits (mesos.proto)."""

from __future__ import annotations

from typing import Literal

from mesos_service.wire.base import Message, UInt32, UInt64, printed
from mesos_service.wire.common import ContainerID, Labels, Parameter, Parameters

EnvironmentVariableType = Literal["UNKNOWN", "VALUE", "SECRET"]
SecretType = Literal["UNKNOWN", "REFERENCE", "VALUE"]
ImageType = Literal["APPC", "DOCKER"]
MountPropagationMode = Literal["UNKNOWN", "HOST_TO_CONTAINER", "BIDIRECTIONAL"]
VolumeMode = Literal["RW", "RO"]
VolumeSourceType = Literal["UNKNOWN", "DOCKER_VOLUME", "HOST_PATH", "SANDBOX_PATH", "SECRET", "CSI_VOLUME"]
VolumeSourceSandboxPathType = Literal["UNKNOWN", "SELF", "PARENT"]
NetworkInfoProtocol = Literal["IPv4", "IPv6"]
CapabilityInfoCapability = Literal[
    "UNKNOWN",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
]
LinuxInfoIpcMode = Literal["UNKNOWN", "PRIVATE", "SHARE_PARENT"]
RLimitInfoRLimitType = Literal[
    "UNKNOWN",
    "RLMT_AS",
    "RLMT_CORE",
    "RLMT_CPU",
    "RLMT_DATA",
    "RLMT_FSIZE",
    "RLMT_LOCKS",
    "RLMT_MEMLOCK",
    "RLMT_MSGQUEUE",
    "RLMT_NICE",
    "RLMT_NOFILE",
    "RLMT_NPROC",
    "RLMT_RSS",
    "RLMT_RTPRIO",
    "RLMT_RTTIME",
    "RLMT_SIGPENDING",
    "RLMT_STACK",
]
ContainerInfoType = Literal["DOCKER", "MESOS"]
ContainerInfoDockerInfoNetwork = Literal["HOST", "BRIDGE", "NONE", "USER"]


class CommandInfo(Message, kw_only=True):
    """With ``shell`` the ``value`` goes to ``/bin/sh -c``; without it, it is the program and ``arguments`` its argv."""

    uris: tuple[CommandInfoURI, ...] = ()
    environment: Environment | None = None
    shell: bool = printed(True)
    value: str | None = None
    arguments: tuple[str, ...] = ()
    user: str | None = None


class CommandInfoURI(Message, kw_only=True):
    value: str
    executable: bool | None = None
    extract: bool = printed(True)
    cache: bool | None = None
    output_file: str | None = None


class Environment(Message, kw_only=True):
    variables: tuple[EnvironmentVariable, ...] = ()


class EnvironmentVariable(Message, kw_only=True):
    name: str
    type: EnvironmentVariableType = printed("VALUE")
    value: str | None = None
    secret: Secret | None = None


class Credential(Message, kw_only=True):
    principal: str
    secret: str | None = None


class Secret(Message, kw_only=True):
    type: SecretType | None = None
    reference: SecretReference | None = None
    value: SecretValue | None = None


class SecretReference(Message, kw_only=True):
    name: str
    key: str | None = None


class SecretValue(Message, kw_only=True):
    data: bytes


class Image(Message, kw_only=True):
    type: ImageType
    appc: ImageAppc | None = None
    docker: ImageDocker | None = None
    cached: bool = printed(True)


class ImageAppc(Message, kw_only=True):
    name: str
    id: str | None = None
    labels: Labels | None = None


class ImageDocker(Message, kw_only=True):
    name: str
    credential: Credential | None = None
    config: Secret | None = None


class MountPropagation(Message, kw_only=True):
    mode: MountPropagationMode | None = None


class Volume(Message, kw_only=True):
    mode: VolumeMode
    container_path: str
    host_path: str | None = None
    image: Image | None = None
    source: VolumeSource | None = None


class VolumeSource(Message, kw_only=True):
    type: VolumeSourceType | None = None
    docker_volume: VolumeSourceDockerVolume | None = None
    host_path: VolumeSourceHostPath | None = None
    sandbox_path: VolumeSourceSandboxPath | None = None
    secret: Secret | None = None


class VolumeSourceDockerVolume(Message, kw_only=True):
    driver: str | None = None
    name: str
    driver_options: Parameters | None = None


class VolumeSourceHostPath(Message, kw_only=True):
    path: str
    mount_propagation: MountPropagation | None = None


class VolumeSourceSandboxPath(Message, kw_only=True):
    type: VolumeSourceSandboxPathType | None = None
    path: str


class NetworkInfo(Message, kw_only=True):
    ip_addresses: tuple[NetworkInfoIPAddress, ...] = ()
    name: str | None = None
    groups: tuple[str, ...] = ()
    labels: Labels | None = None
    port_mappings: tuple[NetworkInfoPortMapping, ...] = ()


class NetworkInfoIPAddress(Message, kw_only=True):
    protocol: NetworkInfoProtocol = printed("IPv4")
    ip_address: str | None = None


class NetworkInfoPortMapping(Message, kw_only=True):
    host_port: UInt32
    container_port: UInt32
    protocol: str | None = None


class CapabilityInfo(Message, kw_only=True):
    capabilities: tuple[CapabilityInfoCapability, ...] = ()


class SeccompInfo(Message, kw_only=True):
    profile_name: str | None = None
    unconfined: bool | None = None


class LinuxInfo(Message, kw_only=True):
    capability_info: CapabilityInfo | None = None
    bounding_capabilities: CapabilityInfo | None = None
    effective_capabilities: CapabilityInfo | None = None
    share_pid_namespace: bool | None = None
    seccomp: SeccompInfo | None = None
    ipc_mode: LinuxInfoIpcMode | None = None
    shm_size: UInt32 | None = None
    share_cgroups: bool = printed(True)


class RLimitInfo(Message, kw_only=True):
    rlimits: tuple[RLimitInfoRLimit, ...] = ()


class RLimitInfoRLimit(Message, kw_only=True):
    type: RLimitInfoRLimitType | None = None
    hard: UInt64 | None = None
    soft: UInt64 | None = None


class TTYInfo(Message, kw_only=True):
    window_size: TTYInfoWindowSize | None = None


class TTYInfoWindowSize(Message, kw_only=True):
    rows: UInt32
    columns: UInt32


class ContainerInfo(Message, kw_only=True):
    type: ContainerInfoType
    volumes: tuple[Volume, ...] = ()
    hostname: str | None = None
    docker: ContainerInfoDockerInfo | None = None
    mesos: ContainerInfoMesosInfo | None = None
    network_infos: tuple[NetworkInfo, ...] = ()
    linux_info: LinuxInfo | None = None
    rlimit_info: RLimitInfo | None = None
    tty_info: TTYInfo | None = None


class ContainerInfoDockerInfo(Message, kw_only=True):
    image: str
    network: ContainerInfoDockerInfoNetwork = printed("HOST")
    port_mappings: tuple[ContainerInfoDockerInfoPortMapping, ...] = ()
    privileged: bool = printed(False)
    parameters: tuple[Parameter, ...] = ()
    force_pull_image: bool | None = None
    volume_driver: str | None = None


class ContainerInfoDockerInfoPortMapping(Message, kw_only=True):
    host_port: UInt32
    container_port: UInt32
    protocol: str | None = None


class ContainerInfoMesosInfo(Message, kw_only=True):
    image: Image | None = None


class ContainerStatus(Message, kw_only=True):
    container_id: ContainerID | None = None
    network_infos: tuple[NetworkInfo, ...] = ()
    cgroup_info: CgroupInfo | None = None
    executor_pid: UInt32 | None = None


class CgroupInfo(Message, kw_only=True):
    net_cls: CgroupInfoNetCls | None = None


class CgroupInfoNetCls(Message, kw_only=True):
    classid: UInt32 | None = None
