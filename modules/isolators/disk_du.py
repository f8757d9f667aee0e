"""``disk/du``: what a container's sandbox holds is measured, and on request bounded (M-AG-09).

``--enforce_container_disk_quota`` makes it a bound. Every ``--container_disk_watch_interval`` the sandbox is walked
through, in a thread: blocks on disk are counted, as ``du`` does, a file with several names once, and nothing behind
symbolic links or on other file systems. So are the persistent volumes that are mounted into the container, each by
itself: its size is its bound. Between two walks a container can go beyond its bound; whoever needs a wall
takes a file system with quota.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict

from mesos_service.domain.containers import Source
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.resources import Resources
from mesos_service.plugins.isolator import (
    UNLIMITED,
    ContainerConfig,
    ContainerState,
    Host,
    Isolator,
    LaunchInfo,
    Limitation,
    Usage,
)

MEGABYTE: Final = 1024 * 1024
BLOCK_BYTES: Final = 512
REASON: Final = "REASON_CONTAINER_LIMITATION_DISK"


class Config(BaseModel):
    """The agent's flags of these names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    container_disk_watch_interval: float = 15.0
    """Seconds."""
    enforce_container_disk_quota: bool = False


@dataclass(slots=True)
class _Sandbox:
    path: str
    limit_bytes: int | None
    used_bytes: int | None = None
    volumes: tuple[tuple[str, str, int], ...] = ()
    """Id, path and bound in bytes of each persistent volume."""


class DiskDu(Isolator):
    """One walk after the other for each container, with a pause between."""

    name = "disk/du"
    Config: ClassVar[type[Any] | None] = Config
    isolates_before_exec = False

    def __init__(self, host: Host, config: Any = None) -> None:  # Any: an instance of Config
        super().__init__(host, config if config is not None else Config())
        self._sandboxes: dict[ContainerId, _Sandbox] = {}

    async def recover(self, states: Sequence[ContainerState], orphans: Collection[ContainerId]) -> None:
        """Watch over the living again."""
        for state in states:
            self._remember(state.container_id, state.config)

    async def prepare(self, container_id: ContainerId, config: ContainerConfig) -> LaunchInfo | None:
        """Remember where its sandbox is."""
        self._remember(container_id, config)
        return None

    def _remember(self, container_id: ContainerId, config: ContainerConfig) -> None:
        self._sandboxes[container_id] = _Sandbox(
            config.sandbox, _limit(config.resources, config.limits), volumes=_volumes(config)
        )

    async def watch(self, container_id: ContainerId) -> Limitation | None:
        """Walk again and again; comes back only with a breach, where that is one."""
        while (sandbox := self._sandboxes.get(container_id)) is not None:
            used = sandbox.used_bytes = await asyncio.to_thread(held_bytes, sandbox.path)
            limit = sandbox.limit_bytes
            if self.config.enforce_container_disk_quota and limit is not None and used > limit:
                return Limitation(
                    resources=Resources.scalars(disk=used // MEGABYTE),
                    message=f"Disk usage ({used // MEGABYTE}MB) exceeds quota ({limit // MEGABYTE}MB)",
                    reason=REASON,
                )
            for name, path, most in sandbox.volumes if self.config.enforce_container_disk_quota else ():
                used = await asyncio.to_thread(held_bytes, path)
                if used > most:
                    return Limitation(
                        resources=Resources.scalars(disk=used // MEGABYTE),
                        message=f"Disk usage ({used // MEGABYTE}MB) of persistent volume '{name}' exceeds its size"
                        f" ({most // MEGABYTE}MB)",
                        reason=REASON,
                    )
            await asyncio.sleep(self.config.container_disk_watch_interval)
        return None

    async def update(self, container_id: ContainerId, resources: Resources, limits: Mapping[str, int]) -> None:
        """The next walk knows the new bound."""
        if (sandbox := self._sandboxes.get(container_id)) is not None:
            sandbox.limit_bytes = _limit(resources, limits)

    async def usage(self, container_id: ContainerId) -> Usage:
        """What the last walk found."""
        sandbox = self._sandboxes.get(container_id)
        if sandbox is None:
            return Usage()
        return Usage(disk_used_bytes=sandbox.used_bytes, disk_limit_bytes=sandbox.limit_bytes)

    async def cleanup(self, container_id: ContainerId) -> None:
        """Nothing is watched any more; the sandbox stays."""
        self._sandboxes.pop(container_id, None)


def held_bytes(path: str) -> int:
    """Bytes of the blocks that a tree of files holds. What vanishes meanwhile, or cannot be read, counts nothing."""
    try:
        top = os.lstat(path)
    except OSError:
        return 0
    total = top.st_blocks
    seen: set[int] = set()
    waiting = [path]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    try:
                        stat = entry.stat(follow_symlinks=False)
                    except OSError:
                        continue
                    if stat.st_dev != top.st_dev or (stat.st_nlink > 1 and stat.st_ino in seen):
                        continue
                    seen.add(stat.st_ino)
                    total += stat.st_blocks
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except OSError:
            continue
    return total * BLOCK_BYTES


def _limit(resources: Resources, limits: Mapping[str, int]) -> int | None:
    # A volume, and a disk of its own, is outside of the sandbox.
    plain = resources.filter(lambda item: item.key.disk is None)
    asked = limits.get("disk", plain.quantities().get("disk"))
    return None if asked is None or asked == UNLIMITED else asked * MEGABYTE // 1000


def _volumes(config: ContainerConfig) -> tuple[tuple[str, str, int], ...]:
    """Those of its resources that are mounted; where the others are an isolator does not know."""
    mounted = {one.container_path: one.path for one in config.wishes.volumes if one.source is Source.HOST}
    found = []
    for item in config.resources:
        disk = item.key.disk
        if disk is not None and disk.persistence is not None and disk.volume is not None:
            path = mounted.get(disk.volume.container_path)
            if path is not None and isinstance(item.value, int):
                found.append((disk.persistence.id, path, item.value * MEGABYTE // 1000))
    return tuple(found)
