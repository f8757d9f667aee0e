"""The agent link's messages between the wire and the core, both ways: each core is at one end of it."""

from __future__ import annotations

from functools import lru_cache
from typing import assert_never, cast

from mesos_service.core import link
from mesos_service.core.trace import TraceParent
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.ids import AgentId, ExecutorId, FrameworkId, OperationId, TaskId
from mesos_service.wire import agent_link as wire
from mesos_service.wire import agents
from mesos_service.wire.convert import operations
from mesos_service.wire.convert.infos import (
    TASK_STATES,
    agent_from_wire,
    agent_to_wire,
    executor_from_wire,
    executor_to_wire,
    framework_from_wire,
    framework_to_wire,
    status_from_wire,
    status_to_wire,
    task_from_wire,
    task_to_wire,
)
from mesos_service.wire.convert.values import resources_to_wire
from mesos_service.wire.resources import Resource


def agent_description_to_wire(agent: AgentInfo) -> wire.AgentDescription:
    return wire.AgentDescription(
        info=agent_to_wire(agent),
        ip=agent.ip,
        version=agent.version,
        capabilities=_capabilities_to_wire(agent.capabilities),
    )


@lru_cache(maxsize=64)
def _capabilities_to_wire(names: frozenset[str]) -> tuple[agents.AgentInfoCapability, ...]:
    """The same objects for the agents of one version. Capabilities in the domain are Mesos' own names."""
    return tuple(
        agents.AgentInfoCapability(type=cast("agents.AgentInfoCapabilityType", name)) for name in sorted(names)
    )


def agent_description_from_wire(description: wire.AgentDescription) -> AgentInfo:
    return agent_from_wire(
        description.info, description.ip, description.version, _capabilities_from_wire(description.capabilities)
    )


@lru_cache(maxsize=64)
def _capabilities_from_wire(capabilities: tuple[agents.AgentInfoCapability, ...]) -> frozenset[str]:
    return frozenset(one.type for one in capabilities if one.type is not None)


def uplink_from_wire(message: wire.Uplink) -> link.Uplink:
    """What an agent said. Raises ``ValueError`` when its description cannot be used."""
    match message:
        case wire.UpdateStatus():
            return link.UpdateStatus(
                framework_id=FrameworkId(message.framework_id),
                status=status_from_wire(message.status),
                executor_id=None if message.executor_id is None else ExecutorId(message.executor_id),
                latest_state=None if message.latest_state is None else TASK_STATES[message.latest_state],
                trace=None if message.traceparent is None else TraceParent(message.traceparent),
            )
        case wire.Pong():
            return link.Pong()
        case wire.Register():
            return link.Register(
                agent=agent_description_from_wire(message.agent),
                registration=message.registration,
                total=None if message.total is None else operations.exact_resources(message.total),
                oversubscribed=operations.exact_resources(message.oversubscribed),
            )
        case wire.Reregister():
            return link.Reregister(
                agent=agent_description_from_wire(message.agent),
                registration=message.registration,
                total=None if message.total is None else operations.exact_resources(message.total),
                oversubscribed=operations.exact_resources(message.oversubscribed),
                operations=tuple(map(operations.report_from_wire, message.operations)),
                executors=tuple(
                    (FrameworkId(one.framework_id), executor_from_wire(one.info)) for one in message.executors
                ),
                tasks=tuple(_report_from_wire(one) for one in message.tasks),
                frameworks=tuple(framework_from_wire(one) for one in message.frameworks),
            )
        case wire.Unregister():
            return link.Unregister()
        case wire.UpdateOperation():
            return link.UpdateOperation(uuid=message.uuid, status=operations.status_from_wire(message.status))
        case wire.ExitedExecutor():
            return link.ExitedExecutor(
                framework_id=FrameworkId(message.framework_id),
                executor_id=ExecutorId(message.executor_id),
                status=message.status,
            )
        case wire.MessageFromExecutor():
            return link.MessageFromExecutor(
                framework_id=FrameworkId(message.framework_id),
                executor_id=ExecutorId(message.executor_id),
                data=message.data,
            )
        case wire.AgentUpdated():
            return link.AgentUpdated(agent=agent_description_from_wire(message.agent))
        case wire.OversubscriptionChanged():
            return link.OversubscriptionChanged(operations.exact_resources(message.oversubscribed))
        case _:
            assert_never(message)


def _report_from_wire(report: wire.TaskReport) -> link.TaskReport:
    return link.TaskReport(
        framework_id=FrameworkId(report.framework_id),
        info=task_from_wire(report.info),
        state=TASK_STATES[report.state],
        executor_id=ExecutorId(report.executor_id),
        statuses=tuple(status_from_wire(status) for status in report.statuses),
    )


def uplink_to_wire(message: link.Uplink) -> wire.Uplink:
    """What this agent has to say."""
    match message:
        case link.UpdateStatus():
            return wire.UpdateStatus(
                framework_id=message.framework_id,
                status=status_to_wire(message.status),
                executor_id=message.executor_id,
                latest_state=None if message.latest_state is None else message.latest_state.value,
                traceparent=message.trace,
            )
        case link.Pong():
            return wire.Pong()
        case link.Register():
            return wire.Register(
                agent=agent_description_to_wire(message.agent),
                registration=message.registration,
                total=_total_to_wire(message),
                oversubscribed=resources_to_wire(message.oversubscribed),
            )
        case link.Reregister():
            return wire.Reregister(
                agent=agent_description_to_wire(message.agent),
                registration=message.registration,
                total=_total_to_wire(message),
                oversubscribed=resources_to_wire(message.oversubscribed),
                operations=tuple(map(operations.report_to_wire, message.operations)),
                executors=tuple(
                    wire.ExecutorReport(framework_id=framework_id, info=executor_to_wire(info))
                    for framework_id, info in message.executors
                ),
                tasks=tuple(
                    wire.TaskReport(
                        framework_id=report.framework_id,
                        info=task_to_wire(report.info),
                        state=report.state.value,
                        executor_id=report.executor_id,
                        statuses=tuple(status_to_wire(status) for status in report.statuses),
                    )
                    for report in message.tasks
                ),
                frameworks=tuple(framework_to_wire(info) for info in message.frameworks),
            )
        case link.Unregister():
            return wire.Unregister()
        case link.UpdateOperation():
            return wire.UpdateOperation(uuid=message.uuid, status=operations.status_to_wire(message.status))
        case link.ExitedExecutor():
            return wire.ExitedExecutor(
                framework_id=message.framework_id, executor_id=message.executor_id, status=message.status
            )
        case link.MessageFromExecutor():
            return wire.MessageFromExecutor(
                framework_id=message.framework_id, executor_id=message.executor_id, data=message.data
            )
        case link.AgentUpdated():
            return wire.AgentUpdated(agent=agent_description_to_wire(message.agent))
        case link.OversubscriptionChanged():
            return wire.OversubscriptionChanged(oversubscribed=resources_to_wire(message.oversubscribed))
        case _:
            assert_never(message)


def _total_to_wire(message: link.Register | link.Reregister) -> tuple[Resource, ...] | None:
    """Left out by nearly all agents, of which nobody has reserved anything."""
    if message.total is None or message.total == message.agent.resources:
        return None
    return resources_to_wire(message.total)


def downlink_from_wire(message: wire.Downlink) -> link.Downlink | None:
    """What the master said; ``None`` for what concerns the link itself."""
    match message:
        case wire.RunTask():
            return link.RunTask(
                framework=framework_from_wire(message.framework),
                task=task_from_wire(message.task),
                trace=None if message.traceparent is None else TraceParent(message.traceparent),
            )
        case wire.AcknowledgeUpdate():
            return link.AcknowledgeUpdate(
                framework_id=FrameworkId(message.framework_id), task_id=TaskId(message.task_id), uuid=message.uuid
            )
        case wire.Ping():
            return link.Ping(message.connected)
        case wire.Registered():
            return link.Registered(registration=message.registration, agent_id=AgentId(message.agent_id))
        case wire.Reregistered():
            return link.Reregistered(
                registration=message.registration,
                agent_id=AgentId(message.agent_id),
                asked=_references_from_wire(message.asked),
            )
        case wire.RunTaskGroup():
            return link.RunTaskGroup(
                framework=framework_from_wire(message.framework),
                executor=executor_from_wire(message.executor),
                tasks=tuple(task_from_wire(task) for task in message.tasks),
                trace=None if message.traceparent is None else TraceParent(message.traceparent),
            )
        case wire.ApplyOperation():
            sent = message.operation
            return link.ApplyOperation(
                uuid=message.uuid,
                operation=operations.exact_operation(sent),
                framework_id=None if message.framework_id is None else FrameworkId(message.framework_id),
                operation_id=None if sent.id is None else OperationId(sent.id.value),
            )
        case wire.AcknowledgeOperation():
            return link.AcknowledgeOperation(uuid=message.uuid, status_uuid=message.status_uuid)
        case wire.KillTask():
            return link.KillTask(
                framework_id=FrameworkId(message.framework_id),
                task_id=TaskId(message.task_id),
                grace_seconds=message.grace_seconds,
            )
        case wire.ShutdownExecutor():
            return link.ShutdownExecutor(
                framework_id=FrameworkId(message.framework_id), executor_id=ExecutorId(message.executor_id)
            )
        case wire.ShutdownFramework():
            return link.ShutdownFramework(FrameworkId(message.framework_id))
        case wire.MessageToAgent():
            return link.MessageToAgent(
                framework_id=FrameworkId(message.framework_id),
                executor_id=ExecutorId(message.executor_id),
                data=message.data,
            )
        case wire.FrameworkUpdated():
            return link.FrameworkUpdated(framework_from_wire(message.framework))
        case wire.ReconcileTasks():
            return link.ReconcileTasks(tasks=_references_from_wire(message.tasks))
        case wire.ShutdownAgent():
            return link.ShutdownAgent(message.message)
        case wire.LinkRefused():
            return None
        case _:
            assert_never(message)


def _references_from_wire(references: tuple[wire.TaskReference, ...]) -> tuple[tuple[FrameworkId, TaskId], ...]:
    return tuple((FrameworkId(one.framework_id), TaskId(one.task_id)) for one in references)


def _references_to_wire(references: tuple[tuple[FrameworkId, TaskId], ...]) -> tuple[wire.TaskReference, ...]:
    return tuple(wire.TaskReference(framework_id=framework_id, task_id=task_id) for framework_id, task_id in references)


def downlink_to_wire(message: link.Downlink) -> wire.Downlink:
    """What the master has to say to one agent."""
    match message:
        case link.RunTask():
            return wire.RunTask(
                framework=framework_to_wire(message.framework),
                task=task_to_wire(message.task),
                traceparent=message.trace,
            )
        case link.AcknowledgeUpdate():
            return wire.AcknowledgeUpdate(framework_id=message.framework_id, task_id=message.task_id, uuid=message.uuid)
        case link.Ping():
            return wire.Ping(connected=message.connected)
        case link.Registered():
            return wire.Registered(registration=message.registration, agent_id=message.agent_id)
        case link.Reregistered():
            return wire.Reregistered(
                registration=message.registration,
                agent_id=message.agent_id,
                asked=_references_to_wire(message.asked),
            )
        case link.RunTaskGroup():
            return wire.RunTaskGroup(
                framework=framework_to_wire(message.framework),
                executor=executor_to_wire(message.executor),
                tasks=tuple(task_to_wire(task) for task in message.tasks),
                traceparent=message.trace,
            )
        case link.ApplyOperation():
            return wire.ApplyOperation(
                uuid=message.uuid,
                operation=operations.operation_to_wire(message.operation, message.operation_id),
                framework_id=message.framework_id,
            )
        case link.AcknowledgeOperation():
            return wire.AcknowledgeOperation(uuid=message.uuid, status_uuid=message.status_uuid)
        case link.KillTask():
            return wire.KillTask(
                framework_id=message.framework_id, task_id=message.task_id, grace_seconds=message.grace_seconds
            )
        case link.ShutdownExecutor():
            return wire.ShutdownExecutor(framework_id=message.framework_id, executor_id=message.executor_id)
        case link.ShutdownFramework():
            return wire.ShutdownFramework(framework_id=message.framework_id)
        case link.MessageToAgent():
            return wire.MessageToAgent(
                framework_id=message.framework_id, executor_id=message.executor_id, data=message.data
            )
        case link.FrameworkUpdated():
            return wire.FrameworkUpdated(framework=framework_to_wire(message.framework))
        case link.ReconcileTasks():
            return wire.ReconcileTasks(tasks=_references_to_wire(message.tasks))
        case link.ShutdownAgent():
            return wire.ShutdownAgent(message=message.message)
        case _:
            assert_never(message)
