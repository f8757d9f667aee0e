"""Commands beside a task, terminals, and nested containers, by the agent's API and by the command line."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import struct
import sys
import termios
import uuid
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import psutil

from mesos_service.local import LocalCluster
from mesos_service.sdk import tasks
from mesos_service.wire.containers import ContainerInfo, TTYInfo
from mesos_service.wire.recordio import record
from tests.e2e.frameworks import NEEDS, Framework, task_processes
from tests.support.asking import patient_client
from tests.support.children import command_line
from tests.support.waiting import PATIENCE
from tests.unit.agent_service.support import until

SECONDS_MAX = 60.0 * PATIENCE


Json = dict[str, Any]  # Any: bodies as the test writes them.
Start = Callable[..., Awaitable[asyncio.subprocess.Process]]
"""Starts a command line's program: the cluster that it is to ask, its arguments, and by name what asyncio takes for
streams."""


async def start(cluster: LocalCluster, *arguments: str, **streams: Any) -> asyncio.subprocess.Process:
    verb, *others = arguments
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mesos_service.cli.main", verb, "--master", cluster.master, *others, **streams
    )


async def command(cluster: LocalCluster, *arguments: str, given: bytes = b"") -> tuple[int | None, str, str]:
    pipe = asyncio.subprocess.PIPE
    process = await start(cluster, *arguments, stdin=pipe, stdout=pipe, stderr=pipe)
    async with asyncio.timeout(SECONDS_MAX):
        out, err = await process.communicate(given)
    return process.returncode, out.decode(), err.decode()


async def running(framework: Framework, line: str, task_id: str = "t1", tty: bool = False) -> str:
    """A task that runs; gives its container's id."""
    container = ContainerInfo(type="MESOS", tty_info=TTYInfo()) if tty else None

    def make(offer: Any) -> Any:  # Any: messages that are handed on
        made = tasks.task(task_id, offer, NEEDS, line)
        return made if container is None else _with(made, container)

    await framework.run_tasks(make)
    told = await framework.reaches(task_id, "STARTING", "RUNNING")
    assert told.container_status is not None
    assert told.container_status.container_id is not None
    return told.container_status.container_id.value


def _with(task: Any, container: ContainerInfo) -> Any:
    import msgspec

    return msgspec.structs.replace(task, container=container)


class Terminal:
    """A terminal of ours with a command of ours at it."""

    def __init__(self, rows: int = 33, columns: int = 101) -> None:
        self.ours, self.theirs = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self.theirs)
        self.shown = b""
        os.set_blocking(self.ours, False)
        asyncio.get_running_loop().add_reader(self.ours, self._read)

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            self.shown += os.read(self.ours, 65536)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        os.write(self.ours, text.encode())

    async def shows(self, text: str) -> None:
        await until(lambda: text.encode() in self.shown)

    async def answers(self, line: str, text: str, at: Terminal | None = None) -> None:
        """Type until it is shown, here or at another terminal."""
        where = at or self
        async with asyncio.timeout(SECONDS_MAX):
            while text.encode() not in where.shown:
                self.type(line)
                await asyncio.sleep(0.05)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.ours)
        os.close(self.ours)
        os.close(self.theirs)


@contextlib.asynccontextmanager
async def at_terminal(
    start: Start, cluster: LocalCluster, *arguments: str
) -> AsyncIterator[tuple[Terminal, asyncio.subprocess.Process]]:
    """A program that leads a session at a terminal of its own; it is killed in the end if it still runs."""
    terminal = Terminal()
    theirs = terminal.theirs

    def lead() -> None:
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    process = await start(cluster, *arguments, stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=lead)
    try:
        yield terminal, process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        terminal.close()


async def call(address: str, kind: str, **body: Any) -> httpx.Response:
    async with patient_client() as client:
        return await client.post(f"http://{address}/api/v1", json={"type": kind, kind.lower(): body})


def nested_id(parent: str, own: str | None = None) -> Json:
    return {"value": own or str(uuid.uuid4()), "parent": {"value": parent}}


async def give_input(
    address: str, container: Json, pieces: list[bytes], message_type: str = "application/json"
) -> httpx.Response:
    """ATTACH_CONTAINER_INPUT with these bytes to be read."""

    async def content() -> AsyncIterator[bytes]:
        yield framed({"type": "CONTAINER_ID", "container_id": container})
        for piece in pieces:
            io = {"type": "DATA", "data": {"type": "STDIN", "data": b64encode(piece).decode()}}
            yield framed({"type": "PROCESS_IO", "process_io": io})

    return await post_records(address, content(), message_type)


def framed(asked: Json) -> bytes:
    body: Json = {"type": "ATTACH_CONTAINER_INPUT", "attach_container_input": asked}
    return record(httpx.Request("POST", "http://x", json=body).content)


async def post_records(
    address: str, content: AsyncIterator[bytes], message_type: str = "application/json"
) -> httpx.Response:
    headers = {"Content-Type": "application/recordio", "Message-Content-Type": message_type}
    async with patient_client() as client:
        return await client.post(f"http://{address}/api/v1", content=content, headers=headers)


def found_below(path: Path, pattern: str) -> Path:
    [found] = path.rglob(pattern)
    return found


def processes(*words: str) -> list[psutil.Process]:
    return [one for one in task_processes() if set(words) <= set(command_line(one))]
