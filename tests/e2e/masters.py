"""A master in a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen


@contextmanager
def master(port: int, flags: dict[str, object], log: Path) -> Iterator[Popen[bytes]]:
    given = [f"--{name}={value}" for name, value in {"ip": "127.0.0.1", "port": port, **flags}.items()]
    with log.open("wb") as out:
        process = Popen([str(Path(sys.executable).with_name("mesos-service")), "master", *given], stderr=out)
    try:
        yield process
    finally:
        process.terminate()
        assert process.wait(60) == 0
