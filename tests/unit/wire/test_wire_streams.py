"""Which encoding a stream gets, and how each looks (N05, X18a)."""

from __future__ import annotations

import pytest

from mesos_service.wire.streams import Encoding, negotiate, negotiate_answer

RECORDIO, LINES, SSE = Encoding.RECORDIO, Encoding.JSON_LINES, Encoding.SERVER_SENT_EVENTS
BINARY = Encoding.RECORDIO_PROTOBUF


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [
        (None, RECORDIO),
        ("application/json", RECORDIO),
        ("Application/JSON", RECORDIO),
        ("*/*", RECORDIO),
        ("application/*", RECORDIO),
        ("text/html, */*;q=0.1", RECORDIO),
        ("application/jsonl", LINES),
        ("text/event-stream", SSE),
        ("text/event-stream, */*", SSE),
        ("text/event-stream, application/json", RECORDIO),
        ("text/event-stream, application/json;q=0.5", SSE),
        ("application/json;q=0, */*", BINARY),
        ("application/json;q=0, application/x-protobuf", BINARY),
        ("application/x-protobuf", BINARY),
        ("application/x-protobuf;q=0.1", BINARY),
        ("application/x-protobuf, application/json;q=0.1", RECORDIO),
        ("application/x-protobuf, */*", RECORDIO),
        ("application/x-protobuf;q=0", None),
        ("*/*;q=0", None),
        ("application/*;q=0, */*", None),
        ("application/json;q=much", None),
        ("application/json;q=nan", None),
        ("application/json; charset=utf-8", RECORDIO),
        ("text/html", None),
        ("text/*", None),
        ("text/plain", None),
        ("", None),
        (" , ;", None),
    ],
)
def test_accept(accept: str | None, encoding: Encoding | None) -> None:
    assert negotiate(accept) is encoding


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("text/event-stream, */*", "application/json"),
        ("application/jsonl, application/json;q=0.5", "application/json"),
        ("application/x-protobuf", "application/x-protobuf"),
        ("application/x-protobuf, application/json", "application/json"),
        ("text/event-stream", None),
        ("text/html", None),
    ],
)
def test_a_plain_answer_is_json_or_else_protobuf(accept: str | None, content_type: str | None) -> None:
    assert negotiate_answer(accept) == content_type


def test_framing() -> None:
    one, two = b'{"type":"HEARTBEAT"}', b'{"type":"ERROR"}'
    assert RECORDIO.framer()(one) == b"20\n" + one
    assert LINES.framer()(one) == one + b"\n"
    events = SSE.framer()
    assert events(one) == b"id: 1\ndata: " + one + b"\n\n"
    assert events(two) == b"id: 2\ndata: " + two + b"\n\n"
    assert SSE.framer()(one).startswith(b"id: 1\n")


def test_content_types() -> None:
    assert [one.content_type for one in Encoding] == [
        "application/json",
        "application/x-protobuf",
        "application/jsonl",
        "text/event-stream",
    ]
