"""Reading calls: what is understood, what is refused, and in which words (X18a)."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from mesos_service.wire import scheduler
from mesos_service.wire.decode import (
    NEAR_CHARACTERS_MAX,
    REFUSAL_CHARACTERS_MAX,
    decode_agent_call,
    decode_executor_call,
    decode_leniently,
    decode_operator_call,
    decode_scheduler_call,
)
from mesos_service.wire.errors import WireError
from mesos_service.wire.fields import MISSING_NAMED_MAX
from mesos_service.wire.resources import Resource, ValueScalar

UNCONVERTED = "Failed to convert JSON into Call protobuf: "
UNPARSED = "Failed to parse body into JSON: "


def accept(task: dict[str, Any] | None = None, **accept_fields: Any) -> bytes:
    """An ACCEPT that launches one command task, with the given fields of task and accept laid over it."""
    info = {
        "name": "one",
        "task_id": {"value": "t1"},
        "agent_id": {"value": "S0"},
        "resources": [{"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.5}}],
        "command": {"value": "true"},
        **(task or {}),
    }
    return json.dumps(
        {
            "type": "ACCEPT",
            "framework_id": {"value": "F0"},
            "accept": {
                "offer_ids": [{"value": "O0"}],
                "operations": [{"type": "LAUNCH", "launch": {"task_infos": [info]}}],
                **accept_fields,
            },
        }
    ).encode()


def refused(decoder: Callable[[bytes], object], body: bytes) -> str:
    """The text with which ``decoder`` refuses ``body``, always with status 400."""
    with pytest.raises(WireError) as refusal:
        decoder(body)
    assert refusal.value.status == 400
    return refusal.value.text


def repr_short(value: object) -> str:
    return repr(value)[:12]


def launched(body: bytes) -> Any:
    call = decode_scheduler_call(body)
    assert call.accept is not None
    (operation,) = call.accept.operations
    assert operation.launch is not None
    (task,) = operation.launch.task_infos
    return task


def refusal(body: bytes) -> str:
    with pytest.raises(WireError) as caught:
        decode_scheduler_call(body)
    assert caught.value.status == 400
    return caught.value.text


def test_a_plain_call_is_read_without_the_lenient_path(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("the lenient path was taken")

    monkeypatch.setattr("mesos_service.wire.decode.decode_leniently", never)
    task = launched(accept())
    assert task.task_id.value == "t1"
    assert task.resources == (Resource(name="cpus", type="SCALAR", scalar=ValueScalar(value=0.5)),)
    assert task.command.shell is True
    launched(accept({"resources": [{"name": "mem", "type": "SCALAR", "scalar": {"value": 32}}]}))


class TestLenient:
    def test_null_is_unset(self) -> None:
        task = launched(accept({"resources": None, "labels": None, "limits": None}))
        assert (task.resources, task.labels, task.limits) == ((), None, {})

    def test_null_within_an_array_is_skipped(self) -> None:
        call = decode_scheduler_call(accept(offer_ids=[None, {"value": "O1"}]))
        assert call.accept is not None
        assert [one.value for one in call.accept.offer_ids] == ["O1"]

    def test_unknown_fields_are_ignored_at_every_level(self) -> None:
        assert launched(accept({"nope": {"deep": [1, {"er": None}]}})) == launched(accept())

    def test_one_object_is_accepted_for_a_list_and_lists_are_flattened(self) -> None:
        bare = accept({"resources": {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.5}}})
        nested = accept({"resources": [[[{"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.5}}]]]})
        assert launched(bare) == launched(nested) == launched(accept())

    def test_one_scalar_is_accepted_for_a_list(self) -> None:
        body = {"type": "REVIVE", "framework_id": {"value": "F"}, "revive": {"roles": "a"}}
        call = decode_scheduler_call(json.dumps(body).encode())
        assert call.revive is not None
        assert call.revive.roles == ("a",)

    def test_numbers_and_booleans_may_be_strings(self) -> None:
        task = launched(
            accept(
                {
                    "resources": [{"name": "cpus", "type": "SCALAR", "scalar": {"value": "0.5"}}],
                    "command": {"value": "true", "shell": "false"},
                    "max_completion_time": {"nanoseconds": "5000000000"},
                }
            )
        )
        assert task.resources[0].scalar.value == 0.5
        assert task.command.shell is False
        assert task.max_completion_time.nanoseconds == 5_000_000_000

    def test_whole_numbers_may_have_a_fraction_which_is_cut_off(self) -> None:
        task = launched(accept({"max_completion_time": {"nanoseconds": 7.9}}))
        assert task.max_completion_time.nanoseconds == 7

    def test_limits_may_be_infinite(self) -> None:
        task = launched(accept({"limits": {"mem": {"value": "Infinity"}, "cpus": {"value": "2"}}}))
        assert task.limits["mem"].value == "Infinity"
        assert task.limits["cpus"].value == 2.0

    @pytest.mark.parametrize("value", ["-Infinity", "NaN", "1e999", 10**400], ids=repr_short)
    def test_limits_are_no_other_odd_number(self, value: object) -> None:
        refusal = refused(decode_scheduler_call, accept({"limits": {"mem": {"value": value}}}))
        assert refusal.startswith(UNCONVERTED) and refusal.count("field 'value'") == 1

    @pytest.mark.parametrize("value", ["Infinity", "-Infinity", "NaN", "1e999", 10**400, -(10**400)], ids=repr_short)
    def test_a_double_that_is_not_finite_is_refused_everywhere_else(self, value: object) -> None:
        """The agent link would carry it as ``null``, and its other end refuse the whole call."""
        resources = [{"name": "cpus", "type": "SCALAR", "scalar": {"value": value}}]
        task_id, status = {"value": "t"}, {"task_id": {"value": "t"}, "state": "TASK_RUNNING"}
        limited = status | {"limitation": {"resources": resources}}
        ids = {"framework_id": {"value": "F"}, "executor_id": {"value": "E"}}
        container = {"container_id": task_id, "resources": resources}
        for decoder, body, preface in (
            (decode_scheduler_call, accept({"resources": resources}), UNCONVERTED),
            (decode_scheduler_call, accept({"health_check": {"delay_seconds": value}}), UNCONVERTED),
            (decode_scheduler_call, accept(filters={"refuse_seconds": value}), UNCONVERTED),
            (decode_executor_call, ids | {"type": "UPDATE", "update": {"status": limited}}, UNCONVERTED),
            (
                decode_operator_call,
                {"type": "RESERVE_RESOURCES", "reserve_resources": {"agent_id": task_id, "resources": resources}},
                UNCONVERTED,
            ),
            (decode_agent_call, {"type": "LAUNCH_CONTAINER", "launch_container": container}, ""),
        ):
            refusal = refused(decoder, body if isinstance(body, bytes) else json.dumps(body).encode())
            assert refusal.startswith(preface), refusal
            assert "Number out of range for field" in refusal or f"Failed to parse '{value}' as a JSON" in refusal

    @pytest.mark.parametrize("literal", [b"1e999", b"-1e999", b"NaN", b"Infinity"])
    def test_a_literal_beyond_doubles_is_refused(self, literal: bytes) -> None:
        body = accept(filters={"refuse_seconds": 0}).replace(b'"refuse_seconds": 0', b'"refuse_seconds": ' + literal)
        assert literal in body
        assert refused(decode_scheduler_call, body).startswith(UNPARSED)

    def test_unknown_enum_names_of_optional_fields_are_dropped(self) -> None:
        info = {"user": "u", "name": "n", "capabilities": [{"type": "NO_SUCH"}, {"type": "MULTI_ROLE"}]}
        body = json.dumps({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}).encode()
        call = decode_scheduler_call(body)
        assert call.subscribe is not None
        assert [one.type for one in call.subscribe.framework_info.capabilities] == [None, "MULTI_ROLE"]

    def test_an_unknown_call_type_is_no_type(self) -> None:
        assert decode_scheduler_call(b'{"type":"NO_SUCH"}').type is None

    @pytest.mark.parametrize("text", ["AQI=", "AQI", " A Q\nI = ", "AQI=ignored"])
    def test_base64_is_read_generously(self, text: str) -> None:
        assert launched(accept({"data": text})).data == b"\x01\x02"

    def test_base64_of_every_length(self) -> None:
        for length in range(8):
            data = bytes(range(length))
            text = base64.b64encode(data).decode()
            assert launched(accept({"data": text})).data == data
            assert launched(accept({"data": text.rstrip("=")})).data == data


class TestRefusals:
    @pytest.mark.parametrize(
        ("fields", "text"),
        [
            ({"name": 7}, "Not expecting a JSON number for field 'name'"),
            ({"name": True}, "Not expecting a JSON boolean for field 'name'"),
            ({"name": {}}, "Not expecting a JSON object for field 'name'"),
            ({"name": []}, "Not expecting a JSON array for field 'name'"),
            ({"task_id": "t1"}, "Not expecting a JSON string for field 'task_id'"),
            ({"task_id": [{"value": "t1"}]}, "Not expecting a JSON array for field 'task_id'"),
            ({"limits": 7}, "Not expecting a JSON number for field 'limits'"),
            ({"data": "%%%"}, "Failed to base64 decode bytes field 'data': Invalid character '%'"),
            (
                {"command": {"shell": "yes"}},
                "Failed to parse 'yes' as a JSON boolean for field 'shell': syntax error at line 1 near: ",
            ),
            (
                {"max_completion_time": {"nanoseconds": "true"}},
                "Failed to parse 'true' as a JSON number for field 'nanoseconds': Unexpected JSON type parsed",
            ),
            ({"max_completion_time": {"nanoseconds": 2**63}}, f"Number {2**63} out of range for field 'nanoseconds'"),
            ({"resources": [{"name": "cpus", "type": "NO_SUCH"}]}, "Failed to find enum for 'NO_SUCH'"),
        ],
    )
    def test_a_wrong_value_is_named(self, fields: dict[str, Any], text: str) -> None:
        assert refusal(accept(fields)) == UNCONVERTED + text

    def test_a_negative_number_for_an_unsigned_field(self) -> None:
        ranges = {"range": [{"begin": -1, "end": 5}]}
        body = accept({"resources": [{"name": "ports", "type": "RANGES", "ranges": ranges}]})
        assert refusal(body) == UNCONVERTED + "Number -1 out of range for field 'begin'"

    def test_a_number_no_double_can_hold(self) -> None:
        scalar = {"value": 10**400}
        body = accept({"resources": [{"name": "cpus", "type": "SCALAR", "scalar": scalar}]})
        assert refusal(body) in {
            UNCONVERTED + "Number out of range for field 'value'",
            UNPARSED + "Value out of range",
        }

    def test_required_fields_are_named_with_their_path(self) -> None:
        body = accept({"task_id": {}, "agent_id": None, "limits": {"mem": {}}}, offer_ids=[{"value": "O"}, {}])
        at = "accept.operations[0].launch.task_infos[0]."
        assert refusal(body) == (
            UNCONVERTED + "Missing required fields: accept.offer_ids[1].value, "
            f"{at}agent_id, {at}task_id.value, {at}limits[mem].value"
        )

    def test_of_several_mistakes_the_first_by_name_is_told(self) -> None:
        assert refusal(b'{"type":1,"framework_id":2}').endswith("number for field 'framework_id'")

    @pytest.mark.parametrize("body", [b"[]", b'"x"', b"1", b"null", b"true"])
    def test_only_an_object_is_a_call(self, body: bytes) -> None:
        assert refusal(body) == UNCONVERTED + "Expecting a JSON object"

    @pytest.mark.parametrize(
        ("body", "text"),
        [
            (b"", "syntax error at line 1 near: "),
            (b'{"type":', "syntax error at line 1 near: "),
            (b'{\n"type": true x}', "syntax error at line 2 near: x}"),
            (b'{"type":"REVIVE"} x', "Parsed JSON included non-whitespace trailing characters: x"),
            (b'{"x": NaN}', "syntax error at line 1 near: NaN}"),
            (b'{"x": "\xff"}', "Not valid UTF-8"),
            (b'{"type": 1, "x": 1e999}', "Value out of range"),
        ],
    )
    def test_what_is_not_json(self, body: bytes, text: str) -> None:
        assert refusal(body) == UNPARSED + text

    def test_a_malformed_body_is_repeated_in_part_only(self) -> None:
        assert len(refusal(b'{"type": x' + b"y" * 1_000_000)) < 2 * NEAR_CHARACTERS_MAX

    def test_many_missing_fields_are_not_all_named(self) -> None:
        text = refusal(accept(offer_ids=[{}] * 10_000))
        assert text.count("value") == MISSING_NAMED_MAX

    def test_a_long_value_is_not_repeated_whole(self) -> None:
        text = refusal(accept({"max_completion_time": {"nanoseconds": "x" * 100_000}}))
        assert len(text) == REFUSAL_CHARACTERS_MAX

    @pytest.mark.parametrize("depth", [1_000, 100_000])
    def test_deep_nesting(self, depth: int) -> None:
        assert refusal(b'{"x":' * depth + b"1" + b"}" * depth) == UNPARSED + "Nested too deeply"

    def test_deep_nesting_of_known_messages(self) -> None:
        parent = b'{"value":"c","parent":' * 900 + b'{"value":"c"}' + b"}" * 900
        body = b'{"type":"WAIT_CONTAINER","nope":1,"wait_container":{"container_id":[' + parent + b"]}}"
        with pytest.raises(WireError) as caught:
            decode_agent_call(body)
        assert caught.value.status == 400

    def test_the_preface_is_the_masters_and_the_executor_apis_but_not_the_agents(self) -> None:
        for decode, preface in (
            (decode_scheduler_call, UNCONVERTED),
            (decode_operator_call, UNCONVERTED),
            (decode_executor_call, UNCONVERTED),
            (decode_agent_call, ""),
        ):
            with pytest.raises(WireError) as caught:
                decode(b'{"type":1}')
            assert caught.value.text == preface + "Not expecting a JSON number for field 'type'"

    def test_executor_calls_need_both_ids(self) -> None:
        with pytest.raises(WireError) as caught:
            decode_executor_call(b'{"type":"UPDATE"}')
        assert caught.value.text == UNCONVERTED + "Missing required fields: executor_id, framework_id"


def test_invalid_utf8_is_refused_even_where_nobody_looks() -> None:
    assert refusal(b'{"type":"REVIVE","nope":"\xff"}') == UNPARSED + "Not valid UTF-8"


def test_the_lenient_path_reads_a_plain_call_alike() -> None:
    assert decode_leniently(scheduler.Call, accept(), "") == decode_scheduler_call(accept())


def test_a_filters_parameters_are_kept_as_they_came_on_either_path() -> None:
    parameters = {"a": None, "b": ["1", None, [2.5]], "c": {"d": "true"}}
    info = {"user": "u", "name": "n", "offer_filters": {"r": {"filters": [{"name": "f", "parameters": parameters}]}}}
    for checkpoint in (True, "true"):
        body = {"type": "SUBSCRIBE", "subscribe": {"framework_info": {**info, "checkpoint": checkpoint}}}
        subscribe = decode_scheduler_call(json.dumps(body).encode()).subscribe
        assert subscribe is not None
        assert subscribe.framework_info.checkpoint is True
        (read,) = subscribe.framework_info.offer_filters["r"].filters
        assert read.parameters == parameters


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'\xef\xbb\xbf{"type":"GET_HEALTH"}', 'syntax error at line 1 near: \ufeff{"type":"GET_HEALTH"}'),
        (b'{"type":"GET_HEALTH"}\0', "Parsed JSON included non-whitespace trailing characters: \0"),
        (b'{"type":"GET_HEALTH"}{}', "Parsed JSON included non-whitespace trailing characters: {}"),
        (b'{"type":"GET_HEALTH"/**/}', "syntax error at line 1 near: /**/}"),
        (b"{'type':'GET_HEALTH'}", "syntax error at line 1 near: 'type':'GET_HEALTH'}"),
        (b'{"type":NaN}', "syntax error at line 1 near: NaN}"),
    ],
)
def test_what_only_some_readers_of_json_take_is_refused(body: bytes, text: str) -> None:
    assert refused(decode_operator_call, body) == UNPARSED + text


def test_of_a_key_that_comes_twice_the_last_one_counts() -> None:
    """With all that is in it: objects are not merged, unlike messages in protobuf."""
    assert decode_operator_call(b'{"type":"GET_STATE","type":"GET_HEALTH"}').type == "GET_HEALTH"
    twice = b'{"type":"LIST_FILES","list_files":{"path":"a"},"list_files":{"nope":1}}'
    assert refused(decode_operator_call, twice) == f"{UNCONVERTED}Missing required fields: list_files.path"
