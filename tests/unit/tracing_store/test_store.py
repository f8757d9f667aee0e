"""Spans are kept, found again, and forgotten at the bounds (N03)."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from mesos_service.tracing_store import reading
from mesos_service.tracing_store.otlp import read_protobuf
from mesos_service.tracing_store.reading import Query, TooSlow, find_trace, find_traces
from mesos_service.tracing_store.schema import StoreFault
from mesos_service.tracing_store.store import TraceStore
from tests.unit.tracing_store.exports import NOON, SECOND, TRACE, body, request, span

MEGABYTE = 2**20


class Clock:
    """Says what it is told."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def a_store(path: Path, megabytes: int = 64, clock: Clock | None = None) -> TraceStore:
    return TraceStore(path / "traces.db", megabytes * MEGABYTE, 3600.0, clock or Clock())


def rows(store: TraceStore) -> dict[str, int]:
    with store.engine.connect() as connection:
        return {
            table: connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one()
            for table in ("spans", "traces", "subjects", "sources", "batches")
        }


def test_n03_a_trace_is_found_by_its_offer_and_its_task(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    offer = span(1, attributes={"offer_id": "O1", "outcome": "accepted"}, took=3 * SECOND)
    store.add(read_protobuf(body(offer)))
    launch = span(2, 1, name="agent.launch", start=NOON + SECOND, attributes={"task_id": "t1"}, error="no room")
    store.add(read_protobuf(body(launch, service="mesos-agent", host="node2")))
    store.add(read_protobuf(body(span(3, trace="01" * 16, attributes={"offer_id": "O2"}))))

    for query in (Query(offer_id="O1"), Query(task_id="t1"), Query(offer_id="O1", task_id="t1")):
        (found,) = find_traces(store.engine, query).traces
        assert (found.trace_id, found.root, found.spans, found.errors) == (TRACE, "master.offer", 2, 1)
        assert found.duration_seconds == 3.0
    assert find_traces(store.engine, Query(offer_id="O2", task_id="t1")).traces == []
    trace = find_trace(store.engine, bytes.fromhex(TRACE))
    assert trace is not None
    one, other = trace.spans
    assert (one.name, one.host, one.parent_span_id, one.status) == ("master.offer", "node1", None, "unset")
    assert (other.name, other.host, other.service) == ("agent.launch", "node2", "mesos-agent")
    assert (other.parent_span_id, other.status, other.status_message) == (one.span_id, "error", "no room")
    assert other.start_unix_nano == str(NOON + SECOND)
    assert other.received_at == 1_000_000.0
    assert find_trace(store.engine, bytes(16)) is None
    store.close()


def test_the_slowest_come_first_as_a_whole_or_by_one_span(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    for number, (whole, launch) in enumerate([(1, 9), (3, 1), (2, 5)], 1):
        trace = f"{number:032x}"
        root = span(1, trace=trace, took=whole * SECOND)
        store.add(read_protobuf(body(root, span(2, 1, name="agent.launch", trace=trace, took=launch * 1000))))

    def found(query: Query) -> list[tuple[int, float]]:
        return [(int(one.trace_id, 16), one.duration_seconds) for one in find_traces(store.engine, query).traces]

    assert found(Query(slowest=True)) == [(2, 3.0), (3, 2.0), (1, 1.0)]
    assert found(Query(slowest=True, span="agent.launch", limit=2)) == [(1, 9e-6), (3, 5e-6)]
    assert found(Query(span="nothing")) == []
    store.close()


def test_spans_that_are_sent_again_count_once(tmp_path: Path) -> None:
    """An exporter that heard no answer sends its spans once more, perhaps with others."""
    store = a_store(tmp_path)
    first, second = span(1, attributes={"offer_id": "O1"}), span(2, 1, error="x")
    assert store.add(read_protobuf(body(first))) == 1
    assert store.add(read_protobuf(body(first, second, second))) == 1
    assert store.add(read_protobuf(body(first, second))) == 0
    (found,) = find_traces(store.engine, Query(offer_id="O1")).traces
    assert (found.spans, found.errors) == (2, 1)
    assert rows(store)["spans"] == 2
    store.close()


def test_what_is_too_old_is_forgotten_with_all_that_speaks_of_it(tmp_path: Path) -> None:
    clock = Clock()
    store = a_store(tmp_path, clock=clock)
    store.add(read_protobuf(body(span(1, attributes={"offer_id": "O1"}))))
    clock.now += 3000
    store.add(read_protobuf(body(span(2, trace="02" * 16, attributes={"offer_id": "O2"}), host="node2")))
    assert store.forget_old() == 0
    clock.now += 601
    assert store.forget_old() == 1
    assert rows(store) == {"spans": 1, "traces": 1, "subjects": 1, "sources": 1, "batches": 1}
    assert find_traces(store.engine, Query(offer_id="O1")).traces == []
    assert len(find_traces(store.engine, Query(offer_id="O2")).traces) == 1
    clock.now += 3601
    assert store.forget_old() == 1
    assert set(rows(store).values()) == {0}
    store.add(read_protobuf(body(span(1, attributes={"offer_id": "O1"}))))
    assert len(find_traces(store.engine, Query(offer_id="O1")).traces) == 1
    store.close()


def test_the_file_stays_within_its_bound_and_the_newest_are_kept(tmp_path: Path) -> None:
    store = a_store(tmp_path, megabytes=2)
    for number in range(40):
        many = [
            span(1, trace=os.urandom(16).hex(), attributes={"offer_id": f"O{number}-{one}", "said": "x" * 200})
            for one in range(200)
        ]
        assert store.add(read_protobuf(body(*many))) == 200
    assert (tmp_path / "traces.db").stat().st_size <= 2 * MEGABYTE
    assert store.counts()["traces/spans_forgotten"] > 3000
    assert find_traces(store.engine, Query(offer_id="O0-0")).traces == []
    kept = rows(store)
    assert kept["spans"] == kept["traces"] == kept["subjects"] > 1000
    assert len(find_traces(store.engine, Query(offer_id="O39-199")).traces) == 1
    store.close()


def test_a_bound_that_the_reckoning_misses_is_sqlites_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mesos_service.tracing_store.store.SPAN_OCTETS", -200)
    store = a_store(tmp_path, megabytes=1)
    for _ in range(30):
        many = [span(1, trace=os.urandom(16).hex(), attributes={"said": "x" * 100}) for _ in range(200)]
        assert store.add(read_protobuf(body(*many))) == 200
    assert (tmp_path / "traces.db").stat().st_size <= MEGABYTE
    store.close()


def test_no_request_makes_the_store_forget_but_for_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = a_store(tmp_path)
    for number in range(1, 21):
        store.add(read_protobuf(body(span(number))))
    # A request names any number of sources, and SQLite takes only so many numbers in a statement.
    connection = store._connection.connection.driver_connection
    assert isinstance(connection, sqlite3.Connection)
    connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 100)
    sources = [("s", f"node{number}", [span(1, trace="02" * 16)] * (number == 0)) for number in range(200)]
    assert store.add(read_protobuf(request(*sources).SerializeToString())) == 1
    assert rows(store)["spans"] == 21

    def wrong(_: object) -> int:
        raise OperationalError("INSERT", (), sqlite3.OperationalError("no such thing"))

    monkeypatch.setattr(store, "_write", wrong)
    with pytest.raises(StoreFault, match="no such thing"):
        store.add(read_protobuf(body(span(99))))
    assert rows(store)["spans"] == 21
    assert store.counts()["traces/spans_forgotten"] == 0
    store.close()


def test_what_was_kept_is_there_after_a_restart(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    store.add(read_protobuf(body(span(1, attributes={"offer_id": "O1"}))))
    store.close()
    again = a_store(tmp_path)
    again.add(read_protobuf(body(span(2, 1))))
    (found,) = find_traces(again.engine, Query(offer_id="O1")).traces
    assert found.spans == 2
    again.close()


def test_two_stores_do_not_share_a_file(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    with pytest.raises(StoreFault, match=r"another trace store has .*traces\.db; stop it"):
        a_store(tmp_path)
    store.close()
    a_store(tmp_path).close()


def test_a_file_that_is_no_database_is_named_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "traces.db").write_bytes(b"precious " * 1000)
    for _ in range(2):  # The right to the file is let go.
        with pytest.raises(StoreFault, match=r"cannot use .*traces\.db: file is not a database; move it away"):
            a_store(tmp_path)
    assert (tmp_path / "traces.db").read_bytes() == b"precious " * 1000


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "traces.db") as connection:
        connection.execute("PRAGMA user_version = 7")
    connection.close()
    with pytest.raises(StoreFault, match="is of version 7, and this program knows 1"):
        a_store(tmp_path)


def test_a_search_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = a_store(tmp_path)
    store.add(read_protobuf(body(*(span(one, trace=f"{one:032x}") for one in range(1, 3000)))))
    monkeypatch.setattr(reading, "SECONDS_MAX", 0.0)
    monkeypatch.setattr(reading, "_STEPS", 1000)
    with pytest.raises(TooSlow, match="ask for an offer or a task"):
        find_traces(store.engine, Query(slowest=True, span="master.offer"))
    store.close()


def test_a_trace_without_end_is_shown_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "SPANS_MAX", 10)
    store = a_store(tmp_path)
    store.add(read_protobuf(body(*(span(one, start=NOON + one) for one in range(1, 12)))))
    trace = find_trace(store.engine, bytes.fromhex(TRACE))
    assert trace is not None
    assert trace.truncated
    assert [int(one.span_id, 16) for one in trace.spans] == list(range(1, 11))
    store.close()
