"""Two schedulers of one framework in processes of their own: one is killed, or frozen, and the other goes on (A44)."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from mesos_service.local import LocalCluster
from tests.support.asking import patient_client

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "several_schedulers.py"


class Process:
    """One scheduler, and what it has printed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.lines: list[str] = []

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def said(self, line: str) -> None:
        """Wait until it prints a line that begins so; those before count as well."""
        assert self._process.stdout is not None
        while not any(one.startswith(line) for one in self.lines):
            read = await self._process.stdout.readline()
            assert read, f"it ended without saying '{line}': {self.lines}"
            self.lines.append(read.decode().strip())


@asynccontextmanager
async def scheduler(master: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLE),
        master,
        "keeper",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        yield Process(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def framework(master: str) -> dict[str, object]:
    async with patient_client() as client:
        answer = await client.post(f"http://{master}/api/v1", json={"type": "GET_FRAMEWORKS"})
    (found,) = answer.json()["get_frameworks"]["frameworks"]
    assert isinstance(found, dict)
    return found


async def take_turns(cluster: LocalCluster, how: signal.Signals) -> None:
    async with scheduler(cluster.master) as first:
        await first.said("acting with token 2")
        await first.said("kept is TASK_RUNNING")
        async with scheduler(cluster.master) as second:
            await second.said("standing by")
            await succeed(cluster, first, second, how)


async def succeed(cluster: LocalCluster, first: Process, second: Process, how: signal.Signals) -> None:
    shown = await framework(cluster.master)
    assert shown["fencing_token"] == 2
    assert len(shown["standbys"]) == 1  # type: ignore[arg-type]
    before = time.monotonic()
    first.send(how)
    await second.said("acting with token 3")
    took_seconds = time.monotonic() - before
    await second.said("kept is TASK_RUNNING")
    print(f"promoted {took_seconds:.3f} s after {how.name}")
    if how is signal.SIGSTOP:
        first.send(signal.SIGCONT)
        await first.said("disconnected")
        first.lines.clear()
        await first.said("standing by")
    assert "kept is TASK_STARTING" not in second.lines, "the task of the one before goes on"


def play(how: signal.Signals, directory: Path) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(150), LocalCluster(agents=1, work_dir=directory) as cluster:
            await take_turns(cluster, how)

    asyncio.run(scenario())


def test_a44_and_b57_one_is_killed_and_the_other_goes_on(tmp_path: Path) -> None:
    play(signal.SIGKILL, tmp_path / "cluster")


def test_a44_and_n11_one_is_frozen_deposed_and_stands_by_when_it_wakes(tmp_path: Path) -> None:
    play(signal.SIGSTOP, tmp_path / "cluster")


def test_a44_one_whose_framework_an_operator_ends_says_so_in_a_line(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(150), LocalCluster(agents=1, work_dir=tmp_path / "cluster") as cluster:
            async with scheduler(cluster.master) as only:
                await only.said("kept is TASK_RUNNING")
                async with patient_client() as client:
                    await client.post(f"http://{cluster.master}/teardown", data={"frameworkId": "keeper"})
                await only.said("the master has ended it: Framework has been removed")
            assert not [line for line in only.lines if "Traceback" in line]

    asyncio.run(scenario())
