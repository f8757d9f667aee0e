"""Clients that we did not write, unmodified: avmesos and mesoshttp in Python,
mesos-framework in JavaScript. Those of pymesos and mesos-go have files of their own.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from mesos_service.local import AgentSpec, LocalCluster
from tests.support.real_parts import CLIENTS, ROOT, missing_part, states_of, told

PYTHON = ROOT / ".venv-clients" / "bin" / "python"
NODE_MODULES = ROOT / ".cache" / "node" / "node_modules"
SECONDS_MAX = 60
AGENTS = [AgentSpec(resources="cpus:4;mem:4096;ports:[31000-32000]")]


@pytest.mark.parametrize("library", ["avmesos", "mesoshttp"])
def test_m_sc_01_an_unmodified_scheduler_in_python(tmp_path: Path, library: str) -> None:
    """M-SC-03, M-SC-09: its own connection for each call, and lines of text where RecordIO has records."""
    if not PYTHON.exists():
        missing_part(library)

    async def run() -> tuple[int, list[dict[str, object]]]:
        async with LocalCluster(agents=AGENTS, work_dir=tmp_path, master_port=0) as cluster:
            return await told(PYTHON, CLIENTS / "avmesos_scheduler.py", library, cluster.master)

    status, story = asyncio.run(asyncio.wait_for(run(), SECONDS_MAX))
    assert status == 0, story
    assert states_of(story) == {
        "to-end": ["TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"],
        "to-be-killed": ["TASK_STARTING", "TASK_RUNNING", "TASK_KILLED"],
    }
    assert [one["what"] for one in story][:2] == ["subscribed", "offer"]
    assert "error" not in [one["what"] for one in story]


def test_m_sc_01_an_unmodified_scheduler_in_javascript(tmp_path: Path) -> None:
    """M-SC-03: no Accept header, and one record in each chunk of the answer or none of it is understood."""
    node = shutil.which("node")
    if node is None or not (NODE_MODULES / "mesos-framework").is_dir():
        missing_part("mesos-framework")
    # Node looks for libraries beside the program, and this library writes its log where it is started.
    program = tmp_path / "client"
    program.mkdir()
    shutil.copy(CLIENTS / "mesos_framework" / "scheduler.js", program)
    (program / "node_modules").symlink_to(NODE_MODULES)

    async def run() -> tuple[int, list[dict[str, object]]]:
        async with LocalCluster(agents=AGENTS, work_dir=tmp_path / "cluster", master_port=0) as cluster:
            host, _, port = cluster.master.rpartition(":")
            return await told(node, program / "scheduler.js", host, port, cwd=program)

    status, story = asyncio.run(asyncio.wait_for(run(), SECONDS_MAX))
    assert status == 0, story
    assert list(states_of(story).values()) == [["TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"]] * 2
    assert {"what": "subscribed", "stream": True} in story
    assert {"what": "heartbeat"} in story
    assert [one["message"] for one in story if one["what"] == "error"] == ["Long-running connection was closed!"]
    printed = {one.read_text() for one in (tmp_path / "cluster").rglob("runs/*/stdout")}
    assert printed == {"hello from node\n"}
