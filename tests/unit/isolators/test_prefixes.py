"""Isolators that begin a command inside something: namespaces, and the bit that keeps privileges away (M-AG-08)."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from mesos_service.containers.containerizer import Members
from mesos_service.containers.plan import LaunchFailed
from mesos_service.domain.containers import Wishes
from mesos_service.domain.errors import ConfigurationError
from mesos_service.plugins.isolator import ContainerConfig, Isolator
from mesos_service.plugins.loader import ISOLATORS, load, read_config
from tests.unit.containers.room import RESOURCES, alive, cid, room, run_asyncio, until

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="making namespaces takes root")
CONFIG = ContainerConfig(sandbox="/nowhere", resources=RESOURCES)


def make(name: str, **flags: object) -> Isolator:
    kind = load(ISOLATORS, name)
    return kind(Members(), read_config(kind, flags) if flags else None)


def test_m_ag_08_nnp_holds_for_the_command(tmp_path: Path) -> None:
    async def body() -> None:
        async with room(tmp_path, [make("linux/nnp")]) as here:
            assert await here.outcome(here.plan("c", "/bin/grep", "NoNewPrivs", "/proc/self/status")) == 0
            assert here.text("c").split() == ["NoNewPrivs:", "1"]

    run_asyncio(body())


@ROOT_ONLY
def test_m_ag_08_ipc_is_not_the_machines(tmp_path: Path) -> None:
    async def body() -> None:
        async with room(tmp_path, [make("namespaces/ipc")]) as here:
            assert await here.outcome(here.plan("c", "/usr/bin/readlink", "/proc/self/ns/ipc")) == 0
            assert here.text("c").strip().startswith("ipc:[")
            assert here.text("c").strip() != os.readlink("/proc/self/ns/ipc")  # noqa: PTH115

    run_asyncio(body())


@ROOT_ONLY
@pytest.mark.parametrize(("line", "outcome"), [("exit 0", 0), ("exit 3", 3), ("kill -TERM $$; exit 7", 7)])
def test_m_ag_08_pid_ends_are_told_as_they_were(tmp_path: Path, line: str, outcome: int) -> None:
    """Process 1 cannot end itself by a signal, as it has no default actions."""

    async def body() -> None:
        async with room(tmp_path, [make("namespaces/pid")]) as here:
            assert await here.outcome(here.plan("c", "/bin/sh", "-c", line)) == outcome

    run_asyncio(body())


@ROOT_ONLY
def test_m_ag_08_m_ag_21_pid_a_command_that_handles_term_has_its_grace(tmp_path: Path) -> None:
    async def body() -> None:
        async with room(tmp_path, [make("namespaces/pid")]) as here:
            pid = await here.shell(
                "c", "trap 'echo bye; exit 5' TERM; ls /proc | grep -c '^[0-9]'; while :; do sleep 0.02; done"
            )
            assert int((await here.said("c"))[0]) < 6, "it sees its own processes only"
            here.signal("c", signal.SIGTERM)
            assert os.waitstatus_to_exitcode(await here.exit_of("c")) == 5
            assert here.text("c").endswith("bye\n")
            await here.destroy("c")
            assert not alive(pid)

    run_asyncio(body())


@ROOT_ONLY
def test_m_ag_08_pid_nobody_outlives_the_first(tmp_path: Path) -> None:
    async def body() -> None:
        host = Members()
        async with room(tmp_path, [make("namespaces/pid")], host) as here:
            await here.shell("c", "env -i setsid sleep 1000 & sleep 1000 & echo up; wait")
            await here.said("c")
            await until(lambda: len(host.processes(cid("c"))) >= 4)
            pids = host.processes(cid("c"))
            await here.destroy("c")
            assert not any(map(alive, pids))

    run_asyncio(body())


@ROOT_ONLY
def test_m_ag_08_pid_who_asks_to_share_is_among_the_machines_processes(tmp_path: Path) -> None:
    shares = Wishes(shares_processes=True)
    look = ("/usr/bin/readlink", "/proc/self/ns/pid")

    async def body() -> None:
        async with room(tmp_path, [make("namespaces/pid")]) as here:
            assert await here.outcome(here.plan("c", *look, wishes=shares)) == 0
            assert here.text("c").strip() == os.readlink("/proc/self/ns/pid")  # noqa: PTH115
            assert await here.outcome(here.plan("d", *look)) == 0
            assert here.text("d").strip() != here.text("c").strip()
        async with room(tmp_path, [make("namespaces/pid", disallow_sharing_agent_pid_namespace=True)]) as here:
            told = "'namespaces/pid' failed to prepare: the container asks to share the machine's processes, and --"
            with pytest.raises(LaunchFailed, match=told):
                await here.outcome(here.plan("e", *look, wishes=shares))
            assert await here.outcome(here.plan("f", *look)) == 0

    run_asyncio(body())
    asking = ContainerConfig(sandbox="/nowhere", resources=RESOURCES, wishes=shares)
    assert make("namespaces/pid").explain(cid("c"), asking) == []


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("linux/nnp", "setpriv --no-new-privs --"),
        pytest.param("namespaces/ipc", "unshare --ipc --", marks=ROOT_ONLY),
        pytest.param("namespaces/pid", "unshare --pid --fork --kill-child=KILL --mount-proc --", marks=ROOT_ONLY),
    ],
)
def test_n27_m_ag_08_what_begins_a_command_is_told(name: str, line: str) -> None:
    [told] = make(name).explain(cid("c"), CONFIG)
    assert told.startswith("run by /") and told.endswith(line)


@pytest.mark.parametrize("name", ["linux/nnp", "namespaces/ipc", "namespaces/pid"])
def test_m_ag_08_without_its_program_it_does_not_start(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(ConfigurationError, match=f"Isolator '{name}' needs the program"):
        make(name)
