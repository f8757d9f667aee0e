"""What the agent's containers use, summed where an executor has no process of its own (M-LE-03)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection
from typing import cast

from mesos_service.agent.routes import containers
from mesos_service.agent.routes.reads import AgentReads
from mesos_service.containers.shared_groups import SharedGroups
from mesos_service.core.agent.state import (
    AgentOptions,
    AgentState,
    Container,
    ContainerPhase,
    Executor,
    ExecutorState,
    Framework,
    Task,
)
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.executors import ExecutorInfo, ExecutorType
from mesos_service.domain.frameworks import FrameworkInfo
from mesos_service.domain.ids import AgentId, ContainerId, ExecutorId, FrameworkId, TaskId
from mesos_service.domain.tasks import TaskInfo
from mesos_service.plugins.isolator import Usage

FRAMEWORK_ID, EXECUTOR_ID, TOP = FrameworkId("f"), ExecutorId("e"), ContainerId("top")


class Containerizer:
    """Knows what each container uses."""

    def __init__(self, usages: dict[str, Usage]) -> None:
        self._usages = usages
        self.shared = SharedGroups([])

    def containers(self) -> Collection[str]:
        return self._usages

    def nested_in(self, container_id: ContainerId) -> Collection[ContainerId]:
        return ()

    async def usage(self, container_id: ContainerId) -> Usage:
        return self._usages.get(container_id, Usage(timestamp=1.0))

    async def status(self, container_id: ContainerId) -> dict[str, object]:
        return {"executor_pid": 42} if container_id in self._usages else {}


class Service:
    """As much of an agent as measuring needs."""

    def __init__(self, phases: dict[str, ContainerPhase], usages: dict[str, Usage]) -> None:
        self.containerizer = Containerizer(usages)
        self.state = AgentState(info=AgentInfo(hostname="h"), options=AgentOptions(), random=random.Random(1))
        info = ExecutorInfo(executor_id=EXECUTOR_ID, type=ExecutorType.DEFAULT, framework_id=FRAMEWORK_ID)
        executor = Executor(
            info=info, framework_id=FRAMEWORK_ID, container_id=TOP, launched_at=0.0, state=ExecutorState.RUNNING
        )
        framework = Framework(FRAMEWORK_ID, FrameworkInfo(name="f", user="u", framework_id=FRAMEWORK_ID))
        framework.executors[EXECUTOR_ID] = executor
        self.state.frameworks[FRAMEWORK_ID] = framework
        for name, phase in phases.items():
            container_id, task_id = ContainerId(name), TaskId(f"task of {name}")
            nested = container_id != TOP
            self.state.containers[container_id] = Container(
                FRAMEWORK_ID, EXECUTOR_ID, task_id if nested else None, phase
            )
            if nested:
                executor.launched[task_id] = Task(
                    info=TaskInfo(task_id=task_id, agent_id=AgentId("a")),
                    framework_id=FRAMEWORK_ID,
                    executor_id=EXECUTOR_ID,
                    received_at=0.0,
                    container_id=container_id,
                )


def measured(service: Service, *, nested: bool = False) -> list[containers.Measured]:
    # The test's service has only what is looked at.
    return asyncio.run(containers.measure(cast("AgentReads", service), nested=nested))


def use(timestamp: float, memory: int, cpus: float | None = None) -> Usage:
    return Usage(timestamp=timestamp, mem_rss_bytes=memory, cpus_user_time_secs=cpus)


def test_an_executor_without_a_process_uses_what_its_tasks_use() -> None:
    running = ContainerPhase.RUNNING
    service = Service({"a": running, "b": running}, {"a": use(5.0, 10, 0.5), "b": use(7.0, 20)})
    (top,) = measured(service)
    assert (top.container_id, top.pid) == (TOP, None)
    assert top.usage == use(7.0, 30, 0.5)
    assert isinstance(top.usage.mem_rss_bytes, int)
    first, *inner = measured(service, nested=True)
    assert (first.around, [one.container_id for one in inner]) == ((), ["a", "b"])
    assert [one.usage for one in inner] == [use(5.0, 10, 0.5), use(7.0, 20)]


def test_an_executor_with_a_process_is_its_own_container() -> None:
    (top,) = measured(Service({"top": ContainerPhase.RUNNING}, {"top": use(1.0, 5)}))
    assert (top.usage, top.pid) == (use(1.0, 5), 42)
    (answer,) = containers.container_answers([top])
    assert list(answer.statistics) == sorted(answer.statistics)
    assert (answer.status.executor_pid, answer.executor_id) == (42, "e")


def test_what_is_being_launched_or_has_ended_meanwhile_is_left_out() -> None:
    assert measured(Service({"top": ContainerPhase.LAUNCHING}, {"top": use(1.0, 5)})) == []
    assert measured(Service({"top": ContainerPhase.RUNNING}, {})) == []
    assert containers.get_containers([]) is None
