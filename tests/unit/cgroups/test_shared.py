"""Containers of one executor in one control group: on a fake machine of either version, and on this one (M-AG-23)."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mesos_service.containers.container import Container
from mesos_service.containers.containerizer import Members
from mesos_service.containers.plan import LaunchFailed, LaunchPlan, SharedWith
from mesos_service.containers.shared_groups import SharedGroups, seen_by
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.resources import Resources
from mesos_service.plugins.isolator import ContainerConfig, ContainerState, Isolator
from tests.unit.cgroups.live import Live, written_down
from tests.unit.cgroups.machines import MACHINES, Boot, make
from tests.unit.containers.room import Room, Run, alive, cid, room, until

MEGABYTE = 1024 * 1024
POD = SharedWith(container_id=ContainerId("pod"), resources=Resources.scalars(cpus=0.1, mem=16))
NEEDS = Resources.scalars(cpus=0.5, mem=32)
EATER = "import time; hoard = [bytearray(1 << 20) for _ in range(500)]; time.sleep(1000)"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="making control groups takes root")


def member(name: str, isolators: list[Isolator]) -> Container:
    plan = LaunchPlan(
        container_id=ContainerId(name),
        argv=("/bin/true",),
        environment={},
        sandbox=Path("/nowhere", name),
        resources=NEEDS,
        shared=POD,
    )
    return Container(plan, tuple(isolators))


def config(container: Container, isolator: Isolator) -> ContainerConfig:
    return seen_by(isolator, container, ContainerConfig(sandbox="/nowhere", resources=container.plan.resources))


@pytest.mark.parametrize("machine", ["v1", "v2"])
def test_m_ag_23_m_ag_06_the_group_has_what_all_have_together(boot: Boot, machine: str) -> None:
    async def body() -> None:
        kernel = boot(*MACHINES[machine])
        isolators = [make(kernel, name) for name in ("cgroups/cpu", "cgroups/mem", "cgroups/pids")]
        shared = SharedGroups(isolators)
        a, b = (member(name, isolators) for name in "ab")

        def reads(v1: str, v2: str) -> str:
            [group] = [
                one for one in kernel.groups() if one.name == "pod" and (one / (v1, v2)[machine == "v2"]).exists()
            ]
            return (group / (v1, v2)[machine == "v2"]).read_text()

        for one, megabytes, weight in ((a, 48, ("614", "60")), (b, 80, ("1126", "110"))):
            await shared.join(one)
            joins = set()
            for isolator in isolators:
                info = await isolator.prepare(one.plan.container_id, config(one, isolator))
                assert info is not None
                joins |= set(info.joins)
                assert not (await isolator.usage(one.plan.container_id)).measured(), "its numbers are those of all"
                assert isolator.fence(one.plan.container_id) is None, "others are in the group as well"
            assert joins and all("/pod/" in join for join in joins)
            assert reads("memory.limit_in_bytes", "memory.max") == str(megabytes * MEGABYTE)
            assert reads("cpu.shares", "cpu.weight") == weight[machine == "v2"]
        assert {group.name for group in kernel.groups()} == {"mesos", "pod", *(["leaf"] if machine == "v2" else [])}
        usage = await shared.usage(POD.container_id)
        assert usage.mem_limit_bytes == 80 * MEGABYTE
        assert not (await shared.usage(ContainerId("other"))).measured()
        for isolator in reversed(isolators):
            await isolator.cleanup(a.plan.container_id)
        assert not await shared.leave(a)
        assert not await shared.leave(a), "once is enough"
        assert reads("cpu.shares", "cpu.weight") == ("614", "60")[machine == "v2"]
        for isolator in reversed(isolators):
            await isolator.cleanup(b.plan.container_id)
        assert not await shared.leave(b)
        assert [group.name for group in kernel.groups() if group.name != "mesos"] == []

    asyncio.run(body())


def test_m_ag_23_want_of_memory_in_version_2_is_told_to_all_and_nobody_joins_any_more(
    boot: Boot, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body() -> None:
        kernel = boot(*MACHINES["v2"])
        memory = make(kernel, "cgroups/mem")
        shared = SharedGroups([memory])
        a, b, late = (member(name, [memory]) for name in ("a", "b", "late"))
        for one in (a, b):
            await shared.join(one)
            await memory.prepare(one.plan.container_id, config(one, memory))
        watching = [asyncio.ensure_future(memory.watch(one.plan.container_id)) for one in (a, b)]
        await asyncio.sleep(0)
        [group] = [path for path in kernel.groups() if path.name == "pod"]
        assert (group / "memory.oom.group").read_text() == "1"
        (group / "memory.events").write_text("oom 1\noom_kill 1\n")
        for told in [*await asyncio.gather(*watching), await memory.post_mortem(a.plan.container_id)]:
            assert told is not None
            assert told.message.startswith("Memory limit exceeded: Requested: 80MB")
        await shared.join(late)
        with pytest.raises(Exception, match="have exceeded the memory that they share, and are being ended"):
            await memory.prepare(late.plan.container_id, config(late, memory))

    monkeypatch.setattr("mesos_service.cgroups.oom.LOOK_SECONDS", 0.001)
    asyncio.run(asyncio.wait_for(body(), 60))


def test_m_ag_23_x53_a_new_agent_knows_the_shared_group_and_ends_one_that_nobody_has(boot: Boot) -> None:
    async def body() -> None:
        kernel = boot(*MACHINES["v2"])
        before = make(kernel, "cgroups/mem")
        shared = SharedGroups([before])
        a, b = member("a", [before]), member("b", [before])
        await shared.join(a)
        await before.prepare(a.plan.container_id, config(a, before))
        await before.prepare(ContainerId("lost"), ContainerConfig(sandbox="/nowhere", resources=NEEDS))

        after = make(kernel, "cgroups/mem")
        again = SharedGroups([after])
        again.recover({a.plan.container_id: a})
        states = again.states(after, {a.plan.container_id: 1})
        assert [one.container_id for one in states] == ["pod"]
        own = ContainerState(container_id=a.plan.container_id, pid=1, config=config(a, after))
        await after.recover([*states, own], [])
        assert {group.name for group in kernel.groups()} == {"mesos", "pod", "leaf"}
        await again.join(b)
        assert (await again.usage(POD.container_id)).mem_limit_bytes == 80 * MEGABYTE
        await after.prepare(b.plan.container_id, config(b, after))
        for one in (a, b):
            await after.cleanup(one.plan.container_id)
            assert not await again.leave(one)
        assert [group.name for group in kernel.groups()] == ["mesos"]

    asyncio.run(body())


def test_m_ag_23_who_had_groups_of_its_own_keeps_them_under_an_agent_that_shares(boot: Boot) -> None:
    async def body() -> None:
        kernel = boot(*MACHINES["v2"])
        before = make(kernel, "cgroups/mem")
        old = ContainerId("old")
        await before.prepare(old, ContainerConfig(sandbox="/nowhere", resources=NEEDS))
        after = make(kernel, "cgroups/mem")
        one, new = member("old", [after]), member("new", [after])
        again = SharedGroups([after])
        again.recover({old: one})
        await after.recover(
            [*again.states(after, {old: 1}), ContainerState(container_id=old, pid=1, config=config(one, after))], []
        )
        assert (await after.usage(old)).mem_limit_bytes == 32 * MEGABYTE
        await again.join(new)
        await after.prepare(ContainerId("new"), config(new, after))
        assert {group.name for group in kernel.groups()} == {"mesos", "old", "pod", "leaf"}
        for container in (one, new):
            await after.cleanup(container.plan.container_id)
            assert not await again.leave(container)
        assert [group.name for group in kernel.groups()] == ["mesos"]

    asyncio.run(body())


# -- this machine --------------------------------------------------------------------------------------------


def pod() -> SharedWith:
    return replace(POD, container_id=cid("pod"))


async def start(here: Room, name: str, *argv: str, resources: Resources = NEEDS) -> int:
    return await here.containerizer.launch(replace(here.plan(name, *argv, resources=resources), shared=pod()))


def names(live: Live) -> set[str]:
    return {group.name for group in live.containers()} - {"leaf"}


@as_root
def test_m_ag_23_containers_that_share_are_bounded_and_counted_together(run: Run, tmp_path: Path, live: Live) -> None:
    async def body() -> None:
        host = Members()
        isolators = [live.isolator(f"cgroups/{name}", host) for name in ("cpu", "mem", "pids")]
        async with room(tmp_path, isolators, host) as here:
            first = await start(here, "a", "/bin/sleep", "1000")
            second = await start(here, "b", "/bin/sleep", "1000")
            assert names(live) == {cid("pod")}
            told = await asyncio.to_thread(Path(f"/proc/{first}/cgroup").read_text)
            assert told == await asyncio.to_thread(Path(f"/proc/{second}/cgroup").read_text)
            assert f"/{live.root}/{cid('pod')}" in told
            usage = await here.containerizer.shared.usage(cid("pod"))
            assert usage.mem_limit_bytes == 80 * MEGABYTE
            assert here.containerizer.processes(cid("a")) == [first], "not those of the other"
            guest = await here.containerizer.launch(here.plan("guest", "/bin/sleep", "1000", parent="a"))
            assert told == await asyncio.to_thread(Path(f"/proc/{guest}/cgroup").read_text)
            await here.destroy("a")
            assert not alive(first) and not alive(guest) and alive(second)
            assert names(live) == {cid("pod")}
            await here.destroy("b")
            assert not live.containers()
        assert not written_down(tmp_path / "runtime")

    run(body())


@as_root
def test_m_ag_23_one_may_use_what_the_other_leaves_and_too_much_of_both_ends_both(
    run: Run, tmp_path: Path, live: Live
) -> None:
    modest = "import time; hoard = bytearray(50 << 20); print('had', flush=True); time.sleep(1000)"

    async def body() -> None:
        host = Members()
        async with room(tmp_path, [live.isolator("cgroups/mem", host)], host) as here:
            small = Resources.scalars(cpus=0.1, mem=64)
            await start(here, "quiet", "/bin/sleep", "1000", resources=small)
            await start(here, "modest", sys.executable, "-c", modest, resources=NEEDS)
            assert await here.said("modest") == ["had"]
            assert not here.limitations, "more than its own 32 MB, and less than what they have together"
            await start(here, "hungry", sys.executable, "-c", EATER, resources=NEEDS)
            await until(lambda: {name for name, _ in here.limitations} == {"quiet", "modest", "hungry"})
            assert {told.reason for _, told in here.limitations} == {"REASON_CONTAINER_LIMITATION_MEMORY"}
            # Whoever listens to the group may hear of it before the process that was killed is told to have ended.
            killed = {("hungry", int(signal.SIGKILL)), ("modest", int(signal.SIGKILL))}
            await until(lambda: killed.intersection(here.exits))
            with pytest.raises(LaunchFailed, match="Isolator 'cgroups/mem' failed to prepare: its executor's tasks"):
                await start(here, "late", "/bin/true")
            for name in ("quiet", "modest", "hungry"):
                await here.destroy(name)
            assert not live.containers()
            # A new beginning, once all are gone.
            await start(here, "late", "/bin/sleep", "1000")

    run(body())


@as_root
def test_m_ag_23_nothing_is_left_of_many_that_come_and_go_at_once(run: Run, tmp_path: Path, live: Live) -> None:
    async def body() -> None:
        host = Members()
        isolators = [live.isolator(f"cgroups/{name}", host) for name in ("cpu", "mem", "pids")]
        async with room(tmp_path, isolators, host) as here:

            async def come_and_go(number: int) -> None:
                for turn in range(4):
                    name = f"c{number}-{turn}"
                    if (number + turn) % 4 == 0:
                        plan = replace(here.plan(name, "/bin/true", user="nobody-here"), shared=pod())
                        with pytest.raises(LaunchFailed):
                            await here.containerizer.launch(plan)
                    else:
                        pid = await start(here, name, "/bin/sleep", "1000")
                        await here.destroy(name)
                        assert not alive(pid)

            await asyncio.gather(*map(come_and_go, range(5)))
            assert not live.containers()
        assert not written_down(tmp_path / "runtime")

    run(body())


@as_root
def test_m_ag_23_what_hides_from_its_container_goes_with_the_last_that_shares(
    run: Run, tmp_path: Path, live: Live
) -> None:
    async def body() -> None:
        host = Members()
        async with room(tmp_path, [live.isolator("cgroups/pids", host)], host) as here:
            hidden = (
                f"env -i setsid {sys.executable} -c 'import os, time; print(os.getpid(), flush=True); time.sleep(1e3)'"
            )
            await start(here, "c", "/bin/sh", "-c", f"({hidden} &) ; read _ < /dev/zero")
            [pid] = map(int, await here.said("c"))
            await here.destroy("c")
            assert not alive(pid)

    run(body())


@as_root
def test_m_ag_23_m_oa_03_nobody_else_is_called_as_the_group_that_is_shared(
    run: Run, tmp_path: Path, live: Live
) -> None:
    """Operators name what they launch; nested in a member, the group would be found in itself for ever."""

    async def body() -> None:
        host = Members()
        async with room(tmp_path, [live.isolator("cgroups/mem", host)], host) as here:
            first = await start(here, "a", "/bin/sleep", "1000")
            for plan in (
                here.plan("pod", "/bin/true", parent="a"),
                replace(here.plan("pod", "/bin/true", parent="a"), own_groups=True),
                here.plan("pod", "/bin/true"),
            ):
                with pytest.raises(LaunchFailed, match=f"Container '{cid('pod')}' exists already"):
                    await here.containerizer.launch(plan)
            assert alive(first) and names(live) == {cid("pod")}
            await here.destroy("a")
            # Nor does anybody share with one that has the name first.
            alone = await here.launch("pod", "/bin/sleep", "1000")
            with pytest.raises(LaunchFailed, match="exists already"):
                await start(here, "b", "/bin/true")
            await here.destroy("b")
            assert alive(alone)
            await here.destroy("pod")
            await start(here, "b", "/bin/sleep", "1000")

    run(body())
