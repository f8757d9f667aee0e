"""A scheduler of the SDK that remembers what it is told, and what a master in small tells it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any

from mesos_service.sdk.scheduler import Scheduler
from mesos_service.wire.agents import MasterInfo
from mesos_service.wire.offers import Offer, OperationStatus
from mesos_service.wire.tasks import TaskStatus
from tests.unit.sdk.fake_server import Json

OFFER: Json = {
    "id": {"value": "O1"},
    "framework_id": {"value": "F1"},
    "agent_id": {"value": "S1"},
    "hostname": "h",
    "resources": [
        {"name": "cpus", "type": "SCALAR", "scalar": {"value": 4.0}, "role": "*", "allocation_info": {"role": "*"}},
        {"name": "mem", "type": "SCALAR", "scalar": {"value": 4096.0}, "role": "*", "allocation_info": {"role": "*"}},
    ],
}


STATUS: Json = {
    "task_id": {"value": "t1"},
    "state": "TASK_RUNNING",
    "agent_id": {"value": "S1"},
    "uuid": "MDEyMzQ1Njc4OWFiY2RlZg==",
}


class Recording(Scheduler):
    """Remembers what it was told, in order."""

    def __init__(self, master: str, **options: Any) -> None:  # Any: passed on as it is.
        super().__init__("test", master, **options)
        self.told: list[tuple[object, ...]] = []
        self._news = asyncio.Event()

    def _tell(self, *what: object) -> None:
        self.told.append(what)
        self._news.set()

    async def heard(self, kind: str, count: int = 1) -> list[tuple[object, ...]]:
        async with asyncio.timeout(60):
            while True:
                found = [what for what in self.told if what[0] == kind]
                if len(found) >= count:
                    return found
                self._news.clear()
                await self._news.wait()

    async def subscribed(self, framework_id: str, master: MasterInfo | None) -> None:
        self._tell("subscribed", framework_id)

    async def disconnected(self, reason: str) -> None:
        self._tell("disconnected", reason)

    async def offers(self, offers: Sequence[Offer]) -> None:
        self._tell("offers", [offer.id.value for offer in offers])

    async def rescind(self, offer_id: str) -> None:
        self._tell("rescind", offer_id)

    async def update(self, status: TaskStatus) -> None:
        self._tell("update", status.task_id.value, status.state)

    async def message(self, agent_id: str, executor_id: str, data: bytes) -> None:
        self._tell("message", agent_id, executor_id, data)

    async def operation_status(self, status: OperationStatus) -> None:
        self._tell("operation_status", status.operation_id and status.operation_id.value, status.state)

    async def failure(self, agent_id: str | None, executor_id: str | None, status: int | None) -> None:
        self._tell("failure", agent_id, executor_id, status)

    async def error(self, message: str) -> None:
        self._tell("error", message)


@contextlib.asynccontextmanager
async def running(scheduler: Scheduler) -> AsyncIterator[asyncio.Task[None]]:
    task_ = asyncio.create_task(scheduler.run())
    try:
        yield task_
    finally:
        scheduler.stop()
        if not task_.done():
            await task_


def in_loop(test: Coroutine[object, object, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(120):
            await test

    asyncio.run(bounded())
