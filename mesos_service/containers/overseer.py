"""Watches over containers: asks isolators for breaches while they run and when they end, and tells what came of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence

from mesos_service.containers.container import Container
from mesos_service.containers.launcher import Child
from mesos_service.domain.errors import OperatingFault
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.resources import Resources
from mesos_service.plugins.isolator import Isolator, Limitation

log = logging.getLogger(__name__)

Question = Callable[[ContainerId], Coroutine[object, object, Limitation | None]]


class Overseer:
    """``on_exit`` is told the raw wait status of a first process, ``on_limitation`` each breach once."""

    def __init__(
        self,
        on_exit: Callable[[ContainerId, int | None], None],
        on_limitation: Callable[[ContainerId, Limitation], None],
    ) -> None:
        self._on_exit = on_exit
        self._on_limitation = on_limitation

    def watch(self, container: Container) -> None:
        """From now on, ask all isolators that watch."""
        for isolator in container.isolators:
            if type(isolator).watch is not Isolator.watch:
                container.watching.append(asyncio.create_task(self._ask(container, isolator, isolator.watch)))

    def report_exit(self, container: Container, child: Child) -> None:
        """Its first process has ended: find out why, and tell it."""
        status = child.exited.result()
        coroners = [one for one in container.isolators if type(one).post_mortem is not Isolator.post_mortem]
        if not coroners:
            self._on_exit(container.plan.container_id, status)
        else:
            container.post_mortem = asyncio.create_task(self._examine(container, coroners, status))

    async def _examine(self, container: Container, coroners: Sequence[Isolator], status: int | None) -> None:
        """An end that a breach brought about is told as one: the breach first, then the exit."""
        for isolator in coroners:
            await self._ask(container, isolator, isolator.post_mortem)
        self._on_exit(container.plan.container_id, status)

    async def _ask(self, container: Container, isolator: Isolator, ask: Question) -> None:
        limitation: Limitation | None
        try:
            limitation = await ask(container.plan.container_id)
        except Exception as error:  # noqa: BLE001 - what is not watched any more must not go on running (Mesos)
            limitation = Limitation(
                resources=Resources.EMPTY,
                message=f"Isolator '{isolator.name}' failed to watch: {error or repr(error)}",
                reason="REASON_CONTAINER_LIMITATION",
            )
        if limitation is not None and container.destroying is None and isolator not in container.limited:
            container.limited.add(isolator)
            self._on_limitation(container.plan.container_id, limitation)

    async def breach(self, container: Container) -> Limitation | None:
        """Why a recovered container has ended, if that was a breach; nobody else is told of it then."""
        container_id = container.plan.container_id
        for isolator in container.isolators:
            try:
                limitation = await isolator.post_mortem(container_id)
            except OperatingFault as fault:
                log.error("Isolator '%s' cannot say why container %s ended: %s", isolator.name, container_id, fault)
                continue
            if limitation is not None:
                container.limited.add(isolator)
                return limitation
        return None
