"""Keeping spans within bounds of age and size. Everything here blocks, and belongs to one thread."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, OperationalError

from mesos_service.tracing_store import schema
from mesos_service.tracing_store.records import ERROR, ReceivedSpan, ReceivedSpans
from mesos_service.tracing_store.schema import StoreFault

SPAN_OCTETS: Final = 300
"""What a span takes in tables and indexes beside its texts: identifiers, numbers, and its part of half-full pages."""
FORGET_PART: Final = 20
"""Room is made by forgetting the oldest twentieth at a time."""
FORGET_SPANS: Final = 5_000
"""No transaction that forgets takes more spans than so, unless one request brought more."""
SOURCES_MAX: Final = 10_000
"""Remembered here, so as not to be looked up."""

_SPAN: Final = (
    "INSERT OR IGNORE INTO spans (trace_id, span_id, parent_id, source, batch, name, kind, start, end, status, message,"
    " attributes, events, links) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_TRACE: Final = (
    "INSERT INTO traces (trace_id, start, end, spans, errors, root, last_span) VALUES (?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (trace_id) DO UPDATE SET start = min(start, excluded.start), end = max(end, excluded.end),"
    " spans = spans + excluded.spans, errors = errors + excluded.errors,"
    " root = CASE excluded.root WHEN '' THEN root ELSE excluded.root END, last_span = excluded.last_span"
)
_SUBJECT: Final = (
    "INSERT INTO subjects (kind, value, trace_id, last_span) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (kind, value, trace_id) DO UPDATE SET last_span = excluded.last_span"
)


class TraceStore:
    """Writes to the file at ``path``, which holds at most ``octets_max`` bytes of spans that came at most
    ``age_seconds_max`` ago. The file itself never shrinks; what is forgotten is room for others.

    Raises:
        StoreFault: the file cannot be used, or another program uses it.
    """

    def __init__(
        self, path: Path, octets_max: int, age_seconds_max: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._claim = schema.Claim(path)
        try:
            self.engine = schema.open_file(path)
        except StoreFault:
            self._claim.let_go()
            raise
        self._path = path
        self._octets_max = octets_max
        self._age_seconds_max = age_seconds_max
        self._clock = clock
        self._sources: dict[tuple[str, ...], int] = {}
        self._forgotten = 0
        with self._working():
            self._connection = self.engine.connect()
            page = int(self._connection.exec_driver_sql("PRAGMA page_size").scalar_one())
            # The bound holds even where the reckoning below is wrong: SQLite refuses to go on.
            self._connection.exec_driver_sql(f"PRAGMA max_page_count = {max(1, octets_max // page)}")
            self._connection.rollback()

    def close(self) -> None:
        self._connection.close()
        self.engine.dispose()
        self._claim.let_go()

    def add(self, received: ReceivedSpans) -> int:
        """Keep these spans; how many of them were not there yet.

        Raises:
            StoreFault: they could not be written, and none of them was.
        """
        if not received.spans:
            return 0
        octets = sum(SPAN_OCTETS + len(one.attributes) + len(one.events) + len(one.links) for one in received.spans)
        with self._working():
            self._make_room(octets)
            while True:
                try:
                    with self._connection.begin():
                        return self._write(received)
                except OperationalError as error:
                    # The reckoning was short, and SQLite's own bound was met. Where the disk is full, or anything else
                    # is wrong, nothing is forgotten for it.
                    self._sources.clear()
                    if not _is_full(error) or shutil.disk_usage(self._path.parent).free < 2 * octets:
                        raise
                    if not self._forget_part():
                        raise

    def _write(self, received: ReceivedSpans) -> int:
        connection = self._connection
        before = self._last_span()
        batch = connection.exec_driver_sql(
            "INSERT INTO batches (received_at, last_span) VALUES (?, ?) RETURNING id", (self._clock(), before)
        ).scalar_one()
        ids = [self._source(source) for source in received.sources]
        rows = [
            (one.trace_id, one.span_id, one.parent_id, ids[one.source], batch, *one[4:13]) for one in received.spans
        ]
        taken = _many(connection, _SPAN, rows)
        last = self._last_span()
        connection.exec_driver_sql("UPDATE batches SET last_span = ? WHERE id = ?", (last, batch))
        # A row each: a statement takes only so many numbers, and a request may name any number of sources.
        _many(connection, "UPDATE sources SET last_span = ? WHERE id = ?", [(last, one) for one in set(ids)])
        new = received.spans if taken == len(rows) else self._new_among(received.spans, before)
        _many(connection, _TRACE, _summaries(new, last))
        mentioned = {(*subject, one.trace_id, last) for one in new for subject in one.subjects}
        if mentioned:
            _many(connection, _SUBJECT, sorted(mentioned))
        return taken

    def _new_among(self, spans: Sequence[ReceivedSpan], before: int) -> list[ReceivedSpan]:
        """Those that were not there: the others were sent before, and must not count twice."""
        found = self._connection.exec_driver_sql("SELECT trace_id, span_id FROM spans WHERE id > ?", (before,))
        new = {tuple(row) for row in found}
        kept = []
        for one in spans:
            key = (one.trace_id, one.span_id)
            if key in new:
                new.remove(key)  # It may stand there twice.
                kept.append(one)
        return kept

    def _last_span(self) -> int:
        return int(self._connection.exec_driver_sql("SELECT coalesce(max(id), 0) FROM spans").scalar_one())

    def _source(self, source: tuple[str, ...]) -> int:
        known = self._sources.get(source)
        if known is None:
            row = self._connection.exec_driver_sql(
                "INSERT INTO sources (service, host, instance, attributes, last_span) VALUES (?, ?, ?, ?, 0)"
                " RETURNING id",
                source,
            ).scalar_one()
            if len(self._sources) >= SOURCES_MAX:
                self._sources.clear()
            known = self._sources[source] = int(row)
        return known

    # -- bounds ----------------------------------------------------------------------------------------------

    def forget_old(self) -> int:
        """Forget what came longer ago than is kept; how many spans that was. Raises ``StoreFault``."""
        with self._working():
            # Batches are in the order of time, unless the clock was set back; then they stay a little longer.
            through = self._connection.exec_driver_sql(
                "SELECT coalesce(max(last_span), 0) FROM batches WHERE received_at < ?",
                (self._clock() - self._age_seconds_max,),
            ).scalar_one()
            self._connection.rollback()
            return self._forget_through(int(through))

    def octets(self) -> int:
        """What is in use of the file, in bytes."""
        pages, free, page = (
            int(self._connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
            for name in ("page_count", "freelist_count", "page_size")
        )
        self._connection.rollback()
        return (pages - free) * page

    def counts(self) -> Mapping[str, float]:
        """How much there is, by metric name."""
        with self._working():
            # Of a table of millions of rows that are forgotten from one end, that is the number but for duplicates.
            spans = self._connection.exec_driver_sql("SELECT coalesce(max(id) - min(id) + 1, 0) FROM spans")
            counts = {
                "traces/spans": float(spans.scalar_one()),
                "traces/octets": float(self.octets()),
                "traces/octets_max": float(self._octets_max),
                "traces/spans_forgotten": float(self._forgotten),
            }
            self._connection.rollback()
            return counts

    def _make_room(self, octets: int) -> None:
        while self.octets() + octets > self._octets_max:
            if not self._forget_part():
                return

    def _forget_part(self) -> int:
        first, last = self._connection.exec_driver_sql("SELECT min(id), max(id) FROM spans").one()
        self._connection.rollback()
        return 0 if first is None else self._forget_through(first + (last - first) // FORGET_PART)

    def _forget_through(self, last: int) -> int:
        """Forget whole batches, so that what is known of traces goes with their spans; the first one in any case."""
        connection = self._connection
        forgotten = 0
        while True:
            with connection.begin():
                first = connection.exec_driver_sql("SELECT min(id) FROM spans").scalar_one()
                if first is None or first > last:
                    break
                through = connection.exec_driver_sql(
                    "SELECT coalesce((SELECT max(last_span) FROM batches WHERE last_span BETWEEN ? AND ?),"
                    " (SELECT min(last_span) FROM batches WHERE last_span >= ?))",
                    (first, min(last, first + FORGET_SPANS - 1), first),
                ).scalar_one()
                forgotten += connection.exec_driver_sql("DELETE FROM spans WHERE id <= ?", (through,)).rowcount
                for table in ("batches", "traces", "subjects", "sources"):
                    connection.exec_driver_sql(f"DELETE FROM {table} WHERE last_span <= ?", (through,))
        if forgotten:
            self._sources.clear()
            self._forgotten += forgotten
        return forgotten

    @contextmanager
    def _working(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            # What was looked up in a transaction that came to nothing is not there.
            self._sources.clear()
            raise StoreFault(f"{self._path}: {error.orig}") from error


def _is_full(error: OperationalError) -> bool:
    return getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


def _many(connection: Connection, statement: str, rows: Sequence[tuple[object, ...]]) -> int:
    """Rows written, of as many statements."""
    return connection.exec_driver_sql(statement, list(rows)).rowcount if rows else 0


def _summaries(spans: Sequence[ReceivedSpan], last: int) -> list[tuple[object, ...]]:
    found: dict[bytes, tuple[int, int, int, int, str]] = {}
    for one in spans:
        start, end, count, errors, root = found.get(one.trace_id, (one.start, one.end, 0, 0, ""))
        found[one.trace_id] = (
            min(start, one.start),
            max(end, one.end),
            count + 1,
            errors + (one.status == ERROR),
            one.name if one.parent_id is None else root,
        )
    return [(trace_id, *summary, last) for trace_id, summary in found.items()]
