"""A process that the keeper keeps, as its agent sees it; and one whose keeper is gone, by what its books say."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Mapping
from typing import Any

from mesos_service.containers.keeper_proc import read
from mesos_service.containers.processes import read_stat

log = logging.getLogger(__name__)


class Kept:
    """A process that the keeper keeps. ``name`` is its container's id."""

    def __init__(self, name: str, pid: int, handle: int | None, released: bool, stays: bool) -> None:
        self.name = name
        self.pid = pid
        self.handle = handle
        """A process descriptor; ``None`` for one that is gone without a trace."""
        self.released = released
        """Whether it has been let through its gate, if it had one."""
        self.stays = stays
        """Whether it may have been given namespaces, which are not taken for the agent's own when it has left them."""
        self.exited: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        """The raw wait status; ``None`` when nobody saw it."""

    def end(self, status: int | None) -> None:
        """It is known how it ended, or that this will never be known."""
        if not self.exited.done():
            self.exited.set_result(status)

    def close(self) -> None:
        if self.handle is not None:
            os.close(self.handle)
            self.handle = None


def from_books(name: str, told: Mapping[str, Any]) -> Kept:  # Any: what a line says
    """What a keeper that is gone had written of a process."""
    try:
        pid, start_ticks, boot_id, status = (told[key] for key in ("pid", "start_ticks", "boot_id", "status"))
        if not isinstance(pid, int) or not isinstance(status, int | None):
            raise TypeError(f"its numbers are {pid!r} and {status!r}")
    except (KeyError, TypeError) as error:
        log.warning("The keeper's book on container %s cannot be read (%s): it counts as ended", name, error)
        pid, start_ticks, boot_id, status = 0, None, "", None
    stays = told.get("stays") is not False
    here = boot_id == read("/proc/sys/kernel/random/boot_id").strip()
    stat = read_stat(pid) if here and pid else None
    handle = None
    if status is None and stat is not None and not stat.dead and stat.start_ticks == start_ticks:
        # It may end at this very moment: then nobody is left whom the number could mean.
        with contextlib.suppress(ProcessLookupError):
            handle = os.pidfd_open(pid)
    if handle is None:
        one = Kept(name, pid, None, released=True, stays=stays)
        one.end(status)
        return one
    one = Kept(name, pid, handle, released=True, stays=stays)
    watch(one)
    return one


def watch(one: Kept) -> None:
    """Without a keeper it is known that it ends, and not how."""
    handle = one.handle
    assert handle is not None, "only what lives is watched"

    def ended() -> None:
        asyncio.get_running_loop().remove_reader(handle)
        one.end(None)

    asyncio.get_running_loop().add_reader(handle, ended)
