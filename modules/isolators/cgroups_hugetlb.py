"""``cgroups/hugetlb``: a group in which operators can bound huge pages of a container (M-AG-05; Mesos docs).

It bounds nothing by itself, as in Mesos. What a container uses is in its status, by the size of pages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from mesos_service.cgroups.group import Group
from mesos_service.cgroups.isolator import CgroupIsolator
from mesos_service.cgroups.steps import Write
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.resources import Resources

_USAGE: Final = re.compile(r"hugetlb\.([0-9]+[KMG]B)\.(?:usage_in_bytes|current)")
"""Bytes of one size of pages, in either version."""


class CgroupsHugetlb(CgroupIsolator):
    """``hugetlb.SIZE.usage_in_bytes`` of version 1, ``hugetlb.SIZE.current`` of version 2."""

    name = "cgroups/hugetlb"
    v1_controllers = ("hugetlb",)
    v2_controller = "hugetlb"

    def settings(self, group: Group, resources: Resources, limits: Mapping[str, int], *, running: bool) -> list[Write]:
        """Nothing: operators write the bounds."""
        return []

    async def status(self, container_id: ContainerId) -> Mapping[str, object]:
        """``hugetlb``: bytes by the size of pages, such as ``2MB``."""
        if not self.is_measured(container_id):
            return {}
        group = self.group(container_id)
        sizes = (found[1] for name in group.files() if (found := _USAGE.fullmatch(name)))
        file = "usage_in_bytes" if self.version == 1 else "current"
        return {"hugetlb": {size: group.number(f"hugetlb.{size}.{file}") for size in sorted(sizes)}}
