"""One file of records, a line each: ``CRC32 JSON``. Lines are only ever added, and now and then written anew.

A line that lacks its end was being written when the writer died; nobody has acted on it, so it is cut off (X07). Any
other line that is not as it was written is corruption: in strict mode the file is refused, and left as it is, else
the line is left out and counted.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mesos_service.checkpoints import spelling
from mesos_service.checkpoints.files import sync_directory
from mesos_service.core.agent.records import Record
from mesos_service.domain.errors import ConfigurationError

REWRITE_BYTES_MIN: Final = 8 * 1024 * 1024
REWRITE_FACTOR: Final = 4
"""A journal so long at least is written anew when it has so many times the lines that would be left of it. That is
found out anew whenever it has doubled, so that neither looking nor writing costs more than what was added meanwhile."""
_CRC_DIGITS: Final = 8
_ANEW: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_DSYNC | os.O_CLOEXEC


@dataclass(slots=True)
class Content:
    """What a journal holds."""

    records: list[Record] = field(default_factory=list)
    corrupt_lines: int = 0
    """Lines that were left out; always 0 in strict mode."""
    torn_bytes: int = 0
    """The length of the record that was being written last."""


def read(path: Path, strict: bool = True) -> Content:
    """Everything in the journal; nothing when there is none.

    Raises:
        ConfigurationError: a line is corrupt, and ``strict``. Names the file, the line and the remedy.
        OSError: it cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Content()
    *lines, tail = data.split(b"\n")
    content = Content(torn_bytes=len(tail))
    for number, line in enumerate(lines, 1):
        try:
            content.records.append(_read_line(line))
        except ValueError as error:
            if strict:
                raise ConfigurationError(
                    f"Checkpoint {path} is corrupt at line {number}: {error}. Nothing was changed. Start with"
                    f" --no-strict to leave that line out, or remove {path.parent.parent / 'latest'} to come back as a"
                    " new agent, whose tasks end"
                ) from None
            content.corrupt_lines += 1
    return content


def _read_line(line: bytes) -> Record:
    crc, space, text = line[:_CRC_DIGITS], line[_CRC_DIGITS : _CRC_DIGITS + 1], line[_CRC_DIGITS + 1 :]
    if space != b" " or crc != _crc(text):
        raise ValueError("its checksum does not match")
    return spelling.decode(text)


def _crc(text: bytes) -> bytes:
    return b"%08x" % zlib.crc32(text)


def line(record: Record) -> bytes:
    """A record as it stands in a journal."""
    text = spelling.encode(record)
    return b"%s %s\n" % (_crc(text), text)


class Journal:
    """Writes one journal. Its methods block, and each has stored everything when it returns, so that not even a power
    cut takes back what somebody has been told: the file is open with ``O_DSYNC``, which makes of a write and its
    ``fdatasync`` one system call, and of two waits for Python's lock one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None
        self._length = 0
        self._length_looked_at = 0
        self._lines = 0

    @property
    def is_long(self) -> bool:
        """Whether it is worth asking :meth:`is_worth_rewriting`, which takes note that it was."""
        return self._length > max(REWRITE_BYTES_MIN, 2 * self._length_looked_at)

    def is_worth_rewriting(self, lines: int) -> bool:
        """Whether so few lines would be left of it that it is well to write it anew."""
        self._length_looked_at = self._length
        return self._lines > REWRITE_FACTOR * lines

    def append(self, lines: Sequence[bytes]) -> None:
        """Add lines (:func:`line`). Raises ``OSError``; then none of them was added."""
        assert self._handle is not None, "a journal is written anew before it is added to"
        data = b"".join(lines)
        try:
            _write_all(self._handle, data)
        except OSError:
            os.ftruncate(self._handle, self._length)
            raise
        self._length += len(data)
        self._lines += len(lines)

    def rewrite(self, lines: Sequence[bytes]) -> None:
        """Replace the file, whole and at once. Raises ``OSError``; then the old one is still there."""
        fresh = self._path.with_name(f"{self._path.name}.new")
        data = b"".join(lines)
        handle = os.open(fresh, _ANEW, 0o600)
        try:
            _write_all(handle, data)
            os.fsync(handle)
            fresh.rename(self._path)
            sync_directory(self._path.parent)
        except OSError:
            os.close(handle)
            raise
        self.close()
        self._handle = handle
        self._length = self._length_looked_at = len(data)
        self._lines = len(lines)

    def close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
