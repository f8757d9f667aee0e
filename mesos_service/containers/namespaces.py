"""Into the namespaces of a process that is there already, for what is launched beside it in its container.

Whichever isolator made them, the kernel tells: a namespace of the process that is not the agent's own is entered.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mesos_service.containers.plan import REASON_LAUNCH_FAILED, LaunchFailed

_POLL_SECONDS: Final = 0.005
_WAIT_SECONDS_MAX: Final = 5.0
_MAKER: Final = "unshare"
"""The program by which isolators give a container namespaces; it takes the same options as ``nsenter``."""
_KINDS: Final = {"ipc": "--ipc", "mnt": "--mount", "net": "--net", "uts": "--uts", "pid": "--pid"}


async def entering(pid: int, prefix: Sequence[str]) -> tuple[str, ...]:
    """The command prefix that leads to where ``pid`` is; empty when that is here. ``prefix`` is what ``pid`` was
    launched with: the namespaces that it makes are waited for.

    Raises:
        LaunchFailed: the process is gone, or it cannot be followed.
    """
    made = any(part.rpartition("/")[2] == _MAKER for part in prefix)
    wanted = set(_KINDS.values()).intersection(prefix) if made else set()
    waited = 0.0
    while True:
        innermost = _innermost(pid)
        found = _other_than_ours(innermost)
        if wanted <= set(found):
            break
        if waited >= _WAIT_SECONDS_MAX:
            raise LaunchFailed(REASON_LAUNCH_FAILED, f"Process {pid} has not come to its namespaces")
        # The kernel tells nobody of it.
        await asyncio.sleep(_POLL_SECONDS)
        waited += _POLL_SECONDS
    if not found:
        return ()
    program = shutil.which("nsenter")
    if program is None:
        raise LaunchFailed(
            REASON_LAUNCH_FAILED, "To run beside a process in its namespaces takes the program 'nsenter' (util-linux)"
        )
    return (program, *(f"{option}=/proc/{innermost}/ns/{kind}" for option, kind in found.items()), "--")


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


def _other_than_ours(pid: int) -> dict[str, str]:
    """Kinds by the option that enters them."""
    try:
        return {
            option: kind
            for kind, option in _KINDS.items()
            if Path(f"/proc/{pid}/ns/{kind}").readlink() != Path(f"/proc/self/ns/{kind}").readlink()
        }
    except PermissionError:
        # Another user's process, and we are not root: then nobody gave it namespaces either.
        return {}
    except (FileNotFoundError, ProcessLookupError) as error:
        raise LaunchFailed(REASON_LAUNCH_FAILED, f"Process {pid} has ended") from error
