"""What every registrar does, and how it fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from mesos_service.core.registry.operations import Operation
from mesos_service.core.registry.registry import Registry
from mesos_service.domain.errors import MesosServiceError, OperatingFault

PersistedCallback = Callable[[int], object]
"""Told the number of an operation once it is durable; on the loop, in order."""

LostCallback = Callable[[MesosServiceError], object]
"""Told once, on the loop, when the registry cannot be written any more; nothing is ever told as durable after it."""


class RegistryFault(OperatingFault):
    """The registry cannot be read or written. The text names it, without its password, and the remedy."""


class Deposed(RegistryFault):
    """A newer leader has taken the registry; this one must not act any more (X25)."""


class Registrar(Protocol):
    """Stores operations in order, and answers each through the callback that it was made with (X16)."""

    async def take(self, election: int | None, leader: str) -> Registry:
        """Become the only writer; the registry as it stands.

        ``election`` is the transaction in which the leader's ZooKeeper node was created (its czxid), which grows with
        each election; ``None`` where no others can be elected. ``leader`` is shown to people.

        Raises:
            Deposed: a newer election has taken it before.
            RegistryFault: it cannot be reached, read or upgraded within the fetch timeout (M-HA-04), or is one of
                masters that are elected, and this one is not.
        """
        ...

    async def rehearse(self) -> None:
        """Look at the registry without becoming its writer, again and again until :meth:`take`, for a master that
        stands by: taking it is quicker then, and an operator is told beforehand, by a line of the log, that it would
        fail."""
        ...

    def persist(self, number: int, operation: Operation) -> None:
        """Store ``operation``; ``number`` is told on a later turn of the loop. Only after :meth:`take`."""
        ...

    def metrics(self) -> Mapping[str, float]:
        """How long the store took, under Mesos' names; empty where there is none."""
        ...

    async def close(self) -> None:
        """Give back what it holds, what is under way once it has ended; nothing is told any more."""
        ...
