"""Rotation of what tasks write, while they write, and whatever they put in its place (M-AG-28)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mesos_service.agent.log_rotation import rotation_for
from mesos_service.containers.rotation import Bound, rotate

KB = 1024
AGENTS = {"stdout": Bound(10 * KB, 2), "stderr": Bound(20 * KB, 3)}


@pytest.fixture
def sandbox(tmp_path: Path) -> Path:
    path = tmp_path / "sandbox"
    path.mkdir()
    return path


def names(sandbox: Path) -> list[str]:
    return sorted(one.name for one in sandbox.iterdir())


def test_m_ag_28_what_is_small_enough_stays(sandbox: Path) -> None:
    assert not rotate(sandbox, "stdout", Bound(10, 2))
    (sandbox / "stdout").write_bytes(b"0123456789")
    assert not rotate(sandbox, "stdout", Bound(10, 2))
    assert names(sandbox) == ["stdout"]


def test_m_ag_28_so_many_are_kept_and_no_more(sandbox: Path) -> None:
    with (sandbox / "stdout").open("ab", buffering=0) as task:
        for letter in b"abcde":
            task.write(bytes([letter]) * 9000)
            assert rotate(sandbox, "stdout", Bound(5 * KB, 3))
    assert names(sandbox) == ["stdout", "stdout.1", "stdout.2", "stdout.3"]
    whole = b"".join((sandbox / name).read_bytes() for name in ("stdout.3", "stdout.2", "stdout.1", "stdout"))
    assert whole.endswith(b"d" * 9000 + b"e" * 9000), "nothing is lost or doubled"
    assert list(whole) == sorted(whole)


def test_m_ag_28_none_may_be_kept(sandbox: Path) -> None:
    (sandbox / "stdout").write_bytes(bytes(100 * KB))
    assert rotate(sandbox, "stdout", Bound(10 * KB, 0))
    assert names(sandbox) == ["stdout"]
    assert (sandbox / "stdout").stat().st_size < 10 * KB


def test_m_ag_28_a_task_that_writes_on_loses_nothing(sandbox: Path) -> None:
    """On a file system that can take a range out of a file; on others only what was written in between is missing."""
    (sandbox / "probe").write_bytes(bytes(64 * KB))
    taken_out = subprocess.run(["fallocate", "-c", "-o", "0", "-l", "4096", str(sandbox / "probe")], check=False)
    (sandbox / "probe").unlink()
    count = 200_000
    program = f"import os\nfor number in range({count}): os.write(1, b'%07d\\n' % number)\n"
    with (sandbox / "stdout").open("ab") as file:
        task = subprocess.Popen([sys.executable, "-c", program], stdout=file)
    while task.poll() is None:
        rotate(sandbox, "stdout", Bound(64 * KB, 100))
    kept = sorted((one for one in names(sandbox) if one != "stdout"), key=lambda name: -int(name.rpartition(".")[2]))
    assert len(kept) > 2
    whole = b"".join((sandbox / name).read_bytes() for name in (*kept, "stdout"))
    if taken_out.returncode == 0:
        assert whole == b"".join(b"%07d\n" % number for number in range(count))
    else:
        numbers = [int(line) for line in whole.splitlines() if len(line) == 7]
        assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("kind", ["link", "second name", "pipe", "directory"])
def test_m_ag_28_what_is_no_file_of_the_tasks_own_is_not_touched(sandbox: Path, tmp_path: Path, kind: str) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(bytes(100 * KB))
    place = sandbox / "stdout"
    if kind == "link":
        place.symlink_to(precious)
    elif kind == "second name":
        place.hardlink_to(precious)
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        place.mkdir()
    if kind == "directory":
        with pytest.raises(IsADirectoryError):
            rotate(sandbox, "stdout", Bound(KB, 2))
    else:
        assert not rotate(sandbox, "stdout", Bound(KB, 2))
    assert precious.stat().st_size == 100 * KB
    assert names(sandbox) == ["stdout"]


@pytest.mark.skipif(os.geteuid() != 0, reason="files are given to another user, which takes root")
def test_m_ag_28_a_file_of_another_users_is_not_touched(sandbox: Path) -> None:
    (sandbox / "stdout").write_bytes(bytes(100 * KB))
    os.chown(sandbox, 65534, 65534)
    assert not rotate(sandbox, "stdout", Bound(KB, 2))
    os.chown(sandbox / "stdout", 65534, 65534)
    assert rotate(sandbox, "stdout", Bound(KB, 2))
    assert (sandbox / "stdout.1").stat().st_uid == 65534


def test_m_ag_28_links_in_the_way_are_replaced_and_not_followed(sandbox: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    for name in (".stdout.rotating", "stdout.1", "stdout.2"):
        (sandbox / name).symlink_to(precious)
    (sandbox / "stdout").write_bytes(b"x" * 100 * KB)
    assert rotate(sandbox, "stdout", Bound(KB, 2))
    assert precious.read_text() == "precious"
    assert set((sandbox / "stdout.1").read_bytes()) == {ord("x")}


def test_m_ag_28_a_task_may_ask_for_other_bounds() -> None:
    asked = {
        "CONTAINER_LOGGER_MAX_STDOUT_SIZE": "1MB",
        "CONTAINER_LOGGER_LOGROTATE_STDERR_OPTIONS": "\n  rotate 7  \n",
        "OTHER": "x",
    }
    assert rotation_for({}, AGENTS) == AGENTS
    assert rotation_for(asked, AGENTS) == {"stdout": Bound(1024 * KB, 2), "stderr": Bound(20 * KB, 7)}


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MAX_STDOUT_SIZE", "many"),
        ("MAX_STDOUT_SIZE", "0B"),
        ("MAX_STDERR_SIZE", "-1MB"),
        ("LOGROTATE_STDOUT_OPTIONS", "compress"),
        ("LOGROTATE_STDOUT_OPTIONS", "rotate many"),
        ("LOGROTATE_STDOUT_OPTIONS", "rotate 1001"),
        ("LOGROTATE_STDERR_OPTIONS", "rotate 1\npostrotate rm -rf /"),
    ],
)
def test_m_ag_28_bounds_that_make_no_sense_are_named(variable: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"^CONTAINER_LOGGER_{variable}: "):
        rotation_for({f"CONTAINER_LOGGER_{variable}": value}, AGENTS)


def test_m_ag_28_what_grew_while_the_agent_was_away_becomes_no_more_than_is_kept(sandbox: Path) -> None:
    """On a file system that can take a range out of a file; on others it is rotated whole."""
    megabyte = 1024 * KB
    with (sandbox / "stdout").open("wb") as file:
        for number in range(20):
            file.write(bytes([65 + number]) * megabyte)
    assert rotate(sandbox, "stdout", Bound(megabyte, 2))
    both = (sandbox / "stdout.1").read_bytes() + (sandbox / "stdout").read_bytes()
    if len(both) < 20 * megabyte:
        assert len(both) <= 3 * megabyte + 64 * KB
        assert sum(path.stat().st_blocks for path in sandbox.iterdir()) * 512 <= 4 * megabyte
    assert both.endswith(b"R" * megabyte + b"S" * megabyte + b"T" * megabyte), "the latest is there, whole and in order"
