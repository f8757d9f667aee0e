"""``cgroups/pids``: how many processes and threads a container may have (M-AG-05).

The bound is the task's limit or resource ``pids`` where it has one, else ``--cgroups_pids_max``. At the bound, ``fork``
and ``clone`` fail with EAGAIN, and nobody else notices.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from mesos_service.cgroups.group import Group
from mesos_service.cgroups.isolator import CgroupConfig, CgroupIsolator
from mesos_service.cgroups.steps import Write
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.resources import Resources
from mesos_service.plugins.isolator import UNLIMITED, Usage


class Config(CgroupConfig):
    """The flags of all cgroups, and the bound of containers that name none."""

    cgroups_pids_max: int = Field(4096, ge=1)


class CgroupsPids(CgroupIsolator):
    """``pids.max``, the same file in both versions."""

    name = "cgroups/pids"
    Config: ClassVar[type[Any] | None] = Config
    v1_controllers = ("pids",)
    v2_controller = "pids"

    def settings(self, group: Group, resources: Resources, limits: Mapping[str, int], *, running: bool) -> list[Write]:
        """One number, or ``max``."""
        asked = limits.get("pids", resources.quantities().get("pids", self.config.cgroups_pids_max * 1000))
        return [Write(group.path / "pids.max", "max" if asked == UNLIMITED else str(max(1, asked // 1000)))]

    async def usage(self, container_id: ContainerId) -> Usage:
        """The kernel counts threads; processes are counted by ``cgroups/cpu`` where it is asked to."""
        if not self.is_measured(container_id):
            return Usage()
        return Usage(threads=self.group(container_id).number("pids.current"))
