"""The body of an agent: its effects are performed on the virtual clock and network.

An agent can crash at any moment and is started again later. What it wrote to its disk is still there then, save for
what was being written, of which a part may be; what it had running has run on meanwhile.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from mesos_service.core import agent_messages, effects, messages
from mesos_service.core.agent import step as agent_core
from mesos_service.core.agent.recording import snapshot
from mesos_service.core.agent.records import Record
from mesos_service.core.agent.replay import replay
from mesos_service.core.agent.state import AgentOptions, AgentState
from mesos_service.core.agent.texts import describe_wait_status
from mesos_service.core.link import Downlink, UpdateStatus, Uplink
from mesos_service.core.oversubscription.controllers import Correction
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.checks import CheckType, ProbeResult, Purpose
from mesos_service.domain.errors import InvariantBroken
from mesos_service.domain.ids import ContainerId, FrameworkId, LinkId, TaskId
from mesos_service.domain.operations import VolumePlace, places
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import Source, TaskState
from mesos_service.simulator.clock import VirtualClock
from mesos_service.simulator.masters import Journal, Masters
from mesos_service.simulator.network import Connection, Network

Check = Callable[["AgentNode"], None]
"""Looks at an agent after each of its steps and raises what is wrong."""


@dataclass(slots=True)
class SimContainer:
    """A container; it outlives its agent, and is there until it is destroyed."""

    pid: int
    ignores_term: bool
    status: int | None = None
    """Raw wait status, once its process has ended."""


class Disk:
    """What an agent wrote down: on the disk, or on its way there."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.pending: list[Record] = []
        self.number = 0

    def write(self) -> int:
        """All that is on its way arrives; the number of the last one."""
        self.records += self.pending
        self.pending = []
        return self.number

    def crash(self, source: random.Random) -> None:
        """Of what was on its way, what came first may have arrived."""
        self.records += self.pending[: source.randint(0, len(self.pending))]
        self.pending = []


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
        supervised: bool = False,
    ) -> None:
        """``supervised``: somebody starts it again when a master has sent it away."""
        self.clock: VirtualClock = network.clock
        self.name = info.hostname
        self._info = info
        self._options = options
        self._seed = seed
        self.restarts = 0
        self.state = self._fresh_state()
        self.up = True
        self._dies_writing: float | None = None
        self.exited = False
        self.disk = Disk()
        self.promises = ToldOnce()
        self._network = network
        self._journal = journal
        self._check = check
        self._source = random.Random(seed + 1)
        self._run_seconds = run_seconds
        self._ignores_term = ignores_term
        self._launch_fails = launch_fails
        self._supervised = supervised
        self._planned = float("inf")
        self._containers: dict[ContainerId, SimContainer] = {}
        self.volumes: dict[VolumePlace, int] = {}
        """Directories of volumes, each with a number that no other ever had."""
        self._volumes_made = 0
        self._seen: tuple[Correction, ...] = ()
        self._removals: set[str] = set()
        self._masters: Masters | None = None
        self._link_counter = 0
        self._isolated_until = 0.0
        self._connection: Connection | None = None

    # -- the link --------------------------------------------------------------------------------------------
    def connect(self, masters: Masters) -> None:
        """Open a link to whoever leads; whenever it breaks, open another after a while."""
        self._masters = masters
        if self.exited or not self.up:
            return
        master = masters.leader
        if master is None:
            self._later(0.05 + self._source.random(), lambda: self.connect(masters))
            return
        self._link_counter += 1
        link_id = LinkId(f"{self.name}-link-{self._link_counter}")
        connection = self._connection = Connection(self._network)
        self._master = master

        def reconnect() -> None:
            self.take(agent_messages.MasterLost(link_id))
            pause = max(0.05 + self._source.random(), self._isolated_until - self.clock.now)
            self._later(pause, lambda: self.connect(masters))

        connection.on_broken(lambda: master.lose_link(link_id))
        connection.on_broken(self._while_it_lives(reconnect))
        connection.send(0, lambda: master.open_link(link_id, self))
        connection.send(1, self._while_it_lives(lambda: self.take(agent_messages.MasterConnected(link_id))))

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
            told = _call(self.take, agent_messages.FromMaster(link_id=link_id, message=message))
            self._connection.send(1, self._while_it_lives(told))

    # -- lending ---------------------------------------------------------------------------------------------
    def lend(self, lendable: Resources) -> None:
        """Its estimator says so."""
        self.take(agent_messages.OversubscriptionEstimated(lendable))

    def preempt(self) -> None:
        """Its QoS controller wants one borrower ended, and somebody whom it has seen before and who may be gone."""
        borrowers = [
            Correction(
                framework_id=framework.framework_id,
                executor_id=executor.info.executor_id,
                container_id=executor.container_id,
                reason="simulated",
            )
            for framework in self.state.frameworks.values()
            for executor in framework.executors.values()
            if executor.resources.revocable()
        ]
        if borrowers:
            chosen = self._source.choice(borrowers)
            self.take(agent_messages.QosCorrections((chosen, *self._seen)))
            self._seen = (chosen,)

    # -- dying and coming back -------------------------------------------------------------------------------
    def crash(self, seconds: float) -> None:
        """End without a word, and be started again after a while: now, or more often when it next has something on
        the way to its disk, which is when an end does most harm."""
        if self._source.random() < 0.7:
            self._dies_writing = seconds
        else:
            self._die(seconds)

    def _die(self, seconds: float) -> None:
        self._dies_writing = None
        if not self.up or self.exited:
            return
        self.up = False
        self.restarts += 1
        self.disk.crash(self._source)
        self.cut()
        self._connection = None
        self.clock.after(seconds, self._start_again)

    def _start_anew(self) -> None:
        """It had ended by itself."""
        self.exited = False
        self.restarts += 1
        self.cut()
        self._connection = None
        self._start_again()

    def _start_again(self) -> None:
        self.up = True
        self.state = self._fresh_state()
        self._planned = float("inf")
        replay(self.state, self.disk.records)
        self.disk.records = snapshot(self.state)
        self.take(agent_messages.Recover())
        if self._masters is not None:
            self.connect(self._masters)

    def _fresh_state(self) -> AgentState:
        # No two lives draw the same names.
        source = random.Random(self._seed + 1_000_003 * self.restarts)
        return AgentState(info=self._info, options=self._options, random=source, started_at=self.clock.now)

    def _while_it_lives(self, function: Callable[[], None]) -> Callable[[], None]:
        """What the agent of now has begun concerns no agent after it."""
        life = self.restarts

        def guarded() -> None:
            if self.up and self.restarts == life:
                function()

        return guarded

    def _later(self, seconds: float, function: Callable[[], None]) -> None:
        self.clock.after(seconds, self._while_it_lives(function))

    # -- the loop --------------------------------------------------------------------------------------------
    def take(self, message: agent_messages.AgentMessage) -> None:
        """Step one message, check, perform."""
        if self.exited or not self.up:
            return
        self._journal(self.clock.now, self.name, message)
        decided = agent_core.step(self.state, message, self.clock.now)
        self._check(self)
        for effect in decided:
            self._perform(effect)
        if self._dies_writing is not None and self.disk.pending:
            self._die(self._dies_writing)
        else:
            self._plan()

    def _plan(self) -> None:
        deadline = agent_core.next_deadline(self.state)
        if deadline is None or deadline >= self._planned:
            return
        self._planned = deadline
        self.clock.at(deadline, self._while_it_lives(self._tick))

    def _tick(self) -> None:
        if self._planned <= self.clock.now:
            self._planned = float("inf")
            self.take(messages.Tick())

    def _perform(self, effect: effects.AgentEffect) -> None:
        match effect:
            case effects.SendMaster(link_id, agent_id, message):
                self.promises.hear(message)
                if self._connection is not None:
                    self._connection.send(0, _call(self._master.hear_agent, link_id, agent_id, message))
            case effects.Checkpoint(number, record):
                if not self.disk.pending:
                    self._later(0.0002 + 0.002 * self._source.random(), self._written)
                self.disk.pending.append(record)
                self.disk.number = number
            case effects.RecoverContainers(launched):
                known = {one.container_id for one in launched}
                self._later(0.001 + 0.01 * self._source.random(), _call(self._recover, known))
            case effects.LaunchContainer():
                self._launch(effect)
            case effects.SignalContainer(container_id, _):
                container = self._containers.get(container_id)
                if container is not None and not container.ignores_term:
                    self.clock.after(0.001 + 0.05 * self._source.random(), _call(self._exit, container_id, 15))
            case effects.DestroyContainer(container_id):
                self._later(0.001 + 0.02 * self._source.random(), _call(self._destroy, container_id))
            case effects.StartProbe(container_id, purpose, probe, asked):
                self._later(
                    0.001 + 0.5 * self._source.random(), _call(self._probe, container_id, purpose, probe, asked.type)
                )
            case effects.StopProbe():
                pass  # Its answer is on the way, and means nothing any more.
            case effects.MakeVolume(place):
                self.volumes.setdefault(place, self._volumes_made)
                self._volumes_made += 1
            case effects.RemoveVolume(token, place):
                if token not in self._removals:
                    self._removals.add(token)
                    self.volumes.pop(place, None)
                self._later(0.002 * self._source.random(), _call(self.take, agent_messages.VolumeRemoved(token)))
            case effects.ForgetVolume(token):
                self._removals.discard(token)
            case effects.RecoverVolumes(tokens):
                self._removals &= set(tokens)
            case effects.Exit():
                self.exited = True
                if self._connection is not None:
                    self._connection.send(0, self._connection.cut)
                if self._supervised:
                    self.clock.after(1.0 + 2.0 * self._source.random(), self._start_anew)
            case (
                effects.AttachVolumes()
                | effects.Reply()
                | effects.OpenExecutorStream()
                | effects.SendExecutor()
                | effects.CloseExecutorStream()
            ):
                raise AssertionError(f"no custom executor runs in the simulator yet, but there is {effect}")
            case effects.Note() | effects.Span():
                pass
            case _:
                assert_never(effect)

    def _written(self) -> None:
        self.take(agent_messages.Checkpointed(self.disk.write()))

    def _launch(self, effect: effects.LaunchContainer) -> None:
        container_id = effect.container_id
        missing = [place for place in places(effect.resources) if place not in self.volumes]
        if missing:
            raise InvariantBroken(f"{container_id} is launched on volumes that are not there: {missing}")

        def started() -> None:
            if self._source.random() < self._launch_fails:
                self.take(
                    agent_messages.ContainerLaunchFailed(
                        container_id, "REASON_CONTAINER_LAUNCH_FAILED", "simulated failure"
                    )
                )
                return
            pid = self._source.randrange(2, 1 << 22)
            self._containers[container_id] = SimContainer(pid, self._source.random() < self._ignores_term)
            low, high = self._run_seconds
            status = 0 if self._source.random() < 0.8 else 256
            self.clock.after(low + (high - low) * self._source.random(), _call(self._exit, container_id, status))
            # Between the two the agent may die.
            told = _call(self.take, agent_messages.ContainerLaunched(container_id, pid))
            self._later(0.002 * self._source.random(), told)

        self._later(0.001 + 0.02 * self._source.random(), started)

    def _probe(self, container_id: ContainerId, purpose: Purpose, probe: int, kind: CheckType) -> None:
        healthy = self._source.random() < 0.7
        result = {CheckType.COMMAND: int(not healthy), CheckType.HTTP: 200 if healthy else 503}.get(kind, healthy)
        self.take(agent_messages.ProbeEnded(container_id, purpose, probe, ProbeResult(result)))

    def _recover(self, known: set[ContainerId]) -> None:
        for container_id in [one for one in self._containers if one not in known]:
            self._forget(container_id)
        found = tuple(
            agent_messages.FoundContainer(
                container_id=container_id, pid=one.pid, alive=one.status is None, status=one.status
            )
            for container_id, one in self._containers.items()
        )
        self.take(agent_messages.ContainersRecovered(found))

    def _exit(self, container_id: ContainerId, status: int) -> None:
        container = self._containers.get(container_id)
        if container is not None and container.status is None:
            container.status = status
            self.promises.ended(container_id, status)
            self.take(agent_messages.ContainerExited(container_id, status))

    def _destroy(self, container_id: ContainerId) -> None:
        self._exit(container_id, 9)
        self._forget(container_id)
        self.take(agent_messages.ContainerDestroyed(container_id))

    def _forget(self, container_id: ContainerId) -> None:
        container = self._containers.pop(container_id, None)
        if container is not None and container.status is None:
            self.promises.ended(container_id, 9)


class ToldOnce:
    """What an agent said of the ends of tasks, over all its lives: how a process ended is told truly, and whoever is
    told a second time is told the same."""

    def __init__(self) -> None:
        self._ends: dict[ContainerId, int] = {}
        self._told: dict[tuple[FrameworkId, TaskId], bytes | None] = {}

    def ended(self, container_id: ContainerId, status: int) -> None:
        self._ends[container_id] = status

    def hear(self, message: Uplink) -> None:
        """Raises ``InvariantBroken`` when an update does not agree with what happened or was said."""
        if not isinstance(message, UpdateStatus) or message.status.source is not Source.EXECUTOR:
            return
        status = message.status
        if not status.is_terminal:
            return
        told = self._told.setdefault((message.framework_id, status.task_id), status.uuid)
        if told != status.uuid:
            raise InvariantBroken(f"the end of {status.task_id} is told a second time under another uuid")
        if status.state in (TaskState.FINISHED, TaskState.FAILED) and status.reason is None:
            assert status.container is not None, "a built-in executor says where"
            truth = f"Command {describe_wait_status(self._ends[status.container.container_id])}"
            if status.message != truth:
                raise InvariantBroken(
                    f"{status.task_id} is said to have ended so: {status.message}; but it was: {truth}"
                )


def _call(function: Callable[..., None], *arguments: object) -> Callable[[], None]:
    """Bound now, called later: a plain lambda would see the loop variable's last value."""
    return lambda: function(*arguments)
