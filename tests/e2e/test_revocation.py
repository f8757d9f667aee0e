"""A running cluster revokes for a guarantee, after it was asked what it would do (B36, B38, N15)."""

from __future__ import annotations

import asyncio
import json

import pytest
import uvloop

from mesos_service.cli.main import run
from mesos_service.local import AgentSpec, LocalCluster
from tests.e2e.conftest import SCENARIO_SECONDS_MAX
from tests.e2e.raw import RawFramework, get, held, info, launch, offers_of

SLEEP = {"value": "trap '' TERM; sleep 600 & wait; sleep 600"}
"""Does not heed a polite kill."""


def test_b36_b38_n15_what_was_shown_is_what_is_done(capfd: pytest.CaptureFixture[str]) -> None:
    agent = AgentSpec(resources="cpus:2;mem:512;disk:1024;ports:[31000-31009]")
    flags = {"revocation": True, "revocation_delay": "10secs", "revocation_grace": "1secs"}

    async def scenario() -> None:
        async with LocalCluster([agent], master_flags=flags) as cluster:
            master = ("--master", cluster.master)

            async def command(*arguments: str) -> str:
                assert await asyncio.to_thread(run, [*arguments, *master]) == 0
                return capfd.readouterr().out

            greedy = await RawFramework.subscribe(cluster.master, info("greedy", "a"))
            (offer,) = await offers_of(greedy, 1)
            parts = [
                {
                    "name": name,
                    "task_id": {"value": name},
                    "agent_id": offer["agent_id"],
                    "command": SLEEP,
                    "resources": [
                        {"name": "cpus", "type": "SCALAR", "scalar": {"value": 1}},
                        {"name": "mem", "type": "SCALAR", "scalar": {"value": 256}},
                    ],
                }
                for name in ("t1", "t2")
            ]
            await launch(greedy, offer, *parts)
            running: set[str] = set()
            while running != {"t1", "t2"}:
                status = (await greedy.event("UPDATE"))["update"]["status"]
                await greedy.call(
                    "ACKNOWLEDGE",
                    agent_id=status["agent_id"],
                    task_id=status["task_id"],
                    uuid=status["uuid"],
                )
                if status["state"] == "TASK_RUNNING":
                    running.add(status["task_id"]["value"])
            owed = await RawFramework.subscribe(cluster.master, info("owed", "b"))
            await command("quota", "set", "b", "--guarantee", "cpus:1")
            answer = await get(cluster.master, "/api/v1/revocation")
            (step,) = answer["plan"]
            assert (step["framework_name"], step["beneficiary"], step["frees"]["cpus"]) == ("greedy", "b", 1.0)
            shown = await command("revocation")
            assert step["task_id"] in shown and "planned" in shown
            assert json.loads(await command("revocation", "-o", "json"))["enabled"] is True

            while True:
                status = (await greedy.event("UPDATE"))["update"]["status"]
                if status["state"] != "TASK_KILLING":
                    break
            assert status["task_id"]["value"] == step["task_id"]
            assert (status["state"], status["reason"]) == ("TASK_KILLED", "REASON_CONTAINER_PREEMPTED")
            assert status["message"].startswith("Revoked for the guarantee of role 'b'")
            (offer,) = await offers_of(owed, 1)
            assert held(offer).quantities()["cpus"] == 1000
            greedy.close()
            owed.close()

    uvloop.run(asyncio.wait_for(scenario(), SCENARIO_SECONDS_MAX))
