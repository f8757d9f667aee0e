"""An executor of the SDK against an agent in small: updates are told until acknowledged, whatever breaks."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
from collections.abc import Coroutine
from types import SimpleNamespace

import pytest

from mesos_service.sdk import executor as executor_module
from mesos_service.sdk.errors import CallRefused, NotConnected, SubscriptionEnded, Unreachable
from mesos_service.sdk.executor import Executor, ExecutorEnvironment
from mesos_service.sdk.subscription import Address
from mesos_service.wire import executor as wire
from mesos_service.wire.tasks import TaskInfo
from tests.unit.sdk.fake_agent import ENVIRONMENT, environment, fake_agent, task_info
from tests.unit.sdk.fake_server import Answer, FakeServer, Json


def in_loop(test: Coroutine[object, object, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(120):
            await test

    asyncio.run(bounded())


class Recording(Executor):
    """Starts tasks by saying that they run, and remembers everything else."""

    def __init__(self, environment: ExecutorEnvironment) -> None:
        super().__init__(environment)
        self.told: list[tuple[object, ...]] = []
        self.is_subscribed = asyncio.Event()

    async def subscribed(self, event: wire.EventSubscribed) -> None:
        self.told.append(("subscribed", event.agent_info.hostname))
        self.is_subscribed.set()

    async def disconnected(self, reason: str) -> None:
        self.told.append(("disconnected",))

    async def launch(self, task: TaskInfo) -> None:
        self.told.append(("launch", task.task_id.value))
        await self.update(task.task_id.value, "TASK_RUNNING")

    async def kill(self, task_id: str, grace_seconds: float | None) -> None:
        self.told.append(("kill", task_id, grace_seconds))
        await self.update(task_id, "TASK_KILLED", "as asked", data=b"x", healthy=False)

    async def message(self, data: bytes) -> None:
        self.told.append(("message", data))

    async def shutdown(self) -> None:
        self.told.append(("shutdown",))


def acknowledge(agent: FakeServer, update: Json) -> None:
    status = update["update"]["status"]
    agent.send({"type": "ACKNOWLEDGED", "acknowledged": {"task_id": status["task_id"], "uuid": status["uuid"]}})


def test_m_ex_03_the_environment_says_who_we_are() -> None:
    assert ExecutorEnvironment.read(ENVIRONMENT) == ExecutorEnvironment(
        agent=Address("127.0.0.1", 5051),
        framework_id="F1",
        executor_id="e1",
        checkpoint=True,
        recovery_timeout_seconds=120.0,
        subscription_backoff_seconds_max=0.5,
        shutdown_grace_seconds=3.0,
    )
    assert not ExecutorEnvironment.read({**ENVIRONMENT, "MESOS_CHECKPOINT": "0"}).checkpoint


@pytest.mark.parametrize(
    ("name", "value"), [("MESOS_AGENT_ENDPOINT", ""), ("MESOS_FRAMEWORK_ID", ""), ("MESOS_RECOVERY_TIMEOUT", "soon")]
)
def test_a_broken_environment_is_named(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name):
        ExecutorEnvironment.read({**ENVIRONMENT, name: value})


def test_m_ex_01_02_events_come_in_and_calls_go_out() -> None:
    async def test() -> None:
        async with fake_agent() as agent:
            executor = Recording(environment(agent))
            run = asyncio.create_task(executor.run())
            (subscribe,) = await agent.called("SUBSCRIBE")
            assert subscribe == {
                "executor_id": {"value": "e1"},
                "framework_id": {"value": "F1"},
                "type": "SUBSCRIBE",
                "subscribe": {},
            }
            agent.send({"type": "LAUNCH", "launch": {"task": task_info("t1")}})
            group = {"tasks": [task_info("t2"), task_info("t3")]}
            agent.send({"type": "LAUNCH_GROUP", "launch_group": {"task_group": group}})
            policy = {"grace_period": {"nanoseconds": 1_500_000_000}}
            agent.send({"type": "KILL", "kill": {"task_id": {"value": "t1"}, "kill_policy": policy}})
            updates = await agent.called("UPDATE", 4)
            last = updates[3]["update"]["status"]
            assert last.pop("timestamp") > 1_700_000_000
            assert len(last.pop("uuid")) == 24
            assert last == {
                "task_id": {"value": "t1"},
                "state": "TASK_KILLED",
                "message": "as asked",
                "source": "SOURCE_EXECUTOR",
                "data": "eA==",
                "executor_id": {"value": "e1"},
                "healthy": False,
            }
            await executor.send(b"hello")
            (message,) = await agent.called("MESSAGE")
            assert message["message"] == {"data": "aGVsbG8="}
            agent.send({"type": "HEARTBEAT"})
            agent.send({"type": "MESSAGE", "message": {"data": "aGk="}})
            agent.send({"type": "SHUTDOWN"})
            await run
            assert executor.told == [
                ("subscribed", "h"),
                ("launch", "t1"),
                ("launch", "t2"),
                ("launch", "t3"),
                ("kill", "t1", 1.5),
                ("message", b"hi"),
                ("shutdown",),
            ]
            assert all(headers.stream_id is None for headers, _ in agent.calls)

    in_loop(test())


def test_x10_what_nobody_acknowledged_is_told_with_the_next_subscription() -> None:
    async def test() -> None:
        async with fake_agent() as agent:
            executor = Recording(environment(agent))
            run = asyncio.create_task(executor.run())
            await agent.called("SUBSCRIBE")
            agent.send({"type": "LAUNCH", "launch": {"task": task_info("t1")}})
            agent.send({"type": "LAUNCH", "launch": {"task": task_info("t2")}})
            first, second = await agent.called("UPDATE", 2)
            acknowledge(agent, first)
            agent.end_stream()
            again = (await agent.called("SUBSCRIBE", 2))[1]["subscribe"]
            assert [one["task_id"]["value"] for one in again["unacknowledged_tasks"]] == ["t2"]
            assert again["unacknowledged_updates"] == [second["update"]]
            acknowledge(agent, second)
            assert await executor.flush()
            executor.stop()
            await run

    in_loop(test())


def test_flush_says_when_an_update_is_still_open() -> None:
    async def test() -> None:
        async with fake_agent() as agent:
            executor = Recording(environment(agent))
            run = asyncio.create_task(executor.run())
            await agent.called("SUBSCRIBE")
            agent.send({"type": "LAUNCH", "launch": {"task": task_info("t1")}})
            await agent.called("UPDATE")
            assert not await executor.flush(timeout_seconds=0.05)
            executor.stop()
            await run

    in_loop(test())


def test_m_ex_05_without_checkpointing_a_lost_agent_is_the_end() -> None:
    async def test() -> None:
        async with fake_agent() as agent:
            executor = Recording(environment(agent, checkpoint=False))
            run = asyncio.create_task(executor.run())
            await agent.called("SUBSCRIBE")
            agent.end_stream()
            with pytest.raises(Unreachable, match="does not checkpoint"):
                await run
            assert len(await agent.called("SUBSCRIBE")) == 1

    in_loop(test())


def test_m_ex_05_with_checkpointing_the_recovery_timeout_is_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with fake_agent() as agent:

            def clock() -> float:
                """The time is over with the fourth try, however long each takes."""
                return 0.2 if len(agent.calls) >= 4 else 0.0

            monkeypatch.setattr(executor_module, "time", SimpleNamespace(monotonic=clock))
            executor = Recording(environment(agent, recovery_seconds=0.2))
            run = asyncio.create_task(executor.run())
            await agent.called("SUBSCRIBE")
            agent.answers["SUBSCRIBE"] = Answer(503, "Agent has not finished recovery")
            agent.end_stream()
            with pytest.raises(Unreachable, match=r"away for 0\.2 s: .*Agent has not finished recovery"):
                await run
            assert len(await agent.called("SUBSCRIBE")) == len(agent.calls) == 4

    in_loop(test())


def test_an_agent_that_was_never_there_is_waited_for_as_long() -> None:
    async def test() -> None:
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            there = dataclasses.replace(
                ExecutorEnvironment.read(ENVIRONMENT),
                agent=Address("127.0.0.1", nobody.getsockname()[1]),
                recovery_timeout_seconds=0.1,
            )
            with pytest.raises(Unreachable, match="cannot be reached"):
                await Recording(there).run()

    in_loop(test())


def test_an_update_that_is_refused_is_forgotten() -> None:
    async def test() -> None:
        async with fake_agent() as agent:
            executor = Recording(environment(agent))
            run = asyncio.create_task(executor.run())
            await executor.is_subscribed.wait()
            agent.answers["UPDATE"] = Answer(400, "Received TASK_STAGING which is not allowed")
            with pytest.raises(CallRefused, match="not allowed"):
                await executor.update("t1", "TASK_STAGING")
            assert await executor.flush(0)
            executor.stop()
            await run
            with pytest.raises(NotConnected):
                await executor.send(b"too late")

    in_loop(test())


def test_an_agent_that_does_not_know_us_is_not_asked_again() -> None:
    async def test() -> None:
        async with fake_agent() as agent:
            agent.answers["SUBSCRIBE"] = Answer(400, "Framework cannot be found")
            with pytest.raises(CallRefused, match="Framework cannot be found"):
                await Recording(environment(agent)).run()

    in_loop(test())


def test_error_is_the_last_word() -> None:
    async def test() -> None:
        async with fake_agent() as agent:
            executor = Recording(environment(agent))
            run = asyncio.create_task(executor.run())
            await agent.called("SUBSCRIBE")
            agent.send({"type": "ERROR", "error": {"message": "gone"}})
            with pytest.raises(SubscriptionEnded, match="gone"):
                await run

    in_loop(test())
