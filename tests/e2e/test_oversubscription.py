"""An agent lends, a framework borrows, and the borrower is ended when it disturbs others (M-AG-26, M-AL-19)."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest
import uvloop

from mesos_service.local import AgentSpec, LocalCluster
from tests.e2e.conftest import SCENARIO_SECONDS_MAX
from tests.e2e.raw import FOREVER, Json, RawFramework, get, held, info, launch, offers_of, reach, scalar, task, until

RESOURCES = "cpus:1;mem:512;disk:64;ports:[31000-31009]"
SPIN = f"exec {sys.executable} -c 'while True: pass'"
STUBBORN = "trap '' TERM; while true; do sleep 0.1; done"


def borrower(name: str, role: str) -> Json:
    described = info(name, role)
    more = [{"type": "REVOCABLE_RESOURCES"}, {"type": "PARTITION_AWARE"}]
    return {**described, "capabilities": [*described["capabilities"], *more]}


def borrowing(task_id: str, offer: Json, cpus: float, command: str) -> Json:
    """The agent's memory is offered to others; only processors are lent."""
    return task(task_id, offer, 0, 0, command) | {"resources": [{**scalar("cpus", cpus), "revocable": {}}]}


async def lent_offer(framework: RawFramework) -> Json:
    """The next offer with something lent in it."""
    while True:
        for offer in await offers_of(framework, 1):
            if held(offer).revocable():
                return offer


async def metric(address: str, name: str) -> float:
    return float((await get(address, "/metrics/snapshot"))[name])


async def ended(framework: RawFramework, task_id: str) -> Json:
    """The last word on a task."""
    while True:
        update = await framework.event("UPDATE")
        await framework.acknowledge(update)
        status: Json = update["update"]["status"]
        live = ("TASK_STARTING", "TASK_RUNNING", "TASK_KILLING")
        if status["task_id"]["value"] == task_id and status["state"] not in live:
            return status


def test_m_ag_26_m_al_19_fixed_and_usage_lent_shown_borrowed_and_taken_back() -> None:
    """Fixed: 2 processors on an agent of one. The controller sees a regular task and a borrower use all of it."""
    spec = AgentSpec(
        resources=RESOURCES,
        flags={
            "resource_estimator": "fixed",
            "resource_estimator_resources": "cpus:2",
            "oversubscribed_resources_interval": "1secs",
            "qos_controller": "usage",
            # Of one processor: two that spin are above it wherever one alone is.
            "qos_usage_threshold": 0.05,
        },
    )

    async def scenario() -> None:
        async with LocalCluster([spec]) as cluster:
            plain = await RawFramework.subscribe(cluster.master, info("plain", "a"))
            (own,) = await offers_of(plain, 1)
            assert not held(own).revocable()
            borrows = await RawFramework.subscribe(cluster.master, borrower("borrows", "b"))
            offer = await lent_offer(borrows)
            assert held(offer).revocable().quantities() == {"cpus": 2000}
            await launch(borrows, offer, borrowing("guest", offer, 1.5, SPIN))
            await reach(borrows, "TASK_RUNNING", "guest")
            (agent,) = (await get(cluster.master, "/slaves"))["slaves"]
            assert agent["resources"]["cpus_revocable"] == 2.0
            assert agent["used_resources"]["cpus_revocable"] == 1.5
            assert await metric(cluster.master, "master/cpus_revocable_total") == 2.0
            assert await metric(cluster.master, "master/cpus_revocable_used") == 1.5
            assert await metric(cluster.agents[0], "slave/cpus_revocable_used") == 1.5
            # Alone it disturbs nobody, whatever it uses.
            assert await metric(cluster.agents[0], "slave/executors_preempted") == 0.0
            # Now somebody wants what is his own.
            spin = task("host", own, 0.5, 32, SPIN)
            await launch(plain, own, spin)
            await reach(plain, "TASK_RUNNING", "host")
            status = await ended(borrows, "guest")
            assert (status["state"], status["reason"]) == ("TASK_GONE", "REASON_CONTAINER_PREEMPTED")
            assert status["message"].startswith("Container preempted by QoS correction: ")
            assert await metric(cluster.agents[0], "slave/executors_preempted") == 1.0
            (agent,) = (await get(cluster.master, "/slaves"))["slaves"]
            assert agent["used_resources"]["cpus"] == 0.5, "who has it by right runs on"
            plain.close()
            borrows.close()

    uvloop.run(asyncio.wait_for(scenario(), SCENARIO_SECONDS_MAX))


def test_m_ag_26_usage_lends_what_an_idle_task_leaves_and_load_ends_stubborn_borrowers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The load of the machine is what the test says; a borrower that ignores TERM is destroyed after its grace."""
    load = [0.0, 0.0, 0.0]
    monkeypatch.setattr(os, "getloadavg", lambda: tuple(load))
    spec = AgentSpec(
        resources=RESOURCES,
        flags={
            "resource_estimator": "usage",
            "resource_estimator_margin": 0.2,
            "oversubscribed_resources_interval": "1secs",
            "qos_controller": "load",
            "qos_load_threshold_5min": 50,
        },
    )

    async def scenario() -> None:
        async with LocalCluster([spec]) as cluster:
            plain = await RawFramework.subscribe(cluster.master, info("plain", "a"))
            (own,) = await offers_of(plain, 1)
            borrows = await RawFramework.subscribe(cluster.master, borrower("borrows", "b"))
            assert await metric(cluster.master, "master/cpus_revocable_total") == 0.0
            await launch(plain, own, task("idle", own, 1, 32))
            await reach(plain, "TASK_RUNNING", "idle")
            offer = await lent_offer(borrows)
            # Of one processor the task uses next to nothing, and a fifth is kept.
            assert 600 <= held(offer).revocable().scalar("cpus") <= 800
            await launch(borrows, offer, borrowing("guest", offer, 0.5, STUBBORN))
            await reach(borrows, "TASK_RUNNING", "guest")
            load[1] = 60.0
            status = await ended(borrows, "guest")
            assert (status["state"], status["reason"]) == ("TASK_GONE", "REASON_CONTAINER_PREEMPTED")
            assert "the load of 5 minutes is 60.00, above 50" in status["message"]
            # Nothing is lent any more once the task that it belongs to has ended.
            assert await plain.call("KILL", task_id={"value": "idle"}) == (202, "")
            await ended(plain, "idle")

            async def nothing_lent() -> bool:
                return await metric(cluster.master, "master/cpus_revocable_total") == 0.0

            await until(nothing_lent)
            plain.close()
            borrows.close()

    uvloop.run(asyncio.wait_for(scenario(), SCENARIO_SECONDS_MAX))


def test_m_ag_26_without_the_flags_nothing_is_lent() -> None:
    async def scenario() -> None:
        async with LocalCluster([AgentSpec(resources=RESOURCES)]) as cluster:
            borrows = await RawFramework.subscribe(cluster.master, borrower("borrows", "b"))
            (offer,) = await offers_of(borrows, 1)
            assert not held(offer).revocable()
            mixed = borrowing("guest", offer, 0.1, "true")
            operation = {"type": "LAUNCH", "launch": {"task_infos": [mixed]}}
            await borrows.call("ACCEPT", offer_ids=[offer["id"]], operations=[operation], filters=FOREVER)
            status = await ended(borrows, "guest")
            assert status["state"] == "TASK_ERROR"
            borrows.close()

    uvloop.run(asyncio.wait_for(scenario(), SCENARIO_SECONDS_MAX))
