"""The paper's example on a real cluster (B27-B30, E54-E57), and a demo that notices when it comes out otherwise."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mesos_service.demo import main as demo
from mesos_service.demo.framework import NotAsThePaperSays
from mesos_service.local import LocalCluster


def test_b27_b28_b29_b30_e54_e55_e56_e57_the_example_comes_out_as_in_the_paper(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert demo.run() == 0, capsys.readouterr().err
    told = capsys.readouterr().out
    for line in (
        "of agent 1 went to framework 1 (resources: 4 cpus, 4 GB)",
        "was accepted (agent_id: 1, left_over: 1 cpu, 1 GB)",
        "of agent 1 went to framework 2 (resources: 1 cpu, 1 GB)",
        "task-1: the sum of 1 to 1000 is 500500",
        "task-3: the sum of 1 to 3000 is 4501500",
        "Everything came out as the paper says",
    ):
        assert line in told


def test_another_cluster_than_the_papers_is_told(tmp_path: Path) -> None:
    async def walk() -> None:
        async with LocalCluster(agents=[{"resources": "cpus:5;mem:4096"}], work_dir=tmp_path / "cluster") as cluster:
            await demo.walk(cluster.master, cluster.agents[0], tmp_path / "gate")

    with pytest.raises(NotAsThePaperSays, match="agent 1 has 5 cpus, 4 GB free"):
        asyncio.run(walk())


def test_a_failed_demo_says_so_and_ends_with_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def elsewhere(master: str, agent: str, gate: Path) -> None:
        raise NotAsThePaperSays("framework 2 was offered 2 cpus, 1 GB")

    monkeypatch.setattr(demo, "walk", elsewhere)
    assert demo.run() == 1
    assert capsys.readouterr().err == "demo: not as the paper says: framework 2 was offered 2 cpus, 1 GB\n"
