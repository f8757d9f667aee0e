"""An operator gives a real agent up: its tasks end in words and in fact (M-OM-13, X15e)."""

from __future__ import annotations

import json
import os

import psutil

from mesos_service.http.client import Connection
from mesos_service.local import LocalCluster
from tests.e2e.conftest import Play
from tests.e2e.raw import RawFramework, get, info, launch, offers_of, reach, task, until

NAP = str(5_000_000 + os.getpid())
"""So long as nobody else on this machine sleeps, who may run the same tests."""


def test_m_om_13_x15e_a43_an_agent_marked_gone_ends_and_its_tasks_are_gone_by_operator(play: Play) -> None:
    async def scenario(cluster: LocalCluster) -> None:
        aware = info("aware", "one")
        aware["capabilities"].append({"type": "PARTITION_AWARE"})
        framework = await RawFramework.subscribe(cluster.master, aware)
        offer, _ = await offers_of(framework, 2)
        await launch(framework, offer, task("t", offer, 1, 64, f"exec sleep {NAP}"))
        await reach(framework, "TASK_RUNNING", "t")

        async def it_sleeps() -> bool:
            return len(sleepers()) == 1

        await until(it_sleeps)
        assert await mark_gone(cluster, "nope") == (404, "Agent 'nope' not found")
        assert await mark_gone(cluster, offer["agent_id"]["value"]) == (200, "")

        status = (await framework.event("UPDATE"))["update"]["status"]
        assert (status["state"], status["reason"], status["message"]) == (
            "TASK_GONE_BY_OPERATOR",
            "REASON_AGENT_REMOVED_BY_OPERATOR",
            "Agent has been marked gone",
        ), "as recorded of Mesos"
        assert (await framework.event("FAILURE"))["failure"] == {"agent_id": offer["agent_id"]}
        named = [{"task_id": {"value": "t"}, "agent_id": offer["agent_id"]}]
        assert await framework.call("RECONCILE", tasks=named) == (202, "")
        status = (await framework.event("UPDATE"))["update"]["status"]
        assert (status["state"], status["message"]) == ("TASK_GONE_BY_OPERATOR", "Reconciliation: Task is gone")
        assert len((await get(cluster.master, "/slaves"))["slaves"]) == 1

        async def nothing_runs() -> bool:
            return not sleepers()

        await until(nothing_runs)
        framework.close()

    play(scenario)


async def mark_gone(cluster: LocalCluster, agent_id: str) -> tuple[int, str]:
    host, _, port = cluster.master.rpartition(":")
    connection = await Connection.open(host, int(port))
    try:
        body = json.dumps({"type": "MARK_AGENT_GONE", "mark_agent_gone": {"agent_id": {"value": agent_id}}}).encode()
        answer = await connection.request("POST", "/api/v1", body, {"Content-Type": "application/json"})
        return answer.status, answer.body.decode()
    finally:
        connection.close()


def sleepers() -> list[psutil.Process]:
    """Processes of the task, which are this process' descendants or were."""
    return [one for one in psutil.process_iter(["cmdline"]) if (one.info["cmdline"] or [])[-2:] == ["sleep", NAP]]
