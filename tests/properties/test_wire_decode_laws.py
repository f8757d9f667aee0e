"""The two ways of reading a call agree: what the strict one takes, the lenient one takes, to the same value.

Calls are drawn from the structs themselves, so that every field of every message takes part.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesos_service.wire import agent_operator, executor, operator, scheduler
from mesos_service.wire.decode import (
    decode_agent_call,
    decode_executor_call,
    decode_leniently,
    decode_operator_call,
    decode_scheduler_call,
)
from mesos_service.wire.errors import WireError
from tests.properties.drawn_calls import Free, calls, junk, texts

Decode = Callable[[bytes], msgspec.Struct]
CALLS: list[tuple[type[msgspec.Struct], Decode]] = [
    (scheduler.Call, decode_scheduler_call),
    (executor.Call, decode_executor_call),
    (operator.Call, decode_operator_call),
    (agent_operator.Call, decode_agent_call),
]


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) within a JSON value."""
    found: list[tuple[Any, Any]] = []
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        found.append((value, key))
        found += places(one)
    return found


def loosened(draw: st.DrawFn, value: Any) -> Any:
    """The same message in another spelling that Mesos understands."""
    if isinstance(value, Free):
        return value
    if isinstance(value, dict):
        return {key: loosened(draw, one) for key, one in value.items()}
    if isinstance(value, list):
        inner = [loosened(draw, one) for one in value]
        if draw(st.booleans()):
            inner.insert(draw(st.integers(0, len(inner))), None)
        return [inner] if draw(st.booleans()) else inner
    if isinstance(value, bool):
        return json.dumps(value) if draw(st.booleans()) else value
    if isinstance(value, (int, float)):
        return draw(st.sampled_from([value, json.dumps(value)]))
    return value


@pytest.mark.parametrize(("cls", "decode"), CALLS, ids=lambda one: getattr(one, "__module__", ""))
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_a_strictly_read_call_reads_the_same_leniently(
    cls: type[msgspec.Struct], decode: Decode, data: st.DataObject
) -> None:
    body = json.dumps(data.draw(calls(cls))).encode()
    strict = msgspec.json.decode(body, type=cls)
    assert decode(body) == strict
    assert decode_leniently(cls, body, "") == strict


@pytest.mark.parametrize(("cls", "decode"), CALLS, ids=lambda one: getattr(one, "__module__", ""))
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_other_spellings_mean_the_same(cls: type[msgspec.Struct], decode: Decode, data: st.DataObject) -> None:
    call = data.draw(calls(cls))

    @st.composite
    def spelling(draw: st.DrawFn) -> Any:
        return loosened(draw, call)

    assert decode(json.dumps(data.draw(spelling())).encode()) == decode(json.dumps(call).encode())


@pytest.mark.parametrize(("cls", "decode"), CALLS, ids=lambda one: getattr(one, "__module__", ""))
@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_damaged_calls_are_refused_by_both_or_read_alike(
    cls: type[msgspec.Struct], decode: Decode, data: st.DataObject
) -> None:
    call = data.draw(calls(cls))
    for _ in range(data.draw(st.integers(1, 3))):
        spots = places(call)
        if spots:
            container, key = data.draw(st.sampled_from(spots))
            container[key] = data.draw(junk)
    body = json.dumps(call).encode()
    try:
        lenient = decode_leniently(cls, body, "")
    except WireError as refusal:
        with pytest.raises(WireError) as caught:
            decode(body)
        assert caught.value.status == refusal.status == 400
        assert caught.value.text.endswith(refusal.text)
    else:
        assert decode(body) == lenient


@pytest.mark.parametrize(("cls", "decode"), CALLS, ids=lambda one: getattr(one, "__module__", ""))
@given(body=st.binary(max_size=40) | texts.map(str.encode) | junk.map(lambda value: json.dumps(value).encode()))
@settings(max_examples=50, deadline=None)
def test_any_bytes_give_a_call_or_a_refusal(cls: type[msgspec.Struct], decode: Decode, body: bytes) -> None:
    try:
        assert isinstance(decode(body), cls)
    except WireError as error:
        assert error.status == 400
        assert error.text


@pytest.mark.parametrize("cls", [cls for cls, _ in CALLS], ids=lambda one: one.__module__)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_what_is_written_reads_back(cls: type[msgspec.Struct], data: st.DataObject) -> None:
    call = msgspec.json.decode(json.dumps(data.draw(calls(cls))).encode(), type=cls)
    assert msgspec.json.decode(msgspec.json.encode(call), type=cls) == call
