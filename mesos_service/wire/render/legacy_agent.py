"""The agent's ``/state``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from mesos_service.core.agent.state import AgentState, Executor, Framework, Task
from mesos_service.domain.executors import ExecutorType
from mesos_service.domain.frameworks import MULTI_ROLE
from mesos_service.domain.ids import ContainerId, ExecutorId, FrameworkId
from mesos_service.domain.resources import Resources
from mesos_service.wire import common
from mesos_service.wire.base import Message, printed
from mesos_service.wire.common import DomainInfo, VersionInfo
from mesos_service.wire.convert.infos import domain_to_wire, framework_to_wire
from mesos_service.wire.render.agents import agent_pid, capability_names
from mesos_service.wire.render.legacy_tasks import LegacyTask, allocation_role, executor_labels, legacy_task
from mesos_service.wire.render.legacy_values import (
    Amounts,
    AmountsByRole,
    Attributes,
    FullResources,
    FullResourcesByRole,
    amounts,
    amounts_by_role,
    attributes,
    full,
    full_by_role,
    total,
)

Directory = Callable[[FrameworkId, ExecutorId, ContainerId], str]
"""Where the sandbox of an executor's run is."""


class AgentExecutor(Message, kw_only=True):
    """``type`` is not there for the built-in executor of a command task."""

    id: str
    name: str
    source: str
    container: str
    directory: str
    resources: Amounts
    role: str | None = None
    labels: tuple[common.Label, ...] = ()
    type: str | None = None
    tasks: tuple[LegacyTask, ...] = printed(())
    queued_tasks: tuple[LegacyTask, ...] = printed(())
    completed_tasks: tuple[LegacyTask, ...] = printed(())


class AgentFramework(Message, kw_only=True):
    id: str
    name: str
    user: str
    failover_timeout: float
    checkpoint: bool
    hostname: str
    principal: str | None = None
    role: str | None = None
    roles: tuple[str, ...] | None = None
    executors: tuple[AgentExecutor, ...] = printed(())
    completed_executors: tuple[AgentExecutor, ...] = printed(())


class AgentStateAnswer(Message, kw_only=True):
    """``id`` and ``master_hostname`` are there once the agent is registered."""

    version: str
    build_date: str
    build_time: float
    build_user: str
    start_time: float
    id: str | None = None
    pid: str
    hostname: str
    capabilities: tuple[str, ...] = printed(())
    domain: DomainInfo | None = None
    resources: Amounts
    reserved_resources: AmountsByRole
    unreserved_resources: Amounts
    reserved_resources_full: FullResourcesByRole
    unreserved_resources_full: FullResources
    reserved_resources_allocated: AmountsByRole
    unreserved_resources_allocated: Amounts
    resource_providers: tuple[str, ...] = printed(())
    attributes: Attributes
    master_hostname: str | None = None
    log_dir: str | None = None
    flags: dict[str, str]
    frameworks: tuple[AgentFramework, ...]
    completed_frameworks: tuple[AgentFramework, ...]


def state_answer(
    state: AgentState,
    build: VersionInfo,
    flags: Mapping[str, str],
    master_hostname: str | None,
    directory: Directory,
) -> AgentStateAnswer:
    """``/state``."""
    info = state.info
    used = total(_occupied(state))
    return AgentStateAnswer(
        version=build.version,
        build_date=build.build_date or "",
        build_time=build.build_time or 0.0,
        build_user=build.build_user or "",
        start_time=state.started_at,
        id=info.agent_id,
        pid=agent_pid(info),
        hostname=info.hostname,
        capabilities=capability_names(info),
        domain=domain_to_wire(info.region, info.zone),
        resources=amounts(state.total),
        reserved_resources=amounts_by_role(state.total),
        unreserved_resources=amounts(state.total.unreserved()),
        reserved_resources_full=full_by_role(state.total),
        unreserved_resources_full=full(state.total.unreserved()),
        reserved_resources_allocated=amounts_by_role(used),
        unreserved_resources_allocated=amounts(used.unreserved()),
        attributes=attributes(info.attributes),
        master_hostname=master_hostname,
        flags=dict(flags),
        frameworks=tuple(_framework(one, directory) for one in state.frameworks.values()),
        completed_frameworks=tuple(_framework(one, directory) for one in state.completed_frameworks.values()),
    )


def _occupied(state: AgentState) -> Iterator[Resources]:
    for framework in state.frameworks.values():
        for executor in framework.executors.values():
            yield executor.resources


def _framework(framework: Framework, directory: Directory) -> AgentFramework:
    info = framework.info
    multi_role = info.has(MULTI_ROLE)
    return AgentFramework(
        id=framework.framework_id,
        name=info.name,
        user=info.user,
        failover_timeout=info.failover_timeout_seconds,
        checkpoint=info.checkpoint,
        hostname=framework_to_wire(info).hostname or "",
        principal=info.principal,
        role=None if multi_role else info.roles[0],
        roles=tuple(info.roles) if multi_role else None,
        executors=tuple(_executor(one, directory) for one in framework.executors.values()),
        completed_executors=tuple(_executor(one, directory) for one in framework.completed_executors),
    )


def _executor(executor: Executor, directory: Directory) -> AgentExecutor:
    info = executor.info
    return AgentExecutor(
        id=info.executor_id,
        name=info.name,
        source=info.source,
        container=executor.container_id,
        directory=directory(executor.framework_id, info.executor_id, executor.container_id),
        resources=amounts(executor.resources),
        role=_role(executor),
        labels=executor_labels(info),
        type=None if info.type is ExecutorType.COMMAND else info.type.value,
        tasks=_tasks(executor, (*executor.launched.values(), *executor.terminated.values())),
        queued_tasks=_tasks(executor, executor.queued.values()),
        completed_tasks=_tasks(executor, executor.completed),
    )


def _role(executor: Executor) -> str | None:
    """A command task's executor has no resources of its own, so its task tells whom it works for."""
    role = allocation_role(executor.info.resources)
    if role is not None:
        return role
    tasks = (executor.launched, executor.queued, executor.terminated)
    for task in (*(one for held in tasks for one in held.values()), *executor.completed):
        return allocation_role(task.info.resources)
    return None


def _tasks(executor: Executor, found: Iterable[Task]) -> tuple[LegacyTask, ...]:
    command = executor.info.type is ExecutorType.COMMAND
    return tuple(
        legacy_task(one.info, one.framework_id, None if command else one.executor_id, one.state, one.statuses)
        for one in found
    )
