"""Emulated agents that survive their master: they look for the leader, and come back to it.

What finds masters, opens links and waits before it does is the code of real agents (``agent/master_link.py``), with
their defaults. The rest is emulated: an agent says what it runs, launches nothing, and calls every task running. Some
agents share a link, as those of a relay do: one process that held the connections of thousands, and one processor under
it, would be what is measured. For the same reason the agents know beforehand what they are going to say, which
thousands of machines would each work out at the same moment. All share one session with ZooKeeper. Real agents have a
link and a session each.
"""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

import msgspec

from mesos_service.agent.master_link import AgentUplink, MasterLink
from mesos_service.core import link
from mesos_service.core.agent.state import AgentOptions
from mesos_service.core.agent_messages import AgentMessage, FromMaster, MasterConnected, MasterLost
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.frameworks import FrameworkInfo
from mesos_service.domain.ids import AgentId, ExecutorId, FrameworkId, LinkId, TaskId
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import Source, TaskState, TaskStatus
from mesos_service.election.detector import ZooKeeperDetector
from mesos_service.election.interface import Detector, Leader
from mesos_service.election.url import ZooKeeperUrl
from mesos_service.wire import agent_link
from mesos_service.wire.convert.link import uplink_to_wire

TOTAL = Resources.parse("cpus:2;mem:2048;disk:2048;ports:[31000-32000]")
NEEDS = Resources.parse("cpus:1;mem:512")
OPTIONS = AgentOptions()
_NAME: Final = "the-name-of-a-registration"
ItemT = TypeVar("ItemT")


def batched(items: Sequence[ItemT], size: int) -> Iterator[Sequence[ItemT]]:
    """``items`` in order, ``size`` at a time (``itertools.batched`` is of Python 3.12)."""
    return (items[begin : begin + size] for begin in range(0, len(items), size))


class SharedDetector:
    """One detector for many links: who starts it ends it, and that is none of them."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector

    def start(self) -> None:
        """It looks already."""

    async def detect(self, previous: Leader | None = None) -> Leader | None:
        return await self._detector.detect(previous)

    async def stop(self) -> None:
        """It looks on, for others."""


class RecoveringFleet:
    """So many agents that find the leader under ``zookeeper``. ``registered`` counts them by their master's port."""

    def __init__(self, zookeeper: str, agents: int, agents_per_link: int) -> None:
        self._agents_per_link = agents_per_link
        self._detector = ZooKeeperDetector(ZooKeeperUrl.parse(zookeeper))
        self._agents = [_Agent(self, number) for number in range(agents)]
        self._links: list[MasterLink] = []
        self._defect: asyncio.Future[None] | None = None
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        """By the port of a master: how many agents are waited for, and who is told."""
        self.registered: Counter[int] = Counter()

    def __len__(self) -> int:
        return len(self._agents)

    def prepare(self) -> None:
        """Let every agent know what it will say to the next master."""
        for agent in self._agents:
            agent.prepare()

    def start(self) -> None:
        """Look for the leader, with all agents at once."""
        self._defect = asyncio.get_running_loop().create_future()
        self._detector.start()
        for batch in batched(self._agents, self._agents_per_link):
            master_link = MasterLink(SharedDetector(self._detector))
            for agent in batch:
                agent.attach(master_link)
            master_link.start(self._failed)
            self._links.append(master_link)

    async def stop(self) -> None:
        await asyncio.gather(*(one.stop() for one in self._links))
        await self._detector.stop()

    async def all_registered(self, port: int) -> None:
        """As :meth:`some_registered`, for every agent."""
        await self.some_registered(port, len(self._agents))

    async def some_registered(self, port: int, agents: int) -> None:
        """Wait until so many agents are registered with the master at ``port``.

        Raises:
            BaseException: what was raised within an agent, which is a defect of ours.
        """
        assert self._defect is not None, "it was started"
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((port, agents, done))
        self.changed()
        await asyncio.wait((done, self._defect), return_when=asyncio.FIRST_COMPLETED)
        if self._defect.done():
            self._defect.result()

    def changed(self) -> None:
        """Some agent has registered: tell who waits for that."""
        for port, agents, future in self._waiting:
            if self.registered[port] >= agents and not future.done():
                future.set_result(None)
        self._waiting = [one for one in self._waiting if not one[2].done()]

    def _failed(self, error: BaseException) -> None:
        if self._defect is not None and not self._defect.done():
            self._defect.set_exception(error)


class _Agent:
    """What one agent knows: its id, its link, and what it runs."""

    __slots__ = (
        "_fleet",
        "_frameworks",
        "_info",
        "_link",
        "_link_id",
        "_prepared",
        "_random",
        "_registered_at",
        "_registration",
        "_tasks",
        "_timer",
        "_uplink",
    )

    def __init__(self, fleet: RecoveringFleet, number: int) -> None:
        self._fleet = fleet
        self._info = AgentInfo(hostname=f"agent-{number}", port=5051, resources=TOTAL)
        self._random = random.Random(number)
        self._registration = ""
        self._registered_at: int | None = None
        """The port of the master; ``None`` while it is not registered."""
        self._link_id: LinkId | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: dict[tuple[FrameworkId, TaskId], link.TaskReport] = {}
        self._frameworks: dict[FrameworkId, FrameworkInfo] = {}
        self._link: MasterLink | None = None
        self._uplink: AgentUplink | None = None
        self._prepared: tuple[bytes, bytes] | None = None
        """What it will say when it comes back: what is before the name of the registration, and what is behind it."""

    def attach(self, master_link: MasterLink) -> None:
        """Use this link from now on."""
        self._link = master_link
        self._uplink = master_link.attach(self.receive)

    def receive(self, message: AgentMessage) -> None:
        match message:
            case MasterConnected():
                self._lost()
                self._link_id = message.link_id
                self._start_registration()
            case MasterLost():
                self._lost()
            case FromMaster(message=link.Registered() | link.Reregistered() as answer):
                if answer.registration == self._registration and self._registered_at is None:
                    self._on_registered(answer.agent_id)
            case FromMaster(message=link.RunTask() as run):
                self._run(run)
            case FromMaster(message=link.Ping() as ping):
                self._say(link.Pong())
                if self._registered_at is not None and not ping.connected:
                    self._lost()
                    self._start_registration()
            case FromMaster(message=link.KillTask() as kill):
                self._end(kill.framework_id, kill.task_id)
            case _:
                pass  # Acknowledgements: nothing follows a RUNNING or a KILLED here.

    def _lost(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._registered_at is not None:
            self._fleet.registered[self._registered_at] -= 1
            self._registered_at = None

    def _start_registration(self) -> None:
        """The rule of real agents (``core/agent/registration.py``): who has an id asks at once."""
        if self._info.agent_id is None:
            self._register_within(0, OPTIONS.registration_backoff_factor_seconds, attempts=0)
        else:
            self._register(attempts=1)

    def _register_within(self, seconds_min: float, seconds_max: float, attempts: int) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._random.uniform(seconds_min, seconds_max), self._register, attempts + 1)

    def _register(self, attempts: int) -> None:
        if attempts == 1:
            self._registration = uuid.UUID(int=self._random.getrandbits(128)).hex
        if self._info.agent_id is None:
            self._say(link.Register(agent=self._info, registration=self._registration))
        else:
            self._say_again()
        longest = min(
            OPTIONS.registration_backoff_factor_seconds * 2.0**attempts,
            OPTIONS.registration_retry_interval_max_seconds,
        )
        self._register_within(longest / 2, longest, attempts=attempts)

    def prepare(self) -> tuple[bytes, bytes]:
        """See :meth:`RecoveringFleet.prepare`."""
        if self._prepared is None:
            tasks, frameworks = tuple(self._tasks.values()), tuple(self._frameworks.values())
            said = link.Reregister(agent=self._info, registration=_NAME, tasks=tasks, frameworks=frameworks)
            before, _, behind = bytes(agent_link.encode_uplink(uplink_to_wire(said))).partition(_NAME.encode())
            self._prepared = before, behind
        return self._prepared

    def _say_again(self) -> None:
        opened = None if self._link is None else self._link.open
        if opened is not None and opened.link_id == self._link_id:
            message = msgspec.Raw(self._registration.encode().join(self.prepare()))
            opened.say_encoded(self._uplink, self._info.agent_id, message)

    def _on_registered(self, agent_id: AgentId) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._info.agent_id is None:
            self._prepared = None
            self._info = AgentInfo(
                hostname=self._info.hostname, port=self._info.port, resources=TOTAL, agent_id=agent_id
            )
        if self._link is not None and self._link.master is not None:
            self._registered_at = self._link.master.port
            self._fleet.registered[self._registered_at] += 1
            self._fleet.changed()

    def _run(self, run: link.RunTask) -> None:
        framework_id = run.framework.framework_id
        assert framework_id is not None, "a framework that launches has an id"
        executor_id = ExecutorId(run.task.task_id)
        self._prepared = None
        self._frameworks[framework_id] = run.framework
        status = self._status(run.task.task_id, TaskState.RUNNING)
        self._tasks[framework_id, run.task.task_id] = link.TaskReport(
            framework_id=framework_id,
            info=run.task,
            state=TaskState.RUNNING,
            executor_id=executor_id,
            statuses=(status,),
        )
        self._tell(framework_id, executor_id, status)

    def _end(self, framework_id: FrameworkId, task_id: TaskId) -> None:
        report = self._tasks.pop((framework_id, task_id), None)
        if report is not None:
            self._prepared = None
            self._tell(framework_id, report.executor_id, self._status(task_id, TaskState.KILLED))

    def _status(self, task_id: TaskId, state: TaskState) -> TaskStatus:
        return TaskStatus(
            task_id=task_id,
            state=state,
            source=Source.EXECUTOR,
            agent_id=self._info.agent_id,
            executor_id=ExecutorId(task_id),
            timestamp=time.time(),
            uuid=uuid.UUID(int=self._random.getrandbits(128), version=4).bytes,
        )

    def _tell(self, framework_id: FrameworkId, executor_id: ExecutorId, status: TaskStatus) -> None:
        self._say(
            link.UpdateStatus(
                framework_id=framework_id, status=status, executor_id=executor_id, latest_state=status.state
            )
        )

    def _say(self, message: link.Uplink) -> None:
        if self._uplink is not None and self._link_id is not None:
            self._uplink.send(self._link_id, self._info.agent_id, message)
