"""What would be revoked now, and for whom: the ledger of guarantees, and the plan before anything is done (N15)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from mesos_service.core.allocation.quota import top_of
from mesos_service.core.allocation.shapes import is_countable
from mesos_service.core.master.role_use import roles_in_use
from mesos_service.core.master.state import Framework, MasterState, Task
from mesos_service.domain.frameworks import Quantities
from mesos_service.domain.ids import AgentId, FrameworkId, RevocationId, Role, TaskId
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TERMINAL_STATES, TaskState, TaskStatus
from mesos_service.plugins.revocation import Margins, Revocation, RunningTask, Situation

PREEMPTED: Final = "REASON_CONTAINER_PREEMPTED"


@dataclass(frozen=True, slots=True)
class Planned:
    """One task of a plan. ``lost_seconds`` is the lesser of its age and the grace (A57): in the grace a task can save
    what it has done, so that not much more is lost; ``None`` when nobody knows its age."""

    revocation: Revocation
    agent_id: AgentId
    frees: Quantities
    age_seconds: float | None
    lost_seconds: float | None


@dataclass(frozen=True, slots=True)
class Share:
    """A role with a guarantee, or with something that could be revoked. Thousandths by name."""

    role: Role
    guarantee: Quantities
    consumed: Quantities
    lacks: Quantities
    revocable_above: Quantities
    frameworks: Mapping[FrameworkId, Quantities]
    """What each of its frameworks uses."""


@dataclass(frozen=True, slots=True)
class Preview:
    """All that an operator may want to know before anything is revoked."""

    enabled: bool
    grace_seconds: float
    waiting: str
    """Why nothing is planned at this moment; empty where it is."""
    shares: tuple[Share, ...]
    plan: tuple[Planned, ...]


def revocation_id(framework_id: FrameworkId, task_id: TaskId) -> RevocationId:
    """No id holds a slash (X14i)."""
    return RevocationId(f"{framework_id}/{task_id}")


def obstacle(state: MasterState) -> str:
    """Why nothing can be planned now; empty where it can."""
    if state.allocator.broken:
        return "The allocator failed, and is tried again."
    if state.recovered:
        return f"{len(state.recovered)} agents are not back at this master yet: what they run is not known."
    return ""


def situation(state: MasterState, now: float) -> Situation:
    """As the allocator is told. Linear in agents and tasks."""
    uses = roles_in_use(state)
    tops = {Role(role) for role in uses if "/" not in role}
    consumed = {role: dict(uses[role].consumed()) for role in tops}
    offered: dict[Role, dict[str, int]] = {}
    for offer in state.offers.values():
        _add(offered.setdefault(top_of(offer.role), {}), countable(offer.resources))
    wanting = frozenset(
        top_of(role)
        for framework in state.frameworks.values()
        if framework.connected
        for role in framework.info.roles
        if role not in framework.suppressed
    )
    coming: dict[str, int] = {}
    for role, amounts in offered.items():
        # What a role is offered that still lacks something brings it nearer to its guarantee; all else may come back.
        guarantees = state.quotas[role].guarantees if role in state.quotas else {}
        held = consumed.get(role, {})
        if all(amount <= held.get(name, 0) + amounts.get(name, 0) for name, amount in guarantees.items()):
            _add(coming, amounts)
    running: list[RunningTask] = []
    ending_units: set[tuple[str, ...]] = set()
    for agent in state.agents.values():
        if agent.active:
            _add(coming, countable(agent.free))
        for framework_id, tasks in agent.tasks.items():
            framework = state.frameworks[framework_id]
            for task in tasks.values():
                if task.state in TERMINAL_STATES or not task.charged:
                    continue
                found = _running(framework, task, now)
                if revocation_id(framework_id, task.info.task_id) in state.revocations:
                    _add(coming, found.frees)
                    if found.unit not in ending_units:
                        ending_units.add(found.unit)
                        _add(consumed[found.role], found.at_risk, -1)
                elif agent.active:
                    running.append(found)
    return Situation(
        quotas=dict(state.quotas),
        consumed=consumed,
        offered=offered,
        wanting=wanting,
        coming=coming,
        running=tuple(task for task in running if task.unit not in ending_units),
    )


def proposals(state: MasterState, found: Situation) -> tuple[list[Revocation], list[Revocation]]:
    """What the allocator proposes: what may be done; and what would go below a guarantee, or names no task."""
    tasks = {(task.framework_id, task.task_id): task for task in found.running}
    margins = Margins(found)
    lawful: list[Revocation] = []
    refused: list[Revocation] = []
    for one in state.allocator.revocations(found):
        task = tasks.pop((one.framework_id, one.task_id), None)
        if task is None or one.beneficiary not in found.wanting or not margins.take(task):
            refused.append(one)
        else:
            lawful.append(one)
    return lawful, refused


def preview(state: MasterState, now: float) -> Preview:
    """Changes nothing."""
    found, waiting = situation(state, now), obstacle(state)
    margins = Margins(found)
    lawful = [] if waiting else proposals(state, found)[0]
    tasks = {(task.framework_id, task.task_id): task for task in found.running}
    grace = state.options.revocation_grace_seconds
    held: dict[Role, dict[FrameworkId, dict[str, int]]] = {}
    for task in found.running:
        _add(held.setdefault(task.role, {}).setdefault(task.framework_id, {}), task.frees)
    shares = tuple(
        Share(
            role=role,
            guarantee=state.quotas[role].guarantees if role in state.quotas else {},
            consumed=found.consumed.get(role, {}),
            lacks=margins.lacks(role),
            revocable_above=margins.above(role),
            frameworks=held.get(role, {}),
        )
        for role in sorted({*state.quotas, *held})
    )
    plan = tuple(
        Planned(
            revocation=one,
            agent_id=task.agent_id,
            frees=task.frees,
            age_seconds=task.age_seconds,
            lost_seconds=None if task.age_seconds is None else min(task.age_seconds, grace),
        )
        for one in lawful
        if (task := tasks[one.framework_id, one.task_id])
    )
    return Preview(state.options.revocation, grace, waiting, shares, plan)


def explained(state: MasterState, framework_id: FrameworkId, status: TaskStatus) -> TaskStatus:
    """The end of a task that was revoked says so (B36d); one that finished meanwhile finished."""
    entry = state.revocations.get(revocation_id(framework_id, status.task_id))
    if entry is None or status.state not in (TaskState.KILLED, TaskState.FAILED):
        return status
    why = f"Revoked for the guarantee of role '{entry.recorded.beneficiary}'"
    return replace(status, reason=PREEMPTED, message=f"{why}: {status.message}" if status.message else why)


def countable(resources: Resources) -> Quantities:
    return resources.unallocated().filter(is_countable).quantities()


def _running(framework: Framework, task: Task, now: float) -> RunningTask:
    info = task.info
    role = next(iter(task.charged.allocations()))
    frees = countable(task.charged)
    unit: tuple[str, ...] = (task.agent_id, framework.framework_id, "task", info.task_id)
    at_risk: dict[str, int] = dict(frees)
    if task.executor_id is not None:
        unit = (task.agent_id, framework.framework_id, "executor", task.executor_id)
        at_risk = {}
        executor = framework.executors.get(task.agent_id, {}).get(task.executor_id)
        if executor is not None:
            _add(at_risk, countable(executor.resources))
        for other in framework.tasks.values():
            if (other.agent_id, other.executor_id) == (task.agent_id, task.executor_id) and other.charged:
                _add(at_risk, countable(other.charged))
    return RunningTask(
        framework_id=framework.framework_id,
        task_id=info.task_id,
        agent_id=task.agent_id,
        role=top_of(role),
        frees=frees,
        unit=unit,
        at_risk=at_risk,
        age_seconds=now - task.launched_at if task.launched_at else None,
    )


def _add(amounts: dict[str, int], more: Quantities, sign: int = 1) -> None:
    for name, amount in more.items():
        amounts[name] = amounts.get(name, 0) + sign * amount
