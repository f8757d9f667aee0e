"""One service in a process of its own: started by its command line, awaited, ended by its process id."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Mapping
from typing import Final

from mesos_service.domain.errors import OperatingFault
from mesos_service.http.client import Connection, ConnectionFault
from mesos_service.http.dialing import PLAIN, Dialing

START_SECONDS_MAX: Final = 60.0
_PAUSE_SECONDS: Final = 0.02


class ServiceFailed(OperatingFault):
    """A service ended or did not answer; the text says which."""


class ServiceProcess:
    """``mesos-service SERVICE --NAME=VALUE ...`` as a child."""

    def __init__(self, service: str, flags: Mapping[str, object], dialing: Dialing = PLAIN) -> None:
        self._dialing = dialing
        self._service = service
        self._flags = dict(flags)
        self._process: asyncio.subprocess.Process | None = None
        port = flags.get("port")
        assert isinstance(port, int) and port, "a child's port is chosen before it starts"
        self.port = port

    @property
    def pid(self) -> int | None:
        """Its process id, once it has been started."""
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Returns when it answers ``/health``.

        Raises:
            ServiceFailed: it ended before, or took longer than ``START_SECONDS_MAX``.
        """
        flags = [f"--{name}={_as_text(value)}" for name, value in self._flags.items() if value is not None]
        command = (sys.executable, "-m", "mesos_service.cli.main", self._service, *flags)
        # A session of its own: Ctrl-C is for the cluster, which then ends its services in order.
        self._process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, start_new_session=True
        )
        loop = asyncio.get_running_loop()
        deadline = loop.time() + START_SECONDS_MAX
        while not await self._answers():
            if self._process.returncode is not None:
                raise ServiceFailed(f"The {self._service} ended with status {self._process.returncode} at its start")
            if loop.time() > deadline:
                raise ServiceFailed(f"The {self._service} does not answer at port {self.port}")
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _answers(self) -> bool:
        try:
            connection = await Connection.open("127.0.0.1", self.port, 1, self._dialing)
        except ConnectionFault:
            return False
        try:
            return (await connection.request("GET", "/health")).status == 200
        except ConnectionFault:
            return False
        finally:
            connection.close()

    async def stop(self, graceful: bool = True) -> None:
        """End it for good: asked to, with its own time to end, or by SIGKILL.

        An agent that is killed leaves running what outlives an agent.
        """
        process = self._process
        if process is None or process.returncode is not None:
            return
        try:
            if graceful:
                # SIGTERM would let an agent's tasks run on for the next agent, and there will be none.
                process.send_signal(signal.SIGUSR1 if self._service == "agent" else signal.SIGTERM)
                await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def ended(self) -> int:
        """Wait until it has ended by itself; its exit status."""
        assert self._process is not None, "it was started"
        return await self._process.wait()


def _as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
