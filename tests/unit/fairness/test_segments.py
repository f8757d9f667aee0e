"""A journal that is full goes on: in segments, of which the oldest gives way (N23)."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from mesos_service.cli.main import run
from mesos_service.core.effects import Told
from mesos_service.core.master.journal import Decided
from mesos_service.fairness import segments as reading
from mesos_service.fairness.certificate import Certificate, Certifier
from mesos_service.fairness.replay import Replay
from mesos_service.fairness.restating import Restater, catch_up, restate
from mesos_service.fairness.segments import Line, Remark, read_segments, segment, segments, start_of
from mesos_service.fairness.spelling import parse, read, spell
from mesos_service.fairness.writer import SEGMENTS, JournalWriter
from mesos_service.plugins.loader import ALLOCATORS, load
from mesos_service.simulator.cluster import Cluster, Plan
from tests.support.waiting import until
from tests.unit.fairness.runs import AtOnce, Never, three


@pytest.fixture(scope="module")
def history() -> list[Told]:
    """The longest journal of a simulated history, with operations, failovers and drains."""
    told: dict[str, list[Told]] = {}
    Cluster(5, load(ALLOCATORS, "hierarchical_drf"), Plan(seconds=15.0, operations=0.5, drains=True), told).run()
    return max(told.values(), key=len)


def certify(path: Path) -> tuple[Certificate, list[Remark]]:
    certifier, remarks = Certifier(), []
    for one in read_segments(path, {}):
        if isinstance(one, Remark):
            remarks.append(one)
            certifier.remark(one.text, hole=one.hole)
        else:
            certifier.take(one.told, one.number)
    return certifier.close(), remarks


def write(path: Path, history: list[Told], bytes_max: int, helper: AtOnce | None = None) -> None:
    writer = JournalWriter(path, bytes_max, helper or AtOnce())
    for told in history:
        writer.write([told])
    writer.close()


def size(history: list[Told]) -> int:
    return sum(len(spell(told)) for told in history)


def test_n23_all_segments_together_are_the_journal(tmp_path: Path, history: list[Told]) -> None:
    path = tmp_path / "journal"
    write(path, history, 2 * size(history))
    assert list(segments(path)) == [1, 2, 3, 4]
    assert [one.told for one in read_segments(path, {}) if isinstance(one, Line)] == history
    found, remarks = certify(path)
    assert remarks == []
    assert found.is_fair
    assert found.as_defined == found.passes > 50
    assert {file.stat().st_mode & 0o077 for file in tmp_path.iterdir()} == {0}


def test_n23_the_oldest_segments_go_and_the_rest_is_certified(tmp_path: Path, history: list[Told]) -> None:
    path, bytes_max = tmp_path / "journal", size(history) // 3
    write(path, history, bytes_max)
    there = list(segments(path))
    assert there[0] > 5, "the first ones have gone"
    assert sum(file.stat().st_size for file in segments(path).values()) <= bytes_max
    found, remarks = certify(path)
    assert [one.hole for one in remarks] == [False]
    assert remarks[0].text.startswith(f"What was decided before segment {there[0]} is gone")
    assert found.is_fair, found
    assert found.as_defined == found.passes > 10


def test_n23_what_is_told_of_the_start_of_a_segment_is_all_that_was_so(history: list[Told]) -> None:
    """Wherever a journal is cut, the rest is judged as if it had not been."""
    draw = Random(2)
    for cut in sorted(draw.sample(range(1, len(history)), 12)):
        before = Replay()
        for told in history[:cut]:
            if isinstance(told.arguments, Decided):
                before.book(told.arguments)
            else:
                before.tell(told)
        start = [parse(spell(told), number, {}) for number, told in enumerate(restate(before), 1)]
        after = Replay()
        for told in start:
            after.tell(told)
        assert after.books == before.books
        certifier = Certifier()
        for told in start + history[cut:]:
            certifier.take(told)
        found = certifier.close()
        assert found.is_fair, found
        assert found.as_defined == found.passes


def test_n23_a_missing_segment_is_said_and_nothing_is_proved(tmp_path: Path, history: list[Told]) -> None:
    path = tmp_path / "journal"
    write(path, history, 2 * size(history))
    segment(path, 2).unlink()
    found, remarks = certify(path)
    assert remarks == [Remark("segment 2 of the journal is missing", hole=True)]
    assert not found.is_fair
    assert found.unfair == 0 and found.broken_off == ""
    assert found.as_defined == found.passes > 20, "what came after it is judged"
    start_of(path, 3).unlink()
    found, remarks = certify(path)
    assert [one.hole for one in remarks] == [True, True]
    assert "journal.000003.start, which would say" in remarks[1].text
    assert not found.is_fair


def test_n23_the_last_segment_before_the_file_may_be_missing_too(tmp_path: Path, history: list[Told]) -> None:
    path = tmp_path / "journal"
    write(path, history, 2 * size(history))
    segment(path, 4).unlink()
    assert [one.text for one in certify(path)[1]] == ["segment 4 of the journal is missing"]
    path.unlink()
    assert [one.text for one in certify(path)[1]] == [], "without it nobody knows that there were more"


def test_n23_a_line_that_is_broken_off_is_said(tmp_path: Path, history: list[Told]) -> None:
    path = tmp_path / "journal"
    write(path, history, 2 * size(history))
    with path.open("ab") as file:
        file.write(b'{"do":"recover","wi')
    found, remarks = certify(path)
    assert remarks == [Remark("the last line of journal is broken off", hole=False)]
    assert found.is_fair
    second = segment(path, 2)
    second.write_bytes(second.read_bytes()[:-40])
    found, remarks = certify(path)
    assert remarks[0] == Remark("the last line of journal.000002 is broken off", hole=True)
    assert found.holes == 1 and found.unfair == 0 and not found.is_fair
    assert found.as_defined == found.passes


def test_n23_where_starts_cannot_be_worked_out_writing_ends(
    tmp_path: Path, history: list[Told], caplog: pytest.LogCaptureFixture
) -> None:
    path, bytes_max = tmp_path / "journal", size(history) // 4
    write(path, history, bytes_max, Never())
    assert "is left as it is" in caplog.text
    total = sum(file.stat().st_size for file in tmp_path.iterdir())
    assert bytes_max < total <= 2 * bytes_max
    found, remarks = certify(path)
    assert remarks == [] and found.is_fair


def test_n23_a_master_that_starts_again_goes_on_in_the_next_segment(tmp_path: Path, history: list[Told]) -> None:
    path, half = tmp_path / "journal", len(history) // 2
    write(path, history[:half], 2 * size(history))
    write(path, history[half:], 2 * size(history))
    assert [one.told for one in read_segments(path, {}) if isinstance(one, Line)] == history
    assert certify(path)[0].is_fair


def test_n23_a_process_beside_the_master_works_out_the_starts(tmp_path: Path, history: list[Told]) -> None:
    path = tmp_path / "journal"
    write(path, history, 2 * size(history), Never())
    helper = Restater()
    helper.start(path)
    until("the last start", lambda: start_of(path, 4).exists() or None)
    helper.stop()
    by_process = {number: list(read(start_of(path, number), {})) for number in (2, 3, 4)}
    for number in by_process:
        start_of(path, number).unlink()
    catch_up(path, {})
    assert {number: list(read(start_of(path, number), {})) for number in (2, 3, 4)} == by_process
    assert not list(tmp_path.glob("*.draft"))


def test_n23_the_command_says_what_is_missing(
    tmp_path: Path, history: list[Told], capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "journal"
    write(path, history, 2 * size(history))
    assert run(["certify", str(path)]) == 0
    segment(path, 1).unlink()
    assert run(["certify", str(path)]) == 0
    assert "What was decided before segment 2 is gone" in capfd.readouterr().out
    segment(path, 3).unlink()
    assert run(["certify", str(path)]) == 1
    said = capfd.readouterr().out
    assert "segment 3 of the journal is missing." in said
    assert "what is missing proves nothing" in said
    assert run(["certify", str(path), "-o", "json"]) == 1
    found = json.loads(capfd.readouterr().out)
    assert (found["fair"], found["holes"]) == (False, 1)


def test_n23_segments_are_told_from_other_files(tmp_path: Path) -> None:
    for name in ("j*.000001", "j*.000002", "j*.000002.start", "j*.1", "j*.000003.draft", "jx.000004", "j*.000005x"):
        (tmp_path / name).write_bytes(b"")
    assert list(segments(tmp_path / "j*")) == [1, 2]


def test_n23_a_start_that_contradicts_itself_is_found(tmp_path: Path) -> None:
    run = three()
    run.go()
    before = Replay()
    for told in run.guard.written:
        if isinstance(told.arguments, Decided):
            before.book(told.arguments)
        else:
            before.tell(told)
    start = [told for told in restate(before) if told.method != "add_agent"]
    certifier = Certifier()
    for told in start:
        certifier.take(told)
    assert "is held on agent" in certifier.close().broken_off


def test_n23_segments_are_an_eighth(tmp_path: Path) -> None:
    path, told = tmp_path / "journal", three().guard.written
    bytes_max = SEGMENTS * (size(told) + 50)
    writer = JournalWriter(path, bytes_max, AtOnce())
    for _ in range(3):
        writer.write(told)
    writer.close()
    assert list(segments(path)) == [1, 2]
    assert all(file.stat().st_size <= bytes_max // SEGMENTS for file in segments(path).values())


def test_n23_who_takes_complete_segments_away_takes_nothing_else(tmp_path: Path, history: list[Told]) -> None:
    """The file that is written says itself which it is."""
    path = tmp_path / "journal"
    write(path, history, 2 * size(history))
    for number, file in segments(path).items():
        file.unlink()
        start_of(path, number).unlink(missing_ok=True)
    write(path, history, 2 * size(history))
    assert list(segments(path)) == [5, 6, 7, 8]
    found, remarks = certify(path)
    assert [one.text for one in remarks] == [
        "What was decided before segment 5 is gone, as the journal was full",
    ]
    assert found.is_fair, found


def test_n23_without_any_start_the_next_instance_of_an_allocator_is_one(tmp_path: Path, history: list[Told]) -> None:
    """Else a journal of which somebody took the beginning away could never let anything go."""
    path = tmp_path / "journal"
    write(path, history + history, 2 * size(history), Never())
    there = list(segments(path))
    segment(path, 1).unlink()
    catch_up(path, {})
    begun = [number for number in there if start_of(path, number).exists()]
    assert begun, "the history begins twice"
    assert begun[0] > 3, "nobody knows what was so before"
    for number in there:
        if number < begun[0]:
            segment(path, number).unlink(missing_ok=True)
    assert certify(path)[0].is_fair


def test_n23_segments_are_beside_the_file_that_a_link_names(tmp_path: Path, history: list[Told]) -> None:
    (tmp_path / "disk").mkdir()
    path, there = tmp_path / "journal", tmp_path / "disk" / "allocations"
    path.symlink_to(there)
    write(path, history, 2 * size(history))
    assert path.is_symlink()
    assert list(segments(there)) == [1, 2, 3, 4]
    assert [one.told for one in read_segments(path, {}) if isinstance(one, Line)] == history


def test_n23_a_draft_that_another_process_is_at_is_not_written_over(tmp_path: Path, history: list[Told]) -> None:
    """The master it belonged to was killed, and the next one's is at the same start."""
    path = tmp_path / "journal"
    write(path, history, 2 * size(history), Never())
    draft = start_of(path, 2).with_name("journal.000002.start.1.draft")
    with draft.open("wb") as other:
        catch_up(path, {})
        other.write(b"half a li")
    assert not list(tmp_path.glob("*.draft"))
    assert list(read(start_of(path, 2), {}))


def test_n23_what_lies_where_the_master_was_started_is_not_run(
    tmp_path: Path, history: list[Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal"
    write(path, history, 2 * size(history), Never())
    (tmp_path / "random.py").write_text("raise SystemExit('not Python's own')")
    monkeypatch.chdir(tmp_path)
    helper = Restater()
    helper.start(path)
    until("the last start", lambda: start_of(path, 4).exists() or not helper.is_busy() or None)
    helper.stop()
    assert start_of(path, 4).exists()


@pytest.mark.parametrize("moment", [1, 2])
def test_n23_a_segment_that_is_begun_while_somebody_reads_is_not_a_hole(
    tmp_path: Path, history: list[Told], monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    """The moment: before or after it was looked which segment the file is."""
    path = tmp_path / "journal"
    write(path, history, 2 * size(history))
    looks = 0

    def number_of(file: Path, otherwise: int) -> int:
        nonlocal looks
        looks += 1
        if looks == moment:
            writer = JournalWriter(file, 2 * size(history), AtOnce())
            writer.write(history)
            writer.close()
        return before(file, otherwise)

    before = reading.number_of
    monkeypatch.setattr(reading, "number_of", number_of)
    heard = list(read_segments(path, {}))
    assert not [one for one in heard if isinstance(one, Remark)]
    assert [one.told for one in heard if isinstance(one, Line)] == (history * 2 if moment == 1 else history)
