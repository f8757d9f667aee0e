"""``network/bandwidth``: how much each container may send in a second (M-AG-05; Mesos docs, egress limit).

``--egress_rate_limit_per_container`` bounds what leaves by one interface (``--eth0_name``, or else that of the default
route). Each container has a class of an HTB queue there (tc-htb(8)), and a rule of iptables that puts into it whatever
the sockets of its control group send, by the group's path: that needs the hierarchy of version 2, which hybrid machines
have too, with or without controllers. What others send passes as before.

Where somebody else has set up the interface's queue already, nothing is touched, and the launch fails.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

from pydantic import field_validator

from mesos_service.cgroups.amounts import read_bytes
from mesos_service.cgroups.group import Group
from mesos_service.cgroups.hierarchy import Hierarchy, find, mounted
from mesos_service.cgroups.isolator import CgroupConfig, CgroupIsolator
from mesos_service.cgroups.steps import Write
from mesos_service.domain.errors import ConfigurationError, OperatingFault
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.resources import Resources
from mesos_service.plugins.isolator import ContainerConfig, ContainerState, Host, LaunchInfo

HANDLE: Final = "4d53"
"""Of our queue, in hexadecimal."""
CLASSES_MAX: Final = 0xFFFE
_BURST_BYTES_MIN: Final = 16 << 10
_ROUTES: Final = "proc/net/route"

Command = tuple[str, ...]


class Config(CgroupConfig):
    """The flags of all cgroups, the bound and the interface."""

    egress_rate_limit_per_container: str | None = None
    eth0_name: str | None = None

    @field_validator("egress_rate_limit_per_container")
    @classmethod
    def _check(cls, text: str | None) -> str | None:
        if text is not None:
            read_bytes(text)
        return text


class NetworkBandwidth(CgroupIsolator):
    """By ``tc`` (iproute2) and ``iptables``; takes root."""

    name = "network/bandwidth"
    Config: ClassVar[type[Any] | None] = Config
    v1_controllers = ("network",)
    v2_controller = None

    def __init__(self, host: Host, config: Any = None) -> None:  # Any: an instance of Config
        super().__init__(host, config if config is not None else Config())
        programs = {name: shutil.which(name) for name in ("tc", "iptables")}
        for name, path in programs.items():
            if path is None or os.geteuid() != 0:
                raise ConfigurationError(f"Isolator 'network/bandwidth' needs the program '{name}' and root")
        if self.config.egress_rate_limit_per_container is None:
            raise ConfigurationError("Isolator 'network/bandwidth' needs --egress_rate_limit_per_container")
        self._rate = read_bytes(self.config.egress_rate_limit_per_container)
        self._interface = self.config.eth0_name or default_interface(self.config.rootfs)
        self._tables = tuple(name for name in ("iptables", "ip6tables") if shutil.which(name))
        self._one_by_one = asyncio.Lock()

    def choose(self, settings: CgroupConfig) -> Mapping[str, Hierarchy]:
        """The hierarchy of version 2, whatever controllers it has."""
        tree = find(mounted(settings.rootfs, settings.cgroups_hierarchy), 2, "")
        if tree is None:
            raise ConfigurationError(
                "Isolator 'network/bandwidth' needs the control groups of version 2 mounted below"
                f" {settings.cgroups_hierarchy} (--cgroups_hierarchy); no controller is needed in them"
            )
        return {"network": tree}

    def settings(self, group: Group, resources: Resources, limits: Mapping[str, int], *, running: bool) -> list[Write]:
        """Nothing: the group is only a name."""
        return []

    def commands(self, container_id: ContainerId, number: int) -> list[Command]:
        """What bounds a container, in order; ``number`` is its class."""
        burst = max(_BURST_BYTES_MIN, self._rate // 50)
        made = (
            *("tc", "class", "replace", "dev", self._interface, "parent", f"{HANDLE}:"),
            *("classid", f"{HANDLE}:{number:x}", "htb", "rate", f"{self._rate * 8}bit", "burst", str(burst)),
        )
        return [
            made,
            *((table, "-w", "-t", "mangle", "-A", *self._rule(container_id, number)) for table in self._tables),
        ]

    def _rule(self, container_id: ContainerId, number: int) -> Command:
        return (
            *("POSTROUTING", "-o", self._interface, "-m", "cgroup", "--path", self._path(container_id)),
            *("-j", "CLASSIFY", "--set-class", f"{HANDLE}:{number:04x}"),
        )

    def _path(self, container_id: ContainerId) -> str:
        [tree] = self.hierarchies.values()
        return str(self.group(container_id).path.relative_to(tree.mount))

    def explain(self, container_id: ContainerId, config: ContainerConfig) -> list[str]:
        """Groups, then commands, with a class that might be another."""
        lines = list(super().explain(container_id, config))
        if config.parent is None:
            lines += [" ".join(command) for command in self.commands(container_id, 1)]
        return lines

    async def prepare(self, container_id: ContainerId, config: ContainerConfig) -> LaunchInfo | None:
        """Make the group, the class and the rules."""
        info = await super().prepare(container_id, config)
        if config.parent is None:
            async with self._one_by_one:
                await self._have_queue()
                for command in self.commands(container_id, await self._free_number()):
                    await _must(command)
        return info

    async def recover(self, states: Sequence[ContainerState], orphans: Collection[ContainerId]) -> None:
        """Know the living; end what never ran, and classes that an agent made just before it died."""
        await super().recover(states, orphans)
        for number in await self._unused(await self._classes()):
            await self._delete(number)

    async def end(self, container_id: ContainerId, hierarchies: Sequence[Hierarchy]) -> None:
        """Rules, class and group, as far as they are there."""
        if not hierarchies:
            return
        numbers: set[int] = set()
        async with self._one_by_one:
            for table in self._tables:
                for number in await self._numbers_in(table, container_id):
                    await _must((table, "-w", "-t", "mangle", "-D", *self._rule(container_id, number)))
                    numbers.add(number)
            for number in numbers & await self._classes():
                await self._delete(number)
        await super().end(container_id, hierarchies)

    async def close(self) -> None:
        """Give the interface its own queue back, where no container of another agent is in ours."""
        if await self._has_queue() and not await self._classes():
            await _must(("tc", "qdisc", "del", "dev", self._interface, "root"))
        await super().close()

    # -- what there is ---------------------------------------------------------------------------------------
    async def _has_queue(self) -> bool:
        return f"htb {HANDLE}:" in await _must(("tc", "qdisc", "show", "dev", self._interface, "root"))

    async def _have_queue(self) -> None:
        if await self._has_queue():
            return
        shown = await _must(("tc", "qdisc", "show", "dev", self._interface, "root"))
        words = shown.split()
        if len(words) > 2 and words[2] != "0:":
            raise OperatingFault(f"Interface {self._interface} has a queue of somebody else: {shown.strip()}")
        await _must(("tc", "qdisc", "add", "dev", self._interface, "root", "handle", f"{HANDLE}:", "htb"))

    async def _delete(self, number: int) -> None:
        await _must(("tc", "class", "del", "dev", self._interface, "classid", f"{HANDLE}:{number:x}"))

    async def _classes(self) -> set[int]:
        shown = await _must(("tc", "class", "show", "dev", self._interface))
        return {int(found, 16) for found in re.findall(rf"class htb {HANDLE}:([0-9a-f]+)", shown)}

    async def _unused(self, classes: set[int]) -> set[int]:
        """Classes that no rule, of whatever agent, puts anything into."""
        used: set[int] = set()
        for table in self._tables:
            rules = await _must((table, "-w", "-t", "mangle", "-S", "POSTROUTING"))
            used |= {int(found, 16) for found in re.findall(rf"--set-class {HANDLE}:([0-9a-f]+)", rules)}
        return classes - used

    async def _numbers_in(self, table: str, container_id: ContainerId) -> set[int]:
        rules = await _must((table, "-w", "-t", "mangle", "-S", "POSTROUTING"))
        path = re.escape(self._path(container_id))
        return {int(one, 16) for one in re.findall(rf'--path "?{path}"? .*--set-class {HANDLE}:([0-9a-f]+)', rules)}

    async def _free_number(self) -> int:
        taken = await self._classes()
        for number in range(1, CLASSES_MAX + 1):
            if number not in taken:
                return number
        raise OperatingFault(f"All {CLASSES_MAX} classes of interface {self._interface} are taken")


def default_interface(rootfs: Path = Path("/")) -> str:
    """The interface that the default route goes by. Raises :class:`ConfigurationError` when there is none."""
    try:
        lines = (rootfs / _ROUTES).read_text().splitlines()[1:]
    except OSError:
        lines = []
    for line in lines:
        columns = line.split("\t")
        if len(columns) > 1 and columns[1] == "00000000":
            return columns[0]
    raise ConfigurationError("Isolator 'network/bandwidth' finds no default route: name the interface with --eth0_name")


async def _must(command: Command) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise OperatingFault(
            f"'{' '.join(command)}' failed with status {process.returncode}: {output.decode(errors='replace').strip()}"
        )
    return output.decode()
