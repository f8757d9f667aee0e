"""How a fault test gets its cluster, and where it plays."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from tests.faults.audit import PostgreSQLAudit
from tests.faults.cluster import Cluster, Plan
from tests.support.histories import longer
from tests.support.postgresql import PostgreSQL
from tests.support.zookeeper import MakeZooKeeper, ZooKeeper

SCENARIO_SECONDS_MAX: Final = 480.0
_PATHS: Final = itertools.count(1)
_RUN: Final = pytest.StashKey[str]()

Scenario = Callable[[Cluster], Awaitable[None]]
Play = Callable[[Plan, Scenario], None]
MakePlan = Callable[..., Plan]


KEPT_SEEDS: Final = (1, 2, 782236)
"""Schedules of every run: some, and those that failed once."""
DRAWN_SCHEDULES: Final = 50
"""Schedules for runs of the long suite, which no other run has; as many of them as of other longer histories."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Seeds: those that are kept, as many drawn anew, or the one that was asked for."""
    asked: int | None = metafunc.config.getoption("--fault-seed")
    if "fault_seed" in metafunc.fixturenames:
        metafunc.parametrize("fault_seed", KEPT_SEEDS if asked is None else (asked,))
    if "drawn_fault_seed" in metafunc.fixturenames:
        # Workers of one run must draw alike.
        run = getattr(metafunc.config, "workerinput", {}).get("testrunuid") or metafunc.config.stash.setdefault(
            _RUN, os.urandom(8).hex()
        )
        source = random.Random(run)
        drawn = [source.randrange(1_000_000) for _ in longer(0, DRAWN_SCHEDULES)] if asked is None else []
        metafunc.parametrize("drawn_fault_seed", drawn)


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Plays a scenario on a cluster that runs under its steady load; at the end every promise is checked."""

    def run(plan: Plan, scenario: Scenario) -> None:
        async def story() -> None:
            async with asyncio.timeout(SCENARIO_SECONDS_MAX), Cluster(tmp_path / "cluster", plan) as cluster:
                await cluster.steady(since=0.0)
                await scenario(cluster)
                await cluster.settle()

        asyncio.run(story())

    return run


def _make_plan(ensemble: ZooKeeper, database: PostgreSQL, **changes: Any) -> Plan:  # Any: the fields of a Plan
    name = database.create_database()
    return Plan(
        zookeeper_ports=tuple(node.port for node in ensemble.nodes),
        zookeeper_path=f"/faults/{os.getpid()}-{next(_PATHS)}",
        registry=lambda port: database.plain_url(name, port=port),
        registry_port=database.port,
        audit=PostgreSQLAudit(database, name),
        **changes,
    )


@pytest.fixture
def replicated(zookeeper: ZooKeeper, postgresql: PostgreSQL) -> MakePlan:
    """Makes a plan of two masters and two agents with real ZooKeeper and PostgreSQL, which nobody may harm."""
    return partial(_make_plan, zookeeper, postgresql)


@pytest.fixture
def ensemble(make_zookeeper: MakeZooKeeper) -> Iterator[ZooKeeper]:
    """Three nodes of the test's own, to be harmed."""
    yield make_zookeeper(size=3)


@pytest.fixture
def replicated_on_ensemble(ensemble: ZooKeeper, postgresql: PostgreSQL) -> MakePlan:
    """Makes the same plan with the ensemble of the test's own."""
    return partial(_make_plan, ensemble, postgresql)
