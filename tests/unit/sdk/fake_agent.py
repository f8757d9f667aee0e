"""An agent that an executor talks to."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator

from mesos_service.http.held_stream import HeldStream
from mesos_service.sdk.executor import PATH, ExecutorEnvironment
from mesos_service.sdk.subscription import Address
from tests.unit.sdk.fake_server import FakeServer, Json

ENVIRONMENT = {
    "MESOS_AGENT_ENDPOINT": "127.0.0.1:5051",
    "MESOS_FRAMEWORK_ID": "F1",
    "MESOS_EXECUTOR_ID": "e1",
    "MESOS_CHECKPOINT": "1",
    "MESOS_RECOVERY_TIMEOUT": "2mins",
    "MESOS_SUBSCRIPTION_BACKOFF_MAX": "500ms",
    "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": "3secs",
}


def task_info(task_id: str) -> Json:
    return {"name": task_id, "task_id": {"value": task_id}, "agent_id": {"value": "S1"}}


def subscribe_executor(stream: HeldStream, call: Json) -> None:
    subscribed = {
        "executor_info": {"executor_id": {"value": "e1"}},
        "framework_info": {"user": "u", "name": "f"},
        "agent_info": {"hostname": "h"},
    }
    stream.write(json.dumps({"type": "SUBSCRIBED", "subscribed": subscribed}).encode())


@contextlib.asynccontextmanager
async def fake_agent() -> AsyncIterator[FakeServer]:
    server = FakeServer(PATH)
    server.on_subscribe = subscribe_executor
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def environment(agent: FakeServer, checkpoint: bool = True, recovery_seconds: float = 60.0) -> ExecutorEnvironment:
    return ExecutorEnvironment(
        agent=Address.parse(agent.address, 5051),
        framework_id="F1",
        executor_id="e1",
        checkpoint=checkpoint,
        recovery_timeout_seconds=recovery_seconds,
        subscription_backoff_seconds_max=0.05,
    )
