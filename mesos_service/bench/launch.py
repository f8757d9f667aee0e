"""``bench launch``: task starts a second through one master, with an emulated fleet over real HTTP.

The set-up is that of the peer's measurement (5,000 agents of one slot, 200 frameworks in roles of their own, each
taking every offer with one task and acknowledging every update), so that the figures stand beside its.
"""

from __future__ import annotations

import asyncio
import random
import time

from mesos_service.bench.fleet import Fleet
from mesos_service.bench.greedy import GreedyFramework
from mesos_service.bench.processes import running
from mesos_service.bench.report import Report, percentile

LINKS = 20


async def measure(
    agents: int = 5000,
    frameworks: int = 200,
    task_seconds: float = 2.5,
    windows: int = 2,
    window_seconds: float = 6.0,
    warm_up_seconds: float = 8.0,
) -> Report:
    """Figures over all windows together; each window alone is among the details."""
    report = Report("launch")
    source = random.Random(42)
    async with running("master", "--registry=in_memory", "--logging_level=WARNING") as master:
        master.keep_apart()
        # All tasks start at once; lengths from nearly nothing to twice the mean spread their ends over the windows.
        fleet = Fleet("127.0.0.1", master.port, agents, LINKS, lambda: task_seconds * source.uniform(0.1, 1.9))
        await fleet.start()
        schedulers = [GreedyFramework(f"framework-{number}") for number in range(frameworks)]
        try:
            for scheduler in schedulers:
                await scheduler.start("127.0.0.1", master.port)
            await asyncio.sleep(warm_up_seconds)
            every: list[float] = []
            details: list[dict[str, float]] = []
            starts = 0
            elapsed = cpu = 0.0
            for _ in range(windows):
                fleet.idle_seconds.clear()
                starts_before, cpu_before, begin = fleet.starts, master.cpu_seconds(), time.perf_counter()
                own_before = time.process_time()
                await asyncio.sleep(window_seconds)
                seconds = time.perf_counter() - begin
                used = master.cpu_seconds() - cpu_before
                starts += fleet.starts - starts_before
                elapsed += seconds
                cpu += used
                every += fleet.idle_seconds
                details.append(
                    {
                        "launches_per_second": (fleet.starts - starts_before) / seconds,
                        "master_cpu_fraction": used / seconds,
                        "driver_cpu_fraction": (time.process_time() - own_before) / seconds,
                        "slot_idle_p50_ms": percentile(fleet.idle_seconds, 0.5) * 1000,
                        "slot_idle_p99_ms": percentile(fleet.idle_seconds, 0.99) * 1000,
                    }
                )
            rss = master.rss_mb()
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
        "launches_per_second": starts / elapsed,
        "slot_idle_p50_ms": percentile(every, 0.5) * 1000,
        "slot_idle_p99_ms": percentile(every, 0.99) * 1000,
        "master_cpu_fraction": cpu / elapsed,
        "master_cpu_us_per_task": cpu / max(1, starts) * 1e6,
        "master_rss_mb": rss,
        "agents": agents,
        "frameworks": frameworks,
        "offered_per_second": agents / task_seconds,
        "calls_refused": len(refused),
        "tasks_failed": sum(failed.values()),
    }
    report.details = {"windows": details, "failed": failed, "refused": refused[:5]}
    return report
