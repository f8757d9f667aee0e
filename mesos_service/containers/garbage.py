"""What is left of containers, and when it goes (M-AG-15, X59; Mesos docs, "Sandbox", and ``slave/gc.hpp``).

A sandbox is kept for a while after its last process. The fuller the disk, the shorter the while::

    age_max = gc_delay * max(0, 1 - gc_disk_headroom - usage)

where ``usage`` is the part of the disk that is in use. So at a usage of ``1 - gc_disk_headroom`` nothing is kept.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections import deque
from pathlib import Path
from typing import Final

from mesos_service.containers.beneath import DIRECTORY, open_directory
from mesos_service.domain.errors import OperatingFault

_MOVED: Final = ".mesos-service-removed-"


class NotRemoved(OperatingFault):
    """Something of a directory is still there; the text says what and why."""


def age_max_seconds(delay_seconds: float, headroom: float, usage: float) -> float:
    """How long a sandbox is kept on a disk of which ``usage`` (0 to 1) is in use."""
    return delay_seconds * max(0.0, 1.0 - headroom - usage)


class Retired:
    """Directories that may go, each with the time since when."""

    def __init__(self) -> None:
        self._since: dict[Path, float] = {}

    def __len__(self) -> int:
        return len(self._since)

    def __contains__(self, path: Path) -> bool:
        return path in self._since

    def add(self, path: Path, since: float) -> None:
        """It is not needed any more since then (unix seconds)."""
        self._since[path] = since

    def discard(self, path: Path) -> None:
        """It is needed again, or gone."""
        self._since.pop(path, None)

    def older_than(self, age_seconds: float, now: float) -> list[Path]:
        """Those that are to go now, the oldest first."""
        due = [(since, path) for path, since in self._since.items() if now - since >= age_seconds]
        return [path for _, path in sorted(due)]


def remove_tree(path: Path, stop: threading.Event) -> None:
    """Remove a directory and all in it, by a path of which no part may be a link; all in it may be another user's.

    Links in it are removed and not followed, and what is mounted inside is left alone with all around it. Directories
    may be nested as deeply as anybody likes: each is first moved to the top, so that no more than three are open. With
    ``stop`` set it ends early; what is left can be removed later.

    Raises:
        NotRemoved: with the first reason.
    """
    try:
        parent = open_directory(path.parent)
    except FileNotFoundError:
        return
    except OSError as error:
        raise NotRemoved(f"{error.filename or path}: {error.strerror}") from error
    try:
        mounted = _mounted_below(path)
        if mounted is not None:
            raise NotRemoved(f"{mounted} is mounted there")
        remove_entry(path.name, parent, stop)
    except FileNotFoundError:
        pass  # It is gone.
    except OSError as error:
        raise NotRemoved(f"{error.filename or path}: {error.strerror}") from error
    finally:
        os.close(parent)


def remove_entry(name: str, parent: int, stop: threading.Event) -> None:
    """What :func:`remove_tree` does, by an open directory and a name in it, and without a look at mounts.

    Raises:
        NotRemoved: it was told to stop.
        OSError: something cannot be removed, or is not there.
    """
    if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
        os.unlink(name, dir_fd=parent)
        return
    top = _open(name, parent)
    try:
        moved: deque[str] = deque()
        count = 0
        while True:
            count = _empty(top, top, moved, count, stop)
            if not moved or stop.is_set():
                break
            while moved and not stop.is_set():
                one = moved.popleft()
                directory = _open(one, top)
                try:
                    count = _empty(directory, top, moved, count, stop)
                finally:
                    os.close(directory)
                if not stop.is_set():
                    os.rmdir(one, dir_fd=top)
    finally:
        os.close(top)
    if stop.is_set():
        raise NotRemoved("it was to take no longer")
    os.rmdir(name, dir_fd=parent)


def _open(name: str, parent: int) -> int:
    """A directory that may be read and changed, whatever its owner had made of it."""
    place = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        # The way through /proc takes no link: it leads to what is open.
        Path(f"/proc/self/fd/{place}").chmod(0o700)
        return os.open(name, DIRECTORY, dir_fd=parent)
    finally:
        os.close(place)


def _empty(directory: int, top: int, moved: deque[str], count: int, stop: threading.Event) -> int:
    """Remove what is in ``directory``; directories with something in them come to the top, and into ``moved``."""
    with os.scandir(directory) as entries:
        for entry in entries:
            if stop.is_set():
                break
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.name, dir_fd=directory)
                continue
            try:
                os.rmdir(entry.name, dir_fd=directory)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.EACCES):
                    raise
                if directory == top:
                    if entry.name not in moved:
                        moved.append(entry.name)
                    continue
                count += 1
                os.close(_open(entry.name, directory))  # To be moved, it has to be ours to change.
                name = f"{_MOVED}{count}"
                while _exists(name, top):
                    count += 1
                    name = f"{_MOVED}{count}"
                os.rename(entry.name, name, src_dir_fd=directory, dst_dir_fd=top)
                moved.append(name)
    return count


def _exists(name: str, directory: int) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _mounted_below(path: Path) -> str | None:
    """A mount point in the tree, if there is one: whatever is mounted belongs to somebody else."""
    start = f"{path}/"
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:  # noqa: PTH123 - no path of ours
        for line in mounts:
            point = line.split(" ")[4]
            # Space, tab, newline and backslash are written in octal there.
            for code in ("\\040", "\\011", "\\012", "\\134"):
                point = point.replace(code, chr(int(code[1:], 8)))
            if f"{point}/".startswith(start):
                return point
    return None
