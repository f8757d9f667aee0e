"""The files of the journal: lines are appended to one, and it is put aside as a segment when it is long enough."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Protocol

from mesos_service.core.effects import Told
from mesos_service.domain.errors import ConfigurationError
from mesos_service.fairness.restating import Restater
from mesos_service.fairness.segments import number_of, segment, segments, start_of
from mesos_service.fairness.spelling import spell

log = logging.getLogger(__name__)

SEGMENTS: Final = 8
"""So many make a journal that is full."""
_TAIL: Final = 65536


class Helper(Protocol):
    """Works out what stood at the start of a segment, beside the writer."""

    def start(self, path: Path) -> None:
        """The journal ``path`` has a segment more."""

    def stop(self) -> None:
        """No more of it is needed."""


class JournalWriter:
    """Appends to the file at ``path``; an eighth of ``bytes_max`` makes a segment. What is there stays, save a last
    line without an end, until all segments together have ``bytes_max``: then the oldest goes, as soon as ``helper`` has
    told what stood before the next one. Where it does not come to that, nothing more is written at twice as much.

    A journal is worth something only without holes: after what could not be written, nothing more is until the next
    start, and the log says so. The master goes on.

    One master at a time writes to a file: two would write over each other's lines.

    Raises:
        ConfigurationError: the file cannot be opened, or another master writes to it.
    """

    def __init__(self, path: Path, bytes_max: int, helper: Helper | None = None) -> None:
        # Segments belong beside the file and not beside a link to it, which renaming would take away.
        self._path = path.resolve()
        self._bytes_max = bytes_max
        self._helper: Helper = Restater() if helper is None else helper
        try:
            self._file: int | None = _opened(path)
            self._size = _cut_off(self._file)
            self._number = max(segments(self._path), default=0) + 1
            if self._size:
                # Somebody may have taken away complete ones: what the file says of itself holds.
                self._number = max(self._number, number_of(self._path, self._number))
            else:
                self._begin_segment()
        except BlockingIOError as error:
            raise ConfigurationError(f"--allocation_journal: another master writes to {path}") from error
        except OSError as error:
            raise ConfigurationError(f"--allocation_journal: {path} cannot be written: {error.strerror}") from error

    def write(self, told: Iterable[Told]) -> None:
        if self._file is None:
            return
        text = b"".join(map(spell, told))
        try:
            if self._size and self._size + len(text) > self._bytes_max // SEGMENTS:
                self._next_segment()
                if not self._has_room(len(text)):
                    log.warning(
                        "The journal of allocations %s has twice its %d bytes and is left as it is: what stood before"
                        " its segments could not be worked out",
                        self._path,
                        self._bytes_max,
                    )
                    self.close()
                    return
            self._append(text)
        except OSError as error:
            log.error("The journal of allocations %s ends here: %s", self._path, error.strerror)
            self.close()

    def _append(self, text: bytes) -> None:
        assert self._file is not None, "it is open"
        left = memoryview(text)
        while left:
            left = left[os.write(self._file, left) :]
        self._size += len(text)

    def _begin_segment(self) -> None:
        if self._number > 1:
            self._append(spell(Told("segment", (self._number,))))

    def _next_segment(self) -> None:
        assert self._file is not None, "it is open"
        self._path.rename(segment(self._path, self._number))
        before, self._file = self._file, _opened(self._path, os.O_EXCL)
        os.close(before)
        self._number += 1
        self._size = 0
        self._begin_segment()
        self._helper.start(self._path)

    def _has_room(self, bytes_more: int) -> bool:
        """Let the oldest segments go until there is."""
        sizes = {
            number: sum(one.stat().st_size for one in (file, start_of(self._path, number)) if one.exists())
            for number, file in segments(self._path).items()
        }
        most = self._bytes_max - self._bytes_max // SEGMENTS
        for number in list(sizes):
            if sum(sizes.values()) <= most or not start_of(self._path, number + 1).exists():
                break
            segment(self._path, number).unlink()
            start_of(self._path, number).unlink(missing_ok=True)
            del sizes[number]
        return sum(sizes.values()) + max(self._size + bytes_more, self._bytes_max // SEGMENTS) <= 2 * self._bytes_max

    def close(self) -> None:
        self._helper.stop()
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _opened(path: Path, more: int = 0) -> int:
    """Raises ``BlockingIOError`` where another has it."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | more, 0o600)
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
