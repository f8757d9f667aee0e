"""The scheduler side of a framework: subclass :class:`Scheduler`, say what to do with offers, and run it (A24, A66).

It speaks the v1 scheduler API over plain HTTP to any master that does, ours or Apache Mesos. It keeps its
subscription: after five missed heartbeats or a broken connection it subscribes again under its own framework id, first
where it was, then at every master it knows, waiting up to 15 s between tries (M-SE-01). A new leader is found through
the redirects that the others answer with.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pwd
import time
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from mesos_service.http.client import ConnectionFault
from mesos_service.http.dialing import Dialing, from_environment
from mesos_service.sdk import tasks
from mesos_service.sdk.errors import CallRefused, NotConnected, SubscriptionEnded, Unreachable
from mesos_service.sdk.masters import masters
from mesos_service.sdk.subscription import Address, Backoff, Subscription, open_any
from mesos_service.sdk.succession import Succession
from mesos_service.wire import scheduler as wire
from mesos_service.wire.agents import MasterInfo
from mesos_service.wire.common import AgentID, ExecutorID, FrameworkID, OfferID, OperationID, TaskID
from mesos_service.wire.convert.values import duration_to_wire
from mesos_service.wire.decode import decode_leniently
from mesos_service.wire.encode import encode_message
from mesos_service.wire.errors import WireError
from mesos_service.wire.frameworks import FrameworkInfo, FrameworkInfoCapability, FrameworkInfoCapabilityType
from mesos_service.wire.offers import Filters, InverseOffer, Offer, OfferOperation, OperationStatus
from mesos_service.wire.tasks import KillPolicy, TaskInfo, TaskStatus

log = logging.getLogger(__name__)

PATH: Final = "/api/v1/scheduler"
WEEK_SECONDS: Final = 7 * 24 * 3600.0
LEASE_SECONDS: Final = 3.0
HEARTBEATS_MISSED_MAX: Final = 5
BACKOFF_SECONDS_MAX: Final = 15.0
HEARTBEAT_SECONDS: Final = 15.0
"""Until SUBSCRIBED says otherwise."""

_EVENTS: Final = msgspec.json.Decoder(wire.Event)


class Scheduler:
    """Base of all schedulers. Handlers are awaited one after another, in the order of events; the default does
    nothing, and declines offers.

    ``master`` is ``host:port``, or several separated by commas, or ``zk://host:port,.../path`` where ZooKeeper knows
    which one leads. ``failover_timeout_seconds`` is how long tasks live on without their scheduler.
    ``patience_seconds`` is how long :meth:`run` tries to subscribe before it gives up with :class:`Unreachable`;
    ``None`` is for ever. An exception from a handler ends :meth:`run`, save ``NotConnected``: the subscription is
    renewed.

    ``standby`` makes it one of several schedulers of the framework ``framework_id``: one acts, and when it is gone, or
    silent for ``lease_seconds``, the master promotes another (``docs/standby_schedulers.md``). A handler that does not
    let the loop go on for so long makes it silent.

    ``dialing`` says whether to speak TLS, and proves who this is; by default the environment says both
    (``http.dialing``), and ``principal`` is who was proved.
    """

    def __init__(
        self,
        name: str,
        master: str,
        *,
        roles: Sequence[str] = ("*",),
        user: str | None = None,
        framework_id: str | None = None,
        failover_timeout_seconds: float = WEEK_SECONDS,
        checkpoint: bool = True,
        capabilities: Sequence[FrameworkInfoCapabilityType] = ("PARTITION_AWARE", "MULTI_ROLE"),
        suppressed_roles: Iterable[str] = (),
        principal: str | None = None,
        acknowledge_automatically: bool = True,
        patience_seconds: float | None = None,
        standby: bool = False,
        lease_seconds: float = LEASE_SECONDS,
        dialing: Dialing | None = None,
    ) -> None:
        if standby and not framework_id:
            raise ValueError("several schedulers of one framework must agree on its framework_id")
        multi_role = "MULTI_ROLE" in capabilities
        if not multi_role and len(roles) != 1:
            raise ValueError("without MULTI_ROLE a framework has exactly one role")
        self._masters = masters(master)
        self.dialing = (from_environment() if dialing is None else dialing).towards(master)
        self.framework_info = FrameworkInfo(
            user=user or _user_name(),
            name=name,
            id=FrameworkID(value=framework_id) if framework_id else None,
            failover_timeout=failover_timeout_seconds,
            checkpoint=checkpoint,
            role=None if multi_role else roles[0],
            roles=tuple(roles) if multi_role else (),
            hostname=os.uname().nodename,
            principal=self.dialing.principal if principal is None else principal,
            capabilities=tuple(FrameworkInfoCapability(type=capability) for capability in capabilities),
        )
        self._suppressed = set(suppressed_roles)
        self._acknowledges = acknowledge_automatically
        self._patience_seconds = patience_seconds
        self._succession = Succession(lease_seconds) if standby else None
        self._subscription: Subscription | None = None
        self._leader: Address | None = None
        self._master_info: MasterInfo | None = None
        self._stopped = asyncio.Event()

    # -- handlers, to be overridden --------------------------------------------------------------------------
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

    # -- life ------------------------------------------------------------------------------------------------
    @property
    def framework_id(self) -> str | None:
        """Given by the master with the first SUBSCRIBED; keep it to take the framework over in another process."""
        return self.framework_info.id.value if self.framework_info.id else None

    @property
    def fencing_token(self) -> int | None:
        """Larger than that of any other scheduler of the framework, while this one acts; ``None`` while it does not.

        Whatever is shared with the others can keep the largest it has seen, and turn away who comes with less.
        """
        succession = self._succession
        return succession.token if succession is not None and succession.acts else None

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles it is offered resources in."""
        info = self.framework_info
        return info.roles or ((info.role,) if info.role else ())

    @property
    def master(self) -> str | None:
        """Where the master is that this scheduler is subscribed with, ``host:port``."""
        return str(self._subscription.address) if self._subscription else None

    async def run(self) -> None:
        """Subscribe and handle events until :meth:`stop` or :meth:`teardown`.

        Raises:
            CallRefused: SUBSCRIBE was answered with a 4xx.
            SubscriptionEnded: the master sent ERROR.
            Unreachable: no master took the subscription within ``patience_seconds``.
        """
        self._masters.start()
        try:
            await self._run()
        finally:
            await self._masters.stop()

    async def _run(self) -> None:
        backoff = Backoff(BACKOFF_SECONDS_MAX)
        alone_since = time.monotonic()
        while not self._stopped.is_set():
            try:
                subscription = await self._subscribe()
            except ConnectionFault as fault:
                log.info("not subscribed: %s", fault)
                pause_seconds = backoff.next()
                if self._patience_seconds is not None:
                    left_seconds = alone_since + self._patience_seconds - time.monotonic()
                    if left_seconds <= 0:
                        raise Unreachable(f"no master answers: {fault}") from fault
                    pause_seconds = min(pause_seconds, left_seconds)
                if await self._pause(pause_seconds):
                    backoff.reset()
                continue
            beside = [asyncio.create_task(self._leave_former_leader(subscription))]
            if self._succession is not None:
                beats = self._succession.keep_lease(subscription, self.framework_info.id)
                beside.append(asyncio.create_task(beats))
            try:
                reason = await self._handle_all(subscription, backoff)
            finally:
                for task in beside:
                    task.cancel()
                if self._succession is not None:
                    self._succession.lose()
                self._subscription = None
                subscription.close()
            alone_since = time.monotonic()
            if not self._stopped.is_set():
                log.info("subscription lost: %s", reason)
                await self.disconnected(reason)
                await self._pause(backoff.next())

    def stop(self) -> None:
        """End :meth:`run` and leave framework and tasks as they are, for another process to take over."""
        self._stopped.set()
        if self._subscription is not None:
            self._subscription.close()

    async def _subscribe(self) -> Subscription:
        subscribe = wire.CallSubscribe(
            framework_info=self.framework_info, suppressed_roles=tuple(sorted(self._suppressed))
        )
        if self._succession is not None:
            subscribe = self._succession.ask(subscribe)
        call = wire.Call(framework_id=self.framework_info.id, type="SUBSCRIBE", subscribe=subscribe)
        known = await self._masters.addresses()
        # Where nobody says who leads, the last leader first: it is nearly always still the one. Where somebody does, no
        # other: one that is frozen takes the connection, and says nothing for as long as it may.
        last = () if self._leader is None or self._masters.names_leader else (self._leader,)
        opening = asyncio.create_task(
            open_any(dict.fromkeys((*last, *known)), PATH, encode_message(call), self.dialing)
        )
        subscription = await self._while_it_leads(opening)
        subscription.silence_seconds_max = HEARTBEATS_MISSED_MAX * HEARTBEAT_SECONDS
        self._leader = subscription.address
        self._subscription = subscription
        if self._stopped.is_set():
            subscription.close()
        return subscription

    async def _while_it_leads(self, opening: asyncio.Task[Subscription]) -> Subscription:
        """What comes of ``opening``; raises ``ConnectionFault`` as soon as another master leads."""
        news = asyncio.create_task(self._masters.news())
        try:
            await asyncio.wait((opening, news), return_when=asyncio.FIRST_COMPLETED)
        finally:
            superseded = news.done()
            news.cancel()
            if superseded or not opening.done():
                opening.cancel()
                await asyncio.wait((opening,))
        if not superseded:
            return opening.result()
        if not opening.cancelled() and opening.exception() is None:
            opening.result().close()
        raise ConnectionFault("another master leads now")

    async def _handle_all(self, subscription: Subscription, backoff: Backoff) -> str:
        """Handle events until the stream ends; returns why it did."""
        try:
            async for record in subscription.records():
                event = _decode(record)
                if event.type == "SUBSCRIBED":
                    backoff.reset()
                await self._handle(event, subscription)
                if self._stopped.is_set():
                    return "stopped"
        except (ConnectionFault, NotConnected, WireError) as fault:
            return str(fault)
        return "the master ended the stream"

    async def _handle(self, event: wire.Event, subscription: Subscription) -> None:
        if event.update is not None:
            await self.update(event.update.status)
            if self._acknowledges:
                await self._acknowledge_quietly(event.update.status)
        elif event.offers is not None:
            await self.offers(event.offers.offers)
        elif event.subscribed is not None:
            await self._on_subscribed(event.subscribed, subscription)
        elif event.rescind is not None:
            await self.rescind(event.rescind.offer_id.value)
        elif event.update_operation_status is not None:
            await self.operation_status(event.update_operation_status.status)
            if self._acknowledges:
                await self._acknowledge_quietly(event.update_operation_status.status)
        elif event.failure is not None:
            failure = event.failure
            await self.failure(
                failure.agent_id.value if failure.agent_id else None,
                failure.executor_id.value if failure.executor_id else None,
                failure.status,
            )
        elif event.message is not None:
            message = event.message
            await self.message(message.agent_id.value, message.executor_id.value, message.data)
        elif event.inverse_offers is not None:
            await self.inverse_offers(event.inverse_offers.inverse_offers)
        elif event.promoted is not None:
            await self._on_promoted(event.promoted)
        elif event.error is not None:
            if self._succession is not None and self._succession.may_come_back(event.error.message):
                raise NotConnected(event.error.message)
            await self.error(event.error.message)
            if not self._stopped.is_set():
                raise SubscriptionEnded(event.error.message)

    async def _on_subscribed(self, event: wire.EventSubscribed, subscription: Subscription) -> None:
        self.framework_info = msgspec.structs.replace(self.framework_info, id=event.framework_id)
        interval = event.heartbeat_interval_seconds or HEARTBEAT_SECONDS
        subscription.silence_seconds_max = HEARTBEATS_MISSED_MAX * interval
        self._master_info = event.master_info
        if self._succession is not None:
            self._succession.take(event)
            if not self._succession.acts:
                await self.standing_by(event.framework_id.value, event.master_info)
                return
        await self.subscribed(event.framework_id.value, event.master_info)

    async def _on_promoted(self, event: wire.EventPromoted) -> None:
        if self._succession is not None:
            self._succession.take(event)
        await self.promoted(event.fencing_token)
        await self.subscribed(event.framework_id.value, self._master_info)

    async def _leave_former_leader(self, subscription: Subscription) -> None:
        """A leader that is frozen, or cut off from the others, says nothing of it; ZooKeeper does."""
        await self._masters.news()
        subscription.close()

    async def _pause(self, seconds: float) -> bool:
        """Wait, or until there is something to do; whether that is another leader."""
        stopped = asyncio.create_task(self._stopped.wait())
        news = asyncio.create_task(self._masters.news())
        try:
            await asyncio.wait((stopped, news), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            return news.done()
        finally:
            for wait in (stopped, news):
                wait.cancel()

    # -- calls -----------------------------------------------------------------------------------------------
    async def call(self, call: wire.Call, *, traceparent: str | None = None) -> None:
        """Make any call of the scheduler API; ``framework_id`` is filled in. The other methods are made of this one.

        ``traceparent`` (W3C Trace Context) lets the master's spans refer to the caller's.

        Raises:
            NotConnected: there is no subscription just now, or it broke; whether the master acted is not known.
            CallRefused: the master said no.
        """
        if self._subscription is None or self.framework_info.id is None:
            raise NotConnected("not subscribed")
        call = msgspec.structs.replace(call, framework_id=self.framework_info.id)
        headers = None if traceparent is None else {"traceparent": traceparent}
        await self._subscription.call(encode_message(call), headers)

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

    async def request(self) -> None:
        """Tell the allocator that resources are wanted; the stock allocator takes no notice (M-SC-12)."""
        await self.call(wire.Call(type="REQUEST", request=wire.CallRequest()))

    async def update_framework(self, info: FrameworkInfo, suppressed_roles: Iterable[str] = ()) -> None:
        """Change roles, failover timeout, name and so on while running (X18h)."""
        info = msgspec.structs.replace(info, id=self.framework_info.id)
        suppressed = tuple(sorted(set(suppressed_roles)))
        update = wire.CallUpdateFramework(framework_info=info, suppressed_roles=suppressed)
        await self.call(wire.Call(type="UPDATE_FRAMEWORK", update_framework=update))
        self.framework_info, self._suppressed = info, set(suppressed)

    async def teardown(self) -> None:
        """End the framework and all its tasks for good, and with it :meth:`run`."""
        await self.call(wire.Call(type="TEARDOWN"))
        self.stop()

    async def _acknowledge_quietly(self, status: TaskStatus | OperationStatus) -> None:
        """An acknowledgement that is lost is no harm: the update comes again and so does its acknowledgement."""
        if self._stopped.is_set():
            return
        try:
            if isinstance(status, TaskStatus):
                await self.acknowledge(status)
            else:
                await self.acknowledge_operation(status)
        except (NotConnected, CallRefused) as fault:
            what = status.task_id if isinstance(status, TaskStatus) else status.operation_id
            log.info("update of %s not acknowledged: %s", what.value if what is not None else "", fault)


def _decode(record: bytes) -> wire.Event:
    try:
        return _EVENTS.decode(record)
    except msgspec.DecodeError:
        # A master newer than this client may use words it does not know; they are left out.
        return decode_leniently(wire.Event, record, "Event: ")


def _offer_ids(offers: Iterable[Offer | str]) -> tuple[OfferID, ...]:
    return tuple(OfferID(value=offer) if isinstance(offer, str) else offer.id for offer in offers)


def _agent_id(agent_id: str | None) -> AgentID | None:
    return None if agent_id is None else AgentID(value=agent_id)


def _filters(refuse_seconds: float | None) -> Filters | None:
    return None if refuse_seconds is None else Filters(refuse_seconds=refuse_seconds)


def _user_name() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
