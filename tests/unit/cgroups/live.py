"""Groups of the machine that tests run on, under a name of their own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mesos_service.cgroups.group import PROCESSES_FILE
from mesos_service.cgroups.hierarchy import find, mounted
from mesos_service.domain.errors import ConfigurationError
from mesos_service.plugins.isolator import Host, Isolator
from mesos_service.plugins.loader import ISOLATORS, load, read_config

HIERARCHY = Path("/sys/fs/cgroup")
OF_V2 = {"blkio": "io", "cpuacct": "cpu"}
"""What controllers of version 1 are called in version 2."""


def written_down(runtime_dir: Path) -> set[tuple[str, str]]:
    """Hierarchy and container of every group that the agent's book says is there."""
    there: set[tuple[str, str]] = set()
    for line in (runtime_dir / "isolators" / "cgroups" / "groups").read_text().splitlines():
        word, hierarchy, container, *_ = json.loads(line)
        (there.add if word == "made" else there.discard)((hierarchy, container))
    return there


class Live:
    """Makes isolators that work with this machine's real control groups, below a group that no agent uses."""

    def __init__(self, directory: Path) -> None:
        self.root = f"mesos_test_{os.getpid()}"
        self._directory = directory

    def isolator(self, name: str, host: Host, **flags: Any) -> Isolator:  # Any: whatever its Config takes
        """An isolator by its name. Without its controllers the test is left out."""
        kind = load(ISOLATORS, name)
        known = kind.Config.model_fields if kind.Config is not None else {}
        given = {"cgroups_root": self.root, "runtime_dir": self._directory / "runtime"}
        ours = {flag: value for flag, value in given.items() if flag in known}
        config = read_config(kind, {**ours, **flags})  # A flag that is wrong is no controller that is missing.
        try:
            return kind(host, config)
        except ConfigurationError as refusal:
            pytest.skip(f"real part not installed: {refusal}")

    def groups(self) -> list[Path]:
        """Every group below ours, of every hierarchy, ours included; zombies are in none."""
        roots = [tree.mount / self.root for tree in mounted(Path("/"), HIERARCHY)]
        return [Path(directory) for root in roots for directory, _, _ in os.walk(root)]

    def containers(self) -> list[Path]:
        """Those of them that belong to a container, each before what is in it."""
        return [group for group in self.groups() if group.name != self.root]

    def names(self) -> list[str]:
        """The containers that have groups, once for each hierarchy that has one."""
        return [group.name for group in self.containers() if group.parent.name == self.root]

    def remove(self, *, with_processes: bool = False) -> None:
        """End all groups of containers, as somebody else might; whoever is in one is moved to the hierarchy's root."""
        for group in reversed(self.containers()):
            if with_processes:
                above = next(one for one in group.parents if one.name == self.root).parent
                for pid in (group / PROCESSES_FILE).read_text().split():
                    (above / PROCESSES_FILE).write_text(pid)
            group.rmdir()


def hierarchies(*controllers: str) -> int:
    """In how many hierarchies of this machine the controllers are; of version 2 there is one."""
    mounts = mounted(Path("/"), HIERARCHY)
    found = {find(mounts, 1, name) or find(mounts, 2, OF_V2.get(name, name)) for name in controllers}
    return len(found - {None})


@pytest.fixture(name="live")
def live_groups(tmp_path: Path) -> Iterator[Live]:
    """Whatever is left in our groups is a failure, and is removed all the same."""
    made = Live(tmp_path)
    yield made
    left = made.containers()
    for group in reversed(made.groups()):
        group.rmdir()
    assert not left, "groups outlived their containers"
