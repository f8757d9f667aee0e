"""Which hierarchies of control groups this machine has, and which of them has a controller.

A controller belongs to one hierarchy: a mount of version 1 that names it, or the one of version 2 that lists it in
``cgroup.controllers``. On a hybrid host some are here and some there, so each is looked for by itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mesos_service.domain.errors import ConfigurationError

CONTROLLERS_FILE = "cgroup.controllers"
MOUNTS = "proc/mounts"
_NAMED = re.compile(r"[a-z_]+")


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """One mounted tree of groups."""

    version: int
    mount: Path
    controllers: frozenset[str]

    @property
    def name(self) -> str:
        """Short, and different for each hierarchy: the name of its mount point."""
        return self.mount.name


def mounted(rootfs: Path, below: Path) -> tuple[Hierarchy, ...]:
    """The hierarchies that are mounted at or below ``below``, as ``/proc/mounts`` of ``rootfs`` tells it.

    ``rootfs`` is where the machine's own root is seen, ``/`` for most. Paths that are given back begin with it.
    Raises :class:`ConfigurationError` when there is no such table.
    """
    table = rootfs / MOUNTS
    try:
        lines = table.read_text(errors="surrogateescape").splitlines()
    except OSError as error:
        raise ConfigurationError(f"Cannot tell which control groups there are: {table}: {error.strerror}") from error
    found: dict[Path, Hierarchy] = {}
    for line in lines:
        _, target, kind, options, *_ = line.split(" ")
        point = Path(_unescaped(target))
        if kind not in ("cgroup", "cgroup2") or not point.is_relative_to(below):
            continue
        mount = rootfs / point.relative_to("/")
        # The one that was mounted last at a place is the one that is seen there.
        if kind == "cgroup":
            found[mount] = Hierarchy(1, mount, frozenset(filter(_NAMED.fullmatch, options.split(","))))
        else:
            found[mount] = Hierarchy(2, mount, _listed(mount))
    return tuple(found.values())


def find(hierarchies: Sequence[Hierarchy], version: int, controller: str) -> Hierarchy | None:
    """The hierarchy of that version which has the controller; with ``""``, any of that version."""
    for hierarchy in hierarchies:
        if hierarchy.version == version and (not controller or controller in hierarchy.controllers):
            return hierarchy
    return None


def known_to_kernel(rootfs: Path, controller: str) -> bool | None:
    """Whether the kernel has the controller and it is not disabled; ``None`` when it does not say."""
    try:
        lines = (rootfs / "proc" / "cgroups").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        columns = line.split()
        if columns and columns[0] == controller:
            return columns[-1] == "1"
    return False


def _listed(mount: Path) -> frozenset[str]:
    try:
        return frozenset((mount / CONTROLLERS_FILE).read_text().split())
    except OSError:
        return frozenset()


def _unescaped(text: str) -> str:
    """Blanks in mount points are written as ``\\040``."""
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), text)
