"""``mesos-service bench NAME``: picks the benchmark and, with ``--quick``, a size that takes at most 40 seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import uvloop

from mesos_service.bench import agent, allocator, failover, hotpath, isolation, launch, launch_bound, reads, registrar
from mesos_service.bench.report import Report
from mesos_service.domain.errors import ConfigurationError

Measure = Callable[[], Coroutine[Any, Any, Report]]  # Any: what a coroutine is sent is asyncio's own affair.

BENCHES: dict[str, tuple[Measure, Measure]] = {
    "allocator": (allocator.measure, partial(allocator.measure, runs=3, shares=(0.95,))),
    "hotpath": (hotpath.measure, partial(hotpath.measure, tasks=2000)),
    "launch": (
        launch.measure,
        partial(
            launch.measure,
            agents=2000,
            frameworks=50,
            task_seconds=1.2,
            saturating_task_seconds=0.3,
            window_seconds=4.0,
            warm_up_seconds=5.0,
        ),
    ),
    "agent": (agent.measure, partial(agent.measure, **agent.QUICK)),
    "isolation": (isolation.measure, partial(isolation.measure, seconds=6.0)),
    "failover": (failover.measure, partial(failover.measure, sizes=failover.SIZES[:1], runs=3)),
    "reads": (reads.measure, partial(reads.measure, runs=1)),
    "registrar": (registrar.measure, partial(registrar.measure, runs=2)),
}
"""Each in full and in short."""


def run(
    name: str,
    *,
    quick: bool = False,
    agents: int | None = None,
    agents_per_link: int | None = None,
    bounds: bool = False,
) -> Report:
    """Measure. ``agents`` is a size of one's own, for benchmarks that have one; of these are ``agents_per_link``.
    ``bounds`` are figures of what is the least that could be done, beside those of what is.

    Raises:
        ConfigurationError: there is no such benchmark, and the text names those there are; or it has no such size.
    """
    if name not in BENCHES:
        raise ConfigurationError(f"there is no benchmark '{name}'; there are: {', '.join(sorted(BENCHES))}")
    measure = BENCHES[name][1 if quick else 0]
    if agents is not None or agents_per_link is not None:
        if name != "failover":
            raise ConfigurationError(
                f"the benchmark '{name}' has a size of its own; --agents and --agents-per-link are for 'failover'"
            )
        measure = partial(
            failover.measure,
            sizes=(agents,) if agents is not None else failover.SIZES[:1] if quick else failover.SIZES,
            runs=3 if quick else failover.RUNS,
            agents_per_link=agents_per_link or failover.AGENTS_PER_LINK,
        )
    if bounds:
        if name == "allocator":
            measure = (
                partial(allocator.measure, runs=3, shares=(0.95,), bounded=True)
                if quick
                else partial(allocator.measure, bounded=True)
            )
        elif name != "agent":
            raise ConfigurationError(
                f"the benchmark '{name}' has no bounds to show; --bounds is for 'agent' and 'allocator'"
            )
        else:
            measure = (
                partial(agent.measure, **agent.QUICK, bounded=launch_bound.QUICK_COUNT)
                if quick
                else partial(agent.measure, bounded=launch_bound.COUNT)
            )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(measure())
