"""What may not be done, said before anything is done: the first reason, and nothing touched (X14a, X14i, X18).

Reasons are sentences for the framework; where recordings of Mesos have one, ours is the same, since clients
match on some. What can be seen from a call alone was checked by ``wire`` before it came here.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from typing import Final

from mesos_service.core.master import filtering
from mesos_service.core.master.state import Agent, Framework, MasterOptions, MasterState
from mesos_service.domain.agents import TASK_RESOURCE_LIMITS
from mesos_service.domain.executors import ExecutorInfo, ExecutorType
from mesos_service.domain.frameworks import MULTI_ROLE, FrameworkInfo
from mesos_service.domain.ids import OfferId, Role, refuse_id
from mesos_service.domain.resources import Resources
from mesos_service.domain.roles import refuse_role
from mesos_service.domain.tasks import TaskInfo

DURATION_SECONDS_MAX: Final = 2**63 / 1e9
"""Mesos counts durations in 64-bit nanoseconds; whatever exceeds them is no failover timeout."""

LEASE_SECONDS_MIN: Final = 0.1
LEASE_SECONDS_MAX: Final = 3600.0
FENCING_TOKEN_MAX: Final = 2**53
"""They count up by one; beyond this, JSON is not exact everywhere."""

# -- frameworks ----------------------------------------------------------------------------------------------


def refuse_framework(info: FrameworkInfo, suppressed: Collection[Role], options: MasterOptions) -> str | None:
    """Say why this FrameworkInfo may not subscribe, or ``None`` (as recorded of Mesos)."""
    if info.refusal is not None:
        return info.refusal
    return (
        _refuse_roles(info)
        or (refuse_id(info.framework_id) if info.framework_id is not None else None)
        or _refuse_failover_timeout(info.failover_timeout_seconds)
        or _refuse_suppressed(info, suppressed)
        or _refuse_by_policy(info, options)
        or filtering.refuse(info, options)
    )


def refuse_standing(lease_seconds: float | None, fencing_token: int | None) -> str | None:
    """Say why a scheduler cannot be one of several with these, or ``None``."""
    if lease_seconds is not None and not LEASE_SECONDS_MIN <= lease_seconds <= LEASE_SECONDS_MAX:
        return f"'lease_seconds' must be between {LEASE_SECONDS_MIN:g} and {LEASE_SECONDS_MAX:g}, not {lease_seconds:g}"
    if fencing_token is not None and not 0 < fencing_token <= FENCING_TOKEN_MAX:
        return f"'fencing_token' {fencing_token} is none that a master gave"
    return None


def refuse_resubscription(old: FrameworkInfo, new: FrameworkInfo) -> str | None:
    """A framework keeps its principal for life (X18e); changes of user and checkpoint are merely ignored."""
    if old.principal != new.principal:
        return "Updating 'FrameworkInfo.principal' is unsupported"
    return None


def refuse_update(old: FrameworkInfo, new: FrameworkInfo) -> str | None:
    """Say why ``old`` cannot become ``new`` by UPDATE_FRAMEWORK, or ``None`` (X18e)."""
    changes: tuple[tuple[str, object, object], ...] = (
        ("user", old.user, new.user),
        ("checkpoint", str(old.checkpoint).lower(), str(new.checkpoint).lower()),
    )
    for name, before, after in changes:
        if before != after:
            return f"Updating 'FrameworkInfo.{name}' is unsupported; attempted to update from '{before}' to '{after}'"
    return refuse_resubscription(old, new)


def refuse_becoming_short(framework: Framework, info: FrameworkInfo, options: MasterOptions) -> str | None:
    """A role that becomes one of short tasks must not have others: they would hold what is kept for those (A54)."""
    if options.short_task_seconds_max is None:
        return None
    for task in framework.tasks.values():
        for role in task.charged.allocations():
            new = role in info.short_tasks and role not in framework.info.short_tasks
            if new and refuse_long(task.info, task.info.executor, Role(role), options.short_task_seconds_max):
                return f"Role '{role}' has tasks that are not short, such as '{task.info.task_id}'"
    return None


def _refuse_roles(info: FrameworkInfo) -> str | None:
    if not info.has(MULTI_ROLE):
        reason = refuse_role(info.roles[0])
        return f"'FrameworkInfo.role' is invalid: {reason}" if reason else None
    if len(set(info.roles)) != len(info.roles):
        twice = {role for role in info.roles if info.roles.count(role) > 1}
        return f"'FrameworkInfo.roles' contains duplicate items: {_braced(twice)}"
    for role in info.roles:
        if reason := refuse_role(role):
            return f"'FrameworkInfo.roles' contains invalid role: {reason}"
    return None


def _refuse_failover_timeout(seconds: float) -> str | None:
    if math.isnan(seconds) or abs(seconds) >= DURATION_SECONDS_MAX:
        return f"The framework failover_timeout ({seconds:g}) is invalid"
    return None


def _refuse_suppressed(info: FrameworkInfo, suppressed: Collection[Role]) -> str | None:
    strangers = set(suppressed).difference(info.roles)
    return f"Suppressed roles {_braced(strangers)} are not contained in the set of roles" if strangers else None


def _refuse_by_policy(info: FrameworkInfo, options: MasterOptions) -> str | None:
    if options.roles is not None:
        strangers = set(info.roles).difference(options.roles)
        if strangers:
            return f"Roles {_braced(strangers)} are not among those that this master serves (--roles)"
    if info.user == "root" and not options.root_submissions:
        return "This master takes no frameworks of user 'root' (--root_submissions)"
    return None


def _braced(items: Iterable[str]) -> str:
    return "{ " + ", ".join(sorted(items)) + " }"


# -- offers --------------------------------------------------------------------------------------------------


def refuse_offers(state: MasterState, framework: Framework, offer_ids: Collection[OfferId]) -> str | None:
    """Say why these offers may not be accepted together, or ``None`` (X14a)."""
    if not offer_ids:
        return "No offers specified"
    if len(offer_ids) > 1 and len(set(offer_ids)) != len(offer_ids):
        return "An offer is named twice"
    first = None
    for offer_id in offer_ids:
        offer = framework.offers.get(offer_id)
        if offer is None:
            if offer_id in state.offers:
                return f"Offer {offer_id} is another framework's"
            return f"Offer {offer_id} is no longer valid"
        first = first or offer
        if offer.role != first.role:
            return f"Offers {first.offer_id} and {offer_id} are for different roles, '{first.role}' and '{offer.role}'"
        if offer.agent_id != first.agent_id:
            return f"Offers {first.offer_id} and {offer_id} are of different agents"
    return None


# -- tasks ---------------------------------------------------------------------------------------------------


def refuse_task(task: TaskInfo, framework: Framework, agent: Agent, role: Role) -> str | None:
    """Say why this task may not be launched, however much is offered, or ``None``. Executors are looked at apart."""
    task_id = task.task_id
    reason = refuse_id(task_id)
    if reason is not None:
        return reason
    if (
        task_id in framework.tasks
        or task_id in framework.unreachable_tasks
        or task_id in agent.copies.get(framework.framework_id, ())
    ):
        return f"Task has duplicate ID: {task_id}"
    if task.agent_id != agent.agent_id:
        return f"Task uses invalid agent {task.agent_id} while agent {agent.agent_id} is expected"
    if task.kill_grace_seconds is not None and task.kill_grace_seconds < 0:
        return "Task's 'kill_policy.grace_period' must not be negative"
    if task.max_completion_seconds is not None and task.max_completion_seconds < 0:
        return "Task's 'max_completion_time' must not be negative"
    if task.refusal is not None:
        return task.refusal
    if not task.resources:
        return "Task uses no resources"
    return _refuse_limits(task, agent) or _refuse_allocation(task.resources, role)


def _refuse_limits(task: TaskInfo, agent: Agent) -> str | None:
    """A task may be given more than it requests, where its agent can bound it by that (M-AL-27)."""
    if not task.limits:
        return None
    if TASK_RESOURCE_LIMITS not in agent.info.capabilities:
        return "Agent is not capable of handling task resource limits"
    if not task.limits.keys() <= {"cpus", "mem", "pids"}:
        return "Only cpus, mem and pids may be included in a task's resource limits"
    for name, word in (("cpus", "cpu"), ("mem", "memory")):
        if name in task.limits:
            request, limit = task.resources.scalar(name), task.limits[name]
            if not request:
                return f"When a {word} limit is specified, a {word} request must also be specified"
            if limit is not None and limit < request:
                return f"The {word} limit must be greater than or equal to the {word} request"
    return None


def refuse_long(task: TaskInfo, executor: ExecutorInfo | None, role: Role, seconds_max: float) -> str | None:
    """A framework that has said that all its tasks in ``role`` are short may launch no other there (A54).

    A custom executor is not held to a task's time by its agent, so that nothing is known of how long it runs.
    """
    if executor is not None and executor.type is ExecutorType.CUSTOM:
        return f"Short tasks (role '{role}') cannot have an executor of their own: nobody would end them in time"
    if task.max_completion_seconds is None or task.max_completion_seconds > seconds_max:
        return f"Short tasks (role '{role}') need a 'max_completion_time' of {seconds_max:g} seconds at most"
    return None


def refuse_single(task: TaskInfo) -> str | None:
    """Outside groups a task has a command of its own or an executor that knows what to do."""
    if (task.command is None) == (task.executor is None):
        return "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present"
    if task.executor is not None and task.executor.type is ExecutorType.DEFAULT:
        return "A task on a 'DEFAULT' executor is launched in a task group, with a command of its own"
    if task.executor is None and not task.shares_cgroups:
        return "A task with an executor of its own cannot set 'share_cgroups' to false: nobody else is there to share"
    return None


def refuse_grouped(tasks: Collection[TaskInfo], executor: ExecutorInfo) -> str | None:
    """What is wrong with a group as a whole (M-OP-02)."""
    if executor.type is not ExecutorType.DEFAULT:
        return "A task group needs an executor of type 'DEFAULT'"
    if not tasks:
        return "A task group needs a task"
    if any(task.executor is not None for task in tasks):
        return "'TaskInfo.executor' must not be set in a task group"
    if len({task.task_id for task in tasks}) != len(tasks):
        return "Two tasks of the group have one ID"
    if len({task.shares_cgroups for task in tasks}) > 1:
        return "All tasks of a task group must have the same value of 'share_cgroups'"
    if any(task.limits and task.shares_cgroups for task in tasks):
        return (
            "A task of a group that has limits must set 'share_cgroups' to false: what is shared has none of one task"
        )
    return None


def refuse_executor(executor: ExecutorInfo, framework: Framework, role: Role) -> str | None:
    """Say why this executor may not be used, or ``None``; whether one like it runs already is asked elsewhere."""
    reason = refuse_id(executor.executor_id)
    if reason is not None:
        return f"Executor ID is invalid: {reason}"
    if executor.framework_id is not None and executor.framework_id != framework.framework_id:
        return f"ExecutorInfo names framework {executor.framework_id}, but is used by {framework.framework_id}"
    if executor.type is ExecutorType.CUSTOM and executor.command is None:
        return "'ExecutorInfo.command' must be set for a 'CUSTOM' executor"
    if executor.type is ExecutorType.DEFAULT and executor.command is not None:
        return "'ExecutorInfo.command' must not be set for the 'DEFAULT' executor"
    if executor.shutdown_grace_seconds is not None and executor.shutdown_grace_seconds < 0:
        return "'ExecutorInfo.shutdown_grace_period' must not be negative"
    if executor.refusal is not None:
        return executor.refusal
    if executor.resources.has_shared:
        return f"Executor resources {executor.resources} should not contain any shared resources"
    return _refuse_allocation(executor.resources, role)


def refuse_mixed_revocable(resources: Resources) -> str | None:
    """Revocable and plain amounts of one resource may not be mixed in one executor and its task (X14i)."""
    revocable = {key.name for key, _ in resources if key.revocable}
    both = {key.name for key, _ in resources if not key.revocable} & revocable
    return f"Resources {_braced(both)} are used both revocable and non-revocable" if both else None


def _refuse_allocation(resources: Resources, role: Role) -> str | None:
    """Resources come without an allocation role, which is filled in, or with the offer's (X14i)."""
    for key, _ in resources:
        if key.allocation_role is not None and key.allocation_role != role:
            return f"Resource '{key}' is for role '{key.allocation_role}', but the offer is for role '{role}'"
    return None
