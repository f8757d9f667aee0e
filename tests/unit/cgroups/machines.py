"""Machines with control groups of both versions, as folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mesos_service.containers.containerizer import Members
from mesos_service.plugins.isolator import Isolator
from mesos_service.plugins.loader import ISOLATORS, load, read_config
from tests.unit.cgroups.fake_kernel import FakeKernel

V1 = {"cpu,cpuacct": "cpu,cpuacct", "memory": "memory", "pids": "pids"}
V2 = ("cpuset", "cpu", "io", "memory", "pids")


Boot = Callable[..., FakeKernel]


@pytest.fixture
def boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Boot:
    """Starts a machine with these mounts."""
    return lambda v1, v2: FakeKernel(tmp_path / "machine", v1, v2, monkeypatch)


def make(kernel: FakeKernel, name: str, **flags: Any) -> Isolator:  # Any: whatever its Config takes
    kind = load(ISOLATORS, name)
    values = {"rootfs": kernel.rootfs, "runtime_dir": kernel.runtime, **flags}
    return kind(Members(), read_config(kind, values))


MACHINES = {"v1": (V1, None), "v2": ({}, V2), "hybrid": ({"cpu": "cpu", "cpuacct": "cpuacct"}, ("memory", "pids"))}
