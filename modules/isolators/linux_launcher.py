"""``linux/launcher``: what ``--launcher=linux`` adds, a control group that no process gets out of (M-AG-02).

Version 1 has it in the freezer's hierarchy, as Mesos' launcher does, and version 2 needs no controller for it. Nothing
is bounded: whoever is in the group is known to belong to the container, and ends with it, wherever it went. Any of
``cgroups/...`` does that, too.
"""

from __future__ import annotations

from collections.abc import Mapping

from mesos_service.cgroups.group import Group
from mesos_service.cgroups.isolator import CgroupIsolator
from mesos_service.cgroups.steps import Write
from mesos_service.domain.resources import Resources


class LinuxLauncher(CgroupIsolator):
    """A group, and nothing written to it."""

    name = "linux/launcher"
    v1_controllers = ("freezer",)
    v2_controller = ""

    def settings(self, group: Group, resources: Resources, limits: Mapping[str, int], *, running: bool) -> list[Write]:
        """Nothing: being in the group is enough."""
        return []
