"""An agent is drained over HTTP and by command, with real processes on it (M-OM-12)."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvloop

from mesos_service.local import AgentSpec, LocalCluster
from tests.e2e.operators import INFO, agents, ask
from tests.e2e.raw import Json, RawFramework, command_task, get, until
from tests.support.ports import fixed_port


async def run_two(master: str) -> tuple[RawFramework, Json]:
    """Two tasks that run, one of which does not heed TERM."""
    framework = await RawFramework.subscribe(master, INFO)
    await framework.event("SUBSCRIBED")
    offer: Json = (await framework.event("OFFERS"))["offers"]["offers"][0]
    tasks = [
        command_task("kind", offer, "sleep 1000"),
        command_task("stubborn", offer, "trap '' TERM; while :; do sleep 1; done"),
    ]
    accept = {"offer_ids": [offer["id"]], "operations": [{"type": "LAUNCH", "launch": {"task_infos": tasks}}]}
    assert await framework.call("ACCEPT", **accept) == (202, "")
    running = 0
    while running < 2:
        update = await framework.event("UPDATE")
        await framework.acknowledge(update)
        running += update["update"]["status"]["state"] == "TASK_RUNNING"
    return framework, offer["agent_id"]


def test_m_om_12_draining_ends_tasks_within_the_grace_and_the_agent_is_offered_when_it_is_back() -> None:
    async def scenario() -> None:
        async with LocalCluster([AgentSpec(resources="cpus:2;mem:512")]) as cluster:
            framework, agent_id = await run_two(cluster.master)
            drain = {"agent_id": agent_id, "max_grace_period": {"seconds": 1}}
            assert await ask(cluster.master, {"type": "DRAIN_AGENT", "drain_agent": drain}) == (200, "")
            (agent,) = await agents(cluster.master)
            assert (agent["active"], agent["deactivated"]) == (False, True)
            assert agent["drain_info"] == {
                "state": "DRAINING",
                "config": {"max_grace_period": {"nanoseconds": 10**9}, "mark_gone": False},
            }
            assert agent["estimated_drain_start_time"]["nanoseconds"] % 10**9 == 0
            ends: dict[str, str] = {}
            while len(ends) < 2:
                update = await framework.event("UPDATE")
                status = update["update"]["status"]
                assert (status["reason"], status["source"]) == ("REASON_AGENT_DRAINING", "SOURCE_EXECUTOR")
                if status["state"] == "TASK_KILLED":
                    ends[status["task_id"]["value"]] = status["message"]
                await framework.acknowledge(update)
            assert ends["kind"] == "Command terminated with signal Terminated"

            async def drained() -> bool:
                info = (await agents(cluster.master))[0]["drain_info"]
                return bool(info["state"] == "DRAINED")

            await until(drained)
            (shown,) = (await get(cluster.master, "/slaves"))["slaves"]
            assert shown["drain_info"]["state"] == "DRAINED"
            assert shown["estimated_drain_start_time_seconds"] > 0
            back = {"type": "REACTIVATE_AGENT", "reactivate_agent": {"agent_id": agent_id}}
            assert await ask(cluster.master, back) == (200, "")
            assert (await framework.event("OFFERS"))["offers"]["offers"][0]["agent_id"] == agent_id
            (agent,) = await agents(cluster.master)
            assert "drain_info" not in agent
            framework.close()

    uvloop.run(asyncio.wait_for(scenario(), 180))


def test_m_ag_25_a_master_that_is_started_again_goes_on_with_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        port = fixed_port()  # Nobody else has it between one master and the next.
        registry = f"sqlite:///{tmp_path / 'registry.sqlite'}"
        agents_made = [AgentSpec(resources="cpus:2;mem:512")]
        async with LocalCluster(agents_made, master_port=port, master_flags={"registry": registry}) as first:
            (agent,) = await agents(first.master)
            agent_id = agent["agent_info"]["id"]
            call = {"type": "DEACTIVATE_AGENT", "deactivate_agent": {"agent_id": agent_id}}
            assert await ask(first.master, call) == (200, "")
            assert first.master_service is not None
            await first.master_service.stop()
            again = LocalCluster(0, master_port=port, master_flags={"registry": registry})
            async with again:

                async def back() -> bool:
                    return len(await agents(again.master)) == 1

                await until(back)
                (agent,) = await agents(again.master)
                assert (agent["active"], agent["deactivated"]) == (False, True)

    uvloop.run(asyncio.wait_for(scenario(), 180))


def test_m_om_12_by_command() -> None:
    async def scenario() -> None:
        async with LocalCluster([AgentSpec(resources="cpus:2;mem:512")]) as cluster:
            framework, agent_id = await run_two(cluster.master)
            name = agent_id["value"]

            async def command(*words: str) -> tuple[int | None, str]:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "mesos_service.cli.main", *words, "--master", cluster.master),
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.STDOUT,
                )
                said, _ = await process.communicate()
                return process.returncode, said.decode()

            async def acknowledge() -> None:
                while True:
                    await framework.acknowledge(await framework.event("UPDATE"))

            acknowledging = asyncio.create_task(acknowledge())
            assert await command("drain", name, "--grace", "500ms", "--wait", "120secs") == (0, "")
            assert " drained " in (await command("agents"))[1]
            assert await command("reactivate", name) == (0, "")
            assert await command("deactivate", name) == (0, "")
            assert " deactivated " in (await command("agents"))[1]
            status, said = await command("drain", "nobody")
            assert (status, "Unknown agent" in said) == (1, True)
            assert (await command("drain", name, "--grace", "soon"))[0] == 2
            acknowledging.cancel()
            framework.close()

    uvloop.run(asyncio.wait_for(scenario(), 180))
