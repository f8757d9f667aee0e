"""The keeper's books: who reads them after its death knows what runs, whatever the last line looks like (X53)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mesos_service.containers import keeper
from mesos_service.containers.keeper import Books


def entry(pid: int, status: int | None = None) -> dict[str, Any]:  # Any: as the books have it
    return {"pid": pid, "start_ticks": 7, "boot_id": "b", "status": status}


def test_x53_who_reads_them_knows_what_was_kept(tmp_path: Path) -> None:
    path = str(tmp_path / "books")
    books = Books(path)
    for name, pid in (("one", 1), ("two", 2), ("three", 3)):
        books.write(name, entry(pid))
    books.write("two", entry(2, status=256))
    books.write("three", None)
    books.close()
    assert Books(path).entries == {"one": entry(1), "two": entry(2, 256)}


def test_x07_half_a_line_says_nothing_and_spoils_nothing(tmp_path: Path) -> None:
    path = tmp_path / "books"
    books = Books(str(path))
    books.write("one", entry(1))
    books.close()
    path.write_text(path.read_text() + 'no json\n["two", {"pi')
    after = Books(str(path))
    assert (after.entries, after.unreadable) == ({"one": entry(1)}, 1)
    after.write("two", entry(2))
    after.close()
    again = Books(str(path))
    assert (again.entries, again.unreadable) == ({"one": entry(1), "two": entry(2)}, 0)


def test_they_do_not_grow_with_what_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "BOOKS_LINES_MIN", 10)
    path = tmp_path / "books"
    books = Books(str(path))
    books.write("stays", entry(1))
    for number in range(100):
        books.write(f"{number}", entry(number))
        books.write(f"{number}", entry(number, status=0))
        books.write(f"{number}", None)
    assert len(path.read_text().splitlines()) <= 12
    assert Books(str(path)).entries == {"stays": entry(1)}
    books.close()


def test_a_write_that_fails_is_made_good_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "books"
    books = Books(str(path))
    (tmp_path / "books.new").mkdir()
    with pytest.raises(OSError):
        books.write("one", entry(1))
    (tmp_path / "books.new").rmdir()
    books.write("two", entry(2))
    books.close()
    assert Books(str(path)).entries == {"one": entry(1), "two": entry(2)}
