"""What operators ask of a master: draining, maintenance, quota."""

from __future__ import annotations

from collections.abc import Mapping

from mesos_service.core.effects import MasterEffect
from mesos_service.core.operator_messages import (
    MaintenanceWindow,
    OperatorDeactivate,
    OperatorDrain,
    OperatorMachines,
    OperatorReactivate,
    OperatorSchedule,
    OperatorUpdateQuota,
    OperatorUpdateWeights,
)
from mesos_service.domain.agents import Drain
from mesos_service.domain.ids import AgentId, Role
from mesos_service.domain.machines import MachineId, Unavailability, machine_id
from mesos_service.domain.tasks import TaskState
from mesos_service.plugins.allocator import Quota
from tests.unit.core.master.reign import Reign
from tests.unit.core.master.world import Node, Scheduler, World


def deactivate(world: Reign, agent_id: AgentId) -> list[MasterEffect]:
    return world.take(OperatorDeactivate(request=world.request(), agent_id=agent_id))


def drain(
    world: Reign, agent_id: AgentId, grace: float | None = None, *, mark_gone: bool = False
) -> list[MasterEffect]:
    wanted = Drain(max_grace_seconds=grace, mark_gone=mark_gone)
    return world.take(OperatorDrain(request=world.request(), agent_id=agent_id, drain=wanted))


def reactivate(world: Reign, agent_id: AgentId) -> list[MasterEffect]:
    return world.take(OperatorReactivate(request=world.request(), agent_id=agent_id))


def killed(node: Node, scheduler: Scheduler, task_id: str) -> list[MasterEffect]:
    return node.update(scheduler, node.status(task_id, TaskState.KILLED, reason="REASON_OF_ITS_OWN"))


WHEN = Unavailability(2_000_000_000_000_000_000, 3600 * 10**9)


def of(node: Node) -> MachineId:
    return machine_id(node.info.hostname, node.info.ip)


def schedule(world: Reign, *machines: MachineId, when: Unavailability = WHEN) -> list[MasterEffect]:
    windows = (MaintenanceWindow(machines, when),) if machines else ()
    return world.take(OperatorSchedule(request=world.request(), windows=windows))


def change(world: Reign, *machines: MachineId, up: bool = False) -> list[MasterEffect]:
    return world.take(OperatorMachines(request=world.request(), machines=machines, up=up))


def milli(**amounts: float) -> dict[str, int]:
    return {name: round(amount * 1000) for name, amount in amounts.items()}


def quota(guarantees: Mapping[str, int] | None = None, limits: Mapping[str, int] | None = None) -> Quota:
    return Quota(guarantees=guarantees or {}, limits=limits or {})


def set_quotas(world: World, *quotas: tuple[str, Quota], force: bool = False) -> list[MasterEffect]:
    wanted = tuple((Role(role), one) for role, one in quotas)
    return world.take(OperatorUpdateQuota(request=world.request(), quotas=wanted, force=force))


def set_weights(world: World, **weights: float) -> list[MasterEffect]:
    wanted = tuple((Role(role), weight) for role, weight in weights.items())
    return world.take(OperatorUpdateWeights(request=world.request(), weights=wanted))
