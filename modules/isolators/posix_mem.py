"""``posix/mem``: measures memory and limits nothing (M-AG-04; Mesos docs, posix isolators)."""

from __future__ import annotations

import psutil

from mesos_service.domain.ids import ContainerId
from mesos_service.plugins.isolator import Isolator, Usage


class PosixMem(Isolator):
    """Adds up the resident memory of the container's processes; pages that they share count for each of them."""

    name = "posix/mem"
    nesting = True
    isolates_before_exec = False

    async def usage(self, container_id: ContainerId) -> Usage:
        """Resident bytes."""
        resident = 0
        measured = False
        for pid in self.host.processes(container_id):
            try:
                resident += psutil.Process(pid).memory_info().rss
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue  # It ended meanwhile.
            measured = True
        return Usage(mem_rss_bytes=resident) if measured else Usage()
