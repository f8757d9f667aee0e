"""What a scheduler is told, one method for each event of the v1 scheduler API, to be overridden."""

from __future__ import annotations

from collections.abc import Sequence

from mesos_service.sdk.calls import SchedulerCalls
from mesos_service.wire.agents import MasterInfo
from mesos_service.wire.offers import InverseOffer, Offer, OperationStatus
from mesos_service.wire.tasks import TaskStatus


class SchedulerHandlers(SchedulerCalls):
    """The handlers. They are awaited one after another, in the order of events; the default does nothing, and
    declines offers.
    """

    async def subscribed(self, framework_id: str, master: MasterInfo | None) -> None:
        """The subscription is open, for the first time or again. Reconcile here what may have been missed."""

    async def standing_by(self, framework_id: str, master: MasterInfo | None) -> None:
        """The subscription is open, and another scheduler of the framework acts, or is about to: no calls now."""

    async def promoted(self, fencing_token: int) -> None:
        """From now on this scheduler acts for the framework, and no other does; :meth:`subscribed` follows."""

    async def disconnected(self, reason: str) -> None:
        """The subscription broke; it is being renewed. Offers held are worth nothing any more."""

    async def offers(self, offers: Sequence[Offer]) -> None:
        """Resources to use or to refuse. Each must be answered, or it is held until ``--offer_timeout``."""
        await self.decline(*offers)

    async def inverse_offers(self, offers: Sequence[InverseOffer]) -> None:
        """Resources to be given back before a maintenance (M-SE-08)."""

    async def rescind(self, offer_id: str) -> None:
        """The offer is no longer valid."""

    async def update(self, status: TaskStatus) -> None:
        """A task's state changed. Comes at least once; it is acknowledged when this returns."""

    async def message(self, agent_id: str, executor_id: str, data: bytes) -> None:
        """Bytes from an executor; may be lost."""

    async def failure(self, agent_id: str | None, executor_id: str | None, status: int | None) -> None:
        """An agent is gone, or, with ``executor_id``, an executor has ended; ``status`` is a raw wait status."""

    async def operation_status(self, status: OperationStatus) -> None:
        """What became of an operation that had an id (M-SC-15); acknowledged like a task's update when this returns."""

    async def error(self, message: str) -> None:
        """The master's last word; :meth:`run` then ends with :class:`SubscriptionEnded`."""
