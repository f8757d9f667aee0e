"""Volumes: seen where they were asked for, by nobody else, and never by way of a symbolic link (M-AG-10)."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import pytest

from mesos_service.containers import bring_up, enter
from mesos_service.containers.containerizer import Members
from mesos_service.containers.mounts import look
from mesos_service.containers.plan import LaunchFailed
from mesos_service.domain.containers import Mount, Source, Volume, Wishes, mask
from mesos_service.plugins.isolator import ContainerConfig, Isolator
from mesos_service.plugins.loader import ISOLATORS, load
from modules.isolators.linux_capabilities import LinuxCapabilities
from tests.unit.containers.room import RESOURCES, Room, cid, open_descriptors, room, run_asyncio, until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")


def make() -> Isolator:
    return load(ISOLATORS, "filesystem/linux")(Members(), None)


def host(path: Path, container_path: str, read_only: bool = False) -> Volume:
    return Volume(source=Source.HOST, path=str(path), container_path=container_path, read_only=read_only)


async def says(here: Room, line: str, *volumes: Volume, name: str = "c", parent: str | None = None) -> str:
    plan = here.plan(name, "/bin/sh", "-c", line, wishes=Wishes(volumes=volumes), parent=parent)
    assert await here.outcome(plan) == 0, here.text(name, "stderr")
    return here.text(name)


def test_m_ag_10_a_directory_of_the_host_is_seen_in_the_sandbox_and_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "file").write_text("hello\n")
    mounts = Path("/proc/self/mounts").read_text()

    async def body() -> None:
        async with room(tmp_path, [make()]) as here:
            volumes = (host(tmp_path / "data", "a/b"), host(tmp_path / "data" / "file", "one", read_only=True))
            line = "cat a/b/file one; echo more > a/b/new; touch one 2>/dev/null || echo closed"
            assert await says(here, line, *volumes) == "hello\nhello\nclosed\n"

    run_asyncio(body())
    assert (tmp_path / "data" / "new").read_text() == "more\n"
    assert (tmp_path / "data" / "file").read_text() == "hello\n"
    assert not list((tmp_path / "c" / "a" / "b").iterdir()), "outside, there is only what it was mounted on"
    assert Path("/proc/self/mounts").read_text() == mounts


def test_m_ag_10_what_is_read_only_cannot_be_written_to_and_the_host_still_can(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()

    async def body() -> None:
        async with room(tmp_path, [make()]) as here:
            line = "touch v/x 2>/dev/null || echo closed; mount -o remount,bind,rw v 2>/dev/null; touch ok && echo open"
            assert await says(here, line, host(tmp_path / "data", "v", read_only=True)) == "closed\nopen\n"

    run_asyncio(body())
    assert not list((tmp_path / "data").iterdir())
    (tmp_path / "data" / "ours").touch()


@pytest.fixture
def mounted_below(tmp_path: Path) -> Iterator[Path]:
    """A directory that is a mount, with another one in it."""
    data = tmp_path / "data"
    for place in (data, data / "below"):
        place.mkdir()
        subprocess.run(("mount", "-t", "tmpfs", "-o", "nosuid", "none", place), check=True)
    yield data
    subprocess.run(("umount", data / "below", data), check=True)


def test_m_ag_10_what_is_mounted_below_a_read_only_volume_is_read_only_too(tmp_path: Path, mounted_below: Path) -> None:
    async def body() -> None:
        async with room(tmp_path, [make()]) as here:
            line = (
                "for at in v v/below; do touch $at/x 2>/dev/null || echo closed; done; grep $PWD/v/b /proc/self/mounts"
            )
            told = (await says(here, line, host(mounted_below, "v", read_only=True))).splitlines()
            assert told[:2] == ["closed", "closed"]
            assert {"ro", "nosuid"} <= set(told[2].split()[3].split(","))

    run_asyncio(body())
    (mounted_below / "below" / "ours").touch()


def test_m_ag_10_what_is_mounted_below_a_read_only_volume_later_cannot_be_written_to(
    tmp_path: Path, mounted_below: Path
) -> None:
    """The machine's mounts are handed on to whom a mount is shared with, as writable as they are there."""
    subprocess.run(("mount", "--make-shared", mounted_below), check=True)
    later = mounted_below / "later"
    later.mkdir()

    async def body() -> None:
        async with room(tmp_path, [make()]) as here:
            wait = "touch up; until [ -e go ]; do sleep 0.02; done"
            line = f"{wait}; touch v/later/x 2>/dev/null && echo open || echo closed"
            told = asyncio.create_task(says(here, line, host(mounted_below, "v", read_only=True)))
            sandbox = tmp_path / "c"
            await until(lambda: (sandbox / "up").exists() or told.done())
            await asyncio.to_thread(subprocess.run, ("mount", "-t", "tmpfs", "none", later), check=True)
            try:
                (sandbox / "go").touch()
                assert await told == "closed\n"
            finally:
                await asyncio.to_thread(subprocess.run, ("umount", later), check=True)

    run_asyncio(body())


class Old:
    """A C library on Linux 5.11, or where system calls are filtered."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.mount = ctypes.CDLL(None, use_errno=True).mount

    def syscall(self, *_: object) -> int:
        ctypes.set_errno(self._number)
        return -1


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EPERM])
def test_m_ag_10_a_kernel_that_cannot_close_what_is_below_a_volume_does_not_show_it(
    mounted_below: Path, number: int
) -> None:
    seen = os.open(mounted_below, os.O_PATH)
    try:
        with pytest.raises(enter.CannotEnter, match="other mounts below it"):
            enter.make_read_only(cast("ctypes.CDLL", Old(number)), seen)
    finally:
        os.close(seen)
    # What has nothing below it can be closed as ever.
    seen = os.open(mounted_below / "below", os.O_PATH)
    try:
        enter.make_read_only(cast("ctypes.CDLL", Old(number)), seen)
    finally:
        os.close(seen)
    with pytest.raises(OSError, match="Read-only file system"):
        (mounted_below / "below" / "x").touch()


def test_what_is_read_only_allows_nothing_that_the_operator_mounted_it_without(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    subprocess.run(("mount", "-t", "tmpfs", "-o", "nosuid,nodev,noexec", "none", data), check=True)

    async def body() -> None:
        async with room(tmp_path, [make()]) as here:
            told = await says(here, "grep $PWD/v /proc/self/mounts", host(data, "v", read_only=True))
            assert {"ro", "nosuid", "nodev", "noexec"} <= set(told.split()[3].split(","))

    try:
        run_asyncio(body())
    finally:
        subprocess.run(("umount", data), check=True)


def test_m_ag_10_a_directory_of_the_sandbox_stands_for_one_of_the_machine(tmp_path: Path) -> None:
    async def body() -> None:
        async with room(tmp_path, [make()]) as here:
            own = Volume(source=Source.SANDBOX, path="tmp", container_path="/mnt")
            assert await says(here, "echo mine > /mnt/file; cat tmp/file", own) == "mine\n"

    run_asyncio(body())
    assert (tmp_path / "c" / "tmp" / "file").read_text() == "mine\n"
    assert not Path("/mnt/file").exists()


def test_m_ag_10_nested_containers_share_a_directory_of_their_parent(tmp_path: Path) -> None:
    async def body() -> None:
        async with room(tmp_path, [make()]) as here:
            await here.shell("outer", "exec sleep 1000")
            shared = Volume(source=Source.PARENT, path="shared", container_path="s")
            await says(here, "echo from one > s/file", shared, name="one", parent="outer")
            assert await says(here, "cat s/file", shared, name="two", parent="outer") == "from one\n"

    run_asyncio(body())
    assert (tmp_path / "outer" / "shared" / "file").exists()


def test_m_ag_10_who_comes_into_a_container_sees_its_volumes(tmp_path: Path) -> None:
    """A session or a check runs beside the command, in its namespaces."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "file").write_text("hello\n")

    async def body() -> None:
        async with room(tmp_path, [make()]) as here:
            wishes = Wishes(volumes=(host(tmp_path / "data", "v"),))
            line = "echo up; exec sleep 1000"
            await here.containerizer.launch(here.plan("outer", "/bin/sh", "-c", line, wishes=wishes))
            await here.said("outer")
            guest = f"cat {tmp_path}/outer/v/file; cat /proc/self/mountinfo | grep -c {tmp_path}/outer/v"
            assert await says(here, guest, name="guest", parent="outer") == "hello\n1\n"

    run_asyncio(body())


@pytest.mark.parametrize(
    ("volume", "why"),
    [
        (Volume(source=Source.HOST, path="/no/such/place", container_path="v"), "No such file or directory"),
        (Volume(source=Source.HOST, path="/etc/passwd", container_path="/mnt"), "one is a directory, one is not"),
        (Volume(source=Source.HOST, path="/etc", container_path="/no/such/place"), "No such file or directory"),
        (
            Volume(source=Source.PARENT, path="s", container_path="s"),
            "in the sandbox of a parent, and the container has",
        ),
        (Volume(source=Source.SANDBOX, path="link", container_path="/mnt"), "goes through a symbolic link, 'link'"),
        (Volume(source=Source.SANDBOX, path="link/x", container_path="/mnt"), "goes through a symbolic link, 'link'"),
        (Volume(source=Source.HOST, path="/etc", container_path="link"), "goes through a symbolic link, 'link'"),
        (Volume(source=Source.HOST, path="/etc", container_path="link/y"), "goes through a symbolic link, 'link'"),
    ],
)
def test_m_ag_10_what_is_not_there_or_leads_out_is_refused(tmp_path: Path, volume: Volume, why: str) -> None:
    async def body() -> None:
        async with room(tmp_path, [make()]) as here:
            await here.start_keeper()
            before = open_descriptors()
            plan = here.plan("c", "/bin/true", wishes=Wishes(volumes=(volume,)))
            (plan.sandbox / "link").symlink_to("/etc")
            with pytest.raises(LaunchFailed, match=why):
                await here.containerizer.launch(plan)
            assert open_descriptors() == before

    run_asyncio(body())
    assert not Path("/etc/y").exists() and not Path("/etc/x").exists()


@pytest.mark.parametrize("exchanged", ["from", "to"])
def test_m_ag_10_a_link_that_is_put_there_after_the_look_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchanged: str
) -> None:
    """Between the look and the mount, the tenant replaces what was seen by a link to somewhere else."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("not yours")

    def look_and_exchange(mounts: Sequence[Mount], sandbox: Path, rootfs: str | None) -> None:
        look(mounts, sandbox, rootfs)
        (sandbox / exchanged).rename(sandbox / "old")
        (sandbox / exchanged).symlink_to(tmp_path / "secret")

    async def body() -> None:
        async with room(tmp_path, [make()]) as here:
            own = Volume(source=Source.SANDBOX, path="from", container_path="to")
            plan = here.plan(exchanged, "/bin/sh", "-c", "cat to/key; echo x > to/file", wishes=Wishes(volumes=(own,)))
            assert await here.outcome(plan) == 1
            assert "Failed to enter the container" in here.text(exchanged, "stderr")
            assert "not yours" not in here.text(exchanged)

    monkeypatch.setattr(bring_up, "look", look_and_exchange)
    run_asyncio(body())
    assert [path.name for path in (tmp_path / "secret").iterdir()] == ["key"]


@pytest.mark.parametrize(
    "place",
    ["/usr/bin", "//usr/bin", "/./usr/./bin/", "/usr/bin/setpriv", "/usr", "/", "/etc", "/proc/self", sys.prefix],
)
def test_m_ag_10_nothing_is_seen_where_programs_are(tmp_path: Path, place: str) -> None:
    """Whoever comes into the container next would execute the tenant's programs as root (a session, a check)."""
    (tmp_path / "data").mkdir()

    async def body() -> None:
        async with room(tmp_path, [make()]) as here:
            with pytest.raises(LaunchFailed, match="where programs of the machine are"):
                wishes = Wishes(volumes=(host(tmp_path / "data", place),))
                await here.containerizer.launch(here.plan("c", "/bin/true", wishes=wishes))

    run_asyncio(body())


SHOW = "cat seen/file; grep -h -e ^Uid -e ^Groups -e ^Cap /proc/self/status"


@pytest.mark.parametrize("user", [None, "nobody"])
def test_m_ag_10_who_mounts_becomes_the_user_and_has_its_capabilities(user: str | None) -> None:
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        place.chmod(0o755)
        (place / "data").mkdir(mode=0o755)
        (place / "data" / "file").write_text("seen: 1\n")
        asked = frozenset({"NET_RAW", "KILL"})

        async def body() -> None:
            async with room(place, [make(), LinuxCapabilities(Members())]) as here:
                wishes = Wishes(volumes=(host(place / "data", "seen"),), effective_capabilities=asked)
                assert await here.outcome(here.plan("c", "/bin/sh", "-c", SHOW, wishes=wishes, user=user)) == 0
                rows = dict(row.split(":", 1) for row in here.text("c").splitlines())
                assert rows["seen"].strip() == "1"
                entry = pwd.getpwnam(user or "root")
                assert {int(one) for one in rows["Uid"].split()} == {entry.pw_uid}
                if user is not None:
                    assert {int(one) for one in rows["Groups"].split()} == set(os.getgrouplist(user, entry.pw_gid))
                for kind in ("CapEff", "CapPrm", "CapBnd", "CapAmb", "CapInh"):
                    assert int(rows[kind], 16) == mask(asked), kind

        run_asyncio(body())


def test_n27_the_plan_says_what_is_mounted_where(tmp_path: Path) -> None:
    isolator = make()
    config = ContainerConfig(
        sandbox="/sandbox", resources=RESOURCES, wishes=Wishes(volumes=(host(Path("/data"), "v", read_only=True),))
    )
    assert isolator.explain(cid("c"), config) == [
        "run by /usr/bin/unshare --mount --propagation slave --",
        "mount --rbind /data on /sandbox/v read-only",
    ]
    assert not isolator.explain(cid("c"), ContainerConfig(sandbox="/", resources=RESOURCES))


def test_volumes_add_nothing_to_the_environment(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()

    async def body() -> None:
        async with room(tmp_path, [make()]) as here:
            told = await says(here, "/usr/bin/env", host(tmp_path / "data", "v"))
            names = {line.partition("=")[0] for line in told.splitlines()}
            assert names - {"_"} == {"MESOS_CONTAINER_ID", "PATH", "PWD"}

    run_asyncio(body())
