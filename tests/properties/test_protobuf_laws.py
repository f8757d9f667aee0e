"""Protobuf as we read and write it, beside protobuf's own library (M-PK-03)."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import msgspec
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from mesos_service.wire import agent_operator, executor, operator, scheduler
from mesos_service.wire.fields import Kind, Label, fields_of
from mesos_service.wire.protobuf.decode import RefusedProtobufError, read_message
from mesos_service.wire.protobuf.encode import encode_protobuf
from mesos_service.wire.protobuf.table import ENUMS, numbered_fields
from tests.properties.drawn_calls import calls
from tests.support.descriptors import library_class

MESSAGES: list[type[msgspec.Struct]] = [
    scheduler.Call,
    scheduler.Event,
    executor.Call,
    executor.Event,
    operator.Call,
    operator.Response,
    agent_operator.Call,
    agent_operator.Response,
]


def as_protobuf_has_it(cls: type[msgspec.Struct], value: dict[str, Any]) -> dict[str, Any]:
    """Without the fields and the values of enums that exist in JSON alone."""
    kept: dict[str, Any] = {}
    numbered = {one.field.name for one in numbered_fields(cls)}
    for name, field in fields_of(cls).items():
        if name not in value or name not in numbered:
            continue
        one = value[name]
        if field.kind is Kind.ENUM:
            numbers = ENUMS[field.names]
            if field.label is Label.REPEATED:
                kept[name] = [each for each in one if numbers[each] is not None]
            elif numbers[one] is not None:
                kept[name] = one
        elif field.message is None:
            kept[name] = one
        elif field.label is Label.REPEATED:
            kept[name] = [as_protobuf_has_it(field.message, each) for each in one]
        elif field.label is Label.MAP:
            kept[name] = {key: as_protobuf_has_it(field.message, each) for key, each in one.items()}
        else:
            kept[name] = as_protobuf_has_it(field.message, one)
    return kept


def drawn(data: st.DataObject, cls: type[msgspec.Struct]) -> msgspec.Struct:
    return msgspec.convert(as_protobuf_has_it(cls, data.draw(calls(cls))), cls)


def known(library_message: Any) -> bytes:
    """What the library wrote of the message, without what it kept of fields that it does not know."""
    library_message.DiscardUnknownFields()
    written: bytes = library_message.SerializePartialToString()
    return written


@pytest.mark.parametrize("cls", MESSAGES, ids=lambda one: f"{one.__module__}.{one.__name__}")
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_the_library_reads_what_we_write_and_we_what_it_writes(cls: type[msgspec.Struct], data: st.DataObject) -> None:
    message = drawn(data, cls)
    ours = encode_protobuf(message)
    theirs = known(library_class(cls).FromString(ours))
    assert len(theirs) == len(ours), "nothing is unknown to the library"
    assert read_message(cls, theirs) == message
    assert read_message(cls, ours) == message


@pytest.mark.parametrize("cls", MESSAGES, ids=lambda one: f"{one.__module__}.{one.__name__}")
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_damaged_bytes_are_refused_or_read_as_the_library_reads_them(
    cls: type[msgspec.Struct], data: st.DataObject
) -> None:
    body = bytearray(encode_protobuf(drawn(data, cls)))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body)))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    try:
        theirs = library_class(cls).FromString(bytes(body))
    except DecodeError:
        with pytest.raises(RefusedProtobufError):
            read_message(cls, bytes(body))
        return
    try:
        ours = read_message(cls, bytes(body))
    except RefusedProtobufError as refusal:
        why = str(refusal)
        assert why, "the library would read it, so there is something to say"
        assert why.startswith("Missing required") != theirs.IsInitialized() or "UTF-8" in why or "range" in why
        return
    assert theirs.IsInitialized()
    assert read_message(cls, known(theirs)) == ours


@pytest.mark.parametrize("cls", MESSAGES, ids=lambda one: f"{one.__module__}.{one.__name__}")
@given(body=st.binary(max_size=40))
@settings(max_examples=100, deadline=None)
def test_any_bytes_give_a_message_or_a_refusal(cls: type[msgspec.Struct], body: bytes) -> None:
    with contextlib.suppress(RefusedProtobufError):
        assert isinstance(read_message(cls, body), cls)


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_json_and_protobuf_of_a_call_are_one_call(data: st.DataObject) -> None:
    call = drawn(data, scheduler.Call)
    assert read_message(scheduler.Call, encode_protobuf(call)) == msgspec.json.decode(
        json.dumps(msgspec.to_builtins(call)).encode(), type=scheduler.Call
    )
