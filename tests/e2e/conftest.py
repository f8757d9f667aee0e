"""A whole cluster, master and agents, as a fixture: no ZooKeeper, no other process, and gone after the test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
import uvloop

from mesos_service.local import AgentSpec, LocalCluster, processes
from tests.e2e.other_interpreter import client_python as client_python
from tests.support.shop import shop as shop
from tests.support.waiting import PATIENCE

SCENARIO_SECONDS_MAX: Final = 180.0
AGENTS: Final = (
    AgentSpec(resources="cpus:4;mem:4096;disk:1024;ports:[31000-31009]"),
    AgentSpec(resources="cpus:2;mem:1024;disk:512;ports:[31000-31004]", attributes="rack:r2"),
)


Scenario = Callable[[LocalCluster], Awaitable[None]]
Play = Callable[[Scenario], None]


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Services start slowly on a machine that is emulated."""
    monkeypatch.setattr(processes, "START_SECONDS_MAX", processes.START_SECONDS_MAX * PATIENCE)


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    """Plays a scenario on a cluster of two unequal agents (M-CL-03), in this process and on one loop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        cluster = LocalCluster(AGENTS, work_dir=tmp_path / "cluster")
        runner.run(cluster.__aenter__())
        try:
            yield lambda scenario: runner.run(asyncio.wait_for(scenario(cluster), SCENARIO_SECONDS_MAX))
        finally:
            runner.run(cluster.__aexit__(None, None, None))
