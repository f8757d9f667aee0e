"""Sandboxes go by their age and as the disk fills, and not when something is to run there again (M-AG-15, X59)."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from mesos_service.agent import garbage as module
from mesos_service.agent.garbage import SandboxGarbage
from mesos_service.containers.garbage import remove_tree
from tests.unit.agent_service.support import until

DAY = 86_400.0


class Disk:
    """As full as a test says."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.used = 0.0
        patch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=1000, free=round(1000 * (1 - self.used))))


def collector(work_dir: Path, hidden: list[Path]) -> SandboxGarbage:
    """A week, and a tenth of the disk to be kept free, as by default."""
    return SandboxGarbage(work_dir, delay_seconds=7 * DAY, headroom=0.1, interval_seconds=3600, hide=hidden.append)


def run_of(work_dir: Path, name: str) -> Path:
    made = work_dir / "slaves" / "a" / "frameworks" / "f" / "executors" / name / "runs" / "one"
    made.mkdir(parents=True)
    (made / "stdout").write_text("said")
    return made


def test_m_ag_15_a_disk_that_fills_shrinks_the_age_that_sandboxes_come_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, hidden = Disk(monkeypatch), list[Path]()
    runs = {days: run_of(tmp_path, f"days-{days}") for days in (1, 3, 6)}
    for days, run in runs.items():
        os.utime(run, (time.time() - days * DAY,) * 2)

    async def scenario() -> None:
        collecting = collector(tmp_path, hidden)
        collecting.start((), lambda defect: None)
        await until(lambda: collecting.metrics()["gc/path_removals_pending"] == 3)
        for used, age, left in ((0.0, 6.3, {1, 3, 6}), (0.3, 4.2, {1, 3}), (0.6, 2.1, {1}), (0.9, 0.0, set())):
            disk.used = used
            await collecting.collect()
            found = collecting.metrics()["slave/executor_directory_max_allowed_age_secs"]
            assert found == pytest.approx(age * DAY)
            assert {days for days, run in runs.items() if run.exists()} == left
        await collecting.stop()

    asyncio.run(scenario())
    assert hidden == [runs[6], runs[3], runs[1]]
    assert not [*(tmp_path / "slaves").iterdir()], "nothing that is empty stays above"


def test_x59_what_is_to_run_there_again_takes_the_directory_back_or_is_told_that_it_is_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, hidden = Disk(monkeypatch), list[Path]()
    disk.used = 1.0
    removing, may_go_on = threading.Event(), threading.Event()

    def slowly(path: Path, stop: threading.Event) -> None:
        removing.set()
        may_go_on.wait(60)
        remove_tree(path, stop)

    monkeypatch.setattr(module, "remove_tree", slowly)

    async def scenario() -> None:
        collecting = collector(tmp_path, hidden)
        back, late = (run_of(tmp_path, name) for name in ("back", "late"))
        for run in (back, late):
            collecting.retire(run)
        assert collecting.keep(back)
        collected = asyncio.ensure_future(collecting.collect())
        assert await asyncio.to_thread(removing.wait, 60)
        assert not collecting.keep(late)
        may_go_on.set()
        await collected
        assert back.exists() and not late.exists()
        assert hidden == [late]

    asyncio.run(scenario())
