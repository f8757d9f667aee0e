"""Archives as ``tarfile`` and ``zipfile`` read them, in bounded parts: what they claim to be costs no memory."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from typing import IO, Protocol

HEADER_BYTES_MAX = 1024 * 1024


class Readable(Protocol):
    """As much of a binary file as is needed here."""

    def read(self, size: int, /) -> bytes: ...
    def close(self) -> None: ...


class ArchiveRefused(ValueError):
    """The archive is damaged, or wants to do what it may not. The text says which member, and why."""


class InParts:
    """As much of a file as ``zipfile`` reads from, and at most so many bytes of it at once.

    It takes the list of members into memory whole, however long that claims to be.
    """

    def __init__(self, archive: IO[bytes], bytes_max: int) -> None:
        self._archive = archive
        self._bytes_max = bytes_max
        self.seek = archive.seek
        self.tell = archive.tell
        self.seekable = archive.seekable

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = self._bytes_max + 1 if size is None or size < 0 else size
        data = b"" if wanted > self._bytes_max + 1 else self._archive.read(wanted)
        if wanted > self._bytes_max + 1 or len(data) > self._bytes_max:
            raise ArchiveRefused(f"has a list of members of more than {self._bytes_max} bytes")
        return data


class Plain(io.BufferedIOBase):
    """The plain bytes of a tar file, whatever it was compressed with; as much of ``tarfile``'s file as it reads from.

    ``tarfile`` takes a header into memory whole, however long it claims to be, so between the contents of two files
    only so much may be read.
    """

    def __init__(self, name: str, archive: IO[bytes]) -> None:
        self._archive = archive
        self._plain = _open_plain(name, archive)
        self._budget: int | None = HEADER_BYTES_MAX
        self.bytes_read = 0

    def close(self) -> None:
        """Of a plain file nothing is to be closed, which is its opener's."""
        if self._plain is not self._archive:
            self._plain.close()
        super().close()

    def expect_header(self) -> None:
        """What follows is not the content of a file."""
        self._budget = HEADER_BYTES_MAX

    def expect_content(self) -> None:
        """What follows is counted by whoever writes it."""
        self._budget = None

    def read(self, size: int | None = -1, /) -> bytes:
        """Read up to ``size`` bytes."""
        data = self._plain.read(-1 if size is None else size)
        self.bytes_read += len(data)
        if self._budget is not None:
            self._budget -= len(data)
            if self._budget < 0:
                raise ArchiveRefused(f"has a header of more than {HEADER_BYTES_MAX} bytes")
        return data


def _open_plain(name: str, archive: IO[bytes]) -> Readable:
    if name.endswith((".gz", ".tgz")):
        return gzip.open(archive)
    if name.endswith((".bz2", ".tbz2")):
        return bz2.open(archive)
    if name.endswith((".xz", ".txz")):
        return lzma.open(archive)
    return archive
