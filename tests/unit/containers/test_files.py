"""Looking into sandboxes, and nowhere else (Mesos docs, files endpoints; M-LE-03)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mesos_service.containers.files import READ_BYTES_MAX, BadRequest, Files, FilesError, NoSuchFile


@pytest.fixture
def files(tmp_path: Path) -> Files:
    root = tmp_path / "sandbox"
    (root / "dir").mkdir(parents=True)
    (root / "stdout").write_text("0123456789")
    (root / "dir" / "inner").write_text("x")
    (tmp_path / "secret").write_text("secret")
    shown = Files()
    shown.attach("/frameworks/f/latest", root)
    return shown


def test_browse_has_mesos_shape_and_virtual_paths(files: Files, tmp_path: Path) -> None:
    os.utime(tmp_path / "sandbox" / "stdout", (1.0, 1478127735.0))
    (tmp_path / "sandbox" / "stdout").chmod(0o644)
    listed = files.browse("/frameworks/f/latest/")
    assert [entry.path for entry in listed] == ["/frameworks/f/latest/dir", "/frameworks/f/latest/stdout"]
    owner = (tmp_path / "sandbox" / "stdout").owner()
    assert listed[1].as_json() == {
        "gid": (tmp_path / "sandbox" / "stdout").group(),
        "mode": "-rw-r--r--",
        "mtime": 1478127735.0,
        "nlink": 1,
        "path": "/frameworks/f/latest/stdout",
        "size": 10,
        "uid": owner,
    }
    assert listed[0].as_json()["mode"] == "drwxr-xr-x"
    assert [entry.path for entry in files.browse("//frameworks/f/./latest//dir")] == ["/frameworks/f/latest/dir/inner"]
    assert [entry.path for entry in files.browse("/frameworks/f/latest/stdout")] == ["/frameworks/f/latest/stdout"]


@pytest.mark.parametrize(
    ("offset", "length", "data", "at"),
    [
        (0, None, b"0123456789", 0),
        (0, 4, b"0123", 0),
        (3, 4, b"3456", 3),
        (8, 100, b"89", 8),
        (10, 5, b"", 10),
        (99, 5, b"", 99),
        (0, 0, b"", 0),
        (2, -1, b"23456789", 2),
        (-1, None, b"", 10),
    ],
)
def test_reading_a_piece(files: Files, offset: int, length: int | None, data: bytes, at: int) -> None:
    piece = files.read("/frameworks/f/latest/stdout", offset, length)
    assert (piece.data, piece.offset, piece.size) == (data, at, 10)


def test_one_read_is_bounded_and_pages_make_up_the_whole(files: Files, tmp_path: Path) -> None:
    whole = os.urandom(READ_BYTES_MAX * 2 + 17)
    (tmp_path / "sandbox" / "big").write_bytes(whole)
    got = b""
    while piece := files.read("/frameworks/f/latest/big", len(got), 10**12).data:
        assert len(piece) <= READ_BYTES_MAX
        got += piece
    assert got == whole
    with files.open("/frameworks/f/latest/big") as download:
        assert download.read() == whole


@pytest.mark.parametrize(
    "path",
    [
        "/frameworks/f/latest/../../secret",
        "/frameworks/f/latest/..",
        "/frameworks/f/latest/missing",
        "/frameworks/f/latest/stdout/below",
        "/frameworks/f/latest/a\0b",
        "/frameworks/f",
        "/",
        "/etc/passwd",
        "frameworks/f/latest",
        "/frameworks/f/latest/" + "x" * 5000,
    ],
)
def test_what_is_not_shown_is_not_there(files: Files, path: str) -> None:
    for ask in (files.browse, files.read, files.resolve, files.open):
        with pytest.raises(NoSuchFile):
            ask(path)


def test_links_stay_inside(files: Files, tmp_path: Path) -> None:
    root = tmp_path / "sandbox"
    (root / "inside").symlink_to("dir/inner")
    (root / "circle").symlink_to("circle")
    (root / "out").symlink_to("../secret")
    (root / "up").symlink_to(tmp_path)
    assert files.read("/frameworks/f/latest/inside").data == b"x"
    assert files.resolve("/frameworks/f/latest/inside") == root / "dir" / "inner"
    for path in ("out", "up", "up/secret", "circle"):
        with pytest.raises(NoSuchFile):
            files.read(f"/frameworks/f/latest/{path}")
    listed = {entry.path.rsplit("/", 1)[1]: entry.as_json()["mode"] for entry in files.browse("/frameworks/f/latest")}
    assert str(listed["out"]).startswith("l"), "a link is listed as what it is"


def test_a_link_swapped_in_after_the_check_is_not_followed(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    located = files._locate

    def swap(path: str) -> tuple[Path, tuple[str, ...]]:
        answer = located(path)
        (tmp_path / "sandbox" / "stdout").unlink()
        (tmp_path / "sandbox" / "stdout").symlink_to(tmp_path / "secret")
        return answer

    monkeypatch.setattr(files, "_locate", swap)
    with pytest.raises(NoSuchFile):
        files.read("/frameworks/f/latest/stdout")


def test_pipes_and_directories_are_no_files_to_read(files: Files, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "sandbox" / "pipe")
    for path, read, download in (
        ("pipe", "not a file", "not a file"),
        ("dir", "Cannot read a directory", "Cannot download a directory"),
    ):
        with pytest.raises(BadRequest, match=read):
            files.read(f"/frameworks/f/latest/{path}")
        with pytest.raises(BadRequest, match=download):
            files.open(f"/frameworks/f/latest/{path}")


@pytest.mark.parametrize(("offset", "length"), [(-2, None), (0, -2)])
def test_negative_numbers_are_refused(files: Files, offset: int, length: int | None) -> None:
    with pytest.raises(BadRequest, match="negative"):
        files.read("/frameworks/f/latest/stdout", offset, length)


def test_attaching_and_detaching(files: Files, tmp_path: Path) -> None:
    files.attach("/slave/log", tmp_path / "secret")
    files.attach("/frameworks/f/latest/special", tmp_path / "secret")
    assert files.attached() == {
        "/frameworks/f/latest": str(tmp_path / "sandbox"),
        "/frameworks/f/latest/special": str(tmp_path / "secret"),
        "/slave/log": str(tmp_path / "secret"),
    }
    assert files.read("/slave/log").data == b"secret"
    assert files.read("/frameworks/f/latest/special").data == b"secret", "the longest virtual path wins"
    files.detach("/slave/log/")
    files.detach("/never/there")
    with pytest.raises(FilesError):
        files.read("/slave/log")
    with pytest.raises(BadRequest):
        files.browse("")


def test_owners_without_a_name_are_numbers(files: Files, tmp_path: Path) -> None:
    if os.geteuid() == 0:  # Giving files away takes root.
        os.chown(tmp_path / "sandbox" / "stdout", 54321, 54322)
        entry = files.browse("/frameworks/f/latest/stdout")[0]
        assert (entry.uid, entry.gid) == ("54321", "54322")
