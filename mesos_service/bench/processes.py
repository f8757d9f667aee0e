"""Services under measurement, in processes of their own: started, awaited, ended by pid."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator

import psutil

from mesos_service.http.client import Connection, ConnectionFault
from mesos_service.local.ports import fixed_port

_KEEPER = "/keeper.py"


class Running:
    """A service's process: its address and what it has used so far."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process = psutil.Process(process.pid)
        self.port = port

    def keep_apart(self) -> None:
        """Pin it to the first processor and this process to the others, where there are several: what wakes each
        other over loopback is otherwise put on one processor again and again, and the other stands idle."""
        cpus = sorted(os.sched_getaffinity(0))
        if len(cpus) > 1:
            self._process.cpu_affinity(cpus[:1])
            os.sched_setaffinity(0, cpus[1:])

    def cpu_seconds(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def kept_cpu_seconds(self) -> tuple[float, float]:
        """Of an agent: what its keeper has used, and what all has that the keeper ran and saw the end of."""
        [keeper] = [one for one in self._process.children() if any(part.endswith(_KEEPER) for part in one.cmdline())]
        times = keeper.cpu_times()
        return float(times.user + times.system), float(times.children_user + times.children_system)

    def rss_mb(self) -> float:
        return float(self._process.memory_info().rss) / 1e6


@contextlib.asynccontextmanager
async def running(service: str, *flags: str) -> AsyncIterator[Running]:
    """``mesos-service SERVICE --port=... FLAGS`` for as long as the block lasts.

    Raises:
        RuntimeError: it did not answer ``/health`` within 20 seconds, or ended before.
    """
    port = fixed_port()
    command = (sys.executable, "-m", "mesos_service.cli.main", service, f"--port={port}", *flags)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    try:
        await _await_health(process, port, service)
        yield Running(process, port)
    finally:
        if process.returncode is None:
            # An agent that gets SIGTERM leaves its tasks for the next one.
            process.send_signal(signal.SIGUSR1 if service == "agent" else signal.SIGTERM)
            try:
                async with asyncio.timeout(10):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()


async def _await_health(process: asyncio.subprocess.Process, port: int, service: str) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 20
    while loop.time() < deadline:
        if process.returncode is not None:
            raise RuntimeError(f"{service} ended with status {process.returncode} before it answered")
        try:
            connection = await Connection.open("127.0.0.1", port, timeout_seconds=1)
        except ConnectionFault:
            await asyncio.sleep(0.05)
            continue
        try:
            if (await connection.request("GET", "/health")).status == 200:
                return
        except ConnectionFault:
            continue
        finally:
            connection.close()
    raise RuntimeError(f"{service} did not answer /health within 20 s")
