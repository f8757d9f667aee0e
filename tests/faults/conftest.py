"""How a fault test gets its cluster, and where it plays."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import pytest

from tests.faults.cluster import Cluster, Plan

SCENARIO_SECONDS_MAX: Final = 180.0
Scenario = Callable[[Cluster], Awaitable[None]]
Play = Callable[[Plan, Scenario], None]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Plays a scenario on a cluster that runs under its steady load; at the end every promise is checked."""

    def run(plan: Plan, scenario: Scenario) -> None:
        async def story() -> None:
            async with asyncio.timeout(SCENARIO_SECONDS_MAX), Cluster(tmp_path / "cluster", plan) as cluster:
                await cluster.steady(since=0.0)
                await scenario(cluster)
                await cluster.settle()

        asyncio.run(story())

    return run
