"""A root file system small enough to be made by each test: Debian's ``busybox`` and nothing else."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.support.real_parts import missing_part

_BUSYBOX: Final = Path("/usr/bin/busybox")
_OTHER: Final = Path("/bin/busybox")
_APPLETS: Final = (
    "sh", "cat", "ls", "echo", "id", "mount", "touch", "test", "sleep", "env", "pwd", "ps", "readlink", "mkdir", "stat",
    "head", "rm", "kill", "tty", "dd", "grep", "seq", "true", "wc",
)  # fmt: skip


def busybox() -> Path:
    """The program, statically linked; leaves the test out where there is none."""
    found = next((path for path in (_BUSYBOX, _OTHER) if path.is_file()), None)
    return found or missing_part("busybox-static (images)")


def root_tar(*more: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """A root file system as a tar file: ``/bin`` of busybox, users, and ``more``."""
    members: list[tuple[tarfile.TarInfo, bytes]] = [
        file("bin/busybox", busybox().read_bytes(), mode=0o755),
        *(link(f"bin/{name}", "/bin/busybox") for name in _APPLETS),
        file("etc/passwd", b"root:x:0:0::/:/bin/sh\n"),
        file("image", b"of busybox\n"),
        *more,
    ]
    return packed(members)


def packed(members: Sequence[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """A tar file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def file(name: str, content: bytes = b"", mode: int = 0o644) -> tuple[tarfile.TarInfo, bytes]:
    """A member with content."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), mode
    return info, content


def link(name: str, leads_to: str) -> tuple[tarfile.TarInfo, bytes]:
    """A symbolic link."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, leads_to
    return info, b""


def directory(name: str, mode: int = 0o755) -> tuple[tarfile.TarInfo, bytes]:
    """A directory."""
    info = tarfile.TarInfo(name)
    info.type, info.mode = tarfile.DIRTYPE, mode
    return info, b""
