"""Unpacks what strangers packed: nothing is written outside the target, and nothing grows past a bound (M-AG-14).

Links are the danger: a member may be a symbolic link out of the target and the next one a file behind it, and the
target may be a tenant's, who puts links there meanwhile. So a link may only lead to where a file could have been
written, and each way is gone by handles that lead nowhere else (``beneath.py``).
Device nodes and pipes are never made, and owners and the set-user-id bits are only taken over into what is to be a
container's root.
"""

from __future__ import annotations

import gzip
import lzma
import os
import stat as file_modes
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO

from mesos_service.containers.archive_reading import HEADER_BYTES_MAX, ArchiveRefused, InParts, Plain, Readable
from mesos_service.containers.beneath import LeadsOut, Links, Way, give, make, opened_again
from mesos_service.containers.garbage import NotRemoved, remove_entry
from mesos_service.containers.users import User

_CHUNK_BYTES = 256 * 1024
_ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Of the others ``zipfile`` unpacks all that it has read at once, however much that becomes."""
_ZIP_MEMBER_BYTES = 256
"""Of a member in the list that a zip file has at its end; names and all, on the average."""
_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
"""How a layer of an image says that something is no more, or all that a directory had (OCI image specification)."""
_TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError)
"""What the libraries raise over a damaged archive; a full disk is an ``OSError`` too. A zip that wants a password or
an unknown method is a ``RuntimeError``, of which ``NotImplementedError`` is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveLimits:
    """Bounds on what one archive may become."""

    bytes_max: int = 8 * 1024**3
    entries_max: int = 100_000


def is_archive(name: str) -> bool:
    """Whether a file of this name is unpacked when its URI says ``extract``; the endings are Mesos' own."""
    return name.endswith((*_TAR_SUFFIXES, ".zip", ".gz"))


def extract(
    name: str,
    content: IO[bytes],
    target: int,
    limits: ArchiveLimits,
    stop: threading.Event,
    owner: User | None = None,
    links: Links = Links.BENEATH,
) -> None:
    """Unpack an archive of this name into an open directory; blocks, so call it in a thread.

    All that is made is ``owner``'s, links apart, which are nobody's to change. Where ``links`` are
    ``Links.ROOTED``, the target is to be somebody's root, in which nobody is yet: links may lead anywhere, modes and
    owners are taken over (the latter takes root), and what is neither file, directory nor link is left out.

    Gives up soon after ``stop`` is set. Raises :class:`ArchiveRefused`; what was unpacked until then stays.
    """
    extraction = _Extraction(target, limits, stop, owner, links)
    try:
        if name.endswith(_TAR_SUFFIXES):
            extraction.tar(name, content)
        elif name.endswith(".zip"):
            extraction.zip(content)
        else:
            extraction.gz(name, content)
    except ArchiveRefused:
        raise
    except (*_DAMAGE, RuntimeError, NotRemoved) as error:
        raise ArchiveRefused(f"cannot be unpacked: {error or repr(error)}") from error


@dataclass(frozen=True, slots=True)
class _Marks:
    """What an archive says of a member."""

    mode: int = 0
    """0 where it says nothing."""
    uid: int = 0
    gid: int = 0


class _Extraction:
    def __init__(
        self, target: int, limits: ArchiveLimits, stop: threading.Event, owner: User | None, links: Links
    ) -> None:
        self._target = target
        self._limits = limits
        self._stop = stop
        self._owner = owner
        self._links = links
        self._bytes = 0
        self._entries = 0
        self._files: set[tuple[int, int]] = set()
        """The files that it made, by device and number; links of an archive are to these only."""

    def tar(self, name: str, archive: IO[bytes]) -> None:
        with Plain(name, archive) as plain, tarfile.open(mode="r|", fileobj=plain) as members:
            while (member := members.next()) is not None:
                self._count(member.name)
                plain.expect_content()
                if self._links is Links.ROOTED and PurePosixPath(member.name).name.startswith(_WHITEOUT):
                    self._take_away(member.name)
                elif member.isdir():
                    self._directory(member.name, _Marks(member.mode, member.uid, member.gid))
                elif member.isreg():
                    self._expect(member.size)
                    content = members.extractfile(member)
                    assert content is not None, "a regular file has content"
                    self._file(member.name, content, _Marks(member.mode, member.uid, member.gid))
                elif member.issym():
                    self._symbolic_link(member.name, member.linkname)
                elif member.islnk():
                    self._hard_link(member.name, member.linkname)
                elif self._links is not Links.ROOTED:
                    raise ArchiveRefused(f"member '{member.name}' is neither a file, a directory nor a link")
                plain.expect_header()
            # A header that is cut off counts as the end for ``tarfile``.
            if plain.bytes_read % tarfile.BLOCKSIZE:
                raise ArchiveRefused("ends in the middle of a member")

    def zip(self, archive: IO[bytes]) -> None:
        listed_max = max(HEADER_BYTES_MAX, self._limits.entries_max * _ZIP_MEMBER_BYTES)
        with zipfile.ZipFile(InParts(archive, listed_max)) as members:
            # What it says itself is refused at once; what it does not say, as it grows.
            self._expect(sum(member.file_size for member in members.infolist()))
            for member in members.infolist():
                self._count(member.filename)
                if member.compress_type not in _ZIP_METHODS:
                    raise ArchiveRefused(f"member '{member.filename}' is packed otherwise than by 'store' or 'deflate'")
                mode = member.external_attr >> 16
                kind = file_modes.S_IFMT(mode)
                if member.is_dir():
                    self._directory(member.filename, _Marks(mode))
                elif kind == file_modes.S_IFLNK:
                    with members.open(member) as content:
                        self._symbolic_link(member.filename, content.read(4096).decode())
                elif kind in (0, file_modes.S_IFREG):
                    with members.open(member) as content:
                        self._file(member.filename, content, _Marks(mode))
                else:
                    raise ArchiveRefused(f"member '{member.filename}' is neither a file, a directory nor a link")

    def gz(self, name: str, archive: IO[bytes]) -> None:
        with gzip.open(archive) as content:
            self._file(name.removesuffix(".gz"), content, _Marks())

    def _expect(self, size: int) -> None:
        if self._bytes + size > self._limits.bytes_max:
            raise ArchiveRefused(f"grows past {self._limits.bytes_max} bytes, by what it says of itself")

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise ArchiveRefused("unpacking was stopped")

    def _count(self, name: str) -> None:
        self._check_stop()
        self._entries += 1
        if self._entries > self._limits.entries_max:
            raise ArchiveRefused(f"has more than {self._limits.entries_max} members (the next is '{name}')")

    @contextmanager
    def _place(self, name: str) -> Iterator[tuple[Way, str]]:
        """The way to where a member goes, whose parents exist then, and its own name, free to be used."""
        parts = _parts(name, f"member '{name}'")
        with self._way(name) as way:
            way.go(parts[:-1], missing=self._make)
            if not parts:
                raise ArchiveRefused(f"member '{name}' is the sandbox itself")
            with suppress(FileNotFoundError):
                if self._links is Links.ROOTED:
                    remove_entry(parts[-1], way.here, self._stop)
                else:
                    with suppress(IsADirectoryError, PermissionError):  # A directory, by POSIX, is the last.
                        os.unlink(parts[-1], dir_fd=way.here)
            yield way, parts[-1]

    @contextmanager
    def _way(self, name: str) -> Iterator[Way]:
        with Way(self._target, self._links) as way:
            try:
                yield way
            except LeadsOut as error:
                raise ArchiveRefused(f"member '{name}' leads out of the sandbox") from error

    def _take_away(self, name: str) -> None:
        parts = _parts(name, f"member '{name}'")
        hidden = parts[-1].removeprefix(_WHITEOUT)
        if hidden in ("", ".", ".."):
            raise ArchiveRefused(f"member '{name}' takes nothing away that could be")
        with self._way(name) as way, suppress(FileNotFoundError):
            way.go(parts[:-1])
            if parts[-1] == _OPAQUE:
                with opened_again(way.here) as directory:
                    for entry in os.listdir(directory):  # noqa: PTH208 - an open directory
                        remove_entry(entry, directory, self._stop)
            else:
                remove_entry(hidden, way.here, self._stop)

    def _make(self, name: str, directory: int) -> None:
        make(name, directory, self._owner)

    def _mark(self, handle: int, marks: _Marks) -> None:
        if os.geteuid() == 0:
            os.fchown(handle, marks.uid, marks.gid)
        if marks.mode:
            os.fchmod(handle, marks.mode & 0o7777)

    def _directory(self, name: str, marks: _Marks) -> None:
        with self._way(name) as way:
            way.go(_parts(name, f"member '{name}'"), missing=self._make)
            if self._links is Links.ROOTED:
                with opened_again(way.here) as directory:
                    self._mark(directory, marks)

    def _file(self, name: str, content: Readable, marks: _Marks) -> None:
        executable = bool(marks.mode & 0o111)
        with self._place(name) as (way, last):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            handle = os.open(last, flags, 0o755 if executable else 0o644, dir_fd=way.here)
        with os.fdopen(handle, "wb") as target:
            made = os.fstat(handle)
            self._files.add((made.st_dev, made.st_ino))
            give(handle, self._owner)
            while chunk := content.read(_CHUNK_BYTES):
                self._check_stop()
                self._bytes += len(chunk)
                if self._bytes > self._limits.bytes_max:
                    raise ArchiveRefused(f"grows past {self._limits.bytes_max} bytes, at member '{name}'")
                target.write(chunk)
            if self._links is Links.ROOTED:
                self._mark(handle, marks)

    def _symbolic_link(self, name: str, leads_to: str) -> None:
        rooted = self._links is Links.ROOTED
        if (leads_to.startswith("/") and not rooted) or "\0" in leads_to or not leads_to:
            raise ArchiveRefused(f"member '{name}' is a link out of the sandbox, to '{leads_to}'")
        with self._place(name) as (way, last):
            # This follows the links that are there already.
            if not rooted and not way.stays_within(leads_to.split("/")):
                raise LeadsOut
            os.symlink(leads_to, last, dir_fd=way.here)

    def _hard_link(self, name: str, leads_to: str) -> None:
        parts = _parts(leads_to, f"member '{name}' is a link to '{leads_to}', which")
        none = f"member '{name}' is a link to '{leads_to}', which is not a file of the archive"
        if not parts:
            raise ArchiveRefused(none)
        with self._way(name) as way:
            try:
                way.go(parts[:-1])
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
                source = os.open(parts[-1], flags, dir_fd=way.here)
            except OSError as error:
                raise ArchiveRefused(none) from error
            with os.fdopen(source, "rb") as content:
                status = os.fstat(source)
                if (status.st_dev, status.st_ino) not in self._files:
                    raise ArchiveRefused(none)
                if self._links is Links.ROOTED:
                    with self._place(name) as (there, last):
                        os.link(parts[-1], last, src_dir_fd=way.here, dst_dir_fd=there.here, follow_symlinks=False)
                else:
                    # A copy and not a link: it is to be looked after by nobody but its reader.
                    self._file(name, content, _Marks(status.st_mode))


def _parts(name: str, words: str) -> tuple[str, ...]:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise ArchiveRefused(f"{words} leads out of the sandbox")
    return path.parts
