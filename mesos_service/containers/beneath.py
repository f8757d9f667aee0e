"""Walking directories of somebody else's by handles, as Mesos would by names.

A sandbox belongs to a tenant, who may put a symbolic link in place of anything in it, at any moment. A name that was
looked at is worth nothing by the time it is used; a handle that is open stays what it is. So every way into a sandbox
begins at a handle, goes on from one to the next, and follows no link that could lead out.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from mesos_service.containers.users import User

DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
"""A directory to look into, which is no link."""
# Going through takes less right than looking into; not every system has a handle for as little.
_WAY: Final = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_DIRECTORY: Final = frozenset({errno.ELOOP, errno.ENOTDIR})
_OPENAT2: Final = 437
_AT_FDCWD: Final = -100
_RESOLVE_NO_SYMLINKS: Final = 0x04
_NOT_HAD: Final = frozenset({errno.ENOSYS, errno.EPERM, errno.EINVAL, errno.E2BIG})
"""An older kernel, or a filter of system calls that has not heard of it."""
_libc = ctypes.CDLL(None, use_errno=True)
_FOLLOWED_MAX: Final = 40
"""As the kernel follows in one path."""
_MODE: Final = 0o755


class LeadsOut(Exception):
    """The way goes through a link where it may go through none, or out of where it began."""

    def __init__(self) -> None:
        super().__init__("a symbolic link is on the way, or it leads out")


def open_directory(path: Path) -> int:
    """A handle of an absolute path of which no part is a link; the caller closes it.

    Raises:
        OSError: it is not there; ELOOP or ENOTDIR where a part is a link, or no directory.
    """
    handle = _opened_at_once(path)
    return _opened_by_steps(path) if handle is None else handle


def _opened_at_once(path: Path) -> int | None:
    """By one system call (``openat2``, Linux 5.6); ``None`` where there is none."""
    if sys.platform != "linux":
        return None
    how = struct.pack("QQQ", DIRECTORY, 0, _RESOLVE_NO_SYMLINKS)
    handle: int = _libc.syscall(
        ctypes.c_long(_OPENAT2), ctypes.c_long(_AT_FDCWD), os.fsencode(path), how, ctypes.c_long(len(how))
    )
    if handle >= 0:
        return handle
    number = ctypes.get_errno()
    if number in _NOT_HAD:
        return None
    raise OSError(number, os.strerror(number), str(path))


def _opened_by_steps(path: Path) -> int:
    handle = os.open("/", _WAY)
    try:
        *above, last = [part for part in path.parts if part != "/"] or ["."]
        for part in above:
            inner = os.open(part, _WAY, dir_fd=handle)
            os.close(handle)
            handle = inner
        return os.open(last, DIRECTORY, dir_fd=handle)
    finally:
        os.close(handle)


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """:func:`open_directory`, closed at the end."""
    handle = open_directory(path)
    try:
        yield handle
    finally:
        os.close(handle)


def give(handle: int, owner: User | None) -> None:
    """What is open becomes ``owner``'s."""
    if owner is not None:
        os.fchown(handle, owner.uid, owner.gid)


def make(name: str, directory: int, owner: User | None) -> bool:
    """A directory of ``owner``'s, where there is nothing of the name; whether it was made.

    It is given away by its handle. A name could be turned meanwhile to another name of some file, which a change of
    owner by name would give away.
    """
    try:
        os.mkdir(name, _MODE, dir_fd=directory)
    except FileExistsError:
        return False
    if owner is not None:
        made = os.open(name, DIRECTORY, dir_fd=directory)
        try:
            give(made, owner)
        finally:
            os.close(made)
    return True


class Links(Enum):
    """What becomes of links on a way."""

    REFUSED = "refused"
    BENEATH = "beneath"
    """Followed as long as they lead to below the root."""
    ROOTED = "rooted"
    """Followed as by a process whose root it is: none leads out, as ``/`` is the root, and so is what is above it."""


class Way:
    """Where one is below a directory, and all the handles on the way from there, so that ``..`` is the way back."""

    def __init__(self, root: int, links: Links = Links.REFUSED) -> None:
        self._handles = [os.dup(root)]
        self._links = links

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._back_to(0)

    @property
    def here(self) -> int:
        """The handle of where it is; this object's to close."""
        return self._handles[-1]

    def go(self, parts: Sequence[str], *, missing: Callable[[str, int], object] | None = None) -> None:
        """On by these names. ``missing`` is told of each that is not there, and may make it.

        Raises:
            LeadsOut: a link, or a ``..``, leads where it may not.
            OSError: something is not there, or no directory.
        """
        self._go(parts, missing, as_written=False)

    def stays_within(self, parts: Sequence[str]) -> bool:
        """Whether this way, from here, is one below the root; what is not there (yet) counts as it is written."""
        with Way(self._handles[0], self._links) as other:
            other._handles += [os.dup(handle) for handle in self._handles[1:]]
            try:
                other._go(parts, None, as_written=True)
            except LeadsOut:
                return False
            return True

    def _go(self, parts: Sequence[str], missing: Callable[[str, int], object] | None, *, as_written: bool) -> None:
        todo, followed, unseen = deque(parts), 0, 0
        while todo:
            part = todo.popleft()
            if part in ("", "."):
                continue
            if part == "..":
                if unseen:
                    unseen -= 1
                elif len(self._handles) > 1:
                    os.close(self._handles.pop())
                elif self._links is not Links.ROOTED:
                    raise LeadsOut
                continue
            if unseen:
                unseen += 1
                continue
            try:
                self._handles.append(self._step(part, missing))
            except OSError as error:
                leads_to = _link(part, self.here) if error.errno in _NO_DIRECTORY else None
                if leads_to is not None:
                    followed += 1
                    self._turn(leads_to, followed)
                    todo.extendleft(reversed(leads_to.split("/")))
                elif as_written:
                    unseen = 1
                else:
                    raise

    def _turn(self, leads_to: str, followed: int) -> None:
        if self._links is Links.REFUSED or followed > _FOLLOWED_MAX:
            raise LeadsOut
        if leads_to.startswith("/"):
            if self._links is not Links.ROOTED:
                raise LeadsOut
            self._back_to(1)

    def _back_to(self, count: int) -> None:
        while len(self._handles) > count:
            os.close(self._handles.pop())

    def _step(self, part: str, missing: Callable[[str, int], object] | None) -> int:
        # Looked for first: to be told that there is one already, mkdir waits for the file system's journal.
        with suppress(FileNotFoundError):
            return os.open(part, _WAY, dir_fd=self.here)
        if missing is not None:
            missing(part, self.here)
        return os.open(part, _WAY, dir_fd=self.here)


def _link(name: str, directory: int) -> str | None:
    """Where the link leads; ``None`` for what is none."""
    try:
        return os.readlink(name, dir_fd=directory)
    except OSError:
        return None


@contextmanager
def opened_again(way: int) -> Iterator[int]:
    """A handle to look into and change the directory at which one of a :class:`Way` is."""
    handle = os.open(".", DIRECTORY, dir_fd=way)
    try:
        yield handle
    finally:
        os.close(handle)
