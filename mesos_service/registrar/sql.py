"""The registrar on SQL: group commit, one write at a time, in a thread of its own so that the loop never waits.

What is asked for while a batch is being written forms the next one (X16). The write of a batch has the store timeout,
taking the registry the fetch timeout (M-HA-04); when they pass, the registry is lost, and its master ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final, TypeVar

from mesos_service.core.registry.operations import Operation
from mesos_service.core.registry.registry import Registry
from mesos_service.domain.errors import ConfigurationError, InvariantBroken, MesosServiceError
from mesos_service.registrar.interface import LostCallback, PersistedCallback, RegistryFault
from mesos_service.registrar.rehearsal import Rehearsal
from mesos_service.registrar.store import SqlStore
from mesos_service.registrar.url import parse_url
from mesos_service.registrar.worker import Worker
from mesos_service.telemetry.timings import Timings

GRACE_SECONDS: Final = 0.5
"""The thread gives up by itself, and says why. One that cannot, as it waits for a server that stands still, is given
up so much later."""

CLOSE_SECONDS_MAX: Final = 1.0
"""For a write that is under way when the master ends."""

SWITCH_SECONDS: Final = 0.0005
"""While the registry is taken. Python's own 5 ms are waited for after each answer of the database, of which there are
dozens, by a thread whose loop is busy with all who come to the new leader."""

_USUAL_SWITCH_SECONDS: Final = sys.getswitchinterval()

log = logging.getLogger(__name__)
T = TypeVar("T")


class SqlRegistrar:
    """Keeps the registry at ``url``, an SQLite file or a PostgreSQL database.

    Raises:
        ConfigurationError: ``url`` is none of these, or the driver is not installed.
    """

    def __init__(
        self,
        url: str,
        persisted: PersistedCallback,
        lost: LostCallback,
        *,
        fetch_timeout_seconds: float = 60.0,
        store_timeout_seconds: float = 20.0,
    ) -> None:
        try:
            self._store = SqlStore(parse_url(url))
        except ValueError as error:
            raise ConfigurationError(f"--registry: {error}") from error
        self._rehearsal = Rehearsal(self._store.url)
        self._persisted = persisted
        self._lost = lost
        self._fetch_timeout_seconds = fetch_timeout_seconds
        self._store_timeout_seconds = store_timeout_seconds
        self._worker = Worker("registrar")
        self._fetched = Timings("registrar/state_fetch_ms")
        self._stored = Timings("registrar/state_store_ms")
        self._waiting: list[tuple[int, Operation]] = []
        self._writing: asyncio.Task[None] | None = None
        self._taken = False
        self._ended = False
        """Lost or closed: nothing is written or told any more."""

    async def take(self, election: int | None, leader: str) -> Registry:
        seconds = self._fetch_timeout_seconds
        begin = time.monotonic()
        self._store = self._rehearsal.hand_over() or self._store
        with _short_turns():
            registry = await self._within(seconds, partial(self._store.take, election, leader, seconds))
        self._fetched.took(time.monotonic() - begin)
        self._taken = True
        return registry

    async def rehearse(self) -> None:
        await self._rehearsal.run()

    def persist(self, number: int, operation: Operation) -> None:
        if not self._taken:
            raise InvariantBroken(f"{operation} is to be stored in a registry that was not taken")
        if self._ended:
            return
        self._waiting.append((number, operation))
        if self._writing is None:
            self._begin_writing()

    def metrics(self) -> Mapping[str, float]:
        return self._fetched.metrics() | self._stored.metrics()

    async def close(self) -> None:
        self._ended = True
        self._store.interrupt()
        try:
            async with asyncio.timeout(CLOSE_SECONDS_MAX):
                await self._worker.do(self._store.close)
        except TimeoutError:
            log.warning("Registry %s: left while its disk was at work; what was told is stored", self._store.name)
        self._worker.end()

    def _begin_writing(self) -> None:
        # A task begins on the next turn of the loop: what else comes in this one is in the same batch.
        self._writing = asyncio.get_running_loop().create_task(self._write_waiting())
        self._writing.add_done_callback(self._on_written)

    async def _write_waiting(self) -> None:
        while self._waiting and not self._ended:
            batch, self._waiting = self._waiting, []
            operations = [operation for _, operation in batch]
            seconds = self._store_timeout_seconds
            begin = time.monotonic()
            await self._within(seconds, partial(self._store.write, operations, seconds))
            self._stored.took(time.monotonic() - begin)
            for number, _ in batch:
                if not self._ended:
                    self._persisted(number)
            await self._within(seconds, self._store.settle)

    def _on_written(self, task: asyncio.Task[None]) -> None:
        self._writing = None
        if self._ended or task.cancelled():
            return
        error = task.exception()
        if error is not None:
            self._ended = True
            if not isinstance(error, MesosServiceError):
                log.error("The registrar failed", exc_info=error)
                error = InvariantBroken(f"The registrar failed: {error!r}")
            self._lost(error)
        elif self._waiting:
            # It was asked for after the last batch was told and before this: nobody else would come for it.
            self._begin_writing()

    async def _within(self, seconds: float, job: Callable[[], T]) -> T:
        try:
            async with asyncio.timeout(seconds + GRACE_SECONDS):
                return await self._worker.do(job)
        except TimeoutError:
            raise RegistryFault(f"Registry {self._store.name}: no answer within {seconds:g} s") from None


@contextlib.contextmanager
def _short_turns() -> Iterator[None]:
    """Let threads change places more often. Masters of one process may do so at the same time, and all go back."""
    sys.setswitchinterval(min(_USUAL_SWITCH_SECONDS, SWITCH_SECONDS))
    try:
        yield
    finally:
        sys.setswitchinterval(_USUAL_SWITCH_SECONDS)
