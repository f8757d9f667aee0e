"""The tables of the store, and how its file is opened.

Everything hangs from the spans in the order in which they came: what was last of interest to a span that is forgotten
is forgotten with it, by the column ``last_span`` of each other table. Only one program writes to a file at a time.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from pathlib import Path
from typing import Final

from sqlalchemy import Column, Engine, Float, Index, Integer, LargeBinary, MetaData, Table, Text, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from mesos_service.domain.errors import OperatingFault

VERSION: Final = 1
"""Of the tables; in the file as SQLite's ``user_version``."""

BUSY_SECONDS: Final = 5.0

metadata: Final = MetaData()

sources = Table(
    "sources",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("service", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("instance", Text, nullable=False),
    Column("attributes", Text, nullable=False),
    Column("last_span", Integer, nullable=False),
)
"""Who spans are of (OpenTelemetry: resources)."""

batches = Table(
    "batches",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("received_at", Float, nullable=False),
    Column("last_span", Integer, nullable=False),
)
"""What came in one request, and when by the store's clock (unix seconds)."""

spans = Table(
    "spans",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("trace_id", LargeBinary, nullable=False),
    Column("span_id", LargeBinary, nullable=False),
    Column("parent_id", LargeBinary),
    Column("source", Integer, nullable=False),
    Column("batch", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Integer, nullable=False),
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
    Column("status", Integer, nullable=False),
    Column("message", Text, nullable=False),
    Column("attributes", Text, nullable=False),
    Column("events", Text, nullable=False),
    Column("links", Text, nullable=False),
    # An exporter that heard no answer sends its spans again.
    Index("spans_by_trace", "trace_id", "span_id", unique=True),
)
"""Times in nanoseconds since 1970, by the clock of the span's host."""

traces = Table(
    "traces",
    metadata,
    Column("trace_id", LargeBinary, primary_key=True),
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
    Column("spans", Integer, nullable=False),
    Column("errors", Integer, nullable=False),
    Column("root", Text, nullable=False),
    Column("last_span", Integer, nullable=False),
    Index("traces_by_last_span", "last_span"),
)
"""What is known of each trace as a whole. ``root`` is the name of the span without a parent, once it has come."""

subjects = Table(
    "subjects",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Column("trace_id", LargeBinary, primary_key=True),
    Column("last_span", Integer, nullable=False),
    Index("subjects_by_last_span", "last_span"),
    sqlite_with_rowid=False,
)
"""Which traces speak of an offer or a task."""


class StoreFault(OperatingFault):
    """The file cannot be read or written; the text names it."""


class Claim:
    """The right to write to a file, held until it is let go or the program ends.

    Raises:
        StoreFault: another program holds it.
    """

    def __init__(self, path: Path) -> None:
        lock = path.with_suffix(".lock")
        try:
            self._descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreFault(f"cannot open {lock}: {error.strerror}") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            raise StoreFault(f"another trace store has {path}; stop it, or name another --work_dir") from error

    def let_go(self) -> None:
        os.close(self._descriptor)


def open_file(path: Path) -> Engine:
    """The database, its tables made where it is new.

    Raises:
        StoreFault: it is no database, cannot be written, or was written by a newer version of this program.
    """
    engine = create_engine(
        f"sqlite:///{path}",
        # Readers come and go on other threads; each connection is used by one at a time.
        poolclass=NullPool,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
        hide_parameters=True,
    )
    event.listen(engine, "connect", _on_connect)
    try:
        with engine.begin() as connection:
            version = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
            if version > VERSION:
                raise StoreFault(f"{path} is of version {version}, and this program knows {VERSION}: use a newer one")
            metadata.create_all(connection)
            connection.exec_driver_sql(f"PRAGMA user_version = {VERSION}")
    except DBAPIError as error:
        engine.dispose()
        raise StoreFault(f"cannot use {path}: {error.orig}; move it away to begin with an empty one") from error
    return engine


def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    # A crash of the machine may cost the last seconds of traces, and never the file.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA journal_size_limit = 16777216")
