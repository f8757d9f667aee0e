"""A registry that lives as long as the process (``--registry=in_memory``)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mesos_service.core.registry.operations import Operation, apply
from mesos_service.core.registry.registry import Registry


class MemoryRegistrar:
    """Gathers the operations of one turn of the loop and stores them together, as a real store would."""

    def __init__(self, persisted: Callable[[int], object]) -> None:
        self._persisted = persisted
        self._waiting: list[tuple[int, Operation]] = []
        self.registry = Registry()

    def persist(self, number: int, operation: Operation) -> None:
        """Store ``operation``; ``persisted`` is told ``number`` on a later turn of the loop."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._commit)
        self._waiting.append((number, operation))

    def _commit(self) -> None:
        batch, self._waiting = self._waiting, []
        self.registry = apply(self.registry, [operation for _, operation in batch])
        for number, _ in batch:
            self._persisted(number)
