"""Tasks and executors as the old paths print them, on masters and agents alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from mesos_service.domain.executors import ExecutorInfo, ExecutorType
from mesos_service.domain.ids import AgentId, ExecutorId, FrameworkId
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskInfo, TaskState, TaskStatus
from mesos_service.wire import checks, common, containers, tasks
from mesos_service.wire.base import Message, printed
from mesos_service.wire.convert.checks import check_status_to_wire
from mesos_service.wire.convert.infos import carried_task, command_of, container_to_wire
from mesos_service.wire.render.legacy_values import Amounts, amounts


class LegacyContainerStatus(Message, kw_only=True):
    container_id: common.ContainerID | None = None
    network_infos: tuple[containers.NetworkInfo, ...] = ()


class LegacyTaskStatus(Message, kw_only=True):
    """One entry of a task's history; ``timestamp`` is unix seconds."""

    state: tasks.TaskState
    timestamp: float
    labels: tuple[common.Label, ...] = ()
    container_status: LegacyContainerStatus | None = None
    healthy: bool | None = None
    check_status: checks.CheckStatusInfo | None = None


class LegacyTask(Message, kw_only=True):
    """``executor_id`` is empty for a command task, whose executor is built in."""

    id: str
    name: str
    framework_id: str
    executor_id: str
    slave_id: str
    state: tasks.TaskState
    resources: Amounts
    role: str | None = None
    statuses: tuple[LegacyTaskStatus, ...] = printed(())
    labels: tuple[common.Label, ...] = ()
    discovery: tasks.DiscoveryInfo | None = None
    container: containers.ContainerInfo | None = None


class LegacyUri(Message, kw_only=True):
    value: str
    executable: bool | None = None
    extract: bool = printed(True)
    cache: bool | None = None
    output_file: str | None = None


class LegacyCommand(Message, kw_only=True):
    shell: bool | None = None
    value: str | None = None
    argv: tuple[str, ...] = printed(())
    environment: containers.Environment | None = None
    uris: tuple[LegacyUri, ...] = printed(())


class LegacyExecutor(Message, kw_only=True):
    """An executor as the master lists it: one that its framework named."""

    executor_id: str
    name: str
    framework_id: str
    command: LegacyCommand
    resources: Amounts
    role: str | None = None
    labels: tuple[common.Label, ...] = ()
    type: str
    slave_id: str


def allocation_role(resources: Resources) -> str | None:
    """The one role that a task's or an executor's resources are allocated to, if there are any."""
    for key, _ in resources:
        return key.allocation_role
    return None


def legacy_task(
    info: TaskInfo,
    framework_id: FrameworkId,
    executor_id: ExecutorId | None,
    state: TaskState,
    statuses: Sequence[TaskStatus],
) -> LegacyTask:
    """``executor_id`` is ``None`` for a command task."""
    carried = carried_task(info)
    return LegacyTask(
        id=info.task_id,
        name=info.name,
        framework_id=framework_id,
        executor_id=executor_id or "",
        slave_id=info.agent_id,
        state=state.value,
        resources=amounts(info.resources),
        role=allocation_role(info.resources),
        statuses=tuple(map(_status, statuses)),
        labels=_labels(carried.labels) if carried is not None else (),
        discovery=carried.discovery if carried is not None else None,
        container=carried.container if carried is not None else None,
    )


def _labels(labels: common.Labels | None) -> tuple[common.Label, ...]:
    return () if labels is None else labels.labels


def _status(status: TaskStatus) -> LegacyTaskStatus:
    # Only the wire's own layer makes what is carried (``convert.infos``).
    carried = cast("tasks.TaskStatus | None", status.carried)
    container = None
    if status.container is not None:
        container = container_to_wire(status.container)
    elif carried is not None:
        container = carried.container_status
    return LegacyTaskStatus(
        state=status.state.value,
        timestamp=status.timestamp or 0.0,
        labels=_labels(carried.labels) if carried is not None else (),
        container_status=None
        if container is None
        else LegacyContainerStatus(container_id=container.container_id, network_infos=container.network_infos),
        healthy=status.healthy,
        check_status=check_status_to_wire(status.check_status),
    )


def legacy_executors(
    agent_id: AgentId, framework_id: FrameworkId, executors: Iterable[ExecutorInfo]
) -> list[LegacyExecutor]:
    """Those that one framework named on one agent."""
    return [
        LegacyExecutor(
            executor_id=info.executor_id,
            name=info.name,
            framework_id=framework_id,
            command=_command(command_of(info.command)),
            resources=amounts(info.resources),
            role=allocation_role(info.resources),
            labels=executor_labels(info),
            type="DEFAULT" if info.type is ExecutorType.DEFAULT else "CUSTOM",
            slave_id=agent_id,
        )
        for info in executors
    ]


def executor_labels(info: ExecutorInfo) -> tuple[common.Label, ...]:
    """Labels that its framework gave it."""
    carried = cast("tasks.ExecutorInfo | None", info.carried)
    return _labels(carried.labels) if carried is not None else ()


def _command(command: containers.CommandInfo | None) -> LegacyCommand:
    if command is None:
        return LegacyCommand()
    return LegacyCommand(
        shell=command.shell,
        value=command.value,
        argv=command.arguments,
        environment=command.environment,
        uris=tuple(
            LegacyUri(
                value=uri.value,
                executable=uri.executable,
                extract=uri.extract,
                cache=uri.cache,
                output_file=uri.output_file,
            )
            for uri in command.uris
        ),
    )
