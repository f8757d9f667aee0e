"""Work that goes on beside the driver: started and forgotten, but never unseen when it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine


class Background:
    """Tasks of one service. ``defect`` is told of every exception that a task ends with: none is expected."""

    def __init__(self, defect: Callable[[BaseException], None]) -> None:
        self._defect = defect
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Run ``work`` beside everything else."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._defect(error)

    async def finish(self) -> None:
        """Wait until all of it has ended, also what is started meanwhile."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def cancel(self) -> None:
        """Cancel what is still going on and wait for its end."""
        for task in self._tasks:
            task.cancel()
        await self.finish()
