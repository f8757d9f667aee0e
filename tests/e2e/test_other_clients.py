"""Clients that we did not write, unmodified: avmesos and mesoshttp in Python, mesos-framework and @dcos/mesos-client in
JavaScript, and the executor of Cook. Those of pymesos and mesos-go have files of their own, but for pymesos' operator
drivers.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mesos_service.local import AgentSpec, LocalCluster
from mesos_service.sdk import tasks
from mesos_service.wire.offers import Offer
from mesos_service.wire.tasks import TaskInfo
from tests.e2e.frameworks import Framework, play, subscribed_as
from tests.e2e.raw import RawFramework, command_task, until
from tests.support.real_parts import CLIENTS, ROOT, missing_part, states_of, told

PYTHON = ROOT / ".venv-clients" / "bin" / "python"
COOK = ROOT / ".venv-clients" / "cook-executor"
NODE_MODULES = ROOT / ".cache" / "node" / "node_modules"
BROWSER_MODULES = ROOT / ".cache" / "node_dcos" / "node_modules"
SECONDS_MAX = 180
AGENTS = [AgentSpec(resources="cpus:4;mem:4096;ports:[31000-32000]")]


class Heard(Framework):
    """Keeps what executors say."""

    def __init__(self, master: str) -> None:
        super().__init__(master)
        self.heard: list[dict[str, Any]] = []  # Any: JSON documents

    async def message(self, agent_id: str, executor_id: str, data: bytes) -> None:
        self.heard.append(json.loads(data))
        self._news.set()


def sandboxes_of(executor_id: str, agents: Path) -> set[str]:
    return {str(one) for one in agents.rglob(f"executors/{executor_id}/runs/*")}


def printed_by(executor_id: str, agents: Path) -> str:
    return "".join(one.read_text() for one in agents.rglob(f"executors/{executor_id}/runs/latest/stdout"))


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


def test_m_om_06_an_unmodified_operator_in_a_browser(tmp_path: Path) -> None:
    """A87: the stream as text that grows, cut into records by counting bytes of letters; names may have any."""
    node = shutil.which("node")
    if node is None or not (BROWSER_MODULES / "@dcos" / "mesos-client").is_dir():
        missing_part("@dcos/mesos-client")
    program = tmp_path / "client"
    program.mkdir()
    shutil.copy(CLIENTS / "dcos_mesos_client" / "operator.js", program)
    (program / "node_modules").symlink_to(BROWSER_MODULES)
    name = "Aufgabe für 漢字"

    async def a_framework_passes_by(master: str) -> None:
        """Again and again, as nobody can see from outside when the client listens."""
        while True:
            framework = await RawFramework.subscribe(master, {"user": "root", "name": name})
            offer = (await framework.event("OFFERS"))["offers"]["offers"][0]
            task = {**command_task("t", offer, "true"), "name": name}
            await framework.call(
                "ACCEPT", offer_ids=[offer["id"]], operations=[{"type": "LAUNCH", "launch": {"task_infos": [task]}}]
            )
            while (update := await framework.event("UPDATE"))["update"]["status"]["state"] != "TASK_FINISHED":
                await framework.acknowledge(update)
            await framework.call("TEARDOWN")
            framework.close()

    async def run() -> tuple[int, list[dict[str, object]]]:
        async with LocalCluster(agents=AGENTS, work_dir=tmp_path / "cluster", master_port=0) as cluster:
            passing = asyncio.ensure_future(a_framework_passes_by(cluster.master))
            try:
                return await told(node, program / "operator.js", cluster.master, name, cwd=program)
            finally:
                passing.cancel()

    status, story = asyncio.run(asyncio.wait_for(run(), SECONDS_MAX))
    assert status == 0, story
    assert {"what": "answer", "type": "GET_HEALTH", "get_health": {"healthy": True}} in story
    events = [one for one in story if one["what"] == "event"]
    assert [one["type"] for one in events][:2] == ["SUBSCRIBED", "HEARTBEAT"]
    assert {"what": "event", "type": "TASK_ADDED", "task": name} in events
    assert {"what": "event", "type": "TASK_UPDATED", "state": "TASK_FINISHED"} in events


def test_m_ex_01_an_unmodified_executor_of_a_batch_scheduler(tmp_path: Path) -> None:
    """M-EX-02, M-EX-03: it reads its environment, says STARTING itself, tells of its sandbox and of exits by messages,
    and ends a task that is killed with all of the task's processes."""
    if not COOK.is_dir():
        missing_part("cook-executor")
    command = f"PYTHONPATH={COOK} exec {PYTHON} -W ignore -m cook"

    def job(task_id: str, offer: Offer, what: str) -> TaskInfo:
        executor = tasks.custom_executor(task_id, command, "cpus:0.1;mem:64")
        one = tasks.task(task_id, offer, "cpus:0.1;mem:16", executor=executor)
        return msgspec.structs.replace(one, data=json.dumps({"command": what}).encode())

    async def scenario() -> None:
        async with (
            LocalCluster(agents=AGENTS, work_dir=tmp_path) as cluster,
            subscribed_as(Heard, cluster) as framework,
        ):
            await framework.run_tasks(lambda offer: job("ends", offer, "echo progress: 25, halfway; exit 3"))
            await framework.run_tasks(lambda offer: job("killed", offer, "echo at work; exec sleep 1000"))
            await framework.reaches("ends", "STARTING", "RUNNING", "FAILED")
            await framework.until(lambda: framework.states("killed") == ["STARTING", "RUNNING"])

            async def has_started() -> bool:
                return "\nat work\n" in printed_by("killed", tmp_path)

            await until(has_started)
            await framework.kill("killed")
            await framework.reaches("killed", "STARTING", "RUNNING", "KILLED")
            await framework.until(lambda: len(framework.failures) == 2)
            of_ends = [one for one in framework.heard if one["task-id"] == "ends"]
            assert {"exit-code": 3, "task-id": "ends"} in of_ends
            [sandbox] = [one["sandbox-directory"] for one in of_ends if one.get("type") == "directory"]
            assert sandbox in sandboxes_of("ends", tmp_path)
            assert any(one.get("progress-percent") == 25 for one in of_ends), of_ends
            assert any(one.get("exit-code") == -15 for one in framework.heard if one["task-id"] == "killed")

    play(scenario)
