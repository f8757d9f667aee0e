"""A process that is started again whenever it ends, as by systemd with ``Restart=always`` and ``KillMode=process``."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

RESTART_SECONDS: Final = 0.2
_END_SECONDS_MAX: Final = 15.0


class Supervised:
    """One command under supervision, from :meth:`start` to :meth:`stop`. What it prints goes to a file.

    Only its own process is ever signalled: what it started is on its own, as ``KillMode=process`` leaves it.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        restarts: Literal["always", "on-failure"] = "always",
    ) -> None:
        self.name = name
        self.command = tuple(map(str, command))
        self.log = log
        self.ends: list[int] = []
        """Exit statuses so far; a signal counts as its negative number."""
        self._environment = environment
        self._restarts = restarts
        self._wanted = False
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._changed = asyncio.Condition()

    def start(self) -> None:
        """Start it, also after :meth:`stop`."""
        assert self._keeper is None or self._keeper.done(), "it runs already"
        self._wanted = True
        self._keeper = asyncio.create_task(self._keep(), name=f"supervisor of {self.name}")

    async def _keep(self) -> None:
        while self._wanted:
            with self.log.open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *self.command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=self._environment,
                    start_new_session=True,
                )
            status = await self._process.wait()
            async with self._changed:
                self.ends.append(status)
                self._changed.notify_all()
            if status == 0 and self._restarts == "on-failure":
                return
            if self._wanted:
                await asyncio.sleep(RESTART_SECONDS)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        assert self._process is not None, "it was started"
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process, where it runs just now."""
        if self._process is not None and self._process.returncode is None:
            # Not by the process object: that looks first whether the process has ended, and takes its exit status from
            # under asyncio's eyes (CPython 3.11), which then reports 255.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    def kill(self) -> None:
        """End it as a crash would; it is started again."""
        self.send(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end; it is started again."""
        self.send(signal.SIGTERM)

    def freeze(self) -> None:
        """Stop it where it stands, its connections open."""
        self.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.send(signal.SIGCONT)

    async def ended(self, times: int) -> int:
        """Wait until it has ended so many times since its first start; the exit status of that end."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.ends) >= times)
        return self.ends[times - 1]

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it for good, frozen or not; SIGKILL when it does not end by itself."""
        self._wanted = False
        if self._keeper is None:
            return
        self.send(how)
        self.thaw()
        try:
            async with asyncio.timeout(_END_SECONDS_MAX):
                await asyncio.shield(self._keeper)
        except TimeoutError:
            self.kill()
            await self._keeper

    def log_end(self, lines: int = 40) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""
