"""``filesystem/linux``: a container sees directories and files of the machine, or of a sandbox, where it wants them.

Mesos docs, "Container volumes": sources ``HOST_PATH`` and ``SANDBOX_PATH`` (its own, or that of the container which it
is nested in); ``RO`` cannot be written to. Where programs and their settings are, nothing can be mounted, unless the
container has a root file system of its own, which the containerizer provides (``--image_providers``). The container
begins in a mount namespace of its own, so nobody else sees its mounts, and they go with its last process.
"""

from __future__ import annotations

import os
import shutil
from typing import Any

from mesos_service.domain.containers import Mount, Source, Volume, Wish
from mesos_service.domain.errors import ConfigurationError, OperatingFault
from mesos_service.domain.ids import ContainerId
from mesos_service.plugins.isolator import ContainerConfig, Host, Isolator, LaunchInfo


class FilesystemLinux(Isolator):
    """By ``unshare`` of util-linux; takes root."""

    name = "filesystem/linux"
    nesting = True
    provides = frozenset({Wish.VOLUMES})
    isolates_before_exec = False

    def __init__(self, host: Host, config: Any = None) -> None:  # Any: there is none
        super().__init__(host, config)
        unshare = shutil.which("unshare")
        if unshare is None or os.geteuid() != 0:
            raise ConfigurationError("Isolator 'filesystem/linux' needs the program 'unshare' (util-linux) and root")
        self._prefix = (unshare, "--mount", "--propagation", "slave", "--")

    def explain(self, container_id: ContainerId, config: ContainerConfig) -> list[str]:
        mounts = [_mount(volume, config) for volume in config.wishes.volumes]
        root = [] if config.wishes.image is None else [f"pivot_root to image '{config.wishes.image.name}'"]
        return [f"run by {' '.join(self._prefix)}", *root, *map(_told, mounts)] if mounts or root else []

    async def prepare(self, container_id: ContainerId, config: ContainerConfig) -> LaunchInfo | None:
        """Say what is to be mounted where; nothing changes for a container without volumes and a root of its own."""
        mounts = tuple(_mount(volume, config) for volume in config.wishes.volumes)
        alone = mounts or config.rootfs is not None
        return LaunchInfo(command_prefix=self._prefix, mounts=mounts) if alone else None


def _mount(volume: Volume, config: ContainerConfig) -> Mount:
    root = {Source.HOST: None, Source.SANDBOX: config.sandbox, Source.PARENT: config.parent_sandbox}[volume.source]
    if root is None and volume.source is Source.PARENT:
        raise OperatingFault(f"Volume '{volume.path}' is in the sandbox of a parent, and the container has none")
    return Mount(
        source=volume.path,
        source_root=root,
        target=volume.container_path,
        target_root=(config.rootfs or "/") if volume.container_path.startswith("/") else config.sandbox,
        read_only=volume.read_only,
    )


def _told(mount: Mount) -> str:
    source, target = (
        path if root in (None, "/") else f"{root}/{path}"
        for root, path in ((mount.source_root, mount.source), (mount.target_root, mount.target))
    )
    return f"mount --rbind {source} on {target}" + (" read-only" if mount.read_only else "")
