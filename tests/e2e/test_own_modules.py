"""Policy and isolation as files of one's own, on a cluster that runs: the examples of ``docs/writing_modules.md``."""

from __future__ import annotations

import asyncio
from pathlib import Path

import uvloop

from mesos_service.local import AgentSpec, LocalCluster
from tests.e2e.conftest import SCENARIO_SECONDS_MAX
from tests.e2e.raw import RawFramework, get, info, launch, offers_of, reach, task
from tests.support.written_modules import write_examples

TWO = [AgentSpec(resources="cpus:2;mem:1024;disk:512;ports:[31000-31004]")] * 2


def offers_in_first_event(master_flags: dict[str, object]) -> int:
    async def scenario() -> int:
        async with LocalCluster(TWO, master_flags=master_flags) as cluster:
            framework = await RawFramework.subscribe(cluster.master, info("one", "a"))
            event = await framework.event("OFFERS")
            await offers_of(framework, 2 - len(event["offers"]["offers"]))
            framework.close()
            return len(event["offers"]["offers"])

    return uvloop.run(asyncio.wait_for(scenario(), SCENARIO_SECONDS_MAX))


def test_a29_b22b_c33_d13_a_policy_is_a_file_that_is_named(tmp_path: Path) -> None:
    """A29, B22b, C33, D13: the example hands out one grant a pass where the stock policy hands out both."""
    write_examples(tmp_path)
    assert offers_in_first_event({}) == 2
    assert offers_in_first_event({"allocator": "one_at_a_time", "modules_dir": str(tmp_path)}) == 1


def test_a33_b40_d14_an_isolator_is_a_file_that_is_named(tmp_path: Path) -> None:
    """A33, B40, D14: the example lowers the priority of every task, beside the isolators of the platform."""
    modules = tmp_path / "modules"
    write_examples(modules)
    agent = AgentSpec(
        resources="cpus:2;mem:1024;disk:512",
        flags={"modules_dir": str(modules), "isolation": "posix/cpu,posix/mem,nice/tasks"},
    )

    async def scenario() -> None:
        async with LocalCluster([agent], work_dir=tmp_path / "cluster") as cluster:
            assert "nice/tasks" in (await get(cluster.agents[0], "/flags"))["flags"]["isolation"]
            framework = await RawFramework.subscribe(cluster.master, info("one", "a"))
            (offer,) = await offers_of(framework, 1)
            await launch(framework, offer, task("t", offer, 0.1, 32, "nice"))
            await reach(framework, "TASK_FINISHED", "t")
            framework.close()

    uvloop.run(asyncio.wait_for(scenario(), SCENARIO_SECONDS_MAX))
    # Two names for one run: its id, and "latest".
    assert {one.read_text() for one in (tmp_path / "cluster").rglob("runs/*/stdout")} == {"10\n"}
