"""A PostgreSQL server for the length of a benchmark, of the programs that are installed, on loopback."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mesos_service.local.ports import fixed_port


@contextmanager
def postgresql() -> Iterator[str | None]:
    """The URL of an empty database with PostgreSQL's own settings; ``None`` where it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: float(path.parts[-3]))
    if not found:
        yield None
        return
    programs = found[-1].parent
    # It refuses to run as root.
    names = {entry.pw_name for entry in pwd.getpwall()}
    account = None if os.geteuid() else ("postgres" if "postgres" in names else "nobody")
    directory = Path(tempfile.mkdtemp(prefix="mesos-bench-"))
    data, port = directory / "data", fixed_port()

    def call(*command: str | Path) -> None:
        subprocess.run(command, check=True, user=account, cwd=directory, stdout=subprocess.DEVNULL)

    try:
        if account is not None:
            shutil.chown(directory, account)
        call(programs / "initdb", "-D", data, "-U", "bench", "--auth=trust", "--encoding=UTF8", "--no-sync")
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories="
        call(programs / "pg_ctl", "-D", data, "-l", directory / "log", "-o", options, "-w", "start")
        try:
            yield f"postgresql://bench@127.0.0.1:{port}/postgres"
        finally:
            call(programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(directory)
