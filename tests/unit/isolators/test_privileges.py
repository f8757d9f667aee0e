"""Limits of processes, capabilities, and whom a container runs as, seen from inside (M-AG-08, M-AG-29)."""

from __future__ import annotations

import grp
import os
import pwd
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from mesos_service.containers.containerizer import Members
from mesos_service.containers.plan import LaunchFailed
from mesos_service.domain.containers import CAPABILITIES, Rlimit, Wishes
from mesos_service.domain.errors import ConfigurationError, OperatingFault
from mesos_service.plugins.isolator import ContainerConfig, Isolator
from mesos_service.plugins.loader import ISOLATORS, load, read_config
from tests.unit.containers.room import RESOURCES, cid, room, run_asyncio

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="changing users and capabilities takes root")
NOBODY = "nobody"
PRINT = "grep -h -e Cap -e Groups -e Uid /proc/self/status"


def make(name: str, **flags: Any) -> Isolator:  # Any: whatever its Config takes
    kind = load(ISOLATORS, name)
    return kind(Members(), read_config(kind, flags) if kind.Config else None)


def mask(*names: str) -> int:
    return sum(1 << CAPABILITIES.index(name) for name in names)


def status(text: str) -> dict[str, int]:
    """The sets of capabilities, by their names in /proc/PID/status."""
    rows = (line.split() for line in text.splitlines() if line.startswith("Cap"))
    return {name.rstrip(":"): int(value, 16) for name, value in rows}


def inside(
    tmp_path: Path, isolators: list[Isolator], wishes: Wishes, line: str = PRINT, user: str | None = None
) -> str:
    """What a command says that is run so, in a place that every user may enter."""
    found = ""

    async def body() -> None:
        nonlocal found
        async with room(tmp_path, isolators) as here:
            plan = here.plan("c", "/bin/sh", "-c", line, user=user, wishes=wishes)
            assert await here.outcome(plan) == 0, here.text("c", "stderr")
            found = here.text("c")

    run_asyncio(body())
    return found


@pytest.fixture(name="tmp_path")
def open_path() -> Iterator[Path]:
    """Not below pytest's own, which is closed to other users."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        path.chmod(0o755)
        yield path


def test_m_ag_08_rlimits_hold_for_the_command_and_its_children(tmp_path: Path) -> None:
    wishes = Wishes(rlimits=(Rlimit("NOFILE", 100, 200), Rlimit("CORE", 0, 0), Rlimit("FSIZE", 4096, 8192)))
    line = "sh -c 'ulimit -S -n; ulimit -H -n; ulimit -c'; head -c 100000 /dev/zero > big; stat -c %s big"
    said = inside(tmp_path, [make("posix/rlimits")], wishes, line)
    assert said.split() == ["100", "200", "0", "4096"]


def test_m_ag_08_rlimits_without_a_bound_are_lifted(tmp_path: Path) -> None:
    said = inside(tmp_path, [make("posix/rlimits")], Wishes(rlimits=(Rlimit("CPU"),)), "ulimit -t")
    assert said.split() == ["unlimited"]


@ROOT_ONLY
@pytest.mark.parametrize("user", [None, NOBODY])
def test_m_ag_08_capabilities_are_what_was_asked_for(tmp_path: Path, user: str | None) -> None:
    wishes = Wishes(effective_capabilities=frozenset({"NET_RAW", "CHOWN"}))
    sets = status(inside(tmp_path, [make("linux/capabilities")], wishes, user=user))
    asked = mask("NET_RAW", "CHOWN")
    assert (sets["CapEff"], sets["CapPrm"], sets["CapBnd"], sets["CapAmb"]) == (asked, asked, asked, asked)


@ROOT_ONLY
@pytest.mark.parametrize("user", [None, NOBODY])
def test_m_ag_08_a_bounding_set_above_the_effective_one_gives_nothing_by_itself(
    tmp_path: Path, user: str | None
) -> None:
    wishes = Wishes(effective_capabilities=frozenset({"NET_RAW"}), bounding_capabilities=frozenset({"NET_RAW", "KILL"}))
    sets = status(inside(tmp_path, [make("linux/capabilities")], wishes, user=user))
    assert (sets["CapEff"], sets["CapBnd"]) == (mask("NET_RAW"), mask("NET_RAW", "KILL"))


@ROOT_ONLY
def test_m_ag_08_the_flags_hold_for_who_asks_for_nothing(tmp_path: Path) -> None:
    flags = {
        "effective_capabilities": '{"capabilities": ["CHOWN"]}',
        "bounding_capabilities": '{"capabilities": ["CHOWN", "KILL"]}',
    }
    sets = status(inside(tmp_path, [make("linux/capabilities", **flags)], Wishes()))
    assert (sets["CapEff"], sets["CapBnd"]) == (mask("CHOWN"), mask("CHOWN", "KILL"))
    (tmp_path / "free").mkdir()
    said = inside(tmp_path / "free", [make("linux/capabilities")], Wishes(), "mknod node c 1 3 && echo all of them")
    assert said == "all of them\n"


@ROOT_ONLY
def test_m_ag_08_a_command_without_a_capability_cannot_use_it(tmp_path: Path) -> None:
    line = "mknod node c 1 3 2>/dev/null && echo made; chown nobody file 2>/dev/null && echo given; echo done"
    for names, said in (({"MKNOD"}, ["made", "done"]), ({"CHOWN"}, ["given", "done"]), (set(), ["done"])):
        place = tmp_path / "-".join(["x", *names])
        (place / "c").mkdir(parents=True)
        (place / "c" / "file").touch()
        wishes = Wishes(effective_capabilities=frozenset(names))
        assert inside(place, [make("linux/capabilities")], wishes, line).split() == said


@ROOT_ONLY
def test_m_ag_08_who_asks_for_more_than_there_is_is_told_what(tmp_path: Path) -> None:
    bounded = make("linux/capabilities", bounding_capabilities='{"capabilities": ["CHOWN"]}')

    async def body() -> None:
        async with room(tmp_path, [bounded]) as here:
            wishes = Wishes(effective_capabilities=frozenset({"SYS_ADMIN", "CHOWN"}))
            with pytest.raises(LaunchFailed, match="The task has SYS_ADMIN, which the bounding set does not: CHOWN"):
                await here.containerizer.launch(here.plan("c", "/bin/true", wishes=wishes))

    run_asyncio(body())
    inconsistent = Wishes(effective_capabilities=frozenset({"KILL"}), bounding_capabilities=frozenset({"CHOWN"}))
    with pytest.raises(OperatingFault, match="The effective set of the task has KILL"):
        make("linux/capabilities").explain(
            cid("c"), ContainerConfig(sandbox="/", resources=RESOURCES, wishes=inconsistent)
        )


@pytest.mark.parametrize("text", ["CHOWN", "[]", '{"capabilities": "CHOWN"}', '{"capabilities": ["ROOT"]}', "{"])
def test_m_ag_08_flags_that_are_no_capabilities_are_refused(text: str) -> None:
    kind = load(ISOLATORS, "linux/capabilities")
    with pytest.raises((ConfigurationError, ValidationError), match="capabilit"):
        read_config(kind, {"effective_capabilities": text})


@ROOT_ONLY
def test_m_ag_29_a_container_runs_as_its_user_with_all_groups(tmp_path: Path) -> None:
    """Groups that the user is a member of besides its own are its too; root's are not."""
    user = next(
        (pwd.getpwnam(name) for group in grp.getgrall() for name in group.gr_mem if _is_other(name)),
        pwd.getpwnam(NOBODY),
    )
    said = inside(tmp_path, [], Wishes(), "id -u; id -g; id -G", user=user.pw_name).splitlines()
    assert (int(said[0]), int(said[1])) == (user.pw_uid, user.pw_gid)
    assert {int(one) for one in said[2].split()} == set(os.getgrouplist(user.pw_name, user.pw_gid))


def _is_other(name: str) -> bool:
    try:
        return pwd.getpwnam(name).pw_uid != 0
    except KeyError:
        return False


@ROOT_ONLY
def test_m_ag_29_capabilities_and_limits_go_with_the_switch_of_user(tmp_path: Path) -> None:
    wishes = Wishes(rlimits=(Rlimit("NOFILE", 20, 20),), effective_capabilities=frozenset({"NET_BIND_SERVICE"}))
    isolators = [make("posix/rlimits"), make("linux/nnp"), make("linux/capabilities")]
    said = inside(tmp_path, isolators, wishes, f"ulimit -n; id -un; {PRINT}", user=NOBODY)
    assert said.splitlines()[:2] == ["20", NOBODY]
    assert status(said)["CapEff"] == mask("NET_BIND_SERVICE")


@ROOT_ONLY
def test_n27_the_plan_says_limits_and_capabilities() -> None:
    wishes = Wishes(rlimits=(Rlimit("NOFILE", 1, 2),), bounding_capabilities=frozenset({"KILL"}))
    config = ContainerConfig(sandbox="/", resources=RESOURCES, wishes=wishes)
    [limits] = make("posix/rlimits").explain(cid("c"), config)
    assert limits.endswith("prlimit --nofile=1:2 --")
    [powers] = make("linux/capabilities").explain(cid("c"), config)
    assert "--bounding-set=-all,+kill" in powers
    nothing = ContainerConfig(sandbox="/", resources=RESOURCES)
    assert not make("posix/rlimits").explain(cid("c"), nothing)
    assert not make("linux/capabilities").explain(cid("c"), nothing)
