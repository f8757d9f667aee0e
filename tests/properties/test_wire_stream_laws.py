"""Streams: what is framed comes out whole, however the network cuts it (X60)."""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mesos_service.wire import scheduler
from mesos_service.wire.encode import encode_event
from mesos_service.wire.errors import WireError
from mesos_service.wire.recordio import RecordReader, record
from mesos_service.wire.streams import Encoding, negotiate


@given(
    payloads=st.lists(st.binary(min_size=1, max_size=30), max_size=8), cuts=st.lists(st.integers(0, 300), max_size=20)
)
def test_records_survive_any_cutting(payloads: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(map(record, payloads))
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    reader = RecordReader()
    out = [one for a, b in pairwise(edges) for one in reader.feed(stream[a:b])]
    assert out == payloads
    assert not reader.in_record


@given(parts=st.lists(st.binary(max_size=20), max_size=6))
def test_any_bytes_give_records_or_an_end(parts: list[bytes]) -> None:
    reader = RecordReader()
    read = b""
    try:
        for part in parts:
            for one in reader.feed(part):
                read += one
    except WireError as error:
        assert error.status == 502
    assert len(read) <= sum(map(len, parts))


@given(text=st.text(st.characters(codec="utf-8")))
def test_event_json_is_ascii_and_means_the_same(text: str) -> None:
    event = scheduler.Event(type="ERROR", error=scheduler.EventError(message=text))
    encoded = encode_event(event)
    assert encoded.isascii()
    assert b"\n" not in encoded
    assert b"\r" not in encoded
    assert json.loads(encoded) == {"type": "ERROR", "error": {"message": text}}


@given(accept=st.text(st.sampled_from("application/json*,;q=0.1 xtev-\t")))
def test_nobody_gets_an_encoding_they_did_not_ask_for(accept: str) -> None:
    encoding = negotiate(accept)
    asked = accept.lower().replace(" ", "").replace("\t", "")
    by_wildcard = encoding in (Encoding.RECORDIO, Encoding.RECORDIO_PROTOBUF) and "*" in asked
    assert encoding is None or encoding.content_type in asked or by_wildcard
