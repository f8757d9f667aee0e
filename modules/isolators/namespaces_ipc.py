"""``namespaces/ipc``: a container has System V IPC, POSIX queues and shared memory of its own (M-AG-08; Mesos docs).

What it leaves there is gone with its last process. ``/dev/shm`` stays the machine's: it is a file system.
"""

from __future__ import annotations

import os
import shutil
from typing import Any

from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.ids import ContainerId
from mesos_service.plugins.isolator import ContainerConfig, Host, Isolator, LaunchInfo


class NamespacesIpc(Isolator):
    """By ``unshare`` of util-linux; takes root."""

    name = "namespaces/ipc"
    isolates_before_exec = False

    def __init__(self, host: Host, config: Any = None) -> None:  # Any: there is none
        super().__init__(host, config)
        program = shutil.which("unshare")
        if program is None or os.geteuid() != 0:
            raise ConfigurationError("Isolator 'namespaces/ipc' needs the program 'unshare' (util-linux) and root")
        self._prefix = (program, "--ipc", "--")

    def explain(self, container_id: ContainerId, config: ContainerConfig) -> list[str]:
        return [f"run by {' '.join(self._prefix)}"]

    async def prepare(self, container_id: ContainerId, config: ContainerConfig) -> LaunchInfo | None:
        """Begin in a namespace that nobody else is in."""
        return LaunchInfo(command_prefix=self._prefix)
