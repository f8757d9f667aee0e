"""What interrupts a module leaves nothing behind in the interpreter (N09)."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from mesos_service.core.watch import OutOfTime
from mesos_service.master import time_limit
from mesos_service.master.time_limit import TimeLimit
from tests.support.hanging import CLOCK, HANGS_SECONDS, hang

AFTER_AN_INTERRUPTION = """
import sys
from mesos_service.core.watch import OutOfTime
from mesos_service.master.time_limit import TimeLimit

limit = TimeLimit(0.05)
limit.begin()
try:
    while True:
        pass
except OutOfTime:
    pass
limit.end()

def called():
    return 1

sys.settrace(lambda frame, event, argument: None)
print(sum(called() for _ in range(1000)))
"""


def test_n09_code_can_be_traced_after_an_interruption() -> None:
    """An interruption that is taken back, instead of let in, keeps CPython 3.11 at the first traced call for ever."""
    done = subprocess.run(
        [sys.executable, "-c", AFTER_AN_INTERRUPTION], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "1000\n"


def interrupted(limit: TimeLimit) -> float:
    """A stretch in which somebody hangs; how long it took."""
    limit.begin()
    try:
        try:
            hang()
        finally:
            took = limit.end()
    except OutOfTime:
        return took


def test_n09_what_was_interrupted_once_may_take_its_time_again() -> None:
    limit = TimeLimit(0.05, CLOCK)
    try:
        for _ in range(3):
            assert interrupted(limit) == HANGS_SECONDS
            limit.begin()
            assert limit.end() == 0.0
    finally:
        limit.close()


def test_n09_an_interruption_that_somebody_else_swallowed_does_not_keep_the_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is raised in a callback of the garbage collector is printed, and goes no further."""
    raise_in = time_limit._raise_in
    swallowed = [1, 1]

    def raise_or_swallow(thread: int) -> None:
        if threading.current_thread() is threading.main_thread() and swallowed:
            swallowed.pop()
        else:
            raise_in(thread)

    monkeypatch.setattr(time_limit, "_raise_in", raise_or_swallow)
    limit = TimeLimit(0.05, CLOCK)
    try:
        interrupted(limit)
        assert not swallowed
    finally:
        limit.close()
