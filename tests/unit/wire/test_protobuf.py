"""Protobuf bodies by the letter: what proto2 lets pass, and what is refused (M-PK-03)."""

from __future__ import annotations

import struct

import pytest

from mesos_service.wire import operator, scheduler
from mesos_service.wire.common import FrameworkID
from mesos_service.wire.containers import CapabilityInfo
from mesos_service.wire.decode import read_scheduler_call
from mesos_service.wire.errors import WireError
from mesos_service.wire.protobuf.decode import (
    DEPTH_MAX,
    FIELDS_MAX,
    RefusedProtobufError,
    decode_protobuf_call,
    read_message,
)
from mesos_service.wire.protobuf.encode import encode_protobuf, varint
from mesos_service.wire.resources import ValueLimit
from mesos_service.wire.streams import PROTOBUF

CALL = scheduler.Call
ID = b"\x0a\x03\x0a\x01f"
"""framework_id of "f"."""
REVIVE = b"\x10\x05"


def field(number: int, payload: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def read(body: bytes) -> scheduler.Call:
    return read_message(CALL, body)


def refusal(body: bytes) -> str:
    with pytest.raises(WireError) as caught:
        read_scheduler_call(body, None, PROTOBUF)
    assert caught.value.status == 400
    return caught.value.text


def test_m_pk_03_a_call_by_the_letter() -> None:
    call = scheduler.Call(framework_id=FrameworkID(value="f"), type="REVIVE")
    assert encode_protobuf(call) == ID + REVIVE
    assert read(ID + REVIVE) == call


def test_fields_come_in_any_order_and_the_last_one_counts() -> None:
    assert read(REVIVE + ID) == read(ID + REVIVE)
    assert read(b"\x10\x01" + REVIVE).type == "REVIVE"
    assert read(ID + b"\x0a\x03\x0a\x01g").framework_id == FrameworkID(value="g")


def test_a_message_that_comes_twice_is_the_sum_of_both() -> None:
    task_id, state = field(1, field(1, b"t")), b"\x10\x01"
    once = read_message(scheduler.EventUpdate, field(1, task_id + state))
    assert read_message(scheduler.EventUpdate, field(1, task_id) + field(1, state)) == once


def test_what_nobody_knows_is_skipped() -> None:
    unknown = (
        varint(1000 << 3) + varint(2**63)
        + varint(1001 << 3 | 1) + bytes(8)
        + field(1002, b"anything")
        + varint(1003 << 3 | 5) + bytes(4)
        + varint(1004 << 3 | 3) + varint(7 << 3) + b"\x01" + varint(1004 << 3 | 4)
    )  # fmt: skip
    assert read(ID + unknown + REVIVE) == read(ID + REVIVE)
    wrong_wire_type = b"\x08\x01"
    assert read(wrong_wire_type + ID + REVIVE) == read(ID + REVIVE)


def test_a_value_of_an_enum_that_nobody_knows_is_none() -> None:
    assert read(ID + b"\x10\x63").type is None
    assert refusal(ID + b"\x10\x63") == "Failed to validate scheduler::Call: Expecting 'type' to be present"


def test_negative_numbers_take_ten_bytes() -> None:
    body = field(1, field(1, b"a")) + b"\x18" + b"\xff" * 9 + b"\x01"
    failure = read_message(scheduler.EventFailure, body)
    assert failure.status == -1
    assert encode_protobuf(failure) == body


def test_a_limit_may_be_infinite_and_nothing_else() -> None:
    infinite = b"\x09" + struct.pack("<d", float("inf"))
    assert read_message(ValueLimit, infinite) == ValueLimit(value="Infinity")
    assert encode_protobuf(ValueLimit(value="Infinity")) == infinite
    for number in ("-inf", "nan"):
        with pytest.raises(RefusedProtobufError, match="out of range"):
            read_message(ValueLimit, b"\x09" + struct.pack("<d", float(number)))
    filters = field(2, b"\x09" + struct.pack("<d", float("inf")))
    assert "out of range for field 'refuse_seconds'" in refusal(ID + b"\x10\x04" + field(5, filters))


@pytest.mark.parametrize(
    "body",
    [
        b"\xff",
        b"\x0a",
        b"\x0a\x7f",
        b"\x0a\x03\x0a\x05f",
        b"\x07",
        b"\x00\x00",
        b"\x0c",
        b"\x10" + b"\xff" * 10 + b"\x01",
        varint(1004 << 3 | 3),
        varint(1004 << 3 | 3) + varint(1005 << 3 | 4),
        varint(1001 << 3 | 1) + bytes(7),
        b'{"type":"REVIVE"}',
    ],
)
def test_what_is_no_protobuf_is_refused_in_mesos_words(body: bytes) -> None:
    assert refusal(body) == "Failed to parse body into Call protobuf"


def test_a_required_field_that_is_missing_is_named() -> None:
    assert refusal(b"\x0a\x00" + REVIVE) == (
        "Failed to parse body into Call protobuf: Missing required fields: framework_id.value"
    )


def test_an_empty_body_is_a_call_without_a_type() -> None:
    assert refusal(b"") == "Failed to validate scheduler::Call: Expecting 'type' to be present"


def test_text_is_utf8() -> None:
    assert "Not valid UTF-8 in field 'value'" in refusal(b"\x0a\x03\x0a\x01\xff" + REVIVE)


def test_nesting_has_an_end() -> None:
    container = b"\x0a\x01c"
    for _ in range(DEPTH_MAX + 10):
        container = b"\x0a\x01c" + field(2, container)
    status = field(1, field(1, b"t")) + b"\x10\x01" + field(13, field(4, container))
    with pytest.raises(RefusedProtobufError, match="Nested too deeply"):
        read_message(scheduler.EventUpdate, field(1, status))
    groups = varint(9 << 3 | 3) * (DEPTH_MAX + 10)
    assert refusal(groups).endswith("Nested too deeply")


def test_a_body_of_empty_fields_is_not_read_for_ever() -> None:
    assert refusal(ID + b"\x10\x04" + field(5, b"\x12\x00" * (FIELDS_MAX + 1))).endswith(f"{FIELDS_MAX} fields")


@pytest.mark.parametrize(
    "tag", [b"\x08", b"\x88\x00", b"\x88\x80\x80\x80\x00"], ids=["short", "a byte too long", "as long as it may be"]
)
def test_numbers_may_be_longer_than_they_need_be(tag: bytes) -> None:
    """Writers that do not know a length beforehand leave room for it."""
    found = decode_protobuf_call(operator.Call, tag + b"\x81\x80\x80\x00")
    assert found.type == "GET_HEALTH"


@pytest.mark.parametrize(
    "sent",
    [b"\x08\xe9\x07\x08\xea\x07", b"\x0a\x04\xe9\x07\xea\x07", b"\x08\xe9\x07\x0a\x02\xea\x07\x0a\x00"],
    ids=["one by one, as proto2 writes", "packed, as newer writers do", "both, and nothing packed"],
)
def test_many_numbers_are_read_however_they_are_put(sent: bytes) -> None:
    """Of capabilities, of which each here has a number of two bytes; one that nobody knows is left out."""
    unknown = b"\x08\xff\x7f"
    assert read_message(CapabilityInfo, sent + unknown).capabilities == ("DAC_OVERRIDE", "DAC_READ_SEARCH")
