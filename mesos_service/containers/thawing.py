"""Lets those die who are frozen: in the freezer of version 1 of control groups not even KILL ends anybody.

A task that may write there can go into a group of its own and freeze that, and whoever waits for its end waits for
ever. In version 2 who is frozen can be killed.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

log = logging.getLogger(__name__)

_CONTROLLER = "freezer"


def thaw(pids: Iterable[int], proc: Path = Path("/proc")) -> None:
    """Thaw the groups that these processes are frozen in, except those that this process is in as well."""
    place = _mounted(proc)
    if place is None:
        return
    ours = {place, *_groups(proc, os.getpid(), place)}
    for group in {group for pid in pids for group in _groups(proc, pid, place)} - ours:
        state = group / "freezer.state"
        try:
            if state.read_text().strip() != "THAWED":
                log.warning("Processes that are to end are frozen in %s, which is thawed", group)
                state.write_text("THAWED")
        except OSError as error:
            log.warning("%s cannot be thawed: %s", group, error)


def _mounted(proc: Path) -> Path | None:
    for line in (proc / "self" / "mounts").read_text(errors="surrogateescape").splitlines():
        _, place, kind, options, *_ = line.split()
        if kind == "cgroup" and _CONTROLLER in options.split(","):
            return Path(place)
    return None


def _groups(proc: Path, pid: int, place: Path) -> Iterator[Path]:
    """The group of a process, and those around it."""
    try:
        lines = (proc / str(pid) / "cgroup").read_text(errors="surrogateescape").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        group = place / path.lstrip("/")
        if _CONTROLLER in controllers.split(",") and ".." not in group.parts:
            while group != place:
                yield group
                group = group.parent
