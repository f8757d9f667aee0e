"""What schedulers say of themselves and of their tasks, as most tests have it."""

from __future__ import annotations

from collections.abc import Sequence

from mesos_service.domain.executors import ExecutorInfo
from mesos_service.domain.frameworks import MULTI_ROLE, PARTITION_AWARE, FrameworkInfo
from mesos_service.domain.ids import AgentId, ExecutorId, FrameworkId, Role, TaskId
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskInfo

AWARE = frozenset({MULTI_ROLE, PARTITION_AWARE})
TOTAL = Resources.parse("cpus:4;mem:4096;ports:[31000-32000]")
SMALL = Resources.scalars(cpus=1, mem=1024)


def task_info(
    task_id: str,
    agent_id: AgentId,
    resources: Resources = SMALL,
    executor: ExecutorInfo | None = None,
) -> TaskInfo:
    return TaskInfo(
        task_id=TaskId(task_id),
        agent_id=agent_id,
        name=f"task {task_id}",
        resources=resources,
        executor=executor,
        command=None if executor is not None else "sleep 1",
    )


def custom(executor_id: str = "executor", resources: Resources | None = None, command: object = "run") -> ExecutorInfo:
    return ExecutorInfo(
        executor_id=ExecutorId(executor_id),
        command=command,
        resources=Resources.scalars(cpus="0.5", mem=64) if resources is None else resources,
    )


def framework_info(
    name: str = "test",
    *,
    framework_id: FrameworkId | None = None,
    roles: Sequence[str] = ("role",),
    capabilities: frozenset[str] = AWARE,
    failover_timeout: float = 100.0,
    user: str = "root",
    checkpoint: bool = True,
    principal: str | None = None,
) -> FrameworkInfo:
    return FrameworkInfo(
        name=name,
        user=user,
        framework_id=framework_id,
        roles=tuple(Role(role) for role in roles),
        capabilities=capabilities,
        failover_timeout_seconds=failover_timeout,
        checkpoint=checkpoint,
        principal=principal,
    )
