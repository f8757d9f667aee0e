"""The master's old paths: ``/state``, ``/slaves``, ``/frameworks``, ``/roles``, ``/tasks``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from heapq import merge
from itertools import chain, islice
from typing import Any, Final, TypeVar

import msgspec

from mesos_service.core.master.role_use import RoleUse, count_roles
from mesos_service.core.master.state import MasterState
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.frameworks import MULTI_ROLE
from mesos_service.domain.ids import AgentId, Role, TaskId
from mesos_service.domain.offers import Offer
from mesos_service.domain.resources import Resources
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
from mesos_service.wire.render.holdings import Holdings
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
from mesos_service.wire.render.snapshot import AgentThen, FrameworkThen, ShownTask, Snapshot
from mesos_service.wire.sliced import each, sliced

_RUN_TASKS: Final = 1024
"""Sorted at once: 0.3 ms."""

S = TypeVar("S", bound=msgspec.Struct)


# -- tasks ---------------------------------------------------------------------------------------------------


def task(one: ShownTask) -> LegacyTask:
    return legacy_task(one.info, one.framework_id, one.executor_id, one.state, one.statuses)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which tasks ``/tasks`` shows; a ``limit`` of ``None`` is all."""

    task_id: TaskId | None = None
    offset: int = 0
    limit: int | None = None
    newest_first: bool = True


def tasks_answer(state: Snapshot, wanted: Page) -> shapes.TasksAnswer:
    """``/tasks``: one page, by the time of the first status. Tasks without one come last either way."""
    newest_first = wanted.newest_first

    def page() -> Iterator[LegacyTask | None]:
        runs: list[list[ShownTask]] = []
        silent: list[ShownTask] = []
        run: list[ShownTask] = []
        for framework in (*state.frameworks, *state.completed_frameworks):
            for one in framework.all_tasks():
                if wanted.task_id in (None, one.info.task_id):
                    (run if one.statuses else silent).append(one)
                if len(run) >= _RUN_TASKS:
                    runs.append(sorted(run, key=_first_told, reverse=newest_first))
                    run = []
                yield None
        runs.append(sorted(run, key=_first_told, reverse=newest_first))
        told = merge(*runs, key=_first_told, reverse=newest_first)
        # Numbers of a request may be larger than any place there is.
        end = None if wanted.limit is None else min(wanted.offset + wanted.limit, sys.maxsize)
        for place, one in enumerate(islice(chain(told, silent), end)):
            yield task(one) if place >= wanted.offset else None

    return shapes.TasksAnswer(tasks=sliced(page))


def _first_told(one: ShownTask) -> float:
    return one.statuses[0].timestamp or 0.0


# -- agents --------------------------------------------------------------------------------------------------


def agent_head(state: Snapshot, agent: AgentThen) -> shapes.AgentHead:
    return _agent(state, agent, _used(agent), _offered(agent))


def _agent(state: Snapshot, agent: AgentThen, used: Resources, offered: Resources) -> shapes.AgentHead:
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


def _used(agent: AgentThen) -> Resources:
    return total(agent.used.values())


def _offered(agent: AgentThen) -> Resources:
    return total(offer.resources for offer in agent.offers.values())


def agents_answer(state: Snapshot) -> shapes.AgentsAnswer:
    """``/slaves``."""
    return shapes.AgentsAnswer(
        slaves=each(partial(_full_agent, state), state.agents.values()),
        recovered_slaves=_all_recovered(state.recovered),
    )


def _all_recovered(agents: Mapping[AgentId, AgentInfo]) -> tuple[shapes.RecoveredAgent, ...]:
    return each(_recovered, agents.items())


def _recovered(found: tuple[AgentId, AgentInfo]) -> shapes.RecoveredAgent:
    agent_id, info = found
    return shapes.RecoveredAgent(
        id=agent_id,
        hostname=info.hostname,
        port=info.port,
        attributes=attributes(info.attributes),
        domain=domain_to_wire(info.region, info.zone),
    )


def _full_agent(state: Snapshot, agent: AgentThen) -> shapes.LegacyAgent:
    used, offered, resources = _used(agent), _offered(agent), agent.total
    return extended(
        shapes.LegacyAgent,
        _agent(state, agent, used, offered),
        reserved_resources_full=full_by_role(resources),
        unreserved_resources_full=full(resources.unreserved()),
        used_resources_full=full(used),
        offered_resources_full=full(offered),
    )


def extended(cls: type[S], head: msgspec.Struct, **more: Any) -> S:  # Any: the fields that ``cls`` adds to its base
    return cls(**msgspec.structs.asdict(head), **more)


# -- frameworks ----------------------------------------------------------------------------------------------


def framework_head(framework: FrameworkThen, holdings: Holdings) -> shapes.FrameworkHead:
    """What both ``/frameworks`` and ``/state-summary`` tell of one."""
    info = framework_to_wire(framework.info)
    framework_id = framework.framework_id
    return shapes.FrameworkHead(
        id=framework_id,
        name=info.name,
        used_resources=amounts(holdings.used(framework_id)),
        offered_resources=amounts(holdings.offered(framework_id)),
        # One whose name nobody here knows (as recorded).
        capabilities=tuple(one.type or "UNKNOWN" for one in info.capabilities),
        hostname=info.hostname or "",
        webui_url=info.webui_url or "",
        # Frameworks are active as long as they are connected: nobody can deactivate one that is.
        active=framework.connected,
        connected=framework.connected,
        recovered=framework.recovered,
    )


def _framework(framework: FrameworkThen, holdings: Holdings) -> shapes.LegacyFramework:
    info = framework.info
    carried = framework_to_wire(info)
    framework_id = framework.framework_id
    multi_role = info.has(MULTI_ROLE)
    held = holdings.used(framework_id) + holdings.offered(framework_id)
    return extended(
        shapes.LegacyFramework,
        framework_head(framework, holdings),
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
        tasks=each(task, framework.tasks),
        unreachable_tasks=each(task, framework.unreachable_tasks),
        completed_tasks=each(task, framework.completed_tasks),
        offers=each(_offer, framework.offers),
        executors=sliced(partial(_executors, framework)) if framework.executors else (),
        labels=carried.labels.labels if carried.labels is not None else (),
        offer_constraints=constraints_to_wire(info),
    )


def _executors(framework: FrameworkThen) -> Iterator[LegacyExecutor]:
    for agent_id, executors in framework.executors.items():
        yield from legacy_executors(agent_id, framework.framework_id, executors)


def _offer(offer: Offer) -> shapes.LegacyOffer:
    return shapes.LegacyOffer(
        id=offer.offer_id,
        framework_id=offer.framework_id,
        allocation_info=allocation_to_wire(offer.role),
        slave_id=offer.agent_id,
        resources=amounts(offer.resources),
    )


def _all_frameworks(found: Iterable[FrameworkThen], holdings: Holdings) -> Iterator[shapes.LegacyFramework | None]:
    yield from holdings.added_up()
    for one in found:
        yield _framework(one, holdings)


def frameworks_answer(state: Snapshot) -> shapes.FrameworksAnswer:
    """``/frameworks``."""
    holdings = Holdings(state)
    return shapes.FrameworksAnswer(
        frameworks=sliced(partial(_all_frameworks, state.frameworks, holdings)),
        completed_frameworks=sliced(partial(_all_frameworks, state.completed_frameworks, holdings)),
    )


# -- everything ----------------------------------------------------------------------------------------------


def state_answer(
    state: Snapshot, master: MasterInfo, build: VersionInfo, flags: Mapping[str, str]
) -> shapes.MasterStateAnswer:
    """``/state``."""
    holdings = Holdings(state)
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
        unreachable_slaves=float(state.unreachable),
        recovered_slaves=_all_recovered(state.recovered),
        domain=master.domain,
        leader=pid,
        leader_info=shapes.LeaderInfo(
            id=state.master_id, pid=pid, port=master.port, hostname=hostname, domain=master.domain
        ),
        cluster=flags.get("cluster"),
        flags=dict(flags),
        slaves=each(partial(agent_head, state), state.agents.values()),
        frameworks=sliced(partial(_all_frameworks, state.frameworks, holdings)),
        completed_frameworks=sliced(partial(_all_frameworks, state.completed_frameworks, holdings)),
    )


# -- policy --------------------------------------------------------------------------------------------------


def roles_answer(state: MasterState) -> shapes.RolesAnswer:
    """``/roles``, of the moment at which it is begun to be encoded."""

    def found() -> Iterator[shapes.LegacyRole | None]:
        quotas = dict(state.quotas)
        uses = yield from count_roles(state)
        for role, use in uses.items():
            yield shapes.LegacyRole(
                name=role,
                weight=use.weight,
                quota=_role_quota(role, quotas.get(Role(role), Quota()), use),
                resources=quantities(use.resources()),
                allocated=quantities(use.allocated),
                offered=quantities(use.offered),
                reserved=quantities(use.reserved),
                frameworks=tuple(use.frameworks),
            )

    return shapes.RolesAnswer(roles=sliced(found))


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
