"""How wait statuses and durations read in messages (Mesos: stout)."""

from __future__ import annotations

import signal
from typing import Final

_UNITS: Final = (("weeks", 604800.0), ("days", 86400.0), ("hrs", 3600.0), ("mins", 60.0), ("secs", 1.0))

SIGNALED_BY_KILL: Final = int(signal.SIGKILL)
"""The raw wait status of a process that KILL ended."""


def describe_wait_status(status: int) -> str:
    """``exited with status 3``, ``terminated with signal Terminated``, from a raw wait status."""
    number = status & 0x7F
    if number == 0:
        return f"exited with status {(status >> 8) & 0xFF}"
    name = signal.strsignal(number) if number < signal.NSIG else None
    core_dumped = " (core dumped)" if status & 0x80 else ""
    return f"terminated with signal {name or f'Unknown signal {number}'}{core_dumped}"


def describe_seconds(seconds: float) -> str:
    """A duration in the largest unit that leaves at least one of it: ``1mins``, ``5secs``, ``1.5secs``, ``250ms``."""
    for unit, length in _UNITS:
        if seconds >= length:
            return f"{seconds / length:.15g}{unit}"
    return f"{seconds * 1000:.15g}ms"
