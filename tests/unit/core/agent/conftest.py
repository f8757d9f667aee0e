"""What the tests of an agent's core begin with."""

from __future__ import annotations

import pytest

from tests.unit.core.agent.world import World


@pytest.fixture
def world() -> World:
    """An agent that has registered."""
    made = World()
    made.register()
    return made
