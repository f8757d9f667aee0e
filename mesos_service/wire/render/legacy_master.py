"""The master's old paths: ``/state``, ``/state-summary``, ``/slaves``, ``/frameworks``, ``/roles``, ``/tasks``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import msgspec

from mesos_service.core.master.role_use import RoleUse, roles_in_use
from mesos_service.core.master.state import Agent, Framework, MasterState, Task
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.frameworks import MULTI_ROLE
from mesos_service.domain.ids import AgentId, FrameworkId, Role
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskState
from mesos_service.plugins.allocator import Quota
from mesos_service.wire import policy
from mesos_service.wire.agents import MasterInfo
from mesos_service.wire.common import VersionInfo
from mesos_service.wire.convert.infos import constraints_to_wire, domain_to_wire, framework_to_wire
from mesos_service.wire.convert.maintenance import drain_info_to_wire
from mesos_service.wire.convert.policy import quota_info_to_wire, quota_to_wire
from mesos_service.wire.convert.values import allocation_to_wire
from mesos_service.wire.render import legacy_shapes as shapes
from mesos_service.wire.render.agents import agent_pid, capability_names
from mesos_service.wire.render.legacy_tasks import LegacyExecutor, LegacyTask, legacy_executors, legacy_task
from mesos_service.wire.render.legacy_values import (
    all_quantities,
    amounts,
    amounts_by_role,
    attributes,
    full,
    full_by_role,
    quantities,
    total,
)

SUMMARY_STATES: Final = (
    TaskState.STAGING,
    TaskState.STARTING,
    TaskState.RUNNING,
    TaskState.KILLING,
    TaskState.FINISHED,
    TaskState.KILLED,
    TaskState.FAILED,
    TaskState.LOST,
    TaskState.ERROR,
    TaskState.UNREACHABLE,
)
"""What ``/state-summary`` counts; other states are in none of its counts (recorded)."""

S = TypeVar("S", bound=msgspec.Struct)


@dataclass(slots=True)
class Holdings:
    """What each framework holds, summed over agents once for all frameworks."""

    used: dict[FrameworkId, Resources] = field(default_factory=dict)
    offered: dict[FrameworkId, Resources] = field(default_factory=dict)

    @classmethod
    def of(cls, state: MasterState) -> Holdings:
        used: defaultdict[FrameworkId, list[Resources]] = defaultdict(list)
        for agent in state.agents.values():
            for framework_id, resources in agent.used.items():
                used[framework_id].append(resources)
        return cls(
            {framework_id: total(parts) for framework_id, parts in used.items()},
            {
                framework_id: total(offer.resources for offer in framework.offers.values())
                for framework_id, framework in state.frameworks.items()
            },
        )


# -- tasks ---------------------------------------------------------------------------------------------------


def task(one: Task) -> LegacyTask:
    return legacy_task(one.info, one.framework_id, one.executor_id, one.state, one.statuses)


def all_tasks(framework: Framework) -> Iterator[Task]:
    """Every task that is remembered of a framework."""
    yield from framework.tasks.values()
    yield from framework.unreachable_tasks.values()
    yield from framework.completed_tasks


def tasks_answer(found: Iterable[Task]) -> shapes.TasksAnswer:
    return shapes.TasksAnswer(tasks=tuple(map(task, found)))


# -- agents --------------------------------------------------------------------------------------------------


def _agent(state: MasterState, agent: Agent, used: Resources, offered: Resources) -> shapes.AgentHead:
    info, found = agent.info, state.deactivated.get(agent.agent_id)
    drain = drain_info_to_wire(found)
    return shapes.AgentHead(
        id=agent.agent_id,
        hostname=info.hostname,
        port=info.port,
        attributes=attributes(info.attributes),
        domain=domain_to_wire(info.region, info.zone),
        pid=agent_pid(info),
        registered_time=agent.registered_at,
        reregistered_time=agent.reregistered_at,
        resources=amounts(agent.total),
        used_resources=amounts(used),
        offered_resources=amounts(offered),
        reserved_resources=amounts_by_role(agent.total),
        unreserved_resources=amounts(agent.total.unreserved()),
        active=agent.active,
        deactivated=found is not None,
        version=info.version,
        capabilities=capability_names(info),
        drain_info=drain,
        estimated_drain_start_time_seconds=None if drain is None or found is None else found.since,
    )


def _used(agent: Agent) -> Resources:
    return total(agent.used.values())


def _offered(agent: Agent) -> Resources:
    return total(offer.resources for offer in agent.offers.values())


def _heads(state: MasterState) -> Iterator[shapes.AgentHead]:
    return (_agent(state, agent, _used(agent), _offered(agent)) for agent in state.agents.values())


def agents_answer(state: MasterState, agent_id: AgentId | None = None) -> shapes.AgentsAnswer:
    """``/slaves``: all of them, or the one of that id."""
    agents, recovered = state.agents, state.recovered
    if agent_id is not None:
        agents = {one: agent for one, agent in agents.items() if one == agent_id}
        recovered = {one: info for one, info in recovered.items() if one == agent_id}
    return shapes.AgentsAnswer(
        slaves=tuple(_full_agent(state, agent) for agent in agents.values()), recovered_slaves=_recovered(recovered)
    )


def _recovered(agents: Mapping[AgentId, AgentInfo]) -> tuple[shapes.RecoveredAgent, ...]:
    return tuple(
        shapes.RecoveredAgent(
            id=agent_id,
            hostname=info.hostname,
            port=info.port,
            attributes=attributes(info.attributes),
            domain=domain_to_wire(info.region, info.zone),
        )
        for agent_id, info in agents.items()
    )


def _full_agent(state: MasterState, agent: Agent) -> shapes.LegacyAgent:
    used, offered, resources = _used(agent), _offered(agent), agent.total
    return _extended(
        shapes.LegacyAgent,
        _agent(state, agent, used, offered),
        reserved_resources_full=full_by_role(resources),
        unreserved_resources_full=full(resources.unreserved()),
        used_resources_full=full(used),
        offered_resources_full=full(offered),
    )


def _extended(cls: type[S], head: msgspec.Struct, **more: Any) -> S:  # Any: the fields that ``cls`` adds to its base
    return cls(**msgspec.structs.asdict(head), **more)


# -- frameworks ----------------------------------------------------------------------------------------------


def _framework_head(framework: Framework, holdings: Holdings) -> shapes.FrameworkHead:
    info = framework_to_wire(framework.info)
    framework_id = framework.framework_id
    return shapes.FrameworkHead(
        id=framework_id,
        name=info.name,
        used_resources=amounts(holdings.used.get(framework_id, Resources.EMPTY)),
        offered_resources=amounts(holdings.offered.get(framework_id, Resources.EMPTY)),
        capabilities=tuple(one.type for one in info.capabilities if one.type is not None),
        hostname=info.hostname or "",
        webui_url=info.webui_url or "",
        # Frameworks are active as long as they are connected: nobody can deactivate one that is.
        active=framework.connected,
        connected=framework.connected,
        recovered=framework.recovered,
    )


def _framework(framework: Framework, holdings: Holdings) -> shapes.LegacyFramework:
    info = framework.info
    carried = framework_to_wire(info)
    framework_id = framework.framework_id
    multi_role = info.has(MULTI_ROLE)
    held = holdings.used.get(framework_id, Resources.EMPTY) + holdings.offered.get(framework_id, Resources.EMPTY)
    return _extended(
        shapes.LegacyFramework,
        _framework_head(framework, holdings),
        user=info.user,
        failover_timeout=info.failover_timeout_seconds,
        checkpoint=info.checkpoint,
        registered_time=framework.registered_at,
        unregistered_time=framework.unregistered_at or 0.0,
        principal=info.principal,
        resources=amounts(held),
        role=None if multi_role else info.roles[0],
        reregistered_time=framework.reregistered_at,
        roles=tuple(info.roles) if multi_role else None,
        tasks=tuple(map(task, framework.tasks.values())),
        unreachable_tasks=tuple(map(task, framework.unreachable_tasks.values())),
        completed_tasks=tuple(map(task, framework.completed_tasks)),
        offers=tuple(
            shapes.LegacyOffer(
                id=offer.offer_id,
                framework_id=framework_id,
                allocation_info=allocation_to_wire(offer.role),
                slave_id=offer.agent_id,
                resources=amounts(offer.resources),
            )
            for offer in framework.offers.values()
        ),
        executors=tuple(_executors(framework)),
        labels=carried.labels.labels if carried.labels is not None else (),
        offer_constraints=constraints_to_wire(info),
    )


def _executors(framework: Framework) -> Iterator[LegacyExecutor]:
    for agent_id, executors in framework.executors.items():
        yield from legacy_executors(agent_id, framework.framework_id, executors.values())


def frameworks_answer(
    state: MasterState, frameworks: Iterable[Framework], completed: Iterable[Framework]
) -> shapes.FrameworksAnswer:
    """``/frameworks``."""
    holdings = Holdings.of(state)
    return shapes.FrameworksAnswer(
        frameworks=tuple(_framework(one, holdings) for one in frameworks),
        completed_frameworks=tuple(_framework(one, holdings) for one in completed),
    )


# -- everything ----------------------------------------------------------------------------------------------


def state_answer(
    state: MasterState, master: MasterInfo, build: VersionInfo, flags: Mapping[str, str]
) -> shapes.MasterStateAnswer:
    """``/state``. Linear in all there is: 0.15 s were measured for 5,000 agents with 20,000 tasks."""
    holdings = Holdings.of(state)
    active = sum(agent.active for agent in state.agents.values())
    pid, hostname = master.pid or "", master.hostname or ""
    return shapes.MasterStateAnswer(
        version=build.version,
        build_date=build.build_date or "",
        build_time=build.build_time or 0.0,
        build_user=build.build_user or "",
        start_time=state.started_at,
        elected_time=state.elected_at,
        id=state.master_id,
        pid=pid,
        hostname=hostname,
        capabilities=tuple(one.type for one in master.capabilities if one.type is not None),
        activated_slaves=float(active),
        deactivated_slaves=float(len(state.agents) - active),
        unreachable_slaves=float(len(state.unreachable)),
        recovered_slaves=_recovered(state.recovered),
        domain=master.domain,
        leader=pid,
        leader_info=shapes.LeaderInfo(
            id=state.master_id, pid=pid, port=master.port, hostname=hostname, domain=master.domain
        ),
        cluster=flags.get("cluster"),
        flags=dict(flags),
        slaves=tuple(_heads(state)),
        frameworks=tuple(_framework(one, holdings) for one in state.frameworks.values()),
        completed_frameworks=tuple(_framework(one, holdings) for one in state.completed_frameworks.values()),
    )


def state_summary_answer(state: MasterState, master: MasterInfo, flags: Mapping[str, str]) -> shapes.StateSummaryAnswer:
    """``/state-summary``: counts in place of tasks."""
    holdings = Holdings.of(state)
    by_agent: defaultdict[AgentId, dict[str, int]] = defaultdict(_no_tasks)
    by_framework: defaultdict[FrameworkId, dict[str, int]] = defaultdict(_no_tasks)
    agents: defaultdict[FrameworkId, dict[str, None]] = defaultdict(dict)
    frameworks: defaultdict[AgentId, dict[str, None]] = defaultdict(dict)
    for framework in (*state.frameworks.values(), *state.completed_frameworks.values()):
        for one in all_tasks(framework):
            for counts in (by_agent[one.agent_id], by_framework[one.framework_id]):
                if one.state in counts:
                    counts[one.state] += 1
            agents[one.framework_id][one.agent_id] = None
            frameworks[one.agent_id][one.framework_id] = None
    return shapes.StateSummaryAnswer(
        hostname=master.hostname or "",
        cluster=flags.get("cluster"),
        slaves=tuple(
            _extended(
                shapes.AgentSummary,
                head,
                **by_agent[AgentId(head.id)],
                framework_ids=tuple(frameworks[AgentId(head.id)]),
            )
            for head in _heads(state)
        ),
        frameworks=tuple(
            _extended(
                shapes.FrameworkSummary,
                _framework_head(framework, holdings),
                **by_framework[framework.framework_id],
                slave_ids=tuple(agents[framework.framework_id]),
            )
            for framework in state.frameworks.values()
        ),
    )


def _no_tasks() -> dict[str, int]:
    return {state.value: 0 for state in SUMMARY_STATES}


def roles_answer(state: MasterState) -> shapes.RolesAnswer:
    """``/roles``."""
    return shapes.RolesAnswer(
        roles=tuple(
            shapes.LegacyRole(
                name=role,
                weight=use.weight,
                quota=_role_quota(role, state.quotas.get(Role(role), Quota()), use),
                resources=quantities(use.resources()),
                allocated=quantities(use.allocated),
                offered=quantities(use.offered),
                reserved=quantities(use.reserved),
                frameworks=tuple(use.frameworks),
            )
            for role, use in roles_in_use(state).items()
        )
    )


def _role_quota(role: str, quota: Quota, use: RoleUse) -> shapes.RoleQuota:
    return shapes.RoleQuota(
        role=role,
        guarantee=quantities(quota.guarantees),
        limit=all_quantities(quota.limits),
        consumed=quantities(use.consumed()),
    )


def quota_answer(state: MasterState) -> policy.QuotaStatus:
    """``/quota``, and what GET_QUOTA has. The older form shows guarantees alone."""
    return policy.QuotaStatus(
        infos=tuple(quota_info_to_wire(role, quota) for role, quota in sorted(state.quotas.items())),
        configs=tuple(quota_to_wire(role, quota) for role, quota in sorted(state.quotas.items())),
    )


def weights_answer(state: MasterState) -> tuple[shapes.LegacyWeight, ...]:
    """``/weights``: of the roles for which one was set."""
    return tuple(shapes.LegacyWeight(role=role, weight=weight) for role, weight in sorted(state.weights.items()))
