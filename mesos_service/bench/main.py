"""``mesos-service bench NAME``: picks the benchmark and, with ``--quick``, a size that takes at most 40 seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import uvloop

from mesos_service.bench import agent, allocator, hotpath, launch, registrar
from mesos_service.bench.report import Report
from mesos_service.domain.errors import ConfigurationError

Measure = Callable[[], Coroutine[Any, Any, Report]]  # Any: what a coroutine is sent is asyncio's own affair.

BENCHES: dict[str, tuple[Measure, Measure]] = {
    "allocator": (allocator.measure, partial(allocator.measure, runs=3)),
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
    "agent": (agent.measure, partial(agent.measure, singles=15, bursts=2, burst=200)),
    "registrar": (registrar.measure, partial(registrar.measure, runs=2)),
}
"""Each in full and in short."""


def run(name: str, *, quick: bool = False) -> Report:
    """Measure.

    Raises:
        ConfigurationError: there is no such benchmark; the text names those there are.
    """
    if name not in BENCHES:
        raise ConfigurationError(f"there is no benchmark '{name}'; there are: {', '.join(sorted(BENCHES))}")
    measure = BENCHES[name][1 if quick else 0]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(measure())
