"""What tasks ask to see of the machine."""

from __future__ import annotations

from pathlib import Path

from mesos_service.wire import containers as wire


def volume(source: Path, at: str, mode: wire.VolumeMode) -> wire.Volume:
    """Of a directory or file of the machine."""
    path = wire.VolumeSourceHostPath(path=str(source))
    return wire.Volume(mode=mode, container_path=at, source=wire.VolumeSource(type="HOST_PATH", host_path=path))
