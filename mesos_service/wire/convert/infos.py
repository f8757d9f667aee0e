"""Frameworks, agents, executors, tasks and statuses between the wire and the domain.

The domain keeps what decisions need; the wire message itself rides along in ``carried`` and comes back out with what
the master filled in. ``carried`` is ``object`` to the core on purpose; here alone its type is known.
"""

from __future__ import annotations

from typing import Final, cast

import msgspec

from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.executors import ExecutorInfo, ExecutorType
from mesos_service.domain.frameworks import (
    DEFAULT_ROLE,
    MULTI_ROLE,
    FilterSpec,
    FrameworkInfo,
    OfferConstraints,
    Quantities,
)
from mesos_service.domain.ids import AgentId, ContainerId, ExecutorId, FrameworkId, Role, TaskId
from mesos_service.domain.tasks import ContainerStatus, Source, TaskInfo, TaskState, TaskStatus
from mesos_service.domain.values import to_milli
from mesos_service.wire import agents, common, containers, frameworks, tasks
from mesos_service.wire import constraints as wire_constraints
from mesos_service.wire.convert.alike import Alike
from mesos_service.wire.convert.checks import (
    check_from_wire,
    check_status_from_wire,
    check_status_to_wire,
    health_check_from_wire,
)
from mesos_service.wire.convert.values import (
    attributes_from_wire,
    attributes_to_wire,
    duration_from_wire,
    resources_from_wire,
    resources_to_wire,
    time_to_wire,
)
from mesos_service.wire.validate_agent import refuse_command, refuse_container

NANOSECONDS: Final = 1_000_000_000

# -- frameworks ----------------------------------------------------------------------------------------------


def framework_from_wire(
    info: frameworks.FrameworkInfo, constraints: wire_constraints.OfferConstraints | None = None
) -> FrameworkInfo:
    """Roles as the master understands them: ``roles`` with MULTI_ROLE, else the one ``role`` or ``*``.

    Of equal ones without constraints the same object is returned.
    """
    return _same_framework(info) if constraints is None else _framework_from_wire(info, constraints)


def _framework_from_wire(
    info: frameworks.FrameworkInfo, constraints: wire_constraints.OfferConstraints | None = None
) -> FrameworkInfo:
    capabilities = frozenset(one.type for one in info.capabilities if one.type is not None)
    refusal = None
    if MULTI_ROLE in capabilities:
        roles = tuple(Role(role) for role in info.roles)
        if info.role is not None:
            refusal = "'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable"
    else:
        if info.roles:
            refusal = "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable"
        roles = (Role(info.role) if info.role else DEFAULT_ROLE,)
    minimums: dict[Role, tuple[Quantities, ...]] = {}
    for role, filters in info.offer_filters.items():
        try:
            # What only says something of ours leaves the minimum as it is.
            if filters.min_allocatable_resources is not None or not (filters.filters or filters.short_tasks):
                minimums[Role(role)] = _quantities(filters)
        except ValueError as error:
            refusal = refusal or f"'FrameworkInfo.offer_filters' of role '{role}' is invalid: {error}"
    return FrameworkInfo(
        name=info.name,
        user=info.user,
        framework_id=FrameworkId(info.id.value) if info.id is not None and info.id.value else None,
        roles=roles,
        capabilities=capabilities,
        failover_timeout_seconds=info.failover_timeout,
        checkpoint=info.checkpoint,
        principal=info.principal,
        hostname=info.hostname or "",
        min_allocatable=minimums,
        filters={
            Role(role): tuple(FilterSpec(one.name, one.parameters) for one in filters.filters)
            for role, filters in info.offer_filters.items()
            if filters.filters
        },
        short_tasks=frozenset(Role(role) for role, filters in info.offer_filters.items() if filters.short_tasks),
        constraints=_constraints(constraints),
        refusal=refusal,
        carried=info,
    )


_same_framework: Final = Alike(_framework_from_wire)


def constraints_to_wire(info: FrameworkInfo) -> wire_constraints.OfferConstraints:
    """What the framework sent, or none."""
    return (
        cast("wire_constraints.OfferConstraints | None", info.constraints.carried)
        or wire_constraints.OfferConstraints()
    )


def _constraints(sent: wire_constraints.OfferConstraints | None) -> OfferConstraints:
    if sent is None:
        return OfferConstraints()
    by_role = {Role(role): msgspec.to_builtins(one) for role, one in sent.role_constraints.items()}
    return OfferConstraints(by_role, sent)


def _quantities(one: frameworks.OfferFilters) -> tuple[Quantities, ...]:
    if one.min_allocatable_resources is None:
        return ()
    return tuple(
        {name: to_milli(scalar.value) for name, scalar in alternative.quantities.items()}
        for alternative in one.min_allocatable_resources.quantities
    )


def framework_to_wire(info: FrameworkInfo) -> frameworks.FrameworkInfo:
    """With what the master keeps, whatever was sent: the id it gave, and the user and checkpoint of the first time."""
    carried = cast("frameworks.FrameworkInfo | None", info.carried)
    framework_id = common.FrameworkID(value=info.framework_id) if info.framework_id is not None else None
    if carried is not None:
        kept = (framework_id, info.user, info.checkpoint)
        if (carried.id, carried.user, carried.checkpoint) == kept:
            return carried
        return msgspec.structs.replace(carried, id=framework_id, user=info.user, checkpoint=info.checkpoint)
    multi_role = info.has(MULTI_ROLE)
    return frameworks.FrameworkInfo(
        user=info.user,
        name=info.name,
        id=framework_id,
        failover_timeout=info.failover_timeout_seconds,
        checkpoint=info.checkpoint,
        role=None if multi_role or info.roles == (DEFAULT_ROLE,) else info.roles[0],
        roles=tuple(info.roles) if multi_role else (),
        hostname=info.hostname or None,
        principal=info.principal,
        capabilities=tuple(
            frameworks.FrameworkInfoCapability(type=cast("frameworks.FrameworkInfoCapabilityType", name))
            for name in sorted(info.capabilities)
        ),
    )


# -- agents --------------------------------------------------------------------------------------------------


def agent_from_wire(
    info: agents.AgentInfo,
    ip: str = "127.0.0.1",
    version: str = "",
    capabilities: frozenset[str] = frozenset(),
) -> AgentInfo:
    """Raises ``ValueError`` with the reason when its resources or attributes cannot be used."""
    resources, refusal = resources_from_wire(info.resources)
    if refusal is not None:
        raise ValueError(refusal)
    fault_domain = info.domain.fault_domain if info.domain is not None else None
    return AgentInfo(
        hostname=info.hostname,
        ip=ip,
        port=info.port,
        agent_id=AgentId(info.id.value) if info.id is not None else None,
        resources=resources,
        attributes=attributes_from_wire(info.attributes),
        region=fault_domain.region.name if fault_domain is not None else None,
        zone=fault_domain.zone.name if fault_domain is not None else None,
        version=version,
        capabilities=capabilities,
        carried=info,
    )


def agent_to_wire(info: AgentInfo) -> agents.AgentInfo:
    return agents.AgentInfo(
        hostname=info.hostname,
        port=info.port,
        resources=resources_to_wire(info.resources),
        attributes=attributes_to_wire(info.attributes),
        id=common.AgentID(value=info.agent_id) if info.agent_id is not None else None,
        domain=domain_to_wire(info.region, info.zone),
    )


def domain_to_wire(region: str | None, zone: str | None) -> common.DomainInfo | None:
    """``None`` for who is nowhere in particular."""
    if region is None or zone is None:
        return None
    return common.DomainInfo(
        fault_domain=common.DomainInfoFaultDomain(
            region=common.DomainInfoFaultDomainRegionInfo(name=region),
            zone=common.DomainInfoFaultDomainZoneInfo(name=zone),
        )
    )


# -- executors -----------------------------------------------------------------------------------------------


def executor_from_wire(info: tasks.ExecutorInfo) -> ExecutorInfo:
    """An executor without a type is a custom one when it has a command, as before task groups came."""
    resources, refusal = resources_from_wire(info.resources)
    if refusal is not None:
        refusal = f"Executor uses invalid resources: {refusal}"
    return ExecutorInfo(
        executor_id=ExecutorId(info.executor_id.value),
        type=ExecutorType.DEFAULT if info.type == "DEFAULT" else ExecutorType.CUSTOM,
        framework_id=FrameworkId(info.framework_id.value) if info.framework_id is not None else None,
        resources=resources,
        name=info.name or "",
        source=info.source or "",
        command=info.command,
        shutdown_grace_seconds=duration_from_wire(info.shutdown_grace_period),
        refusal=refusal or _refuse_what_runs("Executor", info.command, info.container),
        carried=info,
    )


def _refuse_what_runs(
    whose: str, command: containers.CommandInfo | None, container: containers.ContainerInfo | None
) -> str | None:
    """What is wrong with either whatever the agent, in Mesos' words."""
    refusal = None if command is None else refuse_command(command)
    if refusal is not None:
        return f"{whose}'s `CommandInfo` is invalid: {refusal}"
    refusal = None if container is None else refuse_container(container)
    return None if refusal is None else f"{whose}'s `ContainerInfo` is invalid: {refusal}"


def executor_to_wire(info: ExecutorInfo) -> tasks.ExecutorInfo:
    """With the framework id and the resources as the master keeps them."""
    carried = cast("tasks.ExecutorInfo | None", info.carried)
    framework_id = common.FrameworkID(value=info.framework_id) if info.framework_id is not None else None
    resources = resources_to_wire(info.resources)
    if carried is not None:
        kind = carried.type or ("DEFAULT" if info.type is ExecutorType.DEFAULT else "CUSTOM")
        return msgspec.structs.replace(carried, type=kind, framework_id=framework_id, resources=resources)
    return tasks.ExecutorInfo(
        type="DEFAULT" if info.type is ExecutorType.DEFAULT else "CUSTOM",
        executor_id=common.ExecutorID(value=info.executor_id),
        framework_id=framework_id,
        command=command_of(info.command),
        resources=resources,
        name=info.name or None,
        source=info.source or None,
    )


def command_of(carried: object) -> containers.CommandInfo | None:
    """The wire command that an executor or a task carries."""
    return cast("containers.CommandInfo | None", carried)


# -- tasks ---------------------------------------------------------------------------------------------------


def task_from_wire(info: tasks.TaskInfo) -> TaskInfo:
    resources, refusal = resources_from_wire(info.resources)
    limits: dict[str, int | None] = {}
    for name, limit in info.limits.items():
        if limit.value == "Infinity":
            limits[name] = None
        else:
            try:
                limits[name] = to_milli(limit.value)
            except ValueError as error:
                refusal = refusal or f"Limit '{name}' is invalid: {error}"
    check, check_refusal = check_from_wire(info.check)
    health_check, health_refusal = health_check_from_wire(info.health_check)
    return TaskInfo(
        task_id=TaskId(info.task_id.value),
        agent_id=AgentId(info.agent_id.value),
        name=info.name,
        resources=resources,
        limits=limits,
        executor=executor_from_wire(info.executor) if info.executor is not None else None,
        command=info.command,
        kill_grace_seconds=duration_from_wire(info.kill_policy.grace_period) if info.kill_policy is not None else None,
        max_completion_seconds=duration_from_wire(info.max_completion_time),
        check=check,
        health_check=health_check,
        refusal=refusal or health_refusal or check_refusal or _refuse_what_runs("Task", info.command, info.container),
        shares_cgroups=info.container is None
        or info.container.linux_info is None
        or info.container.linux_info.share_cgroups,
        carried=info,
    )


def task_to_wire(info: TaskInfo) -> tasks.TaskInfo:
    """With the resources (allocation role filled in) and the executor as the master keeps them."""
    resources = resources_to_wire(info.resources)
    executor = executor_to_wire(info.executor) if info.executor is not None else None
    carried = cast("tasks.TaskInfo | None", info.carried)
    if carried is not None:
        return msgspec.structs.replace(carried, resources=resources, executor=executor)
    return tasks.TaskInfo(
        name=info.name,
        task_id=common.TaskID(value=info.task_id),
        agent_id=common.AgentID(value=info.agent_id),
        resources=resources,
        executor=executor,
        command=command_of(info.command),
    )


def carried_task(info: TaskInfo) -> tasks.TaskInfo | None:
    """The task as its framework sent it, for those who print it."""
    return cast("tasks.TaskInfo | None", info.carried)


# -- statuses ------------------------------------------------------------------------------------------------

TASK_STATES: Final[dict[str, TaskState]] = {state.value: state for state in TaskState}
"""By what the wire calls them; asking the enumeration costs ten times as much."""
_SOURCES: Final[dict[str, Source]] = {source.value: source for source in Source}


def status_from_wire(status: tasks.TaskStatus) -> TaskStatus:
    container = status.container_status
    return TaskStatus(
        task_id=TaskId(status.task_id.value),
        state=TASK_STATES[status.state],
        source=None if status.source is None else _SOURCES[status.source],
        reason=status.reason,
        message=status.message,
        agent_id=None if status.agent_id is None else AgentId(status.agent_id.value),
        executor_id=None if status.executor_id is None else ExecutorId(status.executor_id.value),
        timestamp=status.timestamp,
        uuid=status.uuid,
        healthy=status.healthy,
        check_status=check_status_from_wire(status.check_status),
        data=status.data,
        unreachable_at=None if status.unreachable_time is None else status.unreachable_time.nanoseconds / NANOSECONDS,
        container=None if container is None else container_from_wire(container),
        carried=status,
    )


def container_from_wire(status: containers.ContainerStatus) -> ContainerStatus | None:
    """``None`` when it does not say which container it speaks of."""
    container_id = status.container_id
    if container_id is None:
        return None
    return ContainerStatus(
        container_id=ContainerId(container_id.value),
        parent_id=ContainerId(container_id.parent.value) if container_id.parent is not None else None,
        executor_pid=status.executor_pid,
        ip_addresses=tuple(
            address.ip_address
            for info in status.network_infos
            for address in info.ip_addresses
            if address.ip_address is not None
        ),
    )


def container_to_wire(status: ContainerStatus) -> containers.ContainerStatus:
    parent = None if status.parent_id is None else common.ContainerID(value=status.parent_id)
    networks: tuple[containers.NetworkInfo, ...] = ()
    if status.ip_addresses:
        networks = (
            containers.NetworkInfo(
                ip_addresses=tuple(
                    containers.NetworkInfoIPAddress(protocol="IPv6" if ":" in ip else "IPv4", ip_address=ip)
                    for ip in status.ip_addresses
                )
            ),
        )
    return containers.ContainerStatus(
        container_id=common.ContainerID(value=status.container_id, parent=parent),
        network_infos=networks,
        executor_pid=status.executor_pid,
    )


def status_to_wire(status: TaskStatus) -> tasks.TaskStatus:
    carried = cast("tasks.TaskStatus | None", status.carried)
    container = None
    if status.container is not None:
        container = container_to_wire(status.container)
    elif carried is not None:
        container = carried.container_status
    return tasks.TaskStatus(
        task_id=common.TaskID(value=status.task_id),
        state=status.state.value,
        message=status.message,
        source=None if status.source is None else status.source.value,
        # Reasons in the domain are Mesos' own names; what is not among them never gets past the decoder.
        reason=cast("tasks.TaskStatusReason | None", status.reason),
        data=status.data,
        agent_id=None if status.agent_id is None else common.AgentID(value=status.agent_id),
        executor_id=None if status.executor_id is None else common.ExecutorID(value=status.executor_id),
        timestamp=status.timestamp,
        uuid=status.uuid,
        healthy=status.healthy,
        check_status=check_status_to_wire(status.check_status),
        labels=carried.labels if carried is not None else None,
        container_status=container,
        unreachable_time=None if status.unreachable_at is None else time_to_wire(status.unreachable_at),
        limitation=carried.limitation if carried is not None else None,
    )
