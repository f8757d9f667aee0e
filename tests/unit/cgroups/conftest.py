"""Groups of the machine that tests run on, under a name of their own; and both event loops."""

from __future__ import annotations

import pytest

from tests.unit.cgroups.live import live_groups
from tests.unit.cgroups.machines import boot as boot
from tests.unit.containers.room import Run, run_asyncio, run_uvloop

live = live_groups


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine to its end, within a time limit."""
    return run_asyncio if request.param == "asyncio" else run_uvloop
