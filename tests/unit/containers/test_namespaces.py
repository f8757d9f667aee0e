"""Who is launched beside a task comes to what was made for it, not to what it has made itself (M-AG-08, M-OA-04)."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mesos_service.containers.containerizer import Members
from mesos_service.containers.namespaces import namespaces_of
from mesos_service.containers.plan import LaunchFailed, LaunchPlan
from mesos_service.domain.ids import ContainerId
from mesos_service.plugins.isolator import ContainerConfig, Isolator, LaunchInfo
from mesos_service.plugins.loader import ISOLATORS, load
from tests.support.real_parts import missing_part
from tests.unit.containers.room import SHELL, Room, alive, cid, open_descriptors, room, run_asyncio, until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="entering namespaces takes root")
NOBODY = "nobody"
LOOK = (SHELL, "-c", "id -u; readlink /proc/self/ns/mnt; sleep 1000")


class Prefixed(Isolator):
    """Puts something before the commands of tasks; not before what is beside them."""

    name = "prefixed"
    isolates_before_exec = False

    def __init__(self, prefix: Sequence[str]) -> None:
        super().__init__(Members())
        self._prefix = tuple(prefix)

    async def prepare(self, container_id: ContainerId, config: ContainerConfig) -> LaunchInfo | None:
        return None if config.parent else LaunchInfo(command_prefix=self._prefix)


def unshare(*options: str) -> list[str]:
    return [str(shutil.which("unshare")), *options, "--"]


def namespace_of(pid: int, kind: str) -> str:
    return os.readlink(f"/proc/{pid}/ns/{kind}")  # noqa: PTH115


@pytest.fixture
def covered(tmp_path: Path) -> str:
    """What a user does who would like to be root: he covers a program that whoever becomes him executes as root."""
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if parent.stat().st_uid == os.geteuid() and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)
    trap = tmp_path / "trap"
    trap.write_text(f'#!/bin/sh\nid -u >> {tmp_path}/c/caught\nshift $(($# - 3))\nexec "$@"\n')
    trap.chmod(0o755)
    cover = "; ".join(f"mount --bind {trap} {shutil.which(name)}" for name in ("setpriv", "env", "nice"))
    probe = subprocess.run(
        ["setpriv", "--reuid=65534", "--clear-groups", "unshare", "--user", "--map-root-user", "--mount", "true"],
        check=False,
    )
    if probe.returncode != 0:
        missing_part("user namespaces that anybody may make (user.max_user_namespaces)")
    return f"exec unshare --user --map-root-user --mount {SHELL} -c '{cover}; echo covered; exec sleep 1000'"


async def launched_covered(here: Room, covered: str) -> int:
    plan = here.plan("c", SHELL, "-c", covered, user=NOBODY)
    shutil.chown(plan.sandbox, NOBODY)
    pid = await here.containerizer.launch(plan)
    assert await here.said("c") == ["covered"]
    return pid


def test_m_oa_04_nobody_enters_what_a_user_has_made(tmp_path: Path, covered: str) -> None:
    async def body() -> None:
        async with room(tmp_path) as here:
            pid = await launched_covered(here, covered)
            assert namespace_of(pid, "mnt") != namespace_of(os.getpid(), "mnt")
            await here.containerizer.launch(here.plan("guest", *LOOK, user=NOBODY, parent="c"))
            assert await here.said("guest", lines=2) == ["65534", namespace_of(os.getpid(), "mnt")]
            assert not (tmp_path / "c" / "caught").exists()

    run_asyncio(body())


async def recovered(here: Room, plan: LaunchPlan, isolators: Sequence[Isolator], *, keeper_too: bool) -> Room:
    """The next agent's."""
    if keeper_too:
        assert here.keeper.pid is not None
        os.kill(here.keeper.pid, signal.SIGKILL)
        await until(lambda: here.keeper.pid is None)
    await here.containerizer.leave()
    await here.keeper.close()
    after = Room(here.root, isolators)
    assert await after.containerizer.recover([plan])
    return after


@pytest.mark.parametrize("keeper_too", [False, True])
@pytest.mark.parametrize("isolator", [None, "namespaces/ipc"])
def test_m_oa_04_what_a_container_was_given_is_known_after_a_restart(
    tmp_path: Path, covered: str, isolator: str | None, keeper_too: bool
) -> None:
    """Else checks of a task that makes itself a user namespace, as builders of images do, would fail from then on."""
    isolators = [] if isolator is None else [load(ISOLATORS, isolator)(Members())]

    async def body() -> None:
        async with room(tmp_path, isolators) as here:
            plan = replace(here.plan("c", SHELL, "-c", covered, user=NOBODY), survives=True)
            shutil.chown(plan.sandbox, NOBODY)
            await here.containerizer.launch(plan)
            assert await here.said("c") == ["covered"]
            after = await recovered(here, plan, isolators, keeper_too=keeper_too)
            try:
                launching = after.containerizer.launch(after.plan("guest", *LOOK, user=NOBODY, parent="c"))
                if isolator is None:
                    await launching
                    assert await after.said("guest", lines=2) == ["65534", namespace_of(os.getpid(), "mnt")]
                else:
                    with pytest.raises(LaunchFailed, match="belongs to a user namespace"):
                        await launching
                assert not (tmp_path / "c" / "caught").exists()
            finally:
                await after.destroy("c")
                await after.keeper.close()

    run_asyncio(body())


@pytest.mark.parametrize("isolator", ["namespaces/pid", "namespaces/ipc"])
def test_m_oa_04_who_has_left_what_was_made_for_him_has_no_company(tmp_path: Path, covered: str, isolator: str) -> None:
    async def body() -> None:
        async with room(tmp_path, [load(ISOLATORS, isolator)(Members())]) as here:
            await launched_covered(here, covered)
            open_before = open_descriptors()
            with pytest.raises(
                LaunchFailed, match=r"has gone into a namespace \(mnt\) that belongs to a user namespace"
            ):
                await here.containerizer.launch(here.plan("guest", *LOOK, user=NOBODY, parent="c"))
            assert open_descriptors() == open_before
            assert not (tmp_path / "c" / "caught").exists()

    run_asyncio(body())


def test_m_ag_08_who_comes_beside_a_container_waits_for_the_innermost_of_its_namespaces(tmp_path: Path) -> None:
    """Two isolators may each make one of mounts; who entered the outer one would see other files than the task."""
    held = [SHELL, "-c", f'echo > {tmp_path}/outer; read -r _ < {tmp_path}/gate; exec "$@"', "sh"]
    os.mkfifo(tmp_path / "gate")

    async def body() -> None:
        async with room(tmp_path, [Prefixed([*unshare("--mount"), *held, *unshare("--mount")])]) as here:
            pid = await here.launch("c", "/bin/sleep", "1000")
            await until((tmp_path / "outer").exists)
            outer = namespace_of(pid, "mnt")
            launching = asyncio.ensure_future(here.containerizer.launch(here.plan("guest", *LOOK, parent="c")))
            await asyncio.sleep(0.05)
            assert not launching.done()
            (tmp_path / "gate").write_text("\n")
            await launching
            [_, its] = await here.said("guest", lines=2)
            assert its == namespace_of(pid, "mnt") != outer

    run_asyncio(body())


def test_m_oa_04_what_a_task_calls_itself_keeps_nobody_out(tmp_path: Path) -> None:
    """Its command line is its own to write: that of what was before it means nothing."""
    prefix = unshare("--mount", "--propagation", "slave")

    async def body() -> None:
        async with room(tmp_path, [Prefixed(prefix)]) as here:
            pid = await here.launch("c", SHELL, "-c", "sleep 1000; :", *prefix)
            await here.containerizer.launch(here.plan("guest", *LOOK, parent="c"))
            [_, its] = await here.said("guest", lines=2)
            assert its == namespace_of(pid, "mnt") != namespace_of(os.getpid(), "mnt")

    run_asyncio(body())


def test_m_oa_04_a_guest_of_a_guest_is_where_the_task_is(tmp_path: Path) -> None:
    async def body() -> None:
        async with room(tmp_path, [load(ISOLATORS, "namespaces/pid")(Members())]) as here:
            pid = await here.launch("c", "/bin/sleep", "1000")
            for parent, name in (("c", "guest"), ("guest", "second"), ("second", "third")):
                await here.containerizer.launch(here.plan(name, *LOOK, parent=parent))
            for name in ("guest", "second", "third"):
                [_, its] = await here.said(name, lines=2)
                assert its == namespace_of(pid, "mnt") != namespace_of(os.getpid(), "mnt")

    run_asyncio(body())


def test_m_oa_04_a_launch_beside_a_task_that_never_begins_ends_with_it(tmp_path: Path) -> None:
    stuck = [SHELL, "-c", 'sleep 1000; exec "$@"', "sh"]

    async def body() -> None:
        async with room(tmp_path, [Prefixed(stuck)]) as here:
            await here.start_keeper()
            open_before = open_descriptors()
            pid = await here.launch("c", "/bin/true")
            launching = asyncio.ensure_future(here.containerizer.launch(here.plan("guest", *LOOK, parent="c")))
            other = asyncio.ensure_future(here.containerizer.launch(here.plan("other", *LOOK, parent="c")))
            await asyncio.sleep(0.05)
            await here.destroy("other")
            with pytest.raises(LaunchFailed, match="destroyed during launch"):
                await other
            assert not launching.done()
            await here.destroy("c")
            with pytest.raises(LaunchFailed):
                await launching
            assert not alive(pid) and open_descriptors() == open_before

    run_asyncio(body())


def test_m_ag_08_a_command_finds_nothing_open_of_what_was_before_it(tmp_path: Path) -> None:
    isolators = [load(ISOLATORS, name)(Members()) for name in ("namespaces/ipc", "namespaces/pid", "filesystem/linux")]
    show = (SHELL, "-c", "ls /proc/$$/fd; echo end; sleep 1000")

    async def body() -> None:
        async with room(tmp_path, isolators) as here:
            await here.start_keeper()
            open_before = open_descriptors()
            await here.launch("c", *show)
            await here.containerizer.launch(here.plan("guest", *show, parent="c"))
            for name in ("c", "guest"):
                assert await here.said(name, lines=4) == ["0", "1", "2", "end"]
            await here.destroy("c")
            assert open_descriptors() == open_before

    run_asyncio(body())


def test_m_oa_04_a_process_that_has_ended_is_nowhere() -> None:
    process = subprocess.Popen(["true"])
    handle = os.pidfd_open(process.pid)
    process.wait()
    try:
        with pytest.raises(LaunchFailed, match=f"Process {process.pid} has ended"):
            namespaces_of(process.pid, handle, stays=True)
        # Its number may be another's by now.
        with pytest.raises(LaunchFailed, match=f"Process {os.getpid()} has ended"):
            namespaces_of(os.getpid(), handle, stays=True)
    finally:
        os.close(handle)


def test_m_oa_04_of_a_zombie_nothing_can_be_entered(tmp_path: Path) -> None:
    async def body() -> None:
        async with room(tmp_path, [load(ISOLATORS, "namespaces/ipc")(Members())]) as here:
            await here.launch("c", "/bin/true")
            await here.exit_of("c")
            with pytest.raises(LaunchFailed):
                await here.containerizer.launch(here.plan("guest", *LOOK, parent="c"))
            assert cid("guest") not in here.containerizer.containers()

    run_asyncio(body())
