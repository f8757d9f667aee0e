"""``cgroups/cpu``: a container's share of the processor, and a ceiling where it has one (M-AG-05; Mesos docs).

The request weighs against those of others when processors are scarce, and bounds nothing otherwise; of one who borrows
processors it weighs a hundredth (``--revocable_cpu_low_priority``). A limit bounds, and so does the request under
``--cgroups_enable_cfs``: so much time in each period of 100 ms.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from mesos_service.cgroups.group import Group
from mesos_service.cgroups.isolator import CgroupConfig, CgroupIsolator
from mesos_service.cgroups.steps import Write
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.resources import Resources
from mesos_service.plugins.isolator import UNLIMITED, Usage

SHARES_PER_CPU: Final = 1024
SHARES_PER_CPU_REVOCABLE: Final = 10
SHARES_MIN: Final = 2
WEIGHT_PER_CPU: Final = 100
WEIGHT_PER_CPU_REVOCABLE: Final = 1
WEIGHT_MIN: Final = 1
WEIGHT_MAX: Final = 10_000
PERIOD_MICROSECONDS: Final = 100_000
QUOTA_MICROSECONDS_MIN: Final = 1_000
_TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")


class Config(CgroupConfig):
    """The flags of all cgroups, and whether the request is a ceiling."""

    cgroups_enable_cfs: bool = False
    cgroups_cpu_enable_pids_and_tids_count: bool = False
    revocable_cpu_low_priority: bool = True


class CgroupsCpu(CgroupIsolator):
    """Version 1 weighs by ``cpu.shares``, version 2 by ``cpu.weight``; both stop at a quota."""

    name = "cgroups/cpu"
    Config: ClassVar[type[Any] | None] = Config
    v1_controllers = ("cpu", "cpuacct")
    v2_controller = "cpu"

    def settings(self, group: Group, resources: Resources, limits: Mapping[str, int], *, running: bool) -> list[Write]:
        """The weight, and the ceiling where there is one; a ceiling that is lifted is written too."""
        request = resources.quantities().get("cpus", 0)
        ceiling = limits.get("cpus", request if self.config.cgroups_enable_cfs else UNLIMITED)
        bounded = ceiling != UNLIMITED
        # Whoever holds any lent processor borrows with all of his (Mesos docs, oversubscription).
        borrows = self.config.revocable_cpu_low_priority and resources.revocable().scalar("cpus") > 0
        quota = max(QUOTA_MICROSECONDS_MIN, ceiling * PERIOD_MICROSECONDS // 1000)
        if self.version == 1:
            shares = request * (SHARES_PER_CPU_REVOCABLE if borrows else SHARES_PER_CPU) // 1000
            writes = [Write(group.path / "cpu.shares", str(max(SHARES_MIN, shares)))]
            if bounded:
                writes.append(Write(group.path / "cpu.cfs_period_us", str(PERIOD_MICROSECONDS)))
            if bounded or running:
                writes.append(Write(group.path / "cpu.cfs_quota_us", str(quota if bounded else -1)))
            return writes
        weight = request * (WEIGHT_PER_CPU_REVOCABLE if borrows else WEIGHT_PER_CPU) // 1000
        weight = min(WEIGHT_MAX, max(WEIGHT_MIN, weight))
        writes = [Write(group.path / "cpu.weight", str(weight))]
        if bounded or running:
            writes.append(Write(group.path / "cpu.max", f"{quota if bounded else 'max'} {PERIOD_MICROSECONDS}"))
        return writes

    def above(self, group: Path) -> list[Write]:
        """All containers together weigh as much as the machine has processors: one group of the usual weight would be
        no more than any single process beside it."""
        if group.parent not in (one.mount for one in self.hierarchies.values()):
            return []
        cpus = os.cpu_count() or 1
        if self.version == 2:
            return [Write(group / "cpu.weight", str(min(WEIGHT_MAX, cpus * WEIGHT_PER_CPU)))]
        # The other hierarchy of version 1 only counts.
        is_cpu = group.parent == self.hierarchies["cpu"].mount
        return [Write(group / "cpu.shares", str(cpus * SHARES_PER_CPU))] if is_cpu else []

    async def usage(self, container_id: ContainerId) -> Usage:
        """Time used by all who ever were in the group, and how often they were stopped at the ceiling."""
        if not self.is_measured(container_id):
            return Usage()
        group = self.group(container_id)
        stat = group.table("cpu.stat")
        if self.version == 1:
            ticks = self.group(container_id, "cpuacct").table("cpuacct.stat")
            user, system = (ticks.get(name, 0) / _TICKS_PER_SECOND for name in ("user", "system"))
            throttled = stat.get("throttled_time", 0) / 1e9
        else:
            user, system = (stat.get(f"{name}_usec", 0) / 1e6 for name in ("user", "system"))
            throttled = stat.get("throttled_usec", 0) / 1e6
        counted = self.config.cgroups_cpu_enable_pids_and_tids_count
        return Usage(
            processes=len(group.processes()) if counted else None,
            threads=self._threads(group) if counted else None,
            cpus_user_time_secs=user,
            cpus_system_time_secs=system,
            cpus_nr_periods=stat.get("nr_periods"),
            cpus_nr_throttled=stat.get("nr_throttled"),
            cpus_throttled_time_secs=throttled,
        )

    def _threads(self, group: Group) -> int:
        tasks = Group(group.home, self.version).text("tasks" if self.version == 1 else "cgroup.threads")
        return len((tasks or "").split())
