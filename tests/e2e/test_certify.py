"""A running master's journal of allocations, and what ``mesos-service certify`` says of it (N23)."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import uvloop

from mesos_service.cli.main import run
from mesos_service.domain.errors import ConfigurationError
from mesos_service.local import AgentSpec, LocalCluster
from tests.e2e.conftest import SCENARIO_SECONDS_MAX
from tests.e2e.operators import agents, ask
from tests.e2e.raw import RawFramework, get, info, until

AGENTS = [AgentSpec(resources="cpus:2;mem:1024;disk:64;ports:[31000-31009]") for _ in range(4)]
CHEAT = """
from mesos_service.plugins.loader import ALLOCATORS, load

class Friend(load(ALLOCATORS, "hierarchical")):
    name = "friend"

    def allocate(self, now, random, *, agents, limit=None, observer=None):
        self.ledger.update_weights({"friend": 1000.0})
        return super().allocate(now, random, agents=agents, limit=limit, observer=observer)
"""


async def both_want(flags: dict[str, str]) -> None:
    """Agents come into use one by one, and two frameworks want each of them."""
    async with LocalCluster(AGENTS, master_flags=flags) as cluster:
        ids = [agent["agent_info"]["id"] for agent in await agents(cluster.master)]
        for agent_id in ids:
            call = {"type": "DEACTIVATE_AGENT", "deactivate_agent": {"agent_id": agent_id}}
            assert await ask(cluster.master, call) == (200, "")
        frameworks = [await RawFramework.subscribe(cluster.master, info(name, name)) for name in ("friend", "stranger")]
        for count, agent_id in enumerate(ids, 1):
            call = {"type": "REACTIVATE_AGENT", "reactivate_agent": {"agent_id": agent_id}}
            assert await ask(cluster.master, call) == (200, "")

            async def offered(count: int = count) -> bool:
                found = (await get(cluster.master, "/frameworks"))["frameworks"]
                return sum(len(one["offers"]) for one in found) == count

            await until(offered)
        for framework in frameworks:
            framework.close()


def certify(path: Path, *options: str) -> int:
    return run(["certify", str(path), *options])


def test_n23_a_running_cluster_is_certified(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "journal"
    for shadow in ({}, {"shadow_allocator": "strict_priority"}):
        flags = {"allocation_journal": str(path), **shadow}
        uvloop.run(asyncio.wait_for(both_want(flags), SCENARIO_SECONDS_MAX))
        assert certify(path) == 0
        assert "Fair: nobody was passed over" in capfd.readouterr().out
    assert certify(path, "-o", "json") == 0
    found = json.loads(capfd.readouterr().out)
    assert found["fair"] is True
    assert found["as_defined"] == found["passes"] > 8
    assert found["grants"] == 8


def test_n23_an_allocator_that_cheats_is_caught(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "journal"
    (tmp_path / "allocators").mkdir()
    (tmp_path / "allocators" / "friend.py").write_text(CHEAT)
    flags = {"allocation_journal": str(path), "modules_dir": str(tmp_path), "allocator": "friend"}
    uvloop.run(asyncio.wait_for(both_want(flags), SCENARIO_SECONDS_MAX))
    assert certify(path) == 1
    said = capfd.readouterr().out
    assert "passed_over" in said and "in role 'stranger' was next" in said
    assert "Not fair" in said


def test_n23_what_cannot_be_certified_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "journal"
    assert certify(path) == 2
    assert "No such file" in capfd.readouterr().err
    path.write_text("once upon a time\n")
    assert certify(path) == 1
    assert "Line 1 is not of a journal" in capfd.readouterr().err
    path.write_text("")
    assert certify(path, "--patience", "long") == 2
    assert "--patience" in capfd.readouterr().err


def test_n23_a_journal_that_cannot_be_written_is_refused_at_the_start(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with LocalCluster([], master_flags={"allocation_journal": str(tmp_path)}):
            raise AssertionError("it was started")

    with pytest.raises(ConfigurationError, match="--allocation_journal"):
        uvloop.run(asyncio.wait_for(scenario(), SCENARIO_SECONDS_MAX))
