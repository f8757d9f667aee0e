"""Clusters whose answers are looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import uvloop

from tests.contract.live import Live, WithOneTask, record, with_one_task


@pytest.fixture(scope="session")
def live() -> Live:
    """One cluster for all comparisons of answers."""
    return uvloop.run(record())


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """The loop in which ``cluster`` stands."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as one:
        yield one


@pytest.fixture(scope="module")
def cluster(runner: asyncio.Runner) -> Iterator[WithOneTask]:
    with with_one_task(runner) as one:
        yield one
