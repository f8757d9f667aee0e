"""Every test of processes runs under both event loops; and a server that files are fetched from."""

from __future__ import annotations

import pytest

from tests.support.shop import shop as shop
from tests.unit.containers.room import Run, run_asyncio, run_uvloop


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine to its end, within a time limit."""
    return run_asyncio if request.param == "asyncio" else run_uvloop
