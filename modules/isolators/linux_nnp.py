"""``linux/nnp``: no program of a container gains privileges by being executed (M-AG-08; Mesos docs, "linux/nnp").

Set-user-id bits and file capabilities have no effect then (``PR_SET_NO_NEW_PRIVS``), and children inherit it.
"""

from __future__ import annotations

import shutil
from typing import Any

from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.ids import ContainerId
from mesos_service.plugins.isolator import ContainerConfig, Host, Isolator, LaunchInfo


class LinuxNnp(Isolator):
    """By ``setpriv`` of util-linux; needs no privilege."""

    name = "linux/nnp"
    nesting = True
    isolates_before_exec = False

    def __init__(self, host: Host, config: Any = None) -> None:  # Any: there is none
        super().__init__(host, config)
        program = shutil.which("setpriv")
        if program is None:
            raise ConfigurationError("Isolator 'linux/nnp' needs the program 'setpriv' (util-linux)")
        self._prefix = (program, "--no-new-privs", "--")

    def explain(self, container_id: ContainerId, config: ContainerConfig) -> list[str]:
        return [f"run by {' '.join(self._prefix)}"]

    async def prepare(self, container_id: ContainerId, config: ContainerConfig) -> LaunchInfo | None:
        """Begin with the bit that is never taken back."""
        return LaunchInfo(command_prefix=self._prefix)
