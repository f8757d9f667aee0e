"""Ways into a sandbox, while a task of its tenant turns names there as fast as it can (M-AG-14, M-AG-15).

A tenant's task runs beside the agent that writes into its sandbox; here it is a process that puts a symbolic link in
place of a directory and back, all the time. Each attempt may be refused, and none may touch what is outside.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from mesos_service.containers import beneath, enter
from mesos_service.containers.archive import ArchiveLimits
from mesos_service.containers.archive_reading import ArchiveRefused
from mesos_service.containers.beneath import LeadsOut, Links, Way, make, opened
from mesos_service.containers.fetcher import Fetcher, FetchFailed
from mesos_service.containers.garbage import NotRemoved, remove_tree
from mesos_service.containers.log_files import open_log
from mesos_service.containers.plan import LaunchFailed, UriSpec
from mesos_service.containers.rotation import Bound, rotate
from mesos_service.containers.sandbox import SandboxError, create_nested, link_into
from mesos_service.domain.ids import ContainerId
from tests.support.archives import member, tar_bytes, unpack
from tests.unit.containers.room import run_asyncio

ATTEMPTS = 1500
"""Enough for names to have been followed out of the sandbox in each of the ways below."""
_SWAPPER = """
import ctypes, os, sys
place, aside, leads_to = sys.argv[1:]
os.symlink(leads_to, aside)
libc = ctypes.CDLL(None, use_errno=True)
print("swapping", flush=True)
here, exchange = -100, 2
while libc.renameat2(here, place.encode(), here, aside.encode(), exchange) == 0:
    pass
sys.exit(os.strerror(ctypes.get_errno()))
"""


class Ground:
    """A sandbox in which ``turning`` is now a directory, now a link to ``outside``."""

    def __init__(self, tmp_path: Path) -> None:
        self.sandbox = tmp_path / "sandbox"
        self.turning = self.sandbox / "turning"
        self.outside = tmp_path / "outside"
        self.turning.mkdir(parents=True)
        self.outside.mkdir()
        (self.outside / "precious").write_text("untouched")
        (self.outside / "inner" / "deep").mkdir(parents=True)
        (self.outside / "inner" / "precious").write_text("untouched")

    def is_unharmed(self) -> bool:
        found = {str(path.relative_to(self.outside)): path.lstat() for path in self.outside.rglob("*")}
        return (
            sorted(found) == ["inner", "inner/deep", "inner/precious", "precious"]
            and all((self.outside / name).read_text() == "untouched" for name in ("precious", "inner/precious"))
            and all(status.st_uid == os.geteuid() for status in found.values())
        )

    @contextmanager
    def swapped(self) -> Iterator[None]:
        aside = self.sandbox / ".aside"
        line = [sys.executable, "-I", "-S", "-c", _SWAPPER, str(self.turning), str(aside), str(self.outside)]
        with subprocess.Popen(line, stdout=subprocess.PIPE) as swapper:
            try:
                assert swapper.stdout is not None and swapper.stdout.readline()
                yield
                assert swapper.poll() is None, "it has been turning names to the end"
            finally:
                swapper.kill()


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


def _fetch(ground: Ground) -> None:
    uri = UriSpec(value=str(ground.sandbox / "source"), output_file="turning/inner/precious", executable=True)
    run_asyncio(Fetcher().fetch([uri], ground.sandbox))


def _unpack(ground: Ground) -> None:
    unpack(ground.sandbox / "a.tar", ground.sandbox, ArchiveLimits(), links=Links.BENEATH)


def _write_log(ground: Ground) -> None:
    os.close(open_log(ground.turning / "inner", "new", None))


def _link(ground: Ground) -> None:
    link_into(ground.sandbox, "turning/inner/volume", Path("/nowhere"))


def _nest(ground: Ground) -> None:
    # The sandbox of a parent that is nested itself.
    create_nested(ground.turning, ContainerId("child"))


def _remove(ground: Ground) -> None:
    remove_tree(ground.turning / "inner" / "deep", threading.Event())


def _rotate(ground: Ground) -> None:
    with suppress(FileNotFoundError):
        rotate(ground.turning / "inner", "precious", Bound(1, 1))


def _mount(ground: Ground) -> None:
    mount = {
        "source": "inner/new",
        "source_root": str(ground.turning),
        "target": "turning/other",
        "target_root": str(ground.sandbox),
    }
    for handle in enter.both_ends(mount, (os.geteuid(), os.getegid())):
        assert not Path(f"/proc/self/fd/{handle}").readlink().is_relative_to(ground.outside)
        os.close(handle)


@pytest.mark.parametrize("attempt", [_fetch, _unpack, _write_log, _link, _nest, _remove, _rotate, _mount])
def test_m_ag_14_a_racing_task_turns_no_write_out_of_its_sandbox(
    ground: Ground, attempt: Callable[[Ground], None]
) -> None:
    (ground.sandbox / "source").write_text("content")
    members = [member(f"turning/{name}", b"new") for name in ("precious", "inner/precious", "new")]
    (ground.sandbox / "a.tar").write_bytes(tar_bytes(*members))
    refused = (
        FetchFailed, ArchiveRefused, LaunchFailed, SandboxError, NotRemoved, OSError, enter.CannotEnter,
    )  # fmt: skip
    with ground.swapped():
        # Fetching takes a loop each time, and needs fewer.
        for _ in range(ATTEMPTS // 10 if attempt is _fetch else ATTEMPTS):
            with suppress(*refused):
                attempt(ground)
    assert ground.is_unharmed()


def test_a_way_goes_through_links_as_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "inside").symlink_to("deep")
    (tmp_path / "in" / "back").symlink_to("deep/../deep")
    (tmp_path / "in" / "out").symlink_to("..")
    (tmp_path / "in" / "absolute").symlink_to("/deep")
    (tmp_path / "in" / "circle").symlink_to("circle")
    (tmp_path / "in" / "file").write_text("f")
    inside, deep = ("inside", "back"), (tmp_path / "in" / "deep").stat().st_ino

    def where(links: Links, *parts: str) -> int:
        with opened(tmp_path / "in") as root, Way(root, links) as way:
            way.go(parts)
            return os.fstat(way.here).st_ino

    for name in (*inside, "out", "absolute", "circle"):
        with pytest.raises(LeadsOut):
            where(Links.REFUSED, name)
    for name in inside:
        assert where(Links.BENEATH, name) == where(Links.ROOTED, name) == deep
    for name in ("out", "absolute", "circle"):
        with pytest.raises(LeadsOut):
            where(Links.BENEATH, name)
    assert where(Links.ROOTED, "absolute") == deep
    assert where(Links.ROOTED, "out") == where(Links.ROOTED) == (tmp_path / "in").stat().st_ino
    with pytest.raises(LeadsOut):
        where(Links.ROOTED, "circle")
    with pytest.raises(NotADirectoryError):
        where(Links.BENEATH, "file")
    with opened(tmp_path / "in") as root, Way(root, Links.BENEATH) as way:
        assert way.stays_within(["missing", "..", "deep"]) and way.stays_within(["file", "x"])
        assert not way.stays_within(["missing", "..", ".."]) and not way.stays_within(["deep", "..", "out", "in"])
        assert make("new", way.here, None) and not make("new", way.here, None)


@pytest.mark.parametrize("kernel", ["new", "old"])
def test_no_part_of_a_path_may_be_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel: str) -> None:
    if kernel == "old":
        monkeypatch.setattr(beneath, "_opened_at_once", lambda path: None)
    (tmp_path / "real" / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    with opened(tmp_path / "real" / "inner"):
        pass
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - as many as are open
    for path in (tmp_path / "link", tmp_path / "link" / "inner", tmp_path / "real" / "missing" / "inner"):
        with pytest.raises(OSError), opened(path):
            pass
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - as many as are open
