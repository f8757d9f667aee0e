"""One thread that does one thing after another, so that the loop never waits for a database."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Worker:
    """Does what it is given in order. The thread is a daemon: one that is stuck in a dead connection does not keep
    the process from ending, as that of an executor of ``concurrent.futures`` would."""

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        """Started with the first job: a master that stands by needs none."""

    async def do(self, job: Callable[[], T]) -> T:
        """What ``job`` returns or raises. Giving up the wait does not stop it."""
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[T] = loop.create_future()

        def tell(result: T | None, error: BaseException | None) -> None:
            if outcome.done():  # Nobody waits any more.
                return
            if error is not None:
                outcome.set_exception(error)
            else:
                # None stands for "no result" only beside an error.
                outcome.set_result(result)  # type: ignore[arg-type]

        def run() -> None:
            result: T | None = None
            caught: BaseException | None = None
            try:
                result = job()
            except BaseException as error:  # noqa: BLE001  It is raised where somebody waits for it.
                caught = error
            # A loop that has been closed has nobody left who waits.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(tell, result, caught)

        if self._thread.ident is None:
            self._thread.start()
        self._jobs.put(run)
        return await outcome

    def end(self, last: Callable[[], None] | None = None) -> None:
        """End once everything given so far is done, and ``last`` after it; a thread that never began does nothing."""
        if last is not None:
            self._jobs.put(last)
        self._jobs.put(None)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
