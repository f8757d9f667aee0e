"""QoS controllers: which borrowers have to go, as they disturb those whose resources they use (Mesos docs,
oversubscription; M-AG-26).

Only executors that hold revocable resources are to be named; the core looks again before it ends one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Protocol

from mesos_service.core.oversubscription.usage import ExecutorUsage, UsageSnapshot, cpus_between
from mesos_service.domain.ids import ContainerId, ExecutorId, FrameworkId

IDLE_CPUS: Final = 0.1
"""Regular tasks that use less than this together cannot be said to be disturbed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """End this run of an executor; ``reason`` is for people."""

    framework_id: FrameworkId
    executor_id: ExecutorId
    container_id: ContainerId
    reason: str


class QosController(Protocol):
    """Decides over snapshots, oldest first; the last one is of now. ``measures`` as in ``ResourceEstimator``."""

    measures: ClassVar[bool]

    def corrections(self, usage: Sequence[UsageSnapshot]) -> Sequence[Correction]: ...


@dataclass(frozen=True, slots=True)
class LoadController:
    """Ends all borrowers while the machine's load is above a threshold (Mesos: ``LoadQoSController``).

    The average over one minute is left out: it rises with every short burst.
    """

    threshold_5min: float | None = None
    threshold_15min: float | None = None
    measures: ClassVar[bool] = False

    def corrections(self, usage: Sequence[UsageSnapshot]) -> Sequence[Correction]:
        load = usage[-1].load if usage else None
        if load is None:
            return ()
        for minutes, average, threshold in (
            (5, load.five_minutes, self.threshold_5min),
            (15, load.fifteen_minutes, self.threshold_15min),
        ):
            if threshold is not None and average > threshold:
                reason = f"the load of {minutes} minutes is {average:.2f}, above {threshold:g}"
                return tuple(_end(one, reason) for one in usage[-1].executors if one.is_revocable)
        return ()


@dataclass(frozen=True, slots=True)
class UsageController:
    """Keeps processors free for regular tasks: while all containers together use more than ``threshold``, a fraction
    of the agent's processors, the youngest borrowers end, and as few as it takes.

    Nobody is ended while regular tasks are idle: then there is nobody to be disturbed.
    """

    threshold: float
    measures: ClassVar[bool] = True

    def corrections(self, usage: Sequence[UsageSnapshot]) -> Sequence[Correction]:
        if len(usage) < 2:
            return ()
        now = usage[-1]
        cpus = cpus_between(usage[-2], now)
        regular = sum(cpus.get(one.container_id, 0.0) for one in now.executors if not one.is_revocable)
        borrowers = [one for one in now.executors if one.is_revocable and cpus.get(one.container_id, 0.0) > 0]
        used = regular + sum(cpus[one.container_id] for one in borrowers)
        bound = self.threshold * now.total.scalar("cpus") / 1000
        if regular < IDLE_CPUS or used <= bound:
            return ()
        reason = f"{used:.2f} processors are used, above {bound:.2f}"
        chosen: list[ExecutorUsage] = []
        for one in sorted(borrowers, key=lambda one: (-one.launched_at, one.container_id)):
            if used <= bound:
                break
            used -= cpus[one.container_id]
            chosen.append(one)
        for one in reversed(chosen[:]):
            # What older ones leave may be enough without those that hardly use anything.
            if used + cpus[one.container_id] <= bound:
                used += cpus[one.container_id]
                chosen.remove(one)
        return tuple(_end(one, reason) for one in chosen)


def _end(one: ExecutorUsage, reason: str) -> Correction:
    return Correction(
        framework_id=one.framework_id, executor_id=one.executor_id, container_id=one.container_id, reason=reason
    )
