"""Starts, signals and kills the processes of a container.

The agent is not the parent of what it runs, so that its end is not theirs: the keeper is (``keeper.py``), a small
process that spawns for it a small shell, which leads a session of its own, waits at a gate where isolators ask for it,
changes into the sandbox and executes the command in its place (``posix_spawn`` can do none of the three). Every text
reaches that shell as an argument, never as code.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, Protocol

from mesos_service.containers.first_process import Launch, command_line
from mesos_service.containers.kept import KeeperLink
from mesos_service.containers.kept_process import Kept
from mesos_service.containers.plan import (
    CONTAINER_ID_VARIABLE,
    REASON_LAUNCH_FAILED,
    DestroyFailed,
    LaunchFailed,
)
from mesos_service.containers.processes import Census, Forks, Lineage, ProcessStat, read_stat, still
from mesos_service.containers.thawing import thaw
from mesos_service.domain.errors import ConfigurationError, OperatingFault

_TERMINATING: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT})
_SCANS_MAX: Final = 8
"""How often a signal looks for processes that were born while it was being sent."""

_DEATH_SECONDS: Final = 1.0
"""Who was killed and is still there after that may be frozen."""


class Child:
    """The first process of a container, alive or a zombie, until the launcher destroys it."""

    def __init__(self, kept: Kept, lineage: Lineage) -> None:
        self.kept = kept
        self.pid = kept.pid
        self.lineage = lineage
        self.exited = kept.exited
        """The raw wait status, when the process has ended; ``None`` when nobody saw how."""


Fence = Callable[[], Sequence[int]]
"""The process ids of a container that no process gets out of."""


class Launcher(Protocol):
    """How processes are started and ended; ``posix`` here, ``linux`` (namespaces, cgroups) beside it one day."""

    name: str

    async def fork(self, launch: Launch) -> Child:
        """Start it. Raises :class:`LaunchFailed`; then nothing was started."""

    def release(self, child: Child) -> None:
        """Let a gated one execute its command."""

    async def recover(self) -> Mapping[str, Child]:
        """All that an agent before this one left, by container id; to be destroyed like one's own."""

    def processes(self, child: Child) -> Sequence[int]:
        """Process ids now, or at most a second ago."""

    def signal(self, child: Child, signum: int) -> None:
        """Send to every process of the container that can be found."""

    async def destroy(self, child: Child, fence: Fence | None = None) -> None:
        """Kill every process and wait until none is left. Call once. Raises :class:`DestroyFailed`.

        ``fence`` tells, each time anew, who belongs to the container; ``None`` where nobody can.
        """


class PosixLauncher:
    """Sessions and ``/proc``; needs no privilege (M-AG-02).

    Processes are watched through process descriptors: no SIGCHLD handler, no polling, and no interference with
    children of this process. Raises :class:`ConfigurationError` on a kernel without them (Linux before 5.4) and where
    SIGCHLD is ignored, which would lose wait statuses.
    """

    name = "posix"

    def __init__(self, keeper: KeeperLink) -> None:
        self._keeper = keeper
        _require_process_descriptors()
        _seal_descriptors()
        self._census = Census()
        self._forks = Forks()

    async def fork(self, launch: Launch) -> Child:
        """Start a container's first process; raises :class:`LaunchFailed`."""
        forks_before = self._forks.before()
        try:
            kept = await self._keeper.launch(
                launch.name,
                command_line(launch),
                launch.environment,
                launch.streams,
                gated=launch.gated,
                survives=launch.survives,
                speaks=bool(launch.joins),
                stays=launch.begun is not None,
            )
        except OperatingFault as error:
            raise LaunchFailed(REASON_LAUNCH_FAILED, str(error)) from error
        return self._child(kept, forks_before)

    def release(self, child: Child) -> None:
        """Let it execute the command."""
        self._keeper.release(child.kept)

    async def recover(self) -> Mapping[str, Child]:
        """All that an agent before this one left, by container id. Raises :class:`OperatingFault`."""
        return {kept.name: self._child(kept, 0) for kept in await self._keeper.recover()}

    def _child(self, kept: Kept, forks_before: int) -> Child:
        mark = f"{CONTAINER_ID_VARIABLE}={kept.name}"
        return Child(kept, Lineage(kept.pid, mark, forks_before, self._keeper.pid, self._keeper.leaders))

    def processes(self, child: Child) -> Sequence[int]:
        """Process ids now, or at most a second ago."""
        return self._census.processes(child.lineage)

    def signal(self, child: Child, signum: int) -> None:
        """Send to the first process, its session and its group, its descendants, and to what carries its mark.

        A stopped process is woken by a signal that asks it to end, which it could not follow otherwise.
        """
        # Looked for before the first of them dies: a parent may be all that tells whose a process is.
        untold = child.lineage.members()
        _send(child.kept.handle, signum)
        told: set[int] = set()
        for _ in range(_SCANS_MAX):
            for stat in untold:
                told.add(stat.pid)
                handle = _open_process(stat)
                if handle is None:
                    continue
                try:
                    _send(handle, signum)
                    if stat.state == "T" and signum in _TERMINATING:
                        _send(handle, signal.SIGCONT)
                except PermissionError:
                    pass  # It became another user (a set-user-id program); destroy reports it if it stays.
                finally:
                    os.close(handle)
            untold = [stat for stat in child.lineage.members(told) if stat.pid not in told]
            if not untold:
                return

    async def destroy(self, child: Child, fence: Fence | None = None) -> None:
        """Kill, wait, and look again until a look finds nobody; then reap the first process."""
        beyond_reach: dict[int, ProcessStat] = {}
        killed: set[int] = set()
        try:
            while True:
                found = child.lineage.members(killed) if fence is None else _fenced(fence, child.pid)
                victims = [stat for stat in found if stat.pid not in beyond_reach]
                if not victims and child.exited.done():
                    break
                _send(child.kept.handle, signal.SIGKILL)
                deaths: list[asyncio.Future[int | None] | asyncio.Future[None]] = [asyncio.shield(child.exited)]
                handles: list[int] = []
                try:
                    for stat in victims:
                        handle = _open_process(stat)
                        if handle is None:
                            continue
                        handles.append(handle)
                        try:
                            _send(handle, signal.SIGKILL)
                        except PermissionError:
                            beyond_reach[stat.pid] = stat
                            continue
                        killed.add(stat.pid)
                        deaths.append(_readable(handle))
                    while (await asyncio.wait(deaths, timeout=_DEATH_SECONDS))[1]:
                        # Whatever keeps the others is beyond us, and may pass.
                        thaw([child.pid, *killed])
                finally:
                    for handle in handles:
                        asyncio.get_running_loop().remove_reader(handle)
                        os.close(handle)
        finally:
            if child.exited.done():
                self._keeper.reap(child.kept)
        left = [stat.pid for stat in beyond_reach.values() if still(stat)]
        if left:
            raise DestroyFailed(f"Processes {left} belong to another user now and could not be killed")


def _require_process_descriptors() -> None:
    if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
        raise ConfigurationError("SIGCHLD is ignored in this process, so exit statuses would be lost; do not ignore it")
    try:
        handle = os.pidfd_open(os.getpid())
    except (AttributeError, OSError) as error:
        raise ConfigurationError(
            f"The posix launcher needs process descriptors (Linux 5.4 or newer): {error}"
        ) from error
    os.close(handle)


def _seal_descriptors() -> None:
    """Keep what we were born with from our children: Python's own descriptors are sealed, inherited ones are not."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - numbers, not paths
        if int(name) > 2:
            try:
                os.set_inheritable(int(name), False)
            except OSError as error:
                if error.errno != errno.EBADF:  # The listing's own descriptor is closed by now.
                    raise


def _fenced(fence: Fence, leader: int) -> list[ProcessStat]:
    """The living processes behind the fence, the first one left out."""
    stats = [stat for pid in fence() if pid != leader and (stat := read_stat(pid)) is not None and not stat.dead]
    # A number that still stands there was not given to a stranger before it was looked at.
    there = set(fence()) if stats else ()
    return [stat for stat in stats if stat.pid in there]


def _open_process(stat: ProcessStat) -> int | None:
    """A descriptor of that very process, or ``None`` when it is gone."""
    try:
        handle = os.pidfd_open(stat.pid)
    except OSError as error:
        if error.errno in (errno.ESRCH, errno.EINVAL):
            return None
        raise
    if still(stat):
        return handle
    os.close(handle)
    return None


def _send(handle: int | None, signum: int) -> None:
    if handle is not None:
        with suppress(ProcessLookupError):  # It was faster.
            signal.pidfd_send_signal(handle, signum)


def _readable(handle: int) -> asyncio.Future[None]:
    """Done when the process has ended."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def on_end() -> None:
        loop.remove_reader(handle)
        if not ended.done():
            ended.set_result(None)

    loop.add_reader(handle, on_end)
    return ended
