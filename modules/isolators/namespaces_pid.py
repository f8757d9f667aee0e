"""``namespaces/pid``: a container sees its own processes and no others, and none outlives its first one (M-AG-08).

The command is process 1 in there, with a ``/proc`` of its own, and the kernel kills the rest when it ends. Process 1
has no default actions for signals: a command that does not handle TERM itself is ended by KILL after its grace.
Outside, the command's parent is ``unshare``, which ends as the command did.
"""

from __future__ import annotations

import os
import shutil
from typing import Any

from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.ids import ContainerId
from mesos_service.plugins.isolator import ContainerConfig, Host, Isolator, LaunchInfo


class NamespacesPid(Isolator):
    """By ``unshare`` of util-linux; takes root."""

    name = "namespaces/pid"
    isolates_before_exec = False

    def __init__(self, host: Host, config: Any = None) -> None:  # Any: there is none
        super().__init__(host, config)
        program = shutil.which("unshare")
        if program is None or os.geteuid() != 0:
            raise ConfigurationError("Isolator 'namespaces/pid' needs the program 'unshare' (util-linux) and root")
        self._prefix = (program, "--pid", "--fork", "--kill-child=KILL", "--mount-proc", "--")

    def explain(self, container_id: ContainerId, config: ContainerConfig) -> list[str]:
        return [f"run by {' '.join(self._prefix)}"]

    async def prepare(self, container_id: ContainerId, config: ContainerConfig) -> LaunchInfo | None:
        """Begin as process 1 of a namespace."""
        return LaunchInfo(command_prefix=self._prefix)
