"""The paper's experiment on isolation, in small (A84)."""

from __future__ import annotations

import asyncio
import os

import pytest

from mesos_service.bench import isolation

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="making control groups takes root"),
]


def test_a84_beside_a_hog_control_groups_keep_most_of_a_servers_latency() -> None:
    report = asyncio.run(isolation.measure(seconds=5.0))
    alone, without, with_isolation = (
        report.figures[f"{name}_p95_ms"] for name in ("alone", "without_isolation", "with_isolation")
    )
    assert report.figures["with_isolation_unanswered"] == 0
    assert with_isolation < without / 5, "256 to 1 without, 1 to 1 with"
    assert with_isolation < alone * 5
    assert report.plot is not None
