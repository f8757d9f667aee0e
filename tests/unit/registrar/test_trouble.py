"""What goes wrong with a database is said in a sentence with the remedy, and nothing is lost (M-HA-04, M-HA-14)."""

from __future__ import annotations

import gc
import sqlite3
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from mesos_service.core.registry.registry import Registry
from mesos_service.registrar import backends, rows
from mesos_service.registrar.interface import Deposed, RegistryFault
from mesos_service.registrar.schema import MIGRATIONS, upgrade
from mesos_service.registrar.tables import METADATA
from mesos_service.registrar.url import FILE_NAME, file_url, parse_url
from tests.support.postgresql import MakePostgreSQL, PostgreSQL
from tests.support.tcp_proxy import TcpProxy
from tests.unit.registrar.conftest import OpenStore
from tests.unit.registrar.stores import SECONDS, STORED, Halt, admit

REVISIONS = [one.revision for one in ScriptDirectory(str(MIGRATIONS)).walk_revisions()]


@pytest.mark.parametrize("revision", REVISIONS)
def test_every_older_schema_is_brought_up_to_date(registry_url: str, open_store: OpenStore, revision: str) -> None:
    with backends.open_backend(parse_url(registry_url)).engine.begin() as connection:
        upgrade(connection, revision)
    store = open_store(registry_url)
    store.take(None, "me", SECONDS)
    store.write(STORED, SECONDS)
    with backends.open_backend(parse_url(registry_url)).engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert context.get_current_heads() == (REVISIONS[0],)
        # Comments on columns are for readers of the code, and not in the database.
        found = compare_metadata(context, METADATA)
        assert [one for one in found if "comment" not in str(one)] == []


def test_m_ha_14_an_older_master_refuses_a_newer_registry(registry_url: str, open_store: OpenStore) -> None:
    open_store(registry_url).take(None, "older", SECONDS)
    with backends.open_backend(parse_url(registry_url)).engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'r9999'"))
    with pytest.raises(RegistryFault, match=r"revision r9999.*newer mesos-service.*nothing was changed"):
        open_store(registry_url).take(None, "late", SECONDS)
    with backends.open_backend(parse_url(registry_url)).engine.connect() as connection:
        assert connection.scalar(text("SELECT leader FROM leadership")) == "older"


def test_two_masters_that_start_at_once_make_the_schema_once(registry_url: str, open_store: OpenStore) -> None:
    barrier = threading.Barrier(3)

    def start(number: int) -> None:
        store = open_store(registry_url)
        barrier.wait(SECONDS)
        store.take(None, str(number), SECONDS)

    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(start, number) for number in range(3)]:
            done.result(2 * SECONDS)
    with backends.open_backend(parse_url(registry_url)).engine.connect() as connection:
        assert connection.scalar(text("SELECT epoch FROM leadership")) == 3


@pytest.mark.parametrize(
    ("table", "column"), [("admitted_agents", "description"), ("frameworks", "info")], ids=["agent", "framework"]
)
@pytest.mark.parametrize("damage", ["{", "{}", "[]", '{"info":{"hostname":3}}'])
def test_a_row_that_cannot_be_understood_is_named_and_kept(
    registry_url: str, open_store: OpenStore, table: str, column: str, damage: str
) -> None:
    first = open_store(registry_url)
    first.take(None, "first", SECONDS)
    first.write(STORED, SECONDS)
    engine = backends.open_backend(parse_url(registry_url)).engine
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {table} SET {column} = :damage"), {"damage": damage})
    with pytest.raises(RegistryFault, match=f"row '.' of table {table} cannot be understood.*Nothing was changed"):
        open_store(registry_url).take(None, "second", SECONDS)
    with engine.connect() as connection:
        assert connection.scalar(text(f"SELECT {column} FROM {table}")) == damage
        assert connection.scalar(text("SELECT leader FROM leadership")) == "first"


# -- SQLite ---------------------------------------------------------------------------------------------------------


def test_a_file_that_is_no_database_is_named_and_left_alone(tmp_path: Path, open_store: OpenStore) -> None:
    file = tmp_path / FILE_NAME
    file.write_bytes(b"not a database, by far" * 100)
    with pytest.raises(RegistryFault, match=rf"{file} is damaged.*Nothing was changed; restore it from a backup"):
        open_store(file_url(tmp_path)).take(None, "me", SECONDS)
    assert file.read_bytes() == b"not a database, by far" * 100


def test_a_file_that_is_damaged_within_is_named(tmp_path: Path, open_store: OpenStore) -> None:
    first = open_store(file_url(tmp_path))
    first.take(None, "me", SECONDS)
    first.write([admit(str(number)) for number in range(200)], SECONDS)
    first.close()
    file = tmp_path / FILE_NAME
    content = bytearray(file.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    file.write_bytes(content)
    with pytest.raises(RegistryFault, match=rf"{file} is damaged"):
        open_store(file_url(tmp_path)).take(None, "me", SECONDS)
    assert file.read_bytes() == content


def test_a_directory_that_is_not_there_is_named(tmp_path: Path, open_store: OpenStore) -> None:
    with pytest.raises(RegistryFault, match="cannot be opened; see that its directory is there"):
        open_store(file_url(tmp_path / "no")).take(None, "me", SECONDS)


def test_a_file_that_cannot_be_written_is_named(
    tmp_path: Path, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's own refusal, of a connection that may only read: root could write to any file."""
    store = open_store(file_url(tmp_path))
    store.take(None, "me", SECONDS)
    store._connect().exec_driver_sql("PRAGMA query_only = ON")
    store._connect().rollback()
    with pytest.raises(RegistryFault, match="cannot be written by this user; see to its owner and mode"):
        store.write([admit("a")], SECONDS)


def test_m_ha_04_a_file_that_another_holds_is_given_up_after_the_timeout(tmp_path: Path, open_store: OpenStore) -> None:
    store = open_store(file_url(tmp_path))
    store.take(None, "me", SECONDS)
    other = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(RegistryFault, match="another process holds its lock"):
        store.write([admit("a")], 0.2)
    other.close()
    store.write([admit("a")], SECONDS)


def test_a_full_disk_under_sqlite_loses_nothing_that_was_told(tmp_path: Path, open_store: OpenStore) -> None:
    """A limit on pages stands for the disk: SQLite meets the same end of room, SQLITE_FULL. What did not fit is told as
    a fault, and what was stored before is there."""
    store = open_store(file_url(tmp_path))
    store.take(None, "me", SECONDS)
    store.write([admit("a")], SECONDS)
    page_count = store._connect().exec_driver_sql("PRAGMA page_count").scalar_one()
    store._connect().exec_driver_sql(f"PRAGMA max_page_count = {page_count}")
    store._connect().rollback()
    with pytest.raises(RegistryFault, match=r"is full; nothing of what did not fit was stored\. Make room"):
        store.write([admit(str(number)) for number in range(1000)], SECONDS)
    again = open_store(file_url(tmp_path))
    assert set(again.take(None, "me", SECONDS).admitted) == {"a"}


# -- PostgreSQL -----------------------------------------------------------------------------------------------------


def test_a_wrong_password_is_told_at_once_and_not_repeated(postgresql: PostgreSQL, open_store: OpenStore) -> None:
    url = postgresql.plain_url("postgres", password="wrongsecret")
    with pytest.raises(RegistryFault, match="check user and password in --registry") as raised:
        open_store(url).take(None, "me", 1000 * SECONDS)
    assert "wrongsecret" not in str(raised.value)


def test_a_database_that_is_not_there_is_told_at_once(postgresql: PostgreSQL, open_store: OpenStore) -> None:
    with pytest.raises(RegistryFault, match="create the database, or correct its name"):
        open_store(postgresql.plain_url("nowhere")).take(None, "me", 1000 * SECONDS)


def test_a_database_of_another_encoding_is_refused(postgresql: PostgreSQL, open_store: OpenStore) -> None:
    url = postgresql.plain_url(postgresql.create_database("LATIN1"))
    with pytest.raises(RegistryFault, match="encoding is LATIN1; create the database with ENCODING 'UTF8'"):
        open_store(url).take(None, "me", SECONDS)


def test_m_ha_04_a_lock_that_is_held_is_given_up_after_the_timeout(postgresql_url: str, open_store: OpenStore) -> None:
    store = open_store(postgresql_url)
    store.take(None, "me", SECONDS)
    with psycopg.connect(postgresql_url) as other:
        other.execute("SELECT * FROM leadership FOR UPDATE")
        with pytest.raises(RegistryFault, match=r"pg_stat_activity|slower than"):
            store.write([admit("a")], 0.3)
        with pytest.raises(RegistryFault, match=r"pg_stat_activity|slower than"):
            open_store(postgresql_url).take(None, "other", 0.3)
    store.write([admit("a")], SECONDS)


def test_a_server_that_is_not_up_yet_is_waited_for(make_postgresql: MakePostgreSQL, open_store: OpenStore) -> None:
    server = make_postgresql()
    url = server.plain_url(server.create_database())
    server.stop()
    with ThreadPoolExecutor() as pool:
        taking = pool.submit(open_store(url).take, None, "me", SECONDS)
        with pytest.raises(TimeoutError):
            taking.result(0.2)
        server.start()
        assert not taking.result(2 * SECONDS).admitted


def test_a_server_that_crashes_within_a_batch_gets_it_again(
    make_postgresql: MakePostgreSQL, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = make_postgresql()
    url = server.plain_url(server.create_database())
    store = open_store(url)
    store.take(None, "me", SECONDS)
    store.write([admit("a")], SECONDS)
    halt = Halt(monkeypatch)
    with ThreadPoolExecutor() as pool:
        writing = pool.submit(store.write, [admit("b"), admit("c")], SECONDS)
        assert halt.reached.wait(SECONDS)
        server.crash()
        halt.go.set()
        server.start()
        writing.result(2 * SECONDS)
    assert set(open_store(url).take(None, "next", SECONDS).admitted) == {"a", "b", "c"}


def test_what_was_read_on_a_connection_that_broke_is_let_go(
    postgresql: PostgreSQL, postgresql_url: str, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It breaks as the registry is read; the next attempt has it, and no cursor is left to be complained of."""
    store = open_store(postgresql_url)
    load = rows.load
    loads: list[int] = []

    def broken_once(connection: Connection) -> Registry:
        loads.append(connection.scalar(text("SELECT pg_backend_pid()")) or 0)
        if len(loads) == 1:
            with postgresql.connect() as other:
                other.execute("SELECT pg_terminate_backend(%s)", loads)
        return load(connection)

    monkeypatch.setattr(rows, "load", broken_once)
    with warnings.catch_warnings(record=True) as complaints:
        warnings.simplefilter("always")
        assert not store.take(None, "me", SECONDS).admitted
        gc.collect()
    assert (len(loads), [str(one.message) for one in complaints]) == (2, [])


Break = Callable[[TcpProxy, Callable[[], None]], None]


def _before(proxy: TcpProxy, commit: Callable[[], None]) -> None:
    proxy.reset()
    commit()


def _after(proxy: TcpProxy, commit: Callable[[], None]) -> None:
    commit()
    proxy.reset()
    raise psycopg.OperationalError("server closed the connection unexpectedly")


@pytest.mark.parametrize("broken", [_before, _after], ids=["not through", "through"])
@pytest.mark.parametrize("deposed", [False, True])
def test_x25_a_commit_without_an_answer_is_looked_up(
    postgresql: PostgreSQL,
    postgresql_url: str,
    open_store: OpenStore,
    monkeypatch: pytest.MonkeyPatch,
    broken: Break,
    deposed: bool,
) -> None:
    """The connection breaks as the commit is on its way: the store finds out if it went through, and does it once."""
    with TcpProxy(postgresql.port) as proxy:
        store = open_store(postgresql_url.replace(f":{postgresql.port}/", f":{proxy.port}/"))
        store.take(1, "me", SECONDS)
        commit = psycopg.Connection.commit
        broke: list[bool] = []
        writes: list[int] = []
        write = rows.write

        def commit_once_broken(connection: psycopg.Connection) -> None:
            if broke or connection.info.port != proxy.port:
                commit(connection)
                return
            broke.append(True)
            try:
                broken(proxy, lambda: commit(connection))
            finally:
                if deposed:
                    open_store(postgresql_url).take(2, "other", SECONDS)

        def counted(*arguments: object) -> None:
            writes.append(1)
            write(*arguments)  # type: ignore[arg-type]  # handed on as they came

        monkeypatch.setattr(psycopg.Connection, "commit", commit_once_broken)
        monkeypatch.setattr(rows, "write", counted)
        if deposed:
            with pytest.raises(Deposed):
                store.write([admit("a")], SECONDS)
        else:
            store.write([admit("a")], SECONDS)
            assert len(writes) == (2 if broken is _before else 1)
            store.write([admit("b")], SECONDS)
            assert set(open_store(postgresql_url).take(3, "next", SECONDS).admitted) == {"a", "b"}
        assert broke


class Refusing:
    """A connection to a new SQLite file which somebody else opens at the same moment."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.said: list[str] = []

    def execute(self, statement: str) -> None:
        if "journal_mode" in statement and self.refusals:
            self.refusals -= 1
            refusal = sqlite3.OperationalError("database is locked")
            refusal.sqlite_errorname = "SQLITE_BUSY"
            raise refusal
        self.said.append(statement)


def test_of_two_who_open_a_new_file_at_once_none_is_turned_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite does not wait there, whatever its time limit."""
    monkeypatch.setattr(backends, "BUSY_PAUSE_SECONDS", 0.0)
    backend = backends.SqliteBackend(parse_url(file_url(tmp_path)))
    backend.limit(60.0)
    patient = Refusing(3)
    backend._on_connect(patient, None)  # type: ignore[arg-type] # all that is asked of it
    assert patient.said[1:3] == ["PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL"]
    backend.limit(0.0)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        backend._on_connect(Refusing(1), None)  # type: ignore[arg-type] # as above
