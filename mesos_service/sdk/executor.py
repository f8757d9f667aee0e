"""The executor side of a framework: a process that an agent starts, and that runs tasks in its own way (M-EX).

Subclass :class:`Executor`, say what to do with tasks, and run it. It subscribes with the agent that the environment
names, and keeps every update until the agent has acknowledged it: after a broken connection tasks and updates that
nobody acknowledged are told again with the new subscription (X10). When the agent stays away, a checkpointing
framework's executor waits for it as long as the recovery timeout; any other ends at once (M-EX-05).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from mesos_service.configuration.units import Duration
from mesos_service.domain.errors import ConfigurationError
from mesos_service.http.client import ConnectionFault
from mesos_service.http.dialing import PLAIN, Dialing, tls_from_environment
from mesos_service.sdk.errors import CallRefused, NotConnected, SubscriptionEnded, Unreachable
from mesos_service.sdk.subscription import Address, Backoff, Subscription
from mesos_service.wire import executor as wire
from mesos_service.wire.common import ExecutorID, FrameworkID, TaskID
from mesos_service.wire.convert.values import duration_from_wire
from mesos_service.wire.decode import decode_leniently
from mesos_service.wire.encode import encode_message
from mesos_service.wire.errors import WireError
from mesos_service.wire.tasks import TaskInfo, TaskState, TaskStatus

log = logging.getLogger(__name__)

PATH: Final = "/api/v1/executor"
DEFAULT_PORT: Final = 5051
NEVER_SILENT_SECONDS: Final = 5 * 1800.0
"""Agents send a heartbeat every half hour; five missed ones mean a connection that died without a word."""

_EVENTS: Final = msgspec.json.Decoder(wire.Event)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorEnvironment:
    """What the agent tells an executor in its environment (M-EX-03). Durations are seconds."""

    agent: Address
    framework_id: str
    executor_id: str
    checkpoint: bool = False
    recovery_timeout_seconds: float = 900.0
    subscription_backoff_seconds_max: float = 2.0
    shutdown_grace_seconds: float = 5.0
    dialing: Dialing = PLAIN
    by_address: Dialing | None = None
    """Where :attr:`dialing` leads to a Unix socket: how to reach the agent without it."""

    @classmethod
    def read(cls, environment: Mapping[str, str] | None = None) -> ExecutorEnvironment:
        """Read ``MESOS_*``.

        Raises:
            ValueError: a variable that must be there is not, or cannot be read; the text names it.
        """
        env = os.environ if environment is None else environment
        for name in ("MESOS_AGENT_ENDPOINT", "MESOS_FRAMEWORK_ID", "MESOS_EXECUTOR_ID"):
            if not env.get(name):
                raise ValueError(f"{name} is not set: executors are started by an agent")
        socket = env.get("MESOS_DOMAIN_SOCKET")
        return cls(
            agent=Address.parse(env["MESOS_AGENT_ENDPOINT"], DEFAULT_PORT),
            framework_id=env["MESOS_FRAMEWORK_ID"],
            executor_id=env["MESOS_EXECUTOR_ID"],
            checkpoint=env.get("MESOS_CHECKPOINT") == "1",
            recovery_timeout_seconds=_seconds(env, "MESOS_RECOVERY_TIMEOUT", "15mins"),
            subscription_backoff_seconds_max=_seconds(env, "MESOS_SUBSCRIPTION_BACKOFF_MAX", "2secs"),
            shutdown_grace_seconds=_seconds(env, "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", "5secs"),
            dialing=replace(PLAIN, unix_socket=socket) if socket else tls_from_environment(env),
            by_address=_by_address(env) if socket else None,
        )


def _by_address(env: Mapping[str, str]) -> Dialing | None:
    try:
        return tls_from_environment(env)
    except ConfigurationError:
        return None  # The files are not seen from here, and may never be needed.


class Executor:
    """Base of all executors. Handlers are awaited one after another, in the order of events."""

    def __init__(self, environment: ExecutorEnvironment | None = None) -> None:
        self.environment = environment or ExecutorEnvironment.read()
        self._subscription: Subscription | None = None
        self._unacknowledged_tasks: dict[str, TaskInfo] = {}
        self._unacknowledged_updates: dict[bytes, TaskStatus] = {}
        self._stopped = asyncio.Event()
        self._all_acknowledged = asyncio.Event()
        self._all_acknowledged.set()

    # -- handlers, to be overridden --------------------------------------------------------------------------
    async def subscribed(self, event: wire.EventSubscribed) -> None:
        """The agent knows this executor, for the first time or again."""

    async def disconnected(self, reason: str) -> None:
        """The agent is away; updates are kept until it is back."""

    async def launch(self, task: TaskInfo) -> None:
        """Start a task. Return soon and run it beside: while this is awaited no other event is handled."""

    async def launch_group(self, tasks: Sequence[TaskInfo]) -> None:
        """Start tasks that belong together; by default each as one that came alone."""
        for task in tasks:
            await self.launch(task)

    async def kill(self, task_id: str, grace_seconds: float | None) -> None:
        """End a task and say so with :meth:`update`."""

    async def message(self, data: bytes) -> None:
        """Bytes from the scheduler; may be lost."""

    async def shutdown(self) -> None:
        """End all tasks; :meth:`run` then ends, and the agent kills what is left after the grace period."""

    async def error(self, message: str) -> None:
        """The agent's last word; :meth:`run` then ends with :class:`SubscriptionEnded`."""

    # -- life ------------------------------------------------------------------------------------------------
    async def run(self) -> None:
        """Subscribe and handle events until SHUTDOWN or :meth:`stop`.

        Raises:
            CallRefused: SUBSCRIBE was answered with a 4xx: the agent does not know, or no longer wants, us.
            SubscriptionEnded: the agent sent ERROR.
            Unreachable: the agent is away, and we are not to wait for it, or have waited long enough.
        """
        backoff = Backoff(self.environment.subscription_backoff_seconds_max)
        alone_since = time.monotonic()
        was_subscribed = False
        while not self._stopped.is_set():
            try:
                subscription = await self._subscribe()
            except ConnectionFault as fault:
                self._give_up_in_time(str(fault), alone_since, was_subscribed)
                await self._pause(backoff.next())
                continue
            try:
                reason = await self._handle_all(subscription, backoff)
            finally:
                self._subscription = None
                subscription.close()
            was_subscribed = True
            alone_since = time.monotonic()
            if not self._stopped.is_set():
                await self.disconnected(reason)
                self._give_up_in_time(reason, alone_since, was_subscribed)
                await self._pause(backoff.next())

    def stop(self) -> None:
        """End :meth:`run`. Call :meth:`flush` before, so that no update is lost."""
        self._stopped.set()
        if self._subscription is not None:
            self._subscription.close()

    async def flush(self, timeout_seconds: float = 5.0) -> bool:
        """Wait until the agent has acknowledged every update; ``False`` when it did not in time.

        Not to be awaited in a handler: while one runs, no acknowledgement is read.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self._all_acknowledged.wait()
        return self._all_acknowledged.is_set()

    def _give_up_in_time(self, reason: str, alone_since: float, was_subscribed: bool) -> None:
        env = self.environment
        if was_subscribed and not env.checkpoint:
            raise Unreachable(f"the agent is gone and the framework does not checkpoint: {reason}")
        if time.monotonic() - alone_since >= env.recovery_timeout_seconds:
            raise Unreachable(f"the agent was away for {env.recovery_timeout_seconds:g} s: {reason}")

    async def _subscribe(self) -> Subscription:
        subscribe = wire.CallSubscribe(
            unacknowledged_tasks=tuple(self._unacknowledged_tasks.values()),
            unacknowledged_updates=tuple(
                wire.CallUpdate(status=status) for status in self._unacknowledged_updates.values()
            ),
        )
        call = self._call("SUBSCRIBE", subscribe=subscribe)
        env = self.environment
        try:
            subscription = await Subscription.open(env.agent, PATH, encode_message(call), env.dialing)
        except ConnectionFault:
            if env.by_address is None:
                raise
            # The agent may be another by now, which has its socket somewhere else, or none.
            subscription = await Subscription.open(env.agent, PATH, encode_message(call), env.by_address)
        subscription.silence_seconds_max = NEVER_SILENT_SECONDS
        self._subscription = subscription
        if self._stopped.is_set():
            subscription.close()
        return subscription

    async def _handle_all(self, subscription: Subscription, backoff: Backoff) -> str:
        """Handle events until the stream ends; returns why it did."""
        try:
            async for record in subscription.records():
                event = _decode(record)
                if event.subscribed is not None:
                    backoff.reset()
                await self._handle(event)
                if self._stopped.is_set():
                    return "stopped"
        except (ConnectionFault, NotConnected, WireError) as fault:
            return str(fault)
        return "the agent ended the stream"

    async def _handle(self, event: wire.Event) -> None:
        if event.launch is not None:
            self._remember([event.launch.task])
            await self.launch(event.launch.task)
        elif event.launch_group is not None:
            self._remember(event.launch_group.task_group.tasks)
            await self.launch_group(event.launch_group.task_group.tasks)
        elif event.acknowledged is not None:
            self._on_acknowledged(event.acknowledged)
        elif event.kill is not None:
            policy = event.kill.kill_policy
            await self.kill(event.kill.task_id.value, duration_from_wire(policy.grace_period) if policy else None)
        elif event.message is not None:
            await self.message(event.message.data)
        elif event.subscribed is not None:
            await self.subscribed(event.subscribed)
        elif event.type == "SHUTDOWN":
            await self.shutdown()
            self._stopped.set()
        elif event.error is not None:
            await self.error(event.error.message)
            raise SubscriptionEnded(event.error.message)

    def _remember(self, tasks: Sequence[TaskInfo]) -> None:
        """A task counts as unacknowledged until its first update is acknowledged (X10)."""
        for task in tasks:
            self._unacknowledged_tasks[task.task_id.value] = task

    def _on_acknowledged(self, event: wire.EventAcknowledged) -> None:
        self._unacknowledged_updates.pop(event.uuid, None)
        self._unacknowledged_tasks.pop(event.task_id.value, None)
        if not self._unacknowledged_updates:
            self._all_acknowledged.set()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopped.wait()

    # -- calls -----------------------------------------------------------------------------------------------
    async def update(
        self,
        task_id: str,
        state: TaskState,
        message: str | None = None,
        *,
        data: bytes | None = None,
        healthy: bool | None = None,
    ) -> None:
        """Tell a task's state. It is kept and told again until the agent has acknowledged it.

        Raises:
            CallRefused: the agent does not take such an update; it is forgotten.
        """
        status = TaskStatus(
            task_id=TaskID(value=task_id),
            state=state,
            message=message,
            source="SOURCE_EXECUTOR",
            data=data,
            executor_id=ExecutorID(value=self.environment.executor_id),
            timestamp=time.time(),
            uuid=uuid.uuid4().bytes,
            healthy=healthy,
        )
        assert status.uuid is not None
        self._unacknowledged_updates[status.uuid] = status
        self._all_acknowledged.clear()
        try:
            await self._tell(self._call("UPDATE", update=wire.CallUpdate(status=status)))
        except CallRefused:
            self._unacknowledged_updates.pop(status.uuid, None)
            if not self._unacknowledged_updates:
                self._all_acknowledged.set()
            raise

    async def _tell(self, call: wire.Call) -> None:
        """Send an update; where that fails the next subscription tells it."""
        try:
            await self._send(call)
        except NotConnected:
            # Perhaps only the connection for calls broke: the agent knows a repeated update by its uuid (X06).
            try:
                await self._send(call)
            except NotConnected as fault:
                log.info("an update is told with the next subscription: %s", fault)
                if self._subscription is not None:
                    self._subscription.close()

    async def send(self, data: bytes) -> None:
        """Send bytes to the scheduler; they may be lost.

        Raises:
            NotConnected: there is no subscription just now.
            CallRefused: the agent said no.
        """
        await self._send(self._call("MESSAGE", message=wire.CallMessage(data=data)))

    async def _send(self, call: wire.Call) -> None:
        if self._subscription is None:
            raise NotConnected("not subscribed")
        await self._subscription.call(encode_message(call))

    def _call(
        self,
        kind: wire.CallType,
        *,
        subscribe: wire.CallSubscribe | None = None,
        update: wire.CallUpdate | None = None,
        message: wire.CallMessage | None = None,
    ) -> wire.Call:
        return wire.Call(
            executor_id=ExecutorID(value=self.environment.executor_id),
            framework_id=FrameworkID(value=self.environment.framework_id),
            type=kind,
            subscribe=subscribe,
            update=update,
            message=message,
        )


def _seconds(environment: Mapping[str, str], name: str, default: str) -> float:
    try:
        return Duration.parse(environment.get(name) or default).seconds
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _decode(record: bytes) -> wire.Event:
    try:
        return _EVENTS.decode(record)
    except msgspec.DecodeError:
        # An agent newer than this client may use words it does not know; they are left out.
        return decode_leniently(wire.Event, record, "Event: ")
