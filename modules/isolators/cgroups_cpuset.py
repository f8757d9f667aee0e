"""``cgroups/cpuset``: a group in which an operator can tie containers to processors and memory nodes (M-AG-05).

A container may use what the group above all containers may use. Version 1 gives new groups nothing, in which no process
can run, so what is above is copied down; version 2 inherits by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mesos_service.cgroups.group import Group
from mesos_service.cgroups.isolator import CgroupIsolator
from mesos_service.cgroups.steps import Write
from mesos_service.domain.resources import Resources


class CgroupsCpuset(CgroupIsolator):
    """``cpuset.cpus`` and ``cpuset.mems``."""

    name = "cgroups/cpuset"
    v1_controllers = ("cpuset",)
    v2_controller = "cpuset"

    def settings(self, group: Group, resources: Resources, limits: Mapping[str, int], *, running: bool) -> list[Write]:
        """From the nearest group above that has any, down to the container's; nothing on a running one."""
        if self.version == 2 or running:
            return []
        writes = []
        mount = self.hierarchies["cpuset"].mount
        for name in ("cpuset.cpus", "cpuset.mems"):
            empty: list[Path] = []
            at = group.path
            while at != mount and not Group(at, 1).text(name):
                empty.append(at)
                at = at.parent
            value = Group(at, 1).text(name) or ""
            writes += [Write(path / name, value) for path in reversed(empty)]
        return writes
