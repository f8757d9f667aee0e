"""An agent's life on a disk, which may be cut off at any write, and the world that goes on meanwhile."""

from __future__ import annotations

from collections.abc import Callable

from mesos_service.core.agent import invariants
from mesos_service.core.agent.recording import snapshot
from mesos_service.core.agent.records import Record
from mesos_service.core.agent.replay import replay
from mesos_service.core.agent.step import next_deadline
from mesos_service.core.agent_messages import (
    AgentMessage,
    Checkpointed,
    ContainerDestroyed,
    ContainerExited,
    ContainerLaunched,
    ContainersRecovered,
    FoundContainer,
    FromMaster,
    MasterConnected,
    Recover,
)
from mesos_service.core.effects import Checkpoint, DestroyContainer, LaunchContainer, RecoverContainers, SendMaster
from mesos_service.core.link import (
    AcknowledgeUpdate,
    KillTask,
    Register,
    Registered,
    Reregister,
    Reregistered,
    RunTask,
    RunTaskGroup,
)
from mesos_service.core.messages import Tick
from mesos_service.domain.ids import ContainerId, LinkId, TaskId
from mesos_service.domain.tasks import TaskStatus
from tests.unit.core.agent.world import AGENT_ID, FRAMEWORK_ID, World, framework_info, pod, statuses, task_info


class Life:
    """The world around agents that die: what it was told stays told."""

    def __init__(self) -> None:
        self.disk: list[Record] = []
        self.alive: dict[ContainerId, int | None] = {}
        """Containers that are there, and how their process ended."""
        self.ran: set[str] = set()
        """Tasks of which a process was made."""
        self.told: dict[str, list[TaskStatus]] = {}
        self.acknowledged: set[bytes] = set()
        self.seed = 7
        self.world = World(seed=self.seed)
        self.writes_left: int | None = None

    def take(self, message: AgentMessage) -> None:
        """Step, write, perform; ``Died`` when the disk takes no more."""
        waiting = [message]
        while waiting:
            for effect in self.world.step(waiting.pop(0)):
                invariants.check(self.world.state)
                match effect:
                    case Checkpoint(number, record):
                        if self.writes_left == 0:
                            raise Died
                        if self.writes_left is not None:
                            self.writes_left -= 1
                        self.disk.append(record)
                        waiting.append(Checkpointed(number))
                    case LaunchContainer():
                        container_id = effect.container_id
                        self.alive[container_id] = None
                        if effect.task is not None:
                            self.ran.add(effect.task.task_id)
                        waiting.append(ContainerLaunched(container_id, 100))
                    case DestroyContainer(container_id):
                        self.alive.pop(container_id, None)
                        waiting.append(ContainerDestroyed(container_id))
                    case SendMaster():
                        for status in statuses([effect]):
                            self.hear(status)
                            waiting.append(self.acknowledgement(status))

    def hear(self, status: TaskStatus) -> None:
        said = self.told.setdefault(status.task_id, [])
        if all(one.uuid != status.uuid for one in said):
            said.append(status)

    def acknowledgement(self, status: TaskStatus) -> AgentMessage:
        assert status.uuid is not None
        self.acknowledged.add(status.uuid)
        known = AcknowledgeUpdate(framework_id=FRAMEWORK_ID, task_id=status.task_id, uuid=status.uuid)
        return FromMaster(link_id=self.world.link, message=known)

    def register(self) -> None:
        self.seed += 1
        self.world.link = LinkId(f"link-{self.seed}")
        self.take(MasterConnected(self.world.link))
        while (deadline := next_deadline(self.world.state)) is not None and deadline <= self.world.now + 3.0:
            self.world.now = max(deadline, self.world.now)
            for effect in self.world.step(Tick()):
                if isinstance(effect, SendMaster) and isinstance(effect.message, Register | Reregister):
                    kind = Registered if isinstance(effect.message, Register) else Reregistered
                    answer = kind(registration=effect.message.registration, agent_id=AGENT_ID)
                    self.take(FromMaster(link_id=self.world.link, message=answer))
                    return
                if isinstance(effect, DestroyContainer):
                    self.alive.pop(effect.container_id, None)
                    self.take(ContainerDestroyed(effect.container_id))

    def run(self, message: RunTask | RunTaskGroup) -> None:
        self.take(FromMaster(link_id=self.world.link, message=message))

    def end_all(self, status: int) -> None:
        """Every process ends, seen or unseen."""
        for container_id, before in list(self.alive.items()):
            if before is None:
                self.alive[container_id] = status
                self.take(ContainerExited(container_id, status))

    def be_reborn(self) -> None:
        self.writes_left = None
        self.seed += 1
        before, self.world = self.world, World(seed=self.seed)
        self.world.now = before.now + 1.0
        replay(self.world.state, self.disk)
        self.disk = snapshot(self.world.state)
        known = {
            one.container_id
            for effect in self.world.step(Recover())
            if isinstance(effect, RecoverContainers)
            for one in effect.launched
        }
        self.alive = {container_id: status for container_id, status in self.alive.items() if container_id in known}
        self.take(
            ContainersRecovered(
                tuple(
                    FoundContainer(container_id=container_id, pid=100, alive=status is None, status=status)
                    for container_id, status in self.alive.items()
                )
            )
        )
        self.register()


class Died(Exception):
    """The agent died while it was writing."""


def one_command(life: Life) -> None:
    life.run(RunTask(framework=framework_info(), task=task_info("t1")))
    life.end_all(0)


def one_group(life: Life) -> None:
    life.run(RunTaskGroup(framework=framework_info(), executor=pod(), tasks=(task_info("g1"), task_info("g2"))))
    life.end_all(0)


def one_kill(life: Life) -> None:
    life.run(RunTask(framework=framework_info(), task=task_info("t1")))
    life.take(FromMaster(link_id=life.world.link, message=KillTask(framework_id=FRAMEWORK_ID, task_id=TaskId("t1"))))
    life.end_all(15)


STORIES: dict[str, Callable[[Life], None]] = {"command": one_command, "group": one_group, "kill": one_kill}
