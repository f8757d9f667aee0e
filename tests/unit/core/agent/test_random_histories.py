"""Anything in any order: the invariants hold after every step, and in the end the agent can always be shut down."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from mesos_service.core.agent.state import AgentOptions
from mesos_service.core.agent_messages import (
    AgentMessage,
    ContainerDestroyed,
    ContainerExited,
    ContainerLaunched,
    ContainerLaunchFailed,
    ContainerLimited,
    ExecutorDisconnected,
    ExecutorHeartbeat,
    ExecutorMessage,
    ExecutorSubscribe,
    ExecutorUpdate,
    FromMaster,
    MasterConnected,
    MasterLost,
    ProbeEnded,
    ShutDown,
)
from mesos_service.core.effects import (
    AgentEffect,
    CloseExecutorStream,
    DestroyContainer,
    Exit,
    LaunchContainer,
    OpenExecutorStream,
    SignalContainer,
    StartProbe,
)
from mesos_service.core.link import (
    AcknowledgeUpdate,
    Downlink,
    FrameworkUpdated,
    KillTask,
    MessageToAgent,
    Ping,
    ReconcileTasks,
    Register,
    Registered,
    Reregister,
    Reregistered,
    RunTask,
    RunTaskGroup,
    ShutdownExecutor,
    ShutdownFramework,
    UpdateStatus,
)
from mesos_service.core.trace import start_trace
from mesos_service.domain.checks import Check, CheckType, HealthCheck, ProbeResult
from mesos_service.domain.executors import ExecutorInfo
from mesos_service.domain.frameworks import PARTITION_AWARE, TASK_KILLING_STATE, FrameworkInfo
from mesos_service.domain.ids import ContainerId, ExecutorId, FrameworkId, LinkId, StreamId, TaskId
from mesos_service.domain.tasks import TaskInfo, TaskState
from tests.unit.core.agent.world import AGENT_ID, World, custom, executor_status, framework_info, pod, task_info

FRAMEWORKS: tuple[FrameworkInfo, ...] = (
    framework_info(PARTITION_AWARE, TASK_KILLING_STATE, framework_id=FrameworkId("M-0000")),
    framework_info(PARTITION_AWARE, framework_id=FrameworkId("M-0001"), checkpoint=False),
    framework_info("MULTI_ROLE", framework_id=FrameworkId("M-0002")),
)
EXECUTORS: tuple[ExecutorInfo, ...] = (custom("e1"), custom("e2", grace=1.0), pod("p1"))
REASONS = ("REASON_CONTAINER_LAUNCH_FAILED", "REASON_EXECUTOR_TERMINATED")


class Chaos:
    """Draws messages from a seed; it knows what was asked for, and does not always do it."""

    def __init__(self, seed: int) -> None:
        self.source = random.Random(seed)
        options = AgentOptions(max_completed_frameworks=2, max_completed_executors_per_framework=3)
        self.world = World(options, seed)
        self.links = 0
        self.counter = 0
        self.task_ids: list[TaskId] = [TaskId("none")]
        self.containers: list[ContainerId] = [ContainerId("none")]
        self.streams: list[tuple[FrameworkId, ExecutorId, StreamId]] = []
        self.updates: list[AcknowledgeUpdate] = []
        self.registrations: list[Register | Reregister] = []
        self.probes: list[StartProbe] = []
        self.destroying: set[ContainerId] = set()
        self.exits = 0

    def live(self) -> None:
        """One more thing happens."""
        self.heed(self.world.take(self.draw()))
        self.heed(self.world.wait(self.source.choice([0.0, 0.0, 0.01, 1.0, 20.0])))

    def heed(self, effects: list[AgentEffect]) -> None:
        for effect in effects:
            match effect:
                case LaunchContainer():
                    assert effect.container_id not in self.containers, "a container id was used twice"
                    self.containers.append(effect.container_id)
                case DestroyContainer(container_id):
                    assert container_id not in self.destroying, "destroyed twice"
                    self.destroying.add(container_id)
                case SignalContainer(container_id, _):
                    assert container_id not in self.destroying, "a signal for a container that is being destroyed"
                case OpenExecutorStream():
                    self.streams.append((effect.framework_id, effect.executor_id, effect.stream_id))
                case CloseExecutorStream(stream_id):
                    assert any(known == stream_id for _, _, known in self.streams)
                case StartProbe():
                    assert effect.container_id not in self.destroying, "a check of what is being destroyed"
                    self.probes.append(effect)
                case Exit():
                    self.exits += 1
            match getattr(effect, "message", None):
                case UpdateStatus() as update:
                    assert update.status.uuid is not None
                    self.updates.append(
                        AcknowledgeUpdate(
                            framework_id=update.framework_id, task_id=update.status.task_id, uuid=update.status.uuid
                        )
                    )
                case Register() | Reregister() as request:
                    self.registrations.append(request)

    # -- what happens ----------------------------------------------------------------------------------------
    def draw(self) -> AgentMessage:
        kind = self.source.choices(["master", "container", "executor", "link"], [5, 5, 4, 1])[0]
        if kind == "master":
            return FromMaster(link_id=self.world.link, message=self.from_master())
        if kind == "container":
            return self.from_container()
        if kind == "executor":
            return self.from_executor()
        if self.world.state.link_id is not None and self.source.random() < 0.4:
            return MasterLost(self.world.state.link_id)
        self.links += 1
        self.world.link = LinkId(f"link-{self.links}")
        return MasterConnected(self.world.link)

    def new_task(self) -> TaskId:
        self.counter += 1
        # Now and then an id that was used before.
        name = self.counter if self.source.random() < 0.9 else self.source.randint(1, self.counter)
        self.task_ids.append(TaskId(f"t{name}"))
        return self.task_ids[-1]

    def from_master(self) -> Downlink:
        source = self.source
        framework = source.choice(FRAMEWORKS)
        framework_id = framework.framework_id
        assert framework_id is not None
        executor = source.choice(EXECUTORS)
        trace = start_trace(source) if source.random() < 0.3 else None
        choice = source.randint(0, 19)
        if self.registrations and not self.world.state.registered and choice < 14:
            request = self.registrations[-1]
            if isinstance(request, Register):
                return Registered(registration=request.registration, agent_id=AGENT_ID)
            asked = ((framework_id, source.choice(self.task_ids)),)
            return Reregistered(registration=request.registration, agent_id=AGENT_ID, asked=asked)
        if choice < 4:
            completion = source.choice([None, None, 5.0])
            task = task_info(self.new_task(), None, None, completion)
            return RunTask(framework=framework, task=self.perhaps_checked(task), trace=trace)
        if choice < 6:
            return RunTask(framework=framework, task=task_info(self.new_task(), executor), trace=trace)
        if choice < 8:
            names = [f"{self.new_task()}-{number}" for number in range(source.randint(1, 3))]
            tasks = tuple(self.perhaps_checked(task_info(name)) for name in names)
            self.task_ids.extend(task.task_id for task in tasks)
            return RunTaskGroup(framework=framework, executor=executor, tasks=tasks, trace=trace)
        if choice < 10:
            grace = source.choice([None, 0.0, 1.0, 60.0])
            return KillTask(framework_id=framework_id, task_id=source.choice(self.task_ids[-6:]), grace_seconds=grace)
        if choice < 15 and self.updates:
            update = source.choice(self.updates[-4:])
            if source.random() < 0.8 and update in self.updates:
                self.updates.remove(update)
            return update
        if choice == 15:
            return ShutdownExecutor(framework_id=framework_id, executor_id=executor.executor_id)
        if choice == 16 and source.random() < 0.3:
            return ShutdownFramework(framework_id)
        if choice == 17:
            return ReconcileTasks(tasks=((framework_id, source.choice(self.task_ids)),))
        if choice == 18:
            if source.random() < 0.5:
                return FrameworkUpdated(framework)
            return MessageToAgent(framework_id=framework_id, executor_id=executor.executor_id, data=b"x")
        return Ping(connected=source.random() < 0.9)

    def perhaps_checked(self, task: TaskInfo) -> TaskInfo:
        check = Check(
            type=self.source.choice(list(CheckType)),
            delay_seconds=self.source.choice([0.0, 1.0]),
            interval_seconds=self.source.choice([0.0, 1.0]),
            timeout_seconds=self.source.choice([0.0, 0.5]),
            port=80,
        )
        health = HealthCheck(check=check, grace_period_seconds=0.5, consecutive_failures=self.source.randint(0, 2))
        return replace(
            task,
            check=check if self.source.random() < 0.3 else None,
            health_check=health if self.source.random() < 0.3 else None,
        )

    def from_probe(self) -> AgentMessage:
        effect = self.source.choice(self.probes[-4:])
        result = ProbeResult(self.source.choice([None, 0, 1, 200, 500]), "drawn", aborted=self.source.random() < 0.1)
        return ProbeEnded(effect.container_id, effect.purpose, effect.probe, result)

    def from_container(self) -> AgentMessage:
        if self.probes and self.source.random() < 0.3:
            return self.from_probe()
        container_id = self.source.choice(self.containers[-5:])
        known = self.world.state.containers.get(container_id)
        choice = self.source.randint(0, 9)
        if known is None or (choice < 4 and known.pid is None):
            return ContainerLaunched(container_id, self.source.randint(2, 9999))
        if choice < 5 and known.pid is None:
            return ContainerLaunchFailed(container_id, self.source.choice(REASONS), "drawn")
        if choice < 8:
            return ContainerExited(container_id, self.source.choice([0, 256, 9, 15]))
        if choice == 8 and self.source.random() < 0.3:
            return ContainerLimited(container_id, "REASON_CONTAINER_LIMITATION_MEMORY", "drawn")
        if container_id in self.destroying:
            return ContainerDestroyed(container_id)
        return ContainerLaunched(container_id, 5)

    def from_executor(self) -> AgentMessage:
        source = self.source
        framework_id = source.choice(FRAMEWORKS).framework_id
        assert framework_id is not None
        executor_id = source.choice(EXECUTORS).executor_id
        request = self.world.request()
        task_id = source.choice(self.task_ids[-6:])
        framework = self.world.state.frameworks.get(framework_id)
        if framework is not None and framework.tasks and source.random() < 0.7:
            task_id = source.choice(list(framework.tasks))
            executor_id = framework.tasks[task_id].info.executor_id
        status = executor_status(task_id, source.choice(list(TaskState)), source.randint(1, 50 + request))
        choice = source.randint(0, 9)
        if choice < 3:
            return ExecutorSubscribe(
                request=request,
                framework_id=framework_id,
                executor_id=executor_id,
                unacknowledged_tasks=(task_info(task_id),) if source.random() < 0.5 else (),
                unacknowledged_updates=(status,) if source.random() < 0.5 else (),
            )
        if choice < 7:
            return ExecutorUpdate(request=request, framework_id=framework_id, executor_id=executor_id, status=status)
        if choice == 7:
            return ExecutorMessage(request=request, framework_id=framework_id, executor_id=executor_id, data=b"x")
        if choice == 8 and self.streams:
            framework_id, executor_id, stream_id = source.choice(self.streams[-3:])
            return ExecutorDisconnected(framework_id=framework_id, executor_id=executor_id, stream_id=stream_id)
        return ExecutorHeartbeat(request=request, framework_id=framework_id, executor_id=executor_id)

    def end(self) -> None:
        """Ask the agent to end, with a containerizer that does what it is asked."""
        self.heed(self.world.take(ShutDown()))
        for _ in range(4):
            self.heed(self.world.wait(70.0))
            for container_id in [one for one in self.world.state.containers if one in self.destroying]:
                self.heed(self.world.take(ContainerDestroyed(container_id)))


@pytest.mark.parametrize("seed", range(60))
def test_nothing_that_comes_breaks_the_agent(seed: int) -> None:
    chaos = Chaos(seed)
    chaos.heed(chaos.world.register())
    for _ in range(250):
        chaos.live()
    chaos.end()
    assert chaos.exits == 1
    assert chaos.world.state.containers == {}
    assert chaos.world.state.frameworks == {}
    assert chaos.world.state.executor_streams == {}


def test_equal_seeds_give_equal_histories() -> None:
    def effects(seed: int) -> list[str]:
        chaos = Chaos(seed)
        told: list[str] = []
        for _ in range(100):
            told += map(repr, chaos.world.take(chaos.draw()))
            told += map(repr, chaos.world.wait(1.0))
        return told

    assert effects(3) == effects(3)
    assert effects(3) != effects(4)
