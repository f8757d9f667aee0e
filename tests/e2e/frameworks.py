"""Frameworks that remember what they are told, and scenarios that they are played in."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar

import msgspec
import psutil
import uvloop

from mesos_service.local import LocalCluster
from mesos_service.sdk import tasks
from mesos_service.sdk.scheduler import Scheduler
from mesos_service.wire.offers import Offer, OfferOperation, OperationStatus
from mesos_service.wire.tasks import TaskInfo, TaskStatus
from tests.support.children import is_keeper, living_children
from tests.support.waiting import PATIENCE

NEEDS = "cpus:0.1;mem:16"


class Framework(Scheduler):
    """Keeps what it is told. Offers are held until somebody asks for one."""

    def __init__(self, master: str) -> None:
        super().__init__("e2e", master, failover_timeout_seconds=0)
        self.held: list[Offer] = []
        self.seen: dict[str, list[TaskStatus]] = {}
        self.failures: list[tuple[str | None, str | None, int | None]] = []
        self._news = asyncio.Event()

    async def offers(self, offers: Sequence[Offer]) -> None:
        self.held.extend(offers)
        self._news.set()

    async def rescind(self, offer_id: str) -> None:
        self.held = [offer for offer in self.held if offer.id.value != offer_id]
        self._news.set()

    async def update(self, status: TaskStatus) -> None:
        self.seen.setdefault(status.task_id.value, []).append(status)
        self._news.set()

    async def failure(self, agent_id: str | None, executor_id: str | None, status: int | None) -> None:
        self.failures.append((agent_id, executor_id, status))
        self._news.set()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(60 * PATIENCE):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def an_offer(self) -> Offer:
        await self.until(lambda: self.held)
        return self.held.pop()

    async def run_tasks(self, make: Callable[[Offer], TaskInfo | OfferOperation]) -> Offer:
        """Use one offer for what ``make`` makes of it."""
        offer = await self.an_offer()
        made = make(offer)
        await self.accept([offer], [made if isinstance(made, OfferOperation) else tasks.launch(made)], refuse_seconds=0)
        return offer

    def states(self, task_id: str) -> list[str]:
        return [status.state.removeprefix("TASK_") for status in self.seen.get(task_id, [])]

    async def reaches(self, task_id: str, *states: str) -> TaskStatus:
        ended = {"FINISHED", "FAILED", "KILLED", "DROPPED", "ERROR", "LOST"}
        await self.until(lambda: len(self.states(task_id)) >= len(states) or ended.intersection(self.states(task_id)))
        assert self.states(task_id) == list(states), self.seen[task_id]
        return self.seen[task_id][-1]


class Patient(Framework):
    """Counts an update once: who is told again after a restart knows it by its uuid (X06)."""

    def __init__(self, master: str) -> None:
        super().__init__(master)
        self.repeated: list[TaskStatus] = []

    async def update(self, status: TaskStatus) -> None:
        if any(one.uuid == status.uuid for one in self.seen.get(status.task_id.value, [])):
            self.repeated.append(status)
        else:
            await super().update(status)


FrameworkT = TypeVar("FrameworkT", bound=Framework)


@contextlib.asynccontextmanager
async def subscribed_as(kind: type[FrameworkT], cluster: LocalCluster) -> AsyncIterator[FrameworkT]:
    """A framework of this kind, until the end of the context."""
    framework = kind(cluster.master)
    running = asyncio.create_task(framework.run())
    try:
        yield framework
        await framework.teardown()
    finally:
        framework.stop()
        await asyncio.wait((running,))
        running.result()


def subscribed(cluster: LocalCluster) -> contextlib.AbstractAsyncContextManager[Framework]:
    return subscribed_as(Framework, cluster)


def play(scenario: Callable[[], Awaitable[None]], seconds: float = 180) -> None:
    before = set(living_children())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(scenario(), seconds * PATIENCE))
    assert before.issuperset(living_children()), "something outlived its cluster"


def task_processes() -> list[psutil.Process]:
    """What tasks run: everything but the keepers that keep it."""
    return [one for one in living_children() if not is_keeper(one)]


def is_told(framework: Patient, name: str, *states: str) -> bool:
    return bool(set(states).intersection(framework.states(name)))


class Operating(Patient):
    """Remembers what it is told of operations."""

    def __init__(self, master: str) -> None:
        super().__init__(master)
        self.framework_info = msgspec.structs.replace(self.framework_info, roles=("store/files",))
        self.operations: list[OperationStatus] = []

    async def operation_status(self, status: OperationStatus) -> None:
        self.operations.append(status)
