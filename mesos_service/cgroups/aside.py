"""Writes that the kernel may take its time over, done beside the event loop.

Moving a process into a group waits now and then until every processor has passed a quiet state, some ten milliseconds,
in which an agent would do nothing else. One thread does all of it, and what comes up while it waits goes with the next
turn: a thread for each write would fight for Python's lock, and the writes wait for each other in the kernel anyway.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from weakref import WeakKeyDictionary

from mesos_service.cgroups.steps import Step, perform
from mesos_service.domain.errors import OperatingFault

_THREAD: Final = ThreadPoolExecutor(1, thread_name_prefix="cgroups")

Job = tuple[Sequence[Step], asyncio.Future[None]]


class _Queue:
    """What one loop has to write."""

    def __init__(self) -> None:
        self._jobs: list[Job] = []
        self._working: asyncio.Task[None] | None = None

    def add(self, job: Job) -> None:
        self._jobs.append(job)
        if self._working is None:
            self._working = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._jobs:
                jobs, self._jobs = self._jobs, []
                faults = await loop.run_in_executor(_THREAD, _perform_all, [steps for steps, _ in jobs])
                for (_, done), fault in zip(jobs, faults, strict=True):
                    if done.done():
                        continue
                    if fault is None:
                        done.set_result(None)
                    else:
                        done.set_exception(fault)
        finally:
            self._working = None


_queues: WeakKeyDictionary[asyncio.AbstractEventLoop, _Queue] = WeakKeyDictionary()


async def perform_aside(steps: Sequence[Step]) -> None:
    """As :func:`~mesos_service.cgroups.steps.perform`, and others may work meanwhile."""
    loop = asyncio.get_running_loop()
    queue = _queues.setdefault(loop, _Queue())
    done: asyncio.Future[None] = loop.create_future()
    queue.add((steps, done))
    await done


def _perform_all(jobs: Sequence[Sequence[Step]]) -> list[OperatingFault | None]:
    faults: list[OperatingFault | None] = []
    for steps in jobs:
        try:
            perform(steps)
        except OperatingFault as fault:
            faults.append(fault)
        else:
            faults.append(None)
    return faults
