"""The master's answers to ``GET_*`` calls of ``POST /api/v1`` (Mesos docs, operator HTTP API; M-OM-01..03)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain

import msgspec

from mesos_service.core.master.role_use import count_roles, has_roles
from mesos_service.core.master.state import MasterState, OperationRecord, Standby
from mesos_service.domain.agents import AgentInfo, Deactivation
from mesos_service.domain.ids import AgentId
from mesos_service.domain.offers import Offer
from mesos_service.domain.resource import Resource as Item
from mesos_service.domain.resource import plain_key
from mesos_service.wire import agents, common, offers, operator, policy, tasks
from mesos_service.wire.convert.infos import (
    agent_to_wire,
    constraints_to_wire,
    domain_to_wire,
    executor_to_wire,
    framework_to_wire,
)
from mesos_service.wire.convert.maintenance import drain_info_to_wire
from mesos_service.wire.convert.offered import in_order
from mesos_service.wire.convert.operations import operation_to_wire
from mesos_service.wire.convert.values import allocation_to_wire, attributes_to_wire, resources_to_wire, time_to_wire
from mesos_service.wire.render.agents import agent_pid, capability_names
from mesos_service.wire.render.holdings import Holdings
from mesos_service.wire.render.legacy_master import quota_answer
from mesos_service.wire.render.legacy_values import endpoint_resources, total
from mesos_service.wire.render.operations import history_to_wire, status_to_wire
from mesos_service.wire.render.snapshot import FrameworkThen, ShownAgent, ShownTask, Snapshot
from mesos_service.wire.render.tasks_v1 import task_v1
from mesos_service.wire.sliced import each, sliced


def get_master(state: MasterState, description: agents.MasterInfo) -> operator.ResponseGetMaster:
    return operator.ResponseGetMaster(
        master_info=description, start_time=state.started_at, elected_time=state.elected_at
    )


def get_state(state: Snapshot) -> operator.ResponseGetState:
    return operator.ResponseGetState(
        get_tasks=get_tasks(state),
        get_executors=get_executors(state),
        get_frameworks=get_frameworks(state),
        get_agents=get_agents(state),
    )


# -- agents --------------------------------------------------------------------------------------------------


def get_agents(state: Snapshot) -> operator.ResponseGetAgents:
    return operator.ResponseGetAgents(
        agents=each(partial(agent_v1, state.deactivated), state.agents.values()),
        recovered_agents=each(_recovered, state.recovered.items()),
    )


def _recovered(found: tuple[AgentId, AgentInfo]) -> agents.AgentInfo:
    agent_id, info = found
    return msgspec.structs.replace(agent_to_wire(replace(info, agent_id=agent_id)), checkpoint=info.checkpoint)


def agent_v1(deactivated: Mapping[AgentId, Deactivation], agent: ShownAgent) -> operator.ResponseGetAgentsAgent:
    """One registered agent, with what is used of it and offered."""
    info, found = agent.info, deactivated.get(agent.agent_id)
    drain = drain_info_to_wire(found)
    return operator.ResponseGetAgentsAgent(
        agent_info=msgspec.structs.replace(agent_to_wire(info), checkpoint=info.checkpoint),
        active=agent.active,
        deactivated=found is not None,
        version=info.version,
        pid=agent_pid(info),
        registered_time=time_to_wire(agent.registered_at),
        reregistered_time=None if agent.reregistered_at is None else time_to_wire(agent.reregistered_at),
        total_resources=endpoint_resources(agent.total),
        allocated_resources=endpoint_resources(total(agent.used.values())),
        offered_resources=endpoint_resources(total(offer.resources for offer in agent.offers.values())),
        capabilities=tuple(agents.AgentInfoCapability(type=name) for name in capability_names(info)),
        drain_info=drain,
        # Whole seconds (recorded); the old paths are exact.
        estimated_drain_start_time=None if drain is None or found is None else time_to_wire(float(int(found.since))),
    )


# -- frameworks ----------------------------------------------------------------------------------------------


def get_frameworks(state: Snapshot) -> operator.ResponseGetFrameworks:
    holdings = Holdings(state)
    return operator.ResponseGetFrameworks(
        frameworks=sliced(partial(_frameworks, state, state.frameworks, holdings)),
        completed_frameworks=sliced(partial(_frameworks, state, state.completed_frameworks, holdings)),
    )


def _frameworks(
    state: Snapshot, found: Iterable[FrameworkThen], holdings: Holdings
) -> Iterator[operator.ResponseGetFrameworksFramework | None]:
    yield from holdings.added_up()
    for one in found:
        yield _framework(state, one, holdings)


def _framework(
    state: Snapshot, framework: FrameworkThen, holdings: Holdings
) -> operator.ResponseGetFrameworksFramework:
    framework_id = framework.framework_id
    reregistered_at = framework.registered_at if framework.reregistered_at is None else framework.reregistered_at
    return operator.ResponseGetFrameworksFramework(
        framework_info=framework_to_wire(framework.info),
        # Frameworks are active as long as they are connected: nobody can deactivate one that is.
        active=framework.connected,
        connected=framework.connected,
        recovered=framework.recovered,
        registered_time=time_to_wire(framework.registered_at),
        reregistered_time=time_to_wire(reregistered_at),
        unregistered_time=None if framework.unregistered_at is None else time_to_wire(framework.unregistered_at),
        offers=each(partial(_offer, state, framework), framework.offers),
        allocated_resources=endpoint_resources(holdings.used(framework_id)),
        offered_resources=endpoint_resources(holdings.offered(framework_id)),
        offer_constraints=constraints_to_wire(framework.info),
        fencing_token=framework.fencing_token,
        standbys=tuple(map(_standby, framework.standbys)),
    )


def _standby(standby: Standby) -> operator.ResponseGetFrameworksFrameworkStandby:
    lease, info = standby.lease, standby.call.framework
    return operator.ResponseGetFrameworksFrameworkStandby(
        joined_time=time_to_wire(standby.joined_at),
        heard_time=None if lease is None else time_to_wire(lease.heard_at),
        lease_seconds=None if lease is None else lease.seconds,
        hostname=info.hostname or None,
        principal=standby.call.principal or info.principal,
    )


def _offer(state: Snapshot, framework: FrameworkThen, offer: Offer) -> offers.Offer:
    info = state.agents[offer.agent_id].info
    executors = framework.executors.get(offer.agent_id, ())
    return offers.Offer(
        id=common.OfferID(value=offer.offer_id),
        framework_id=common.FrameworkID(value=offer.framework_id),
        agent_id=common.AgentID(value=offer.agent_id),
        hostname=info.hostname,
        url=common.URL(
            scheme="http",
            address=common.Address(hostname=info.hostname, ip=info.ip, port=info.port),
            path="/slave(1)",
        ),
        domain=domain_to_wire(info.region, info.zone),
        resources=resources_to_wire(in_order(offer.resources)),
        attributes=attributes_to_wire(info.attributes),
        executor_ids=tuple(common.ExecutorID(value=one.executor_id) for one in executors),
        allocation_info=allocation_to_wire(offer.role),
    )


# -- executors and tasks -------------------------------------------------------------------------------------


def get_executors(state: Snapshot) -> operator.ResponseGetExecutors:
    return operator.ResponseGetExecutors(executors=sliced(partial(_executors, state)))


def _executors(state: Snapshot) -> Iterator[operator.ResponseGetExecutorsExecutor]:
    for framework in state.frameworks:
        for agent_id, executors in framework.executors.items():
            for info in executors:
                yield operator.ResponseGetExecutorsExecutor(
                    executor_info=executor_to_wire(info), agent_id=common.AgentID(value=agent_id)
                )


def get_tasks(state: Snapshot) -> operator.ResponseGetTasks:
    """Tasks of completed frameworks are completed."""
    found, over = state.frameworks, state.completed_frameworks
    return operator.ResponseGetTasks(
        tasks=_tasks([framework.tasks for framework in found]),
        unreachable_tasks=_tasks([framework.unreachable_tasks for framework in found]),
        completed_tasks=_tasks([framework.completed_tasks for framework in (*found, *over)]),
    )


def _tasks(found: Sequence[Collection[ShownTask]]) -> tuple[tasks.Task, ...]:
    return sliced(lambda: map(_task, chain.from_iterable(found)))


def _task(one: ShownTask) -> tasks.Task:
    return task_v1(one.info, one.framework_id, one.executor_id, one.state, one.statuses, one.shown)


# -- roles ---------------------------------------------------------------------------------------------------


def get_roles(state: MasterState) -> operator.ResponseGetRoles:
    """Of the moment at which it is begun to be encoded."""

    def found() -> Iterator[policy.Role | None]:
        uses = yield from count_roles(state)
        for role, use in uses.items():
            yield policy.Role(
                name=role,
                weight=use.weight,
                frameworks=tuple(common.FrameworkID(value=framework_id) for framework_id in use.frameworks),
                resources=resources_to_wire(
                    Item(plain_key(name), milli) for name, milli in sorted(use.resources().items())
                ),
            )

    # Where there is none the list is not printed.
    return operator.ResponseGetRoles(roles=sliced(found) if has_roles(state) else ())


def get_quota(state: MasterState) -> operator.ResponseGetQuota:
    return operator.ResponseGetQuota(status=quota_answer(state))


def get_weights(state: MasterState) -> operator.ResponseGetWeights:
    """Of the roles for which one was set."""
    return operator.ResponseGetWeights(
        weight_infos=tuple(
            policy.WeightInfo(role=role, weight=weight) for role, weight in sorted(state.weights.items())
        )
    )


def operations(state: MasterState) -> tuple[offers.Operation, ...]:
    """Those under way, and those that their frameworks have not acknowledged."""
    return tuple(_operation(record) for agent in state.agents.values() for record in agent.operations.values())


def _operation(record: OperationRecord) -> offers.Operation:
    told = () if record.status.state == "OPERATION_PENDING" else (record.status,)
    return offers.Operation(
        framework_id=None if record.framework_id is None else common.FrameworkID(value=record.framework_id),
        agent_id=common.AgentID(value=record.agent_id),
        info=operation_to_wire(record.operation, record.operation_id),
        latest_status=status_to_wire(record.status, record.operation_id, record.agent_id),
        statuses=history_to_wire(told, record.operation_id, record.agent_id),
        uuid=common.UUID(value=record.uuid),
    )
