"""Operations on resources for tests of the master, in few words."""

from __future__ import annotations

from collections.abc import Iterable

from mesos_service.core.effects import MasterEffect
from mesos_service.core.events import OperationState, UpdateOperationStatus
from mesos_service.core.link import ApplyOperation, OperationStatus, UpdateOperation
from mesos_service.core.resource_messages import OperatorOperation, ResourceOperation
from mesos_service.core.scheduler_messages import AcknowledgeOperationStatus, ReconcileOperations
from mesos_service.domain.agents import AGENT_OPERATION_FEEDBACK, RESIZE_VOLUME, AgentInfo
from mesos_service.domain.ids import AgentId, OperationId
from mesos_service.domain.operations import Operation
from mesos_service.domain.resource import DiskInfo, Persistence, Reservation, Resource, Volume
from mesos_service.domain.resources import Resources
from tests.unit.core.master.told import downlinks
from tests.unit.core.master.world import Node, Scheduler, World

CAPABLE = frozenset({AGENT_OPERATION_FEEDBACK, RESIZE_VOLUME})
TOTAL = "cpus:4;mem:4096;disk:1024;ports:[31000-31010]"


def reserved(text: str, role: str = "role", principal: str | None = None) -> Resources:
    return Resources.parse(text).push_reservation(Reservation("DYNAMIC", role, principal))


def volumes(megabytes: int, identifier: str = "v", role: str = "role", path: str = "data") -> Resources:
    disk = DiskInfo(persistence=Persistence(identifier), volume=Volume(path))
    return Resources.of(item._replace(key=item.key._replace(disk=disk)) for item in reserved(f"disk:{megabytes}", role))


def volume(megabytes: int, identifier: str = "v", role: str = "role") -> Resource:
    [item] = volumes(megabytes, identifier, role)
    return item


def ask(operation: Operation, operation_id: str | None = None) -> ResourceOperation:
    return ResourceOperation(operation, None if operation_id is None else OperationId(operation_id))


def capable_agent(world: World, resources: str = TOTAL) -> Node:
    """An agent that knows of operations."""
    info = AgentInfo(hostname="disk-host", resources=Resources.parse(resources), capabilities=CAPABLE)
    node = Node(world, info, world.new_link())
    node.register()
    return node


def operate(world: World, node: Node, operation: Operation, principal: str | None = None) -> list[MasterEffect]:
    """An operator's call."""
    return world.take(
        OperatorOperation(request=world.request(), agent_id=node.agent_id, operation=operation, principal=principal)
    )


def applied(effects: Iterable[MasterEffect]) -> list[ApplyOperation]:
    return downlinks(effects, ApplyOperation)


def finish(node: Node, message: ApplyOperation, converted: Resources = Resources.EMPTY) -> list[MasterEffect]:
    """The agent's word that it has done it."""
    uuid = node.world.uuid() if message.operation_id is not None else None
    status = OperationStatus(state="OPERATION_FINISHED", uuid=uuid, converted=converted)
    return node.say(UpdateOperation(uuid=message.uuid, status=status))


def told(scheduler: Scheduler, effects: Iterable[MasterEffect]) -> list[tuple[str, OperationState, str]]:
    return [(one.operation_id, one.state, one.message) for one in scheduler.hears(effects, UpdateOperationStatus)]


def states(scheduler: Scheduler, effects: Iterable[MasterEffect]) -> list[tuple[str, OperationState]]:
    return [(name, state) for name, state, _ in told(scheduler, effects)]


def acknowledge(scheduler: Scheduler, status: UpdateOperationStatus) -> list[MasterEffect]:
    assert status.uuid is not None and status.agent_id is not None
    return scheduler.world.take(
        AcknowledgeOperationStatus(
            request=scheduler.world.request(),
            framework_id=scheduler.framework_id,
            stream_id=scheduler.stream_id,
            agent_id=status.agent_id,
            operation_id=status.operation_id,
            uuid=status.uuid,
        )
    )


def reconcile(scheduler: Scheduler, *operations: tuple[str, AgentId | None]) -> list[MasterEffect]:
    return scheduler.world.take(
        ReconcileOperations(
            request=scheduler.world.request(),
            framework_id=scheduler.framework_id,
            stream_id=scheduler.stream_id,
            operations=tuple((OperationId(one), agent_id) for one, agent_id in operations),
        )
    )
