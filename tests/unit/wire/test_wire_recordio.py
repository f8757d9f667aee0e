"""RecordIO, as written and as read (X60)."""

from __future__ import annotations

import pytest

from mesos_service.wire.errors import WireError
from mesos_service.wire.recordio import RECORD_BYTES_MAX, RecordReader, record


def test_the_length_counts_bytes() -> None:
    assert record(b'{"type":"HEARTBEAT"}') == b'20\n{"type":"HEARTBEAT"}'
    assert record("é".encode()) == b"2\n\xc3\xa9"
    with pytest.raises(ValueError, match="never empty"):
        record(b"")


def test_records_come_out_as_they_went_in_however_they_are_cut() -> None:
    payloads = [b"{}", b"\n", b"12\n34", b"x" * 1000]
    stream = b"".join(map(record, payloads))
    for size in (1, 2, 3, 7, len(stream)):
        reader = RecordReader()
        out = [one for at in range(0, len(stream), size) for one in reader.feed(stream[at : at + size])]
        assert out == payloads
        assert not reader.in_record


def test_a_stream_that_ends_within_a_record_is_noticed() -> None:
    for cut in (b"1", b"3\n", b"3\nab"):
        reader = RecordReader()
        assert reader.feed(cut) == []
        assert reader.in_record


@pytest.mark.parametrize(
    "garbage",
    [
        b"x\n",
        b"0\n",
        b"-1\n",
        b"+1\n",
        b" 1\n",
        b"1_0\n",
        b"\n",
        b"1.0\n",
        "１\n".encode(),
        b"9" * 30,
        b'{"type":"ERROR"}',
    ],
)
def test_a_length_is_digits_and_nothing_else(garbage: bytes) -> None:
    reader = RecordReader()
    with pytest.raises(WireError) as caught:
        reader.feed(garbage)
    assert caught.value.status == 502
    with pytest.raises(WireError):
        reader.feed(record(b"{}"))


def test_a_monstrous_length_is_refused_before_its_bytes_arrive() -> None:
    reader = RecordReader()
    assert reader.feed(b"%d\n" % RECORD_BYTES_MAX) == []
    with pytest.raises(WireError):
        RecordReader().feed(b"%d\n" % (RECORD_BYTES_MAX + 1))
