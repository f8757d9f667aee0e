"""Unpacks what strangers packed: nothing is written outside the target, and nothing grows past a bound (M-AG-14).

Links are the danger: a member may be a symbolic link out of the target and the next one a file behind it. So a link
may only lead to where a file could have been written, and before each write the way to it is resolved anew.
Owners, device nodes, pipes, and the set-user-id and set-group-id bits of an archive are never taken over.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat as file_modes
import tarfile
import threading
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

_CHUNK_BYTES = 256 * 1024
_HEADER_BYTES_MAX = 1024 * 1024
_TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError)
"""What the libraries raise over a damaged archive; a full disk is an ``OSError`` too. A zip that wants a password or
an unknown method is a ``RuntimeError``, of which ``NotImplementedError`` is one."""


class Readable(Protocol):
    """As much of a binary file as is needed here."""

    def read(self, size: int, /) -> bytes: ...
    def close(self) -> None: ...


class ArchiveRefused(ValueError):
    """The archive is damaged, or wants to do what it may not. The text says which member, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveLimits:
    """Bounds on what one archive may become."""

    bytes_max: int = 8 * 1024**3
    entries_max: int = 100_000


def is_archive(name: str) -> bool:
    """Whether a file of this name is unpacked when its URI says ``extract``; the endings are Mesos' own."""
    return name.endswith((*_TAR_SUFFIXES, ".zip", ".gz"))


def extract(archive: Path, target: Path, limits: ArchiveLimits, stop: threading.Event) -> list[Path]:
    """Unpack ``archive`` into the directory ``target``; blocks, so call it in a thread. Gives back what it made.

    Gives up soon after ``stop`` is set. Raises :class:`ArchiveRefused`; what was unpacked until then stays.
    """
    extraction = _Extraction(target.resolve(strict=True), limits, stop)
    try:
        if archive.name.endswith(_TAR_SUFFIXES):
            extraction.tar(archive)
        elif archive.name.endswith(".zip"):
            extraction.zip(archive)
        else:
            extraction.gz(archive)
    except ArchiveRefused:
        raise
    except (*_DAMAGE, RuntimeError) as error:
        raise ArchiveRefused(f"cannot be unpacked: {error or repr(error)}") from error
    return extraction.made


class _Extraction:
    def __init__(self, target: Path, limits: ArchiveLimits, stop: threading.Event) -> None:
        self._target = target
        self._limits = limits
        self._stop = stop
        self._bytes = 0
        self._entries = 0
        self.made: list[Path] = []

    def tar(self, archive: Path) -> None:
        with _Plain(archive) as plain, tarfile.open(mode="r|", fileobj=plain) as members:
            while (member := members.next()) is not None:
                self._count(member.name)
                plain.expect_content()
                if member.isdir():
                    self._directory(member.name)
                elif member.isreg():
                    content = members.extractfile(member)
                    assert content is not None, "a regular file has content"
                    self._file(member.name, content, executable=bool(member.mode & 0o111))
                elif member.issym():
                    self._symbolic_link(member.name, member.linkname)
                elif member.islnk():
                    self._hard_link(member.name, member.linkname)
                else:
                    raise ArchiveRefused(f"member '{member.name}' is neither a file, a directory nor a link")
                plain.expect_header()
            # A header that is cut off counts as the end for ``tarfile``.
            if plain.bytes_read % tarfile.BLOCKSIZE:
                raise ArchiveRefused("ends in the middle of a member")

    def zip(self, archive: Path) -> None:
        with zipfile.ZipFile(archive) as members:
            for member in members.infolist():
                self._count(member.filename)
                mode = member.external_attr >> 16
                kind = file_modes.S_IFMT(mode)
                if member.is_dir():
                    self._directory(member.filename)
                elif kind == file_modes.S_IFLNK:
                    with members.open(member) as content:
                        self._symbolic_link(member.filename, content.read(4096).decode())
                elif kind in (0, file_modes.S_IFREG):
                    with members.open(member) as content:
                        self._file(member.filename, content, executable=bool(mode & 0o111))
                else:
                    raise ArchiveRefused(f"member '{member.filename}' is neither a file, a directory nor a link")

    def gz(self, archive: Path) -> None:
        with gzip.open(archive) as content:
            self._file(archive.name.removesuffix(".gz"), content, executable=False)

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise ArchiveRefused("unpacking was stopped")

    def _count(self, name: str) -> None:
        self._check_stop()
        self._entries += 1
        if self._entries > self._limits.entries_max:
            raise ArchiveRefused(f"has more than {self._limits.entries_max} members (the next is '{name}')")

    def _place(self, name: str) -> Path:
        """Where a member goes: its parents exist then, and lead nowhere outside the target."""
        parts = _parts(name, f"member '{name}'")
        parent = self._target
        for part in parts[:-1]:
            parent = parent / part
            if parent.is_symlink():
                parent = self._inside(parent, name)
            if not parent.is_dir():
                parent.mkdir(mode=0o755)
                self.made.append(parent)
        place = parent / parts[-1] if parts else self._target
        if parts and (place.is_symlink() or place.is_file()):
            place.unlink()
        return place

    def _inside(self, path: Path, name: str) -> Path:
        resolved = path.resolve()
        if not resolved.is_relative_to(self._target):
            raise ArchiveRefused(f"member '{name}' leads out of the sandbox")
        return resolved

    def _directory(self, name: str) -> None:
        parts = _parts(name, f"member '{name}'")
        if parts and (self._target.joinpath(*parts)).is_dir():
            self._inside(self._target.joinpath(*parts), name)
            return
        place = self._place(name)
        if place != self._target:
            place.mkdir(mode=0o755)
            self.made.append(place)

    def _file(self, name: str, content: Readable, *, executable: bool) -> None:
        place = self._place(name)
        mode = 0o755 if executable else 0o644
        handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        self.made.append(place)
        with os.fdopen(handle, "wb") as target:
            while chunk := content.read(_CHUNK_BYTES):
                self._check_stop()
                self._bytes += len(chunk)
                if self._bytes > self._limits.bytes_max:
                    raise ArchiveRefused(f"grows past {self._limits.bytes_max} bytes, at member '{name}'")
                target.write(chunk)

    def _symbolic_link(self, name: str, leads_to: str) -> None:
        if leads_to.startswith("/") or "\0" in leads_to or not leads_to:
            raise ArchiveRefused(f"member '{name}' is a link out of the sandbox, to '{leads_to}'")
        place = self._place(name)
        # Resolving follows the links that are there already; ".." of what is not there counts as written.
        self._inside(place.parent / leads_to, name)
        place.symlink_to(leads_to)
        self.made.append(place)

    def _hard_link(self, name: str, leads_to: str) -> None:
        parts = _parts(leads_to, f"member '{name}' is a link to '{leads_to}', which")
        source = self._target.joinpath(*parts)
        if source.is_symlink() or not self._inside(source, name).is_file():
            raise ArchiveRefused(f"member '{name}' is a link to '{leads_to}', which is not a file of the archive")
        # A copy and not a link: the archive cannot tie files together that were in the sandbox before it.
        with source.open("rb") as content:
            self._file(name, content, executable=os.access(source, os.X_OK))


class _Plain(io.BufferedIOBase):
    """The plain bytes of a tar file, whatever it was compressed with; as much of ``tarfile``'s file as it reads from.

    ``tarfile`` takes a header into memory whole, however long it claims to be, so between the contents of two files
    only so much may be read.
    """

    def __init__(self, archive: Path) -> None:
        self._plain = _open_plain(archive)
        self._budget: int | None = _HEADER_BYTES_MAX
        self.bytes_read = 0

    def close(self) -> None:
        """Close the archive too."""
        self._plain.close()
        super().close()

    def expect_header(self) -> None:
        """What follows is not the content of a file."""
        self._budget = _HEADER_BYTES_MAX

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
                raise ArchiveRefused(f"has a header of more than {_HEADER_BYTES_MAX} bytes")
        return data


def _open_plain(archive: Path) -> Readable:
    name = archive.name
    if name.endswith((".gz", ".tgz")):
        return gzip.open(archive)
    if name.endswith((".bz2", ".tbz2")):
        return bz2.open(archive)
    if name.endswith((".xz", ".txz")):
        return lzma.open(archive)
    return archive.open("rb")


def _parts(name: str, words: str) -> tuple[str, ...]:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise ArchiveRefused(f"{words} leads out of the sandbox")
    return path.parts
