"""The library that compares answers with recorded shapes must itself be able to say no."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.derive_shapes import anonymous
from tests.contract.shapes import differences, merged, recorded, samples, shape_of


def found(value: Any, shape: Any, **options: Any) -> list[str]:
    return [str(one) for one in differences(value, shape, **options)]


def test_shapes_hold_types_and_enum_names_but_no_values() -> None:
    value = {"type": "SCALAR", "name": "SECRET", "value": 4.0, "n": 4, "ok": True, "none": None, "l": [1, 2], "e": []}
    assert shape_of(value) == {
        "type": "string:SCALAR",
        "name": "string",
        "value": "double",
        "n": "integer",
        "ok": "boolean",
        "none": "null",
        "l": ["integer"],
        "e": [],
    }


def test_merging() -> None:
    assert merged({"a": "string", "b": "integer"}, {"a": "string", "c": "double"}) == {
        "a": "string",
        "b?": "integer",
        "c?": "double",
        "~": [["b", "c"]],
    }
    assert merged({"a?": "string"}, {"a": "string"}) == {"a?": "string"}
    assert merged([], ["string"]) == ["string"]
    assert merged("string:A", "string:B") == "string:A|B"
    assert merged("string:A", "string") == "string"
    assert merged("integer", "double") == {"|": ["integer", "double"]}
    assert merged({"|": ["integer", "double"]}, "integer") == {"|": ["integer", "double"]}
    assert shape_of([{"a": 1}, {"b": 2}]) == [{"a?": "integer", "b?": "integer", "~": [["a", "b"]]}]


def test_the_order_of_keys_is_kept_when_shapes_are_merged() -> None:
    short, long = {"a": "string", "d": "string"}, {"a": "string", "b": "string", "c": "string", "d": "string"}
    assert [key.rstrip("?") for key in merged(short, long)] == list("abcd")
    assert [key.rstrip("?") for key in merged(long, short)] == list("abcd")


def test_order_is_known_only_of_keys_that_were_seen_together() -> None:
    scalar, ranges = {"name": "x", "scalar": 1, "role": "*"}, {"name": "x", "ranges": 1, "role": "*"}
    shape = shape_of([ranges, scalar])[0]
    both = {"name": "x", "scalar": 1, "ranges": 1, "role": "*"}
    assert found(both, shape) == []
    assert found(dict(reversed(both.items())), shape) != []
    learned = shape_of([ranges, scalar, both])[0]
    assert [key.rstrip("?") for key in learned] == ["name", "scalar", "ranges", "role"]
    assert found({"name": "x", "ranges": 1, "scalar": 1, "role": "*"}, learned) == ["order (all): ranges before scalar"]


SHAPE: Any = {"id": {"value": "string"}, "resources": [{"name": "string", "n?": "double"}], "port": "integer"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"id": {"value": "x"}, "resources": [{"name": "x"}, {"name": "y", "n": 1.5}], "port": 1}, []),
        ({"id": {"value": "x"}, "resources": [], "port": 1}, []),
        ({"id": {}, "resources": [], "port": 1}, ["missing id.value"]),
        ({"id": {"value": "x", "more": 1}, "resources": [], "port": 1}, ["extra id.more"]),
        ({"id": {"value": "x"}, "resources": [], "port": 1.0}, ["type port: double instead of integer"]),
        ({"id": {"value": "x"}, "resources": [], "port": True}, ["type port: boolean instead of integer"]),
        ({"id": {"value": "x"}, "resources": {}, "port": 1}, ["type resources: object instead of array"]),
        (
            {"id": {"value": "x"}, "resources": [{"n": 1.5}, {"n": 2.5}], "port": 1},
            ["missing resources[].name"],
        ),
        (
            {"port": 1, "id": {"value": "x"}, "resources": []},
            ["order (all): port before id", "order (all): port before resources"],
        ),
        ([], ["type (all): array instead of object"]),
    ],
)
def test_differences_are_named(value: Any, expected: list[str]) -> None:
    assert found(value, SHAPE) == expected


def test_order_can_be_left_aside() -> None:
    assert found({"port": 1, "id": {"value": "x"}, "resources": []}, SHAPE, ordered=False) == []


def test_one_of_several_is_enough() -> None:
    shape = {"|": ["string", {"a": "integer"}]}
    assert found("x", shape) == []
    assert found({"a": 1}, shape) == []
    assert found({}, shape) == ["missing a"]
    assert found(1, shape) != []


def test_keys_that_are_data_can_be_renamed() -> None:
    framework = "8af06526-955a-4fe5-b07f-b86837371131-0000"
    value = {f"frameworks/{framework}/tasks": 1}
    assert shape_of(value, rename=anonymous) == {"frameworks/<id>/tasks": "integer"}
    assert found(value, {"frameworks/<id>/tasks": "integer"}, rename=anonymous) == []


def test_samples_have_their_shape_and_show_all_of_it() -> None:
    shape: Any = {"type": "string:A|B", "n?": "double", "l": ["string"], "x": {"|": ["integer", "double"]}}
    all_samples = list(samples(shape))
    assert all(differences(one, shape) == [] for one in all_samples)
    assert {one["type"] for one in all_samples} == {"A", "B"}
    assert {type(one["x"]) for one in all_samples} == {int, float}
    assert {"n" in one for one in all_samples} == {True, False}


def test_nothing_of_the_recording_machine_is_written_down() -> None:
    assert anonymous("ID 8af06526-955a-4fe5-b07f-b86837371131-S0 at 127.0.0.1:15050") == "ID <id> at <address>"
    text = repr(recorded())
    for word in ("127.0.0.1:", "localhost:", "/tmp/"):
        assert word not in text
