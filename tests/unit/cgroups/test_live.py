"""Isolators by control groups on this machine's own: that they hold what runs, and leave nothing (M-AG-05, M-AG-06)."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from mesos_service.cgroups.group import PROCESSES_FILE, THREADS_FILE
from mesos_service.cgroups.hierarchy import mounted
from mesos_service.cgroups.isolator import SUBTREE_FILE
from mesos_service.containers.containerizer import Members
from mesos_service.containers.keeper_books import Books
from mesos_service.containers.plan import LaunchFailed, LaunchPlan
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.resources import Resources
from mesos_service.plugins.isolator import ContainerConfig, ContainerState, Isolator, LaunchInfo
from tests.unit.cgroups.live import HIERARCHY, Live, hierarchies, written_down
from tests.unit.containers.room import Run, alive, cid, open_descriptors, room, until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="making control groups takes root")

SPIN = "while :; do :; done"
EATER = "import time; hoard = [bytearray(1 << 20) for _ in range(500)]; time.sleep(1000)"


def with_resources(plan: LaunchPlan, resources: Resources) -> LaunchPlan:
    return LaunchPlan(
        container_id=plan.container_id,
        argv=plan.argv,
        environment=plan.environment,
        sandbox=plan.sandbox,
        resources=resources,
    )


def test_m_ag_05_cpu_a_quota_stops_who_spins(run: Run, tmp_path: Path, live: Live) -> None:
    async def body() -> None:
        host = Members()
        cpu = live.isolator("cgroups/cpu", host, cgroups_enable_cfs=True)
        async with room(tmp_path, [cpu], host) as here:
            plan = with_resources(here.plan("c", "/bin/sh", "-c", SPIN), Resources.scalars(cpus=0.2, mem=32))
            await here.containerizer.launch(plan)
            usage = await here.containerizer.usage(cid("c"))
            while not usage.cpus_nr_throttled or (usage.cpus_user_time_secs or 0) < 0.1:
                await asyncio.sleep(0.02)
                usage = await here.containerizer.usage(cid("c"))
            assert usage.cpus_nr_periods is not None and usage.cpus_nr_periods >= usage.cpus_nr_throttled
            assert usage.cpus_throttled_time_secs
            # Without a ceiling it is stopped no more.
            await here.containerizer.update(cid("c"), Resources.scalars(cpus=0.2, mem=32), {"cpus": -1})
            throttled = (await cpu.usage(cid("c"))).cpus_nr_throttled
            used = (await cpu.usage(cid("c"))).cpus_user_time_secs or 0
            while ((await cpu.usage(cid("c"))).cpus_user_time_secs or 0) < used + 0.3:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            assert (await cpu.usage(cid("c"))).cpus_nr_throttled == throttled

    run(body())


def test_m_ag_05_mem_who_takes_too_much_is_ended_and_told_why(run: Run, tmp_path: Path, live: Live) -> None:
    """Whichever is heard of first, the kernel's event or the end of the process: the breach is told before the exit."""

    async def body() -> None:
        host = Members()
        memory = live.isolator("cgroups/mem", host)
        heard: list[str] = []
        async with room(tmp_path, [memory], host) as here:
            here.containerizer.on_exit = lambda _, status: heard.append(f"exit {status}")
            here.containerizer.on_limitation = lambda _, told: heard.append(f"{told.reason} {told.message}")
            for number in range(5):
                plan = with_resources(
                    here.plan(f"c{number}", sys.executable, "-c", EATER), Resources.scalars(cpus=1, mem=64)
                )
                await here.containerizer.launch(plan)
                await until(lambda: any(text.startswith("exit") for text in heard))
                breach, end = heard
                assert breach.startswith(
                    "REASON_CONTAINER_LIMITATION_MEMORY Memory limit exceeded: Requested: 64MB Maximum Used: 64MB\n"
                )
                assert "total_rss" in breach or "anon" in breach
                assert end == f"exit {int(signal.SIGKILL)}"
                heard.clear()
                await here.destroy(f"c{number}")

    run(body())


class Vandal(Isolator):
    """Ends groups of others that were just made."""

    name = "vandal"
    isolates_before_exec = False

    def __init__(self, live: Live) -> None:
        super().__init__(Members())
        self._live = live

    async def prepare(self, container_id: ContainerId, config: ContainerConfig) -> LaunchInfo | None:
        self._live.remove()
        return None


@pytest.mark.parametrize("user", [None, "nobody"])
def test_m_ag_05_x50_a_group_that_is_gone_fails_the_launch_and_nothing_runs(
    run: Run, tmp_path: Path, live: Live, user: str | None
) -> None:
    async def body() -> None:
        host = Members()
        pids = live.isolator("cgroups/pids", host)
        async with room(tmp_path, [pids, Vandal(live)], host) as here:
            told = r"Isolator 'cgroups/pids' failed to isolate: .*cannot create /sys/fs/cgroup/.*/(tasks|cgroup.procs)"
            with pytest.raises(LaunchFailed, match=told):
                await here.containerizer.launch(here.plan("c", "/bin/sh", "-c", "echo > ran", user=user))
            assert not (tmp_path / "c" / "ran").exists()
            assert not here.containerizer.containers() and not here.exits
            await until(lambda: not Books(str(tmp_path / ".keeper" / "containers.log")).entries)
        assert not written_down(tmp_path / "runtime")

    run(body())


def test_m_ag_05_mem_a_child_that_is_killed_ends_its_container(run: Run, tmp_path: Path, live: Live) -> None:
    async def body() -> None:
        host = Members()
        memory = live.isolator("cgroups/mem", host)
        async with room(tmp_path, [memory], host) as here:
            (tmp_path / "eat.py").write_text(EATER)
            line = f"{sys.executable} {tmp_path}/eat.py; sleep 1000"
            plan = with_resources(here.plan("c", "/bin/sh", "-c", line), Resources.scalars(cpus=1, mem=64))
            await here.containerizer.launch(plan)
            await until(lambda: here.limitations)
            assert here.limitations[0][1].reason == "REASON_CONTAINER_LIMITATION_MEMORY"
            assert here.limitations[0][1].resources == Resources.scalars(mem=64)
            if memory.version == 1:  # type: ignore[attr-defined]  # all of this kind have one
                assert not here.exits, "the shell itself lives on until somebody destroys it"
            else:
                # The kernel ends the whole group (``memory.oom.group``).
                assert await here.exit_of("c") == signal.SIGKILL

    run(body())


def test_m_ag_05_mem_a_hard_bound_is_raised_and_never_lowered(run: Run, tmp_path: Path, live: Live) -> None:
    async def body() -> None:
        host = Members()
        memory = live.isolator("cgroups/mem", host)
        async with room(tmp_path, [memory], host) as here:
            await here.shell("c", "exec sleep 1000")

            async def bounds() -> tuple[int | None, int | None]:
                usage = await memory.usage(cid("c"))
                return usage.mem_soft_limit_bytes, usage.mem_limit_bytes

            megabyte = 1024 * 1024
            assert await bounds() == (32 * megabyte, 32 * megabyte)
            await memory.update(cid("c"), Resources.scalars(mem=64), {})
            assert await bounds() == (64 * megabyte, 64 * megabyte)
            await memory.update(cid("c"), Resources.scalars(mem=33), {"mem": 48000})
            assert await bounds() == (33 * megabyte, 64 * megabyte)
            await memory.update(cid("c"), Resources.scalars(mem=33), {"mem": -1})
            assert await bounds() == (33 * megabyte, None)

    run(body())


def test_m_ag_05_pids_a_fork_bomb_is_told_to_try_again(run: Run, tmp_path: Path, live: Live) -> None:
    bomb = """
import errno, os, time
born = 1
try:
    while True:
        if os.fork() == 0:
            time.sleep(1000)
        born += 1
except OSError as error:
    print(born, errno.errorcode[error.errno], flush=True)
time.sleep(1000)
"""

    async def body() -> None:
        host = Members()
        pids = live.isolator("cgroups/pids", host, cgroups_pids_max=7)
        async with room(tmp_path, [pids], host) as here:
            await here.launch("c", sys.executable, "-c", bomb)
            assert await here.said("c") == ["7 EAGAIN"]
            assert (await pids.usage(cid("c"))).threads == 7
            await here.destroy("c")

    run(body())


@pytest.mark.parametrize("by", ["cgroups/pids", "linux/launcher"])
def test_m_ag_02_who_hides_from_everybody_dies_with_its_group(run: Run, tmp_path: Path, live: Live, by: str) -> None:
    """A process with another session, other parents and an empty environment: only the group knows whose it is."""

    async def body() -> None:
        host = Members()
        async with room(tmp_path, [live.isolator(by, host)], host) as here:
            hidden = (
                f"env -i setsid {sys.executable} -c 'import os, time; print(os.getpid(), flush=True); time.sleep(1e3)'"
            )
            await here.shell("c", f"({hidden} &) ; read _ < /dev/zero")
            [pid] = map(int, await here.said("c"))
            assert alive(pid)
            await here.destroy("c")
            assert not alive(pid)

    run(body())


def test_n27_the_plan_is_what_is_done(run: Run, tmp_path: Path, live: Live) -> None:
    """Every value that is planned can be read afterwards where it was to be written, and every group is there."""

    async def body() -> None:
        host = Members()
        names = ("cgroups/cpu", "cgroups/mem", "cgroups/pids")
        isolators = [
            live.isolator(name, host, cgroups_enable_cfs=True) if "cpu" in name else live.isolator(name, host)
            for name in names
        ]
        async with room(tmp_path, isolators, host) as here:
            plan = here.plan("c", "/bin/sleep", "1000")
            config = ContainerConfig(sandbox=str(plan.sandbox), resources=plan.resources)
            lines = [line for isolator in isolators for line in isolator.explain(plan.container_id, config)]
            assert not live.groups(), "planning does nothing"
            pid = await here.containerizer.launch(plan)
            made = [Path(line.removeprefix("mkdir ")) for line in lines if line.startswith("mkdir ")]
            assert sorted(set(made)) == sorted(live.groups())
            for line in lines:
                if line.startswith("write "):
                    value, _, path = line.removeprefix("write ").partition(" to ")
                    content = Path(path).read_text()  # noqa: ASYNC240
                    # Controllers are handed on one by one, and all that were are in one line.
                    found = content.split() if path.endswith(SUBTREE_FILE) else content.splitlines()
                    moved = path.endswith((f"/{THREADS_FILE}", f"/{PROCESSES_FILE}"))
                    assert (str(pid) if moved else value.removeprefix("+")) in found, line

    run(body())


def test_x50_a_group_of_somebody_else_is_left_alone(run: Run, tmp_path: Path, live: Live) -> None:
    async def body() -> None:
        host = Members()
        isolator = live.isolator("cgroups/pids", host)
        async with room(tmp_path, [isolator], host) as here:
            await here.shell("first", "exec sleep 1000")
            [root] = [group for group in live.groups() if group.name == live.root]
            strange = root / cid("c")
            strange.mkdir()
            with pytest.raises(LaunchFailed, match="is there already, and was made by somebody else"):
                await here.shell("c", "exec sleep 1000")
            assert strange.is_dir()
            strange.rmdir()

    run(body())


def test_a_group_that_somebody_removes_under_us_disturbs_nobody(run: Run, tmp_path: Path, live: Live) -> None:
    async def body() -> None:
        host = Members()
        isolators = [live.isolator(f"cgroups/{name}", host) for name in ("cpu", "mem", "pids")]
        async with room(tmp_path, isolators, host) as here:
            pid = await here.shell("c", "exec sleep 1000")
            live.remove(with_processes=True)
            for isolator in isolators:
                assert not (await isolator.usage(cid("c"))).measured()
            assert alive(pid)
            await here.destroy("c")
            assert not alive(pid)
            assert not here.limitations

    run(body())


def test_x53_a_new_agent_knows_what_runs_and_ends_what_never_ran(run: Run, tmp_path: Path, live: Live) -> None:
    """The first agent dies between making the groups of one container and starting it, while another one runs."""

    async def body() -> None:
        host = Members()
        before = [live.isolator(f"cgroups/{name}", host) for name in ("cpu", "mem", "pids")]
        async with room(tmp_path, before, host) as here:
            pid = await here.shell("c", SPIN)
            config = ContainerConfig(sandbox="/nowhere", resources=Resources.scalars(cpus=1, mem=32))
            for isolator in before:
                await isolator.prepare(ContainerId("never"), config)
            there = hierarchies("cpu", "cpuacct", "memory", "pids")
            assert sorted(live.names()) == sorted([cid("c"), "never"] * there)
            after: list[Isolator] = [live.isolator(f"cgroups/{name}", host) for name in ("cpu", "mem", "pids")]
            for isolator in after:
                await isolator.recover([ContainerState(container_id=cid("c"), pid=pid, config=config)], [])
            assert live.names() == [cid("c")] * there
            for isolator in after:
                assert (await isolator.usage(cid("c"))).measured()
            watching = asyncio.ensure_future(after[1].watch(cid("c")))
            await asyncio.sleep(0)
            assert not watching.done()
            watching.cancel()

    run(body())


def test_nothing_is_left_of_many_containers(run: Run, tmp_path: Path, live: Live) -> None:
    """Launched, ended by themselves, killed, or refused: no group, no process, no descriptor."""

    async def body() -> None:
        host = Members()
        isolators = [live.isolator(f"cgroups/{name}", host) for name in ("cpu", "mem", "pids")]
        async with room(tmp_path, isolators, host) as here:
            await here.outcome(here.plan("warm", "/bin/true"))
            before = open_descriptors()
            pids = []
            for number in range(20):
                pids.append(await here.shell(f"killed{number}", f"sleep 1000 & {SPIN}"))
                await here.outcome(here.plan(f"ended{number}", "/bin/sh", "-c", "sleep 0.01; exit 3"))
                with pytest.raises(LaunchFailed):
                    await here.containerizer.launch(here.plan(f"refused{number}", "/bin/true", user="nobody-here"))
                await here.destroy(f"killed{number}")
            assert not live.containers()
            assert not any(map(alive, pids))
            assert open_descriptors() == before
            assert not written_down(tmp_path / "runtime")

    run(body())


@pytest.mark.parametrize("version", [1, 2])
def test_m_ag_05_m_ag_06_devices_that_nobody_needs_cannot_be_opened(
    run: Run, tmp_path: Path, live: Live, version: int
) -> None:
    async def body() -> None:
        host = Members()
        # Programs for devices need no controller, so that they can be tried on a machine of both versions.
        [place] = [tree.mount for tree in mounted(Path("/"), HIERARCHY) if tree.version == 2][:1] or [HIERARCHY]
        isolator = live.isolator("cgroups/devices", host, cgroups_hierarchy=place if version == 2 else HIERARCHY)
        if isolator.version != version:  # type: ignore[attr-defined]  # all of this kind have one
            pytest.skip(f"real part not installed: control groups of version {version} for devices")
        async with room(tmp_path, [isolator], host) as here:
            line = "mknod kmem b 7 99; (: < kmem) 2>/dev/null || echo denied; (: < /dev/null) && echo allowed"
            assert await here.outcome(here.plan("c", "/bin/sh", "-c", line)) == 0
            assert here.text("c").splitlines() == ["denied", "allowed"]

    run(body())


def test_m_ag_05_cpuset_and_blkio_hold_a_process(run: Run, tmp_path: Path, live: Live) -> None:
    async def body() -> None:
        host = Members()
        isolators = [live.isolator(f"cgroups/{name}", host) for name in ("cpuset", "blkio")]
        async with room(tmp_path, isolators, host) as here:
            await here.shell("c", "cat /proc/self/cgroup; exec sleep 1000")
            place = f":/{live.root}/{cid('c')}"
            await until(lambda: here.text("c").count(place) == hierarchies("cpuset", "blkio"))

    run(body())


def test_m_ag_05_cpuset_who_runs_on_one_processor_stays_there(run: Run, tmp_path: Path, live: Live) -> None:
    """An operator writes less into the group: all in it, and whoever is born there, may run there only."""

    async def body() -> None:
        host = Members()
        async with room(tmp_path, [live.isolator("cgroups/cpuset", host)], host) as here:
            pid = await here.shell("c", "while [ ! -e go ]; do sleep 0.01; done; sleep 1000 & echo $!; wait")
            one = min(os.sched_getaffinity(pid))
            [group] = [path for path in live.containers() if path.name == cid("c")]
            (group / "cpuset.cpus").write_text(str(one))
            (tmp_path / "c" / "go").touch()
            [child] = map(int, await here.said("c"))
            assert os.sched_getaffinity(pid) == os.sched_getaffinity(child) == {one}
            with pytest.raises(OSError, match="Invalid argument"):
                os.sched_setaffinity(child, {one + 1})

    run(body())


def test_m_ag_05_a_prefix_that_forks_does_not_get_away(run: Run, tmp_path: Path, live: Live) -> None:
    """``unshare --fork`` makes the command its child: whoever waits to be isolated must be the one who forks."""

    async def body() -> None:
        host = Members()
        isolators = [live.isolator(name, host) for name in ("namespaces/pid", "cgroups/pids")]
        async with room(tmp_path, isolators, host) as here:
            await here.shell("c", "echo $$; cat /proc/self/cgroup; exec sleep 1000")
            await until(lambda: cid("c") in here.text("c"))
            assert here.text("c").splitlines()[0] == "1"
            assert live.names() == [cid("c")]
            home = live.containers()[-1]
            # Who wrote may still be on his way out.
            await until(lambda: len((home / PROCESSES_FILE).read_text().split()) == 2)
            await here.destroy("c")

    run(body())


def test_the_fence_knows_who_belongs_and_who_ends_for_good_leaves_no_group(
    run: Run, tmp_path: Path, live: Live
) -> None:
    async def body() -> None:
        host = Members()
        isolators = [live.isolator(f"cgroups/{name}", host) for name in ("mem", "pids")]
        async with room(tmp_path, isolators, host) as here:
            assert [one.fence(cid("c")) for one in isolators] == [None, None]
            pid = await here.shell("c", "sleep 1000 & sleep 1000")
            for isolator in isolators:
                await until(lambda: len(isolator.fence(cid("c")) or ()) == 3)  # noqa: B023 - awaited at once
                members = isolator.fence(cid("c"))
                assert members is not None and pid in members
            await here.containerizer.close()
            assert live.containers(), "what is in use stays"
            await here.destroy("c")
            assert [one.fence(cid("c")) for one in isolators] == [None, None]
            await here.containerizer.close()
            assert not live.groups()

    run(body())
