"""Who is to die is not left frozen, and whoever the agent is frozen with is (X56)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mesos_service.containers.thawing import thaw


def test_x56_groups_of_the_dying_are_thawed_and_no_others(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    proc, place = tmp_path / "proc", tmp_path / "freezer"
    (proc / "self").mkdir(parents=True)
    mounts = f"none /cpu cgroup rw,cpu 0 0\nnone {place} cgroup rw,freezer 0 0\n"
    (proc / "self" / "mounts").write_text(mounts)
    for pid, path in {7: "/agents/task/deep", 8: "/", 9: "/../out", os.getpid(): "/agents"}.items():
        (proc / str(pid)).mkdir()
        (proc / str(pid) / "cgroup").write_text(f"3:freezer:{path}\n2:cpu:/agents/other\n0::/\n")
    for path in ("agents/task/deep", "agents/other"):
        (place / path).mkdir(parents=True)
    for path in ("", "agents", "agents/task", "agents/task/deep", "agents/other"):
        (place / path / "freezer.state").write_text("FROZEN\n")
    thaw([7, 8, 9, 4711], proc)
    states = {str(one.parent.relative_to(place)): one.read_text().strip() for one in place.rglob("freezer.state")}
    assert states.pop("agents/task") == states.pop("agents/task/deep") == "THAWED"
    assert set(states.values()) == {"FROZEN"}
    (place / "agents/task/deep/freezer.state").unlink()
    caplog.clear()
    thaw([7], proc)
    assert "deep cannot be thawed" in caplog.text


def test_x56_without_a_freezer_there_is_nothing_to_thaw(tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "mounts").write_text("none /sys/fs/cgroup cgroup2 rw 0 0\n")
    thaw([1, 2], tmp_path)
