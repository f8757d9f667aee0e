"""Tasks that should run for ever, tasks that come and go, and a record of what became of each: the load under which
scenarios happen."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TERMINAL_STATES
from mesos_service.http.client import ConnectionFault
from mesos_service.sdk import CallRefused, NotConnected, Scheduler, available, take, task
from mesos_service.wire.agents import MasterInfo
from mesos_service.wire.offers import Offer
from mesos_service.wire.tasks import TaskInfo, TaskStatus

NEEDS: Final = Resources.parse("cpus:0.1;mem:16")
COMMAND: Final = "sleep 1000000"
STUBBORN_COMMAND: Final = "trap '' TERM; sleep 1000000"
"""Ends only when it is killed."""
SHORT_COMMAND: Final = "sleep 0.5"
REFUSE_SECONDS: Final = 1.0
ASK_SECONDS: Final = 5.0
_END_SECONDS_MAX: Final = 30.0


@dataclass(slots=True)
class Fate:
    """What was said of one task, in order; ``host`` and ``agent_id`` are where it was launched."""

    host: str
    agent_id: str
    states: list[str] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        return any(state in TERMINAL_STATES for state in self.states)

    @property
    def runs(self) -> bool:
        return bool(self.states) and self.states[-1] == "TASK_RUNNING"

    @property
    def finished(self) -> bool:
        return "TASK_FINISHED" in self.states

    @property
    def began(self) -> bool:
        return "TASK_RUNNING" in self.states


class _Framework(Scheduler):
    """Keeps what is said of the tasks that it launches."""

    def __init__(self, name: str, master: str) -> None:
        super().__init__(name, master, failover_timeout_seconds=3600.0)
        self.fates: dict[str, Fate] = {}
        self.subscriptions: list[float] = []

    def open_tasks(self) -> list[str]:
        """Those that have not ended, as far as it has been told."""
        return [task_id for task_id, fate in self.fates.items() if not fate.ended]

    async def subscribed(self, framework_id: str, master: MasterInfo | None) -> None:
        self.subscriptions.append(time.monotonic())
        await self.reconcile()

    async def update(self, status: TaskStatus) -> None:
        if (fate := self.fates.get(status.task_id.value)) is not None and status.state is not None:
            fate.states.append(status.state)


class _Lasting(_Framework):
    """Launches each task once, spread over the hosts, and never again."""

    def __init__(self, master: str, count: int, prefix: str, needs: Resources, command: str) -> None:
        super().__init__("scenario", master)
        self._command = command
        self._needs = needs
        self.waiting = [f"{prefix}-{number}" for number in range(count)]

    async def offers(self, offers: Sequence[Offer]) -> None:
        for position, offer in enumerate(offers):
            # A share for each offer at hand, so that every host gets some.
            share = -(-len(self.waiting) // (len(offers) - position))
            held = available(offer)
            infos: list[TaskInfo] = []
            while self.waiting and len(infos) < share and (part := take(held, self._needs)) is not None:
                held -= part
                task_id = self.waiting.pop()
                self.fates[task_id] = Fate(offer.hostname, offer.agent_id.value)
                infos.append(task(task_id, offer, part, self._command))
            if infos:
                await self.launch(offer, *infos, refuse_seconds=REFUSE_SECONDS)
            else:
                await self.decline(offer, refuse_seconds=REFUSE_SECONDS)


class _Churning(_Framework):
    """Keeps ``at_once`` short tasks going, one after the other, until told that it is enough."""

    def __init__(self, master: str, at_once: int) -> None:
        super().__init__("churn", master)
        self._at_once = at_once
        self._asked_at = 0.0
        self.enough = False

    async def ask(self) -> None:
        """Ask for each task by name: of what a lost master never passed on, the next knows nothing.

        And by agent: of a task that may be anywhere nobody can say a thing while any agent at all is waited for (X15b).
        """
        if tasks := self.open_tasks():
            await self.reconcile(*((task_id, self.fates[task_id].agent_id) for task_id in tasks))

    async def offers(self, offers: Sequence[Offer]) -> None:
        if time.monotonic() - self._asked_at > ASK_SECONDS:
            self._asked_at = time.monotonic()
            await self.ask()
        for offer in offers:
            part = take(available(offer), NEEDS)
            if self.enough or part is None or len(self.open_tasks()) >= self._at_once:
                await self.decline(offer, refuse_seconds=REFUSE_SECONDS)
                continue
            task_id = f"short-{len(self.fates)}"
            self.fates[task_id] = Fate(offer.hostname, offer.agent_id.value)
            await self.launch(offer, task(task_id, offer, part, SHORT_COMMAND), refuse_seconds=0.0)


class _Run:
    """A framework in a thread of its own, from ``with`` to the end of the block."""

    def __init__(self, framework: _Framework) -> None:
        self._framework = framework
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=framework.framework_info.name, daemon=True)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._framework.run())
        self._loop.close()

    def __enter__(self) -> Self:
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


class Workload(_Run):
    """``count`` tasks that should never end."""

    def __init__(
        self, master: str, count: int, prefix: str = "task", needs: Resources = NEEDS, command: str = COMMAND
    ) -> None:
        super().__init__(_Lasting(master, count, prefix, needs, command))
        self.count = count

    def all_run(self) -> bool:
        """Whether every task has been launched and was last said to run."""
        fates = self.fates
        return len(fates) == self.count and all(fate.runs for fate in fates.values())

    def lost(self) -> list[str]:
        """Tasks that have ended, which none should."""
        return sorted(task_id for task_id, fate in self.fates.items() if fate.ended)


class Churn(_Run):
    """Short tasks, one after the other, ``at_once`` at a time: something is being launched and ends at every moment."""

    def __init__(self, master: str, at_once: int) -> None:
        self._churning = _Churning(master, at_once)
        super().__init__(self._churning)

    def settled(self) -> bool:
        """Launch no more; whether it has been told of every task what became of it. Asks each time it is called."""
        self._churning.enough = True
        if not self._churning.open_tasks():
            return True
        with contextlib.suppress(NotConnected, CallRefused, ConnectionFault):
            asyncio.run_coroutine_threadsafe(self._churning.ask(), self._loop).result(_END_SECONDS_MAX)
        return False

    def finished(self) -> int:
        """How many have done what they were for."""
        return sum(fate.finished for fate in self.fates.values())

    def lost(self) -> list[str]:
        """Tasks that ran, and ended otherwise than by themselves."""
        return sorted(
            task_id for task_id, fate in self.fates.items() if fate.began and fate.ended and not fate.finished
        )

    def never_begun(self) -> list[str]:
        """Launches that came to nothing, as their framework was told."""
        return sorted(task_id for task_id, fate in self.fates.items() if fate.ended and not fate.began)
