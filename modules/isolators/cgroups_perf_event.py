"""``cgroups/perf_event``: a group by which ``perf`` can be asked about a container (M-AG-05; Mesos docs).

Operators name the group: ``perf stat --all-cpus --cgroup mesos/CONTAINER``. Nothing is sampled by itself, as in Mesos
without ``--perf_events``. Version 2 has events of every group, and no controller for them.
"""

from __future__ import annotations

from collections.abc import Mapping

from mesos_service.cgroups.group import Group
from mesos_service.cgroups.isolator import CgroupIsolator
from mesos_service.cgroups.steps import Write
from mesos_service.domain.resources import Resources


class CgroupsPerfEvent(CgroupIsolator):
    """A group, and nothing written to it."""

    name = "cgroups/perf_event"
    v1_controllers = ("perf_event",)
    v2_controller = ""

    def settings(self, group: Group, resources: Resources, limits: Mapping[str, int], *, running: bool) -> list[Write]:
        """Nothing: being in the group is enough."""
        return []
