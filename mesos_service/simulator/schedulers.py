"""One of several schedulers of a framework: it stands by, acts when it is promoted, and may hang (A44, N11).

What they know of their tasks they share, as if kept in a store of their own: keeping it in step is a framework's own
affair (B56).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

from mesos_service.core import events
from mesos_service.core import scheduler_messages as messages
from mesos_service.core.events import SchedulerEvent
from mesos_service.domain.frameworks import FrameworkInfo
from mesos_service.domain.ids import FrameworkId, StreamId
from mesos_service.domain.tasks import TaskStatus
from mesos_service.simulator.frameworks import SimFramework
from mesos_service.simulator.masters import Masters
from mesos_service.simulator.network import Network
from mesos_service.simulator.promises import Promises

LEASE_SECONDS: Final = 1.5


class SimScheduler(SimFramework):
    """``others`` are those of the same framework that were made before. ``freeze`` has it hang for a while: nothing
    leaves it, its connections stay, and what has come is read, in order, when it wakes."""

    def __init__(
        self,
        network: Network,
        masters: Masters,
        info: FrameworkInfo,
        seed: int,
        promises: Promises,
        number: int,
        others: tuple[SimScheduler, ...] = (),
    ) -> None:
        super().__init__(network, masters, info, seed, promises)
        self.number = number
        self.acts = False
        self.token: int | None = None
        self.framework_id = info.framework_id
        if others:
            self.tasks = others[0].tasks
        self._task_ids = f"{info.name}.{number}"
        self._frozen = False
        self._reading = False
        self._unread: deque[Callable[[], None]] = deque()
        network.clock.after(LEASE_SECONDS / 3, self._beat)

    # -- hanging ---------------------------------------------------------------------------------------------
    def freeze(self, seconds: float) -> None:
        """Hang from now on; a second time while it does changes nothing."""
        if not self._frozen:
            self._frozen = True
            self._network.clock.after(seconds, self._wake)

    def _wake(self) -> None:
        """First it does what it had in mind, as one does that does not know that it slept; then it reads on."""
        for _ in range(3):
            super().misbehave()
        self._network.clock.after(0.05, self._read_on)

    def _read_on(self) -> None:
        if not self._unread:
            self._frozen = False
            return
        self._reading = True
        self._unread.popleft()()
        self._reading = False
        self._network.clock.after(0.02 * self._source.random(), self._read_on)

    def _awake(self, action: Callable[[], None]) -> bool:
        """Whether it can do something now; ``action`` is done in its turn otherwise."""
        if self._frozen and not self._reading:
            self._unread.append(action)
            return False
        return True

    def _beat(self) -> None:
        if not self._frozen:
            self._call(messages.SchedulerHeartbeat)
        self._network.clock.after(LEASE_SECONDS / 3, self._beat)

    # -- its connection --------------------------------------------------------------------------------------
    def subscribe(self) -> None:
        if self._awake(self.subscribe):
            self.acts = False
            super().subscribe()

    def _subscription(self, request: int, framework: FrameworkInfo) -> messages.Subscribe:
        return messages.Subscribe(
            request=request,
            framework=framework,
            mode="STANDBY",
            fencing_token=self.token,
            lease_seconds=LEASE_SECONDS,
        )

    def opened(self, request: int, stream_id: StreamId) -> None:
        if self._awake(partial(self.opened, request, stream_id)):
            super().opened(request, stream_id)

    def closed(self, stream_id: StreamId) -> None:
        if self._awake(partial(self.closed, stream_id)):
            super().closed(stream_id)

    def hear(self, stream_id: StreamId, event: SchedulerEvent) -> None:
        if not self._awake(partial(self.hear, stream_id, event)) or stream_id != self._stream_id:
            return
        match event:
            case events.Promoted(_, token):
                self._take_over(token)
                self.ask()
            case events.Subscribed(_, _, "PRIMARY", int(token)):
                self._take_over(token)
            case _:
                pass
        super().hear(stream_id, event)

    def _on_update(self, status: TaskStatus) -> None:
        """One that slept reads what is old, and acknowledges it in vain."""
        if self._promises.has_newest(FrameworkId(self.name), self.token):
            super()._on_update(status)
        elif status.uuid is not None and status.agent_id is not None:
            self._call(messages.Acknowledge, agent_id=status.agent_id, task_id=status.task_id, uuid=status.uuid)

    def _take_over(self, token: int) -> None:
        self.acts = True
        self.token = token
        self._promises.holds(self.name, token, self.number)

    def misbehave(self) -> None:
        if not self._frozen:
            super().misbehave()

    def heal(self) -> None:
        if self._awake(self.heal):
            super().heal()

    def ask(self) -> None:
        if self._awake(self.ask):
            super().ask()
