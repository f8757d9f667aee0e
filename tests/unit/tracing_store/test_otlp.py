"""Bodies of OTLP/HTTP: what is read from them, and what is said of those that are no good (N03)."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from mesos_service.tracing_store.otlp import DEPTH_MAX, decompress, read_json, read_protobuf
from mesos_service.tracing_store.records import MalformedTraces, ReceivedSpans
from tests.unit.tracing_store.exports import NOON, SECOND, TRACE, body, request, span
from tests.unit.tracing_store.spans import AS_JSON


def as_protobuf() -> bytes:
    """The same as ``AS_JSON``."""
    one = span(2, 1, name="agent.launch", attributes={"task_id": "t1"}, error="no room")
    one.kind = Span.SPAN_KIND_SERVER
    one.attributes.add(key="tries").value.int_value = 3
    one.attributes.add(key="share").value.double_value = 0.5
    one.attributes.add(key="whole").value.double_value = float("nan")
    one.attributes.add(key="ok").value.bool_value = False
    one.attributes.add(key="raw").value.bytes_value = b"\x00\x01"
    many = one.attributes.add(key="many").value.array_value
    many.values.add().int_value = 1
    many.values.add()
    one.attributes.add(key="map").value.kvlist_value.values.add(key="a").value.int_value = 1
    one.events.add(name="fetched", time_unix_nano=NOON)
    one.links.add(trace_id=bytes.fromhex(TRACE), span_id=(9).to_bytes(8, "big"))
    sent: bytes = request(("mesos-agent", "node2", [one])).SerializeToString()
    return sent


def test_n03_json_and_protobuf_say_the_same() -> None:
    from_json, from_protobuf = read_json(json.dumps(AS_JSON).encode()), read_protobuf(as_protobuf())
    assert from_json == from_protobuf
    (one,) = from_json.spans
    (source,) = from_json.sources
    assert (source.service, source.host, source.instance) == ("mesos-agent", "node2", "node2:1")
    assert (one.trace_id.hex(), one.span_id[-1], one.parent_id) == (TRACE, 2, bytes(7) + b"\x01")
    assert (one.start, one.end, one.status, one.message) == (NOON, NOON + SECOND, 2, "no room")
    assert json.loads(one.attributes) == {
        "task_id": "t1",
        "tries": 3,
        "share": 0.5,
        "whole": "nan",
        "ok": False,
        "raw": "AAE=",
        "many": [1, None],
        "map": {"a": 1},
    }
    assert json.loads(one.events) == [{"name": "fetched", "time_unix_nano": str(NOON), "attributes": {}}]
    assert json.loads(one.links) == [{"trace_id": TRACE, "span_id": "0000000000000009", "attributes": {}}]
    assert one.subjects == [("task_id", "t1")]


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"", "no export of traces in JSON"),
        (b"[]", "Expected `object`"),
        (b'{"resourceSpans": 5}', "at `\\$.resourceSpans`"),
        (
            b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "xyz"}]}]}]}',
            "traceId is not hexadecimal: 'xyz'",
        ),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": "-1"}]}]}]}', "startTimeUnixNano"),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "\\ud800"}]}]}]}', "surrogate"),
        (b"\xff\xfe", "malformed"),
        (b'{"resourceSpans":' + b"[" * 100_000, "nested too deeply|Expected|truncated"),
    ],
)
def test_json_that_is_no_export_is_refused_with_the_place(sent: bytes, reason: str) -> None:
    with pytest.raises(MalformedTraces, match=reason):
        read_json(sent)


def test_protobuf_that_is_no_export_is_refused() -> None:
    with pytest.raises(MalformedTraces, match="no ExportTraceServiceRequest"):
        read_protobuf(b"\xff\xff\xff")


def test_an_attribute_that_is_nested_too_deeply_is_refused() -> None:
    def nested(depth: int) -> tuple[bytes, bytes]:
        one = span(1)
        value = one.attributes.add(key="deep").value
        deep: object = {}
        for _ in range(depth):
            value = value.array_value.values.add()
            deep = {"arrayValue": {"values": [deep]}}
        spans = {"traceId": TRACE, "spanId": "0000000000000001", "startTimeUnixNano": "1", "endTimeUnixNano": "1"}
        spans["attributes"] = [{"key": "deep", "value": deep}]  # type: ignore[assignment]
        return body(one), json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [spans]}]}]}).encode()

    for read, fits, too_deep in zip((read_protobuf, read_json), nested(DEPTH_MAX), nested(DEPTH_MAX + 1), strict=True):
        assert len(read(fits).spans) == 1
        with pytest.raises(MalformedTraces, match="nested more than 16 deep"):
            read(too_deep)


def test_a_span_that_is_no_good_is_counted_and_the_others_are_taken() -> None:
    wrong = [span(2), span(3), span(4), span(5), span(6)]
    wrong[0].trace_id = b"short"
    wrong[1].span_id = bytes(8)
    wrong[2].parent_span_id = b"x"
    wrong[3].start_time_unix_nano = 0
    wrong[4].end_time_unix_nano = 2**64 - 1
    received = read_protobuf(body(*wrong, span(1)))
    assert [one.span_id[-1] for one in received.spans] == [1]
    assert received.rejected == 5
    assert received.reason == "span 'master.offer': its trace id is not 16 bytes that are not all zero"


def test_a_span_that_ends_before_it_starts_is_kept() -> None:
    """Somebody set a clock back; the waterfall tells it."""
    assert len(read_protobuf(body(span(1, took=-SECOND))).spans) == 1


def test_a_body_is_unpacked_no_further_than_it_may_be() -> None:
    packed = gzip.compress(bytes(10_000_000))
    assert len(packed) < 20_000
    with pytest.raises(OverflowError):
        decompress(packed, 1_000_000)
    assert decompress(gzip.compress(b"x" * 1000), 1000) == b"x" * 1000
    with pytest.raises(MalformedTraces, match="cut off"):
        decompress(gzip.compress(b"x" * 1000)[:-5], 1000)
    with pytest.raises(MalformedTraces, match="not gzip"):
        decompress(b"plain", 1000)


@settings(max_examples=200, deadline=None)
@given(st.integers(min_value=0), st.binary(max_size=8), st.booleans())
def test_whatever_comes_is_read_or_refused(place: int, noise: bytes, in_json: bool) -> None:
    whole = json.dumps(AS_JSON).encode() if in_json else as_protobuf()
    place %= len(whole)
    sent = whole[:place] + noise + whole[place + len(noise) :]
    try:
        received = (read_json if in_json else read_protobuf)(sent)
    except MalformedTraces as refusal:
        assert str(refusal)
    else:
        assert isinstance(received, ReceivedSpans)
