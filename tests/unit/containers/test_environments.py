"""A process that holds up whoever reads its memory holds up nobody who matters (M-AG-02)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from mesos_service.containers.environments import Environments, environment_of
from tests.support.waiting import PATIENCE, until

MARK = b"\0NAME=value\0"
SECONDS_MAX = 0.1 * PATIENCE


def test_m_ag_02_who_carries_a_mark_is_known_and_who_is_gone_carries_none() -> None:
    environments = Environments()
    process = subprocess.Popen(["sleep", "1000"], env={"FIRST": "1", "NAME": "value", "LAST": "2"})
    try:
        until("its environment is its own", lambda: environments.carries(process.pid, 1, MARK))
        assert not environments.carries(process.pid, 1, b"\0NAME=val\0")
        assert not environments.carries(process.pid, 1, b"\0AME=value\0")
    finally:
        process.kill()
        process.wait()
    assert not environments.carries(process.pid, 1, MARK)
    assert environment_of(process.pid) == b""


def test_m_ag_02_who_is_held_up_is_given_up_and_others_are_read(tmp_path: Path) -> None:
    """Pipes that nobody writes to stand for memory that nobody fills."""
    for pid in range(12):
        os.mkfifo(tmp_path / str(pid))
    read: list[int] = []

    def slow(pid: int) -> bytes:
        read.append(pid)
        return (tmp_path / str(pid)).read_bytes() if pid < 100 else MARK

    threads = threading.active_count()
    environments = Environments(slow, SECONDS_MAX)
    assert not environments.carries(0, 7, MARK)
    until("it was asked", lambda: read == [0])
    until("others are read by another", lambda: environments.carries(100, 7, MARK))
    assert not environments.carries(0, 7, MARK)
    assert read == [0, 100], "and it is not asked again"
    for pid in range(1, 12):
        environments.carries(pid, 7, MARK)
    assert threading.active_count() <= threads + 8
    assert not environments.carries(101, 7, MARK), "enough are held up"
    assert 101 not in read
    for pid in sorted({one for one in read if one < 100}):
        (tmp_path / str(pid)).write_bytes(MARK)
    until("they have come back", lambda: threading.active_count() <= threads)
    until("others are read", lambda: environments.carries(101, 7, MARK))
    assert environments.carries(0, 7, MARK), "what came late is heard"
    assert read.count(0) == 1
    assert not environments.carries(0, 8, MARK)
    until("it is asked again, as a number may be another's by now", lambda: read[-1] == 0)
    (tmp_path / "0").write_bytes(MARK)


def test_m_ag_02_who_is_slow_is_asked_once_and_all_of_them_cost_little() -> None:
    """Those who are just quick enough not to be given up would hold up the agent for as long as there are many."""
    now = 0.0
    read: list[int] = []
    let_go = threading.Event()

    def slow(pid: int) -> bytes:
        nonlocal now
        read.append(pid)
        if pid < 1000:
            now += 0.4
        else:
            let_go.wait()
        return MARK

    environments = Environments(slow, 3600.0, clock=lambda: now)
    for _ in range(3):
        for pid in range(20):
            assert environments.carries(pid, 7, MARK)
            assert not environments.carries(pid, 7, b"\0NAME=other\0")
    assert read == [*range(20)]
    # They have had what there is for such as they are.
    assert not environments.carries(1000, 7, MARK)
    let_go.set()
    until("it is heard late", lambda: environments.carries(1000, 7, MARK))
    assert read == [*range(20), 1000]


STANDS_STILL = """
import os, signal
from mesos_service.containers.environments import Environments

def read(pid):
    os.kill(os.getpid(), signal.SIGSTOP)
    return b"NAME=value\\0"

print(Environments(read, 0.1).carries(1, 1, b"\\0NAME=value\\0"))
"""


def test_m_ag_02_a_machine_that_stands_still_is_nobody_who_holds_up() -> None:
    """All of the agent is stopped while it reads, for longer than it waits; whose the process is it knows then."""
    with subprocess.Popen([sys.executable, "-c", STANDS_STILL], stdout=subprocess.PIPE, text=True) as agent:
        try:
            process = psutil.Process(agent.pid)
            until("it stands still", lambda: process.status() == psutil.STATUS_STOPPED)
            over = time.monotonic() + 0.3
            until("its patience is over", lambda: time.monotonic() > over)
            process.send_signal(signal.SIGCONT)
            assert agent.communicate(timeout=60)[0] == "True\n"
        finally:
            agent.kill()


def test_m_ag_02_what_cannot_be_read_carries_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def fails(pid: int) -> bytes:
        raise OSError(5, "Input/output error")

    assert not Environments(fails).carries(4711, 1, MARK)
    assert "The environment of process 4711 cannot be read" in caplog.text
