"""``cgroups/net_cls``: packets of a container carry a handle of its own, by which tc and iptables know them (M-AG-05).

A handle is ``0xAAAABBBB``: the primary part is ``--cgroups_net_cls_primary_handle``, and each container has a secondary
one of ``--cgroups_net_cls_secondary_handles`` while it lives. Without a primary handle operators set handles.
Version 2 has no such controller (iptables know its groups by their paths).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

from pydantic import field_validator

from mesos_service.cgroups.group import Group
from mesos_service.cgroups.isolator import CgroupConfig, CgroupIsolator
from mesos_service.cgroups.steps import Write
from mesos_service.domain.errors import OperatingFault
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.resources import Resources
from mesos_service.plugins.isolator import ContainerConfig, ContainerState, Host


class Config(CgroupConfig):
    """The flags of all cgroups, and the handles."""

    cgroups_net_cls_primary_handle: str | None = None
    cgroups_net_cls_secondary_handles: str | None = None

    @field_validator("cgroups_net_cls_primary_handle")
    @classmethod
    def _check_primary(cls, text: str | None) -> str | None:
        if text is not None:
            _handle(text)
        return text

    @field_validator("cgroups_net_cls_secondary_handles")
    @classmethod
    def _check_secondary(cls, text: str | None) -> str | None:
        if text is not None:
            _handles(text)
        return text


class CgroupsNetCls(CgroupIsolator):
    """``net_cls.classid``; a handle is taken when the group is made, and given back when it is gone."""

    name = "cgroups/net_cls"
    Config: ClassVar[type[Any] | None] = Config
    v1_controllers = ("net_cls",)
    v2_controller = None

    def __init__(self, host: Host, config: Any = None) -> None:  # Any: an instance of Config
        super().__init__(host, config)
        primary = self.config.cgroups_net_cls_primary_handle
        self._primary = None if primary is None else _handle(primary)
        self._secondary = _handles(self.config.cgroups_net_cls_secondary_handles or "0x0001,0xffff")
        self._taken: dict[ContainerId, int] = {}

    def settings(self, group: Group, resources: Resources, limits: Mapping[str, int], *, running: bool) -> list[Write]:
        """The handle that the container has, or would have as the next one."""
        if self._primary is None or running:
            return []
        secondary = self._taken.get(ContainerId(group.path.name))
        if secondary is None:
            secondary = self._free()
        return [Write(group.path / "net_cls.classid", str(self._primary << 16 | secondary))]

    def _free(self) -> int:
        taken = set(self._taken.values())
        for handle in self._secondary:
            if handle not in taken:
                return handle
        raise OperatingFault(f"All {len(self._secondary)} handles of --cgroups_net_cls_secondary_handles are taken")

    async def recover(self, states: Sequence[ContainerState], orphans: Collection[ContainerId]) -> None:
        """Handles of the living stay theirs."""
        await super().recover(states, orphans)
        for container_id in (*(state.container_id for state in states), *orphans):
            number = self.group(container_id).number("net_cls.classid")
            if self._primary is not None and number is not None and number >> 16 == self._primary:
                self._taken[container_id] = number & 0xFFFF

    def remember(self, container_id: ContainerId, config: ContainerConfig) -> None:
        """A new container takes a handle; a nested one has its parent's."""
        super().remember(container_id, config)
        known = self.group(container_id).exists() or container_id in self._taken
        if config.parent is None and self._primary is not None and not known:
            self._taken[container_id] = self._free()

    async def status(self, container_id: ContainerId) -> Mapping[str, object]:
        """``net_cls_classid``: the handle as a number."""
        if not self.is_measured(container_id):
            return {}
        return {"net_cls_classid": self.group(container_id).number("net_cls.classid")}

    async def cleanup(self, container_id: ContainerId) -> None:
        """End the group, then give back the handle."""
        await super().cleanup(container_id)
        self._taken.pop(container_id, None)


def _handle(text: str) -> int:
    """Raises ``ValueError`` for what is no handle of 16 bits, written as ``0xABCD``."""
    number = int(text, 16)
    if not 0 < number <= 0xFFFF:
        raise ValueError("a handle is between 0x0001 and 0xffff")
    return number


def _handles(text: str) -> range:
    """``0x0001,0xffff``: the first and the last."""
    first, separator, last = text.partition(",")
    if not separator:
        raise ValueError("write the first and the last handle, as 0x0001,0xffff")
    return range(_handle(first), _handle(last) + 1)
