"""Hogs that fork, each in a container that bounds one resource, measured from outside (A34); and a neighbour (A32).

That of the network is in ``test_bandwidth.py``.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import pytest

from mesos_service.cgroups.isolator import CgroupIsolator
from mesos_service.containers.containerizer import Members
from mesos_service.containers.plan import LaunchPlan
from mesos_service.domain.resources import Resources
from tests.unit.cgroups.live import Live
from tests.unit.containers.room import Room, cid, room, run_uvloop, until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="making control groups takes root")

SPINNERS = "for n in 1 2 3 4 5 6 7 8; do (while :; do :; done) & done; wait"
EATERS = """
import os
for _ in range(3):
    os.fork()
hoard = []
while True:
    hoard.append(bytearray(os.urandom(4096) * 64))
"""
MEGABYTE = 1024 * 1024
WRITERS = 4
"""Each of which writes a megabyte past the page cache."""
FORKING_WRITERS = f"""
for n in $(seq {WRITERS}); do
  dd if=/dev/zero of=hog$n bs=64k count=16 oflag=direct status=none || echo failed &
done
wait
"""


def of(here: Room, name: str, resources: Resources, *argv: str) -> LaunchPlan:
    return here.plan(name, *argv, resources=resources)


async def used(isolator: CgroupIsolator, name: str) -> float:
    """Seconds of processors, by the group's own count."""
    usage = await isolator.usage(cid(name))
    return (usage.cpus_user_time_secs or 0) + (usage.cpus_system_time_secs or 0)


def peak(live: Live, name: str) -> int:
    """The most memory that it had, by its group's own count; 0 where the kernel keeps none."""
    [group] = [one for one in live.containers() if one.name == cid(name)]
    files = [group / file for file in ("memory.max_usage_in_bytes", "memory.peak")]
    return max((int(file.read_text()) for file in files if file.exists()), default=0)


def live_isolator(live: Live, name: str, host: Members, **flags: object) -> CgroupIsolator:
    made = live.isolator(name, host, **flags)
    assert isinstance(made, CgroupIsolator)
    return made


def test_a34_processes_that_fork_have_no_more_of_processors_than_their_container_may(
    tmp_path: Path, live: Live
) -> None:
    async def body() -> None:
        host = Members()
        cpu = live_isolator(live, "cgroups/cpu", host, cgroups_enable_cfs=True)
        async with room(tmp_path, [cpu], host) as here:
            plan = of(here, "hog", Resources.scalars(cpus=0.2, mem=32), "/bin/sh", "-c", SPINNERS)
            await here.containerizer.launch(plan)
            await until(lambda: len(here.containerizer.processes(cid("hog"))) > 8)
            begin, before = time.monotonic(), await used(cpu, "hog")
            while time.monotonic() < begin + 1.5:  # noqa: ASYNC110 - what is looked at goes on elsewhere
                await asyncio.sleep(0.1)
            rate = (await used(cpu, "hog") - before) / (time.monotonic() - begin)
            assert 0 < rate < 0.3, "eight of them want all that there is"

    run_uvloop(body())


def test_a34_processes_that_fork_have_no_more_memory_than_their_container_may(tmp_path: Path, live: Live) -> None:
    async def body() -> None:
        host = Members()
        mem = live_isolator(live, "cgroups/mem", host)
        async with room(tmp_path, [mem], host) as here:
            plan = of(here, "hog", Resources.scalars(cpus=0.2, mem=48), sys.executable, "-I", "-S", "-c", EATERS)
            await here.containerizer.launch(plan)
            most = 0
            while not here.limitations:
                most = max(most, (await mem.usage(cid("hog"))).mem_total_bytes or 0)
                await asyncio.sleep(0.005)
            # They are soon done, and may be between two looks.
            assert 32 * MEGABYTE < max(most, peak(live, "hog")) <= 48 * MEGABYTE
            [(name, limitation)] = here.limitations[:1]
            assert name == "hog"
            assert "Memory limit exceeded: Requested: 48MB Maximum Used: 48MB" in limitation.message
            await here.destroy("hog")

    run_uvloop(body())


def test_a34_processes_that_fork_write_no_more_than_their_container_may(tmp_path: Path, live: Live) -> None:
    # Ways to a disk of several have no numbers of their own.
    disks = {number.read_text().strip() for number in Path("/sys/block").glob("*/dev")}
    place = tmp_path.stat().st_dev
    if f"{os.major(place)}:{os.minor(place)}" not in disks:
        pytest.skip("real part not installed: a disk below the directory of tests that has no partitions")

    async def body() -> None:
        host = Members()
        blkio = live_isolator(live, "cgroups/blkio", host, blkio_limits_per_container="write_bps:2MB")
        async with room(tmp_path, [blkio], host) as here:
            begin = time.monotonic()
            await here.shell("hog", FORKING_WRITERS)
            assert await here.exit_of("hog") == 0
            passed = time.monotonic() - begin
            assert here.text("hog") == here.text("hog", "stderr") == ""
            counted = (await blkio.status(cid("hog")))["blkio"]
            assert isinstance(counted, dict)
            written = sum(device.get("written_bytes", 0) for device in counted.values())
            assert written >= WRITERS * MEGABYTE
            # The kernel doles out by tenths of a second, so it may be a little before its time.
            assert passed > 0.8 * WRITERS / 2

    run_uvloop(body())


def test_a32_beside_a_container_of_many_processes_one_of_few_has_its_share(tmp_path: Path, live: Live) -> None:
    """By processes the few would have a fifth of what they compete for; by containers it is a half."""

    async def body() -> None:
        host = Members()
        cpu = live_isolator(live, "cgroups/cpu", host)
        pinned = ("taskset", "--cpu-list", str(min(os.sched_getaffinity(0))), "/bin/sh", "-c")
        async with room(tmp_path, [cpu], host) as here:
            equal = Resources.scalars(cpus=0.5, mem=32)
            few = "(while :; do :; done) & while :; do :; done"
            for name, line in (("many", SPINNERS), ("few", few)):
                await here.containerizer.launch(of(here, name, equal, *pinned, line))
            await until(lambda: len(here.containerizer.processes(cid("many"))) > 8)
            while not await used(cpu, "few"):  # noqa: ASYNC110 - it is begun elsewhere
                await asyncio.sleep(0.005)
            before = [await used(cpu, name) for name in ("many", "few")]
            after = before
            while sum(after) - sum(before) < 1.0:
                await asyncio.sleep(0.05)
                after = [await used(cpu, name) for name in ("many", "few")]
            many, few_used = (end - begin for end, begin in zip(after, before, strict=True))
            assert few_used / (many + few_used) > 0.4

    run_uvloop(body())
