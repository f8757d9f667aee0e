"""Frameworks that come back to whoever leads: some that run what they want, and one that probes whether tasks run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from mesos_service.bench.recovering import NEEDS
from mesos_service.sdk import Scheduler, take, task
from mesos_service.sdk.tasks import available
from mesos_service.wire.agents import MasterInfo
from mesos_service.wire.offers import Offer
from mesos_service.wire.tasks import TaskStatus


class Tenant(Scheduler):
    """A framework that fills ``wanted`` slots once, and then wants nothing more, whoever leads."""

    def __init__(self, name: str, zookeeper: str, wanted: int) -> None:
        super().__init__(name, zookeeper, roles=(name,))
        self._wanted = self._total = wanted
        self._running: set[str] = set()
        self.back = asyncio.Event()
        """Set while it is subscribed; to be cleared by who waits for the next time."""
        self.settled = asyncio.Event()
        """Set when all its tasks run."""

    async def subscribed(self, framework_id: str, master: MasterInfo | None) -> None:
        self.back.set()

    async def offers(self, offers: Sequence[Offer]) -> None:
        spare = []
        for offer in offers:
            part = take(available(offer), NEEDS) if self._wanted else None
            if part is None:
                spare.append(offer)
            else:
                self._wanted -= 1
                await self.launch(offer, task(f"{self.framework_info.name}-{self._wanted}", offer, part, "true"))
        if spare:
            await self.decline(*spare)
        if not self._wanted:
            await self.suppress()

    async def update(self, status: TaskStatus) -> None:
        if status.state == "TASK_RUNNING":
            self._running.add(status.task_id.value)
            if len(self._running) == self._total:
                self.settled.set()


class Prober(Scheduler):
    """A framework that launches one task whenever it is asked to, and kills it as soon as it runs."""

    def __init__(self, zookeeper: str) -> None:
        super().__init__("prober", zookeeper, roles=("prober",))
        self._launched = 0
        self._due = False
        self.back = asyncio.Event()
        """As of a tenant."""
        self.ran = asyncio.Event()
        """Set when the task of the latest probe runs."""

    def probe(self) -> None:
        """Launch one task with the next offer that comes from another subscription than this one."""
        self.back.clear()
        self.ran.clear()
        self._due = False

    async def subscribed(self, framework_id: str, master: MasterInfo | None) -> None:
        self._due = True
        self.back.set()

    async def offers(self, offers: Sequence[Offer]) -> None:
        spare = list(offers)
        if self._due:
            for offer in offers:
                part = take(available(offer), NEEDS)
                if part is not None:
                    self._due = False
                    self._launched += 1
                    spare.remove(offer)
                    await self.launch(offer, task(f"probe-{self._launched}", offer, part, "true"))
                    break
        if spare:
            await self.decline(*spare)

    async def update(self, status: TaskStatus) -> None:
        if status.state == "TASK_RUNNING" and status.task_id.value == f"probe-{self._launched}":
            self.ran.set()
            await self.kill(status.task_id.value, status.agent_id.value if status.agent_id else None)
