"""What only version 2 has, on a machine whose controllers are there (M-AG-06)."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mesos_service.cgroups import group
from mesos_service.cgroups.group import LEAF, PROCESSES_FILE, Group
from mesos_service.cgroups.hierarchy import Hierarchy, find, mounted
from mesos_service.cgroups.isolator import SUBTREE_FILE
from mesos_service.containers.containerizer import Members
from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.resources import Resources
from mesos_service.plugins.loader import ISOLATORS, load, read_config
from tests.unit.cgroups.live import HIERARCHY, Live
from tests.unit.containers.room import Run, alive, cid, room, until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="making control groups takes root")

EATER = "hoard = [bytearray(1 << 20) for _ in range(500)]; __import__('time').sleep(1000)"
BOMB = """
import os, time
while True:
    try:
        os.fork()
    except OSError:
        time.sleep(0.05)
"""
MEGABYTE = 1024 * 1024


@pytest.fixture
def tree() -> Hierarchy:
    """The hierarchy of version 2 with these controllers. Without them a test is left out."""
    found = find(mounted(Path("/"), HIERARCHY), 2, "memory")
    if found is None or not found.controllers.issuperset({"memory", "pids"}):
        pytest.skip("real part not installed: version 2 of control groups with controllers")
    return found


class Service:
    """A group as a service manager makes one for a service, with this process in it."""

    def __init__(self, tree: Hierarchy) -> None:
        self.path = tree.mount / f"service_{os.getpid()}"
        self._mount = tree.mount
        self._home = tree.mount / Path("/proc/self/cgroup").read_text().rpartition("::")[2].strip().lstrip("/")

    def begin(self) -> None:
        (self._mount / SUBTREE_FILE).write_text("+pids")
        self.path.mkdir()
        self.enter(self.path)

    def enter(self, path: Path) -> None:
        """Move there."""
        path.mkdir(exist_ok=True)
        (path / PROCESSES_FILE).write_text("0")

    def end(self) -> None:
        (self._home / PROCESSES_FILE).write_text("0")
        for directory, _, _ in os.walk(self.path, topdown=False):
            for pid in Group(Path(directory), 2).processes():
                (self._home / PROCESSES_FILE).write_text(str(pid))  # A keeper that is about to end.
            Path(directory).rmdir()


@pytest.fixture
def service(tree: Hierarchy) -> Iterator[Service]:
    """Below it are groups of containers, as under ``Delegate=yes``."""
    made = Service(tree)
    made.begin()
    yield made
    made.end()


def test_m_ag_06_a_group_with_processes_in_it_hands_nothing_on_and_that_is_said_at_the_start(
    run: Run, tmp_path: Path, service: Service
) -> None:
    kind = load(ISOLATORS, "cgroups/pids")
    flags = {"cgroups_root": f"{service.path.name}/containers", "runtime_dir": tmp_path / "runtime"}
    told = rf"needs groups below /sys/fs/cgroup/.*{service.path.name} that have the controller 'pids', and version 2"
    with pytest.raises(ConfigurationError, match=told):
        kind(Members(), read_config(kind, flags))
    assert not (service.path / "containers").exists()
    # As under DelegateSubgroup=agent: nobody is in the group itself.
    service.enter(service.path / "agent")

    async def body() -> None:
        host = Members()
        async with room(tmp_path, [kind(host, read_config(kind, flags))], host) as here:
            await here.shell("c", "cat /proc/self/cgroup; exec sleep 1000")
            [place] = [one for one in await here.said("c", lines=1) if "::" in one]
            assert place.endswith(f"/{service.path.name}/containers/{cid('c')}/{LEAF}")
            await here.destroy("c")
            await here.containerizer.close()
        assert [one.name for one in service.path.iterdir() if one.is_dir()] == ["agent"]

    run(body())


def test_m_ag_05_mem_want_of_memory_above_a_container_is_not_told_as_its_own(
    run: Run, tmp_path: Path, live: Live, tree: Hierarchy
) -> None:
    async def body() -> None:
        host = Members()
        async with room(tmp_path, [live.isolator("cgroups/mem", host)], host) as here:
            await here.shell("first", "exec sleep 1000")
            (tree.mount / live.root / "memory.max").write_text(str(64 * MEGABYTE))
            plan = here.plan("c", sys.executable, "-I", "-S", "-c", EATER, resources=Resources.scalars(cpus=1, mem=256))
            await here.containerizer.launch(plan)
            await until(lambda: here.limitations)
            message = here.limitations[0][1].message
            assert message.startswith("Out of memory outside the container, whose own limit holds: Requested: 256MB")
            assert [name for name, _ in here.limitations] == ["c"]

    run(body())


@pytest.mark.parametrize("by", ["cgroup.kill", "standing still"])
def test_m_ag_02_m_ag_05_who_forks_without_end_is_bounded_and_ended(
    run: Run, tmp_path: Path, live: Live, tree: Hierarchy, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By ``cgroup.kill``, and as on kernels of before it."""
    if by != group.KILL_FILE:
        monkeypatch.setattr(group, "KILL_FILE", "no.such.file")

    async def body() -> None:
        host = Members()
        pids = live.isolator("cgroups/pids", host, cgroups_pids_max=30)
        cpu = live.isolator("cgroups/cpu", host, cgroups_enable_cfs=True)
        async with room(tmp_path, [cpu, pids], host) as here:
            small = Resources.scalars(cpus=0.3, mem=32)
            plan = here.plan("c", sys.executable, "-I", "-S", "-c", BOMB, resources=small)
            pid = await here.containerizer.launch(plan)
            most = 0
            while most < 30:
                most = max(most, (await pids.usage(cid("c"))).threads or 0)
                await asyncio.sleep(0.01)
            refused = tree.mount / live.root / cid("c") / "pids.events"
            await until(lambda: refused.read_text() != "max 0\n")
            assert ((await pids.usage(cid("c"))).threads or 0) <= 30
            await here.destroy("c")
            assert not alive(pid)
            assert not live.containers()

    run(body())


def test_m_ag_05_huge_pages_are_told(run: Run, tmp_path: Path, live: Live, tree: Hierarchy) -> None:
    if "hugetlb" not in tree.controllers:
        pytest.skip("real part not installed: the controller hugetlb")

    sizes = list(Path("/sys/kernel/mm/hugepages").iterdir())

    async def body() -> None:
        host = Members()
        isolator = live.isolator("cgroups/hugetlb", host)
        async with room(tmp_path, [isolator], host) as here:
            await here.shell("c", "exec sleep 1000")
            told = (await isolator.status(cid("c")))["hugetlb"]
            assert isinstance(told, dict) and len(told) == len(sizes) and set(told.values()) == {0}

    run(body())


def test_m_ag_06_each_controller_is_used_where_it_is(tmp_path: Path, live: Live, tree: Hierarchy) -> None:
    """On a hybrid machine some are in one version and some in the other."""
    there = mounted(Path("/"), HIERARCHY)
    words = {"cpu": "cpu", "mem": "memory", "pids": "pids", "cpuset": "cpuset", "blkio": "io", "devices": "devices"}
    for name, controller in words.items():
        isolator = live.isolator(f"cgroups/{name}", Members())
        of_v1 = find(there, 1, "blkio" if name == "blkio" else controller)
        assert isolator.version == (1 if of_v1 else 2), name  # type: ignore[attr-defined]  # all have one
