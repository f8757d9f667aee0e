"""What was measured on an agent at one moment, and the rates between two (Mesos: ``ResourceUsage``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mesos_service.domain.ids import ContainerId, ExecutorId, FrameworkId
from mesos_service.domain.resources import Resources


@dataclass(frozen=True, slots=True)
class Load:
    """Load averages of the machine: how many processes ran or wanted to, over so many minutes."""

    five_minutes: float
    fifteen_minutes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorUsage:
    """One executor that runs and is not to end."""

    framework_id: FrameworkId
    executor_id: ExecutorId
    container_id: ContainerId
    launched_at: float
    """Unix seconds."""
    allocated: Resources
    """Its own and its live tasks'."""
    cpu_seconds: float | None
    """Used since it began; ``None`` where that could not be measured."""

    @property
    def is_revocable(self) -> bool:
        """Whether anything it holds is lent: then all of it may be ended at any time (Mesos docs, oversubscription)."""
        return any(key.revocable for key, _ in self.allocated)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageSnapshot:
    at: float
    """Unix seconds."""
    total: Resources
    """What the agent has of its own, nothing lent."""
    executors: tuple[ExecutorUsage, ...] = ()
    load: Load | None = None
    """``None`` where the machine does not tell."""


def cpus_between(before: UsageSnapshot, after: UsageSnapshot) -> Mapping[ContainerId, float]:
    """How many processors each container used, on the average between the two; those that are not in both, or were not
    measured, are left out."""
    seconds = after.at - before.at
    if seconds <= 0:
        return {}
    earlier = {one.container_id: one.cpu_seconds for one in before.executors}
    rates: dict[ContainerId, float] = {}
    for one in after.executors:
        start = earlier.get(one.container_id)
        if start is not None and one.cpu_seconds is not None:
            # Of several containers together one may have gone: less than nothing was not used.
            rates[one.container_id] = max(0.0, one.cpu_seconds - start) / seconds
    return rates
