"""The book of groups: what outlives the agent that wrote it, and what never happens to somebody else's group (X53)."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesos_service.cgroups import book as books
from mesos_service.cgroups.book import Book, open_book
from mesos_service.domain.errors import OperatingFault
from mesos_service.domain.ids import ContainerId
from tests.unit.cgroups.live import written_down

C, D = ContainerId("c"), ContainerId("d")


def directory(tmp_path: Path) -> Path:
    return tmp_path / "isolators" / "cgroups"


def test_x53_the_next_agent_reads_what_this_one_wrote(tmp_path: Path) -> None:
    book = Book(directory(tmp_path))
    book.claim(C, {"cpu": tmp_path / "cpu-c", "memory": tmp_path / "memory-c"})
    book.claim(D, {"cpu": tmp_path / "cpu-d"})
    book.cross_out(C, ["cpu", "pids"])
    book.cross_out(C, ["cpu"])
    after = Book(directory(tmp_path))
    assert set(after.containers("cpu")) == {D}
    assert set(after.containers("memory")) == {C}
    assert after.has("memory", C) and not after.has("cpu", C)
    assert written_down(tmp_path) == {("memory", "c"), ("cpu", "d")}


def test_x50_what_is_there_already_is_somebody_elses(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    book = Book(directory(tmp_path))
    with pytest.raises(OperatingFault, match="is there already, and was made by somebody else"):
        book.claim(C, {"cpu": tmp_path / "ours", "memory": theirs})
    assert not book.has("cpu", C), "all or nothing"
    assert not Book(directory(tmp_path)).has("cpu", C)


def test_a_last_line_that_was_cut_off_counts_as_never_written(tmp_path: Path) -> None:
    book = Book(directory(tmp_path))
    book.claim(C, {"cpu": tmp_path / "c"})
    file = directory(tmp_path) / "groups"
    file.write_text(file.read_text() + '["made", "cpu", "d')
    after = Book(directory(tmp_path))
    assert set(after.containers("cpu")) == {C}
    after.claim(D, {"cpu": tmp_path / "d"})
    assert set(Book(directory(tmp_path)).containers("cpu")) == {C, D}, "and nothing is joined to it"


def test_the_file_does_not_grow_with_what_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "_LINES_MIN", 20)
    book = Book(directory(tmp_path))
    book.claim(D, {"cpu": tmp_path / "d"})
    for number in range(200):
        container = ContainerId(f"c{number}")
        book.claim(container, {"cpu": tmp_path / container})
        book.cross_out(container, ["cpu"])
    assert len((directory(tmp_path) / "groups").read_text().splitlines()) < 25
    assert set(Book(directory(tmp_path)).containers("cpu")) == {D}


def test_a_book_that_cannot_be_written_is_told_and_claims_nothing(tmp_path: Path) -> None:
    directory(tmp_path).mkdir(parents=True)
    (directory(tmp_path) / "groups.new").mkdir()
    book = Book(directory(tmp_path))
    with pytest.raises(OperatingFault, match=r"Failed to write down in .*groups that groups are ours"):
        book.claim(C, {"cpu": tmp_path / "c"})
    assert not book.has("cpu", C)


def test_isolators_of_one_agent_share_a_book(tmp_path: Path) -> None:
    first, second = open_book(directory(tmp_path)), open_book(directory(tmp_path))
    first.claim(C, {"cpu": tmp_path / "c"})
    assert second.has("cpu", C)
