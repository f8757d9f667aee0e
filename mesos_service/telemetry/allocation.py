"""The allocator's metrics under Mesos' names (M-OB-05): its passes, what it gives away, and who has how much of it."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import Final

from mesos_service.core.allocation import kernel
from mesos_service.core.effects import Note
from mesos_service.core.master.role_use import RoleUse, count_roles
from mesos_service.core.master.state import MasterState
from mesos_service.telemetry.counters import REVOCABLE
from mesos_service.telemetry.timings import Timings

PREFIX: Final = "allocator/mesos"
_ALWAYS: Final = ("cpus", "disk", "mem")
"""Told of even where there is none, as in Mesos."""


class PassTimings:
    """How long passes took, and how long each had been wanted when it began."""

    def __init__(self) -> None:
        self._took = Timings(f"{PREFIX}/allocation_run_ms")
        self._waited = Timings(f"{PREFIX}/allocation_run_latency_ms")

    def note(self, note: Note) -> None:
        """Count a fact of the core, if it is one of a pass."""
        if note.fact == "allocation.ran":
            self._took.took(float(note.attributes["seconds"]))
            self._waited.took(float(note.attributes["waited_seconds"]))

    def snapshot(self) -> dict[str, float]:
        return self._took.metrics() | self._waited.metrics()


def allocator_gauges(
    state: MasterState, total: Mapping[str, int], used: Mapping[str, int], offered: Mapping[str, int]
) -> Generator[None, None, dict[str, float]]:
    """What there is, and who has it, in steps. Sums are scalars of all agents in thousandths. Linear in agents and
    offers."""
    found = {"allocator/kernel_compiled": float(kernel.name() == "compiled")}
    total, used, offered = _lent_too(total), _lent_too(used), _lent_too(offered)
    for name in sorted({*_ALWAYS, *total}):
        found[f"{PREFIX}/resources/{name}/total"] = total.get(name, 0) / 1000
        found[f"{PREFIX}/resources/{name}/offered_or_allocated"] = (used.get(name, 0) + offered.get(name, 0)) / 1000
    uses = yield from count_roles(state)
    excluded = state.allocator.options.fair_sharing_excluded
    for role, use in uses.items():
        if use.frameworks:
            found[f"{PREFIX}/roles/{role}/shares/dominant"] = _dominant_share(use, total, excluded)
            # Told of a role without any filter, too (recorded).
            found[f"{PREFIX}/offer_filters/roles/{role}/active"] = 0.0
        yield
    for filtered, count in state.allocator.active_filters().items():
        found[f"{PREFIX}/offer_filters/roles/{filtered}/active"] = float(count)
    yield from _quota_gauges(state, uses, found)
    return found


def _lent_too(sums: Mapping[str, int]) -> dict[str, int]:
    """To the allocator what is lent is there like all else."""
    found: dict[str, int] = {}
    for name, amount in sums.items():
        plain = name.removesuffix(REVOCABLE)
        found[plain] = found.get(plain, 0) + amount
    return found


def _dominant_share(use: RoleUse, total: Mapping[str, int], excluded: frozenset[str]) -> float:
    """Of the whole, whatever its weight: the largest fraction of any resource that it uses or is offered (X30)."""
    held = use.resources()
    return max(
        (held.get(name, 0) / amount for name, amount in total.items() if amount and name not in excluded), default=0.0
    )


def _quota_gauges(state: MasterState, uses: Mapping[str, RoleUse], found: dict[str, float]) -> Iterator[None]:
    """Adds what roles consume, with or without quota, and what they are guaranteed and may have (X36)."""

    def tell(role: str, kind: str, amounts: Mapping[str, int]) -> None:
        for resource, amount in amounts.items():
            found[f"{PREFIX}/quota/roles/{role}/resources/{resource}/{kind}"] = amount / 1000

    for role, use in uses.items():
        tell(role, "consumed", use.consumed())
        yield
    for limited, quota in tuple(state.quotas.items()):
        tell(limited, "guarantee", quota.guarantees)
        tell(limited, "limit", quota.limits)
        yield
