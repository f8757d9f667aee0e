"""``cgroups/blkio``: what a container reads from and writes to block devices is counted, and bounded where a flag says
so (M-AG-05, A34; Mesos docs, "cgroups/blkio").

As in Mesos it bounds nothing by itself. ``--blkio_limits_per_container`` gives each container so much a second of each
disk of the machine. Version 1 of control groups bounds whom it sees reading and writing; what is written through the
page cache is written by the kernel later, whom nobody bounds. Version 2 knows whose it was (with the controller
``memory``, on the usual file systems). The numbers are in the container's status, by device (``MAJOR:MINOR``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Final

from pydantic import field_validator

from mesos_service.cgroups.amounts import read_bytes
from mesos_service.cgroups.group import Group
from mesos_service.cgroups.isolator import CgroupConfig, CgroupIsolator
from mesos_service.cgroups.steps import Write
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.resources import Resources
from mesos_service.plugins.isolator import Host

BOUNDS: Final = {"read_bps": "rbps", "write_bps": "wbps", "read_iops": "riops", "write_iops": "wiops"}
"""Bytes and operations a second, in the words of version 1 and of version 2."""
_OPERATIONS_MAX: Final = 2**32 - 1
"""The kernel takes this for no bound, and what is more for this."""
_DISKS: Final = "sys/block"
_NOT_DISKS: Final = ("loop", "ram", "zram")
"""They are files and memory: what goes to a file is counted at its disk."""


def read_limits(text: str) -> dict[str, int]:
    """``read_bps:10MB;write_iops:500`` as numbers by name. Raises ``ValueError``."""
    limits: dict[str, int] = {}
    for part in text.split(";"):
        name, _, amount = part.strip().partition(":")
        if name not in BOUNDS or name in limits:
            raise ValueError(
                f"'{part}' is no bound on block devices: {', '.join(BOUNDS)}, each once, such as read_bps:10MB"
            )
        if name.endswith("_bps"):
            limits[name] = read_bytes(amount)
        elif re.fullmatch("[0-9]{1,10}", amount) and 0 < int(amount) < _OPERATIONS_MAX:
            limits[name] = int(amount)
        else:
            raise ValueError(f"'{amount}' is no number of operations a second, of less than {_OPERATIONS_MAX}")
    return limits


class Config(CgroupConfig):
    """The flags of all cgroups, and what each container may read and write in a second."""

    blkio_limits_per_container: str | None = None

    @field_validator("blkio_limits_per_container")
    @classmethod
    def _check(cls, text: str | None) -> str | None:
        if text is not None:
            read_limits(text)
        return text


class CgroupsBlkio(CgroupIsolator):
    """``blkio.throttle`` of version 1, ``io.stat`` and ``io.max`` of version 2."""

    name = "cgroups/blkio"
    Config: ClassVar[type[Any] | None] = Config
    v1_controllers = ("blkio",)
    v2_controller = "io"

    def __init__(self, host: Host, config: Any = None) -> None:  # Any: an instance of Config
        super().__init__(host, config)
        asked = self.config.blkio_limits_per_container
        self._limits = {} if asked is None else read_limits(asked)

    def settings(self, group: Group, resources: Resources, limits: Mapping[str, int], *, running: bool) -> list[Write]:
        """The bounds, for each disk that there is now; being in the group is enough to be counted."""
        if not self._limits:
            return []
        devices = _disks(self.config.rootfs / _DISKS)
        if self.version == 1:
            return [
                Write(group.path / f"blkio.throttle.{name}_device", f"{device} {amount}")
                for device in devices
                for name, amount in self._limits.items()
            ]
        bounds = " ".join(f"{BOUNDS[name]}={amount}" for name, amount in self._limits.items())
        return [Write(group.path / "io.max", f"{device} {bounds}") for device in devices]

    async def status(self, container_id: ContainerId) -> Mapping[str, object]:
        """``blkio``: by device, the bytes and the operations, each read and written."""
        if not self.is_measured(container_id):
            return {}
        group = self.group(container_id)
        counted: dict[str, dict[str, int]] = {}
        for device, name, number in _of_v1(group) if self.version == 1 else _of_v2(group):
            counted.setdefault(device, {})[name] = number
        return {"blkio": counted}


def _of_v1(group: Group) -> Iterator[tuple[str, str, int]]:
    for file, unit in (("blkio.throttle.io_service_bytes", "bytes"), ("blkio.throttle.io_serviced", "operations")):
        for line in (group.text(file) or "").splitlines():
            match line.split():
                case [device, ("Read" | "Write") as way, number]:
                    yield device, f"{'read' if way == 'Read' else 'written'}_{unit}", int(number)


def _of_v2(group: Group) -> Iterator[tuple[str, str, int]]:
    names = {
        "rbytes": "read_bytes",
        "wbytes": "written_bytes",
        "rios": "read_operations",
        "wios": "written_operations",
    }
    for line in (group.text("io.stat") or "").splitlines():
        device = ""
        for word in line.split():
            key, is_number, number = word.partition("=")
            if not is_number:
                # Some kernels begin the line of a device that has nothing to tell, and go on with the next one's in it.
                device = word
            elif key in names:
                yield device, names[key], int(number)


def _disks(place: Path) -> list[str]:
    """``MAJOR:MINOR`` of what is a disk, and has one in it; partitions are bounded with theirs."""
    found = []
    for disk in sorted(place.iterdir()) if place.is_dir() else ():
        # One of several ways to a disk (NVMe) has no numbers of its own, and what is pulled out just now has no files.
        with suppress(FileNotFoundError):
            if not disk.name.startswith(_NOT_DISKS) and int((disk / "size").read_text()):
                found.append((disk / "dev").read_text().strip())
    return found
