"""A trace drawn as text, and what is said of clocks that contradict each other (N03)."""

from __future__ import annotations

import pytest

from mesos_service.tracing_store.answers import Status, StoredSpan, StoredTrace
from mesos_service.tracing_store.tree import STORE, Skew, branches, skews
from mesos_service.tracing_store.waterfall import seconds_text, waterfall
from tests.unit.tracing_store.exports import NOON, TRACE

MS = 1_000_000


def a_span(
    number: int,
    parent: int | None,
    host: str,
    name: str,
    start: int = 0,
    took: int = 0,
    status: Status = "unset",
    **attributes: str,
) -> StoredSpan:
    """``start`` and ``took`` in milliseconds after noon; received a minute later."""
    return StoredSpan(
        span_id=f"{number:016x}",
        parent_span_id=None if parent is None else f"{parent:016x}",
        name=name,
        service="mesos-master" if name.startswith("master") else "mesos-agent",
        host=host,
        start_unix_nano=str(NOON + start * MS),
        end_unix_nano=str(NOON + (start + took) * MS),
        status=status,
        status_message="no room" if status == "error" else "",
        attributes=dict(attributes),
        received_at=NOON / 1e9 + 60,
    )


def drawn(*spans: StoredSpan, width: int = 100, blocks: bool = True) -> list[str]:
    return list(waterfall(StoredTrace(trace_id=TRACE, spans=list(spans)), width, blocks=blocks))


OFFER = (
    a_span(4, 3, "node2", "agent.launch", 120, 80, task_id="t1"),
    a_span(1, None, "node1", "master.offer", 0, 100, offer_id="O1", outcome="accepted"),
    a_span(2, 1, "node1", "master.accept", 100),
    a_span(3, 2, "node1", "master.launch", 100, task_id="t1"),
    a_span(5, 3, "node2", "task.running", 200, 200, state="TASK_FINISHED"),
)


def test_n03_a_trace_is_drawn_with_host_service_offset_duration_and_status() -> None:
    assert drawn(*OFFER, blocks=False) == [
        f"trace {TRACE}: 5 spans, 2 hosts, 0 errors, 400.0 ms from 2026-11-21 12:00:00 UTC",
        "offer_id: O1",
        "task_id: t1",
        "",
        "HOST   SERVICE       SPAN                   OFFSET  DURATION  STATUS",
        "node1  mesos-master  master.offer            +0 us  100.0 ms  accepted      |=====                 |",
        "node1  mesos-master    master.accept     +100.0 ms      0 us  ok            |     =                |",
        "node1  mesos-master      master.launch   +100.0 ms      0 us  ok            |     =                |",
        "node2  mesos-agent         agent.launch  +120.0 ms   80.0 ms  ok            |      ====            |",
        "node2  mesos-agent         task.running  +200.0 ms  200.0 ms  TASK_FINISHED |           ===========|",
    ]


@pytest.mark.parametrize("width", range(1, 240, 7))
def test_it_fits_the_terminal_where_that_is_possible(width: int) -> None:
    lines = drawn(*OFFER, width=width)
    table = lines[lines.index("") + 1 :]
    # Below that, figures would have to be left out.
    assert max(map(len, table)) <= max(width, 59)
    assert len(table) == 6
    assert ("SERVICE" in table[0]) is (width > 71)
    assert any("|" in line for line in table) is (width >= 75 + 3 + 12)


def test_what_a_program_calls_itself_cannot_write_to_the_terminal() -> None:
    rude = a_span(1, None, "node\x1b[2J1", "\x1b]0;title\x07", status="error", offer_id="O\n1", outcome="\r")
    text = "\n".join(drawn(rude))
    assert "\x1b" not in text
    assert "\r" not in text
    assert "offer_id: O?1" in text


def test_every_span_is_drawn_once_whatever_their_parents_say() -> None:
    circle = [a_span(1, 2, "a", "one", 1), a_span(2, 1, "a", "two", 2), a_span(3, 3, "a", "self", 3)]
    found = branches([*circle, a_span(4, 99, "a", "orphan", 0), a_span(5, 4, "a", "child", 5)])
    assert [(one.span.name, one.depth, one.orphan) for one in found] == [
        ("orphan", 0, True),
        ("child", 1, False),
        ("self", 0, False),
        ("one", 0, False),
        ("two", 1, False),
    ]
    deep = [a_span(number, number - 1 or None, "a", "deep", number) for number in range(1, 5001)]
    assert [one.depth for one in branches(deep)] == list(range(5000))
    lines = drawn(*deep)
    assert len(lines) == 3 + 5000
    assert max(map(len, lines[2:])) <= 100


def test_a_missing_parent_is_told() -> None:
    assert drawn(a_span(4, 3, "node2", "agent.launch"))[-1] == (
        "the parents of 1 span are not here: not sent yet, lost, or forgotten"
    )


def test_an_error_is_told_with_its_message() -> None:
    lines = drawn(a_span(4, None, "node2", "agent.launch", status="error"))
    assert lines[-1] == "error in agent.launch on node2: no room"
    assert "error" in lines[3]


def test_n03_a_clock_that_is_behind_is_told_and_not_hidden() -> None:
    """The agent's spans seem to begin before what caused them."""
    spans = [
        a_span(1, None, "node1", "master.launch", 1000),
        a_span(2, 1, "node2", "agent.launch", 1000 - 300, 10),
        a_span(3, 2, "node1", "master.update", 1100),
    ]
    assert skews(spans) == [Skew("node1", "node2", 300 * MS)]
    lines = drawn(*spans)
    assert lines[-1] == (
        "clocks differ: node1 is ahead of node2 by 300.0 ms or more; offsets are shown as the clocks had them"
    )
    assert "+0 us" in next(line for line in lines if "agent.launch" in line)


def test_n03_a_clock_that_is_ahead_is_told() -> None:
    """Only what comes back shows it: the answer seems to arrive before it was sent."""
    spans = [
        a_span(1, None, "node1", "master.launch", 1000),
        a_span(2, 1, "node2", "agent.update", 1000 + 5000, 10),
        a_span(3, 2, "node1", "master.update", 1020),
    ]
    assert skews(spans) == [Skew("node2", "node1", 4980 * MS)]


def test_a_span_from_the_future_shows_a_clock_ahead_of_the_stores() -> None:
    spans = [a_span(1, None, "node1", "master.offer", 90_000)]
    assert skews(spans) == [Skew("node1", STORE, 30_000 * MS)]
    assert "node1 is ahead of the trace store by 30.00 s or more" in drawn(*spans)[-1]


def test_on_one_host_and_within_a_millisecond_nothing_is_concluded() -> None:
    near = a_span(1, None, "node1", "master.launch", 100)
    same = a_span(2, 1, "node1", "task.work", 50)
    tight = StoredSpan(
        span_id="3", parent_span_id=near.span_id, name="x", host="node2", start_unix_nano=str(NOON + 99_500_000),
        end_unix_nano=str(NOON + 99_600_000), received_at=NOON / 1e9 + 60,
    )  # fmt: skip
    assert skews([near, same, tight]) == []


def test_a_span_that_ends_before_it_starts_is_told() -> None:
    lines = drawn(a_span(1, None, "node1", "master.offer", 100, -40), a_span(2, 1, "node1", "master.accept", 100))
    assert "-40.0 ms" in lines[3]
    assert lines[-1] == "master.offer on node1 ended before it started: its clock was set"


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0 us"),
        (999_499, "999 us"),
        (1_000_000, "1.0 ms"),
        (59_999_000_000, "60.00 s"),
        (60_000_000_000, "1 min 0 s"),
        (3_600_000_000_000 * 50 + 60_000_000_000, "50 h 1 min"),
        (-1_500_000, "-1.5 ms"),
    ],
)
def test_lengths_are_written_in_the_unit_that_fits(nanoseconds: int, text: str) -> None:
    assert seconds_text(nanoseconds) == text
