"""What operators change: frameworks, agents, quota, weights and reservations (M-OM-07 to 10, 12, 13, 14).

Each is one message to the core, and returns the refusal, or ``None`` when what was asked is done and stored.
"""

from __future__ import annotations

from collections.abc import Iterable

from mesos_service.core.effects import Reply
from mesos_service.core.operator_messages import (
    OperatorAgents,
    OperatorDeactivate,
    OperatorDrain,
    OperatorMachines,
    OperatorMaintenance,
    OperatorMarkGone,
    OperatorPolicy,
    OperatorReactivate,
    OperatorRemoveQuota,
    OperatorSchedule,
    OperatorSetQuota,
    OperatorTeardown,
    OperatorUpdateQuota,
    OperatorUpdateWeights,
)
from mesos_service.core.resource_messages import OperatorOperation
from mesos_service.domain.ids import AgentId, FrameworkId, Role
from mesos_service.domain.operations import Operation
from mesos_service.driver import Held
from mesos_service.master.leadership import IN_DOUBT
from mesos_service.master.routes.reads import MasterReads
from mesos_service.wire.common import MachineID
from mesos_service.wire.convert.maintenance import drain_from_call, machine_from_wire, windows_from_wire
from mesos_service.wire.convert.policy import guarantee_from_wire, quota_from_wire
from mesos_service.wire.operator import CallDrainAgent
from mesos_service.wire.policy import QuotaConfig, QuotaRequest, Schedule, WeightInfo

Message = (
    OperatorTeardown | OperatorMarkGone | OperatorAgents | OperatorMaintenance | OperatorPolicy | OperatorOperation
)


async def teardown_framework(service: MasterReads, framework_id: FrameworkId) -> Reply | None:
    """Have the framework ended."""
    request = service.driver.new_request()
    stimulus = f"operator-{request}"
    return await _refusal(service, OperatorTeardown(request=request, framework_id=framework_id, stimulus=stimulus))


async def mark_agent_gone(service: MasterReads, agent_id: AgentId) -> Reply | None:
    """Have the agent given up for good."""
    request = service.driver.new_request()
    return await _refusal(service, OperatorMarkGone(request=request, agent_id=agent_id, stimulus=f"operator-{request}"))


async def deactivate_agent(service: MasterReads, agent_id: AgentId) -> Reply | None:
    """Have the agent offered to nobody."""
    request = service.driver.new_request()
    stimulus = f"operator-{request}"
    return await _refusal(service, OperatorDeactivate(request=request, agent_id=agent_id, stimulus=stimulus))


async def drain_agent(service: MasterReads, call: CallDrainAgent) -> Reply | None:
    """Have the agent offered to nobody, and all its tasks killed."""
    request = service.driver.new_request()
    try:
        drain = drain_from_call(call)
    except ValueError as error:
        return Reply(request, 400, f"Failed to validate drain request: {error}")
    agent_id = AgentId(call.agent_id.value)
    message = OperatorDrain(request=request, agent_id=agent_id, drain=drain, stimulus=f"operator-{request}")
    return await _refusal(service, message)


async def reactivate_agent(service: MasterReads, agent_id: AgentId) -> Reply | None:
    """Have the agent offered again."""
    request = service.driver.new_request()
    stimulus = f"operator-{request}"
    return await _refusal(service, OperatorReactivate(request=request, agent_id=agent_id, stimulus=stimulus))


async def update_schedule(service: MasterReads, schedule: Schedule) -> Reply | None:
    """Replace the maintenance schedule."""
    request = service.driver.new_request()
    windows = windows_from_wire(schedule)
    return await _refusal(service, OperatorSchedule(request=request, windows=windows, stimulus=f"operator-{request}"))


async def change_machines(service: MasterReads, machines: Iterable[MachineID], *, up: bool) -> Reply | None:
    """Bring machines of the schedule down, or ``up`` again."""
    request = service.driver.new_request()
    named = tuple(map(machine_from_wire, machines))
    message = OperatorMachines(request=request, machines=named, up=up, stimulus=f"operator-{request}")
    return await _refusal(service, message)


async def update_quota(service: MasterReads, configs: Iterable[QuotaConfig], force: bool) -> Reply | None:
    """Replace the quota of the roles that are named; all of them or none."""
    request = service.driver.new_request()
    try:
        quotas = tuple((Role(config.role), quota_from_wire(config)) for config in configs)
    except ValueError as error:
        return Reply(request, 400, f"Invalid QuotaConfig: {error}")
    stimulus = f"operator-{request}"
    return await _refusal(service, OperatorUpdateQuota(request=request, quotas=quotas, force=force, stimulus=stimulus))


async def set_quota(service: MasterReads, wanted: QuotaRequest) -> Reply | None:
    """The older form of :func:`update_quota`."""
    request = service.driver.new_request()
    if wanted.role is None:
        return Reply(request, 400, "Failed to validate set quota request: QuotaInfo must specify a role")
    try:
        guarantee = guarantee_from_wire(wanted.guarantee)
    except ValueError as error:
        return Reply(request, 400, f"Failed to validate set quota request: {error}")
    message = OperatorSetQuota(
        request=request,
        role=Role(wanted.role),
        guarantee=guarantee,
        force=bool(wanted.force),
        stimulus=f"operator-{request}",
    )
    return await _refusal(service, message)


async def remove_quota(service: MasterReads, role: str, path: str) -> Reply | None:
    """The older form of an :func:`update_quota` without amounts; ``path`` is named in its refusals."""
    request = service.driver.new_request()
    message = OperatorRemoveQuota(request=request, role=Role(role), path=path, stimulus=f"operator-{request}")
    return await _refusal(service, message)


async def update_weights(service: MasterReads, infos: Iterable[WeightInfo]) -> Reply | None:
    """Give the roles that are named other weights; all of them or none."""
    request = service.driver.new_request()
    weights = tuple((Role((info.role or "").strip()), info.weight) for info in infos)
    message = OperatorUpdateWeights(request=request, weights=weights, stimulus=f"operator-{request}")
    return await _refusal(service, message)


async def change_resources(
    service: MasterReads, agent_id: AgentId, operation: Operation, unreadable: str | None, principal: str | None
) -> Reply | None:
    """Have an operation done on an agent's resources; the refusal, or ``None`` when the agent has been told."""
    request = service.driver.new_request()
    return await _refusal(
        service,
        OperatorOperation(
            request=request,
            agent_id=agent_id,
            operation=operation,
            refusal=unreadable,
            principal=principal,
            stimulus=f"operator-{request}",
        ),
    )


async def _refusal(service: MasterReads, message: Message) -> Reply | None:
    try:
        answer = service.driver.call(message.request, message)
    except Held:
        return Reply(message.request, *IN_DOUBT)
    if answer is None:
        answer = await service.driver.answer(message.request)
    assert isinstance(answer, Reply), "only SUBSCRIBE opens a stream"
    return answer if answer.status >= 400 else None
