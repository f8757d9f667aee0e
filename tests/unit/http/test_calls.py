"""What a POST is refused for before its body is read, and how paths are brought into one spelling."""

from __future__ import annotations

import asyncio

import pytest

from mesos_service.http.asgi import BodyTooLarge, Message, Receive, Scope, Send, read_body
from mesos_service.http.calls import receive_call
from mesos_service.http.paths import MesosPaths


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


@pytest.mark.parametrize(
    ("asked", "spelled"),
    [
        ("/state", "/state"),
        ("/state/", "/state"),
        ("/master/state", "/state"),
        ("/master/frameworks/", "/frameworks"),
        ("/", "/"),
        ("/master", "/master"),
        ("/mastered/state", "/mastered/state"),
        ("/api/v1/operator", "/api/v1"),
        ("/master/api/v1/anything/deeper", "/api/v1"),
        ("/api/v1/explain/framework/x", "/api/v1/explain/framework/x"),
    ],
)
def test_paths_have_one_spelling(asked: str, spelled: str) -> None:
    async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("not called")

    assert MesosPaths(nothing, "/master", ("/api/v1/explain",)).normalise(asked) == spelled
