"""The API of the 2011 paper (table 1) under its own names: thin aliases over :class:`~mesos_service.sdk.Scheduler`.

For readers of the paper; new frameworks should use today's names. In 2011 an offer held slots of several machines,
today an offer is of one agent, so ``resourceOffer`` is called once for each. "Slave" is today's agent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from mesos_service.domain.resources import Resources
from mesos_service.domain.values import from_milli
from mesos_service.http.client import Connection, ConnectionFault
from mesos_service.sdk.errors import CallRefused, NotConnected
from mesos_service.sdk.executor import Executor
from mesos_service.sdk.scheduler import Scheduler
from mesos_service.sdk.subscription import Address
from mesos_service.wire import operator
from mesos_service.wire.encode import encode_message
from mesos_service.wire.frameworks import (
    OfferFilters,
    OfferFiltersMinAllocatableResources,
    OfferFiltersResourceQuantities,
)
from mesos_service.wire.offers import Offer
from mesos_service.wire.resources import ValueScalar
from mesos_service.wire.tasks import TaskInfo, TaskState, TaskStatus

# The names are the paper's, not ours.
# ruff: noqa: N802, N803


class Scheduler2011(Scheduler):
    """Callbacks and actions of the paper's table 1, for schedulers."""

    # -- callbacks -------------------------------------------------------------------------------------------
    async def resourceOffer(self, offerId: str, offers: Sequence[Offer]) -> None:
        """Today: OFFERS."""
        await self.replyToOffer(offerId, [])

    async def offerRescinded(self, offerId: str) -> None:
        """Today: RESCIND."""

    async def statusUpdate(self, taskId: str, status: TaskStatus) -> None:
        """Today: UPDATE."""

    async def slaveLost(self, slaveId: str) -> None:
        """Today: FAILURE with an agent id only."""

    # -- actions ---------------------------------------------------------------------------------------------
    async def replyToOffer(self, offerId: str, tasks: Sequence[TaskInfo]) -> None:
        """Today: ACCEPT with the tasks, or DECLINE without any."""
        if tasks:
            await self.launch(offerId, *tasks)
        else:
            await self.decline(offerId)

    async def setNeedsOffers(self, needed: bool) -> None:
        """Today: REVIVE or SUPPRESS."""
        await (self.revive() if needed else self.suppress())

    async def setFilters(self, smallest: str | None) -> None:
        """Today: ``offer_filters`` in UPDATE_FRAMEWORK. No offer below ``smallest``, such as ``cpus:1;mem:128``."""
        filters: dict[str, OfferFilters] = {}
        if smallest is not None:
            quantities = {
                name: ValueScalar(value=from_milli(amount))
                for name, amount in Resources.parse(smallest).quantities().items()
            }
            least = OfferFiltersMinAllocatableResources(
                quantities=(OfferFiltersResourceQuantities(quantities=quantities),)
            )
            filters = {role: OfferFilters(min_allocatable_resources=least) for role in self.roles}
        await self.update_framework(msgspec.structs.replace(self.framework_info, offer_filters=filters))

    async def getGuaranteedShare(self) -> Mapping[str, Mapping[str, float]]:
        """Today: GET_QUOTA. What is guaranteed to each of the framework's roles; nothing where there is no quota.

        Raises:
            NotConnected: there is no master just now.
            CallRefused: the master has no quota, or does not show it to us.
        """
        if self.master is None:
            raise NotConnected("not subscribed")
        address = Address.parse(self.master, 5050)
        body = encode_message(operator.Call(type="GET_QUOTA"))
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        try:
            connection = await Connection.open(address.host, address.port, dialing=self.dialing)
            answer = await connection.request("POST", "/api/v1", body, headers)
        except ConnectionFault as fault:
            raise NotConnected(str(fault)) from fault
        connection.close()
        if answer.status != 200:
            raise CallRefused(answer.status, answer.body.decode(errors="replace"))
        quota = msgspec.json.decode(answer.body, type=operator.Response).get_quota
        configs = quota.status.configs if quota is not None else ()
        return {
            config.role: {name: amount.value for name, amount in config.guarantees.items()}
            for config in configs
            if config.role in self.roles
        }

    async def killTask(self, taskId: str) -> None:
        """Today: KILL."""
        await self.kill(taskId)

    # -- today's events --------------------------------------------------------------------------------------
    async def offers(self, offers: Sequence[Offer]) -> None:
        for offer in offers:
            await self.resourceOffer(offer.id.value, [offer])

    async def rescind(self, offer_id: str) -> None:
        await self.offerRescinded(offer_id)

    async def update(self, status: TaskStatus) -> None:
        await self.statusUpdate(status.task_id.value, status)

    async def failure(self, agent_id: str | None, executor_id: str | None, status: int | None) -> None:
        if agent_id is not None and executor_id is None:
            await self.slaveLost(agent_id)


class Executor2011(Executor):
    """Callbacks and actions of the paper's table 1, for executors."""

    async def launchTask(self, taskDescriptor: TaskInfo) -> None:
        """Today: LAUNCH."""

    async def killTask(self, taskId: str) -> None:
        """Today: KILL."""

    async def sendStatus(self, taskId: str, status: TaskState) -> None:
        """Today: UPDATE."""
        await self.update(taskId, status)

    async def launch(self, task: TaskInfo) -> None:
        await self.launchTask(task)

    async def kill(self, task_id: str, grace_seconds: float | None) -> None:
        await self.killTask(task_id)
