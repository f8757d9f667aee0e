"""Agents that are killed, stopped and started again, with real processes that know nothing of it (X53)."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
from pathlib import Path

import msgspec
import psutil
import pytest

from mesos_service.local import LocalCluster
from mesos_service.local.processes import ServiceFailed
from mesos_service.sdk import tasks
from mesos_service.wire.tasks import ExecutorInfo
from tests.e2e.frameworks import Patient, play, subscribed_as
from tests.e2e.restarting import ROOT, Restartable, pid_of, restartable, until_dead
from tests.support.asking import patient_client

NEEDS = "cpus:0.1;mem:16"


@pytest.mark.parametrize("how", ["kill", "terminate"])
def test_m_ag_16_tasks_run_on_and_their_ends_are_told_truly(tmp_path: Path, how: str) -> None:
    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent") as agent,
            subscribed_as(Patient, cluster) as framework,
        ):
            commands = {
                "away": "read _ < go; exit 7",
                "back": "while [ ! -e go ]; do sleep 0.05; done; exit 0",
                "shot": "sleep 1000",
            }
            offer = await framework.an_offer()
            made = [tasks.task(name, offer, NEEDS, f"mkfifo go 2>/dev/null; {line}") for name, line in commands.items()]
            made[1] = tasks.task("back", offer, NEEDS, commands["back"])
            await framework.accept([offer], [tasks.launch(*made)], refuse_seconds=0)
            for name in commands:
                await framework.reaches(name, "STARTING", "RUNNING")
            pids = {name: pid_of(framework, name) for name in commands}
            agent_id = framework.seen["away"][-1].agent_id
            started = {name: psutil.Process(pid).create_time() for name, pid in pids.items()}

            await (agent.kill() if how == "kill" else agent.terminate())
            assert {name: psutil.Process(pid).create_time() for name, pid in pids.items()} == started
            # One ends while there is no agent, the others when there is one again.
            sandbox = {name: Path(psutil.Process(pid).cwd()) for name, pid in pids.items()}
            with (sandbox["away"] / "go").open("w") as gate:
                gate.write("\n")
            await until_dead(pids["away"])
            await agent.start()

            failed = await framework.reaches("away", "STARTING", "RUNNING", "FAILED")
            assert failed.message == "Command exited with status 7"
            assert failed.agent_id == agent_id
            assert {name: psutil.Process(pids[name]).create_time() for name in ("back", "shot")} == {
                name: started[name] for name in ("back", "shot")
            }
            (sandbox["back"] / "go").touch()
            await framework.reaches("back", "STARTING", "RUNNING", "FINISHED")
            os.kill(pids["shot"], signal.SIGUSR2)
            shot = await framework.reaches("shot", "STARTING", "RUNNING", "FAILED")
            assert shot.message == "Command terminated with signal User defined signal 2"

    play(scenario)


EXECUTOR = """
import asyncio, sys
from mesos_service.sdk.executor import Executor

class Patient(Executor):
    async def launch(self, task):
        await self.update(task.task_id.value, "TASK_RUNNING")

    async def message(self, data):
        await self.update(data.decode(), "TASK_FINISHED", "as told")

asyncio.run(Patient().run())
"""


def custom(tmp_path: Path) -> ExecutorInfo:
    program = tmp_path / "patient.py"
    program.write_text(EXECUTOR)
    return tasks.custom_executor("patient", f"PYTHONPATH={ROOT} exec {sys.executable} {program}", "cpus:0.1;mem:64")


@pytest.mark.parametrize(
    ("by_socket", "later"),
    [(False, False), (True, True), (True, False)],
    ids=["by address", "by a Unix socket", "which is gone"],
)
def test_x53_x10_an_executor_comes_back_to_the_next_agent(tmp_path: Path, by_socket: bool, later: bool) -> None:
    flags = {"executor_reregistration_timeout": "15secs", "http_executor_domain_sockets": by_socket}

    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent", **flags) as agent,
            subscribed_as(Patient, cluster) as framework,
        ):
            executor = custom(tmp_path)
            await framework.run_tasks(lambda offer: tasks.task("t", offer, NEEDS, executor=executor))
            running = await framework.reaches("t", "RUNNING")
            pid = pid_of(framework, "t")
            await agent.kill()
            agent.flags["http_executor_domain_sockets"] = later
            await agent.start()
            assert running.agent_id is not None
            # A message may be lost while the agent registers, as messages may.
            async with asyncio.timeout(60):
                while len(framework.states("t")) < 2:
                    await framework.send(running.agent_id.value, "patient", b"t")
                    await asyncio.sleep(0.1)
            finished = await framework.reaches("t", "RUNNING", "FINISHED")
            assert finished.message == "as told"
            assert pid_of(framework, "t") == pid
            assert psutil.pid_exists(pid)

    play(scenario)


def test_x53_an_executor_that_stays_away_is_killed_and_its_task_is_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent", executor_reregistration_timeout="500ms") as agent,
            subscribed_as(Patient, cluster) as framework,
        ):
            executor = custom(tmp_path)
            await framework.run_tasks(lambda offer: tasks.task("t", offer, NEEDS, executor=executor))
            await framework.reaches("t", "RUNNING")
            pid = pid_of(framework, "t")
            os.kill(pid, signal.SIGSTOP)
            await agent.kill()
            await agent.start()
            failed = await framework.reaches("t", "RUNNING", "FAILED")
            assert failed.reason == "REASON_EXECUTOR_REREGISTRATION_TIMEOUT"
            await until_dead(pid)

    play(scenario)


def test_x54_what_is_not_to_outlive_its_agent_does_not(tmp_path: Path) -> None:
    class Careless(Patient):
        def __init__(self, master: str) -> None:
            super().__init__(master)
            self.framework_info = msgspec.structs.replace(self.framework_info, checkpoint=False)

    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent") as agent,
            subscribed_as(Careless, cluster) as framework,
        ):
            await framework.run_tasks(lambda offer: tasks.task("t", offer, NEEDS, "sleep 1000 & sleep 1000"))
            await framework.reaches("t", "STARTING", "RUNNING")
            pid = pid_of(framework, "t")
            await agent.kill()
            await until_dead(pid)
            await agent.start()
            dropped = await framework.reaches("t", "STARTING", "RUNNING", "DROPPED")
            assert dropped.reason == "REASON_RECONCILIATION"

    play(scenario)


def test_a_keeper_that_dies_leaves_tasks_running_and_their_ends_unknown(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent") as agent,
            subscribed_as(Patient, cluster) as framework,
        ):
            offer = await framework.an_offer()
            made = [tasks.task(name, offer, NEEDS, "sleep 1000") for name in ("watched", "found")]
            await framework.accept([offer], [tasks.launch(*made)], refuse_seconds=0)
            for name in ("watched", "found"):
                await framework.reaches(name, "STARTING", "RUNNING")
            pids = {name: pid_of(framework, name) for name in ("watched", "found")}
            keeper = psutil.Process(pids["found"]).parent()
            assert keeper is not None
            assert "keeper.py" in keeper.cmdline()[-2]
            keeper.kill()
            os.kill(pids["watched"], signal.SIGKILL)
            lost = await framework.reaches("watched", "STARTING", "RUNNING", "FAILED")
            assert lost.message is not None
            assert "keeper" in lost.message
            # The books tell the next agent what still runs.
            await agent.kill()
            await agent.start()
            assert psutil.pid_exists(pids["found"])
            os.kill(pids["found"], signal.SIGKILL)
            lost = await framework.reaches("found", "STARTING", "RUNNING", "FAILED")
            assert lost.message is not None
            assert "keeper" in lost.message

    play(scenario)


def test_m_ag_17_another_agent_is_refused_and_cleanup_lets_it_in(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent") as agent,
            subscribed_as(Patient, cluster) as framework,
        ):
            await framework.run_tasks(lambda offer: tasks.task("t", offer, NEEDS, "sleep 1000"))
            await framework.reaches("t", "STARTING", "RUNNING")
            pid = pid_of(framework, "t")
            await agent.kill()
            agent.flags["resources"] = "cpus:1;mem:512;disk:64;ports:[31000-31009]"
            with pytest.raises(ServiceFailed, match="ended with status 1"):
                await agent.start()
            assert psutil.pid_exists(pid), "a refusal ends nothing"
            agent.flags["recover"] = "cleanup"
            with pytest.raises(ServiceFailed, match="ended with status 0"):
                await agent.start()
                await agent.process.ended()
                raise ServiceFailed("It ended with status 0, after its start")
            await until_dead(pid)
            agent.flags["recover"] = "reconnect"
            await agent.start()

    play(scenario)


def test_x05_on_a_full_disk_nothing_is_told_that_is_not_stored_and_tasks_run_on(tmp_path: Path) -> None:
    """The disk is full for the agent alone: no file of its may grow."""

    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent") as agent,
            subscribed_as(Patient, cluster) as framework,
        ):
            await framework.run_tasks(lambda offer: tasks.task("before", offer, NEEDS, "sleep 1000"))
            await framework.reaches("before", "STARTING", "RUNNING")
            journal = tmp_path / "agent" / "meta" / "slaves" / "latest" / "journal"
            assert agent.process.pid is not None
            limits = resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE, (1, limits[1]))
            await framework.run_tasks(lambda offer: tasks.task("during", offer, NEEDS, "exit 3"))
            await until_known(agent, "during")
            length = size(journal)
            assert framework.states("during") == []
            assert psutil.pid_exists(pid_of(framework, "before"))
            resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE, limits)
            failed = await framework.reaches("during", "STARTING", "RUNNING", "FAILED")
            assert failed.message == "Command exited with status 3"
            assert size(journal) > length

    play(scenario)


def size(path: Path) -> int:
    return path.stat().st_size


async def until_known(agent: Restartable, task_id: str) -> None:
    """Wait until the agent has decided about a task, which is before it has written that down."""
    async with asyncio.timeout(60), patient_client() as client:
        url = f"http://127.0.0.1:{agent.flags['port']}/state"
        while task_id not in (await client.get(url)).text:  # noqa: ASYNC110 - another process decides
            await asyncio.sleep(0.02)
