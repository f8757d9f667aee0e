"""A registry that lives as long as the process (``--registry=in_memory``)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from mesos_service.core.registry.operations import Operation, apply
from mesos_service.core.registry.registry import Registry
from mesos_service.registrar.interface import PersistedCallback
from mesos_service.telemetry.timings import Timings


class MemoryRegistrar:
    """Gathers the operations of one turn of the loop and stores them together, as a real store would."""

    def __init__(self, persisted: PersistedCallback) -> None:
        self._persisted = persisted
        self._waiting: list[tuple[int, Operation]] = []
        self._closed = False
        self._fetched = Timings("registrar/state_fetch_ms")
        self._stored = Timings("registrar/state_store_ms")
        self._asked_at = 0.0
        """When the first of those that wait was to be stored, by the monotonic clock."""
        self.registry = Registry()

    async def take(self, election: int | None, leader: str) -> Registry:
        """Nobody else can write to this process's memory, so whoever asks may."""
        self._fetched.took(0.0)
        return self.registry

    async def rehearse(self) -> None:
        """There is nothing to read."""

    def persist(self, number: int, operation: Operation) -> None:
        """Store ``operation``; ``persisted`` is told ``number`` on a later turn of the loop."""
        if not self._waiting:
            self._asked_at = time.monotonic()
            asyncio.get_running_loop().call_soon(self._commit)
        self._waiting.append((number, operation))

    def metrics(self) -> Mapping[str, float]:
        return self._fetched.metrics() | self._stored.metrics()

    async def close(self) -> None:
        """Tell nothing any more."""
        self._closed = True

    def _commit(self) -> None:
        batch, self._waiting = self._waiting, []
        self.registry = apply(self.registry, [operation for _, operation in batch])
        self._stored.took(time.monotonic() - self._asked_at)
        for number, _ in batch:
            if not self._closed:
                self._persisted(number)
