"""Every write to the registry, told by the database itself: who led by then, in which epoch.

A trigger writes down each change of the row that says who may write; it is within the transaction of the change, under
that row's lock, so that its order is the order of commits.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tests.faults.checker import Write
from tests.support.postgresql import PostgreSQL


class PostgreSQLAudit:
    """Watches one database from :meth:`begin` on, which needs the registry's tables to be there."""

    def __init__(self, server: PostgreSQL, database: str) -> None:
        self._server = server
        self._database = database

    def begin(self) -> None:
        with self._server.connect(self._database) as connection:
            connection.execute("CREATE TABLE audit (number BIGSERIAL, epoch BIGINT, leader TEXT)")
            connection.execute(
                "CREATE FUNCTION note_write() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN INSERT INTO audit (epoch, leader) VALUES (NEW.epoch, NEW.leader); RETURN NEW; END $$"
            )
            connection.execute(
                "CREATE TRIGGER note_write AFTER UPDATE ON leadership FOR EACH ROW EXECUTE FUNCTION note_write()"
            )

    def writes(self) -> list[Write]:
        with self._server.connect(self._database) as connection:
            rows = connection.execute("SELECT epoch, leader FROM audit ORDER BY number").fetchall()
        return [Write(epoch, leader) for epoch, leader in rows]


class SQLiteAudit:
    """The same for a file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def begin(self) -> None:
        with sqlite3.connect(self._file, timeout=10) as connection:
            connection.execute("CREATE TABLE audit (number INTEGER PRIMARY KEY, epoch INTEGER, leader TEXT)")
            connection.execute(
                "CREATE TRIGGER note_write AFTER UPDATE ON leadership"
                " BEGIN INSERT INTO audit (epoch, leader) VALUES (NEW.epoch, NEW.leader); END"
            )
        connection.close()

    def writes(self) -> list[Write]:
        connection = sqlite3.connect(self._file, timeout=10)
        try:
            rows = connection.execute("SELECT epoch, leader FROM audit ORDER BY number").fetchall()
        finally:
            connection.close()
        return [Write(epoch, leader) for epoch, leader in rows]
