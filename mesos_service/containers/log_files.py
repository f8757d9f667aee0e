"""The files that a container's output goes to, opened where nobody can have put a link."""

from __future__ import annotations

import fcntl
import os
import stat as file_modes
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mesos_service.containers.beneath import opened
from mesos_service.containers.keeper_packets import GATE
from mesos_service.containers.plan import REASON_LAUNCH_FAILED, LaunchFailed
from mesos_service.containers.users import User

_LOG_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def open_log(directory: Path, name: str, user: User | None) -> int:
    """Open a container's ``stdout`` or ``stderr`` for appending; the caller closes it.

    Raises :class:`LaunchFailed` when the name is taken by something else, a symbolic link above all.
    """
    [handle] = open_logs(directory, (name,), user)
    return handle


def open_logs(directory: Path, names: Sequence[str], user: User | None) -> list[int]:
    """As :func:`open_log`, several on one walk to their directory; none stays open when one cannot be had."""
    handles: list[int] = []
    name = names[0]
    try:
        with opened(directory) as sandbox:
            for name in names:
                handles.append(_open_log(sandbox, directory, name, user))
    except (OSError, LaunchFailed) as error:
        for handle in handles:
            os.close(handle)
        if isinstance(error, LaunchFailed):
            raise
        raise LaunchFailed(
            REASON_LAUNCH_FAILED, f"Failed to open '{directory / name}' for output: {error.strerror}"
        ) from error
    return handles


def _open_log(sandbox: int, directory: Path, name: str, user: User | None) -> int:
    handle = os.open(name, _LOG_FLAGS, 0o644, dir_fd=sandbox)
    if not file_modes.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise LaunchFailed(REASON_LAUNCH_FAILED, f"'{directory / name}' is not a regular file")
    if user is not None:
        os.fchown(handle, user.uid, user.gid)
    if handle <= GATE:
        # The numbers up to the gate are handed out anew in the child.
        low, handle = handle, fcntl.fcntl(handle, fcntl.F_DUPFD_CLOEXEC, GATE + 1)
        os.close(low)
    os.set_blocking(handle, True)
    return handle
