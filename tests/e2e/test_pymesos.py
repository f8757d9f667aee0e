"""A client that we did not write: pymesos from the package index, unmodified, as scheduler and as executor."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import msgspec

from mesos_service.local import AgentSpec, LocalCluster
from mesos_service.sdk import tasks
from tests.e2e.frameworks import Patient, play, subscribed_as
from tests.e2e.other_interpreter import CLIENTS
from tests.e2e.restarting import pid_of, restartable


def test_unmodified_pymesos_runs_a_command_and_its_own_executor(client_python: Path, tmp_path: Path) -> None:
    """M-SC-01, M-SC-03, M-SC-09, M-SC-11, M-EX-01, M-EX-02, A87: offers, both kinds of task, messages, data."""
    executor = f"exec {client_python} {CLIENTS / 'pymesos_executor.py'}"

    async def run() -> tuple[int, list[dict[str, object]]]:
        async with LocalCluster(
            agents=[AgentSpec(resources="cpus:4;mem:4096;ports:[31000-32000]")], work_dir=tmp_path, master_port=0
        ) as cluster:
            process = await asyncio.create_subprocess_exec(
                client_python,
                CLIENTS / "pymesos_scheduler.py",
                cluster.master,
                executor,
                stdout=asyncio.subprocess.PIPE,
                stderr=sys.stderr.fileno(),
            )
            output, _ = await process.communicate()
            assert process.returncode is not None
            return process.returncode, [json.loads(line) for line in output.splitlines()]

    status, story = asyncio.run(asyncio.wait_for(run(), 180))
    assert status == 0, story
    updates = [(one["task"], one["state"]) for one in story if one["what"] == "update"]
    assert [state for task, state in updates if task == "by-command"] == [
        "TASK_STARTING",
        "TASK_RUNNING",
        "TASK_FINISHED",
    ]
    assert [state for task, state in updates if task == "by-executor"] == ["TASK_RUNNING", "TASK_FINISHED"]
    assert {"what": "message", "data": "pong: ping"} in story
    assert [one["data"] for one in story if one["what"] == "update"][-1] in ("result", None)
    offered = next(one["resources"] for one in story if one["what"] == "offer")
    assert offered == ["cpus", "disk", "mem", "ports"]
    stdout = next(tmp_path.rglob("by-command/runs/*/stdout"))
    assert stdout.read_text() == "hello from a command\n"


def test_x53_an_unmodified_pymesos_executor_comes_back_to_the_next_agent(client_python: Path, tmp_path: Path) -> None:
    """A87: it repeats what was not acknowledged, in its own words, and goes on with the task that it runs."""
    command = f"exec {client_python} {CLIENTS / 'pymesos_executor.py'}"
    executor = tasks.custom_executor("echo", command, "cpus:0.1;mem:64")

    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent", executor_reregistration_timeout="15secs") as agent,
            subscribed_as(Patient, cluster) as framework,
        ):
            await framework.run_tasks(
                lambda offer: msgspec.structs.replace(
                    tasks.task("t", offer, "cpus:0.1;mem:16", executor=executor), data=b"hello"
                )
            )
            running = await framework.reaches("t", "RUNNING")
            pid = pid_of(framework, "t")
            await agent.kill()
            await agent.start()
            assert running.agent_id is not None
            # A message may be lost while the agent registers, as messages may.
            async with asyncio.timeout(120):
                while len(framework.states("t")) < 2:
                    await framework.send(running.agent_id.value, "echo", b"ping")
                    await asyncio.sleep(0.1)
            await framework.reaches("t", "RUNNING", "FINISHED")
            assert pid_of(framework, "t") == pid

    play(scenario)


def test_m_op_03_and_m_op_04_pymesos_reserves_and_keeps_a_volume(client_python: Path, tmp_path: Path) -> None:
    """M-AL-09, M-AL-10: it speaks of reservations in the older way, and is told of them in that way."""

    async def run() -> tuple[int | None, list[dict[str, object]]]:
        agent = AgentSpec(resources="cpus:4;mem:4096;disk:1024")
        async with LocalCluster(agents=[agent], work_dir=tmp_path, master_port=0) as cluster:
            process = await asyncio.create_subprocess_exec(
                client_python,
                CLIENTS / "pymesos_reserving.py",
                cluster.master,
                stdout=asyncio.subprocess.PIPE,
                stderr=sys.stderr.fileno(),
            )
            output, _ = await process.communicate()
            return process.returncode, [json.loads(line) for line in output.splitlines()]

    status, story = asyncio.run(asyncio.wait_for(run(), 180))
    assert status == 0, story
    [volume] = [one["volume"] for one in story if one["what"] == "offer"]
    assert isinstance(volume, dict)
    assert (volume["role"], volume["reservation"]) == ("keep", {"principal": "keeper"})
    assert volume["disk"]["persistence"]["id"] == "kept"
    assert "reservations" not in volume
    assert not list(tmp_path.rglob("volumes/roles/keep/kept")), "what was destroyed is gone"
