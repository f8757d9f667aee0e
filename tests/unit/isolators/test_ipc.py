"""System V IPC, POSIX queues and ``/dev/shm`` of containers: their own, or shared (M-AG-08)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from mesos_service.agent.wishes import CannotBeHad, wishes_of
from mesos_service.containers.containerizer import Members
from mesos_service.containers.plan import LaunchFailed
from mesos_service.containers.provisioner import Backend
from mesos_service.domain.containers import Image, IpcMode, Wish, Wishes
from mesos_service.plugins.isolator import ContainerConfig, Isolator
from mesos_service.plugins.loader import ISOLATORS, load, read_config
from mesos_service.wire import containers as wire
from tests.support.busybox import root_tar
from tests.unit.containers.room import RESOURCES, Room, cid, room, run_asyncio, until
from tests.unit.isolators.places import INSIDE, Place

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="making namespaces takes root")
PRIVATE, SHARED = Wishes(ipc_mode=IpcMode.PRIVATE), Wishes(ipc_mode=IpcMode.SHARE_PARENT)
SMALL = Wishes(ipc_mode=IpcMode.PRIVATE, shm_megabytes=1)
SHM = Path("/dev/shm")
FILL = "head -c 3000000 /dev/zero > /dev/shm/large; wc -c < /dev/shm/large"
LOOK = "readlink /proc/self/ns/ipc; stat -c %a /dev/shm"


def make(name: str = "namespaces/ipc", **flags: Any) -> Isolator:  # Any: whatever its Config takes
    kind = load(ISOLATORS, name)
    return kind(Members(), read_config(kind, flags) if kind.Config else None)


def config(wishes: Wishes, rootfs: str | None = None) -> ContainerConfig:
    return ContainerConfig(sandbox="/nowhere", resources=RESOURCES, wishes=wishes, rootfs=rootfs)


def is_machines(said: str) -> bool:
    return said.split()[0] == os.readlink("/proc/self/ns/ipc")  # noqa: PTH115


async def says(here: Room, line: str, wishes: Wishes, name: str = "c", parent: str | None = None) -> str:
    directory = INSIDE if wishes.image is not None else None
    plan = here.plan(name, "sh", "-c", line, wishes=wishes, directory=directory, parent=parent)
    assert await here.outcome(plan) == 0, here.text(name, "stderr")
    return here.text(name)


def mark() -> Path:
    """A file of the machine's shared memory, of this test's own."""
    return SHM / f"mesos_test_{os.getpid()}"


@pytest.fixture(autouse=True)
def _left_as_it_was() -> Any:  # Any: a generator of nothing
    mounts = Path("/proc/self/mounts").read_text()
    mark().write_text("the machine's\n")
    yield
    mark().unlink()
    assert Path("/proc/self/mounts").read_text() == mounts
    assert not (SHM / "large").exists()


def test_m_ag_08_ipc_a_private_one_is_nobody_elses_and_as_large_as_it_says(tmp_path: Path) -> None:
    async def body() -> None:
        async with room(tmp_path, [make(default_container_shm_size=2 << 20)]) as here:
            said = await says(here, f"{LOOK}; ls -A /dev/shm; {FILL}", PRIVATE)
            assert not is_machines(said)
            assert said.split()[1:] == ["1777", str(2 << 20)], "empty, and bounded by the flag"
            said = await says(here, f"{LOOK}; {FILL}", SMALL, "d")
            assert said.split()[1:] == ["1777", str(1 << 20)], "and here by the task"
        async with room(tmp_path, [make()]) as here:
            said = await says(here, FILL, PRIVATE, "e")
            assert said.split() == ["3000000"], "half of the memory is more than that"

    run_asyncio(body())


def test_m_ag_08_ipc_one_that_shares_has_the_machines(tmp_path: Path) -> None:
    async def body() -> None:
        async with room(tmp_path, [make(default_container_shm_size=1)]) as here:
            said = await says(here, f"{LOOK}; cat {mark()}", SHARED)
            assert is_machines(said)
            assert "the machine's" in said
            said = await says(here, f"{LOOK}; cat {mark()}", Wishes(), "d")
            assert not is_machines(said)
            assert "the machine's" in said, "as it always was"
        async with room(tmp_path, [make(disallow_sharing_agent_ipc_namespace=True)]) as here:
            with pytest.raises(LaunchFailed, match="container asks to share the machine's IPC"):
                await says(here, LOOK, SHARED, "e")
            assert not is_machines(await says(here, LOOK, PRIVATE, "f"))

    run_asyncio(body())


def test_m_ag_08_ipc_what_is_nested_sees_what_its_container_sees(tmp_path: Path) -> None:
    async def body() -> None:
        async with room(tmp_path, [make("namespaces/pid"), make()]) as here:
            line = "echo word > /dev/shm/of_the_task; echo > ready; exec sleep 1000"
            await here.containerizer.launch(here.plan("c", "sh", "-c", line, wishes=SMALL))
            await until((tmp_path / "c" / "ready").exists)
            said = await says(here, "cat /dev/shm/of_the_task; readlink /proc/self/ns/ipc", Wishes(), "n", "c")
            assert said.startswith("word\n")
            assert not is_machines(said.removeprefix("word\n"))
            await here.containerizer.destroy(cid("c"))

    run_asyncio(body())


def test_m_ag_08_m_ag_13_ipc_in_a_root_of_its_own(tmp_path: Path) -> None:
    images = Place(tmp_path, Backend.OVERLAY)
    images.put(root_tar())
    image = Image("busybox")
    is_there = f"test -e {mark()} && echo machine || echo own"

    async def body() -> None:
        isolators = [make(default_container_shm_size=2 << 20), make("filesystem/linux")]
        async with room(tmp_path, isolators, provisioner=images.provisioner()) as here:
            for number, (mode, megabytes, expected) in enumerate(
                (
                    (None, None, ["own", str(2 << 20)]),
                    (IpcMode.PRIVATE, None, ["own", str(2 << 20)]),
                    (IpcMode.PRIVATE, 1, ["own", str(1 << 20)]),
                    (IpcMode.SHARE_PARENT, None, ["machine", "0"]),
                )
            ):
                fill = FILL if mode is not IpcMode.SHARE_PARENT else "echo 0"
                wishes = Wishes(image=image, ipc_mode=mode, shm_megabytes=megabytes)
                said = await says(here, f"{is_there}; {fill}", wishes, f"c{number}")
                assert said.split() == expected, (mode, megabytes)

    run_asyncio(body())


def test_n27_m_ag_08_ipc_what_is_mounted_is_told() -> None:
    told = make().explain(cid("c"), config(SMALL))
    assert told[0].endswith("unshare --ipc --mount --propagation slave --")
    assert told[1] == (
        "mount a tmpfs (nosuid,nodev,strictatime,mode=1777,size=1048576) on /dev/shm, which only the container sees"
    )
    assert not make().explain(cid("c"), config(SHARED))
    [told_of_old] = make().explain(cid("c"), config(Wishes()))
    assert told_of_old.endswith("unshare --ipc --")


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (wire.LinuxInfo(ipc_mode="UNKNOWN"), "There is no ipc_mode 'UNKNOWN'"),
        (wire.LinuxInfo(shm_size=64), "takes the ipc_mode PRIVATE"),
        (wire.LinuxInfo(ipc_mode="SHARE_PARENT", shm_size=64), "takes the ipc_mode PRIVATE"),
        (wire.LinuxInfo(ipc_mode="PRIVATE", shm_size=0), "without a bound"),
        (wire.LinuxInfo(seccomp=wire.SeccompInfo()), "does not say which"),
        (wire.LinuxInfo(seccomp=wire.SeccompInfo(profile_name="a", unconfined=True)), "to be unconfined"),
        (wire.LinuxInfo(seccomp=wire.SeccompInfo(profile_name="../a")), "leads out"),
        (wire.LinuxInfo(seccomp=wire.SeccompInfo(profile_name="/a")), "leads out"),
    ],
)
def test_m_ag_08_what_makes_no_sense_is_refused(asked: wire.LinuxInfo, says: str) -> None:
    with pytest.raises(CannotBeHad, match=says):
        wishes_of(wire.ContainerInfo(type="MESOS", linux_info=asked), {Wish.IPC, Wish.SECCOMP})


@pytest.mark.parametrize(
    ("asked", "giver"),
    [
        (wire.LinuxInfo(ipc_mode="PRIVATE"), "namespaces/ipc"),
        (wire.LinuxInfo(seccomp=wire.SeccompInfo(profile_name="a")), "linux/seccomp"),
        (wire.LinuxInfo(share_pid_namespace=True, ipc_mode="PRIVATE"), "namespaces/ipc"),
    ],
)
def test_m_ag_08_who_asks_where_nobody_gives_it_is_told_who_would(asked: wire.LinuxInfo, giver: str) -> None:
    container = wire.ContainerInfo(type="MESOS", linux_info=asked)
    with pytest.raises(CannotBeHad, match=f"'{giver}' is not in --isolation"):
        wishes_of(container, frozenset())
    free = wire.LinuxInfo(seccomp=wire.SeccompInfo(unconfined=True))
    assert wishes_of(wire.ContainerInfo(type="MESOS", linux_info=free), frozenset()).seccomp is not None
    among_all = wire.ContainerInfo(type="MESOS", linux_info=wire.LinuxInfo(share_pid_namespace=True))
    assert wishes_of(among_all, frozenset()).shares_processes, "which everybody is where nobody gives namespaces"
