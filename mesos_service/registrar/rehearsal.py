"""A master that stands by keeps what it needs to lead: a connection to the registry, and what stands in it.

Whoever is elected then only has to see that nothing was stored since, which one row says: with 4,000 agents a few
answers of the database instead of 40. And an operator is told beforehand, by a line of the log, that it would fail.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import Final

from sqlalchemy.engine import URL

from mesos_service.registrar.interface import RegistryFault
from mesos_service.registrar.store import SqlStore
from mesos_service.registrar.worker import Worker

PAUSE_SECONDS: Final = 1.0
"""Between two looks at that row."""
READING_SHARE: Final = 0.05
"""Of its time a standby spends at most so much on reading what others store."""

log = logging.getLogger(__name__)


class Rehearsal:
    """Looks at the registry at ``url`` from :meth:`run` on, until that is cancelled or what it has is handed over."""

    def __init__(self, url: URL) -> None:
        # A connection and a thread of its own: should this master be elected meanwhile, nothing is in its way.
        self._store = SqlStore(url)
        self._worker = Worker("registrar-rehearsal")
        self._at_work = False
        self._told = ""
        self._over = asyncio.Event()

    async def run(self) -> None:
        """Ends by itself where there is nothing to rehearse."""
        if not self._store.is_shared:
            return
        try:
            while not self._over.is_set():
                seconds = await self._look()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await self._over.wait()
        finally:
            self._end(keep=False)

    def hand_over(self) -> SqlStore | None:
        """The store that has looked, for whoever takes the registry now; this one looks no more.

        ``None`` where it has not looked yet, could not, or is just looking: nobody has to wait for that.
        """
        if self._over.is_set():
            return None
        ready = not self._at_work and self._store.is_ready
        self._end(keep=ready)
        return self._store if ready else None

    def _end(self, *, keep: bool) -> None:
        if not self._over.is_set():
            self._over.set()
            self._worker.end(None if keep else self._store.close)

    async def _look(self) -> float:
        """Returns for how many seconds not to look again."""
        begin = time.monotonic()
        self._at_work = True
        try:
            whole = await self._worker.do(self._store.rehearse)
        except RegistryFault as fault:
            if str(fault) != self._told:
                self._told = str(fault)
                log.warning("This master stands by, and could not lead now: %s", fault)
            return PAUSE_SECONDS
        finally:
            self._at_work = False
        self._told = ""
        took = time.monotonic() - begin
        return max(PAUSE_SECONDS, took / READING_SHARE) if whole else PAUSE_SECONDS
