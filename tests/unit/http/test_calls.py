"""What a POST is refused for before its body is read, and how paths are brought into one spelling."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import cast

import pytest

from mesos_service.agent.driver import AgentDriver
from mesos_service.agent.executor_api import ExecutorApi
from mesos_service.agent.outlets import AgentOutlets
from mesos_service.http.asgi import (
    BODY_BYTES_MAX,
    CLIENT_BODY_BYTES_MAX,
    Application,
    BodyTooLarge,
    HotPath,
    Message,
    Receive,
    Scope,
    Send,
    read_body,
)
from mesos_service.http.calls import receive_call
from mesos_service.http.paths import MesosPaths
from mesos_service.master.driver import MasterDriver
from mesos_service.master.outlets import MasterOutlets
from mesos_service.master.scheduler_api import SchedulerApi


def scope(method: str = "POST", **headers: str) -> Scope:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": method, "path": "/api/v1", "headers": raw}


def post(asked: Scope, *parts: bytes) -> tuple[object, list[Message]]:
    waiting = list(parts)
    sent: list[Message] = []

    async def receive() -> Message:
        body = waiting.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(waiting)}

    async def send(message: Message) -> None:
        sent.append(message)

    return asyncio.run(receive_call(asked, receive, send)), sent


async def _wait(answering: Awaitable[None]) -> None:
    await answering


def test_x18a_wrong_method_is_405_with_the_one_that_is_allowed() -> None:
    call, sent = post(scope("GET"))
    assert call is None
    assert sent[0]["status"] == 405
    assert (b"Allow", b"POST") in sent[0]["headers"]
    assert sent[1]["body"] == b"405 Method Not Allowed. Expecting one of { 'POST' }, but received 'GET'."


@pytest.mark.parametrize(
    ("content_type", "status", "text"),
    [
        (None, 400, b"Expecting 'Content-Type' to be present"),
        ("text/plain", 415, b"Expecting 'Content-Type' of application/json or application/x-protobuf"),
        (
            "application/json; charset=utf-8",
            415,
            b"Expecting 'Content-Type' of application/json or application/x-protobuf",
        ),
    ],
)
def test_x18a_content_type_must_be_exactly_json(content_type: str | None, status: int, text: bytes) -> None:
    headers = {} if content_type is None else {"content_type": content_type}
    call, sent = post(scope(**headers), b"{}")
    assert call is None
    assert (sent[0]["status"], sent[1]["body"]) == (status, text)


def test_a_body_may_come_in_parts() -> None:
    call, sent = post(scope(content_type="application/json", mesos_stream_id="s"), b"{", b"}")
    assert call is not None
    assert sent == []
    assert (call.body, call.headers.stream_id) == (b"{}", "s")  # type: ignore[attr-defined]


def test_an_oversized_body_is_given_up_before_it_is_held() -> None:
    taken = 0

    async def receive() -> Message:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": b"x" * 1000, "more_body": True}

    with pytest.raises(BodyTooLarge):
        asyncio.run(read_body(receive, limit=10_000))
    assert taken == 11


def test_a_body_beyond_its_endpoints_limit_is_413() -> None:
    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"x" * 101, "more_body": False}

    sent: list[Message] = []
    asked = scope(content_type="application/json")
    assert asyncio.run(receive_call(asked, receive, send, limit=100)) is None
    assert sent[0]["status"] == 413
    assert asyncio.run(receive_call(asked, receive, send, limit=101)) is not None


@pytest.mark.parametrize(
    "endpoint",
    [
        SchedulerApi(cast("MasterDriver", None), cast("MasterOutlets", None), lambda _: None),
        ExecutorApi(cast("AgentDriver", None), cast("AgentOutlets", None)),
    ],
)
def test_schedulers_and_executors_may_send_less_than_the_agent_link_carries(endpoint: Application) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b" " * (CLIENT_BODY_BYTES_MAX + 1), "more_body": False}

    asyncio.run(_wait(endpoint(scope(content_type="application/json"), receive, send)))
    assert sent[0]["status"] == 413
    assert 2 * CLIENT_BODY_BYTES_MAX < BODY_BYTES_MAX


@pytest.mark.parametrize(
    ("asked", "spelled"),
    [
        ("/state", "/state"),
        ("/state/", "/state"),
        ("/master/state", "/state"),
        ("/master/frameworks/", "/frameworks"),
        ("/", "/"),
        ("/master", "/"),
        ("/master/", "/"),
        ("/state/x", "/state"),
        ("/master/state/x/y/", "/state"),
        ("/states/x", "/states/x"),
        ("/state/../x", "/state/../x"),
        ("//x", "//x"),
        ("/metrics/snapshot/x", "/metrics/snapshot"),
        ("/metrics/x", "/metrics"),
        ("/mastered/state", "/mastered/state"),
        ("/api/v1/operator", "/api/v1"),
        ("/master/api/v1/anything/deeper", "/api/v1"),
        ("/api/v1/explain/framework/x", "/api/v1/explain/framework/x"),
        ("/api/v1/explain", "/api/v1/explain"),
        ("/api/v1/explained", "/api/v1"),
    ],
)
def test_paths_have_one_spelling(asked: str, spelled: str) -> None:
    async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("not called")

    assert (
        MesosPaths(nothing, "/master", ("/api/v1/explain",), ("/state", "/metrics", "/metrics/snapshot")).normalise(
            asked
        )
        == spelled
    )


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/v1/scheduler", "scheduler"),
        ("/api/v1/scheduler/", "scheduler"),
        ("/api/v1/scheduler/x", "scheduler"),
        ("/master/api/v1/scheduler//", "scheduler"),
        ("/api/v1/scheduler/x/y", "deeper"),
        ("/slave(1)/api/v1/executor/", "executor"),
        ("/api/v1/schedulers", "behind"),
        ("/api/v1", "behind"),
        ("/", "behind"),
    ],
)
def test_hot_paths_take_what_is_below_them_by_the_longest_prefix(path: str, expected: str) -> None:
    reached: list[str] = []

    def named(name: str) -> Application:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            reached.append(name)

        return application

    async def receive() -> Message:
        raise AssertionError("nothing is read here")

    async def send(message: Message) -> None:
        raise AssertionError("nothing is sent here")

    scheduler = named("scheduler")
    hot = {
        "/api/v1/scheduler": scheduler,
        "/master/api/v1/scheduler": scheduler,
        "/api/v1/scheduler/x/y": named("deeper"),
        "/slave(1)/api/v1/executor": named("executor"),
    }
    asyncio.run(_wait(HotPath(named("behind"), hot)({**scope(), "path": path}, receive, send)))
    assert reached == [expected]
