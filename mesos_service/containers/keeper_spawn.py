"""How the keeper starts a process; standard library only."""

from __future__ import annotations

import errno
import os
import signal

from mesos_service.containers.keeper_packets import GATE, VOICE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any  # At run time it would cost a third of the start.

DESCRIPTORS_SPARE = 16
"""How many are left for agents that connect, packets and books: what keeps all others must not end for want of one."""
IGNORED = (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ)
_DEFAULTS = tuple(number for number in range(1, 32) if number not in (signal.SIGKILL, signal.SIGSTOP))
"""What a task finds, whatever the agent was started with: a shell's background jobs ignore SIGQUIT, too."""


def spawn(
    call: dict[str, Any],  # Any: what the packet says; both ends are ours
    stdout: int,
    stderr: int,
    stdin: int | None,
) -> tuple[int, int | None, int | None]:
    """Start what a packet asks for; gives its process id, the keeper's end of its gate, and of its voice.

    Nothing is left open where it fails.

    Raises:
        OSError: it cannot be started.
        ValueError, KeyError, TypeError, IndexError: the packet makes no sense.
    """
    gate: int | None = None
    entrance: int | None = None
    voice: int | None = None
    mouth: int | None = None
    actions: list[tuple[int, int, str, int, int] | tuple[int, int, int]]
    if call.get("terminal"):
        # Who leads a session without a terminal gets the first one that it opens.
        actions = [(os.POSIX_SPAWN_OPEN, 0, call["terminal"], os.O_RDWR, 0)]
        actions += [(os.POSIX_SPAWN_DUP2, 0, number) for number in (1, 2)]
    else:
        read_from = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
        actions = [
            read_from if stdin is None else (os.POSIX_SPAWN_DUP2, stdin, 0),
            (os.POSIX_SPAWN_DUP2, stdout, 1),
            (os.POSIX_SPAWN_DUP2, stderr, 2),
        ]
    try:
        next_free = os.dup(stderr)
        os.close(next_free)
        if next_free >= os.sysconf("SC_OPEN_MAX") - DESCRIPTORS_SPARE:
            raise OSError(errno.EMFILE, "the keeper has too many files open; raise the agent's LimitNOFILE")
        if call["gated"]:
            entrance, gate = os.pipe2(os.O_CLOEXEC)
            actions.append((os.POSIX_SPAWN_DUP2, entrance, GATE))
        if call.get("speaks"):
            voice, mouth = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
            actions.append((os.POSIX_SPAWN_DUP2, mouth, VOICE))
        pid = os.posix_spawn(
            call["argv"][0],
            call["argv"],
            call["environment"],
            file_actions=actions,
            setsid=True,
            setsigmask=(),
            # An ignored signal would stay ignored in the task.
            setsigdef=_DEFAULTS,
        )
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        for end in (gate, voice):
            if end is not None:
                os.close(end)
        raise
    finally:
        for end in (entrance, mouth):
            if end is not None:
                os.close(end)
    return pid, gate, voice
