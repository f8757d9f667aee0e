"""What tests of modules that break need."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from mesos_service.master.time_limit import TimeLimit


@pytest.fixture
def limit() -> Iterator[TimeLimit]:
    """For what never comes back: short, so that nobody waits long for it."""
    yield from _limit(0.2)


@pytest.fixture
def patient() -> Iterator[TimeLimit]:
    """For what comes back: long, so that a machine that stands still for a moment is not taken for a module's loop."""
    yield from _limit(60.0)


def _limit(seconds: float) -> Iterator[TimeLimit]:
    made = TimeLimit(seconds)
    yield made
    made.close()
    assert not any(thread.name == "time-limit" for thread in threading.enumerate())
