"""The body of an agent: its effects are performed on the virtual clock and network."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import assert_never

from mesos_service.core import effects, messages
from mesos_service.core.agent import step as agent_core
from mesos_service.core.agent.state import AgentOptions, AgentState
from mesos_service.core.link import Downlink
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.ids import ContainerId, LinkId
from mesos_service.simulator.clock import VirtualClock
from mesos_service.simulator.masters import Journal, Masters
from mesos_service.simulator.network import Connection, Network

Check = Callable[["AgentNode"], None]
"""Looks at an agent after each of its steps and raises what is wrong."""


class AgentNode:
    """One agent. Its containers are timers: ``run_seconds`` says how long each first process lives."""

    def __init__(
        self,
        network: Network,
        info: AgentInfo,
        options: AgentOptions,
        seed: int,
        journal: Journal,
        check: Check,
        run_seconds: tuple[float, float] = (0.1, 8.0),
        ignores_term: float = 0.1,
        launch_fails: float = 0.05,
    ) -> None:
        self.clock: VirtualClock = network.clock
        self.name = info.hostname
        self.state = AgentState(info=info, options=options, random=random.Random(seed), started_at=self.clock.now)
        self.exited = False
        self._network = network
        self._journal = journal
        self._check = check
        self._source = random.Random(seed + 1)
        self._run_seconds = run_seconds
        self._ignores_term = ignores_term
        self._launch_fails = launch_fails
        self._planned = float("inf")
        self._running: dict[ContainerId, bool] = {}
        """Containers with a live process, and whether it ignores TERM."""
        self._link_counter = 0
        self._isolated_until = 0.0
        self._connection: Connection | None = None

    # -- the link --------------------------------------------------------------------------------------------
    def connect(self, masters: Masters) -> None:
        """Open a link to whoever leads; whenever it breaks, open another after a while."""
        if self.exited:
            return
        master = masters.leader
        if master is None:
            self.clock.after(0.05 + self._source.random(), lambda: self.connect(masters))
            return
        self._link_counter += 1
        link_id = LinkId(f"{self.name}-link-{self._link_counter}")
        connection = self._connection = Connection(self._network)
        self._master = master

        def reconnect() -> None:
            self.take(messages.MasterLost(link_id))
            pause = max(0.05 + self._source.random(), self._isolated_until - self.clock.now)
            self.clock.after(pause, lambda: self.connect(masters))

        connection.on_broken(lambda: master.lose_link(link_id))
        connection.on_broken(reconnect)
        connection.send(0, lambda: master.open_link(link_id, self))
        connection.send(1, lambda: self.take(messages.MasterConnected(link_id)))

    def link_died(self, link_id: LinkId) -> None:
        """The master's end of the link is gone."""
        if link_id.endswith(f"-{self._link_counter}"):
            self.cut()

    def cut(self) -> None:
        """Break the link as the network would."""
        if self._connection is not None:
            self._connection.cut()

    def isolate(self, seconds: float) -> None:
        """Break the link and let no new one come up for a while: long enough, and the agent is unreachable."""
        self._isolated_until = self.clock.now + seconds
        self.cut()

    def send_down(self, link_id: LinkId, message: Downlink) -> None:
        if self._connection is not None and link_id.endswith(f"-{self._link_counter}"):
            self._connection.send(1, _call(self.take, messages.FromMaster(link_id=link_id, message=message)))

    # -- the loop --------------------------------------------------------------------------------------------
    def take(self, message: messages.AgentMessage) -> None:
        """Step one message, check, perform."""
        if self.exited:
            return
        self._journal(self.clock.now, self.name, message)
        decided = agent_core.step(self.state, message, self.clock.now)
        self._check(self)
        for effect in decided:
            self._perform(effect)
        self._plan()

    def _plan(self) -> None:
        deadline = agent_core.next_deadline(self.state)
        if deadline is None or deadline >= self._planned:
            return
        self._planned = deadline
        self.clock.at(deadline, self._tick)

    def _tick(self) -> None:
        if self._planned <= self.clock.now:
            self._planned = float("inf")
            self.take(messages.Tick())

    def _perform(self, effect: effects.AgentEffect) -> None:
        match effect:
            case effects.SendMaster(link_id, agent_id, message):
                if self._connection is not None:
                    self._connection.send(0, _call(self._master.hear_agent, link_id, agent_id, message))
            case effects.Checkpoint(number):
                self.clock.after(0.0005, _call(self.take, messages.Checkpointed(number)))
            case effects.RecoverContainers():
                raise AssertionError("no agent restarts in the simulator yet")
            case effects.LaunchContainer():
                self._launch(effect.container_id)
            case effects.SignalContainer(container_id, _):
                if not self._running.get(container_id, True):
                    self.clock.after(0.001 + 0.05 * self._source.random(), _call(self._exit, container_id, 15))
            case effects.DestroyContainer(container_id):
                self.clock.after(0.001 + 0.02 * self._source.random(), _call(self._destroy, container_id))
            case effects.Exit():
                self.exited = True
                if self._connection is not None:
                    self._connection.send(0, self._connection.cut)
            case (
                effects.Reply() | effects.OpenExecutorStream() | effects.SendExecutor() | effects.CloseExecutorStream()
            ):
                raise AssertionError(f"no custom executor runs in the simulator yet, but there is {effect}")
            case effects.Note() | effects.Span():
                pass
            case _:
                assert_never(effect)

    def _launch(self, container_id: ContainerId) -> None:
        def started() -> None:
            if self._source.random() < self._launch_fails:
                self.take(
                    messages.ContainerLaunchFailed(container_id, "REASON_CONTAINER_LAUNCH_FAILED", "simulated failure")
                )
                return
            self._running[container_id] = self._source.random() < self._ignores_term
            low, high = self._run_seconds
            status = 0 if self._source.random() < 0.8 else 256
            self.clock.after(low + (high - low) * self._source.random(), _call(self._exit, container_id, status))
            self.take(messages.ContainerLaunched(container_id, self._source.randrange(2, 1 << 22)))

        self.clock.after(0.001 + 0.02 * self._source.random(), started)

    def _exit(self, container_id: ContainerId, status: int) -> None:
        if self._running.pop(container_id, None) is not None:
            self.take(messages.ContainerExited(container_id, status))

    def _destroy(self, container_id: ContainerId) -> None:
        self._exit(container_id, 9)
        self.take(messages.ContainerDestroyed(container_id))


def _call(function: Callable[..., None], *arguments: object) -> Callable[[], None]:
    """Bound now, called later: a plain lambda would see the loop variable's last value."""
    return lambda: function(*arguments)
