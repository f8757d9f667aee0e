"""Keeps what tasks write to ``stdout`` and ``stderr`` from filling the disk (M-AG-28; Mesos docs, "Logging").

A file that has grown too large becomes ``stdout.1``, what that was ``stdout.2``, and so on up to a number. The task
goes on writing to the file that it has open: what it has written is copied, and then taken out of the front of its
file. On file systems that can do so in one step (ext4, XFS) nothing is lost; on others it is what is written between
the copy and the cut.

The files are in a directory that belongs to the task's user, who may have put anything in their place. Only a plain
file of that user's own, with no other name, is touched.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mesos_service.containers.beneath import open_directory

_COLLAPSE_RANGE: Final = 0x08
_CHUNK_BYTES: Final = 4 * 1024 * 1024
_UNSUPPORTED: Final = frozenset({errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS})


@dataclass(frozen=True, slots=True)
class Bound:
    """On one of the two: bytes of the file that is written to, and how many older ones are kept."""

    bytes_max: int
    kept: int


Rotation = Mapping[str, Bound]
"""By name of the file."""


def rotate(sandbox: Path, name: str, bound: Bound) -> bool:
    """Rotate the file where it has grown too large; whether it was. Blocks, so call it in a thread.

    Raises:
        OSError: it could not be; the file is as it was, or its copy is there twice.
    """
    directory = open_directory(sandbox)
    try:
        try:
            file = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
        except FileNotFoundError:
            return False
        try:
            status = os.fstat(file)
            own = stat.S_ISREG(status.st_mode) and status.st_nlink == 1
            if not own or status.st_uid != os.fstat(directory).st_uid or status.st_size <= bound.bytes_max:
                return False
            _catch_up(file, status, bound)
            _rotate(directory, name, file, os.fstat(file), bound.kept)
            return True
        finally:
            os.close(file)
    except OSError as error:
        if error.errno == errno.ELOOP:  # A link has its name.
            return False
        raise
    finally:
        os.close(directory)


def _catch_up(file: int, status: os.stat_result, bound: Bound) -> None:
    """A file that nobody has rotated for long (its agent was away) may be as large as all that is to be kept of it, and
    no larger: what is older goes first, before a copy of it would fill the disk."""
    block = max(os.fstatvfs(file).f_bsize, 1)
    allowed = bound.bytes_max * (bound.kept + 1)
    too_much = (status.st_size - allowed) // block * block
    if too_much > 0:
        _take_out(file, too_much)


def _rotate(directory: int, name: str, file: int, status: os.stat_result, kept: int) -> None:
    block = max(os.fstatvfs(file).f_bsize, 1)
    # The end of the file cannot be reached by what is taken out of its front.
    whole_blocks = (status.st_size - 1) // block * block
    fresh = f".{name}.rotating"
    copy = _create(directory, fresh, status) if kept else None
    try:
        if copy is not None:
            _copy(file, copy, status.st_size)
        if whole_blocks and _take_out(file, whole_blocks):
            length = whole_blocks
        else:
            os.ftruncate(file, 0)
            length = status.st_size
        if copy is None:
            return
        # By what is open, as the name may lead elsewhere by now.
        os.ftruncate(copy, length)
    except OSError:
        with suppress(FileNotFoundError):
            os.unlink(fresh, dir_fd=directory)
        raise
    finally:
        if copy is not None:
            os.close(copy)
    for number in range(kept, 0, -1):
        older = fresh if number == 1 else f"{name}.{number - 1}"
        with suppress(FileNotFoundError):
            os.rename(older, f"{name}.{number}", src_dir_fd=directory, dst_dir_fd=directory)


def _create(directory: int, name: str, like: os.stat_result) -> int:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=directory)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    copy = os.open(name, flags, stat.S_IMODE(like.st_mode), dir_fd=directory)
    os.fchown(copy, like.st_uid, like.st_gid)
    return copy


def _copy(file: int, copy: int, length: int) -> None:
    copied = 0
    while copied < length:
        data = os.pread(file, min(_CHUNK_BYTES, length - copied), copied)
        if not data:
            return  # The task has cut it off itself.
        left = memoryview(data)
        while left:
            left = left[os.write(copy, left) :]
        copied += len(data)


_libc = ctypes.CDLL(None, use_errno=True)


def _take_out(file: int, length: int) -> bool:
    """Remove so many bytes from the front of a file; ``False`` where the file system cannot."""
    if _libc.fallocate(file, _COLLAPSE_RANGE, ctypes.c_long(0), ctypes.c_long(length)) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number))
