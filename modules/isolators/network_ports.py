"""``network/ports``: who listens where, and who may (M-AG-11; Mesos docs, "network/ports").

Containers share the network of their agent, and nothing keeps them from listening at a port that is not theirs. Every
``--container_ports_watch_interval`` the listening TCP sockets of the machine are matched with those that the processes
of each container hold open. A port that is not among the container's ``ports`` is told in the log, and with
``--enforce_container_ports`` ends the container.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, Self

from pydantic import BaseModel, ConfigDict, model_validator

from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.resource import Resource, ResourceKey
from mesos_service.domain.resources import Resources
from mesos_service.domain.resources_text import parse_resources
from mesos_service.domain.values import Ranges
from mesos_service.plugins.isolator import ContainerConfig, ContainerState, Host, Isolator, LaunchInfo, Limitation

REASON: Final = "REASON_CONTAINER_LIMITATION"
DEFAULT_PORTS: Final = "[31000-32000]"
_LISTENING: Final = "0A"
_SOCKET: Final = "socket:["

log = logging.getLogger(__name__)


class Config(BaseModel):
    """The agent's flags of these names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    container_ports_watch_interval: float = 30.0
    """Seconds."""
    enforce_container_ports: bool = False
    check_agent_port_range_only: bool = False
    container_ports_isolated_range: str | None = None
    resources: str = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.container_ports_isolated_range is not None:
            if self.check_agent_port_range_only:
                raise ValueError("check_agent_port_range_only and container_ports_isolated_range exclude each other")
            Ranges.parse(self.container_ports_isolated_range)
        return self


class NetworkPorts(Isolator):
    """Reads ``/proc``; sees the sockets of other users' processes as root only."""

    name = "network/ports"
    Config: ClassVar[type[Any] | None] = Config
    isolates_before_exec = False

    def __init__(self, host: Host, config: Any = None) -> None:  # Any: an instance of Config
        super().__init__(host, config if config is not None else Config())
        if not Path("/proc/net/tcp").exists():
            raise ConfigurationError("Isolator 'network/ports' reads /proc/net/tcp, which is not there")
        self._looked_at = self._range()
        self._ports: dict[ContainerId, Ranges] = {}

    def _range(self) -> Ranges | None:
        """Which ports are looked at; ``None`` is all."""
        if self.config.container_ports_isolated_range is not None:
            return Ranges.parse(self.config.container_ports_isolated_range)
        if self.config.check_agent_port_range_only:
            return Resources(parse_resources(self.config.resources)).ports() or Ranges.parse(DEFAULT_PORTS)
        return None

    def explain(self, container_id: ContainerId, config: ContainerConfig) -> list[str]:
        then = "end the container" if self.config.enforce_container_ports else "tell it in the log"
        ports = config.resources.ports()
        return [
            f"look every {self.config.container_ports_watch_interval:g} s where it listens: {then}"
            f" if that is not at {ports if ports else 'no port at all'}"
        ]

    async def recover(self, states: Sequence[ContainerState], orphans: Collection[ContainerId]) -> None:
        """Watch over the living again."""
        for state in states:
            self._ports[state.container_id] = state.config.resources.ports()

    async def prepare(self, container_id: ContainerId, config: ContainerConfig) -> LaunchInfo | None:
        """Remember its ports."""
        self._ports[container_id] = config.resources.ports()
        return None

    async def update(self, container_id: ContainerId, resources: Resources, limits: Mapping[str, int]) -> None:
        """The next look knows the new ones."""
        if container_id in self._ports:
            self._ports[container_id] = resources.ports()

    async def watch(self, container_id: ContainerId) -> Limitation | None:
        """Look again and again; comes back only with a port that is not the container's, where that ends it."""
        told = Ranges()
        while container_id in self._ports:
            listening = await asyncio.to_thread(listening_ports, self.host.processes(container_id))
            stray = self._stray(container_id, listening)
            if stray and self.config.enforce_container_ports:
                return Limitation(
                    resources=Resources([Resource(ResourceKey("ports"), stray)]),
                    message=f"The container listens at ports that it does not hold: {stray}",
                    reason=REASON,
                )
            if stray - told:
                log.warning("Container %s listens at ports that it does not hold: %s", container_id, stray)
            told = stray
            await asyncio.sleep(self.config.container_ports_watch_interval)
        return None

    def _stray(self, container_id: ContainerId, ports: Collection[int]) -> Ranges:
        found = Ranges.of((port, port) for port in ports) - self._ports.get(container_id, Ranges())
        return found if self._looked_at is None else found & self._looked_at

    async def cleanup(self, container_id: ContainerId) -> None:
        """Nothing is watched any more."""
        self._ports.pop(container_id, None)


def listening_ports(pids: Iterable[int]) -> set[int]:
    """TCP ports at which these processes listen, of both families, each in the network that it is in."""
    found: set[int] = set()
    tables: dict[str, Mapping[str, int]] = {}
    for pid in pids:
        try:
            network = os.readlink(f"/proc/{pid}/ns/net")  # noqa: PTH115 - many of them, in a thread
            links = _links(pid)
        except OSError:
            continue  # It has ended, or is another user's.
        if links and network not in tables:
            tables[network] = _listening(pid)
        found.update(port for inode, port in tables.get(network, {}).items() if inode in links)
    return found


def _links(pid: int) -> set[str]:
    """Inodes of the sockets that a process has open."""
    found = set()
    directory = f"/proc/{pid}/fd"
    for name in os.listdir(directory):  # noqa: PTH208 - as above
        try:
            link = os.readlink(f"{directory}/{name}")  # noqa: PTH115
        except FileNotFoundError:
            continue
        if link.startswith(_SOCKET):
            found.add(link[len(_SOCKET) : -1])
    return found


def _listening(pid: int) -> Mapping[str, int]:
    """Ports by the inode of the socket that listens there (proc(5), /proc/net/tcp)."""
    found = {}
    for name in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/{pid}/net/{name}").read_text().splitlines()
        except OSError:
            continue
        for line in lines[1:]:
            columns = line.split()
            if columns[3] == _LISTENING:
                found[columns[9]] = int(columns[1].rpartition(":")[2], 16)
    return found
