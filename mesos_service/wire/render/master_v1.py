"""The master's answers to ``GET_*`` calls of ``POST /api/v1`` (Mesos docs, operator HTTP API; M-OM-01..03)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import msgspec

from mesos_service.core.master.role_use import roles_in_use
from mesos_service.core.master.state import Agent, Framework, MasterState, Standby, Task
from mesos_service.domain.offers import Offer
from mesos_service.domain.resource import Resource as Item
from mesos_service.domain.resource import plain_key
from mesos_service.domain.resources import Resources
from mesos_service.wire import agents, common, offers, operator, policy, tasks
from mesos_service.wire.convert.infos import (
    agent_to_wire,
    constraints_to_wire,
    domain_to_wire,
    executor_to_wire,
    framework_to_wire,
)
from mesos_service.wire.convert.maintenance import drain_info_to_wire
from mesos_service.wire.convert.values import allocation_to_wire, attributes_to_wire, resources_to_wire, time_to_wire
from mesos_service.wire.render.agents import agent_pid, capability_names
from mesos_service.wire.render.legacy_master import Holdings, quota_answer
from mesos_service.wire.render.legacy_values import endpoint_resources, total
from mesos_service.wire.render.tasks_v1 import task_v1


def get_master(state: MasterState, description: agents.MasterInfo) -> operator.ResponseGetMaster:
    return operator.ResponseGetMaster(
        master_info=description, start_time=state.started_at, elected_time=state.elected_at
    )


def get_state(state: MasterState) -> operator.ResponseGetState:
    return operator.ResponseGetState(
        get_tasks=get_tasks(state),
        get_executors=get_executors(state),
        get_frameworks=get_frameworks(state),
        get_agents=get_agents(state),
    )


# -- agents --------------------------------------------------------------------------------------------------


def get_agents(state: MasterState) -> operator.ResponseGetAgents:
    return operator.ResponseGetAgents(
        agents=tuple(agent_v1(state, agent) for agent in state.agents.values()),
        recovered_agents=tuple(
            msgspec.structs.replace(agent_to_wire(replace(info, agent_id=agent_id)), checkpoint=info.checkpoint)
            for agent_id, info in state.recovered.items()
        ),
    )


def agent_v1(state: MasterState, agent: Agent) -> operator.ResponseGetAgentsAgent:
    """One registered agent, with what is used of it and offered."""
    info, found = agent.info, state.deactivated.get(agent.agent_id)
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


def get_frameworks(state: MasterState) -> operator.ResponseGetFrameworks:
    holdings = Holdings.of(state)
    return operator.ResponseGetFrameworks(
        frameworks=tuple(_framework(state, one, holdings) for one in state.frameworks.values()),
        completed_frameworks=tuple(_framework(state, one, holdings) for one in state.completed_frameworks.values()),
    )


def _framework(state: MasterState, framework: Framework, holdings: Holdings) -> operator.ResponseGetFrameworksFramework:
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
        offers=tuple(_offer(state, offer) for offer in framework.offers.values()),
        allocated_resources=endpoint_resources(holdings.used.get(framework_id, Resources.EMPTY)),
        offered_resources=endpoint_resources(holdings.offered.get(framework_id, Resources.EMPTY)),
        offer_constraints=constraints_to_wire(framework.info),
        fencing_token=framework.generation if framework.fenced or framework.standbys else None,
        standbys=tuple(map(_standby, framework.standbys.values())),
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


def _offer(state: MasterState, offer: Offer) -> offers.Offer:
    info = state.agents[offer.agent_id].info
    executors = state.agents[offer.agent_id].executors.get(offer.framework_id, ())
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
        resources=resources_to_wire(offer.resources),
        attributes=attributes_to_wire(info.attributes),
        executor_ids=tuple(common.ExecutorID(value=executor_id) for executor_id in executors),
        allocation_info=allocation_to_wire(offer.role),
    )


# -- executors and tasks -------------------------------------------------------------------------------------


def get_executors(state: MasterState) -> operator.ResponseGetExecutors:
    return operator.ResponseGetExecutors(
        executors=tuple(
            operator.ResponseGetExecutorsExecutor(
                executor_info=executor_to_wire(info), agent_id=common.AgentID(value=agent_id)
            )
            for framework in state.frameworks.values()
            for agent_id, executors in framework.executors.items()
            for info in executors.values()
        )
    )


def get_tasks(state: MasterState) -> operator.ResponseGetTasks:
    """Tasks of completed frameworks are completed."""
    frameworks = state.frameworks.values()
    completed = (*frameworks, *state.completed_frameworks.values())
    return operator.ResponseGetTasks(
        tasks=_tasks(task for framework in frameworks for task in framework.tasks.values()),
        unreachable_tasks=_tasks(task for framework in frameworks for task in framework.unreachable_tasks.values()),
        completed_tasks=_tasks(task for framework in completed for task in framework.completed_tasks),
    )


def _tasks(found: Iterable[Task]) -> tuple[tasks.Task, ...]:
    return tuple(
        task_v1(one.info, one.framework_id, one.executor_id, one.state, one.statuses, one.shown) for one in found
    )


# -- roles ---------------------------------------------------------------------------------------------------


def get_roles(state: MasterState) -> operator.ResponseGetRoles:
    return operator.ResponseGetRoles(
        roles=tuple(
            policy.Role(
                name=role,
                weight=use.weight,
                frameworks=tuple(common.FrameworkID(value=framework_id) for framework_id in use.frameworks),
                resources=resources_to_wire(
                    Item(plain_key(name), milli) for name, milli in sorted(use.resources().items())
                ),
            )
            for role, use in roles_in_use(state).items()
        )
    )


def get_quota(state: MasterState) -> operator.ResponseGetQuota:
    return operator.ResponseGetQuota(status=quota_answer(state))


def get_weights(state: MasterState) -> operator.ResponseGetWeights:
    """Of the roles for which one was set."""
    return operator.ResponseGetWeights(
        weight_infos=tuple(
            policy.WeightInfo(role=role, weight=weight) for role, weight in sorted(state.weights.items())
        )
    )
