"""``namespaces/pid``: a container sees its own processes and no others, and none outlives its first one (M-AG-08).

The command is process 1 in there, with a ``/proc`` of its own, and the kernel kills the rest when it ends. Process 1
has no default actions for signals: a command that does not handle TERM itself is ended by KILL after its grace.
Outside, the command's parent is ``unshare``, which ends as the command did.

A task whose ``linux_info.share_pid_namespace`` is true is among the machine's processes, unless
``--disallow_sharing_agent_pid_namespace`` is set (Mesos docs, "namespaces/pid").
"""

from __future__ import annotations

import os
import shutil
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from mesos_service.domain.containers import Wish
from mesos_service.domain.errors import ConfigurationError, OperatingFault
from mesos_service.domain.ids import ContainerId
from mesos_service.plugins.isolator import ContainerConfig, Host, Isolator, LaunchInfo


class Config(BaseModel):
    """The agent's flag of this name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    disallow_sharing_agent_pid_namespace: bool = False


class NamespacesPid(Isolator):
    """By ``unshare`` of util-linux; takes root."""

    name = "namespaces/pid"
    Config: ClassVar[type[Any] | None] = Config
    provides = frozenset({Wish.PROCESSES})
    isolates_before_exec = False

    def __init__(self, host: Host, config: Any = None) -> None:  # Any: an instance of Config
        super().__init__(host, config if config is not None else Config())
        program = shutil.which("unshare")
        if program is None or os.geteuid() != 0:
            raise ConfigurationError("Isolator 'namespaces/pid' needs the program 'unshare' (util-linux) and root")
        self._prefix = (program, "--pid", "--fork", "--kill-child=KILL", "--mount-proc", "--")

    def explain(self, container_id: ContainerId, config: ContainerConfig) -> list[str]:
        return [f"run by {' '.join(self._prefix)}"] if self._has_own(config) else []

    async def prepare(self, container_id: ContainerId, config: ContainerConfig) -> LaunchInfo | None:
        """Begin as process 1 of a namespace, or among the machine's."""
        return LaunchInfo(command_prefix=self._prefix) if self._has_own(config) else None

    def _has_own(self, config: ContainerConfig) -> bool:
        if not config.wishes.shares_processes:
            return True
        if self.config.disallow_sharing_agent_pid_namespace:
            raise OperatingFault(
                "the container asks to share the machine's processes, and --disallow_sharing_agent_pid_namespace is set"
            )
        return False
