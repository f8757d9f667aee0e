"""Nothing is left of tasks, however they end: process, group, mount, namespace, descriptor, record (M-AG-02, X51)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
import psutil
import pytest

from mesos_service.containers.keeper_books import Books
from mesos_service.local import LocalCluster
from mesos_service.sdk import tasks
from mesos_service.wire import containers as wire
from tests.e2e.frameworks import Patient, is_told, play, subscribed_as
from tests.e2e.restarting import Restartable, restartable
from tests.e2e.volumes import volume
from tests.support.busybox import root_tar
from tests.support.children import is_keeper
from tests.support.docker_profile import docker_profile
from tests.support.waiting import PATIENCE
from tests.unit.cgroups.live import Live, live_groups, written_down

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="making control groups and namespaces takes root")
live = live_groups
GROUPS = "cgroups/cpu,cgroups/mem,cgroups/pids"
ALL = (
    f"{GROUPS},disk/du,network/ports,filesystem/linux,namespaces/ipc,namespaces/pid,posix/rlimits,linux/capabilities,"
    "linux/nnp,linux/seccomp"
)
EAT = f"{sys.executable} -c 'hoard = [bytearray(1 << 20) for _ in range(500)]'"
KINDS = {
    "finished": ("true", "FINISHED"),
    "failed": ("exit 3", "FAILED"),
    "crashed": ("sh -c 'kill -SEGV $$'; exit 4", "FAILED"),
    "killed": ("sleep 1000 & setsid sleep 1000 & wait", "KILLED"),
    "stubborn": ("trap '' TERM; while :; do sleep 0.1; done", "KILLED"),
    "hungry": (f"{EAT}; sleep 1000", "FAILED"),
    "parent": ("setsid sh -c 'setsid env -i sleep 1000 &' ; exit 0", "FINISHED"),
    "fetching": ("true", "FAILED"),
}
"""How tasks end: what they run, and what they come to."""
IN_AN_IMAGE = ("finished", "failed", "stubborn", "fetching")
"""What they run is in busybox."""
IN_ONE_ROUND = 16


def free_memory(framework: Patient) -> int:
    return sum(tasks.available(offer).scalar("mem") for offer in framework.held)


def mounting(place: Path, kind: str, number: int) -> wire.ContainerInfo:
    """A directory of the machine, one of the task's own, and in every other round an image where it can be."""
    own = wire.VolumeSource(type="SANDBOX_PATH", sandbox_path=wire.VolumeSourceSandboxPath(type="SELF", path="own"))
    volumes = (volume(place / "data", "data", "RO"), wire.Volume(mode="RW", container_path="seen", source=own))
    if number % 2 or kind not in IN_AN_IMAGE:
        return wire.ContainerInfo(type="MESOS", volumes=volumes)
    image = wire.Image(type="DOCKER", docker=wire.ImageDocker(name="busybox"))
    return wire.ContainerInfo(type="MESOS", volumes=volumes, mesos=wire.ContainerInfoMesosInfo(image=image))


async def one_round(framework: Patient, number: int, place: Path | None) -> None:
    """Tasks of all kinds at once, to their ends; what they mount is in ``place``, ``None`` where nothing is."""
    # What earlier tasks held comes back in offers of its own: all of them together are enough.
    await framework.until(lambda: free_memory(framework) >= 32_000 * IN_ONE_ROUND)
    offers, framework.held = framework.held, []
    names = [f"{kind}-{number}-{place}" for place, kind in zip(range(IN_ONE_ROUND), kinds(), strict=False)]
    made = []
    for name in names:
        kind = name.partition("-")[0]
        uris = ["/no/such/file"] if kind == "fetching" else []
        command = tasks.command_info(KINDS[kind][0], uris=uris)
        one = tasks.task(name, offers[0], "cpus:0.01;mem:32", command, kill_grace_seconds=0.05)
        made.append(one if place is None else msgspec.structs.replace(one, container=mounting(place, kind, number)))
    await framework.accept(offers, [tasks.launch(*made)], refuse_seconds=0)
    for name in names:
        if name.startswith(("killed", "stubborn")):
            await framework.until(partial(is_told, framework, name, "RUNNING", "ERROR"))
            await framework.kill(name)
    for name in names:
        await framework.until(partial(is_told, framework, name, "FINISHED", "FAILED", "KILLED", "ERROR"))
        assert framework.states(name)[-1] == KINDS[name.partition("-")[0]][1], framework.seen[name]


def kinds() -> Iterator[str]:
    while True:
        yield from KINDS


class Traces:
    """What of an agent's work the machine shows at one moment."""

    def __init__(self, agent: Restartable, live: Live) -> None:
        assert agent.process.pid is not None
        process = psutil.Process(agent.process.pid)
        keepers = [one for one in process.children() if is_keeper(one)]
        self.descriptors = {name: one.num_fds() for name, one in (("agent", process), ("keeper", keepers[0]))}
        self.threads = process.num_threads()
        mounts = Path(f"/proc/{process.pid}/mountinfo").read_text().splitlines()
        # Others mount on this machine, too.
        self.mounts = [line for line in mounts if str(agent.work_dir.parent) in line]
        self.groups = live.containers()
        self.written = written_down(agent.work_dir / "runtime")
        self.kept = Books(str(agent.work_dir / "runtime" / "containers.log")).entries
        self.processes = [one.pid for one in keepers[0].children(recursive=True)]
        self.marked = [one.pid for one in psutil.process_iter() if is_in(one, agent.work_dir)]
        self.roots = [*(agent.work_dir / "provisioner").glob("containers/*")]

    @property
    def nobody_is_there(self) -> bool:
        return not (self.groups or self.written or self.kept or self.processes or self.marked or self.roots)


def is_in(process: psutil.Process, work_dir: Path) -> bool:
    """Whether it works in one of the sandboxes."""
    try:
        return Path(process.cwd()).is_relative_to(work_dir / "slaves")
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return False


def leaves_nothing(tmp_path: Path, live: Live, isolation: str, rounds: int) -> None:
    flags: dict[str, object] = {}
    place = None
    if isolation == ALL:
        (tmp_path / "docker.json").write_text(docker_profile())
        flags = {"seccomp_config_dir": tmp_path, "seccomp_profile_name": "docker.json"}
        place = tmp_path / "place"
        for name in ("data", "images"):
            (place / name).mkdir(parents=True)
        (place / "images" / "busybox.tar").write_bytes(root_tar())
        flags |= {"image_providers": "docker", "docker_registry": place / "images"}

    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(
                cluster,
                tmp_path / "agent",
                isolation=isolation,
                cgroups_root=live.root,
                resources="cpus:4;mem:4096;disk:64",
                **flags,
            ) as agent,
            subscribed_as(Patient, cluster) as framework,
        ):
            await one_round(framework, 0, place)
            before = await settled(agent, live)
            while (again := await settled(agent, live)).descriptors != before.descriptors:
                before = again
            for number in range(1, rounds + 1):
                await one_round(framework, number, place)
            after = await settled(agent, live)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(60 * PATIENCE):
                    # What opens something for a moment may be met at it.
                    while after.descriptors != before.descriptors:
                        await asyncio.sleep(0.05)
                        after = await settled(agent, live)
            assert after.descriptors == before.descriptors
            assert after.mounts == before.mounts
            assert after.threads <= before.threads + 8, "threads that measure are a pool"

    play(scenario, 60 + 30 * rounds)
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()
    assert not live.groups(), "an agent that ends for good leaves nothing"


async def settled(agent: Restartable, live: Live) -> Traces:
    """The last to end is told of before it is cleaned up."""
    async with asyncio.timeout(60 * PATIENCE):
        while not (traces := Traces(agent, live)).nobody_is_there:  # noqa: ASYNC110 - in other processes
            await asyncio.sleep(0.05)
    return traces


@pytest.mark.parametrize("isolation", [GROUPS, ALL])
def test_x51_m_ag_02_nothing_is_left_of_a_handful(tmp_path: Path, live: Live, isolation: str) -> None:
    leaves_nothing(tmp_path, live, isolation, 1)


@pytest.mark.long
def test_x51_m_ag_02_nothing_is_left_of_a_thousand(tmp_path: Path, live: Live) -> None:
    leaves_nothing(tmp_path, live, ALL, 1000 // IN_ONE_ROUND)
