"""What the keeper and its agent read of processes, as the kernel tells it; standard library only."""

# pathlib would double the time that the keeper takes to start.
# ruff: noqa: PTH123, PTH208

from __future__ import annotations

import os


def wait_status(result: os.waitid_result) -> int:
    """Put together as ``wait`` would have given it."""
    if result.si_code == os.CLD_EXITED:
        return result.si_status << 8
    return result.si_status | (0x80 if result.si_code == os.CLD_DUMPED else 0)


def read(path: str) -> str:
    """Text of a small file."""
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def stat_of(pid: int) -> list[str] | None:
    """The columns of ``/proc/PID/stat`` behind the program's name; ``None`` when there is no such process."""
    try:
        text = read(f"/proc/{pid}/stat")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text[text.rindex(")") + 2 :].split()


def start_ticks(pid: int) -> int | None:
    """When the process began, in clock ticks since the machine did; ``None`` when there is none."""
    stat = stat_of(pid)
    return None if stat is None else int(stat[19])


def members_of_session(session: int) -> list[int]:
    """Process ids of all that are in the session."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            stat = stat_of(int(name))
            if stat is not None and int(stat[3]) == session:
                found.append(int(name))
    return found
