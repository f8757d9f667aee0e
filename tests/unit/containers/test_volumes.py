"""Directories of persistent volumes: made, linked, removed once (M-AL-10)."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mesos_service.containers.plan import LaunchFailed
from mesos_service.containers.sandbox import SandboxError, link_into
from mesos_service.containers.volumes import Volumes
from mesos_service.core.agent_messages import VolumeRemoved
from mesos_service.domain.operations import VolumePlace
from mesos_service.domain.resource import DiskInfo, DiskSource, DiskSourceType, Resource, ResourceKey
from mesos_service.domain.resources import Resources
from tests.unit.core.master.resource_world import volumes

PLACE = VolumePlace("eng/dev", "v")


class Room:
    """Volumes below a directory; what is done aside is done when asked."""

    def __init__(self, work_dir: Path) -> None:
        self.work_dir = work_dir
        self.removed: list[str] = []
        self.aside: list[Callable[[], None]] = []
        self.volumes = Volumes(work_dir, self._told, self.aside.append)
        self.path = work_dir / "volumes" / "roles" / "eng dev" / "v"
        self.doomed = work_dir / "volumes" / "doomed"

    def _told(self, message: VolumeRemoved) -> None:
        self.removed.append(message.token)

    def work(self) -> None:
        while self.aside:
            self.aside.pop(0)()


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def test_m_al_10_a_volume_is_a_directory_by_role_and_id(room: Room) -> None:
    room.volumes.make(PLACE)
    assert room.path.is_dir()
    (room.path / "file").write_text("kept")
    room.volumes.make(PLACE)
    assert (room.path / "file").read_text() == "kept"


def test_m_al_10_what_was_removed_is_deleted_and_the_place_is_free_at_once(room: Room) -> None:
    room.volumes.make(PLACE)
    (room.path / "file").write_text("old")
    room.volumes.remove("token", PLACE)
    assert room.removed == ["token"]
    assert not room.path.exists()
    room.volumes.forget("token")
    room.work()
    assert list(room.doomed.iterdir()) == []


def test_m_al_10_a_volume_of_any_depth_is_deleted_and_ends_no_agent(room: Room) -> None:
    """As a task can make it: deeper than anything that recurses gets, with a link out of it."""
    room.volumes.make(PLACE)
    outside = room.work_dir / "outside"
    outside.mkdir()
    (outside / "file").write_text("kept")
    directory = os.open(room.path, os.O_RDONLY)
    for _ in range(2 * sys.getrecursionlimit()):
        os.symlink(outside, "link", dir_fd=directory)
        os.mkdir("d", dir_fd=directory)
        deeper = os.open("d", os.O_RDONLY, dir_fd=directory)
        os.close(directory)
        directory = deeper
    os.close(directory)
    room.volumes.remove("token", PLACE)
    # The agent dies before it deletes, and the next one begins with it.
    room.volumes.recover(())
    room.work()
    assert list(room.doomed.iterdir()) == []
    assert (outside / "file").read_text() == "kept"


def test_m_al_10_a_removal_that_is_asked_for_again_leaves_the_next_volume_alone(room: Room) -> None:
    """After a crash between the removal and the record of it: there may be another volume by then."""
    room.volumes.make(PLACE)
    (room.path / "file").write_text("old")
    room.volumes.remove("token", PLACE)
    room.volumes.make(PLACE)
    (room.path / "file").write_text("new")
    again = Room(room.work_dir)
    again.volumes.recover(("token",))
    again.volumes.remove("token", PLACE)
    assert again.removed == ["token"]
    assert (again.path / "file").read_text() == "new"
    third = Room(room.work_dir)
    third.volumes.recover(())
    third.work()
    assert list(third.doomed.iterdir()) == []
    assert (third.path / "file").read_text() == "new"


def test_m_al_10_a_removal_of_nothing_is_one_all_the_same(room: Room) -> None:
    room.volumes.remove("token", PLACE)
    room.volumes.make(PLACE)
    room.volumes.remove("token", PLACE)
    assert room.removed == ["token", "token"]
    assert room.path.is_dir()


@pytest.mark.parametrize("mount", [False, True], ids=["path", "mount"])
def test_m_al_12_volumes_on_disks_of_their_own(room: Room, tmp_path: Path, mount: bool) -> None:
    disk = tmp_path / "disk"
    (disk / "lost+found").mkdir(parents=True)
    place = VolumePlace("eng", "v", str(disk), mount)
    path = room.volumes.path(place)
    assert path == (disk if mount else disk / "volumes" / "roles" / "eng" / "v")
    room.volumes.make(place)
    (path / "file").write_text("old")
    room.volumes.remove("token", place)
    assert not (path / "file").exists()
    assert (disk / "lost+found").is_dir()
    room.volumes.make(place)
    (path / "file").write_text("new")
    room.volumes.remove("token", place)
    assert (path / "file").read_text() == "new"
    room.volumes.forget("token")
    room.work()
    assert list((room if mount else Room(disk)).doomed.iterdir()) == []
    assert [entry.name for entry in disk.iterdir() if entry.name.startswith(".doomed")] == []


@pytest.mark.parametrize("mount", [False, True], ids=["path", "mount"])
def test_m_al_12_what_an_agent_left_on_disks_of_their_own_goes_when_the_next_one_starts(
    room: Room, tmp_path: Path, mount: bool
) -> None:
    """It died between moving aside and deleting. What a user calls alike on his own disk is left alone."""
    disk = tmp_path / "disk"
    place = VolumePlace("eng", "v", str(disk), mount)
    room.volumes.make(place)
    for token in ("gone", "asked"):
        (room.volumes.path(place) / "file").write_text(token)
        room.volumes.remove(token, place)
        room.volumes.make(place)
    (room.volumes.path(place) / ".doomed-mine").mkdir()

    source = DiskSource(DiskSourceType.MOUNT if mount else DiskSourceType.PATH, str(disk))
    has = Resources.of([Resource(ResourceKey("disk", disk=DiskInfo(source=source)), 1000)])
    after: list[Callable[[], None]] = []
    Volumes(room.work_dir, room._told, after.append, lambda: has).recover(("asked",))
    while after:
        after.pop()()
    doomed = Room(room.work_dir if mount else disk).doomed
    assert [entry.name for entry in doomed.iterdir()] == ["asked"]
    assert (room.volumes.path(place) / ".doomed-mine").is_dir()
    kept = disk / ".doomed-asked" if mount else doomed / "asked"
    assert (kept / "file").read_text() == "asked"
    assert not (disk / ".doomed-gone").exists()


def test_m_op_04_a_container_finds_its_volume_by_a_link(room: Room, tmp_path: Path) -> None:
    sandbox = tmp_path / "sandbox"
    sandbox.mkdir()
    held = volumes(8, role="eng/dev", path="var/data")
    room.volumes.attach(held + Resources.scalars(cpus=1), sandbox, None)
    assert (sandbox / "var/data").resolve() == room.path
    room.volumes.attach(held, sandbox, None)
    assert sorted(entry.name for entry in sandbox.iterdir()) == ["var"]


@pytest.mark.parametrize("path", ["/abs", "..", "a/../../b", ".", "", "a\0b"])
def test_m_op_04_paths_that_lead_out_of_the_sandbox_are_refused(room: Room, tmp_path: Path, path: str) -> None:
    sandbox = tmp_path / "sandbox"
    sandbox.mkdir()
    with pytest.raises(LaunchFailed) as caught:
        room.volumes.attach(volumes(8, path=path), sandbox, None)
    assert "is no path within the sandbox" in caught.value.message
    assert list(sandbox.iterdir()) == []


def test_m_op_04_links_on_the_way_are_not_followed(tmp_path: Path) -> None:
    """The sandbox is the task's user's, who may have put them there."""
    sandbox, outside = tmp_path / "sandbox", tmp_path / "outside"
    sandbox.mkdir()
    outside.mkdir()
    (sandbox / "way").symlink_to(outside)
    (sandbox / "there").write_text("a file")
    for path in ("way/data", "there", "there/data"):
        with pytest.raises(SandboxError):
            link_into(sandbox, path, outside)
    assert list(outside.iterdir()) == []


def test_m_al_10_a_place_that_cannot_be_is_told_to_whoever_uses_it(room: Room, tmp_path: Path) -> None:
    (tmp_path / "volumes").write_text("in the way")
    room.volumes.make(PLACE)
    room.volumes.remove("token", PLACE)
    assert room.removed == [], "it is tried again when the agent starts again"
    sandbox = tmp_path / "sandbox"
    sandbox.mkdir()
    with pytest.raises(LaunchFailed, match="Persistent volume 'v' cannot appear at 'data'"):
        room.volumes.attach(volumes(8), sandbox, None)
    assert list(sandbox.iterdir()) == []
