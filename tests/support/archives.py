"""Archives made in memory."""

from __future__ import annotations

import gzip
import io
import tarfile
import threading
from pathlib import Path

from mesos_service.containers.archive import ArchiveLimits, extract
from mesos_service.containers.beneath import Links, opened

LIMITS = ArchiveLimits(bytes_max=100_000, entries_max=50)


def member(name: str, content: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    """A member of a tar file, of any kind."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    info.mode = 0o644
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def tar_bytes(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def unpack(
    archive: Path,
    sandbox: Path,
    limits: ArchiveLimits = LIMITS,
    stop: threading.Event | None = None,
    links: Links = Links.BENEATH,
) -> None:
    with archive.open("rb") as content, opened(sandbox) as target:
        extract(archive.name, content, target, limits, stop or threading.Event(), None, links)


PACKED = gzip.compress(tar_bytes(member("inside", b"inside"), member("tool", b"#!", mode=0o755)))
