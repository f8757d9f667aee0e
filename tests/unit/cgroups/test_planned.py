"""What is written for a container, in either version and on hybrid machines, on a fake one (M-AG-05, M-AG-06, N27)."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from mesos_service.cgroups.steps import Write, perform
from mesos_service.core.oversubscription.estimators import lent
from mesos_service.domain.errors import ConfigurationError, OperatingFault
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.resources import Resources
from mesos_service.plugins.isolator import UNLIMITED, ContainerConfig, ContainerState
from tests.unit.cgroups.machines import MACHINES, V2, Boot, make

C = ContainerId("c")
CONFIG = ContainerConfig(sandbox="/nowhere", resources=Resources.scalars(cpus=0.5, mem=64), limits={"cpus": 2000})
MEGABYTE = 1024 * 1024
NAMES = ("cgroups/cpu", "cgroups/mem", "cgroups/pids")


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", NAMES)
def test_n27_m_ag_06_the_plan_is_what_is_done_and_nothing_else(boot: Boot, machine: str, name: str) -> None:
    async def body() -> None:
        kernel = boot(*MACHINES[machine])
        isolator = make(kernel, name)
        before = kernel.files()
        lines = isolator.explain(C, CONFIG)
        assert kernel.files() == before and not kernel.groups(), "planning does nothing"
        info = await isolator.prepare(C, CONFIG)
        made = set(kernel.groups())
        fresh = {path: text for path, text in kernel.files().items() if Path(path).parent in made}
        assert info is not None and not isolator.isolates_before_exec
        perform(Write(Path(join), "0") for join in info.joins)  # As the container's first process does.
        assert made == {Path(line.removeprefix("mkdir ")) for line in lines if line.startswith("mkdir ")}
        written: dict[str, str] = {}
        for line in lines:
            if line.startswith("write "):
                value, _, path = line.removeprefix("write ").partition(" to ")
                written[path] = value
        after = kernel.files()
        for path, value in written.items():
            shown = value.removeprefix("+") if path.endswith("subtree_control") else value
            assert after[path] == shown
        here = (path for path in after if not path.startswith(str(kernel.runtime)))
        changed = {path for path in here if before.get(path, fresh.get(path)) != after[path]}
        assert changed <= set(written)

    asyncio.run(body())


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        ("v1", {"cpu.shares": "512", "cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "200000"}),
        ("v2", {"cpu.weight": "50", "cpu.max": "200000 100000"}),
    ],
)
def test_m_ag_05_cpu_weighs_and_stops(boot: Boot, machine: str, expected: dict[str, str]) -> None:
    async def body() -> None:
        kernel = boot(*MACHINES[machine])
        isolator = make(kernel, "cgroups/cpu")
        await isolator.prepare(C, CONFIG)
        [group] = [path for path in kernel.groups() if path.name == "c"]
        assert {name: (group / name).read_text() for name in expected} == expected
        usage = await isolator.usage(C)
        assert (usage.cpus_user_time_secs, usage.cpus_system_time_secs) == (2.5, 0.5)
        assert (usage.cpus_nr_periods, usage.cpus_nr_throttled, usage.cpus_throttled_time_secs) == (5, 2, 1.5)
        await isolator.update(C, Resources.scalars(cpus=0), {"cpus": -1})
        lifted = {"cpu.shares": "2", "cpu.cfs_quota_us": "-1"} if machine == "v1" else {"cpu.weight": "1"}
        assert {name: (group / name).read_text() for name in lifted} == lifted
        if machine == "v2":
            assert (group / "cpu.max").read_text() == "max 100000"
            await isolator.update(C, Resources.scalars(cpus=500), {})
            assert (group / "cpu.weight").read_text() == "10000", "the kernel takes no more"

    asyncio.run(body())


@pytest.mark.parametrize("machine", ["v1", "v2"])
@pytest.mark.parametrize("low", [True, False])
def test_m_ag_26_what_runs_on_lent_processors_weighs_a_hundredth(boot: Boot, machine: str, low: bool) -> None:
    isolator = make(boot(*MACHINES[machine]), "cgroups/cpu", revocable_cpu_low_priority=low)
    both = Resources.scalars(cpus=3) + lent(Resources.scalars(cpus=1))
    own = {"v1": "4096 to ", "v2": "400 to "}[machine]
    expected = {"v1": "40 to ", "v2": "4 to "}[machine] if low else own
    for resources, weight in ((both, expected), (Resources.scalars(cpus=4) + lent(Resources.scalars(mem=1)), own)):
        plan = isolator.explain(C, ContainerConfig(sandbox="/nowhere", resources=resources))
        (line,) = [one for one in plan if "/c/cpu." in one and ("shares" in one or "weight" in one)]
        assert line.startswith(f"write {weight}"), line


@pytest.mark.parametrize("machine", ["v1", "v2"])
@pytest.mark.parametrize(
    ("limits", "hard"),
    [({}, 64 * MEGABYTE), ({"mem": 96_000}, 96 * MEGABYTE), ({"mem": UNLIMITED}, None)],
)
def test_m_al_27_a_memory_limit_bounds_and_the_request_protects(
    boot: Boot, machine: str, limits: dict[str, int], hard: int | None
) -> None:
    """From the first process on: what is above the request may be used, and is the first to be reclaimed."""
    config = ContainerConfig(sandbox="/nowhere", resources=Resources.scalars(cpus=1, mem=64), limits=limits)
    plan = make(boot(*MACHINES[machine]), "cgroups/mem").explain(C, config)
    soft_in, hard_in, none = {
        "v1": ("memory.soft_limit_in_bytes", "memory.limit_in_bytes", "-1"),
        "v2": ("memory.low", "memory.max", "max"),
    }[machine]
    for name, value in ((soft_in, str(64 * MEGABYTE)), (hard_in, none if hard is None else str(hard))):
        (line,) = [one for one in plan if one.endswith(f"/c/{name}")]
        assert line.startswith(f"write {value} to "), line


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", NAMES)
def test_n27_m_ag_16_a_new_agent_changes_nothing_of_what_runs(boot: Boot, machine: str, name: str) -> None:
    """As MESOS-8877 and its like did: a quota that was another after the agent's recovery."""

    async def body() -> None:
        kernel = boot(*MACHINES[machine])
        await make(kernel, name).prepare(C, CONFIG)
        before = kernel.files()
        after = make(kernel, name)
        await after.recover([ContainerState(container_id=C, pid=1, config=CONFIG)], [])
        assert kernel.files() == before
        await after.update(C, CONFIG.resources, CONFIG.limits)
        assert kernel.files() == before, "the same amounts are the same values"

    asyncio.run(body())


def test_m_ag_05_cpu_the_request_is_a_ceiling_only_under_cfs(boot: Boot) -> None:
    kernel = boot(*MACHINES["v2"])
    config = ContainerConfig(sandbox="/nowhere", resources=Resources.scalars(cpus=0.001))
    assert not any("cpu.max" in line for line in make(kernel, "cgroups/cpu").explain(C, config))
    plan = make(kernel, "cgroups/cpu", cgroups_enable_cfs=True).explain(C, config)
    assert any(line.startswith("write 1000 100000 to ") for line in plan), "no less than a millisecond"


@pytest.mark.parametrize("machine", ["v1", "v2"])
def test_m_ag_05_mem_is_bounded_softly_and_hard(boot: Boot, machine: str) -> None:
    async def body() -> None:
        kernel = boot(*MACHINES[machine])
        isolator = make(kernel, "cgroups/mem", cgroups_limit_swap=True)
        await isolator.prepare(C, ContainerConfig(sandbox="/", resources=Resources.scalars(mem=1)))
        usage = await isolator.usage(C)
        assert usage.mem_soft_limit_bytes == usage.mem_limit_bytes == 32 * MEGABYTE, "less starts nothing"
        assert (usage.mem_rss_bytes, usage.mem_cache_bytes, usage.mem_total_bytes) == (1000, 2000, 4096)
        await isolator.update(C, Resources.scalars(mem=64), {"mem": 128_000})
        usage = await isolator.usage(C)
        assert (usage.mem_soft_limit_bytes, usage.mem_limit_bytes) == (64 * MEGABYTE, 128 * MEGABYTE)
        await isolator.update(C, Resources.scalars(mem=64), {})
        assert (await isolator.usage(C)).mem_limit_bytes == 128 * MEGABYTE, "never lowered while somebody runs"
        [group] = [path for path in kernel.groups() if path.name == "c"]
        swap = {"v1": ("memory.memsw.limit_in_bytes", str(128 * MEGABYTE)), "v2": ("memory.swap.max", "0")}[machine]
        assert (group / swap[0]).read_text() == swap[1]

    asyncio.run(body())


def test_m_ag_06_mem_events_of_version_2_are_a_breach(boot: Boot, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body() -> None:
        kernel = boot(*MACHINES["v2"])
        isolator = make(kernel, "cgroups/mem")
        await isolator.prepare(C, CONFIG)
        assert await isolator.post_mortem(C) is None
        watching = asyncio.create_task(isolator.watch(C))
        await asyncio.sleep(0)
        [group] = [path for path in kernel.groups() if path.name == "c"]
        (group / "memory.events").write_text("oom 1\noom_kill 1\n")
        for told in (await isolator.post_mortem(C), await watching):
            assert told is not None
            assert told.reason == "REASON_CONTAINER_LIMITATION_MEMORY"
            assert told.message.startswith("Memory limit exceeded: Requested: 64MB Maximum Used: 0.0MB\n")
            assert told.resources == Resources.scalars(mem=64)

    monkeypatch.setattr("mesos_service.cgroups.oom.LOOK_SECONDS", 0.001)
    asyncio.run(asyncio.wait_for(body(), 60))


def test_m_ag_06_isolators_share_a_group_of_version_2(boot: Boot) -> None:
    """The first makes it and the first that cleans up removes it, in any order; a stranger's is nobody's."""

    async def body() -> None:
        kernel = boot(*MACHINES["v2"])
        isolators = [make(kernel, name) for name in NAMES]
        infos = [await isolator.prepare(C, CONFIG) for isolator in isolators]
        root = kernel.place / "mesos"
        assert sorted(kernel.groups()) == [root, root / "c", root / "c" / "leaf"]
        for place in (kernel.place, root):
            assert (place / "cgroup.subtree_control").read_text() == "cpu memory pids"
        assert {info and info.joins for info in infos} == {(str(root / "c" / "leaf" / "cgroup.procs"),)}
        for isolator in reversed(isolators):
            await isolator.cleanup(C)
            assert kernel.groups() == [root]
        (root / "strange").mkdir()
        with pytest.raises(OperatingFault, match="made by somebody else"):
            await isolators[0].prepare(ContainerId("strange"), CONFIG)
        for isolator in isolators:
            await isolator.cleanup(ContainerId("strange"))
        assert (root / "strange").is_dir()

    asyncio.run(body())


def test_m_ag_05_a_nested_container_is_in_the_group_of_the_outermost(boot: Boot) -> None:
    async def body() -> None:
        kernel = boot(*MACHINES["v1"])
        isolator = make(kernel, "cgroups/pids")
        await isolator.prepare(C, CONFIG)
        parent = C
        for name in ("inner", "innermost"):
            nested = ContainerId(name)
            config = ContainerConfig(sandbox="/", resources=Resources.EMPTY, parent=parent)
            info = await isolator.prepare(nested, config)
            assert info is not None and info.joins == (str(kernel.place / "pids/mesos/c/tasks"),)
            parent = nested
        assert [path.name for path in kernel.groups()] == ["mesos", "c"]
        assert not (await isolator.usage(ContainerId("inner"))).measured(), "its numbers are those of all"
        await isolator.cleanup(ContainerId("innermost"))
        await isolator.cleanup(ContainerId("inner"))
        assert (kernel.place / "pids/mesos/c").is_dir()

    asyncio.run(body())


@pytest.mark.parametrize(
    ("v1", "v2", "name", "sentence"),
    [
        ({}, None, "cgroups/mem", "needs control groups, and none are mounted at or below /sys/fs/cgroup"),
        ({"cpu": "cpu"}, None, "cgroups/mem", "controller 'memory', which is not mounted below /sys/fs/cgroup"),
        ({"cpu": "cpu"}, None, "cgroups/cpu", "controller 'cpuacct', which is not mounted below"),
        ({}, ("cpu",), "cgroups/pids", "controller 'pids', which is not mounted below"),
    ],
)
def test_m_ag_05_what_cannot_work_says_so_at_the_start(
    boot: Boot, v1: dict[str, str], v2: tuple[str, ...] | None, name: str, sentence: str
) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        make(boot(v1, v2), name)


def test_m_ag_05_a_place_that_cannot_be_written_to_takes_root(boot: Boot, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = boot(*MACHINES["v1"])
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(ConfigurationError, match=r"'cgroups/pids' cannot make control groups in .*it takes root"):
        make(kernel, "cgroups/pids")


def test_m_ag_05_cpuset_copies_down_what_is_above(boot: Boot) -> None:
    async def body() -> None:
        kernel = boot({"cpuset": "cpuset"}, None)
        top = kernel.place / "cpuset"
        (top / "cpuset.cpus").write_text("0-3\n")
        (top / "cpuset.mems").write_text("0\n")
        isolator = make(kernel, "cgroups/cpuset")
        await isolator.prepare(C, CONFIG)
        (top / "mesos/cpuset.cpus").write_text("2\n")
        await isolator.prepare(ContainerId("next"), CONFIG)
        held = {path.name: (path / "cpuset.cpus").read_text().strip() for path in kernel.groups()}
        assert held == {"mesos": "2", "c": "0-3", "next": "2"}, "an operator's choice holds for those to come"
        assert (top / "mesos/next/cpuset.mems").read_text() == "0"

    asyncio.run(body())


def test_m_ag_05_devices_are_denied_before_some_are_allowed(boot: Boot) -> None:
    kernel = boot({"devices": "devices"}, None)
    lines = [line for line in make(kernel, "cgroups/devices").explain(C, CONFIG) if "/devices." in line]
    place = kernel.place / "devices/mesos/c"
    assert lines[0] == f"write a to {place}/devices.deny"
    assert f"write c 1:3 rwm to {place}/devices.allow" in lines[1:]
    assert all(line.endswith("/devices.allow") for line in lines[1:])


@pytest.mark.parametrize("name", ["cgroups/net_cls"])
def test_m_ag_06_what_version_2_does_not_have_is_refused(boot: Boot, name: str) -> None:
    with pytest.raises(ConfigurationError, match="version 2 has none like it: take the isolator out"):
        make(boot({}, V2), name)


def test_m_ag_05_net_cls_handles_are_taken_and_given_back(boot: Boot) -> None:
    async def body() -> None:
        kernel = boot({"net_cls": "net_cls"}, None)
        flags = {"cgroups_net_cls_primary_handle": "0x12", "cgroups_net_cls_secondary_handles": "0x3,0x4"}
        isolator = make(kernel, "cgroups/net_cls", **flags)
        names = [ContainerId(name) for name in ("a", "b", "c")]
        for name in names[:2]:
            await isolator.prepare(name, CONFIG)
        assert await isolator.status(names[0]) == {"net_cls_classid": 0x120003}
        assert await isolator.status(names[1]) == {"net_cls_classid": 0x120004}
        with pytest.raises(OperatingFault, match="All 2 handles"):
            await isolator.prepare(names[2], CONFIG)
        await isolator.cleanup(names[2])
        # The next agent knows whose they are.
        isolator = make(kernel, "cgroups/net_cls", **flags)
        await isolator.recover([ContainerState(container_id=name, pid=1, config=CONFIG) for name in names[:2]], [])
        with pytest.raises(OperatingFault, match="All 2 handles"):
            await isolator.prepare(names[2], CONFIG)
        await isolator.cleanup(names[0])
        await isolator.prepare(names[2], CONFIG)
        assert await isolator.status(names[2]) == {"net_cls_classid": 0x120003}

    asyncio.run(body())


@pytest.mark.parametrize("wrong", ["0x0", "0x10000", "twelve"])
def test_m_ag_05_net_cls_handles_have_sixteen_bits(boot: Boot, wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="cgroups_net_cls_primary_handle"):
        make(boot({"net_cls": "net_cls"}, None), "cgroups/net_cls", cgroups_net_cls_primary_handle=wrong)


@pytest.mark.parametrize(("v1", "v2"), [({"blkio": "blkio"}, None), ({}, V2)])
def test_m_ag_05_blkio_counts_by_device(boot: Boot, v1: dict[str, str], v2: tuple[str, ...] | None) -> None:
    async def body() -> None:
        isolator = make(boot(v1, v2), "cgroups/blkio")
        await isolator.prepare(C, CONFIG)
        counted = {"read_bytes": 4096, "written_bytes": 8192, "read_operations": 1, "written_operations": 2}
        assert await isolator.status(C) == {"blkio": {"254:0": counted}}
        await isolator.cleanup(C)
        assert await isolator.status(C) == {}

    asyncio.run(body())


def test_m_ag_05_blkio_counts_at_the_device_that_a_line_comes_to(boot: Boot) -> None:
    """Devices without numbers may stand in front of it."""

    async def body() -> None:
        kernel = boot({}, V2)
        isolator = make(kernel, "cgroups/blkio")
        await isolator.prepare(C, CONFIG)
        [group] = [path for path in kernel.groups() if path.name == C]
        (group / "io.stat").write_text("7:0 7:1 254:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n7:2 \n")
        counted = {"read_bytes": 1, "written_bytes": 2, "read_operations": 3, "written_operations": 4}
        assert await isolator.status(C) == {"blkio": {"254:0": counted}}
        await isolator.cleanup(C)

    asyncio.run(body())


@pytest.mark.parametrize(
    ("v1", "v2", "expected"),
    [
        (
            {"blkio": "blkio"},
            None,
            {"blkio.throttle.read_bps_device": "254:0 10485760", "blkio.throttle.write_iops_device": "254:0 500"},
        ),
        ({}, V2, {"io.max": "254:0 rbps=10485760 wiops=500"}),
    ],
)
def test_m_ag_05_a34_blkio_bounds_each_disk_where_a_flag_says_so(
    boot: Boot, v1: dict[str, str], v2: tuple[str, ...] | None, expected: dict[str, str]
) -> None:
    async def body() -> None:
        kernel = boot(v1, v2)
        for name, size in (("vda", "8"), ("loop0", "8"), ("sr0", "0")):
            disk = kernel.rootfs / "sys/block" / name
            disk.mkdir(parents=True)
            (disk / "size").write_text(f"{size}\n")
            (disk / "dev").write_text("254:0\n" if name == "vda" else "7:0\n")
        # One of the ways to a disk of NVMe, which has no numbers.
        (kernel.rootfs / "sys/block/nvme0c0n1").mkdir()
        (kernel.rootfs / "sys/block/nvme0c0n1/size").write_text("8\n")
        isolator = make(kernel, "cgroups/blkio", blkio_limits_per_container="read_bps:10MB;write_iops:500")
        lines = isolator.explain(C, CONFIG)
        await isolator.prepare(C, CONFIG)
        [group] = [path for path in kernel.groups() if path.name == C]
        assert {name: (group / name).read_text() for name in expected} == expected
        for name, value in expected.items():
            assert f"write {value} to {group / name}" in lines
        assert not [line for line in lines if line.startswith("write 7:0 ")], "no disk, or none in it"

    asyncio.run(body())


WRONG = ("", "10MB", "read_bps", "read_bps:x", "read_iops:1MB", "read_iops:0", "speed:1", "read_iops:²")
TOO_MUCH = (
    "read_bps:9223372036854775808",
    "read_bps:9999999999999GB",
    "write_iops:4294967295",
    "read_bps:" + "9" * 5000,
)


@pytest.mark.parametrize("wrong", [*WRONG, *TOO_MUCH])
def test_m_ag_05_what_bounds_no_disk_is_refused(boot: Boot, wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="blkio_limits_per_container"):
        make(boot({"blkio": "blkio"}, None), "cgroups/blkio", blkio_limits_per_container=wrong)


@pytest.mark.parametrize(("machine", "name"), [("v1", "cpu.shares"), ("v2", "cpu.weight")])
def test_m_ag_06_a_root_of_several_levels_hands_on_and_weighs_as_the_machine(
    boot: Boot, machine: str, name: str
) -> None:
    async def body() -> None:
        kernel = boot(*MACHINES[machine])
        isolator = make(kernel, "cgroups/cpu", cgroups_root="site/mesos")
        await isolator.prepare(C, CONFIG)
        [top] = [path for path in kernel.groups() if path.name == "site" and (path / name).exists()]
        per_cpu = 1024 if machine == "v1" else 100
        assert int((top / name).read_text()) == per_cpu * (os.cpu_count() or 1)
        if machine == "v2":
            assert (top / "cgroup.subtree_control").read_text() == "cpu"
            assert (top / "mesos" / "cgroup.subtree_control").read_text() == "cpu"
        await isolator.cleanup(C)
        await isolator.close()
        assert not kernel.groups()

    asyncio.run(body())
