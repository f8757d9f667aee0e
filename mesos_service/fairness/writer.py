"""The file of the journal: lines are appended until it is as long as it may become."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from mesos_service.core.effects import Told
from mesos_service.domain.errors import ConfigurationError
from mesos_service.fairness.spelling import spell

log = logging.getLogger(__name__)

_TAIL: Final = 65536


class JournalWriter:
    """Appends to the file at ``path`` until it has ``bytes_max``. What is there stays, save a last line without an end.

    A journal is worth something only without holes: after what could not be written, nothing more is until the next
    start, and the log says so. The master goes on.

    One master at a time writes to a file: two would write over each other's lines.

    Raises:
        ConfigurationError: the file cannot be opened, or another master writes to it.
    """

    def __init__(self, path: Path, bytes_max: int) -> None:
        self._path = path
        self._bytes_max = bytes_max
        try:
            self._file: int | None = _opened(path)
            self._size = _cut_off(self._file)
        except BlockingIOError as error:
            raise ConfigurationError(f"--allocation_journal: another master writes to {path}") from error
        except OSError as error:
            raise ConfigurationError(f"--allocation_journal: {path} cannot be written: {error.strerror}") from error

    def write(self, told: Iterable[Told]) -> None:
        if self._file is None:
            return
        text = b"".join(map(spell, told))
        if self._size + len(text) > self._bytes_max:
            log.warning(
                "The journal of allocations %s has its %d bytes and is left as it is", self._path, self._bytes_max
            )
            self.close()
            return
        try:
            left = memoryview(text)
            while left:
                left = left[os.write(self._file, left) :]
        except OSError as error:
            log.error("The journal of allocations %s ends here: %s", self._path, error.strerror)
            self.close()
            return
        self._size += len(text)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _opened(path: Path) -> int:
    """Raises ``BlockingIOError`` where another has it."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        raise
    return file


def _cut_off(file: int) -> int:
    """Forget what stands after the last line's end, and stand there; how long the file is then."""
    size = os.lseek(file, 0, os.SEEK_END)
    end = size
    while end:
        begin = max(0, end - _TAIL)
        found = os.pread(file, end - begin, begin).rfind(b"\n")
        if found >= 0:
            end = begin + found + 1
            break
        end = begin
    if end < size:
        os.ftruncate(file, end)
    return os.lseek(file, end, os.SEEK_SET)
