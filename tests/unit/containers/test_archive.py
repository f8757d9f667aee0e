"""Archives: friendly ones are unpacked, hostile ones are refused and write nothing outside (M-AG-14)."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mesos_service.containers.archive import ArchiveLimits, is_archive
from mesos_service.containers.archive_reading import ArchiveRefused
from mesos_service.containers.beneath import Links
from tests.support.archives import LIMITS, member, tar_bytes, unpack


def link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=tarfile.SYMTYPE, linkname=target)


def hard(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=tarfile.LNKTYPE, linkname=target)


def zip_bytes(*members: tuple[str, bytes, int]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, mode in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return buffer.getvalue()


class Place:
    """A sandbox with something precious beside it."""

    def __init__(self, root: Path) -> None:
        self.sandbox = root / "sandbox"
        self.outside = root / "outside"
        self.sandbox.mkdir()
        self.outside.mkdir()
        (self.outside / "precious").write_text("untouched")

    def unpack(self, name: str, content: bytes, limits: ArchiveLimits = LIMITS) -> None:
        (self.sandbox / name).write_bytes(content)
        unpack(self.sandbox / name, self.sandbox, limits)

    def is_unharmed(self) -> bool:
        return (
            [path.name for path in self.outside.iterdir()] == ["precious"]
            and (self.outside / "precious").read_text() == "untouched"
            and sorted(path.name for path in self.outside.parent.iterdir()) == ["outside", "sandbox"]
        )


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


PLAIN = tar_bytes(
    member("./", type=tarfile.DIRTYPE),
    member("bin/tool", b"#!/bin/sh\n", mode=0o4755),
    member("data.txt", b"data"),
    member("empty/", type=tarfile.DIRTYPE),
    link("current", "bin"),
    member("current/second", b"through a link inside"),
    hard("copy.txt", "data.txt"),
)


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("a.tar", bytes),
        ("a.tar.gz", gzip.compress),
        ("a.tgz", gzip.compress),
        ("a.tar.bz2", bz2.compress),
        ("a.tbz2", bz2.compress),
        ("a.tar.xz", lzma.compress),
        ("a.txz", lzma.compress),
    ],
)
def test_m_ag_14_tar_files_of_every_compression(place: Place, name: str, pack: Callable[[bytes], bytes]) -> None:
    assert is_archive(name)
    place.unpack(name, pack(PLAIN))
    assert (place.sandbox / "data.txt").read_text() == "data"
    assert (place.sandbox / "copy.txt").read_text() == "data"
    assert (place.sandbox / "bin" / "second").read_text() == "through a link inside"
    assert (place.sandbox / "empty").is_dir()
    mode = (place.sandbox / "bin" / "tool").stat().st_mode
    assert mode & 0o111 and not mode & (stat.S_ISUID | stat.S_ISGID)
    assert (place.sandbox / name).exists(), "the archive itself stays, as in Mesos"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_file_that_would_be_unpacked_into_memory_is_refused(place: Place, method: int) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("zeros", bytes(50_000))
    with pytest.raises(ArchiveRefused, match="packed otherwise than by 'store' or 'deflate'"):
        place.unpack("a.zip", buffer.getvalue())


def test_a_zip_file_whose_list_of_members_is_endless_is_refused_before_it_is_read(place: Place) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(50):
            archive.writestr(zipfile.ZipInfo(f"{number}".ljust(60_000, "x")), b"")
    with pytest.raises(ArchiveRefused, match="list of members of more than 1048576 bytes"):
        place.unpack("a.zip", buffer.getvalue())


def test_m_ag_14_zip_files_and_single_gz_files(place: Place) -> None:
    content = zip_bytes(
        ("dir/", b"", stat.S_IFDIR | 0o755),
        ("dir/tool", b"x", stat.S_IFREG | 0o755),
        ("plain", b"p", 0),
        ("link", b"dir/tool", stat.S_IFLNK | 0o777),
    )
    place.unpack("a.zip", content)
    assert (place.sandbox / "dir" / "tool").stat().st_mode & 0o100
    assert (place.sandbox / "plain").read_text() == "p"
    assert (place.sandbox / "link").read_text() == "x"
    place.unpack("log.gz", gzip.compress(b"lines"))
    assert (place.sandbox / "log").read_text() == "lines"


def test_names_that_are_no_archives() -> None:
    assert not any(map(is_archive, ("a", "a.txt", "tar", "a.tar.lz4", "a.ZIP.txt", "zip", "a.rar")))


HOSTILE_TARS = {
    "climbs": [member("../outside/new", b"x")],
    "climbs deep": [member("a/b/../../../outside/precious", b"x")],
    "absolute": [member("/tmp/absolute-member", b"x")],
    "link out": [link("out", "../outside")],
    "link out absolutely": [link("out", "/etc")],
    "link out and through": [link("out", "../outside"), member("out/precious", b"x")],
    "link in two steps": [link("a", "."), link("a/b", ".."), member("b/outside/precious", b"x")],
    "link by a link": [
        member("d/e/", type=tarfile.DIRTYPE),
        link("up", "d/e"),
        link("d/e/out", "../../../outside"),
        member("up/out/precious", b"x"),
    ],
    "link to nowhere yet": [link("out", "later/../../outside"), member("later/", type=tarfile.DIRTYPE)],
    "hard link out": [hard("copy", "../outside/precious")],
    "hard link absolutely": [hard("copy", "/etc/passwd")],
    "hard link to nothing": [hard("copy", "nothing")],
    "hard link to a link": [link("soft", "data"), hard("copy", "soft")],
    "device": [member("device", type=tarfile.CHRTYPE, devmajor=1, devminor=3)],
    "block device": [member("device", type=tarfile.BLKTYPE, devmajor=8, devminor=0)],
    "pipe": [member("pipe", type=tarfile.FIFOTYPE)],
    "too many": [member(f"f{number}") for number in range(51)],
    "too big": [member("big", bytes(100_001))],
    "too big together": [member(f"f{number}", bytes(30_000)) for number in range(4)],
    "itself": [member(".", b"x")],
    "long header": [member("n" * 2_000_000, b"x")],
}


@pytest.mark.parametrize("kind", HOSTILE_TARS)
def test_hostile_tar_files_are_refused(place: Place, kind: str) -> None:
    with pytest.raises(ArchiveRefused):
        place.unpack("a.tar.gz", gzip.compress(tar_bytes(*HOSTILE_TARS[kind])))
    assert place.is_unharmed()
    assert not Path("/tmp/absolute-member").exists()
    assert sum(path.lstat().st_size for path in place.sandbox.iterdir() if path.name != "a.tar.gz") <= 110_000


def test_a_link_that_was_in_the_sandbox_before_is_no_way_out(place: Place) -> None:
    (place.sandbox / "out").symlink_to(place.outside)
    (place.sandbox / "file").symlink_to(place.outside / "precious")
    with pytest.raises(ArchiveRefused, match="out of the sandbox"):
        place.unpack("a.tar", tar_bytes(member("out/precious", b"x")))
    with pytest.raises(ArchiveRefused, match="out of the sandbox"):
        place.unpack("b.tar", tar_bytes(member("out/", type=tarfile.DIRTYPE)))
    place.unpack("c.tar", tar_bytes(member("file", b"mine")))
    assert (place.sandbox / "file").read_text() == "mine" and not (place.sandbox / "file").is_symlink()
    assert place.is_unharmed()


HOSTILE_ZIPS = {
    "climbs": [("../outside/new", b"x", 0)],
    "absolute": [("/tmp/absolute-member", b"x", 0)],
    "link out": [("out", b"../outside", stat.S_IFLNK | 0o777)],
    "link out and through": [("out", b"/etc", stat.S_IFLNK | 0o777), ("out/x", b"x", 0)],
    "device": [("device", b"", stat.S_IFCHR | 0o666)],
    "pipe": [("pipe", b"", stat.S_IFIFO | 0o666)],
    "bomb": [("bomb", bytes(10_000_000), 0)],
    "too many": [(f"f{number}", b"", 0) for number in range(51)],
}


@pytest.mark.parametrize("kind", HOSTILE_ZIPS)
def test_hostile_zip_files_are_refused(place: Place, kind: str) -> None:
    with pytest.raises(ArchiveRefused):
        place.unpack("a.zip", zip_bytes(*HOSTILE_ZIPS[kind]))
    assert place.is_unharmed()
    assert not Path("/tmp/absolute-member").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tar", b"not a tar file" * 100),
        ("a.tar.gz", b"not gzip"),
        ("a.tar.gz", gzip.compress(PLAIN)[:60]),
        ("a.tar.xz", b"\xfd7zXZ\0 broken"),
        ("a.tar.bz2", b"BZh9broken"),
        ("a.zip", b"PK\3\4broken"),
        ("a.gz", b"\x1f\x8bbroken"),
        ("bomb.gz", gzip.compress(bytes(10_000_000))),
        ("a.tar", PLAIN[:1000]),
    ],
    ids=[f"damage{number}" for number in range(9)],  # The bytes would do, but compressed ones carry the time.
)
def test_damaged_archives_are_refused_in_words(place: Place, name: str, content: bytes) -> None:
    with pytest.raises(ArchiveRefused) as caught:
        place.unpack(name, content)
    assert str(caught.value)
    assert place.is_unharmed()


def test_unpacking_stops_when_it_is_told_to(place: Place) -> None:
    stop = threading.Event()
    stop.set()
    (place.sandbox / "a.tar").write_bytes(PLAIN)
    with pytest.raises(ArchiveRefused, match="stopped"):
        unpack(place.sandbox / "a.tar", place.sandbox, stop=stop)
    assert [path.name for path in place.sandbox.iterdir()] == ["a.tar"]


def test_a_hard_link_shows_no_file_that_was_not_in_the_archive(place: Place) -> None:
    (place.sandbox / "stranger").hardlink_to(place.outside / "precious")
    with pytest.raises(ArchiveRefused, match="not a file of the archive"):
        place.unpack("a.tar", tar_bytes(hard("copy", "stranger")))
    assert not (place.sandbox / "copy").exists()
    (place.outside / "precious").write_text("untouched")


def test_m_ag_13_into_a_root_links_lead_anywhere_and_what_is_written_stays_below(tmp_path: Path) -> None:
    """A root file system is full of links that its own root makes harmless."""
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "a.tar").write_bytes(
        tar_bytes(
            member("etc/", type=tarfile.DIRTYPE, mode=0o711),
            link("bin", "/usr/bin"),
            link("up", "../../.."),
            member("usr/bin/", type=tarfile.DIRTYPE, mode=0o755),
            member("bin/tool", b"#!", mode=0o4755),
            hard("usr/bin/other", "bin/tool"),
            member("up/etc/settings", b"s"),
            member("dev/null", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
        )
    )
    unpack(tmp_path / "a.tar", root, links=Links.ROOTED)
    assert (root / "usr" / "bin" / "tool").stat().st_mode & 0o7777 == 0o4755
    assert (root / "usr" / "bin" / "other").samefile(root / "usr" / "bin" / "tool")
    assert (root / "etc" / "settings").read_text() == "s" and (root / "etc").stat().st_mode & 0o7777 == 0o711
    assert (root / "bin").readlink() == Path("/usr/bin") and not (root / "dev" / "null").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar", "root"]
