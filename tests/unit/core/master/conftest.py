"""What tests of modules that break need."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from mesos_service.master.time_limit import TimeLimit
from tests.support.hanging import CLOCK


@pytest.fixture
def limit() -> Iterator[TimeLimit]:
    """For what never comes back (``tests/support/hanging.py``), which is the only one that takes time."""
    yield from _limit(0.2, CLOCK)


@pytest.fixture
def patient() -> Iterator[TimeLimit]:
    """For what comes back: long, so that a machine that stands still for a moment is not taken for a module's loop."""
    yield from _limit(60.0, time.monotonic)


def _limit(seconds: float, clock: Callable[[], float]) -> Iterator[TimeLimit]:
    before = threading.enumerate()
    made = TimeLimit(seconds, clock)
    yield made
    made.close()
    assert not [one for one in threading.enumerate() if one.name == "time-limit" and one not in before]
