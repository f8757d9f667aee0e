"""What is done to control groups, as data: planned first, shown to whoever asks (N27), then performed by one function.

Order is meaning: each step presumes those before it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mesos_service.domain.errors import OperatingFault

_TRIES_MAX = 8
"""A write to a control file can be interrupted by a signal that has nothing to do with it."""


@dataclass(frozen=True, slots=True)
class Make:
    """Make a directory, which makes a group; one that is there already is left as it is."""

    path: Path

    def __str__(self) -> str:
        return f"mkdir {self.path}"


@dataclass(frozen=True, slots=True)
class Write:
    """Write a value to a control file, which is there as soon as its group is."""

    path: Path
    value: str

    def __str__(self) -> str:
        return f"write {self.value} to {self.path}"


Step = Make | Write


def perform(steps: Iterable[Step]) -> None:
    """Do them in their order, up to the first that fails: :class:`OperatingFault` then says which, and why."""
    for step in steps:
        try:
            if isinstance(step, Make):
                make_directory(step.path)
            else:
                write_file(step.path, step.value)
        except OSError as error:
            raise OperatingFault(f"Failed to {step}: {error.strerror}") from error


def make_directory(path: Path) -> None:
    """Make one directory; nothing happens where it is."""
    try:
        os.mkdir(path, 0o755)  # noqa: PTH102 - pathlib's asks twice, and this is done for every task
    except FileExistsError:
        if not path.is_dir():
            raise


def write_file(path: Path, value: str) -> None:
    """Write to a control file in one call, as the kernel wants it."""
    # Never made here: a control file that is not there is a controller that is not there.
    handle = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
    try:
        for attempt in range(_TRIES_MAX):
            try:
                os.write(handle, value.encode())
            except InterruptedError:
                if attempt == _TRIES_MAX - 1:
                    raise
            else:
                return
    finally:
        os.close(handle)
