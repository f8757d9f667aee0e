"""A disk of a few megabytes that can be filled, for the services that are told to use it; takes root.

It is a tmpfs in a mount namespace of its own, so that nothing of it is seen, or left, outside.
"""

from __future__ import annotations

import contextlib
import errno
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_CHUNK: Final = b"x" * 4096


class SmallDisk:
    """``mount_point`` is a directory that exists; in the namespace, which ``command`` enters, it is the disk."""

    def __init__(self, mount_point: Path, size: str = "4m") -> None:
        self._mount_point = mount_point
        self._size = size
        self._holder: subprocess.Popen[bytes]

    def __enter__(self) -> Self:
        script = 'mount -t tmpfs -o "size=$1" tmpfs "$0" && echo mounted && exec sleep infinity'
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation=private", "sh", "-c", script, self._mount_point, self._size],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"mounted\n", "no tmpfs could be mounted"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._holder.kill()
        self._holder.wait()
        assert self._holder.stdout is not None
        self._holder.stdout.close()

    @property
    def command(self) -> tuple[str, ...]:
        """To be put before a command that is to see the disk; it becomes that command, under the same process id."""
        return ("nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt", f"--wdns={Path.cwd()}", "--")

    @property
    def inside(self) -> Path:
        """The disk, seen from outside."""
        return Path(f"/proc/{self._holder.pid}/root{self._mount_point}")

    def fill(self) -> None:
        """Leave no block free."""
        with (self.inside / "filler").open("ab", buffering=0) as filler:
            try:
                while True:
                    filler.write(_CHUNK)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def free(self) -> None:
        """Give back what :meth:`fill` has taken."""
        with contextlib.suppress(FileNotFoundError):
            (self.inside / "filler").unlink()
