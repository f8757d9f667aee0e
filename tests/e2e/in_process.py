"""The command line, run in this process."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import TypeVar

from mesos_service.local import LocalCluster

T = TypeVar("T")


def in_loop(test: Coroutine[object, object, T]) -> T:
    async def bounded() -> T:
        async with asyncio.timeout(180):
            return await test

    return asyncio.run(bounded())


async def start(cluster: LocalCluster, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "mesos_service.cli.main",
        "run",
        "--master",
        cluster.master,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def run(cluster: LocalCluster, *arguments: str) -> tuple[int, str, str]:
    process = await start(cluster, *arguments)
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()
