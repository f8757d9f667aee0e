"""``cgroups/mem``: how much memory a container may have (M-AG-05; Mesos docs, "cgroups/mem").

The request is what reclaim leaves to the container while others have more (soft limit, ``memory.low``). The limit, or
the request where there is none, is hard: whoever goes beyond it is killed by the kernel, and with it the container,
whose task is told how much it used. A hard limit is never lowered under a running container, which could only end it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from mesos_service.cgroups.group import Group
from mesos_service.cgroups.isolator import CgroupConfig, CgroupIsolator
from mesos_service.cgroups.oom import kills, wait_for_kill
from mesos_service.cgroups.steps import Write
from mesos_service.domain.errors import OperatingFault
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.resources import Resources
from mesos_service.plugins.isolator import UNLIMITED, ContainerConfig, Host, LaunchInfo, Limitation, Usage

MEGABYTE: Final = 1024 * 1024
BYTES_MIN: Final = 32 * MEGABYTE
REASON: Final = "REASON_CONTAINER_LIMITATION_MEMORY"
_NO_BOUND: Final = 2**62
"""More than this and version 1 means "no bound"."""


class Config(CgroupConfig):
    """The flags of all cgroups, and whether swap counts."""

    cgroups_limit_swap: bool = False


class CgroupsMem(CgroupIsolator):
    """``memory.limit_in_bytes`` and its like in version 1, ``memory.max`` in version 2."""

    name = "cgroups/mem"
    Config: ClassVar[type[Any] | None] = Config
    v1_controllers = ("memory",)
    v2_controller = "memory"

    def __init__(self, host: Host, config: Any = None) -> None:  # Any: an instance of Config
        super().__init__(host, config)
        self._asked: dict[ContainerId, Resources] = {}

    def settings(self, group: Group, resources: Resources, limits: Mapping[str, int], *, running: bool) -> list[Write]:
        """The soft bound always; the hard one when it is new or higher than before."""
        request = resources.quantities().get("mem", 0)
        asked = limits.get("mem", request)
        soft = max(BYTES_MIN, _bytes(request))
        hard = None if asked == UNLIMITED else max(soft, _bytes(asked))
        bounded = _hard_bound(group) if running else None
        raised = not running or (bounded is not None and (hard is None or hard > bounded))
        if self.version == 2:
            writes = [Write(group.path / "memory.low", str(soft))]
            if raised:
                writes.append(Write(group.path / "memory.max", "max" if hard is None else str(hard)))
            if raised and self.config.cgroups_limit_swap:
                writes.append(Write(group.path / "memory.swap.max", "0" if hard is not None else "max"))
            if not running:
                # A container whose parts die one by one would go on half alive.
                writes.append(Write(group.path / "memory.oom.group", "1"))
            return writes
        writes = [Write(group.path / "memory.soft_limit_in_bytes", str(soft))]
        if raised:
            number = str(-1 if hard is None else hard)
            bounds = [Write(group.path / "memory.limit_in_bytes", number)]
            if self.config.cgroups_limit_swap:
                # Memory with swap may never be less than without.
                with_swap = Write(group.path / "memory.memsw.limit_in_bytes", number)
                bounds.insert(0 if running else 1, with_swap)
            writes += bounds
        return writes

    def remember(self, container_id: ContainerId, config: ContainerConfig) -> None:
        """What was asked for is told when it was not enough."""
        super().remember(container_id, config)
        self._asked[container_id] = config.resources

    async def prepare(self, container_id: ContainerId, config: ContainerConfig) -> LaunchInfo | None:
        """Make the groups and set their bounds.

        Raises :class:`OperatingFault` for who is to share a group in which somebody was killed, as all in it are ended.
        """
        info = await super().prepare(container_id, config)
        if config.shares and self.is_bounded(container_id) and kills(self.group(container_id)):
            raise OperatingFault("its executor's tasks have exceeded the memory that they share, and are being ended")
        return info

    async def update(self, container_id: ContainerId, resources: Resources, limits: Mapping[str, int]) -> None:
        """New bounds."""
        await super().update(container_id, resources, limits)
        if container_id in self._asked:
            self._asked[container_id] = resources

    async def cleanup(self, container_id: ContainerId) -> None:
        """End the group."""
        self._asked.pop(container_id, None)
        await super().cleanup(container_id)

    async def watch(self, container_id: ContainerId) -> Limitation | None:
        """Comes back when the kernel has killed somebody in the group."""
        if not self.is_bounded(container_id):
            return None
        await wait_for_kill(self.group(container_id))
        return self._limitation(container_id)

    async def post_mortem(self, container_id: ContainerId) -> Limitation | None:
        """Whether the kernel killed somebody in the group."""
        if self.is_bounded(container_id) and kills(self.group(container_id)):
            return self._limitation(container_id)
        return None

    def _limitation(self, container_id: ContainerId) -> Limitation:
        group = self.group(container_id)
        names = ("limit_in_bytes", "max_usage_in_bytes") if self.version == 1 else ("max", "peak")
        limit, most = (group.number(f"memory.{name}") for name in names)
        # Version 2 tells apart whose bound it was: of this group or one in it, or that of a group above or the machine.
        is_own = self.version == 1 or group.table("memory.events").get("oom", 0) > 0
        what = "Memory limit exceeded" if is_own else "Out of memory outside the container, whose own limit holds"
        return Limitation(
            resources=Resources(one for one in self._asked.get(container_id, Resources.EMPTY) if one.key.name == "mem"),
            message=(
                f"{what}: Requested: {_shown(limit)} Maximum Used: {_shown(most)}\n"
                f"\nMEMORY STATISTICS: \n{group.text('memory.stat') or ''}\n"
            ),
            reason=REASON,
        )

    async def usage(self, container_id: ContainerId) -> Usage:
        """What is used now, the parts of it, and the bounds that hold."""
        if not self.is_measured(container_id):
            return Usage()
        group = self.group(container_id)
        stat = group.table("memory.stat")
        if self.version == 2:
            return Usage(
                mem_total_bytes=group.number("memory.current"),
                mem_kmem_usage_bytes=stat.get("kernel"),
                mem_kmem_tcp_usage_bytes=stat.get("sock"),
                mem_limit_bytes=_hard_bound(group),
                mem_soft_limit_bytes=group.number("memory.low"),
                mem_file_bytes=stat.get("file"),
                mem_anon_bytes=stat.get("anon"),
                mem_cache_bytes=stat.get("file"),
                mem_rss_bytes=stat.get("anon"),
                mem_mapped_file_bytes=stat.get("file_mapped"),
                mem_swap_bytes=group.number("memory.swap.current"),
                mem_unevictable_bytes=stat.get("unevictable"),
            )
        return Usage(
            mem_total_bytes=group.number("memory.usage_in_bytes"),
            mem_total_memsw_bytes=group.number("memory.memsw.usage_in_bytes"),
            mem_kmem_usage_bytes=group.number("memory.kmem.usage_in_bytes"),
            mem_kmem_tcp_usage_bytes=group.number("memory.kmem.tcp.usage_in_bytes"),
            mem_limit_bytes=_hard_bound(group),
            mem_soft_limit_bytes=group.number("memory.soft_limit_in_bytes"),
            mem_file_bytes=stat.get("total_cache"),
            mem_anon_bytes=stat.get("total_rss"),
            mem_cache_bytes=stat.get("total_cache"),
            mem_rss_bytes=stat.get("total_rss"),
            mem_mapped_file_bytes=stat.get("total_mapped_file"),
            mem_swap_bytes=stat.get("total_swap"),
            mem_unevictable_bytes=stat.get("total_unevictable"),
        )


def _bytes(milli_megabytes: int) -> int:
    return milli_megabytes * MEGABYTE // 1000


def _hard_bound(group: Group) -> int | None:
    """Bytes; ``None`` when there is no bound."""
    number = group.number("memory.limit_in_bytes" if group.version == 1 else "memory.max")
    return None if number is None or number > _NO_BOUND else number


def _shown(number: int | None) -> str:
    if number is None:
        return "unknown"
    megabytes = number / MEGABYTE
    return f"{megabytes:.0f}MB" if megabytes == int(megabytes) else f"{megabytes:.1f}MB"
