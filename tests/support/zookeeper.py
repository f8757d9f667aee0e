"""Real ZooKeeper servers for tests (``mesos_service/bench/zookeeper.py``): one that is shared, and some to be harmed.

``scripts/install_real_parts.sh`` installs them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from mesos_service.bench.zookeeper import ZooKeeper as ZooKeeper
from mesos_service.bench.zookeeper import ZooKeeperNode as ZooKeeperNode
from mesos_service.bench.zookeeper import is_installed

TICK_MILLISECONDS: Final = 200
"""So short that a session may time out after 0.4 s (two ticks), for tests that wait for it."""


def needs_zookeeper() -> None:
    """Leaves the test out where ZooKeeper is not installed; ``make test`` says so then."""
    if not is_installed():
        pytest.skip("real part not installed: ZooKeeper")


@pytest.fixture(scope="session")
def zookeeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZooKeeper]:
    """One server alone, shared by all tests of a worker: use a path of your own, and leave the server in peace."""
    needs_zookeeper()
    with ZooKeeper(tmp_path_factory.mktemp("zookeeper"), 1, TICK_MILLISECONDS) as server:
        yield server


MakeZooKeeper = Callable[..., ZooKeeper]


@pytest.fixture
def make_zookeeper(tmp_path: Path) -> Iterator[MakeZooKeeper]:
    """Makes and starts servers of the test's own, to be killed and frozen: ``make_zookeeper(size=3)``."""
    needs_zookeeper()
    with contextlib.ExitStack() as stack:

        def make(size: int = 1, tick_milliseconds: int = TICK_MILLISECONDS) -> ZooKeeper:
            return stack.enter_context(ZooKeeper(tmp_path, size, tick_milliseconds))

        yield make
