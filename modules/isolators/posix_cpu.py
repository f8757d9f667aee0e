"""``posix/cpu``: measures processor time and limits nothing (M-AG-04; Mesos docs, posix isolators)."""

from __future__ import annotations

import psutil

from mesos_service.domain.ids import ContainerId
from mesos_service.plugins.isolator import Isolator, Usage


class PosixCpu(Isolator):
    """Adds up what every process of the container has used, and what its ended and waited-for children had used.

    Time of a process that ended unwaited-for is lost with it: only a cgroup keeps that.
    """

    name = "posix/cpu"
    nesting = True
    isolates_before_exec = False

    async def usage(self, container_id: ContainerId) -> Usage:
        """Seconds of processor time, and how many processes and threads there are."""
        user = system = 0.0
        processes = threads = 0
        for pid in self.host.processes(container_id):
            try:
                process = psutil.Process(pid)
                with process.oneshot():
                    times, count = process.cpu_times(), process.num_threads()
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue  # It ended meanwhile.
            user += times.user + times.children_user
            system += times.system + times.children_system
            processes += 1
            threads += count
        if not processes:
            return Usage()
        return Usage(processes=processes, threads=threads, cpus_user_time_secs=user, cpus_system_time_secs=system)
