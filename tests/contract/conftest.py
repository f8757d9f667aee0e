"""One cluster for all comparisons of answers."""

from __future__ import annotations

import pytest
import uvloop

from tests.contract.live import Live, record


@pytest.fixture(scope="session")
def live() -> Live:
    return uvloop.run(record())
