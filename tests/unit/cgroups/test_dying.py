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
from tests.support.waiting import PATIENCE
from tests.unit.cgroups import dying
from tests.unit.cgroups.live import Live, written_down

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="making control groups takes root")
EVERY_STEP = 1
SOME_STEPS = 9
"""Of so many steps one is tried in the short suite."""


def dies(root: Path, group: str, deed: str, step: int) -> int | None:
    """Let an agent die at that step; how many there were, when it came to their end."""
    root.mkdir()
    program = (sys.executable, "-m", "tests.unit.cgroups.dying", str(root), group, deed, str(step))
    ended = subprocess.run(program, capture_output=True, text=True, timeout=60 * PATIENCE, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    return int(ended.stdout) if ended.stdout else None


def ours(root: Path) -> list[psutil.Process]:
    """Every process that was begun for the container, or to keep it."""
    found = []
    for process in psutil.process_iter():
        try:
            marked = process.environ().get("MESOS_CONTAINER_ID") == dying.CONTAINER
            if process.status() != psutil.STATUS_ZOMBIE and (marked or str(root) in process.cmdline()):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


async def next_agent(root: Path, group: str) -> bool:
    """Take over, end what is there, and go for good; whether the container had run."""
    containerizer, keeper = dying.agent(root, group)
    children = await containerizer.recover([dying.plan(root)])
    for container_id in children:
        await containerizer.destroy(container_id)
    await containerizer.destroy_orphans()
    await containerizer.close()
    await keeper.close()
    await kept_no_more(root)
    return bool(children)


async def kept_no_more(root: Path) -> None:
    """The keeper was another process' child, and ends by itself when it has nothing left to keep."""
    async with asyncio.timeout(20 * PATIENCE):
        while ours(root):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


def every(tmp_path: Path, live: Live, deed: str, stride: int) -> None:
    steps = dies(tmp_path / "whole", live.root, deed, 0)
    assert steps is not None and steps > 5
    ran_on = asyncio.run(next_agent(tmp_path / "whole", live.root))
    assert ran_on == (deed == "launch"), "what runs is taken over"
    ran: set[bool] = set()
    for step in range(1, steps + 1, stride):
        root = tmp_path / f"step{step}"
        dies(root, live.root, deed, step)
        ran.add(asyncio.run(next_agent(root, live.root)))
        assert not live.groups(), f"a group is left of step {step}"
        assert not ours(root), f"a process is left of step {step}"
        book = root / "runtime" / "isolators" / "cgroups" / "groups"
        assert not book.exists() or not written_down(root / "runtime"), f"step {step}"
        assert not Books(str(root / "keeper" / "containers.log")).entries, f"step {step}"
    assert (deed == "destroy") in ran, "at the first steps nothing had run, or everything still does"


@pytest.mark.parametrize("deed", ["launch", "destroy"])
def test_x53_nothing_is_left_of_an_agent_that_died_meanwhile(tmp_path: Path, live: Live, deed: str) -> None:
    every(tmp_path, live, deed, SOME_STEPS)


@pytest.mark.long
@pytest.mark.parametrize("deed", ["launch", "destroy"])
def test_x53_nothing_is_left_whichever_step_it_died_at(tmp_path: Path, live: Live, deed: str) -> None:
    every(tmp_path, live, deed, EVERY_STEP)
