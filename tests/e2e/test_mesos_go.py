"""A client that we did not write: mesos-go from Debian, unmodified, in protobuf and in JSON, in all three parts."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mesos_service.local import AgentSpec, LocalCluster
from tests.support.mesos_go import GO_PATH, MESOS_GO
from tests.support.real_parts import ROOT, missing_part, states_of, told

BUILD_SECONDS_MAX = 400
"""Of mesos-go as a whole, where nobody has built it yet; ``scripts/install_real_parts.sh`` has."""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program of ``clients/mesos_go``, built against mesos-go."""
    if shutil.which("go") is None or not MESOS_GO.is_dir():
        missing_part("mesos-go")
    program = tmp_path_factory.mktemp("mesos-go") / "mesos_go"
    environment = {**os.environ, "GOPATH": str(GO_PATH), "GO111MODULE": "off", "GOCACHE": str(ROOT / ".cache/go-build")}
    subprocess.run(
        ["go", "build", "-o", program, "./tests/e2e/clients/mesos_go"],
        cwd=ROOT,
        env=environment,
        check=True,
        timeout=BUILD_SECONDS_MAX,
    )
    return program


@pytest.mark.parametrize("codec", ["protobuf", "json"])
def test_m_pk_03_unmodified_mesos_go_runs_commands_and_its_own_executor(
    client: Path, tmp_path: Path, codec: str
) -> None:
    """A87, M-SC-01, M-SC-03, M-SC-09, M-SC-11, M-EX-01, M-EX-02: both kinds of task, a kill, messages, data."""

    async def run() -> tuple[int, list[dict[str, Any]]]:
        agents = [AgentSpec(resources="cpus:4;mem:4096;ports:[31000-32000]")]
        async with LocalCluster(agents=agents, work_dir=tmp_path, master_port=0) as cluster:
            return await told(client, "scheduler", cluster.master, codec, f"exec {client} executor {codec}")

    status, story = asyncio.run(asyncio.wait_for(run(), 180))
    assert status == 0, story
    assert states_of(story) == {
        "by-command": ["TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"],
        "to-be-killed": ["TASK_STARTING", "TASK_RUNNING", "TASK_KILLED"],
        "by-executor": ["TASK_RUNNING", "TASK_FINISHED"],
    }
    assert {"what": "message", "data": "pong: ping"} in story
    assert "result" in [one["data"] for one in story if one["what"] == "update"]
    offered = next(one["resources"] for one in story if one["what"] == "offer")
    assert sorted(offered) == ["cpus", "disk", "mem", "ports"]
    assert story[-1]["what"] == "done"
    assert next(tmp_path.rglob("by-command/runs/*/stdout")).read_text() == "hello from go\n"


@pytest.mark.parametrize("codec", ["protobuf", "json"])
def test_m_pk_03_unmodified_mesos_go_reads_masters_and_agents(client: Path, codec: str) -> None:
    async def run() -> tuple[int, list[dict[str, Any]]]:
        async with LocalCluster(agents=2, master_port=0) as cluster:
            return await told(client, "operator", cluster.master, cluster.agents[0], codec)

    status, story = asyncio.run(asyncio.wait_for(run(), 180))
    assert status == 0, story
    of_master = {one["type"]: one for one in story if one["what"] == "master"}
    assert len(of_master) == (11 if codec == "protobuf" else 9)
    assert len(story) == (21 if codec == "protobuf" else 18)
    assert of_master["GET_METRICS"]["metrics"] > 50
    if codec == "protobuf":
        assert of_master["GET_AGENTS"]["agents"] == 2
        assert {"what": "event", "type": "SUBSCRIBED", "agents": 2} in story
    assert [one["type"] for one in story if one["what"] == "agent"] == [
        "GET_HEALTH",
        "GET_VERSION",
        "GET_STATE",
        "GET_CONTAINERS",
        "GET_FRAMEWORKS",
        "GET_TASKS",
        "GET_EXECUTORS",
        "GET_AGENT",
        "GET_METRICS",
    ]
