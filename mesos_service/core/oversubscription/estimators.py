"""Resource estimators: how much an agent may lend (Mesos docs, oversubscription; M-AG-26).

An estimate is all that may be lent at once, what is lent already included, and replaces the one before. It never takes
anything from anybody: what is lent beyond it stays lent until it is given back, or a QoS controller ends the borrower.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Final, Protocol

from mesos_service.core.oversubscription.usage import UsageSnapshot, cpus_between
from mesos_service.domain.resources import Resources

SNAPSHOTS_MAX: Final = 21
"""How many snapshots are looked back at: five minutes at the default interval."""
INTERVALS_LEAST: Final = 2
"""Through so many intervals what an executor leaves is looked at before it is lent."""
STEP_MILLI: Final = 100
"""Estimates of usage are rounded down to a tenth of a processor, so that each flicker is not told the master."""


class ResourceEstimator(Protocol):
    """Decides over snapshots, oldest first; the last one is of now.

    ``measures`` says whether it looks at what executors use: measuring each of them costs something.
    """

    measures: ClassVar[bool]

    def estimate(self, usage: Sequence[UsageSnapshot]) -> Resources:
        """All that may be lent, as revocable resources without roles."""


@dataclass(frozen=True, slots=True)
class FixedEstimator:
    """Lends what the operator has named, whatever is used (Mesos: ``FixedResourceEstimator``)."""

    resources: Resources
    measures: ClassVar[bool] = False

    def estimate(self, usage: Sequence[UsageSnapshot]) -> Resources:
        del usage
        return lent(self.resources)


@dataclass(frozen=True, slots=True)
class UsageEstimator:
    """Lends processors that regular tasks were allocated and have not used: of each executor what is left above its
    peak of the last snapshots, less ``margin``, a fraction of what it was allocated.

    Only processors: what else a task leaves unused it may want in an instant, and nobody can give it back as fast. An
    executor that was not measured through two intervals is taken to use all it has, and one that has more than it had
    then, as tasks came to it, to use all that came.
    """

    margin: float
    measures: ClassVar[bool] = True

    def estimate(self, usage: Sequence[UsageSnapshot]) -> Resources:
        if not usage:
            return Resources.EMPTY
        peaks: dict[str, float] = {}
        intervals: dict[str, int] = {}
        for before, after in pairwise(usage[-SNAPSHOTS_MAX:]):
            for container_id, cpus in cpus_between(before, after).items():
                peaks[container_id] = max(peaks.get(container_id, 0.0), cpus)
                intervals[container_id] = intervals.get(container_id, 0) + 1
        least: dict[str, int] = {}
        for one in (one for snapshot in usage[-1 - INTERVALS_LEAST :] for one in snapshot.executors):
            cpus_then = one.allocated.scalar("cpus")
            least[one.container_id] = min(least.get(one.container_id, cpus_then), cpus_then)
        slack = 0.0
        for one in usage[-1].executors:
            if one.is_revocable or intervals.get(one.container_id, 0) < INTERVALS_LEAST:
                continue
            allocated = least[one.container_id]
            slack += max(0.0, allocated * (1 - self.margin) - peaks[one.container_id] * 1000)
        milli = int(slack) // STEP_MILLI * STEP_MILLI
        return lent(Resources.scalars(cpus=f"{milli // 1000}.{milli % 1000:03d}"))


def lent(resources: Resources) -> Resources:
    """The same amounts, as what is lent."""
    return Resources.of(one._replace(key=one.key._replace(revocable=True)) for one in resources)


def refuse_lent(resources: Resources) -> str | None:
    """Why these resources cannot be lent, or ``None``: only amounts that nobody has a claim to can be."""
    for key, value in resources:
        if not key.revocable:
            return f"{key.name} is not marked as revocable"
        if key.reservations or key.disk is not None or key.shared or key.allocation_role is not None:
            return f"{key.name} is reserved, a disk, shared, or allocated"
        if not isinstance(value, int):
            return f"{key.name} is no amount"
    return None
