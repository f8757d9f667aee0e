"""Sandboxes that go: when, and how, whatever their tasks have put into them (M-AG-15, X59)."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesos_service.containers.garbage import NotRemoved, Retired, age_max_seconds, remove_tree

WEEK = 7 * 86400.0


@pytest.mark.parametrize(("usage", "part"), [(0.0, 0.9), (0.5, 0.4), (0.8, 0.1), (0.9, 0.0), (0.95, 0.0), (1.0, 0.0)])
def test_m_ag_15_the_fuller_the_disk_the_less_is_kept(usage: float, part: float) -> None:
    assert age_max_seconds(WEEK, 0.1, usage) == pytest.approx(WEEK * part, abs=1e-6)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_m_ag_15_more_usage_never_keeps_longer(headroom: float, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert WEEK >= age_max_seconds(WEEK, headroom, low) >= age_max_seconds(WEEK, headroom, high) >= 0


def test_m_ag_15_x59_the_oldest_go_first_and_what_is_needed_again_stays() -> None:
    retired = Retired()
    for name, since in (("young", 300.0), ("old", 100.0), ("older", 50.0), ("back", 10.0)):
        retired.add(Path(name), since)
    retired.discard(Path("back"))
    assert retired.older_than(100.0, 200.0) == [Path("older"), Path("old")]
    assert retired.older_than(0.0, 200.0) == [Path("older"), Path("old")]
    assert len(retired) == 3


def remove(path: Path) -> None:
    remove_tree(path, threading.Event())


def test_m_ag_15_everything_goes_and_links_lead_nowhere(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    run = tmp_path / "run"
    (run / "a" / "b").mkdir(parents=True)
    (run / "a" / "link").symlink_to(outside)
    (run / "file").symlink_to(outside / "kept")
    (run / "a" / "b" / "fifo").touch()
    os.mkfifo(run / "pipe")
    os.link(outside / "kept", run / "hard")
    (run / "a" / "locked").mkdir()
    (run / "a" / "locked" / "x").touch()
    (run / "a" / "locked").chmod(0)
    (run / "a").chmod(0o500)
    remove(run)
    assert not run.exists()
    assert (outside / "kept").read_text() == "kept"


def test_m_ag_15_a_sandbox_that_is_a_link_is_only_unlinked(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "kept").touch()
    (tmp_path / "run").symlink_to("target")
    remove(tmp_path / "run")
    assert (tmp_path / "target" / "kept").exists()
    remove(tmp_path / "run")  # There is nothing any more, which is as good.


def test_m_ag_15_directories_may_be_nested_beyond_any_path(tmp_path: Path) -> None:
    """As deep as a task likes to make them: deeper than a path may be long, than descriptors and recursion go."""
    run = tmp_path / "run"
    run.mkdir()
    (run / ".mesos-service-removed-1").mkdir()
    (run / ".mesos-service-removed-1" / "ours by name").touch()
    here = os.open(run, os.O_RDONLY)
    for number in range(3000):
        os.mkdir("deeper", dir_fd=here)
        if number % 500 == 0:
            os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
        below = os.open("deeper", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    remove(run)
    assert not run.exists()


def test_m_ag_15_told_to_stop_it_stops_and_can_be_finished_later(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "a" / "b").mkdir(parents=True)
    stop = threading.Event()
    stop.set()
    with pytest.raises(NotRemoved):
        remove_tree(run, stop)
    assert run.exists()
    remove(run)
    assert not run.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")
def test_m_ag_15_what_is_mounted_inside_is_not_touched(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "precious").touch()
    place = tmp_path / "run" / "data here"
    place.mkdir(parents=True)
    subprocess.run(["mount", "--bind", str(volume), str(place)], check=True)
    try:
        with pytest.raises(NotRemoved, match="data here is mounted there"):
            remove(tmp_path / "run")
        assert (volume / "precious").exists()
    finally:
        subprocess.run(["umount", str(place)], check=True)
    remove(tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert (volume / "precious").exists()
