"""``exec`` and ``attach``: this terminal, connected to a container (M-OA-04).

They use the agent's operator API as any other client would, so they work with Apache Mesos' agents too.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import struct
import sys
import termios
import threading
import tty
import uuid
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

import httpx
import msgspec

from mesos_service.cli.reads import ask, decode
from mesos_service.domain.errors import ConfigurationError, OperatingFault
from mesos_service.http.dialing import Dialing, from_environment
from mesos_service.sdk.tasks import command_info
from mesos_service.wire.agent_operator import ProcessIO
from mesos_service.wire.agent_operator import Response as AgentResponse
from mesos_service.wire.common import ContainerID
from mesos_service.wire.recordio import RecordReader, record
from mesos_service.wire.tasks import Task

END_OF_INPUT: Final = b"\x04"
"""Ctrl-D, as it is typed at a terminal."""
DETACH: Final = b"\x10\x11"
"""Ctrl-P, Ctrl-Q: what leaves a task that one is attached to by a terminal."""
READ_BYTES: Final = 16 * 1024
HEARTBEAT_SECONDS: Final = 30.0
CONNECT_SECONDS_MAX: Final = 10.0
_RECORDIO: Final = {
    "Content-Type": "application/json",
    "Accept": "application/recordio",
    "Message-Accept": "application/json",
}


@dataclass(frozen=True, slots=True)
class Place:
    """A container, and the agent that it is on."""

    agent: str
    """``host:port``"""
    container: ContainerID


def locate(master: str, task_id: str, framework: str | None) -> Place:
    """Where a task runs.

    Raises:
        OperatingFault: no such task runs, or its agent has not said where.
        ConfigurationError: several frameworks have a task of this name.
    """
    found = decode(ask(master, "GET_TASKS")).get_tasks
    tasks = [
        task
        for task in (found.tasks if found is not None else ())
        if task.task_id.value == task_id and framework in (None, task.framework_id.value)
    ]
    if not tasks:
        raise OperatingFault(f"no task '{task_id}' runs{f' of framework {framework}' if framework else ''}")
    if len(tasks) > 1:
        owners = ", ".join(task.framework_id.value for task in tasks)
        raise ConfigurationError(f"several frameworks run a task '{task_id}'; name one with --framework: {owners}")
    container = _container(tasks[0])
    agents = decode(ask(master, "GET_AGENTS")).get_agents
    for agent in agents.agents if agents is not None else ():
        if agent.agent_info.id == tasks[0].agent_id and agent.pid is not None:
            return Place(agent.pid.rpartition("@")[2], container)
    raise OperatingFault(f"the agent of task '{task_id}' is not there")


def _container(task: Task) -> ContainerID:
    for status in reversed(task.statuses):
        if status.container_status is not None and status.container_status.container_id is not None:
            return status.container_status.container_id
    raise OperatingFault(f"the agent of task '{task.task_id.value}' has not said in which container it runs")


def exec_command(
    task_id: str,
    command: Sequence[str],
    *,
    master: str,
    framework: str | None,
    terminal: bool | None,
    stdin: bool,
) -> int:
    """Run a command beside a task, in its container, with this terminal; its exit status.

    ``terminal`` ``None``: if this is one. Raises :class:`OperatingFault`.
    """
    place = locate(master, task_id, framework)
    with_terminal = sys.stdin.isatty() and sys.stdout.isatty() if terminal is None else terminal
    container = ContainerID(value=str(uuid.uuid4()), parent=place.container)
    info = command_info(command[0] if len(command) == 1 else list(command))
    call: dict[str, object] = {"container_id": container, "command": info}
    if with_terminal:
        call["container"] = {"type": "MESOS", "tty_info": _tty_info()}
    body = {"type": "LAUNCH_NESTED_CONTAINER_SESSION", "launch_nested_container_session": call}
    session = Session(place.agent, container, from_environment().towards(master), with_terminal, b"")
    return session.run(body, with_input=stdin, wait="WAIT_NESTED_CONTAINER")


def attach(task_id: str, *, master: str, framework: str | None, stdin: bool) -> int:
    """Show what a task writes, and let it read what is typed here where it has a terminal; its exit status.

    Raises :class:`OperatingFault`.
    """
    place = locate(master, task_id, framework)
    body = {"type": "ATTACH_CONTAINER_OUTPUT", "attach_container_output": {"container_id": place.container}}
    session = Session(place.agent, place.container, from_environment().towards(master), True, DETACH)
    return session.run(body, with_input=stdin and sys.stdin.isatty(), wait="WAIT_CONTAINER")


class Session:
    """One container, and this process's standard input and output. ``leave`` typed at a terminal ends the session."""

    def __init__(self, agent: str, container: ContainerID, dialing: Dialing, terminal: bool, leave: bytes) -> None:
        self._agent = agent
        self._url = f"{dialing.scheme}://{agent}/api/v1"
        self._container = container
        self._dialing = dialing
        self._terminal = terminal
        self._leave = leave
        self._left = asyncio.Event()
        self._typed: asyncio.Queue[bytes | None] = asyncio.Queue(8)
        """What was read of standard input; ``None`` is its end."""
        self._resized = asyncio.Event()

    def run(self, body: Mapping[str, object], *, with_input: bool, wait: str) -> int:
        """Begin with this call, go on until either side ends; the container's exit status, 0 when left before."""
        try:
            return asyncio.run(self._run(body, with_input, wait))
        except httpx.TimeoutException as error:
            raise OperatingFault(f"the agent at {self._agent} did not answer in time") from error
        except httpx.HTTPError as error:
            raise OperatingFault(f"the connection to the agent at {self._agent} failed: {error}") from error
        except KeyboardInterrupt:
            return 128 + signal.SIGINT

    async def _run(self, body: Mapping[str, object], with_input: bool, wait: str) -> int:
        # What stays open stays open for as long as it likes; only connecting is bounded.
        timeout = httpx.Timeout(None, connect=CONNECT_SECONDS_MAX)
        async with httpx.AsyncClient(
            timeout=timeout, trust_env=False, verify=self._dialing.tls or True, headers=self._dialing.headers
        ) as client:
            content = msgspec.json.encode(body)
            async with client.stream("POST", self._url, content=content, headers=_RECORDIO) as answer:
                if answer.status_code != httpx.codes.OK:
                    said = (await answer.aread()).decode(errors="replace").strip() or answer.reason_phrase
                    raise OperatingFault(f"the agent at {self._agent} refused ({answer.status_code}): {said}")
                waiting = asyncio.create_task(self._wait(client, wait))
                typing = asyncio.create_task(self._input(client)) if with_input else None
                try:
                    with self._raw(with_input):
                        if await self._output(answer):
                            return 0
                    return await waiting
                finally:
                    for task in (waiting, typing):
                        if task is not None:
                            task.cancel()
                            with suppress(asyncio.CancelledError, httpx.HTTPError):
                                await task

    async def _output(self, answer: httpx.Response) -> bool:
        """Write what comes until it ends, or the user leaves: then ``True``."""
        leaving = asyncio.create_task(self._left.wait())
        reading = asyncio.create_task(self._write_all(answer))
        try:
            await asyncio.wait((leaving, reading), return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                return True
            reading.result()
            return False
        finally:
            leaving.cancel()
            reading.cancel()

    async def _write_all(self, answer: httpx.Response) -> None:
        records = RecordReader()
        async for chunk in answer.aiter_raw():
            for one in records.feed(chunk):
                said = msgspec.json.decode(one, type=ProcessIO)
                if said.type != "DATA" or said.data is None or said.data.data is None:
                    continue
                left = memoryview(said.data.data)
                while left:
                    # A reader of ours that is slow makes the container wait, as a pipe would.
                    left = left[os.write(2 if said.data.type == "STDERR" else 1, left) :]

    async def _wait(self, client: httpx.AsyncClient, call: str) -> int:
        body = msgspec.json.encode({"type": call, call.lower(): {"container_id": self._container}})
        answer = await client.post(self._url, content=body, headers={"Content-Type": "application/json"})
        if answer.status_code != httpx.codes.OK:
            raise OperatingFault(f"how it ended is not known: the agent at {self._agent} said {answer.text.strip()}")
        told = msgspec.json.decode(answer.content, type=AgentResponse)
        waited = told.wait_nested_container or told.wait_container
        status = waited.exit_status if waited is not None else None
        if status is None:
            raise OperatingFault("how it ended is not known")
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else 128 - code

    # -- input -----------------------------------------------------------------------------------------------
    async def _input(self, client: httpx.AsyncClient) -> None:
        loop = asyncio.get_running_loop()
        if self._terminal and sys.stdin.isatty():
            loop.add_signal_handler(signal.SIGWINCH, self._resized.set)
            self._resized.set()
        # A thread, as a file can be read without waiting but not be waited for.
        threading.Thread(target=self._read_stdin, args=(loop,), daemon=True).start()
        headers = {"Content-Type": "application/recordio", "Message-Content-Type": "application/json"}
        await client.post(self._url, content=self._records(), headers=headers)

    def _read_stdin(self, loop: asyncio.AbstractEventLoop) -> None:
        held = b""
        while True:
            try:
                data = os.read(0, READ_BYTES)
            except OSError:
                data = b""
            if self._leave and sys.stdin.isatty():
                data, held = held + data, b""
                before, found, _ = data.partition(self._leave)
                if found:
                    loop.call_soon_threadsafe(self._left.set)
                    return
                if data.endswith(self._leave[:1]) and data != self._leave[:1] * 2:
                    data, held = before[:-1], self._leave[:1]
            if not data and held:
                continue
            try:
                asyncio.run_coroutine_threadsafe(self._typed.put(data or None), loop).result()
            except RuntimeError:
                return  # The loop is over.
            if not data:
                return

    async def _records(self) -> AsyncIterator[bytes]:
        yield _input_record({"type": "CONTAINER_ID", "container_id": self._container})
        while True:
            if self._resized.is_set():
                self._resized.clear()
                control = {"type": "TTY_INFO", "tty_info": _tty_info()}
                yield _input_record(_process_io({"type": "CONTROL", "control": control}))
            typed = asyncio.ensure_future(self._typed.get())
            resized = asyncio.ensure_future(self._resized.wait())
            done, _ = await asyncio.wait(
                (typed, resized), timeout=HEARTBEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            resized.cancel()
            if typed not in done:
                typed.cancel()
                if not done:
                    interval = {"nanoseconds": int(HEARTBEAT_SECONDS * 1_000_000_000)}
                    control = {"type": "HEARTBEAT", "heartbeat": {"interval": interval}}
                    yield _input_record(_process_io({"type": "CONTROL", "control": control}))
                continue
            data = typed.result()
            # Nothing is the end of a pipe. A terminal has no end: it is typed there.
            text = b64encode(data or (END_OF_INPUT if self._terminal and not sys.stdin.isatty() else b"")).decode()
            yield _input_record(_process_io({"type": "DATA", "data": {"type": "STDIN", "data": text}}))
            if data is None:
                return

    @contextmanager
    def _raw(self, with_input: bool) -> Iterator[None]:
        """Hand every key to the container, and give the terminal back as it was."""
        if not (self._terminal and with_input and sys.stdin.isatty()):
            yield
            return
        before = termios.tcgetattr(0)
        tty.setraw(0, termios.TCSADRAIN)  # What was typed ahead is not to be lost.
        try:
            yield
        finally:
            termios.tcsetattr(0, termios.TCSADRAIN, before)


def _input_record(asked: dict[str, object]) -> bytes:
    return record(msgspec.json.encode({"type": "ATTACH_CONTAINER_INPUT", "attach_container_input": asked}))


def _process_io(said: dict[str, object]) -> dict[str, object]:
    return {"type": "PROCESS_IO", "process_io": said}


def _tty_info() -> dict[str, object]:
    try:
        rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(1, termios.TIOCGWINSZ, bytes(8)))
    except OSError:
        rows = columns = 0
    return {"window_size": {"rows": rows or 24, "columns": columns or 80}}
