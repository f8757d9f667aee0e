"""One agent's core between a master, a containerizer and executors that are only messages."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import TypeVar

from mesos_service.core.agent import invariants
from mesos_service.core.agent.records import Record
from mesos_service.core.agent.state import AgentOptions, AgentState, Executor
from mesos_service.core.agent.step import next_deadline, step
from mesos_service.core.agent_messages import (
    AgentMessage,
    Checkpointed,
    ContainerDestroyed,
    ContainerExited,
    ContainerLaunched,
    ExecutorSubscribe,
    ExecutorUpdate,
    FromMaster,
    MasterConnected,
    MasterLost,
)
from mesos_service.core.effects import (
    AgentEffect,
    Checkpoint,
    LaunchContainer,
    Note,
    OpenExecutorStream,
    SendExecutor,
    SendMaster,
    Span,
)
from mesos_service.core.events import ExecutorEvent
from mesos_service.core.link import (
    AcknowledgeUpdate,
    Downlink,
    KillTask,
    Register,
    Registered,
    Reregister,
    Reregistered,
    RunTask,
    RunTaskGroup,
    UpdateStatus,
    Uplink,
)
from mesos_service.core.messages import Tick
from mesos_service.core.trace import TraceParent
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.checks import Check, HealthCheck
from mesos_service.domain.executors import ExecutorInfo, ExecutorType
from mesos_service.domain.frameworks import PARTITION_AWARE, TASK_KILLING_STATE, FrameworkInfo
from mesos_service.domain.ids import AgentId, ContainerId, ExecutorId, FrameworkId, LinkId, StreamId, TaskId
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import Source, TaskInfo, TaskState, TaskStatus

AGENT_ID = AgentId("M-S0")
FRAMEWORK_ID = FrameworkId("M-0000")
LINK = LinkId("link-1")
NOBODY = 999_999
"""No request has this number."""

SMALL = Resources.scalars(cpus="0.1", mem=32)
EXECUTOR_ID = ExecutorId("custom-1")

Wanted = TypeVar("Wanted")


def framework_info(
    *capabilities: str, framework_id: FrameworkId = FRAMEWORK_ID, checkpoint: bool = True
) -> FrameworkInfo:
    return FrameworkInfo(
        name="test",
        user="root",
        framework_id=framework_id,
        capabilities=frozenset(capabilities or (PARTITION_AWARE, TASK_KILLING_STATE)),
        checkpoint=checkpoint,
    )


def custom(executor_id: str = "custom-1", grace: float | None = None) -> ExecutorInfo:
    return ExecutorInfo(
        executor_id=ExecutorId(executor_id), command="run", resources=SMALL, shutdown_grace_seconds=grace
    )


def pod(executor_id: str = "pod") -> ExecutorInfo:
    return ExecutorInfo(executor_id=ExecutorId(executor_id), type=ExecutorType.DEFAULT, resources=SMALL)


def task_info(
    task_id: str,
    executor: ExecutorInfo | None = None,
    kill_grace: float | None = None,
    max_completion: float | None = None,
    resources: Resources = SMALL,
    check: Check | None = None,
    health_check: HealthCheck | None = None,
) -> TaskInfo:
    return TaskInfo(
        task_id=TaskId(task_id),
        agent_id=AGENT_ID,
        name=f"task {task_id}",
        resources=resources,
        executor=executor,
        command=None if executor is not None else "sleep 1",
        kill_grace_seconds=kill_grace,
        max_completion_seconds=max_completion,
        check=check,
        health_check=health_check,
    )


def only(effects: Iterable[AgentEffect], kind: type[Wanted]) -> list[Wanted]:
    """The effects of one kind, in order."""
    return [effect for effect in effects if isinstance(effect, kind)]


def uplinks(effects: Iterable[AgentEffect], kind: type[Wanted]) -> list[Wanted]:
    return [effect.message for effect in only(effects, SendMaster) if isinstance(effect.message, kind)]


def statuses(effects: Iterable[AgentEffect]) -> list[TaskStatus]:
    """What the master is told of tasks, in order."""
    return [update.status for update in uplinks(effects, UpdateStatus)]


def states(effects: Iterable[AgentEffect]) -> list[tuple[str, TaskState]]:
    return [(status.task_id, status.state) for status in statuses(effects)]


def told(effects: Iterable[AgentEffect]) -> list[ExecutorEvent]:
    """What executors are told, in order."""
    return [effect.event for effect in only(effects, SendExecutor)]


def facts(effects: Iterable[AgentEffect]) -> list[str]:
    return [note.fact for note in only(effects, Note)]


def deeds(effects: Iterable[AgentEffect]) -> list[AgentEffect]:
    """Everything but what is only observed."""
    return [effect for effect in effects if not isinstance(effect, Note | Span)]


class World:
    """``take`` steps one message, and sees that the invariants hold after it."""

    def __init__(self, options: AgentOptions | None = None, seed: int = 7) -> None:
        self.now = 1000.0
        self.state = AgentState(
            info=AgentInfo(hostname="localhost", ip="127.0.0.1", resources=Resources.scalars(cpus=4, mem=4096)),
            options=options or AgentOptions(),
            random=random.Random(seed),
            started_at=self.now,
        )
        self.link = LINK
        self.requests = 0
        self.checking = True
        """Whether the invariants are looked at, which takes longer than the step."""
        self.records: list[Record] = []
        """Everything that was written down, oldest first."""

    # -- driving ---------------------------------------------------------------------------------------------
    def step(self, message: AgentMessage) -> list[AgentEffect]:
        return step(self.state, message, self.now)

    def take(self, message: AgentMessage) -> list[AgentEffect]:
        """Step one message; what it writes down is stored at once, and what waited for that follows."""
        effects = self.step(message)
        if self.checking:
            invariants.check(self.state)
        checkpoints = only(effects, Checkpoint)
        if not checkpoints:
            return effects
        self.records += [one.record for one in checkpoints]
        released = self.take(Checkpointed(checkpoints[-1].number))
        return [effect for effect in effects if not isinstance(effect, Checkpoint)] + released

    def wait(self, seconds: float) -> list[AgentEffect]:
        """Let time pass, ticking whenever the core asked for it."""
        end = self.now + seconds
        effects: list[AgentEffect] = []
        while (deadline := next_deadline(self.state)) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            effects += self.take(Tick())
        self.now = end
        return effects

    def master(self, message: Downlink) -> list[AgentEffect]:
        return self.take(FromMaster(link_id=self.link, message=message))

    # -- the master ------------------------------------------------------------------------------------------
    def connect(self, link: str = LINK) -> Register | Reregister:
        """Open a link and wait for the registration that comes on it."""
        self.link = LinkId(link)
        effects = self.take(MasterConnected(self.link))
        if not uplinks(effects, Reregister):
            effects += self.wait(1.0)
        return next(iter(uplinks(effects, Register) + uplinks(effects, Reregister)))

    def register(self) -> list[AgentEffect]:
        request = self.connect()
        return self.master(Registered(registration=request.registration, agent_id=AGENT_ID))

    def lose_master(self) -> list[AgentEffect]:
        return self.take(MasterLost(self.link))

    def reregister(self, asked: tuple[tuple[FrameworkId, TaskId], ...] = ()) -> list[AgentEffect]:
        request = self.connect(f"{self.link}+")
        return self.master(Reregistered(registration=request.registration, agent_id=AGENT_ID, asked=asked))

    def acknowledge(self, status: TaskStatus, framework_id: FrameworkId = FRAMEWORK_ID) -> list[AgentEffect]:
        assert status.uuid is not None
        return self.master(AcknowledgeUpdate(framework_id=framework_id, task_id=status.task_id, uuid=status.uuid))

    def acknowledge_all(self, effects: Iterable[AgentEffect]) -> list[TaskStatus]:
        """Acknowledge what was told, and what is told because of that; all of it, in order."""
        seen: list[TaskStatus] = []
        waiting = statuses(effects)
        while waiting:
            status = waiting.pop(0)
            seen.append(status)
            waiting += statuses(self.acknowledge(status))
        return seen

    def kill(self, task_id: str, grace: float | None = None) -> list[AgentEffect]:
        return self.master(KillTask(framework_id=FRAMEWORK_ID, task_id=TaskId(task_id), grace_seconds=grace))

    # -- launching -------------------------------------------------------------------------------------------
    def run(
        self, task: TaskInfo, framework: FrameworkInfo | None = None, trace: TraceParent | None = None
    ) -> list[AgentEffect]:
        return self.master(RunTask(framework=framework or framework_info(), task=task, trace=trace))

    def run_group(
        self, executor: ExecutorInfo, *tasks: TaskInfo, framework: FrameworkInfo | None = None
    ) -> list[AgentEffect]:
        return self.master(
            RunTaskGroup(framework=framework or framework_info(), executor=executor, tasks=tasks, trace=None)
        )

    def start_command(
        self, task: TaskInfo | None = None, framework: FrameworkInfo | None = None, pid: int = 100
    ) -> ContainerId:
        """Run a command task up to an acknowledged RUNNING."""
        task = task or task_info("t1")
        container_id = only(self.run(task, framework), LaunchContainer)[0].container_id
        running = self.acknowledge_all(self.take(ContainerLaunched(container_id, pid)))
        assert [status.state for status in running] == [TaskState.STARTING, TaskState.RUNNING]
        return container_id

    def start_group(self, *task_ids: str) -> dict[str, ContainerId]:
        """Run a group on the default executor up to acknowledged RUNNINGs; containers by task."""
        effects = self.run_group(pod(), *(task_info(task_id) for task_id in task_ids))
        self.acknowledge_all(effects)
        containers: dict[str, ContainerId] = {}
        for number, launch in enumerate(only(effects, LaunchContainer)):
            assert launch.task is not None
            containers[launch.task.task_id] = launch.container_id
            self.acknowledge_all(self.take(ContainerLaunched(launch.container_id, 200 + number)))
        return containers

    def gone(self, container_id: ContainerId, status: int | None = 0) -> list[AgentEffect]:
        """The container's process ends and its container is cleaned up."""
        effects = [] if status is None else self.take(ContainerExited(container_id, status))
        return effects + self.take(ContainerDestroyed(container_id))

    # -- executors -------------------------------------------------------------------------------------------
    def executor(self, executor_id: str = "custom-1") -> Executor:
        return self.state.frameworks[FRAMEWORK_ID].executors[ExecutorId(executor_id)]

    def request(self) -> int:
        self.requests += 1
        return self.requests

    def subscribe(
        self,
        executor_id: str = "custom-1",
        tasks: tuple[TaskInfo, ...] = (),
        updates: tuple[TaskStatus, ...] = (),
    ) -> list[AgentEffect]:
        return self.take(
            ExecutorSubscribe(
                request=self.request(),
                framework_id=FRAMEWORK_ID,
                executor_id=ExecutorId(executor_id),
                unacknowledged_tasks=tasks,
                unacknowledged_updates=updates,
            )
        )

    def start_custom(self, *task_ids: str, info: ExecutorInfo | None = None) -> tuple[ContainerId, StreamId]:
        """Launch tasks on a custom executor and let it subscribe."""
        info = info or custom()
        container_id = ContainerId("")
        for task_id in task_ids:
            for launch in only(self.run(task_info(task_id, info)), LaunchContainer):
                container_id = launch.container_id
        self.take(ContainerLaunched(container_id, 300))
        effects = self.subscribe(info.executor_id)
        return container_id, only(effects, OpenExecutorStream)[0].stream_id

    def update(
        self, task_id: str, state: TaskState, uuid: int = 0, executor_id: str = "custom-1", data: bytes | None = None
    ) -> list[AgentEffect]:
        return self.take(
            ExecutorUpdate(
                request=self.request(),
                framework_id=FRAMEWORK_ID,
                executor_id=ExecutorId(executor_id),
                status=executor_status(task_id, state, uuid or self.requests + 1000, data),
            )
        )


def executor_status(task_id: str, state: TaskState, uuid: int, data: bytes | None = None) -> TaskStatus:
    return TaskStatus(
        task_id=TaskId(task_id), state=state, source=Source.EXECUTOR, uuid=uuid.to_bytes(16, "big"), data=data
    )


def sent_uplinks(effects: Iterable[AgentEffect]) -> list[Uplink]:
    return [effect.message for effect in only(effects, SendMaster)]
