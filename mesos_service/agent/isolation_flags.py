"""The agent's flags about isolators, each of which is given those that its ``Config`` has by the same names."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from mesos_service.agent.image_flags import ImageFlags
from mesos_service.configuration.flags import DurationFlag, SizeFlag
from mesos_service.configuration.forms import FileTextFlag, check_positive, split_list
from mesos_service.configuration.units import Duration, Size
from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.resources_text import parse_resources

ALL_CGROUPS: Final = "cgroups/all"
"""In ``--isolation``: every isolator by control groups that the machine can have."""
LINUX_LAUNCHER: Final = "linux/launcher"
"""The isolator that stands for ``--launcher=linux``."""
IN_ALL_CGROUPS: Final = frozenset({"cgroups/cpu", "cgroups/mem"})
"""Those of them without which that would be a promise broken."""


def _check_cgroups_root(text: str) -> str:
    parts = text.split("/")
    if not all(parts) or {".", ".."} & set(parts):
        raise ValueError("it is the name of a group, or several with slashes between them")
    return text


def check_resources(text: str) -> str:
    """Of a flag that names some. Raises ``ValueError``."""
    try:
        parse_resources(text)
    except ConfigurationError as error:
        raise ValueError(str(error)) from error
    return text


def check_not_empty(size: Size) -> Size:
    """Of a flag that bounds something. Raises ``ValueError``."""
    if not size.octets:
        raise ValueError("it has to be more than nothing")
    return size


PositiveDuration = Annotated[DurationFlag, AfterValidator(check_positive)]


class IsolationFlags(ImageFlags):
    """A part of :class:`~mesos_service.agent.config.AgentConfig`."""

    isolation: str = Field(
        "posix/cpu,posix/mem", description="Isolator modules, in order, separated by commas ('module list' shows them)."
    )
    cgroups_hierarchy: Path = Field(
        Path("/sys/fs/cgroup"), description="Where control groups are mounted, of version 1, 2 or both."
    )
    cgroups_root: Annotated[str, AfterValidator(_check_cgroups_root)] = Field(
        "mesos", description="Name of the group that those of containers are made in."
    )
    cgroups_destroy_timeout: PositiveDuration = Field(
        Duration.parse("1mins"), description="How long it may take to end a group and who is in it."
    )
    cgroups_enable_cfs: bool = Field(
        False, description="Let cgroups/cpu stop a container that has used what it asked for, limit or not."
    )
    cgroups_cpu_enable_pids_and_tids_count: bool = Field(
        False, description="Let cgroups/cpu count processes and threads."
    )
    revocable_cpu_low_priority: bool = Field(
        True, description="Let cgroups/cpu give what runs on lent processors a hundredth of the weight."
    )
    cgroups_limit_swap: bool = Field(False, description="Let cgroups/mem bound memory together with swap.")
    cgroups_pids_max: int = Field(
        4096,
        ge=1,
        description="Let cgroups/pids bound a container that names no bound ('pids' in its limits or resources).",
    )
    blkio_limits_per_container: str | None = Field(
        None,
        description="How much cgroups/blkio lets each container read from and write to each disk in a second, such as"
        " 'read_bps:10MB;write_bps:5MB;read_iops:500;write_iops:100'; what is left out is not bounded.",
    )
    cgroups_net_cls_primary_handle: str | None = Field(
        None, description="First half of the handles that cgroups/net_cls gives to containers, such as 0x0012."
    )
    cgroups_net_cls_secondary_handles: str | None = Field(
        None, description="The first and the last of their second halves, such as 0x0001,0xffff, which is the default."
    )
    container_disk_watch_interval: PositiveDuration = Field(
        Duration.parse("15secs"), description="How often disk/du looks what a sandbox holds."
    )
    enforce_container_disk_quota: bool = Field(
        False, description="Let disk/du end a container whose sandbox holds more than its 'disk'."
    )
    effective_capabilities: FileTextFlag | None = Field(
        None,
        description="Capabilities that linux/capabilities gives to a container that names none, as JSON:"
        ' {"capabilities": ["NET_RAW", "KILL"]}.',
    )
    bounding_capabilities: FileTextFlag | None = Field(
        None, description="The most that linux/capabilities gives to any container, in the same form."
    )
    default_container_shm_size: Annotated[SizeFlag, AfterValidator(check_not_empty)] | None = Field(
        None,
        description="How large namespaces/ipc lets a container's own /dev/shm become that names no size. Default: half"
        " of the machine's memory.",
    )
    disallow_sharing_agent_ipc_namespace: bool = Field(
        False, description="Let namespaces/ipc refuse a container that asks to share the machine's."
    )
    disallow_sharing_agent_pid_namespace: bool = Field(
        False, description="Let namespaces/pid refuse a container that asks to share the machine's."
    )
    seccomp_config_dir: Path | None = Field(
        None, description="Directory with linux/seccomp's profiles of system calls, in Docker's form."
    )
    seccomp_profile_name: str | None = Field(
        None, description="The one of them for a container that names none. Default: none, and all calls are allowed."
    )
    container_ports_watch_interval: PositiveDuration = Field(
        Duration.parse("30secs"), description="How often network/ports looks where containers listen."
    )
    enforce_container_ports: bool = Field(
        False, description="Let network/ports end a container that listens at a port it does not hold."
    )
    check_agent_port_range_only: bool = Field(
        False, description="Let network/ports look only at the ports that this agent offers."
    )
    container_ports_isolated_range: str | None = Field(
        None, description="Let network/ports look only at these ports, such as [0-35000]."
    )
    egress_rate_limit_per_container: str | None = Field(
        None, description="How much network/bandwidth lets each container send in a second, such as 10MB."
    )
    eth0_name: str | None = Field(
        None, description="Interface that network/bandwidth bounds; without, the one of the default route."
    )
    dry_run_isolation: Annotated[str, AfterValidator(check_resources)] | None = Field(
        None,
        description="Print what each isolator would do for a task of these resources ('cpus:0.5;mem:64'), do nothing,"
        " and end. Needs the rights and the control groups that doing it would.",
    )

    def isolators(self) -> tuple[str, ...]:
        """Names of the isolators that ``--isolation`` has, in order."""
        return split_list(self.isolation)
