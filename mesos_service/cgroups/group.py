"""One group: what it counts, who is in it, and how it ends."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections.abc import Mapping
from pathlib import Path
from signal import SIGKILL

from mesos_service.cgroups.steps import write_file
from mesos_service.domain.errors import OperatingFault

LEAF = "leaf"
"""Of version 2, inner groups may have no processes when they hand on controllers, so ours are in a group below."""
PROCESSES_FILE = "cgroup.procs"
THREADS_FILE = "tasks"
"""Of version 1."""
KILL_FILE = "cgroup.kill"
FREEZE_FILE = "cgroup.freeze"
_PAUSE_SECONDS_MIN = 0.001
_PAUSE_SECONDS_MAX = 0.1
_GONE = (FileNotFoundError, ProcessLookupError)
"""What reading a group's file raises once somebody has removed the group (the latter is ENODEV's neighbour ESRCH)."""


class Group:
    """A group that may have been removed under our hands, which reading it takes for having nothing in it."""

    def __init__(self, path: Path, version: int) -> None:
        self.path = path
        self.version = version
        self.home = path / LEAF if version == 2 else path
        """Where its processes are."""

    def exists(self) -> bool:
        return os.path.isdir(self.path)  # noqa: PTH112 - pathlib's takes longer, and this is asked for every task

    def text(self, name: str) -> str | None:
        """A control file, without the last line's end; ``None`` when it is not there."""
        try:
            handle = os.open(f"{self.path}/{name}", os.O_RDONLY | os.O_CLOEXEC)
        except _GONE:
            return None
        try:
            data = os.read(handle, 65536)
            while more := os.read(handle, 65536) if data else b"":
                data += more
            return data.decode().rstrip("\n")
        except OSError:
            return None  # ENODEV: the group was removed while its file was open.
        finally:
            os.close(handle)

    def number(self, name: str) -> int | None:
        """A control file of one number; ``None`` when it is not there, or is the word ``max``."""
        text = self.text(name)
        return int(text) if text is not None and text.lstrip("-").isdigit() else None

    def table(self, name: str) -> Mapping[str, int]:
        """A control file of lines ``word number``; empty when it is not there."""
        rows = (line.split() for line in (self.text(name) or "").splitlines())
        return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}

    def files(self) -> list[str]:
        """Names of its control files, and of groups in it; none when it is not there."""
        try:
            return os.listdir(self.path)  # noqa: PTH208 - names are asked for
        except _GONE:
            return []

    def processes(self) -> list[int]:
        """Process ids of all who are in it, or in a group below it. Zombies are in none."""
        found = []
        for directory in self._below():
            text = Group(directory, self.version).text(PROCESSES_FILE)
            found += [int(line) for line in (text or "").split()]
        return found

    def _below(self) -> list[Path]:
        """It and the groups in it, each before those in it. A group has two links more than groups in it."""
        try:
            if os.stat(self.path).st_nlink == 2:  # noqa: PTH116 - as above
                return [self.path]
        except _GONE:
            return []
        return [Path(directory) for directory, _, _ in os.walk(self.path)]

    def kill(self) -> None:
        """Send SIGKILL to everybody in it; who forks meanwhile is found by the next call."""
        if self.version == 2 and self._tell(KILL_FILE):
            return
        # Version 2 of before Linux 5.14: nobody forks who stands still, and SIGKILL ends who does.
        if self.version == 2:
            self._tell(FREEZE_FILE)
        for pid in self.processes():
            try:
                os.kill(pid, SIGKILL)
            except ProcessLookupError:
                continue

    def _tell(self, name: str) -> bool:
        """Write ``1`` to a control file of version 2; whether there is such a one."""
        try:
            write_file(self.path / name, "1")
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENODEV):
                return False
            raise
        return True

    async def remove(self, seconds_max: float) -> None:
        """Kill whoever is in it, and remove it with the groups below it, which may belong to nobody else.

        Raises :class:`OperatingFault` when somebody is still there after ``seconds_max``.
        """
        deadline = time.monotonic() + seconds_max
        pause = _PAUSE_SECONDS_MIN
        while True:
            try:
                self._remove_all()
            except FileNotFoundError:
                return
            except OSError as error:
                # Busy: processes, or the last breath of some that were just killed.
                self.kill()
                if time.monotonic() > deadline:
                    raise OperatingFault(
                        f"{self.path} could not be removed: {error.strerror}; processes in it: {self.processes()}"
                    ) from error
            else:
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, _PAUSE_SECONDS_MAX)

    def remove_if_empty(self) -> bool:
        """Whether it was there with nobody and no group in it, and is gone now."""
        try:
            remove_directory(self.path)
        except OSError:
            return False
        return True

    def _remove_all(self) -> None:
        try:
            remove_directory(self.path)
        except OSError:
            for path in reversed(self._below()):
                remove_directory(path)


def remove_directory(path: Path) -> None:
    """Remove one group; the kernel takes its control files with it."""
    os.rmdir(path)  # noqa: PTH106 - as above
