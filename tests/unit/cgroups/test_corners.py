"""Corners of version 2, and the small isolators, on a fake machine (M-AG-05, M-AG-06)."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from pathlib import Path

import pytest

from mesos_service.cgroups import group
from mesos_service.cgroups.group import Group
from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.resources import Resources
from mesos_service.plugins.isolator import ContainerConfig
from tests.unit.cgroups.fake_kernel import FakeKernel
from tests.unit.cgroups.machines import V2, Boot, make

C = ContainerId("c")
CONFIG = ContainerConfig(sandbox="/nowhere", resources=Resources.scalars(cpus=0.5, mem=64))


def service(kernel: FakeKernel, handed_on: str) -> Path:
    """A group of a service manager, in which there is a process."""
    made = kernel.place / "system.slice/agent.service"
    for one in (made.parent, made):
        one.mkdir()
        (one / "cgroup.type").write_text("domain\n")
        (one / "cgroup.procs").write_text("")
        (one / "cgroup.subtree_control").write_text(handed_on)
    (made / "cgroup.procs").write_text("17\n")
    return made


def test_m_ag_06_a_group_with_processes_cannot_hand_on_controllers_and_the_agent_says_so(boot: Boot) -> None:
    kernel = boot({}, V2)
    made = service(kernel, "cpu")
    root = "system.slice/agent.service/containers"
    told = "needs groups below .*/agent.service that have the controller 'memory', and version 2"
    with pytest.raises(ConfigurationError, match=told):
        make(kernel, "cgroups/mem", cgroups_root=root)
    # What is handed on already is, and what is asked of the kernel by a program needs nothing.
    make(kernel, "cgroups/cpu", cgroups_root=root)
    make(kernel, "cgroups/perf_event", cgroups_root=root)
    make(kernel, "cgroups/mem", cgroups_root="mesos")
    (made / "cgroup.procs").write_text("")
    make(kernel, "cgroups/mem", cgroups_root=root)


def test_m_ag_06_the_root_of_all_may_have_processes_and_that_of_a_namespace_may_not(boot: Boot) -> None:
    kernel = boot({}, V2)
    (kernel.place / "cgroup.procs").write_text("1\n2\n")
    make(kernel, "cgroups/mem")
    (kernel.place / "cgroup.type").write_text("domain\n")
    with pytest.raises(ConfigurationError, match="move those to a group below it"):
        make(kernel, "cgroups/mem")


@pytest.mark.parametrize("version", [1, 2])
def test_m_ag_02_without_a_file_for_it_everybody_is_stopped_and_killed_by_number(tmp_path: Path, version: int) -> None:
    """Version 1, and version 2 of before Linux 5.14."""
    child = subprocess.Popen(["sleep", "1000"])
    try:
        (tmp_path / "cgroup.procs").write_text(f"{child.pid}\n")
        if version == 2:
            (tmp_path / "cgroup.freeze").write_text("0")
        Group(tmp_path, version).kill()
        assert child.wait(20) == -signal.SIGKILL
        assert {path.name for path in tmp_path.iterdir()} == {
            "cgroup.procs",
            *(["cgroup.freeze"] if version == 2 else []),
        }
        if version == 2:
            assert (tmp_path / "cgroup.freeze").read_text() == "1"
    finally:
        child.kill()
        child.wait()


def test_m_ag_02_a_group_that_goes_while_it_is_killed_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel lets nobody make a file there (EPERM), and a file that was open is without a device (ENODEV)."""
    Group(tmp_path / "gone", 2).kill()
    assert not (tmp_path / "gone").exists()

    def write_file(path: Path, value: str) -> None:
        raise OSError(19, "No such device")

    monkeypatch.setattr(group, "write_file", write_file)
    Group(tmp_path, 2).kill()


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ("oom 1\noom_kill 1\n", "Memory limit exceeded: Requested: 64MB"),
        ("oom 0\noom_kill 1\n", "Out of memory outside the container, whose own limit holds: Requested: 64MB"),
    ],
)
def test_m_ag_05_mem_whose_bound_it_was_is_told(boot: Boot, events: str, words: str) -> None:
    async def body() -> None:
        kernel = boot({}, V2)
        memory = make(kernel, "cgroups/mem")
        await memory.prepare(C, CONFIG)
        [path] = [one for one in kernel.groups() if one.name == C]
        (path / "memory.events").write_text(events)
        told = await memory.post_mortem(C)
        assert told is not None and told.message.startswith(words)
        assert told.reason == "REASON_CONTAINER_LIMITATION_MEMORY"

    asyncio.run(body())


@pytest.mark.parametrize(
    ("version", "file"), [(1, "hugetlb.2MB.usage_in_bytes"), (2, "hugetlb.2MB.current")], ids=["v1", "v2"]
)
def test_m_ag_05_hugetlb_tells_what_is_used_by_the_size_of_pages(boot: Boot, version: int, file: str) -> None:
    async def body() -> None:
        kernel = boot({"hugetlb": "hugetlb"}, None) if version == 1 else boot({}, (*V2, "hugetlb"))
        isolator = make(kernel, "cgroups/hugetlb")
        await isolator.prepare(C, CONFIG)
        [path] = [one for one in kernel.groups() if one.name == C]
        for name, text in {file: "4194304\n", file.replace("2MB", "1GB"): "0\n", "hugetlb.2MB.max": "max\n"}.items():
            (path / name).write_text(text)
        assert await isolator.status(C) == {"hugetlb": {"1GB": 0, "2MB": 4194304}}
        await isolator.cleanup(C)
        assert await isolator.status(C) == {}
        assert not path.exists()

    asyncio.run(body())


@pytest.mark.parametrize(("name", "controller"), [("cgroups/perf_event", "perf_event"), ("linux/launcher", "freezer")])
@pytest.mark.parametrize("version", [1, 2])
def test_m_ag_02_m_ag_05_perf_event_and_the_linux_launcher_are_a_group_and_nothing_else(
    boot: Boot, name: str, controller: str, version: int
) -> None:
    isolator = make(boot({controller: controller}, None) if version == 1 else boot({}, V2), name)
    lines = isolator.explain(C, CONFIG)
    assert [line.split()[0] for line in lines[:-1]] == ["mkdir"] * (len(lines) - 1)
    assert lines[-1].startswith("write 0 to ")
