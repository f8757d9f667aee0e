"""``cgroups/devices``: a container may open the devices that every program needs, and no others (M-AG-05; Mesos docs).

Device nodes may be made (``m``) whatever they are; opening them is another matter. Version 2 has no such controller: it
wants a program in the kernel (BPF), which this version does not make, so the isolator refuses to start there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mesos_service.cgroups.group import Group
from mesos_service.cgroups.isolator import CgroupIsolator
from mesos_service.cgroups.steps import Write
from mesos_service.domain.resources import Resources

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
    """``devices.deny`` of all, then ``devices.allow`` of each."""

    name = "cgroups/devices"
    v1_controllers = ("devices",)
    v2_controller = None

    def settings(self, group: Group, resources: Resources, limits: Mapping[str, int], *, running: bool) -> list[Write]:
        """All at once before anybody is in the group, and nothing later."""
        if running:
            return []
        allow = [Write(group.path / "devices.allow", entry) for entry in ALLOWED]
        return [Write(group.path / "devices.deny", "a"), *allow]
