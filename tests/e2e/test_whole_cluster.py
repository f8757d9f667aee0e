"""A master and agents in one process, as a framework and an operator see them from outside."""

from __future__ import annotations

import base64
import os
import sys
from pathlib import Path

import psutil
import pytest

from mesos_service.domain.resources import Resources
from mesos_service.local import LocalCluster
from tests.e2e.conftest import AGENTS, Play
from tests.e2e.raw import FOREVER, Json, RawFramework, get, held, info, launch, offers_of, reach, scalar, task, until
from tests.support.children import living_children

ROOT = Path(__file__).resolve().parents[2]


def test_a25_d18_the_papers_walk_over_http_with_exact_amounts(play: Play) -> None:
    """Report, offer, decide, execute, and the left-overs to the next framework (A25, D18)."""

    async def scenario(cluster: LocalCluster) -> None:
        whole = Resources.parse(AGENTS[0].resources)

        # 1. The agent reports what it has; 2. the master offers all of it to framework 1, and the other agent as well.
        first = await RawFramework.subscribe(cluster.master, info("framework 1", "one"))
        offer, other = await offers_of(first, 2)
        assert (held(offer), held(other)) == (whole, Resources.parse(AGENTS[1].resources))
        assert await first.call("DECLINE", offer_ids=[other["id"]], filters=FOREVER) == (202, "")

        # 3. Framework 1 answers with two tasks; 4. the agent runs them.
        await launch(first, offer, task("task 1", offer, 2, 1024), task("task 2", offer, 1, 2048))
        await reach(first, "TASK_RUNNING", "task 1", "task 2")
        used = (await get(cluster.agents[0], "/state"))["resources"]
        assert (used["cpus"], used["mem"]) == (4.0, 4096.0)
        assert await used_on(cluster, offer) == (3.0, 3072.0)

        # What is left goes to framework 2, to the last megabyte and port.
        second = await RawFramework.subscribe(cluster.master, info("framework 2", "two"))
        left, refused = sorted(await offers_of(second, 2), key=lambda one: bool(one["agent_id"] != offer["agent_id"]))
        assert held(left) == whole - Resources.parse("cpus:3;mem:3072")
        assert held(refused) == held(other)
        await launch(second, left, task("task 3", left, 1, 1024, "exit 0"))
        await reach(second, "TASK_FINISHED", "task 3")

        # And from the beginning: all is free again once framework 1 has gone.
        assert await first.call("TEARDOWN") == (202, "")
        assert await second.call("REVIVE") == (202, "")

        async def all_is_free() -> bool:
            return await used_on(cluster, offer) == (0.0, 0.0)

        await until(all_is_free)
        first.close()
        second.close()

    play(scenario)


async def used_on(cluster: LocalCluster, offer: Json) -> tuple[float, float]:
    """What tasks use of the offer's agent, by the master: cpus and megabytes."""
    agents = (await get(cluster.master, "/slaves"))["slaves"]
    (used,) = [one["used_resources"] for one in agents if one["id"] == offer["agent_id"]["value"]]
    return used["cpus"], used["mem"]


def test_b12_one_endpoint_shows_the_pool_and_serves_all_frameworks(play: Play) -> None:
    """Agents are many and unequal; who asks the master sees one pool, and every framework is served from it."""

    async def scenario(cluster: LocalCluster) -> None:
        pool = sum((Resources.parse(agent.resources) for agent in AGENTS), Resources.EMPTY)
        first = await RawFramework.subscribe(cluster.master, info("first", "one"))
        keeps, declines = await offers_of(first, 2)
        second = await RawFramework.subscribe(cluster.master, info("second", "two"))
        assert await first.call("DECLINE", offer_ids=[declines["id"]], filters=FOREVER) == (202, "")
        (gets,) = await offers_of(second, 1)
        assert gets["agent_id"] != keeps["agent_id"]
        for name in ("cpus", "mem", "disk"):
            assert held(keeps).scalar(name) + held(gets).scalar(name) == pool.scalar(name), "to one or the other"

        summary = await get(cluster.master, "/state-summary")
        assert len(summary["slaves"]) == len(AGENTS)
        assert {name: sum(agent["resources"][name] for agent in summary["slaves"]) for name in ("cpus", "mem")} == {
            "cpus": pool.scalar("cpus") / 1000,
            "mem": pool.scalar("mem") / 1000,
        }
        assert sorted(framework["name"] for framework in summary["frameworks"]) == ["first", "second"]

        totals = await get(cluster.master, "/metrics/snapshot")
        for name in ("cpus", "mem", "disk"):
            assert totals[f"master/{name}_total"] == pool.scalar(name) / 1000
        assert (totals["master/slaves_active"], totals["master/frameworks_active"]) == (2.0, 2.0)
        first.close()
        second.close()

    play(scenario)


EXECUTOR = """
import asyncio, os
from mesos_service.sdk.executor import Executor

class Worker(Executor):
    async def launch(self, task):
        await self.update(task.task_id.value, "TASK_RUNNING", data=str(os.getpid()).encode())

asyncio.run(Worker().run())
"""


def test_a24_a_framework_is_a_scheduler_at_the_master_and_executors_on_agents(play: Play, tmp_path: Path) -> None:
    script = tmp_path / "executor.py"
    script.write_text(EXECUTOR)

    async def scenario(cluster: LocalCluster) -> None:
        framework = await RawFramework.subscribe(cluster.master, info("two halves", "r"))
        offer, _ = await offers_of(framework, 2)
        executor = {
            "type": "CUSTOM",
            "executor_id": {"value": "worker"},
            "resources": [scalar("cpus", 0.1), scalar("mem", 32)],
            "command": {"value": f"PYTHONPATH={ROOT} exec {sys.executable} {script}"},
        }
        job = task("job", offer, 0.1, 16) | {"executor": executor}
        del job["command"]
        await launch(framework, offer, job)
        update = await framework.event("UPDATE")
        status = update["update"]["status"]
        assert (status["state"], status["source"]) == ("TASK_RUNNING", "SOURCE_EXECUTOR")

        # The scheduler is registered with the master.
        (known,) = (await get(cluster.master, "/frameworks"))["frameworks"]
        assert (known["id"], known["active"]) == (framework.framework_id, True)

        # The executor is registered with the agent that was offered, and with no other.
        described = [await get(agent, "/state") for agent in cluster.agents]
        executors = [
            (agent["id"], its["id"])
            for agent in described
            for known in agent["frameworks"]
            for its in known["executors"]
        ]
        assert executors == [(offer["agent_id"]["value"], "worker")]

        # It is a process on the agent's host, in the container the agent made for it, and talks to that agent.
        place = [one["id"] for one in described].index(offer["agent_id"]["value"])
        (container,) = await get(cluster.agents[place], "/containers")
        assert container["executor_id"] == "worker"
        process = psutil.Process(int(base64.b64decode(status["data"])))
        family = {process.pid, *(parent.pid for parent in process.parents())}
        assert container["status"]["executor_pid"] in family, "a child of its container"
        assert os.getpid() in family, "and by it of the agent"
        assert process.environ()["MESOS_AGENT_ENDPOINT"] == cluster.agents[place]
        peers = {f"{one.raddr.ip}:{one.raddr.port}" for one in process.net_connections("tcp") if one.raddr}
        assert peers == {cluster.agents[place]}, "it speaks to its agent and to nobody else"

        # The two halves end together.
        assert await framework.call("TEARDOWN") == (202, "")

        async def executor_is_gone() -> bool:
            return not psutil.pid_exists(process.pid)

        await until(executor_is_gone)
        framework.close()

    play(scenario)


@pytest.fixture
def children_before() -> set[psutil.Process]:
    """Whatever other tests have in common."""
    return set(living_children())


def test_m_cl_03_one_fixture_is_a_whole_cluster_in_this_process(
    children_before: set[psutil.Process], play: Play
) -> None:
    async def scenario(cluster: LocalCluster) -> None:
        this = psutil.Process()
        assert children_before.issuperset(living_children())
        listening = {one.laddr.port for one in this.net_connections("tcp") if one.status == psutil.CONN_LISTEN}
        assert {int(address.rpartition(":")[2]) for address in (cluster.master, *cluster.agents)} <= listening
        assert len((await get(cluster.master, "/slaves"))["slaves"]) == len(AGENTS)

        framework = await RawFramework.subscribe(cluster.master, info("guest", "r"))
        offer, _ = await offers_of(framework, 2)
        await launch(framework, offer, task("t", offer, 0.1, 16, "exit 0"))
        await reach(framework, "TASK_FINISHED", "t")
        framework.close()

    play(scenario)


def test_m_ha_15_a_master_leads_without_asking_anybody(play: Play) -> None:
    """Standalone: it is its own leader from the start, agents find it by its address, and nobody else is connected."""

    async def scenario(cluster: LocalCluster) -> None:
        state = await get(cluster.master, "/state")
        assert (state["leader"], state["leader_info"]["id"]) == (state["pid"], state["id"])
        assert (await get(cluster.master, "/metrics/snapshot"))["master/elected"] == 1.0
        assert not {"zk", "quorum"} & state["flags"].keys()
        for agent in cluster.agents:
            known = await get(agent, "/state")
            assert known["flags"]["master"] == cluster.master
            assert known["master_hostname"] == state["hostname"]
        peers = {one.raddr.ip for one in psutil.Process().net_connections("tcp") if one.raddr}
        assert peers == {"127.0.0.1"}

    play(scenario)
