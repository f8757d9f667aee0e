"""Finding traces again. Everything here blocks, with a connection of its own each time, on any thread."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, cast

from sqlalchemy import Connection, Engine, Row, Select, desc, func, select
from sqlalchemy.exc import DBAPIError

from mesos_service.tracing_store.answers import STATUSES, StoredSpan, StoredTrace, TraceList, TraceSummary
from mesos_service.tracing_store.schema import StoreFault, batches, sources, spans, subjects, traces

SPANS_MAX: Final = 10_000
"""Of one trace in an answer; the first ones."""
TRACES_MAX: Final = 1_000
SECONDS_MAX: Final = 10.0
"""Looking for the slowest span of a name looks at all of them."""
_STEPS: Final = 100_000
"""Of SQLite's machine between two looks at the clock."""


class TooSlow(StoreFault):
    """The search took longer than ``SECONDS_MAX``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which traces are looked for; all conditions hold at once."""

    offer_id: str | None = None
    task_id: str | None = None
    slowest: bool = False
    """The longest first; otherwise the newest."""
    span: str | None = None
    """With a span of this name; it is then this span whose length counts."""
    limit: int = 20


def find_trace(engine: Engine, trace_id: bytes) -> StoredTrace | None:
    """A trace with its spans; ``None`` where there is none. Raises ``StoreFault``."""
    chosen = (
        select(spans, sources.c.service, sources.c.host, sources.c.instance, batches.c.received_at)
        .join(sources, sources.c.id == spans.c.source)
        .join(batches, batches.c.id == spans.c.batch)
        .where(spans.c.trace_id == trace_id)
        .order_by(spans.c.start, spans.c.id)
        .limit(SPANS_MAX + 1)
    )
    with _reading(engine) as connection:
        rows = connection.execute(chosen).all()
    if not rows:
        return None
    return StoredTrace(
        trace_id=trace_id.hex(), spans=[_span(row) for row in rows[:SPANS_MAX]], truncated=len(rows) > SPANS_MAX
    )


def find_traces(engine: Engine, query: Query) -> TraceList:
    """What ``query`` asks for.

    Raises:
        TooSlow: it would take too long.
        StoreFault: the file cannot be read.
    """
    with _reading(engine) as connection:
        rows: Sequence[Row[Any]] = connection.execute(_chosen(query)).all()  # Any: two kinds of columns
    found = [
        TraceSummary(
            trace_id=row.trace_id.hex(),
            root=row.root,
            start_unix_nano=str(row.start),
            duration_seconds=row.took / 1e9,
            spans=row.spans,
            errors=row.errors,
        )
        for row in rows
    ]
    return TraceList(traces=found)


def _chosen(query: Query) -> Select[Any]:  # Any: as above
    took = traces.c.end - traces.c.start
    named = (
        None
        if query.span is None
        else select(spans.c.trace_id, func.max(spans.c.end - spans.c.start).label("took"))
        .where(spans.c.name == query.span)
        .group_by(spans.c.trace_id)
        .subquery()
    )
    if named is not None:
        took = named.c.took
    chosen = select(
        traces.c.trace_id, traces.c.root, traces.c.start, took.label("took"), traces.c.spans, traces.c.errors
    )
    if named is not None:
        chosen = chosen.join(named, named.c.trace_id == traces.c.trace_id)
    for kind, value in (("offer_id", query.offer_id), ("task_id", query.task_id)):
        if value is not None:
            speaks = select(subjects.c.trace_id).where(subjects.c.kind == kind, subjects.c.value == value)
            chosen = chosen.where(traces.c.trace_id.in_(speaks))
    return chosen.order_by(desc(took if query.slowest else traces.c.start), traces.c.trace_id).limit(query.limit)


@contextmanager
def _reading(engine: Engine) -> Iterator[Connection]:
    deadline = time.monotonic() + SECONDS_MAX
    try:
        with engine.connect() as connection:
            # Any: SQLAlchemy does not say whose connection it wraps; here it is sqlite3's.
            driver: Any = connection.connection.dbapi_connection
            driver.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
            yield connection
    except DBAPIError as error:
        if time.monotonic() > deadline:
            raise TooSlow(f"the search took longer than {SECONDS_MAX:g} seconds; ask for an offer or a task") from error
        raise StoreFault(f"the traces cannot be read: {error.orig}") from error


def _span(row: Row[Any]) -> StoredSpan:  # Any: columns of three tables
    return StoredSpan(
        span_id=row.span_id.hex(),
        parent_span_id=None if row.parent_id is None else row.parent_id.hex(),
        name=row.name,
        kind=row.kind,
        service=row.service,
        host=row.host,
        instance=row.instance,
        start_unix_nano=str(row.start),
        end_unix_nano=str(row.end),
        status=STATUSES[row.status] if 0 <= row.status < len(STATUSES) else "unset",
        status_message=row.message,
        attributes=json.loads(row.attributes),
        events=_list(row.events),
        links=_list(row.links),
        received_at=row.received_at,
    )


def _list(text: str) -> list[dict[str, Any]]:  # Any: as in answers
    return cast("list[dict[str, Any]]", json.loads(text)) if text else []  # otlp.py wrote a list of objects
