"""What a scheduler can ask of the master, one method for each call of the v1 scheduler API."""

from __future__ import annotations

import abc
from collections.abc import Iterable

import msgspec

from mesos_service.sdk import tasks
from mesos_service.wire import scheduler as wire
from mesos_service.wire.common import AgentID, ExecutorID, OfferID, OperationID, TaskID
from mesos_service.wire.convert.values import duration_to_wire
from mesos_service.wire.frameworks import FrameworkInfo
from mesos_service.wire.offers import Filters, Offer, OfferOperation, OperationStatus
from mesos_service.wire.tasks import KillPolicy, TaskInfo, TaskStatus


class SchedulerCalls(abc.ABC):
    """The calls, made of :meth:`call`, which a subclass brings with its subscription.

    Each raises what :meth:`call` does.
    """

    framework_info: FrameworkInfo
    _suppressed: set[str]

    @abc.abstractmethod
    async def call(self, call: wire.Call, *, traceparent: str | None = None) -> None:
        """Make any call of the scheduler API; ``framework_id`` is filled in.

        ``traceparent`` (W3C Trace Context) lets the master's spans refer to the caller's.

        Raises:
            NotConnected: there is no subscription just now, or it broke; whether the master acted is not known.
            CallRefused: the master said no.
        """

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles it is offered resources in."""
        info = self.framework_info
        return info.roles or ((info.role,) if info.role else ())

    async def accept(
        self,
        offers: Iterable[Offer | str],
        operations: Iterable[OfferOperation] = (),
        *,
        refuse_seconds: float | None = None,
        traceparent: str | None = None,
    ) -> None:
        """Use offers of one agent; what the operations leave is refused for ``refuse_seconds`` (default 5; M-SC-03)."""
        accept = wire.CallAccept(
            offer_ids=_offer_ids(offers), operations=tuple(operations), filters=_filters(refuse_seconds)
        )
        await self.call(wire.Call(type="ACCEPT", accept=accept), traceparent=traceparent)

    async def launch(self, offer: Offer | str, *infos: TaskInfo, refuse_seconds: float | None = None) -> None:
        """Start tasks with one offer."""
        await self.accept([offer], [tasks.launch(*infos)], refuse_seconds=refuse_seconds)

    async def decline(self, *offers: Offer | str, refuse_seconds: float | None = None) -> None:
        """Refuse offers, for ``refuse_seconds`` (default 5)."""
        decline = wire.CallDecline(offer_ids=_offer_ids(offers), filters=_filters(refuse_seconds))
        await self.call(wire.Call(type="DECLINE", decline=decline))

    async def revive(self, *roles: str) -> None:
        """Want offers again, whatever was refused or suppressed; without roles, in all of them."""
        self._suppressed = self._suppressed.difference(roles) if roles else set()
        await self.call(wire.Call(type="REVIVE", revive=wire.CallRevive(roles=roles)))

    async def suppress(self, *roles: str) -> None:
        """Want no offers; without roles, in none of them. Holds over a new subscription."""
        self._suppressed.update(roles or self.roles)
        await self.call(wire.Call(type="SUPPRESS", suppress=wire.CallSuppress(roles=roles)))

    async def kill(self, task_id: str, agent_id: str | None = None, *, grace_seconds: float | None = None) -> None:
        """End a task: TERM, and KILL after ``grace_seconds``. What became of it is told by :meth:`update`."""
        policy = None if grace_seconds is None else KillPolicy(grace_period=duration_to_wire(grace_seconds))
        kill = wire.CallKill(task_id=TaskID(value=task_id), agent_id=_agent_id(agent_id), kill_policy=policy)
        await self.call(wire.Call(type="KILL", kill=kill))

    async def shutdown_executor(self, executor_id: str, agent_id: str) -> None:
        """End an executor and all its tasks."""
        shutdown = wire.CallShutdown(executor_id=ExecutorID(value=executor_id), agent_id=AgentID(value=agent_id))
        await self.call(wire.Call(type="SHUTDOWN", shutdown=shutdown))

    async def acknowledge(self, status: TaskStatus) -> None:
        """Acknowledge an update; only then does the task's next one come. Without uuid there is nothing to do."""
        if status.uuid is None or status.agent_id is None:
            return
        acknowledge = wire.CallAcknowledge(agent_id=status.agent_id, task_id=status.task_id, uuid=status.uuid)
        await self.call(wire.Call(type="ACKNOWLEDGE", acknowledge=acknowledge))

    async def reconcile(self, *asked: str | tuple[str, str | None]) -> None:
        """Ask for the latest state of tasks, by id or (id, agent id); without any, of all (X15)."""
        pairs = [(one, None) if isinstance(one, str) else one for one in asked]
        reconcile = wire.CallReconcile(
            tasks=tuple(
                wire.CallReconcileTask(task_id=TaskID(value=task_id), agent_id=_agent_id(agent_id))
                for task_id, agent_id in pairs
            )
        )
        await self.call(wire.Call(type="RECONCILE", reconcile=reconcile))

    async def acknowledge_operation(self, status: OperationStatus) -> None:
        """Acknowledge what became of an operation. Without uuid there is nothing to do."""
        if status.uuid is None or status.operation_id is None:
            return
        acknowledge = wire.CallAcknowledgeOperationStatus(
            agent_id=status.agent_id, uuid=status.uuid.value, operation_id=status.operation_id
        )
        await self.call(wire.Call(type="ACKNOWLEDGE_OPERATION_STATUS", acknowledge_operation_status=acknowledge))

    async def reconcile_operations(self, *asked: tuple[str, str | None]) -> None:
        """Ask what became of operations, by (id, agent id); without any, of all that the master knows."""
        reconcile = wire.CallReconcileOperations(
            operations=tuple(
                wire.CallReconcileOperationsOperation(
                    operation_id=OperationID(value=operation_id), agent_id=_agent_id(agent_id)
                )
                for operation_id, agent_id in asked
            )
        )
        await self.call(wire.Call(type="RECONCILE_OPERATIONS", reconcile_operations=reconcile))

    async def send(self, agent_id: str, executor_id: str, data: bytes) -> None:
        """Send bytes to an executor; they may be lost (M-SC-11)."""
        message = wire.CallMessage(
            agent_id=AgentID(value=agent_id), executor_id=ExecutorID(value=executor_id), data=data
        )
        await self.call(wire.Call(type="MESSAGE", message=message))

    async def request(self, *requests: wire.Request) -> None:
        """Say what resources would be welcome, on any agent or on one (M-SC-12).

        ``request_driven`` allocates by it (E13); ``hierarchical_drf`` takes no notice, as in Mesos.
        """
        await self.call(wire.Call(type="REQUEST", request=wire.CallRequest(requests=requests)))

    async def update_framework(self, info: FrameworkInfo, suppressed_roles: Iterable[str] = ()) -> None:
        """Change roles, failover timeout, name and so on while running (X18h)."""
        info = msgspec.structs.replace(info, id=self.framework_info.id)
        suppressed = tuple(sorted(set(suppressed_roles)))
        update = wire.CallUpdateFramework(framework_info=info, suppressed_roles=suppressed)
        await self.call(wire.Call(type="UPDATE_FRAMEWORK", update_framework=update))
        self.framework_info, self._suppressed = info, set(suppressed)


def _offer_ids(offers: Iterable[Offer | str]) -> tuple[OfferID, ...]:
    return tuple(OfferID(value=offer) if isinstance(offer, str) else offer.id for offer in offers)


def _agent_id(agent_id: str | None) -> AgentID | None:
    return None if agent_id is None else AgentID(value=agent_id)


def _filters(refuse_seconds: float | None) -> Filters | None:
    return None if refuse_seconds is None else Filters(refuse_seconds=refuse_seconds)
