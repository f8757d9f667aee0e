"""Tasks that should run for ever, and a record of what became of each: the load under which scenarios happen."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TERMINAL_STATES
from mesos_service.sdk import Scheduler, available, take, task
from mesos_service.wire.agents import MasterInfo
from mesos_service.wire.offers import Offer
from mesos_service.wire.tasks import TaskStatus

NEEDS: Final = Resources.parse("cpus:0.1;mem:16")
COMMAND: Final = "sleep 1000000"
REFUSE_SECONDS: Final = 1.0
_END_SECONDS_MAX: Final = 30.0


@dataclass(slots=True)
class Fate:
    """What was said of one task, in order; ``host`` is where it was launched."""

    host: str
    states: list[str] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        return any(state in TERMINAL_STATES for state in self.states)

    @property
    def runs(self) -> bool:
        return bool(self.states) and self.states[-1] == "TASK_RUNNING"


class _Framework(Scheduler):
    """Launches each task once, spread over the hosts, and never again."""

    def __init__(self, master: str, count: int, prefix: str, needs: Resources) -> None:
        super().__init__("scenario", master, failover_timeout_seconds=3600.0)
        self._needs = needs
        self.waiting = [f"{prefix}-{number}" for number in range(count)]
        self.fates: dict[str, Fate] = {}
        self.subscriptions: list[float] = []

    async def subscribed(self, framework_id: str, master: MasterInfo | None) -> None:
        self.subscriptions.append(time.monotonic())
        await self.reconcile()

    async def offers(self, offers: Sequence[Offer]) -> None:
        for position, offer in enumerate(offers):
            # A share for each offer at hand, so that every host gets some.
            share = -(-len(self.waiting) // (len(offers) - position))
            held, infos = available(offer), []
            while self.waiting and len(infos) < share and (part := take(held, self._needs)) is not None:
                held -= part
                task_id = self.waiting.pop()
                self.fates[task_id] = Fate(offer.hostname)
                infos.append(task(task_id, offer, part, COMMAND))
            if infos:
                await self.launch(offer, *infos, refuse_seconds=REFUSE_SECONDS)
            else:
                await self.decline(offer, refuse_seconds=REFUSE_SECONDS)

    async def update(self, status: TaskStatus) -> None:
        if (fate := self.fates.get(status.task_id.value)) is not None and status.state is not None:
            fate.states.append(status.state)


class Workload:
    """A framework with ``count`` tasks, in a thread of its own, from ``with`` to the end of the block."""

    def __init__(self, master: str, count: int, prefix: str = "task", needs: Resources = NEEDS) -> None:
        self._framework = _Framework(master, count, prefix, needs)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="workload", daemon=True)
        self.count = count

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._framework.run())
        self._loop.close()

    def __enter__(self) -> Workload:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop)
        self._thread.join(_END_SECONDS_MAX)

    async def _end(self) -> None:
        try:
            await self._framework.teardown()
        finally:
            self._framework.stop()

    @property
    def fates(self) -> dict[str, Fate]:
        """By task."""
        return dict(self._framework.fates)

    @property
    def subscriptions(self) -> int:
        """How often the framework found a leading master and was let in."""
        return len(self._framework.subscriptions)

    def all_run(self) -> bool:
        """Whether every task has been launched and was last said to run."""
        fates = self.fates
        return len(fates) == self.count and all(fate.runs for fate in fates.values())

    def lost(self) -> list[str]:
        """Tasks that have ended, which none should."""
        return sorted(task_id for task_id, fate in self.fates.items() if fate.ended)
