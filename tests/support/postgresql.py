"""Real PostgreSQL servers on loopback, which can be killed and frozen.

Debian's package brings the programs (``scripts/install_real_parts.sh``); the tests start servers themselves, with their
data in a directory of their own, and end what they have started.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import psutil
import psycopg
import pytest
from psycopg import sql

from tests.support.ports import fixed_port
from tests.support.waiting import until

USER: Final = "mesos"
_START_SECONDS_MAX: Final = 60.0


def programs() -> Path | None:
    """Where the newest installed server's programs are; ``None`` when there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    return found[-1].parent if found else None


def _account() -> str | None:
    """Who runs the server: PostgreSQL refuses to run as root, so then it is somebody without rights."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


class PostgreSQL:
    """One server, not yet started. Its port stays the same over restarts."""

    def __init__(self, directory: Path) -> None:
        """``directory`` must be one that the server's account can reach, which those of pytest are not for root."""
        found = programs()
        assert found is not None, "it is installed"
        self._programs = found
        self._account = _account()
        self._data = directory / "data"
        self._log = directory / "log"
        self._password = secrets.token_hex(8)
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self.port = fixed_port()
        if self._account is not None:
            shutil.chown(directory, self._account)
        self._initialise(directory)

    def _initialise(self, directory: Path) -> None:
        password = directory / "password"
        password.write_text(self._password)
        password.chmod(0o644)
        arguments = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-instructions", "--no-sync"]
        subprocess.run(
            [
                self._programs / "initdb",
                f"--pgdata={self._data}",
                f"--username={USER}",
                f"--pwfile={password}",
                *arguments,
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            user=self._account,
            cwd=directory,
        )
        password.unlink()

    def start(self) -> None:
        """Start it, and wait until it serves."""
        assert not self.running, "it runs already"
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "shared_buffers": "16MB",
            "max_connections": "40",
        }
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._programs / "postgres",
                    "-D",
                    self._data,
                    *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self._account,
                cwd=self._data,
                start_new_session=True,
            )
        until("PostgreSQL serves", self._serves, _START_SECONDS_MAX)

    def _serves(self) -> bool:
        assert self.running, f"PostgreSQL ended at its start:\n{self.log_end()}"
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        """A connection of the test's own, in autocommit."""
        return psycopg.connect(self.plain_url(database), autocommit=True, connect_timeout=5)

    def plain_url(self, database: str, *, port: int | None = None, password: str | None = None) -> str:
        """``postgresql://user:password@127.0.0.1:port/database``; ``port`` may be that of a proxy."""
        return f"postgresql://{USER}:{password or self._password}@127.0.0.1:{port or self.port}/{database}"

    def create_database(self, encoding: str = "UTF8") -> str:
        """A new empty database; its name."""
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        with self.connect() as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} ENCODING {} TEMPLATE template0").format(
                    sql.Identifier(name), sql.Literal(encoding)
                )
            )
        return name

    def empty_database(self, name: str) -> None:
        """Make an existing database as good as new: much quicker than another one, which is 300 files."""
        with self.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
                [name],
            )
        with self.connect(name) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")

    def stop(self) -> None:
        """End it in order, without waiting for clients."""
        self._end(signal.SIGINT)

    def crash(self) -> None:
        """End it at once, as a loss of power would: what was committed is in the log, and recovered by ``start``."""
        self._end(signal.SIGQUIT)

    def freeze(self) -> None:
        """Stop it and its sessions where they stand: connections stay open, and nobody answers on them."""
        for process in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):  # A worker that has done its work.
                process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let all go on."""
        for process in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)

    def log_end(self, lines: int = 30) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:]) if self._log.exists() else ""

    def _family(self) -> list[psutil.Process]:
        if self._process is None or self._process.poll() is not None:
            return []
        head = psutil.Process(self._process.pid)
        return [head, *head.children(recursive=True)]

    def _end(self, how: signal.Signals) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(how)
        self.thaw()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            # The server's own word to its sessions to end at once; SIGKILL would leave them behind.
            process.send_signal(signal.SIGQUIT)
            process.wait(60)


@contextlib.contextmanager
def running_postgresql() -> Iterator[PostgreSQL]:
    """A server of one's own, with its directory, both gone afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="mesos-postgresql-"))
    try:
        server = PostgreSQL(directory)
        try:
            server.start()
            yield server
        finally:
            # Its data are thrown away: an end in order would first write all of them to the disk.
            server.crash()
    finally:
        shutil.rmtree(directory)


def needs_postgresql() -> None:
    """Leaves the test out where PostgreSQL is not installed; ``make test`` says so then."""
    if programs() is None:
        pytest.skip("real part not installed: PostgreSQL")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """One server, shared by all tests of a worker: use a database of your own, and leave the server in peace."""
    needs_postgresql()
    with running_postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def postgresql_database(postgresql: PostgreSQL) -> str:
    """The name of the database of ``postgresql_url``."""
    return postgresql.create_database()


@pytest.fixture
def postgresql_url(postgresql: PostgreSQL, postgresql_database: str) -> str:
    """The URL of an empty database, the test's own for as long as it lasts."""
    postgresql.empty_database(postgresql_database)
    return postgresql.plain_url(postgresql_database)


MakePostgreSQL = Callable[[], PostgreSQL]


@pytest.fixture
def make_postgresql() -> Iterator[MakePostgreSQL]:
    """Makes and starts servers of the test's own, to be killed and frozen."""
    needs_postgresql()
    with contextlib.ExitStack() as stack:
        yield lambda: stack.enter_context(running_postgresql())
