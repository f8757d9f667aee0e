"""Agents that are killed, stopped and started again, with real processes that know nothing of it (X53)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from mesos_service.local import LocalCluster
from mesos_service.local.processes import ServiceProcess, free_port
from mesos_service.sdk import tasks
from mesos_service.wire.tasks import TaskStatus
from tests.e2e.test_agent_service import Framework, play, subscribed

NEEDS = "cpus:0.1;mem:16"


class Patient(Framework):
    """Counts an update once: who is told again after a restart knows it by its uuid (X06)."""

    def __init__(self, master: str) -> None:
        super().__init__(master)
        self.repeated: list[TaskStatus] = []

    async def update(self, status: TaskStatus) -> None:
        if any(one.uuid == status.uuid for one in self.seen.get(status.task_id.value, [])):
            self.repeated.append(status)
        else:
            await super().update(status)


class Restartable:
    """An agent in a process of its own, to be ended and started again."""

    def __init__(self, master: str, work_dir: Path, **flags: object) -> None:
        self.work_dir = work_dir
        self.flags: dict[str, object] = {
            "ip": "127.0.0.1",
            "port": free_port(),
            "master": master,
            "work_dir": str(work_dir),
            "resources": "cpus:2;mem:512;disk:64;ports:[31000-31009]",
            "registration_backoff_factor": "10ms",
            "executor_reregistration_timeout": "2secs",
            **flags,
        }
        self.process = ServiceProcess("agent", self.flags)

    async def start(self) -> None:
        self.process = ServiceProcess("agent", self.flags)
        await self.process.start()

    async def kill(self) -> None:
        await self.process.stop(graceful=False)

    async def terminate(self) -> None:
        """As a service manager would."""
        assert self.process.pid is not None
        os.kill(self.process.pid, signal.SIGTERM)
        assert await self.process.ended() == 0


@contextlib.asynccontextmanager
async def restartable(cluster: LocalCluster, work_dir: Path, **flags: object) -> AsyncIterator[Restartable]:
    agent = Restartable(cluster.master, work_dir, **flags)
    await agent.start()
    try:
        yield agent
    finally:
        await agent.process.stop()


def pid_of(framework: Framework, task_id: str) -> int:
    status = framework.seen[task_id][-1].container_status
    assert status is not None and status.executor_pid is not None
    return status.executor_pid


@pytest.mark.parametrize("how", ["kill", "terminate"])
def test_m_ag_16_tasks_run_on_and_their_ends_are_told_truly(tmp_path: Path, how: str) -> None:
    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent") as agent,
            subscribed(cluster, Patient) as framework,
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
            sandbox = {name: Path(f"/proc/{pid}/cwd").readlink() for name, pid in pids.items()}
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


async def until_dead(pid: int) -> None:
    async with asyncio.timeout(20):
        while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
