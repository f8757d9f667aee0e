"""An agent in a process of its own that is ended and started again, and who waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psutil

from mesos_service.local import LocalCluster
from mesos_service.local.processes import ServiceProcess
from tests.e2e.frameworks import Framework
from tests.support.children import runs
from tests.support.ports import fixed_port

ROOT = Path(__file__).resolve().parents[2]


class Restartable:
    """An agent in a process of its own, to be ended and started again."""

    def __init__(self, master: str, work_dir: Path, **flags: object) -> None:
        self.work_dir = work_dir
        self.flags: dict[str, object] = {
            "ip": "127.0.0.1",
            "port": fixed_port(),
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
    try:
        await agent.start()
        yield agent
    finally:
        await agent.process.stop()


def pid_of(framework: Framework, task_id: str) -> int:
    status = framework.seen[task_id][-1].container_status
    assert status is not None and status.executor_pid is not None
    return status.executor_pid


async def until_dead(pid: int) -> None:
    try:
        process = psutil.Process(pid)
    except psutil.NoSuchProcess:
        return
    async with asyncio.timeout(60):
        while runs(process):  # noqa: ASYNC110 - it ends elsewhere
            await asyncio.sleep(0.01)
