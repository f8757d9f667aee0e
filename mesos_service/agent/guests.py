"""What runs in a container beside its task and does not matter to the core: tries of checks, what operators launch.

A guest is nested in a task's container, in its control groups and namespaces, and goes when that goes or the agent.
"""

from __future__ import annotations

import asyncio
import logging

from mesos_service.containers.containerizer import Containerizer
from mesos_service.containers.plan import DestroyFailed, LaunchPlan
from mesos_service.domain.ids import ContainerId
from mesos_service.plugins.isolator import Limitation

log = logging.getLogger(__name__)


class Guests:
    """Launches guests, and hears how they end."""

    def __init__(self, containerizer: Containerizer) -> None:
        self._containerizer = containerizer
        self._exits: dict[ContainerId, asyncio.Future[int | None]] = {}
        self._destroying: set[asyncio.Task[None]] = set()

    async def launch(self, plan: LaunchPlan) -> asyncio.Future[int | None]:
        """Start it; done with its raw wait status, ``None`` when nobody saw it. Somebody must destroy it then.

        Raises:
            LaunchFailed: nothing of it is left.
        """
        ended: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._exits[plan.container_id] = ended
        try:
            await self._containerizer.launch(plan)
        except BaseException:
            self._exits.pop(plan.container_id, None)  # It may have been destroyed meanwhile.
            raise
        return ended

    def take_over(self, container_id: ContainerId) -> asyncio.Future[int | None]:
        """The same of one that an agent before this one has launched."""
        ended = self._exits[container_id] = asyncio.get_running_loop().create_future()
        return ended

    async def destroy(self, container_id: ContainerId) -> None:
        """Leave nothing of it; what resists is told in the log."""
        try:
            await self._containerizer.destroy(container_id)
        except DestroyFailed as failure:
            log.error("%s", failure)
        self._exits.pop(container_id, None)

    def exited(self, container_id: ContainerId, status: int | None) -> bool:
        """The containerizer's word; whether it was about a guest."""
        ended = self._exits.get(container_id)
        if ended is not None and not ended.done():
            ended.set_result(status)
        return ended is not None

    def limited(self, container_id: ContainerId, limitation: Limitation) -> bool:
        """An isolator objects; whether that was to a guest, which is ended then."""
        if container_id not in self._exits:
            return False
        log.info("Container %s is ended: %s", container_id, limitation.message)
        destroying = asyncio.ensure_future(self._destroy_limited(container_id))
        self._destroying.add(destroying)
        destroying.add_done_callback(self._destroying.discard)
        return True

    async def _destroy_limited(self, container_id: ContainerId) -> None:
        try:
            await self._containerizer.destroy(container_id)
        except DestroyFailed as failure:
            log.error("%s", failure)
