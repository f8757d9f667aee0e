"""Revocation: which running tasks are to end so that a guarantee can be kept (B36, B38, N15).

An allocator proposes, in :meth:`~mesos_service.plugins.allocator.Allocator.revocations`; the core sees that nobody is
taken below his own guarantee, and executes: KILL with a grace, and the executor destroyed when that has passed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from mesos_service.domain.frameworks import Quantities
from mesos_service.domain.ids import AgentId, FrameworkId, Role, TaskId
from mesos_service.plugins.views import Quota

GUARANTEE: Final = "guarantee"
"""The reason of a revocation: another role's guarantee is not satisfied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningTask:
    """A task that could be revoked. Amounts are what quota counts: unreserved, not revocable, thousandths by name."""

    framework_id: FrameworkId
    task_id: TaskId
    agent_id: AgentId
    role: Role
    """The top-level role that its resources count for."""
    frees: Quantities
    """What its end makes free."""
    unit: tuple[str, ...]
    """Its executor, or the task itself: should the kill not be heeded, all of the unit ends."""
    at_risk: Quantities
    """What its role holds in the whole unit."""
    age_seconds: float | None
    """How long it has been running; ``None`` for one from before this master."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What an allocator needs to know to propose. Amounts as in :class:`RunningTask`; roles are top-level ones."""

    quotas: Mapping[Role, Quota]
    consumed: Mapping[Role, Quantities]
    """Reserved and used; what is being revoked is not in it any more."""
    offered: Mapping[Role, Quantities] = field(default_factory=dict)
    wanting: frozenset[Role] = frozenset()
    """Roles with a framework that wants offers."""
    coming: Quantities = field(default_factory=dict)
    """Free on agents that are offered, offered to roles that are not wanting, or about to be free by a revocation."""
    running: tuple[RunningTask, ...] = ()


class Revocation(NamedTuple):
    """``task_id`` of ``framework_id`` is to end so that ``beneficiary`` comes to what is its own."""

    framework_id: FrameworkId
    task_id: TaskId
    beneficiary: Role
    reason: str = GUARANTEE


class Margins:
    """What each role holds above its guarantee, and what may be taken of it. One for a plan; :meth:`take` adds up."""

    def __init__(self, situation: Situation) -> None:
        self._situation = situation
        self._consumed = {role: dict(amounts) for role, amounts in situation.consumed.items()}
        self._units: set[tuple[str, ...]] = set()

    def above(self, role: Role) -> dict[str, int]:
        """What could be revoked of it, thousandths; of names without a guarantee that is all."""
        guarantees = self._guarantees(role)
        return {
            name: amount - guarantees.get(name, 0)
            for name, amount in self._consumed.get(role, {}).items()
            if amount > guarantees.get(name, 0)
        }

    def lacks(self, role: Role) -> dict[str, int]:
        """What of its guarantee it does not consume, and is not offered; no zeros."""
        consumed = self._consumed.get(role, {})
        offered = self._situation.offered.get(role, {})
        return {
            name: amount - consumed.get(name, 0) - offered.get(name, 0)
            for name, amount in self._guarantees(role).items()
            if amount > consumed.get(name, 0) + offered.get(name, 0)
        }

    def take(self, task: RunningTask) -> bool:
        """Whether its role stays at or above its guarantee without the task's unit; then it is taken off."""
        if task.unit in self._units:
            return True
        guarantees = self._guarantees(task.role)
        consumed = self._consumed.get(task.role, {})
        for name, amount in task.at_risk.items():
            if amount and name in guarantees and consumed.get(name, 0) - amount < guarantees[name]:
                return False
        self._units.add(task.unit)
        for name, amount in task.at_risk.items():
            consumed[name] = consumed.get(name, 0) - amount
        return True

    def _guarantees(self, role: Role) -> Quantities:
        quota = self._situation.quotas.get(role)
        return {} if quota is None else quota.guarantees
