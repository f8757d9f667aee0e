"""A registry that lives as long as the process (``--registry=in_memory``)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mesos_service.core.registry.operations import Operation, apply
from mesos_service.core.registry.registry import Registry


class MemoryRegistrar:
    """Applies operations at once; says so on the next turn of the loop, as a real store would say it later."""

    def __init__(self, persisted: Callable[[int], object]) -> None:
        self._persisted = persisted
        self.registry = Registry()

    def persist(self, number: int, operation: Operation) -> None:
        self.registry = apply(self.registry, operation)
        asyncio.get_running_loop().call_soon(self._persisted, number)
