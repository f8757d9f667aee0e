"""An agent is killed at every step of a launch, or of an end; the next one leaves nothing of it (X52, X53)."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from mesos_service.containers.keeper_books import Books
from mesos_service.domain.errors import ConfigurationError
from mesos_service.seccomp.library import Library
from tests.support.busybox import root_tar
from tests.support.real_parts import missing_part
from tests.support.waiting import PATIENCE, until
from tests.unit.cgroups import dying
from tests.unit.cgroups.live import Live, written_down

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="making control groups takes root")
EVERY_STEP = 1
NAMESPACES = ("mnt", "pid", "ipc")
SOME_STEPS = {"groups": 9, "all": 41}
"""Of so many steps one is tried in the short suite."""


def dies(root: Path, group: str, kind: str, deed: str, step: int) -> int | None:
    """Let an agent die at that step; how many there were, when it came to their end."""
    root.mkdir()
    program = (sys.executable, "-m", "tests.unit.cgroups.dying", str(root), group, kind, deed, str(step))
    ended = subprocess.run(program, capture_output=True, text=True, timeout=60 * PATIENCE, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    return int(ended.stdout) if ended.stdout else None


def ours(root: Path, group: str) -> list[psutil.Process]:
    """Every process that was begun for the container, or to keep it."""
    found, names = [], dying.names(group)
    for process in psutil.process_iter():
        try:
            marked = process.environ().get("MESOS_CONTAINER_ID") in names
            if process.status() != psutil.STATUS_ZOMBIE and (marked or str(root) in process.cmdline()):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


async def next_agent(root: Path, group: str, kind: str) -> bool:
    """Take over, end what is there, and go for good; whether the container had run."""
    containerizer, keeper = dying.agent(root, group, kind)
    children = await containerizer.recover([dying.plan(root, kind, dying.names(group)[0])])
    for container_id in children:
        await containerizer.destroy(container_id)
    await containerizer.destroy_orphans()
    await containerizer.close()
    await keeper.close()
    await kept_no_more(root, group)
    return bool(children)


async def kept_no_more(root: Path, group: str) -> None:
    """The keeper was another process' child, and ends by itself when it has nothing left to keep."""
    async with asyncio.timeout(20 * PATIENCE):
        while ours(root, group):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


def nothing_left(root: Path, group: str) -> None:
    """No process of any, and with those no namespace; no mount, no root, and no line in a book that it is there."""
    assert not ours(root, group)
    book = root / "runtime" / "isolators" / "cgroups" / "groups"
    assert not book.exists() or not written_down(root / "runtime")
    assert not Books(str(root / "keeper" / "containers.log")).entries
    assert str(root) not in Path("/proc/self/mounts").read_text()
    assert not [*(root / "provisioner").glob("containers/*")]
    assert len([*root.glob("store/*")]) <= 1, "the image, whole"


def enclosed(process: psutil.Process) -> bool:
    """Whether it is behind all that there is: a filter, namespaces, and a root of its own."""
    there = Path(f"/proc/{process.pid}")
    try:
        filtered = "\nSeccomp:\t2\n" in (there / "status").read_text()
        apart = all((there / "ns" / kind).readlink() != Path(f"/proc/self/ns/{kind}").readlink() for kind in NAMESPACES)
        return filtered and apart and (there / "root" / "image").exists()
    except (FileNotFoundError, ProcessLookupError):
        return False


def every(tmp_path: Path, live: Live, kind: str, deed: str, stride: int) -> None:
    steps = dies(tmp_path / "whole", live.root, kind, deed, 0)
    assert steps is not None and steps > 5
    if kind == "all" and deed != "destroy":
        until("it is enclosed", lambda: any(map(enclosed, ours(tmp_path / "whole", live.root))))
    ran_on = asyncio.run(next_agent(tmp_path / "whole", live.root, kind))
    assert ran_on == (deed != "destroy"), "what runs is taken over"
    ran: set[bool] = set()
    for step in range(1, steps + 1, stride):
        root = tmp_path / f"step{step}"
        dies(root, live.root, kind, deed, step)
        ran.add(asyncio.run(next_agent(root, live.root, kind)))
        assert not live.groups(), f"a group is left of step {step}"
        nothing_left(root, live.root)
    assert (deed != "launch") in ran, "at the first steps nothing had run, or everything still does"


def furnished(tmp_path: Path, kind: str) -> None:
    if kind == "all":
        try:
            Library()
        except ConfigurationError as error:
            missing_part(f"libseccomp2 ({error})")
        dying.furnish(tmp_path, root_tar())


DEEDS = pytest.mark.parametrize(
    ("kind", "deed"),
    [("groups", "launch"), ("groups", "destroy"), ("all", "launch"), ("all", "destroy"), ("all", "nested")],
)


@DEEDS
def test_x53_nothing_is_left_of_an_agent_that_died_meanwhile(tmp_path: Path, live: Live, kind: str, deed: str) -> None:
    furnished(tmp_path, kind)
    every(tmp_path, live, kind, deed, SOME_STEPS[kind])


@pytest.mark.long
@DEEDS
def test_x53_nothing_is_left_whichever_step_it_died_at(tmp_path: Path, live: Live, kind: str, deed: str) -> None:
    furnished(tmp_path, kind)
    every(tmp_path, live, kind, deed, EVERY_STEP)
