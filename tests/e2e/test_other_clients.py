"""Clients that we did not write, unmodified: avmesos and mesoshttp in Python,
mesos-framework in JavaScript. Those of pymesos and mesos-go have files of their own, but for pymesos' operator
drivers.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from mesos_service.local import AgentSpec, LocalCluster
from tests.e2e.raw import RawFramework, command_task
from tests.support.real_parts import CLIENTS, ROOT, missing_part, states_of, told

PYTHON = ROOT / ".venv-clients" / "bin" / "python"
NODE_MODULES = ROOT / ".cache" / "node" / "node_modules"
SECONDS_MAX = 180
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
    """A87, M-SC-03: no Accept header, and one record in each chunk of the answer or none of it is understood."""
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


def test_m_om_01_an_unmodified_operator_in_python(tmp_path: Path) -> None:
    """M-OM-06, M-OA-01: whatever pymesos' drivers can ask of a master and an agent, and the events that they read."""
    if not PYTHON.exists():
        missing_part("pymesos")

    async def frameworks_come_and_go(master: str) -> None:
        while True:
            framework = await RawFramework.subscribe(master, {"user": "root", "name": "passes by"})
            await framework.event("SUBSCRIBED")
            framework.close()
            await asyncio.sleep(0.1)

    async def run() -> tuple[int, list[dict[str, object]]]:
        async with LocalCluster(agents=AGENTS, work_dir=tmp_path, master_port=0) as cluster:
            busy = await RawFramework.subscribe(cluster.master, {"user": "root", "name": "busy"})
            offer = (await busy.event("OFFERS"))["offers"]["offers"][0]
            launch = {"type": "LAUNCH", "launch": {"task_infos": [command_task("t", offer, "exec sleep 600")]}}
            await busy.call("ACCEPT", offer_ids=[offer["id"]], operations=[launch])
            await busy.event("UPDATE")
            passing = asyncio.ensure_future(frameworks_come_and_go(cluster.master))
            try:
                return await told(PYTHON, CLIENTS / "pymesos_operator.py", cluster.master, *cluster.agents)
            finally:
                passing.cancel()
                busy.close()

    status, story = asyncio.run(asyncio.wait_for(run(), SECONDS_MAX))
    assert status == 0, story
    answers = [one for one in story if one["what"] == "answer"]
    assert len(answers) == 37
    # What answers has the type of what was asked: getHealth is GET_HEALTH.
    for one in answers:
        if one["type"] is not None:
            assert str(one["type"]).replace("_", "").lower() == str(one["call"]).lower()
    assert [one["call"] for one in story if one["what"] == "refused"] == ["markAgentGone"]
    assert [one["executor"] for one in story if one["what"] == "container"] == ["t"]
    assert {one["name"] for one in story if one["what"] == "event"} >= {"frameworkAdded"}
