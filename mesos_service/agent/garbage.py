"""Removes sandboxes that nobody needs any more, by age and as the disk fills (M-AG-15, X59).

Only whole runs of executors go, with all that was nested in them, and never one that something may still run in. What
agents before wrote down goes in the same way (Mesos: ``slave.cpp`` does so with the meta directories of old agents).
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from mesos_service.containers.garbage import NotRemoved, Retired, age_max_seconds, remove_tree
from mesos_service.containers.sandbox import LATEST

_RUNS: Final = "*/frameworks/*/executors/*/runs/*"

log = logging.getLogger(__name__)


class SandboxGarbage:
    """The sandboxes below ``work_dir`` that may go. Everything but the removing itself is the loop's thread's.

    ``hide`` is told of a run just before it is removed.
    """

    def __init__(
        self,
        work_dir: Path,
        *,
        delay_seconds: float,
        headroom: float,
        interval_seconds: float,
        hide: Callable[[Path], None],
    ) -> None:
        self._slaves = work_dir / "slaves"
        self._work_dir = work_dir
        self._delay_seconds = delay_seconds
        self._headroom = headroom
        self._interval_seconds = interval_seconds
        self._hide = hide
        self._retired = Retired()
        self._removing: Path | None = None
        self._stop = threading.Event()
        self._watching: asyncio.Task[None] | None = None
        self._succeeded = self._failed = 0
        self._age_max_seconds = age_max_seconds(delay_seconds, headroom, 0.0)
        """On the disk as it was when it was last looked at."""

    def metrics(self) -> Mapping[str, float]:
        """By Mesos' names."""
        return {
            "gc/path_removals_failed": float(self._failed),
            "gc/path_removals_pending": float(len(self._retired)),
            "gc/path_removals_succeeded": float(self._succeeded),
            "slave/executor_directory_max_allowed_age_secs": self._age_max_seconds,
        }

    def retire(self, run: Path) -> None:
        """Nothing runs there any more; its age counts from now on."""
        with suppress(OSError):
            # So that the next agent knows how old it is.
            os.utime(run)
        self._retired.add(run, time.time())

    def keep(self, run: Path) -> bool:
        """Something is to run there again (X59). ``False``: it is too late, the directory is being removed."""
        self._retired.discard(run)
        return run != self._removing

    def start(
        self,
        in_use: Collection[Path],
        defect: Callable[[BaseException], None],
        former: Iterable[tuple[Path, float]] = (),
    ) -> None:
        """Look after the disk from now on, until :meth:`stop`. What is not ``in_use`` was left by agents before.

        ``former`` are other directories that may go, with the time since when.
        """
        for directory, since in former:
            self._retired.add(directory, min(since, time.time()))
        self._watching = asyncio.create_task(self._watch(frozenset(in_use)))

        def ended(task: asyncio.Task[None]) -> None:
            error = None if task.cancelled() else task.exception()
            if error is not None:
                defect(error)

        self._watching.add_done_callback(ended)

    async def stop(self) -> None:
        """Remove nothing more; what is half removed is finished some other time."""
        self._stop.set()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait((self._watching,))

    async def _watch(self, in_use: Collection[Path]) -> None:
        for run, since in await asyncio.to_thread(lambda: list(self._left(in_use))):
            self._retired.add(run, since)
        while True:
            await self.collect()
            await asyncio.sleep(self._interval_seconds)

    def _left(self, in_use: Collection[Path]) -> Iterator[tuple[Path, float]]:
        """The runs of agents before, each with the time of its end."""
        for run in self._slaves.glob(_RUNS):
            if run not in in_use and not run.is_symlink():
                with suppress(OSError):
                    yield run, min(run.stat().st_mtime, time.time())

    async def collect(self) -> None:
        """Remove what is too old for a disk as full as it is now."""
        try:
            disk = await asyncio.to_thread(shutil.disk_usage, self._work_dir)
        except OSError as error:
            log.warning("How full the disk of %s is cannot be said: %s", self._work_dir, error)
            return
        usage = 1.0 - disk.free / disk.total if disk.total else 0.0
        age = self._age_max_seconds = age_max_seconds(self._delay_seconds, self._headroom, usage)
        due = self._retired.older_than(age, time.time())
        if due and age < self._delay_seconds * (1.0 - self._headroom):
            log.debug("The disk is used to %.0f%%: sandboxes are kept for %.0f s", usage * 100, age)
        for run in due:
            if run in self._retired:
                await self._remove(run)

    async def _remove(self, run: Path) -> None:
        self._retired.discard(run)
        is_sandbox = self._slaves in run.parents
        if is_sandbox:
            self._hide(run)
        self._removing = run
        removing = asyncio.ensure_future(asyncio.to_thread(remove_tree, run, self._stop))
        try:
            # Cancelled, it still waits: the thread has been told to stop, and works on a directory of ours till then.
            await asyncio.wait((removing,))
        except asyncio.CancelledError:
            self._stop.set()
            await asyncio.wait((removing,))
            removing.exception()
            raise
        finally:
            self._removing = None
        try:
            removing.result()
        except NotRemoved as error:
            self._failed += 1
            log.warning("%s cannot be removed yet: %s", run, error)
            # To be tried again, at its age in a while.
            self._retired.add(run, time.time())
        else:
            self._succeeded += 1
            log.info("%s is removed, as nobody needs it any more", run)
            if is_sandbox:
                self._prune(run)

    def _prune(self, run: Path) -> None:
        """Remove the directories above that hold nothing any more. Launches make theirs on this same thread."""
        with suppress(OSError):
            latest = run.parent / LATEST
            if latest.is_symlink() and not latest.exists():
                latest.unlink()
        for directory in run.parents:
            if directory == self._slaves:
                return
            try:
                directory.rmdir()
            except OSError:
                return  # Something else is there.
