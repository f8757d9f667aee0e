"""The journal as a file: what is written is read again as it was, and what is no journal is said to be none (N23)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesos_service.core.effects import Told
from mesos_service.domain.errors import ConfigurationError
from mesos_service.fairness.spelling import JournalFault, parse, read, spell
from mesos_service.fairness.writer import JournalWriter
from mesos_service.plugins.loader import ALLOCATORS, load
from mesos_service.simulator.cluster import Cluster, Plan
from tests.unit.fairness.runs import certify, three

BEGIN = three().guard.written[0]


def test_n23_simulated_histories_are_read_again_as_they_were_and_are_fair() -> None:
    """With operations, failovers and drains; each master's journal by itself."""
    told: dict[str, list[Told]] = {}
    Cluster(3, load(ALLOCATORS, "hierarchical_drf"), Plan(seconds=12.0, operations=0.5, drains=True), told).run()
    passes = 0
    for journal in told.values():
        again = [parse(spell(one), number, {}) for number, one in enumerate(journal, 1)]
        assert again == journal
        found = certify(again)
        assert found.is_fair, found
        assert found.as_defined == found.passes
        passes += found.passes
    assert passes > 100


def test_n23_lines_are_appended_and_a_cut_off_one_goes(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    told = three().guard.written
    for _ in range(2):
        writer = JournalWriter(path, 10**6)
        writer.write(told)
        writer.close()
        with path.open("ab") as file:
            file.write(b'{"do": "cut of')
    assert [one for _, one in read(path, {})] == told * 2
    assert path.read_bytes().count(b"\n") == 2 * len(told)
    assert path.stat().st_mode & 0o077 == 0


def test_n23_a_long_line_without_an_end_goes_too(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(spell(BEGIN) + b"x" * 200_000)
    JournalWriter(path, 10**6).close()
    assert path.read_bytes() == spell(BEGIN)


def test_n23_a_full_disk_ends_the_journal_and_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    writer = JournalWriter(Path("/dev/full"), 10**6)
    writer.write([BEGIN])
    writer.write([BEGIN])
    assert caplog.text.count("ends here: No space left") == 1


def test_n23_two_masters_do_not_write_to_one_journal(tmp_path: Path) -> None:
    """Each would write over the other's lines, as neither knows how long the file has become."""
    path = tmp_path / "journal"
    first = JournalWriter(path, 10**6)
    told = three().guard.written
    first.write(told)
    with pytest.raises(ConfigurationError, match="another master writes to"):
        JournalWriter(path, 10**6)
    first.close()
    JournalWriter(path, 10**6).close()
    assert [one for _, one in read(path, {})] == told


def test_n23_a_file_that_cannot_be_opened_is_said_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--allocation_journal"):
        JournalWriter(tmp_path, 100)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"{}",
        b'{"do": "begin"}',
        b'{"do": "shout", "with": []}',
        b'{"do": "remove_agent", "with": []}',
        b'{"do": "remove_agent", "with": [1]}',
        b'{"do": "set_agent_active", "with": ["a", 1]}',
        b'{"do": "expect_agents", "with": [1, NaN]}',
        b'{"do": "update_weights", "with": [{"a": 0}]}',
        b'{"do": "update_weights", "with": [[]]}',
        b'{"do": "pass", "with": [1, 2, null, null, [["f", "r", "a"]]]}',
        b'{"do": "pass", "with": [1, 2, null, null, [["f", "r", "a", [{"name": "cpus"}]]]]}',
        b'{"do": "pass", "with": [1, 2, "agents", null, []]}',
        b'{"do": "add_offer", "with": ["f", "a", [{"name": "cpus", "type": "SCALAR", "scalar": {"value": -1}}]]}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_n23_what_is_no_journal_is_said_with_its_line(line: bytes) -> None:
    with pytest.raises(JournalFault, match="Line 7"):
        parse(line + b"\n", 7, {})


def test_n23_a_filter_that_is_not_here_is_named() -> None:
    view = {
        "id": "f",
        "roles": ["a"],
        "suppressed": [],
        "capabilities": [],
        "aged": False,
        "short_tasks": [],
        "min_allocatable": {},
        "filters": {"a": [{"name": "of_somebodys_own", "parameters": {}}]},
    }
    line = json.dumps({"do": "update_framework", "with": [view]}).encode()
    with pytest.raises(
        JournalFault, match=r"Line 3: There is no offer filter 'of_somebodys_own'.* --modules_dir, --modules\.$"
    ):
        parse(line, 3, {})


@given(st.data())
def test_n23_a_line_with_something_changed_in_it_is_read_or_refused(data: st.DataObject) -> None:
    """And what is read is judged without a crash."""
    run = three()
    run.go()
    told = run.guard.written
    number = data.draw(st.integers(0, len(told) - 1))
    line = bytearray(spell(told[number]))
    for _ in range(data.draw(st.integers(1, 3))):
        line[data.draw(st.integers(0, len(line) - 2))] = data.draw(st.integers(32, 126))
    try:
        changed = parse(bytes(line), number + 1, {})
    except JournalFault:
        return
    certify([*told[:number], changed, *told[number + 1 :]])
