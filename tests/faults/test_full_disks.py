"""A disk that is full costs no acknowledged fact: what cannot be stored is not said, and nothing else is disturbed."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from mesos_service.http.client import Connection
from tests.faults.cluster import Cluster, Plan
from tests.faults.conftest import MakePlan, Play
from tests.faults.facts import Launching, Updated, now
from tests.support.small_disk import SmallDisk

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk takes root")


def finished_since(cluster: Cluster, moment: float) -> int:
    """How many tasks have finished that were launched since."""
    launched = {fact.task_id for fact in cluster.facts() if isinstance(fact, Launching) and fact.at > moment}
    return sum(
        fact.task_id in launched
        for fact in cluster.facts()
        if isinstance(fact, Updated) and fact.state == "TASK_FINISHED"
    )


def test_m_ha_04_a_full_disk_under_sqlite(play: Play, tmp_path: Path) -> None:
    """M-HA-04: the master ends with a line that names the file, for as long as there is no room; then it goes on."""
    place = tmp_path / "registry"
    place.mkdir()
    with SmallDisk(place) as disk:

        async def fill(cluster: Cluster) -> None:
            (master,) = cluster.masters
            await asyncio.to_thread(disk.fill)
            connection = await Connection.open("127.0.0.1", master.port)
            # A large name, so that it does not fit into what may be left of the last page.
            info = {"user": "root", "name": "n" * 100_000, "roles": ["new"], "capabilities": [{"type": "MULTI_ROLE"}]}
            body = json.dumps({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}).encode()
            connection.send("POST", "/api/v1/scheduler", body, {"Content-Type": "application/json"})
            assert await master.ended(1) != 0
            connection.close()
            told = master.log.read_text()
            assert "registry.sqlite" in told and "full" in told, told
            await asyncio.to_thread(disk.free)
            await cluster.steady()

        play(
            Plan(
                masters=1,
                registry=lambda _: f"sqlite:///{place}/registry.sqlite",
                wrap={"master-1": disk.command},
                master_flags={"registry_store_timeout": "2secs"},
            ),
            fill,
        )


def test_a_full_disk_under_an_agent(play: Play, replicated: MakePlan, tmp_path: Path) -> None:
    """What the agent cannot store it does not acknowledge; tasks that ran before run on."""
    place = tmp_path / "agent"
    place.mkdir()
    with SmallDisk(place) as disk:

        async def fill(cluster: Cluster) -> None:
            moment = now()
            await asyncio.to_thread(disk.fill)
            await cluster.until("others go on", lambda: finished_since(cluster, moment) >= 5)
            await asyncio.to_thread(disk.free)
            await cluster.steady()

        play(
            replicated(wrap={"agent-1": disk.command}, work_dirs={"agent-1": place / "work"}),
            fill,
        )
