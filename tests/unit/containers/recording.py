"""An isolator that tests look at and hold."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from mesos_service.domain.ids import ContainerId
from mesos_service.domain.resources import Resources
from mesos_service.plugins.isolator import ContainerConfig, Host, Isolator, LaunchInfo, Limitation, Usage
from tests.unit.containers.room import RESOURCES, alive


class Nobody(Host):
    """No process at all."""

    def processes(self, container_id: ContainerId) -> tuple[int, ...]:
        return ()


class Recording(Isolator):
    """Writes down what it is asked, waits where it is told to, and fails where it is told to."""

    name = "test/recording"

    def __init__(self, name: str, log: list[str], holds: str = "", fails: str = "", nesting: bool = False) -> None:
        super().__init__(Nobody())
        self.named = name
        self.log = log
        self.holds = holds
        self.fails = fails
        self.nesting = nesting  # type: ignore[misc]  # A class's constant, and each of these is its own class.
        self.held = asyncio.Event()
        self.go_on = asyncio.Event()
        self.breach = asyncio.Event()

    async def _do(self, verb: str) -> None:
        self.log.append(f"{verb} {self.named}")
        if self.holds == verb:
            self.held.set()
            await self.go_on.wait()
            self.log.append(f"{verb} {self.named} done")
        if self.fails == verb:
            raise RuntimeError(f"{self.named} will not {verb}")

    async def prepare(self, container_id: ContainerId, config: ContainerConfig) -> LaunchInfo | None:
        await self._do("prepare")
        return LaunchInfo(environment={"WHO": self.named}, command_prefix=("/usr/bin/env", f"BY_{self.named}=1"))

    async def isolate(self, container_id: ContainerId, pid: int) -> None:
        assert alive(pid)
        await self._do("isolate")

    async def watch(self, container_id: ContainerId) -> Limitation | None:
        await self.breach.wait()
        if self.fails == "watch":
            raise RuntimeError("cannot watch")
        return Limitation(resources=RESOURCES, message="too much", reason="REASON_CONTAINER_LIMITATION_MEMORY")

    async def update(self, container_id: ContainerId, resources: Resources, limits: Mapping[str, int]) -> None:
        self.log.append(f"update {self.named} {resources} {dict(limits)}")

    async def usage(self, container_id: ContainerId) -> Usage:
        return Usage(mem_rss_bytes=7) if self.named == "a" else Usage(processes=2)

    async def cleanup(self, container_id: ContainerId) -> None:
        await self._do("cleanup")
