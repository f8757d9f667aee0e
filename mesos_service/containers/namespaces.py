"""Into the namespaces of a process that is there already, for what is launched beside it in its container.

Whichever isolator made them, the kernel tells: a namespace of the process that is not the agent's own is entered.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mesos_service.containers.plan import REASON_LAUNCH_FAILED, LaunchFailed

_POLL_SECONDS: Final = 0.005
_WAIT_SECONDS_MAX: Final = 5.0
_MAKER: Final = "unshare"
"""The program by which isolators give a container namespaces; it takes the same options as ``nsenter``."""
_KINDS: Final = {"ipc": "--ipc", "mnt": "--mount", "net": "--net", "uts": "--uts", "pid": "--pid"}
"""By kind, the option of both programs."""


@dataclass(frozen=True, slots=True)
class Namespaces:
    """Those of a process that are not the agent's own."""

    pid: int
    kinds: Sequence[str]
    root: tuple[int, int]
    """Its root directory, as device and inode."""

    def entering(self) -> tuple[str, ...]:
        """The command prefix that leads there; the programs after it are those of the machine.

        Raises:
            LaunchFailed: the program for it is not there.
        """
        program = shutil.which("nsenter")
        if program is None:
            raise LaunchFailed(
                REASON_LAUNCH_FAILED,
                "To run beside a process in its namespaces takes the program 'nsenter' (util-linux)",
            )
        return (program, *(f"{_KINDS[kind]}={path}" for kind, path in self.files().items()), "--")

    def files(self) -> dict[str, str]:
        """Their files, by kind."""
        return {kind: f"/proc/{self.pid}/ns/{kind}" for kind in self.kinds}


async def namespaces_of(pid: int, prefix: Sequence[str], rooted: bool = False) -> Namespaces | None:
    """Where ``pid`` is; ``None`` when that is here. ``prefix`` is what ``pid`` was launched with: the namespaces that
    it makes are waited for, and where it is ``rooted``, a root that is not the machine's.

    Raises:
        LaunchFailed: the process is gone, or it cannot be followed.
    """
    makers = [place for place, part in enumerate(prefix) if part.rpartition("/")[2] == _MAKER]
    wanted = {kind for kind, option in _KINDS.items() if option in prefix} if makers else set()
    # Several may make the same kind, one within the other: who still has the last of them before him is not there yet.
    ahead = _as_command_line(prefix[makers[-1] :]) if makers else None
    waited = 0.0
    while True:
        innermost = _innermost(pid)
        found = _other_than_ours(innermost)
        root = _root_of(innermost)
        begun = ahead is None or ahead not in _command_line_of(innermost)
        if begun and wanted <= set(found) and not (rooted and root == _root_of(os.getpid())):
            break
        if waited >= _WAIT_SECONDS_MAX:
            raise LaunchFailed(REASON_LAUNCH_FAILED, f"Process {pid} has not come to its namespaces")
        # The kernel tells nobody of it.
        await asyncio.sleep(_POLL_SECONDS)
        waited += _POLL_SECONDS
    return Namespaces(innermost, found, root) if found else None


def _as_command_line(parts: Sequence[str]) -> bytes:
    return b"".join(os.fsencode(part) + b"\0" for part in parts)


def _command_line_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError) as error:
        raise LaunchFailed(REASON_LAUNCH_FAILED, f"Process {pid} has ended") from error


def _innermost(pid: int) -> int:
    """Who makes a namespace of processes stands outside it, and its child inside."""
    try:
        while (here := Path(f"/proc/{pid}/ns/pid_for_children").readlink()) != Path(f"/proc/{pid}/ns/pid").readlink():
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            inside = [one for one in children if Path(f"/proc/{one}/ns/pid").readlink() == here]
            if not inside:
                break
            pid = int(inside[0])
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        pass  # It has ended, or is another user's: what can be said of it is said below.
    return pid


def _other_than_ours(pid: int) -> list[str]:
    try:
        return [
            kind
            for kind in _KINDS
            if Path(f"/proc/{pid}/ns/{kind}").readlink() != Path(f"/proc/self/ns/{kind}").readlink()
        ]
    except PermissionError:
        # Another user's process, and we are not root: then nobody gave it namespaces either.
        return []
    except (FileNotFoundError, ProcessLookupError) as error:
        raise LaunchFailed(REASON_LAUNCH_FAILED, f"Process {pid} has ended") from error


def _root_of(pid: int) -> tuple[int, int]:
    try:
        root = Path(f"/proc/{pid}/root/.").stat()
    except PermissionError:
        return (0, 0)  # As above.
    except (FileNotFoundError, ProcessLookupError) as error:
        raise LaunchFailed(REASON_LAUNCH_FAILED, f"Process {pid} has ended") from error
    return root.st_dev, root.st_ino
