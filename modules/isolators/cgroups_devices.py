"""``cgroups/devices``: a container may open the devices that every program needs, and no others (M-AG-05; Mesos docs).

Device nodes may be made (``m``) whatever they are; opening them is another matter. Version 2 has no such controller,
but asks a program in the kernel, which is made of the same lines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from mesos_service.cgroups.device_program import Device, allow_only, require_programs
from mesos_service.cgroups.group import Group
from mesos_service.cgroups.isolator import CgroupIsolator
from mesos_service.cgroups.steps import Write
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.resources import Resources
from mesos_service.plugins.isolator import ContainerConfig, Host, LaunchInfo

ALLOWED: Final = (
    "c *:* m",
    "b *:* m",
    "c 5:1 rwm",  # /dev/console
    "c 4:0 rwm",  # /dev/tty0
    "c 4:1 rwm",  # /dev/tty1
    "c 136:* rwm",  # /dev/pts/*
    "c 5:2 rwm",  # /dev/ptmx
    "c 10:200 rwm",  # /dev/net/tun
    "c 1:3 rwm",  # /dev/null
    "c 1:5 rwm",  # /dev/zero
    "c 1:7 rwm",  # /dev/full
    "c 5:0 rwm",  # /dev/tty
    "c 1:9 rwm",  # /dev/urandom
    "c 1:8 rwm",  # /dev/random
)


class CgroupsDevices(CgroupIsolator):
    """Version 1: ``devices.deny`` of all, then ``devices.allow`` of each. Version 2: a program that refuses others."""

    name = "cgroups/devices"
    v1_controllers = ("devices",)
    v2_controller = ""

    def __init__(self, host: Host, config: Any = None) -> None:  # Any: an instance of Config
        super().__init__(host, config)
        if self.version == 2:
            require_programs()

    def settings(self, group: Group, resources: Resources, limits: Mapping[str, int], *, running: bool) -> list[Write]:
        """All at once before anybody is in the group, and nothing later."""
        if running or self.version == 2:
            return []
        allow = [Write(group.path / "devices.allow", entry) for entry in ALLOWED]
        return [Write(group.path / "devices.deny", "a"), *allow]

    def explain(self, container_id: ContainerId, config: ContainerConfig) -> Sequence[str]:
        """Of version 2, the lines of the program, too."""
        lines = list(super().explain(container_id, config))
        if self.version == 2 and config.parent is None:
            lines.append(f"load a program for {self.group(container_id).path} that allows only {', '.join(ALLOWED)}")
        return lines

    async def prepare(self, container_id: ContainerId, config: ContainerConfig) -> LaunchInfo | None:
        """Make the group, and let only these devices be opened in it."""
        info = await super().prepare(container_id, config)
        if self.version == 2 and config.parent is None:
            allow_only(self.group(container_id).path, [Device.read(line) for line in ALLOWED])
        return info
