"""``namespaces/ipc``: a container has System V IPC, POSIX queues and shared memory of its own (M-AG-08; Mesos docs).

What it leaves there is gone with its last process. ``linux_info.ipc_mode`` of a task says more: with ``PRIVATE`` its
``/dev/shm`` is its own, too, as large as ``shm_size`` or ``--default_container_shm_size`` says; with ``SHARE_PARENT``
all of it is the machine's. Without, ``/dev/shm`` is the machine's unless the container has a root of its own.

What is nested in a container shares what that has. ``/dev/shm`` is a file system in memory, mounted in the container's
own mount namespace: it takes no place on the machine, and goes with the last process that sees it.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

from mesos_service.domain.containers import IpcMode, Mount, Wish
from mesos_service.domain.errors import ConfigurationError, OperatingFault
from mesos_service.domain.ids import ContainerId
from mesos_service.plugins.isolator import ContainerConfig, Host, Isolator, LaunchInfo

SHARED_MEMORY: Final = "/dev/shm"
_OPTIONS: Final = "nosuid,nodev,strictatime,mode=1777"
"""As Mesos mounts it."""
_MEGABYTE: Final = 1024 * 1024
_MOUNT_AND_GO_ON: Final = '"$1" -t tmpfs -o "$2" tmpfs "$3" || exit 1; shift 3; exec "$@"'


class Config(BaseModel):
    """The agent's flags of these names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    default_container_shm_size: Annotated[int, Field(ge=1)] | None = None
    """Bytes; ``None`` leaves it to the kernel: half of the memory."""
    disallow_sharing_agent_ipc_namespace: bool = False


class NamespacesIpc(Isolator):
    """By ``unshare`` and ``mount`` of util-linux; takes root."""

    name = "namespaces/ipc"
    Config: ClassVar[type[Any] | None] = Config
    provides = frozenset({Wish.IPC})
    isolates_before_exec = False

    def __init__(self, host: Host, config: Any = None) -> None:  # Any: an instance of Config
        super().__init__(host, config if config is not None else Config())
        programs = [shutil.which(name) for name in ("unshare", "mount")]
        if None in programs or os.geteuid() != 0:
            raise ConfigurationError(
                "Isolator 'namespaces/ipc' needs the programs 'unshare' and 'mount' (util-linux) and root"
            )
        self._unshare, self._mount = (str(program) for program in programs)

    def decide(self, config: ContainerConfig) -> LaunchInfo | None:
        """What a container gets.

        Raises:
            OperatingFault: it asks for something that it may not have, or that the machine has not.
        """
        mode = config.wishes.ipc_mode
        bound = config.wishes.shm_megabytes
        bytes_max = bound * _MEGABYTE if bound is not None else self.config.default_container_shm_size
        # A root of its own has one in any case, which is to be no larger than the operator says.
        has_own = mode is IpcMode.PRIVATE or (mode is None and config.rootfs is not None and bytes_max is not None)
        if mode is IpcMode.SHARE_PARENT:
            if self.config.disallow_sharing_agent_ipc_namespace:
                raise OperatingFault(
                    "the container asks to share the machine's IPC, and --disallow_sharing_agent_ipc_namespace is set"
                )
            return None if config.rootfs is None else LaunchInfo(mounts=self._seen_in(config.rootfs))
        if not has_own:
            return LaunchInfo(command_prefix=(self._unshare, "--ipc", "--"))
        if not Path(SHARED_MEMORY).is_dir():
            raise OperatingFault(f"this machine has no {SHARED_MEMORY}, where a container's own could be mounted")
        options = _OPTIONS if bytes_max is None else f"{_OPTIONS},size={bytes_max}"
        prefix = (self._unshare, "--ipc", "--mount", "--propagation", "slave", "--")
        mounting = ("/bin/sh", "-c", _MOUNT_AND_GO_ON, "sh", self._mount, options, SHARED_MEMORY)
        mounts = () if config.rootfs is None else self._seen_in(config.rootfs)
        return LaunchInfo(command_prefix=(*prefix, *mounting), mounts=mounts)

    def _seen_in(self, rootfs: str) -> tuple[Mount, ...]:
        """What is at ``/dev/shm`` where the container's first process begins."""
        return (
            Mount(source=SHARED_MEMORY, source_root=None, target=SHARED_MEMORY, target_root=rootfs, read_only=False),
        )

    def explain(self, container_id: ContainerId, config: ContainerConfig) -> list[str]:
        """The namespace, and what is mounted in it."""
        info = self.decide(config)
        if info is None or not info.command_prefix:
            return []
        line = list(info.command_prefix)
        if "-c" not in line:
            return [f"run by {' '.join(line)}"]
        end = line.index("--") + 1
        return [
            f"run by {' '.join(line[:end])}",
            f"mount a tmpfs ({line[-2]}) on {SHARED_MEMORY}, which only the container sees",
        ]

    async def prepare(self, container_id: ContainerId, config: ContainerConfig) -> LaunchInfo | None:
        """Begin in a namespace that nobody else is in, or in the machine's."""
        return self.decide(config)
