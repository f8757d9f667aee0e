"""The benchmark that measures failover, in small: everything comes back, whatever the time."""

from __future__ import annotations

import asyncio

from mesos_service.bench.failover import measure
from tests.support.zookeeper import needs_zookeeper


def test_a82_bench_failover_sees_everything_come_back() -> None:
    """A82: agents, frameworks and a new task, after a kill and after an orderly end."""
    needs_zookeeper()
    report = asyncio.run(measure(sizes=(20,), runs=1))
    assert {"recovery_p95_s", "handover_p95_s", "agents", "runs"} <= report.figures.keys()
    assert report.figures["recovery_p95_s"] > 0 and report.figures["handover_p95_s"] > 0
