"""``mesos-service local`` as a user starts it: in one process and in several, until Ctrl-C (M-CL-03, M-HA-15)."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psutil
import pytest

LOCAL = [sys.executable, "-m", "mesos_service.cli.main", "local", "--port=0", "--agents=2", "--logging_level=WARNING"]


@contextmanager
def started(*flags: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command and its master's address, once it has told it."""
    process = subprocess.Popen([*LOCAL, *flags], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.match(r"master +http://(\S+)", line):
                yield process, found[1]
                return
        raise AssertionError(f"it ended with {process.wait()} before it told where it is")
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("flags", "services"), [((), 0), (("--processes",), 3)])
def test_m_cl_03_local_runs_a_cluster_until_it_is_interrupted(flags: tuple[str, ...], services: int) -> None:
    with started(*flags) as (process, master):
        agents = httpx.get(f"http://{master}/slaves").json()["slaves"]
        assert [agent["active"] for agent in agents] == [True, True]
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) == services
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert psutil.wait_procs(children, timeout=5)[1] == [], "a service outlived its cluster"
