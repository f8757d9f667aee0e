"""Which groups are ours: written down before a group is made, and crossed out when it is gone.

Whoever shares the machine may have groups beside ours, another agent above all, so a group is touched only when the
book has it. It is on disk, because an agent that dies between making a group and starting the process in it leaves
nothing else behind that tells whose the group is. An entry is a symbolic link, ``HIERARCHY:CONTAINER``, to the group:
made in one call, or found to be there. Isolators that share a hierarchy share its entries.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from mesos_service.domain.errors import OperatingFault
from mesos_service.domain.ids import ContainerId


class Book:
    """The groups that the containers of one agent have; ``directory`` is made when the first is written down."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def claim(self, hierarchy: str, container_id: ContainerId, group: Path) -> None:
        """Write down that ``group`` is about to be made; nothing changes where it is ours already.

        Raises :class:`OperatingFault` when there is such a group, and it is not ours.
        """
        entry = self._entry(hierarchy, container_id)
        try:
            entry.symlink_to(group)
        except FileExistsError:
            return
        except FileNotFoundError:
            self._directory.mkdir(parents=True, exist_ok=True)
            self.claim(hierarchy, container_id, group)
            return
        except OSError as error:
            raise OperatingFault(f"Failed to write down that {group} is ours: {error.strerror}") from error
        if group.exists():
            self.cross_out(hierarchy, container_id)
            raise OperatingFault(f"{group} is there already, and was made by somebody else")

    def has(self, hierarchy: str, container_id: ContainerId) -> bool:
        """Whether the container's group in that hierarchy is ours."""
        return os.path.lexists(self._entry(hierarchy, container_id))

    def containers(self, hierarchy: str) -> Iterator[ContainerId]:
        """All that have a group there."""
        prefix = f"{hierarchy}:"
        try:
            names = os.listdir(self._directory)  # noqa: PTH208 - names, not paths
        except FileNotFoundError:
            return
        for name in names:
            if name.startswith(prefix):
                yield ContainerId(name.removeprefix(prefix))

    def cross_out(self, hierarchy: str, container_id: ContainerId) -> None:
        """The group is gone."""
        self._entry(hierarchy, container_id).unlink(missing_ok=True)

    def _entry(self, hierarchy: str, container_id: ContainerId) -> Path:
        return self._directory / f"{hierarchy}:{container_id}"
