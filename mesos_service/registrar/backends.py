"""What SQLite and PostgreSQL do differently: connecting, limits of time, keeping others out, and what went wrong."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
from sqlalchemy import (
    JSON,
    Connection,
    Engine,
    Table,
    Text,
    bindparam,
    cast,
    column,
    create_engine,
    event,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from mesos_service.domain.errors import ConfigurationError
from mesos_service.registrar.interface import RegistryFault
from mesos_service.registrar.rows import Columns

CONNECT_SECONDS_MAX: Final = 5
"""For one attempt to reach a PostgreSQL server."""

BUSY_PAUSE_SECONDS: Final = 0.01
"""Between attempts where SQLite itself does not wait."""

LOG_BYTES_MAX: Final = 4 * 1024 * 1024
"""Of SQLite's write-ahead log, past which it is moved into the file: as much as SQLite itself lets it grow to."""

IDLE_IN_TRANSACTION_SECONDS_MAX: Final = 10
"""A writer says what it has to say at once. One that stops in the middle was frozen, and PostgreSQL then takes its
locks away, so that the next leader need not wait for it."""

_ADVISORY_LOCK: Final = 0x6D65736F73  # "mesos"


class Backend(Protocol):
    """One kind of database."""

    engine: Engine
    is_shared: bool
    """Whether others may read while one writes, from other hosts even."""

    def limit(self, seconds: float) -> None:
        """Let the transaction that begins next wait no longer than so for anything."""
        ...

    def begin(self, connection: Connection) -> None:
        """Prepare the transaction that has just begun."""
        ...

    def keep_others_out(self, connection: Connection) -> None:
        """Until the transaction ends, nobody else takes the registry or changes its schema."""
        ...

    def insert(self, connection: Connection, table: Table, rows: Sequence[Columns]) -> None:
        """Write new rows, each with a value for every column."""
        ...

    def settle(self, connection: Connection) -> None:
        """What may wait until everything stored was told; between transactions.

        Raises:
            RegistryFault: it could not be done now. Nothing is lost by that.
        """
        ...

    def passes(self, error: DBAPIError) -> bool:
        """Whether trying again may help."""
        ...

    def explain(self, error: DBAPIError) -> str:
        """What went wrong and what helps, as the end of a sentence that began with the registry's URL."""
        ...


def open_backend(url: URL) -> Backend:
    """The backend for a URL that ``parse_url`` has made. Connects to nothing.

    Raises:
        ConfigurationError: its driver is not installed.
    """
    try:
        return SqliteBackend(url) if url.drivername == "sqlite" else PostgresqlBackend(url)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"--registry: the driver '{error.name}' is not installed; install mesos-service with its dependencies, or"
            " 'pip install psycopg[binary]'"
        ) from error


class SqliteBackend:
    """A file beside its master. WAL, and each commit is on the disk before it is told (``synchronous=FULL``)."""

    is_shared = False

    def __init__(self, url: URL) -> None:
        self._path = url.database or ""
        self._seconds = 0.0
        # isolation_level None: the driver would begin transactions by itself, late and without the write lock.
        self.engine = create_engine(
            url, poolclass=NullPool, connect_args={"isolation_level": None, "timeout": 1}, hide_parameters=True
        )
        event.listen(self.engine, "connect", self._on_connect)
        event.listen(self.engine, "begin", self._on_begin)

    def _on_connect(self, connection: sqlite3.Connection, _record: object) -> None:
        connection.execute(f"PRAGMA busy_timeout = {self._milliseconds()}")
        self._use_wal(connection)
        connection.execute("PRAGMA synchronous = FULL")
        # A commit is durable in the log; moving it into the file, with what the disk takes for it, waits for settle().
        connection.execute("PRAGMA wal_autocheckpoint = 0")

    def _use_wal(self, connection: sqlite3.Connection) -> None:
        """Of two who open a new file at once SQLite refuses one, whatever its time limit, as both hold what the other
        wants; a moment later the file is what both want it to be."""
        deadline = time.monotonic() + self._seconds
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() >= deadline:
                    raise
                time.sleep(BUSY_PAUSE_SECONDS)
            else:
                return

    def _on_begin(self, connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {self._milliseconds()}")
        # IMMEDIATE takes the write lock: a transaction that begins by reading may find it gone when it comes to write.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    def _milliseconds(self) -> int:
        return max(1, int(self._seconds * 1000))

    def limit(self, seconds: float) -> None:
        self._seconds = seconds

    def begin(self, connection: Connection) -> None:
        """Everything was said when it began."""

    def keep_others_out(self, connection: Connection) -> None:
        """Whoever has begun has the only write lock."""

    def insert(self, connection: Connection, table: Table, rows: Sequence[Columns]) -> None:
        """Straight by the driver: what SQLAlchemy looks at for each row takes as long as SQLite's own work."""
        names = table.c.keys()
        values = ", ".join("?" * len(names))
        connection.exec_driver_sql(f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({values})", list(rows))

    def settle(self, connection: Connection) -> None:
        """Move a log that has grown into the file, and cut it: so its size says how much of it is new."""
        try:
            if Path(f"{self._path}-wal").stat().st_size < LOG_BYTES_MAX:
                return
            raw: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]  # Ours.
            # Not by SQLAlchemy, which would begin a transaction. Somebody who reads the file is not waited for.
            raw.execute("PRAGMA busy_timeout = 0")
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except (OSError, sqlite3.Error) as error:
            raise RegistryFault(f"its log cannot be moved into {self._path} yet: {error}") from error

    def passes(self, error: DBAPIError) -> bool:
        """SQLite itself waits for a lock; nothing else passes."""
        return False

    def explain(self, error: DBAPIError) -> str:
        name = str(getattr(error.orig, "sqlite_errorname", ""))
        path = self._path
        said = str(error.orig)
        if name.startswith("SQLITE_BUSY"):
            return "another process holds its lock and does not let go; one master at a time may use the file"
        if name.startswith("SQLITE_FULL"):
            return f"the disk under {path} is full; nothing of what did not fit was stored. Make room and start again"
        if name.startswith("SQLITE_READONLY"):
            return f"{path} cannot be written by this user; see to its owner and mode, and to those of its directory"
        if name.startswith("SQLITE_CANTOPEN"):
            return f"{path} cannot be opened; see that its directory is there and that this user may write to both"
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            return (
                f"{path} is damaged, or no SQLite database ({said}). Nothing was changed; restore it from a backup, or"
                " move it away to begin with an empty registry, where agents register again"
            )
        if name.startswith("SQLITE_IOERR"):
            return f"the disk under {path} failed ({name}: {said})"
        return said


_REFUSALS: Final = {
    "password authentication failed": "28P01",
    "no password supplied": "28P01",
    "no pg_hba.conf entry": "28000",
    "role ": "28000",
    "database ": "3D000",
}
"""Beginnings of what a server says when it refuses a connection, which comes without an error code."""

_REMEDIES: Final = {
    "28P01": "check user and password in --registry",
    "28000": "check the user in --registry, and what the server's pg_hba.conf lets in",
    "3D000": "create the database, or correct its name in --registry",
    "42501": "the user needs the rights to create tables in the database's schema, and to change them",
    "25006": "the server only reads: it is a standby, or being taken over",
    "53100": "make room on the server's disk",
    "55P03": "another session holds a lock for longer than the registry's timeout; look at pg_stat_activity",
    "57014": "the server was slower than the registry's timeout",
}

_PASSING: Final = frozenset({"25006", "25P03", "40001", "40P01", "53300", "57P01", "57P02", "57P03"})
"""A standby that is being promoted, an idle transaction cut off, a deadlock, too many connections, a restart."""


def _close_cursor(failure: ExceptionContext) -> None:
    """SQLAlchemy leaves that of a connection which broke to whoever collects garbage, where psycopg complains of it."""
    context = failure.execution_context
    if failure.is_disconnect and context is not None and context.cursor is not None:
        context.cursor.close()


class PostgresqlBackend:
    """A server that several masters share, one of which writes."""

    is_shared = True

    def __init__(self, url: URL) -> None:
        defaults: dict[str, Any] = {  # Any: parameters of libpq are texts and numbers.
            "connect_timeout": CONNECT_SECONDS_MAX,
            "application_name": "mesos-service",
            "client_encoding": "utf8",
            # A server that vanished without a word is noticed within the store timeout.
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "tcp_user_timeout": 10_000,
        }
        given = {name: value for name, value in defaults.items() if name not in url.query}
        self._seconds = 0.0
        self.engine = create_engine(
            url, poolclass=NullPool, connect_args=given, use_native_hstore=False, hide_parameters=True
        )
        event.listen(self.engine, "handle_error", _close_cursor)

    def limit(self, seconds: float) -> None:
        self._seconds = seconds

    def begin(self, connection: Connection) -> None:
        """For this transaction only, so that it also holds behind a pooler of connections."""
        milliseconds = str(max(1, int(self._seconds * 1000)))
        connection.execute(
            text(
                "SELECT set_config('lock_timeout', :limit, true), set_config('statement_timeout', :limit, true),"
                " set_config('idle_in_transaction_session_timeout', :idle, true), set_config('synchronous_commit',"
                " CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'"
                " ELSE current_setting('synchronous_commit') END, true)"
            ),
            {"limit": milliseconds, "idle": str(int(IDLE_IN_TRANSACTION_SECONDS_MAX * 1000))},
        )

    def keep_others_out(self, connection: Connection) -> None:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        encoding = connection.scalar(text("SHOW server_encoding"))
        if encoding != "UTF8":
            raise RegistryFault(f"its encoding is {encoding}; create the database with ENCODING 'UTF8'")

    def insert(self, connection: Connection, table: Table, rows: Sequence[Columns]) -> None:
        """All of them as one JSON text, which takes a tenth of what rows of parameters cost this process.

        COPY would be faster yet for the server, but one whose client is frozen in the middle of it waits for ever, with
        its locks: neither the limit of a statement nor that of an idle transaction ends it.
        """
        sent = cast(bindparam("rows", type_=Text), JSON)
        new = func.json_to_recordset(sent).table_valued(*(column(one.name, one.type) for one in table.c))
        columns = select(new.render_derived(name="new", with_types=True))
        names = table.c.keys()
        named = [dict(zip(names, row, strict=True)) for row in rows]
        connection.execute(insert(table).from_select(names, columns), {"rows": msgspec.json.encode(named).decode()})

    def settle(self, connection: Connection) -> None:
        """The server sees to that."""

    def passes(self, error: DBAPIError) -> bool:
        code = _code(error)
        if code is None:
            # No code: the connection could not be made, or is gone.
            return True
        return error.connection_invalidated or code in _PASSING

    def explain(self, error: DBAPIError) -> str:
        code = _code(error)
        said = " ".join(str(error.orig).split())
        return f"{said}; {_REMEDIES[code]}" if code in _REMEDIES else said


def _code(error: DBAPIError) -> str | None:
    """PostgreSQL's SQLSTATE, or ``None`` when it said none."""
    code: str | None = getattr(error.orig, "sqlstate", None)
    if code is not None:
        return code
    _, fatal, said = str(error.orig).partition("FATAL:")
    if not fatal:
        return None
    return next((code for begin, code in _REFUSALS.items() if said.strip().startswith(begin)), None)
