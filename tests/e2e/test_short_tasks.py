"""Long tasks fill what they may of a cluster, and a short one starts at once in the slice that is kept for it (A54)."""

from __future__ import annotations

import asyncio

import uvloop

from mesos_service.local import AgentSpec, LocalCluster
from tests.e2e.conftest import SCENARIO_SECONDS_MAX
from tests.e2e.raw import Json, RawFramework, get, held, info, launch, offers_of, reach, task


def test_a54_a_short_task_does_not_wait_for_long_ones() -> None:
    agent = AgentSpec(resources="cpus:1;mem:500;disk:100;ports:[31000-31009]")
    flags = {"short_slice": 0.2, "short_task_max_completion_time": "2secs"}

    async def scenario() -> None:
        async with LocalCluster([agent], master_flags=flags) as cluster:
            long = await RawFramework.subscribe(cluster.master, info("long", "batch"))
            (offer,) = await offers_of(long, 1)
            assert held(offer).quantities() == {"cpus": 800, "mem": 400_000, "disk": 80_000}
            await launch(long, offer, task("for-ever", offer, 0.8, 400))
            await reach(long, "TASK_RUNNING", "for-ever")

            late = await RawFramework.subscribe(cluster.master, info("late", "other"))
            await late.event("SUBSCRIBED")
            why: Json = await get(cluster.master, f"/api/v1/explain/frameworks/{late.framework_id}")
            assert "short_slice" in str(why)

            described = {**info("reports", "reports"), "offer_filters": {"reports": {"short_tasks": True}}}
            short = await RawFramework.subscribe(cluster.master, described)
            (offer,) = await offers_of(short, 1)
            assert held(offer).quantities() == {"cpus": 200, "mem": 100_000, "disk": 100_000}, "disk was left as well"
            bounded = {"max_completion_time": {"nanoseconds": 1_500_000_000}}
            await launch(
                short,
                offer,
                task("report", offer, 0.1, 50) | bounded,
                task("unbounded", offer, 0.1, 50),
            )
            ends: dict[str, Json] = {}
            while len(ends) < 2:
                update = await short.event("UPDATE")
                await short.acknowledge(update)
                status = update["update"]["status"]
                if status["state"] in ("TASK_ERROR", "TASK_FAILED"):
                    ends[status["task_id"]["value"]] = status
            assert ends["unbounded"]["state"] == "TASK_ERROR"
            assert "need a 'max_completion_time' of 2 seconds at most" in ends["unbounded"]["message"]
            assert ends["report"]["reason"] == "REASON_MAX_COMPLETION_TIME_REACHED"
            for framework in (long, late, short):
                framework.close()

    uvloop.run(asyncio.wait_for(scenario(), SCENARIO_SECONDS_MAX))
