"""``mesos-service local`` as a user starts it: in one process and in several, until Ctrl-C (M-CL-03, M-HA-15)."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from operator import attrgetter

import httpx
import psutil
import pytest

from tests.support.waiting import until

COMMAND = [sys.executable, "-m", "mesos_service.cli.main"]
TERMINAL = ("env", "--default-signal=HUP")
"""Closing it ends what runs in it, even where these tests run under ``nohup``."""
LOCAL = [*COMMAND, "local", "--port=0", "--agents=2", "--logging_level=WARNING"]


@contextmanager
def started(*flags: str, through: tuple[str, ...] = TERMINAL) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command and its master's address, once it has told it."""
    process = subprocess.Popen([*through, *LOCAL, *flags], stderr=subprocess.PIPE, text=True)
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
        agents = httpx.get(f"http://{master}/slaves", timeout=60).json()["slaves"]
        assert [agent["active"] for agent in agents] == [True, True]
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) == services
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert psutil.wait_procs(children, timeout=60)[1] == [], "a service outlived its cluster"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=attrgetter("name"))
def test_m_cl_03_whatever_ends_local_ends_its_tasks_too_be_it_that_its_terminal_is_closed(
    number: signal.Signals,
) -> None:
    with (
        started() as (process, master),
        subprocess.Popen(
            [*COMMAND, "run", "--master", master, "--", "echo $$; exec sleep 1000"], stdout=subprocess.PIPE, text=True
        ) as run,
    ):
        try:
            assert run.stdout is not None
            task = psutil.Process(int(run.stdout.readline()))
            parent = task.parent()
            assert parent is not None, "somebody keeps it"
            process.send_signal(number)
            assert process.wait(60) == 0
            assert psutil.wait_procs([task, parent], timeout=60)[1] == [], "what it started outlived it"
        finally:
            run.kill()


def test_m_cl_03_local_outlives_its_terminal_where_somebody_wants_that() -> None:
    with started(through=("nohup",)) as (process, master):
        process.send_signal(signal.SIGHUP)
        assert httpx.get(f"http://{master}/health", timeout=60).status_code == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=attrgetter("name"))
def test_a_demo_that_is_ended_leaves_nothing(number: signal.Signals) -> None:
    with subprocess.Popen([*COMMAND, "demo"], stdout=subprocess.PIPE, text=True) as demo:
        try:
            assert demo.stdout is not None
            assert demo.stdout.readline().startswith("A master at ")
            kept = until("a task runs", lambda: psutil.Process(demo.pid).children(recursive=True))
            demo.send_signal(number)
            assert demo.wait(60) == 130
            assert psutil.wait_procs(kept, timeout=60)[1] == [], "what it started outlived it"
        finally:
            demo.kill()
