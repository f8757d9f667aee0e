"""``posix/rlimits``: limits of each process of a container, as its ``rlimit_info`` says (M-AG-08; Mesos docs).

Whoever starts processes there inherits them. Only root can raise what the agent itself was given.
"""

from __future__ import annotations

import shutil
from typing import Any

from mesos_service.domain.containers import Rlimit, Wish
from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.ids import ContainerId
from mesos_service.plugins.isolator import ContainerConfig, Host, Isolator, LaunchInfo


class PosixRlimits(Isolator):
    """By ``prlimit`` of util-linux; needs no privilege to lower a limit."""

    name = "posix/rlimits"
    nesting = True
    provides = frozenset({Wish.RLIMITS})
    isolates_before_exec = False

    def __init__(self, host: Host, config: Any = None) -> None:  # Any: there is none
        super().__init__(host, config)
        program = shutil.which("prlimit")
        if program is None:
            raise ConfigurationError("Isolator 'posix/rlimits' needs the program 'prlimit' (util-linux)")
        self._program = program

    def _prefix(self, config: ContainerConfig) -> tuple[str, ...]:
        if not config.wishes.rlimits:
            return ()
        return (self._program, *map(_option, config.wishes.rlimits), "--")

    def explain(self, container_id: ContainerId, config: ContainerConfig) -> list[str]:
        prefix = self._prefix(config)
        return [f"run by {' '.join(prefix)}"] if prefix else []

    async def prepare(self, container_id: ContainerId, config: ContainerConfig) -> LaunchInfo | None:
        """Begin with the limits that were asked for."""
        prefix = self._prefix(config)
        return LaunchInfo(command_prefix=prefix) if prefix else None


def _option(limit: Rlimit) -> str:
    if limit.soft is None or limit.hard is None:
        return f"--{limit.name.lower()}=unlimited:unlimited"
    return f"--{limit.name.lower()}={limit.soft}:{limit.hard}"
