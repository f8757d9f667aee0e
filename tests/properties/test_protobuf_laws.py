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
from mesos_service.wire.protobuf.decode import RefusedProtobufError, read_message
from mesos_service.wire.protobuf.encode import encode_protobuf
from tests.properties.drawn_calls import calls
from tests.support.descriptors import as_protobuf_has_it, library_class

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
