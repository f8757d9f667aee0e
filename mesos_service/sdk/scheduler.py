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
from mesos_service.sdk.errors import CallRefused, NotConnected, SubscriptionEnded, Unreachable
from mesos_service.sdk.handlers import SchedulerHandlers
from mesos_service.sdk.masters import masters
from mesos_service.sdk.subscription import Address, Backoff, Subscription, open_any
from mesos_service.sdk.succession import Succession
from mesos_service.wire import scheduler as wire
from mesos_service.wire.agents import MasterInfo
from mesos_service.wire.common import FrameworkID
from mesos_service.wire.decode import decode_leniently
from mesos_service.wire.encode import encode_message
from mesos_service.wire.errors import WireError
from mesos_service.wire.frameworks import FrameworkInfo, FrameworkInfoCapability, FrameworkInfoCapabilityType
from mesos_service.wire.offers import OperationStatus
from mesos_service.wire.tasks import TaskStatus

log = logging.getLogger(__name__)

PATH: Final = "/api/v1/scheduler"
WEEK_SECONDS: Final = 7 * 24 * 3600.0
LEASE_SECONDS: Final = 3.0
HEARTBEATS_MISSED_MAX: Final = 5
BACKOFF_SECONDS_MAX: Final = 15.0
HEARTBEAT_SECONDS: Final = 15.0
"""Until SUBSCRIBED says otherwise."""

_EVENTS: Final = msgspec.json.Decoder(wire.Event)


class _Superseded(ConnectionFault):
    """Another master leads than the one that was asked."""


class Scheduler(SchedulerHandlers):
    """Base of all schedulers: override the handlers, make the calls.

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
        self._asked: Sequence[Address] = ()
        """Where the last attempt to subscribe went."""
        self._master_info: MasterInfo | None = None
        self._stopped = asyncio.Event()
        self._teardown_under_way: asyncio.Task[None] | None = None
        """The call that ends the framework, until it is answered."""

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
                subscription = await self._subscribe(backoff)
            except ConnectionFault as fault:
                log.info("not subscribed: %s", fault)
                if isinstance(fault, _Superseded):
                    backoff.reset()
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
                if self._teardown_under_way is not None:
                    # Its answer and the end of the stream come at once, and either may be read first.
                    await asyncio.wait((self._teardown_under_way,))
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

    async def _subscribe(self, backoff: Backoff) -> Subscription:
        subscribe = wire.CallSubscribe(
            framework_info=self.framework_info, suppressed_roles=tuple(sorted(self._suppressed))
        )
        if self._succession is not None:
            subscribe = self._succession.ask(subscribe)
        call = wire.Call(framework_id=self.framework_info.id, type="SUBSCRIBE", subscribe=subscribe)
        known = await self._masters.addresses()
        if known != self._asked:
            # How long others have not answered says nothing of these: a new leader that is not ready yet is so soon.
            backoff.reset()
            self._asked = known
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
        """What comes of ``opening``; raises ``_Superseded`` as soon as another master leads."""
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
        raise _Superseded("another master leads now")

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
        if self._subscription is None or self.framework_info.id is None:
            raise NotConnected("not subscribed")
        call = msgspec.structs.replace(call, framework_id=self.framework_info.id)
        headers = None if traceparent is None else {"traceparent": traceparent}
        await self._subscription.call(encode_message(call), headers)

    async def teardown(self) -> None:
        """End the framework and all its tasks for good, and with it :meth:`run`."""
        self._teardown_under_way = asyncio.create_task(self._tear_down())
        try:
            await self._teardown_under_way
        finally:
            self._teardown_under_way = None

    async def _tear_down(self) -> None:
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


def _user_name() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
