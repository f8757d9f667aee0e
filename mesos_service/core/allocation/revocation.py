"""Which tasks the stock policies propose to revoke (B36c, B38; Mesos paper, section 3.3).

Only where a role wants offers, has a guarantee, and cannot come to it by what is free or about to be. Of the others'
tasks the youngest go first, as they lose the least work (A57), and no more than it takes: what turns out to be
superfluous when the last one was chosen is left alone. What is freed is an amount: whether it fits the beneficiary's
next task is for its framework to see.
"""

from __future__ import annotations

from collections.abc import Iterable

from mesos_service.domain.ids import Role
from mesos_service.plugins.revocation import Margins, Revocation, RunningTask, Situation


def propose(situation: Situation) -> list[Revocation]:
    """The plan, in the order in which tasks were chosen; empty where no guarantee needs it."""
    margins = Margins(situation)
    lacking = {role: lacks for role in sorted(situation.wanting) if (lacks := margins.lacks(role))}
    missing: dict[str, int] = {}
    for lacks in lacking.values():
        for name, amount in lacks.items():
            missing[name] = missing.get(name, 0) + amount
    for name in missing:
        missing[name] -= situation.coming.get(name, 0)
    chosen: list[RunningTask] = []
    for task in _youngest_first(task for task in situation.running if task.role not in lacking):
        if not any(amount > 0 for amount in missing.values()):
            break
        if any(missing.get(name, 0) > 0 and amount > 0 for name, amount in task.frees.items()) and margins.take(task):
            chosen.append(task)
            for name, amount in task.frees.items():
                if name in missing:
                    missing[name] -= amount
    chosen = _needed(chosen, missing)
    return [Revocation(task.framework_id, task.task_id, _beneficiary(task, lacking)) for task in chosen]


def _youngest_first(tasks: Iterable[RunningTask]) -> list[RunningTask]:
    """Those whose age nobody knows are the oldest."""
    oldest = float("inf")
    return sorted(
        tasks,
        key=lambda task: (
            oldest if task.age_seconds is None else task.age_seconds,
            task.framework_id,
            task.task_id,
        ),
    )


def _needed(chosen: list[RunningTask], missing: dict[str, int]) -> list[RunningTask]:
    """Without those whose part others have made superfluous, the oldest of them first."""
    kept = list(chosen)
    for task in reversed(chosen):
        spare = all(missing[name] + task.frees.get(name, 0) <= 0 for name in missing if task.frees.get(name, 0))
        if spare:
            kept.remove(task)
            for name in missing:
                missing[name] += task.frees.get(name, 0)
    return kept


def _beneficiary(task: RunningTask, lacking: dict[Role, dict[str, int]]) -> Role:
    """The first role to whom the task's end brings something."""
    for role, lacks in lacking.items():
        if any(task.frees.get(name, 0) for name in lacks):
            return role
    return next(iter(lacking))
