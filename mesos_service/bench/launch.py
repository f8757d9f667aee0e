"""``bench launch``: task starts a second through one master, with an emulated fleet over real HTTP.

The set-up is that of the peer's measurement (5,000 agents of one slot, 200 frameworks in roles of their own, each
taking every offer with one task and acknowledging every update), so that the figures stand beside its.

It has two parts. In the first the tasks' length offers a fixed rate of starts, above the least that a master must
hold: what is asked is whether it keeps up, and how long a freed slot then waits. In the second tasks are so short that
no master of ours could keep up (``saturated_*``): what is asked is how much it does at most.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field

from mesos_service.bench.fleet import Fleet
from mesos_service.bench.greedy import GreedyFramework
from mesos_service.bench.processes import Running, running
from mesos_service.bench.report import Report, calibrate, percentile

LINKS = 20


async def measure(
    agents: int = 5000,
    frameworks: int = 200,
    task_seconds: float = 2.5,
    saturating_task_seconds: float = 0.8,
    windows: int = 2,
    window_seconds: float = 6.0,
    warm_up_seconds: float = 8.0,
    settle_seconds: float = 4.0,
) -> Report:
    """Figures of each part over all its windows together; each window alone is among the details.

    ``warm_up_seconds`` pass before the first part, ``settle_seconds`` between the two.
    """
    report = Report("launch")
    source = random.Random(42)
    mean_seconds = task_seconds
    async with running("master", "--registry=in_memory", "--logging_level=WARNING") as master:
        master.keep_apart()
        # All tasks start at once; lengths from nearly nothing to twice the mean spread their ends over the windows.
        fleet = Fleet("127.0.0.1", master.port, agents, LINKS, lambda: mean_seconds * source.uniform(0.1, 1.9))
        await fleet.start()
        schedulers = [GreedyFramework(f"framework-{number}") for number in range(frameworks)]
        try:
            for scheduler in schedulers:
                await scheduler.start("127.0.0.1", master.port)
            await asyncio.sleep(warm_up_seconds)
            steady = await _measure_windows(master, fleet, windows, window_seconds)
            rss = master.rss_mb()
            mean_seconds = saturating_task_seconds
            await asyncio.sleep(settle_seconds)
            saturated = await _measure_windows(master, fleet, windows, window_seconds)
        finally:
            for scheduler in schedulers:
                scheduler.close()
            fleet.close()
    refused = [text for scheduler in schedulers for text in scheduler.refused]
    failed = {
        state: sum(scheduler.counts.get(state, 0) for scheduler in schedulers)
        for state in ("TASK_ERROR", "TASK_DROPPED", "TASK_LOST", "TASK_GONE")
    }
    report.figures = {
        **steady.figures(),
        **{f"saturated_{name}": value for name, value in saturated.figures().items()},
        "master_rss_mb": rss,
        "agents": agents,
        "frameworks": frameworks,
        "offered_per_second": agents / task_seconds,
        "saturated_offered_per_second": agents / saturating_task_seconds,
        "calls_refused": len(refused),
        "tasks_failed": sum(failed.values()),
    }
    report.details = {
        "windows": [one.figures() for one in steady.windows],
        "saturated_windows": [one.figures() for one in saturated.windows],
        "failed": failed,
        "refused": refused[:5],
    }
    return report


@dataclass
class Measured:
    """What happened in some time: one window, or several together."""

    seconds: float = 0.0
    starts: int = 0
    master_cpu_seconds: float = 0.0
    driver_cpu_seconds: float = 0.0
    idle_seconds: list[float] = field(default_factory=list)
    calibration_seconds: list[float] = field(default_factory=list)
    """The yardstick at the beginning of each window: the machine's speed changes within a run."""
    windows: list[Measured] = field(default_factory=list)

    def add(self, window: Measured) -> None:
        self.windows.append(window)
        self.seconds += window.seconds
        self.starts += window.starts
        self.master_cpu_seconds += window.master_cpu_seconds
        self.driver_cpu_seconds += window.driver_cpu_seconds
        self.idle_seconds += window.idle_seconds
        self.calibration_seconds += window.calibration_seconds

    def figures(self) -> dict[str, float]:
        """``driver_cpu_fraction`` near 1 would mean that the emulated fleet is what was measured."""
        return {
            "launches_per_second": self.starts / self.seconds,
            "slot_idle_p50_ms": percentile(self.idle_seconds, 0.5) * 1000,
            "slot_idle_p99_ms": percentile(self.idle_seconds, 0.99) * 1000,
            "master_cpu_fraction": self.master_cpu_seconds / self.seconds,
            "master_cpu_us_per_task": self.master_cpu_seconds / max(1, self.starts) * 1e6,
            "driver_cpu_fraction": self.driver_cpu_seconds / self.seconds,
            "calibration_us": percentile(self.calibration_seconds, 0.5) * 1e6,
        }


async def _measure_windows(master: Running, fleet: Fleet, windows: int, window_seconds: float) -> Measured:
    together = Measured()
    for _ in range(windows):
        calibration_seconds = calibrate(repeats=3)
        fleet.idle_seconds.clear()
        starts, cpu_seconds = fleet.starts, master.cpu_seconds()
        begin, own_begin = time.perf_counter(), time.process_time()
        await asyncio.sleep(window_seconds)
        together.add(
            Measured(
                seconds=time.perf_counter() - begin,
                starts=fleet.starts - starts,
                master_cpu_seconds=master.cpu_seconds() - cpu_seconds,
                driver_cpu_seconds=time.process_time() - own_begin,
                idle_seconds=list(fleet.idle_seconds),
                calibration_seconds=[calibration_seconds],
            )
        )
    return together
