"""An allocator in shadow of a running master: by HTTP, in the metrics, and refused where it cannot be (flags)."""

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
from tests.e2e.raw import RawFramework, get, info, offers_of

DEAF = """
from mesos_service.plugins.allocator import Allocator
from mesos_service.plugins.loader import ALLOCATORS, load

class Deaf(load(ALLOCATORS, "hierarchical")):
    name = "deaf"
    add_offer = Allocator.add_offer
"""


def test_where_the_shadow_differs_can_be_read() -> None:
    """Priorities by name in the shadow of fair shares: the first pass is the same, the second is not."""
    flags = {"shadow_allocator": "strict_priority"}
    agent = AgentSpec(resources="cpus:4;mem:4096;disk:1024;ports:[31000-31009]")

    async def scenario() -> None:
        async with LocalCluster([agent], master_flags=flags) as cluster:
            framework = await RawFramework.subscribe(cluster.master, info("one", "a"))
            await offers_of(framework, 1)
            answer = await get(cluster.master, "/api/v1/shadow")
            assert (answer["allocator"], answer["shadow"]) == ("hierarchical_drf", "strict_priority")
            assert answer["passes"] >= 1
            assert (answer["grants_agreed"], answer["passes_differing"], answer["failures"]) == (1, 0, 0)
            (counts,) = answer["frameworks"]
            assert (counts["framework_name"], counts["decided"], counts["shadow"]) == ("one", 1, 1)
            metrics = await get(cluster.master, "/metrics/snapshot")
            assert metrics["master/shadow/grants_agreed"] == 1
            framework.close()

    uvloop.run(asyncio.wait_for(scenario(), SCENARIO_SECONDS_MAX))


def test_without_one_there_is_nothing_to_read() -> None:
    async def scenario() -> None:
        async with LocalCluster([]) as cluster:
            with pytest.raises(AssertionError, match="No allocator runs in shadow"):
                await get(cluster.master, "/api/v1/shadow")

    uvloop.run(asyncio.wait_for(scenario(), SCENARIO_SECONDS_MAX))


def test_one_that_cannot_be_told_of_offers_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "allocators").mkdir()
    (tmp_path / "allocators" / "deaf.py").write_text(DEAF)

    async def scenario() -> None:
        flags = {"modules_dir": str(tmp_path), "shadow_allocator": "deaf"}
        async with LocalCluster([], master_flags=flags):
            raise AssertionError("it was started")

    with pytest.raises(ConfigurationError, match="'deaf' cannot be told what another has decided"):
        uvloop.run(asyncio.wait_for(scenario(), SCENARIO_SECONDS_MAX))


def test_n16_the_lens_answers_for_a_shape_and_refuses_what_is_none(capfd: pytest.CaptureFixture[str]) -> None:
    async def scenario() -> None:
        async with LocalCluster([AgentSpec(resources="cpus:4;mem:1024;disk:64;ports:[31000-31009]")]) as cluster:
            answer = await get(cluster.master, "/api/v1/fragmentation?task=cpus:1;mem:512")
            assert (answer["fits"], answer["fits_if_defragmented"], answer["stranded"]) == (2, 2, {"cpus": 2.0})
            for shape, said in (("nonsense", "'task'"), ("ports:[1-2]", "names no amount"), ("cpus:-1", "'task'")):
                with pytest.raises(AssertionError, match=said):
                    await get(cluster.master, f"/api/v1/fragmentation?task={shape}")

            def command(*arguments: str) -> tuple[int, str]:
                status = run(["fragmentation", *arguments, "--master", cluster.master])
                said = capfd.readouterr()
                return status, said.out + said.err

            status, said = await asyncio.to_thread(command, "cpus:1;mem:512")
            assert status == 0
            assert "2 tasks of cpus:1; mem:512 fit now" in said and "Stranded: cpus:2 of" in said
            status, said = await asyncio.to_thread(command, "cpus:1;mem:512", "-o", "json")
            assert (status, json.loads(said)["fits"]) == (0, 2)
            status, said = await asyncio.to_thread(command, "nonsense")
            assert status == 2 and "'task'" in said

    uvloop.run(asyncio.wait_for(scenario(), SCENARIO_SECONDS_MAX))
