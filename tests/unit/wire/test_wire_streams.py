"""Which encoding a stream gets, and how each looks (N05, X18a)."""

from __future__ import annotations

import pytest

from mesos_service.wire.streams import Encoding, accepts_json, negotiate

RECORDIO, LINES, SSE = Encoding.RECORDIO, Encoding.JSON_LINES, Encoding.SERVER_SENT_EVENTS


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
        ("application/json;q=0, */*", None),
        ("*/*;q=0", None),
        ("application/*;q=0, */*", None),
        ("application/json;q=much", None),
        ("application/json;q=nan", None),
        ("application/json; charset=utf-8", RECORDIO),
        ("text/html", None),
        ("text/*", None),
        ("text/plain", None),
        ("application/x-protobuf", None),
        ("", None),
        (" , ;", None),
    ],
)
def test_accept(accept: str | None, encoding: Encoding | None) -> None:
    assert negotiate(accept) is encoding


def test_a_plain_answer_is_json_or_nothing() -> None:
    assert accepts_json(None)
    assert accepts_json("*/*")
    assert accepts_json("text/event-stream, */*")
    assert accepts_json("application/jsonl, application/json;q=0.5")
    assert not accepts_json("text/event-stream")
    assert not accepts_json("text/html")


def test_framing() -> None:
    one, two = b'{"type":"HEARTBEAT"}', b'{"type":"ERROR"}'
    assert RECORDIO.framer()(one) == b"20\n" + one
    assert LINES.framer()(one) == one + b"\n"
    events = SSE.framer()
    assert events(one) == b"id: 1\ndata: " + one + b"\n\n"
    assert events(two) == b"id: 2\ndata: " + two + b"\n\n"
    assert SSE.framer()(one).startswith(b"id: 1\n")


def test_content_types() -> None:
    assert [one.content_type for one in Encoding] == ["application/json", "application/jsonl", "text/event-stream"]
