"""``cgroups/blkio``: what a container reads from and writes to block devices is counted (M-AG-05; Mesos docs).

It bounds nothing, as in Mesos. The numbers are in the container's status, by device (``MAJOR:MINOR``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mesos_service.cgroups.group import Group
from mesos_service.cgroups.isolator import CgroupIsolator
from mesos_service.cgroups.steps import Write
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.resources import Resources


class CgroupsBlkio(CgroupIsolator):
    """``blkio.throttle`` of version 1, ``io.stat`` of version 2."""

    name = "cgroups/blkio"
    v1_controllers = ("blkio",)
    v2_controller = "io"

    def settings(self, group: Group, resources: Resources, limits: Mapping[str, int], *, running: bool) -> list[Write]:
        """Nothing: being in the group is enough to be counted."""
        return []

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
        device, *pairs = line.split()
        for pair in pairs:
            key, _, number = pair.partition("=")
            if key in names:
                yield device, names[key], int(number)
