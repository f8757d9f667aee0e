"""Counting facts cheaply: one dictionary step for each, names are made only when somebody reads them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from mesos_service.core.effects import Note
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskState

Snapshot = dict[str, float]
"""Metrics by name."""

Source = Callable[[], Mapping[str, float]]
"""Further metrics of an adapter, such as a span exporter's counts; asked at each snapshot."""

ACTIVE: Final = (TaskState.KILLING, TaskState.RUNNING, TaskState.STAGING, TaskState.STARTING)

SCALARS = ("cpus", "disk", "gpus", "mem")
REVOCABLE = "_revocable"

Told = str | int | float | bool
TaskKey = tuple[Told, Told, Told, Told]
"""Framework id, state, source, reason, as the fact tells them; empty where it does not."""


class FactCounters:
    """Counts notes by fact, and task updates by framework, state, source and reason. Not thread-safe."""

    __slots__ = ("facts", "updates")

    def __init__(self) -> None:
        self.facts: defaultdict[str, int] = defaultdict(int)
        self.updates: defaultdict[TaskKey, int] = defaultdict(int)
        """Of ``task.updated`` facts."""

    def note(self, note: Note) -> None:
        """Count one fact, in well under a microsecond."""
        fact = note.fact
        self.facts[fact] += 1
        if fact == "task.updated":
            told = note.attributes.get
            self.updates[told("framework_id", ""), told("state", ""), told("source", ""), told("reason", "")] += 1

    def named(self, names: Mapping[str, str]) -> dict[str, float]:
        """Metric by metric name, from fact by metric name; 0 where nothing was counted yet."""
        return {metric: float(self.facts.get(fact, 0)) for metric, fact in names.items()}

    def terminal_updates(self, prefix: str, states: Iterable[TaskState]) -> dict[str, float]:
        """How many tasks reached each of ``states``, as ``<prefix>_finished`` and so on."""
        counted = dict.fromkeys(states, 0)
        for (_, state, _, _), count in self.updates.items():
            if state in counted:
                counted[TaskState(state)] += count
        return {f"{prefix}_{short_name(state)}": float(count) for state, count in counted.items()}

    def ends_by_framework(self, states: Iterable[TaskState]) -> dict[Told, dict[TaskState, int]]:
        """How many tasks of each framework reached each of ``states``, by framework id and state; no zeros."""
        wanted = frozenset(states)
        found: dict[Told, dict[TaskState, int]] = {}
        for (owner, state, _, _), count in self.updates.items():
            if state in wanted:
                ends = found.setdefault(owner, {})
                ended = TaskState(state)
                ends[ended] = ends.get(ended, 0) + count
        return found


def short_name(state: TaskState) -> str:
    """``finished`` of ``TASK_FINISHED``."""
    return state.value.removeprefix("TASK_").lower()


def resource_gauges(prefix: str, total: Mapping[str, int], used: Mapping[str, int]) -> dict[str, float]:
    """``<prefix>/cpus_total``, ``_used`` and ``_percent`` (really a fraction, as in Mesos) for each scalar, and
    ``<prefix>/cpus_revocable_total`` and its like for what of it is revocable.

    Amounts come in thousandths.
    """
    gauges: dict[str, float] = {}
    for scalar in SCALARS:
        for name in (scalar, f"{scalar}{REVOCABLE}"):
            has, uses = total.get(name, 0), used.get(name, 0)
            gauges[f"{prefix}/{name}_total"] = has / 1000
            gauges[f"{prefix}/{name}_used"] = uses / 1000
            gauges[f"{prefix}/{name}_percent"] = uses / has if has else 0.0
    return gauges


def add_scalars(sums: dict[str, int], resources: Resources) -> None:
    """Add the scalar amounts, thousandths, to ``sums``; what is revocable under ``cpus_revocable`` and its like."""
    revocable = resources.revocable()
    for name in SCALARS:
        lent = revocable.scalar(name) if revocable else 0
        amount = resources.scalar(name) - lent
        if amount:
            sums[name] = sums.get(name, 0) + amount
        if lent:
            sums[f"{name}{REVOCABLE}"] = sums.get(f"{name}{REVOCABLE}", 0) + lent
