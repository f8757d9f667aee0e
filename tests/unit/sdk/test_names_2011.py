"""The paper's names do what today's do (1.G)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from mesos_service.sdk.errors import CallRefused, NotConnected
from mesos_service.sdk.executor import ExecutorEnvironment
from mesos_service.sdk.names_2011 import Executor2011, Scheduler2011
from mesos_service.sdk.tasks import task
from mesos_service.wire.agents import MasterInfo
from mesos_service.wire.offers import Offer
from mesos_service.wire.tasks import TaskInfo, TaskStatus
from tests.unit.sdk.fake_agent import ENVIRONMENT, environment, fake_agent, task_info
from tests.unit.sdk.fake_server import Answer, fake_master
from tests.unit.sdk.recording import OFFER, STATUS, in_loop, running

QUOTA = """{"type": "GET_QUOTA", "get_quota": {"status": {"configs": [
    {"role": "r", "guarantees": {"cpus": {"value": 0.5}}},
    {"role": "other", "guarantees": {"cpus": {"value": 9}}}]}}}"""


class Paper(Scheduler2011):
    """Launches one task and remembers its callbacks."""

    def __init__(self, master: str) -> None:
        super().__init__("paper", master, roles=["r"])
        self.told: list[tuple[str, str]] = []
        self.is_subscribed = asyncio.Event()

    async def subscribed(self, framework_id: str, master: MasterInfo | None) -> None:
        self.is_subscribed.set()

    async def resourceOffer(self, offerId: str, offers: Sequence[Offer]) -> None:  # noqa: N802, N803
        self.told.append(("resourceOffer", offers[0].agent_id.value))
        if offerId == "O1":
            await self.replyToOffer(offerId, [task("t1", offers[0], "cpus:1", "true")])
        else:
            await super().resourceOffer(offerId, offers)

    async def offerRescinded(self, offerId: str) -> None:  # noqa: N802, N803
        self.told.append(("offerRescinded", offerId))

    async def statusUpdate(self, taskId: str, status: TaskStatus) -> None:  # noqa: N802, N803
        self.told.append(("statusUpdate", taskId))

    async def slaveLost(self, slaveId: str) -> None:  # noqa: N802, N803
        self.told.append(("slaveLost", slaveId))
        self.stop()


def test_1_g_scheduler_callbacks_and_actions() -> None:
    async def test() -> None:
        async with fake_master() as master:
            scheduler = Paper(master.address)
            with pytest.raises(NotConnected):
                await scheduler.getGuaranteedShare()
            async with running(scheduler) as run:
                await master.called("SUBSCRIBE")
                second = {**OFFER, "id": {"value": "O2"}}
                master.send({"type": "OFFERS", "offers": {"offers": [OFFER, second]}})
                assert (await master.called("ACCEPT"))[0]["accept"]["offer_ids"] == [{"value": "O1"}]
                assert (await master.called("DECLINE"))[0]["decline"]["offer_ids"] == [{"value": "O2"}]
                await scheduler.setNeedsOffers(False)
                await scheduler.setNeedsOffers(True)
                assert [call["type"] for _, call in master.calls][-2:] == ["SUPPRESS", "REVIVE"]
                await scheduler.killTask("t1")
                assert (await master.called("KILL"))[0]["kill"] == {"task_id": {"value": "t1"}}
                await scheduler.setFilters("cpus:1;mem:128")
                await scheduler.setFilters(None)
                first, second = await master.called("UPDATE_FRAMEWORK", 2)
                assert first["update_framework"]["framework_info"]["offer_filters"] == {
                    "r": {
                        "min_allocatable_resources": {
                            "quantities": [{"quantities": {"cpus": {"value": 1.0}, "mem": {"value": 128.0}}}]
                        }
                    }
                }
                assert "offer_filters" not in second["update_framework"]["framework_info"]
                master.send({"type": "RESCIND", "rescind": {"offer_id": {"value": "O3"}}})
                master.send({"type": "UPDATE", "update": {"status": STATUS}})
                await master.called("ACKNOWLEDGE")
                executor_lost = {"agent_id": {"value": "S1"}, "executor_id": {"value": "e"}, "status": 0}
                master.send({"type": "FAILURE", "failure": executor_lost})
                master.send({"type": "FAILURE", "failure": {"agent_id": {"value": "S1"}}})
                await run
            assert scheduler.told == [
                ("resourceOffer", "S1"),
                ("resourceOffer", "S1"),
                ("offerRescinded", "O3"),
                ("statusUpdate", "t1"),
                ("slaveLost", "S1"),
            ]

    in_loop(test())


def test_1_g_the_guaranteed_share_is_the_quota_of_ones_own_role() -> None:
    async def test() -> None:
        async with fake_master() as master:
            scheduler = Paper(master.address)
            async with running(scheduler):
                await scheduler.is_subscribed.wait()
                master.path = "/api/v1"
                master.answers["GET_QUOTA"] = Answer(200, QUOTA)
                assert await scheduler.getGuaranteedShare() == {"r": {"cpus": 0.5}}
                master.answers["GET_QUOTA"] = Answer(501, "")
                with pytest.raises(CallRefused) as refused:
                    await scheduler.getGuaranteedShare()
                assert refused.value.status == 501

    in_loop(test())


class PaperExecutor(Executor2011):
    async def launchTask(self, taskDescriptor: TaskInfo) -> None:  # noqa: N802, N803
        await self.sendStatus(taskDescriptor.task_id.value, "TASK_RUNNING")

    async def killTask(self, taskId: str) -> None:  # noqa: N802, N803
        await self.sendStatus(taskId, "TASK_KILLED")


def test_1_g_executor_callbacks_and_actions() -> None:
    async def test() -> None:
        async with fake_agent() as agent:
            executor = PaperExecutor(environment(agent))
            run = asyncio.create_task(executor.run())
            await agent.called("SUBSCRIBE")
            agent.send({"type": "LAUNCH", "launch": {"task": task_info("t1")}})
            agent.send({"type": "KILL", "kill": {"task_id": {"value": "t1"}}})
            updates = await agent.called("UPDATE", 2)
            assert [one["update"]["status"]["state"] for one in updates] == ["TASK_RUNNING", "TASK_KILLED"]
            agent.send({"type": "SHUTDOWN"})
            await run

    in_loop(test())


def test_the_environment_is_read_when_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    assert PaperExecutor().environment == ExecutorEnvironment.read(ENVIRONMENT)
