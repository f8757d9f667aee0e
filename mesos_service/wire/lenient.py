"""The forgiving way of reading a message, for clients that do not write JSON as Mesos prints it.

Mesos turns generic JSON into protobuf field by field and is generous on the way. Each rule below has a client that
relies on it:

* ``null`` is unset; unknown fields are ignored; unknown enum names are dropped unless the field is required;
* one object or scalar is accepted for a repeated field, and arrays within its array are flattened;
* numbers and booleans may be strings, limits may be "Infinity", fractions are cut off for whole numbers;
* Base64 may contain white space and lack its padding.

What remains is refused with Mesos' words: an array for a field that is not repeated, a value of the wrong kind, a
required field that is missing. Fields are visited in the order of their names, as Mesos' sorted maps do, so that
of several mistakes the same one is told. Numbers out of range are refused here, where Mesos wraps them around, and so
are doubles that are not finite, save for limits: JSON has no such number, hence no message of ours could carry them on.

This path costs some hundred microseconds and runs only where the strict decoder has refused (``decode``).
"""

from __future__ import annotations

import binascii
import math
from typing import Any, Final, TypeVar

import msgspec

from mesos_service.wire.fields import Field, Kind, Label, fields_of, tell_missing

S = TypeVar("S", bound=msgspec.Struct)

# JSON as it comes out of a decoder without a type: nobody has looked at it yet.
Json = Any

_BASE64: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_SPACE: Final = frozenset(" \t\n\v\f\r")


class RefusedJsonError(Exception):
    """The value is not the message it should be; the text is Mesos'."""


class _Dropped:
    """In place of an enum name that nobody knows."""


def read_message(cls: type[S], value: Json) -> S:
    """Make a ``cls`` of decoded JSON by the rules above; raise ``RefusedJsonError`` where they do not help."""
    if not isinstance(value, dict):
        raise RefusedJsonError("Expecting a JSON object")
    fields = _read_fields(cls, value)
    missing = tell_missing(cls, fields)
    if missing is not None:
        raise RefusedJsonError(missing)
    # Nothing is left to refuse; converting by the strict rules proves it, and builds the structs.
    return msgspec.convert(fields, cls, strict=True)


def _read_fields(cls: type[msgspec.Struct], value: dict[str, Json]) -> dict[str, Json]:
    known = fields_of(cls)
    result: dict[str, Json] = {}
    for name in sorted(value):
        field = known.get(name)
        if field is None or value[name] is None:
            continue
        if field.label is Label.REPEATED:
            result[name] = _collect(field, value[name], [])
        elif field.label is Label.MAP:
            result[name] = _collect_entries(field, value[name], {})
        elif field.kind is Kind.ANY:
            result[name] = value[name]
        elif isinstance(value[name], list):
            raise RefusedJsonError(f"Not expecting a JSON array for field '{name}'")
        else:
            one = _read_one(field, value[name])
            if one is not _Dropped:
                result[name] = one
    return result


def _collect(field: Field, value: Json, into: list[Json]) -> list[Json]:
    """Append what ``value``, one or many, holds for a repeated field."""
    if isinstance(value, list):
        for one in value:
            _collect(field, one, into)
    elif value is not None:
        read = _read_one(field, value)
        if read is not _Dropped:
            into.append(read)
    return into


def _collect_entries(field: Field, value: Json, into: dict[str, Json]) -> dict[str, Json]:
    """Add the entries that ``value`` holds for a map."""
    if isinstance(value, list):
        for one in value:
            _collect_entries(field, one, into)
    elif isinstance(value, dict):
        for key, one in value.items():
            if field.kind is Kind.ANY:
                into[key] = one
                continue
            if isinstance(one, list):
                raise RefusedJsonError("Not expecting a JSON array for field 'value'")
            into[key] = _read_one(field, {} if one is None else one)
    elif value is not None:
        raise RefusedJsonError(f"Not expecting a JSON {_json_kind(value)} for field '{field.name}'")
    return into


def _read_one(field: Field, value: Json) -> Json:
    if field.kind is Kind.ANY:
        return value
    match value:
        case dict():
            if field.message is not None:
                return _read_fields(field.message, value)
        case str():
            return _read_string(field, value)
        case bool():
            if field.kind is Kind.BOOLEAN:
                return value
        case int() | float():
            if field.kind in (Kind.INTEGER, Kind.DOUBLE):
                return _read_number(field, value)
    raise RefusedJsonError(f"Not expecting a JSON {_json_kind(value)} for field '{field.name}'")


def _read_string(field: Field, text: str) -> Json:
    match field.kind:
        case Kind.STRING:
            return text
        case Kind.BYTES:
            return _read_base64(field, text)
        case Kind.ENUM:
            if text in field.names:
                return text
            if field.label is Label.REQUIRED:
                raise RefusedJsonError(f"Failed to find enum for '{text}'")
            return _Dropped
        case Kind.DOUBLE if text in ("Infinity", "-Infinity"):
            if text in field.names:
                return text
            raise RefusedJsonError(f"Number out of range for field '{field.name}'")
        case Kind.DOUBLE | Kind.INTEGER:
            number = _parse_scalar(field, text, "number")
            if isinstance(number, bool) or not isinstance(number, (int, float)):
                raise RefusedJsonError(_unparsed(field, text, "number", "Unexpected JSON type parsed"))
            return _read_number(field, number)
        case Kind.BOOLEAN:
            boolean = _parse_scalar(field, text, "boolean")
            if not isinstance(boolean, bool):
                raise RefusedJsonError(_unparsed(field, text, "boolean", "Unexpected JSON type parsed"))
            return boolean
        case _:
            raise RefusedJsonError(f"Not expecting a JSON string for field '{field.name}'")


def _parse_scalar(field: Field, text: str, kind: str) -> Json:
    try:
        return msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise RefusedJsonError(_unparsed(field, text, kind, "syntax error at line 1 near: ")) from None


def _unparsed(field: Field, text: str, kind: str, why: str) -> str:
    return f"Failed to parse '{text}' as a JSON {kind} for field '{field.name}': {why}"


def _read_number(field: Field, number: int | float) -> int | float:
    if field.kind is Kind.DOUBLE:
        try:
            double = float(number)
        except OverflowError:
            double = math.inf
        if not math.isfinite(double):
            raise RefusedJsonError(f"Number out of range for field '{field.name}'")
        return double
    whole = math.trunc(number)
    if (field.least is not None and whole < field.least) or (field.greatest is not None and whole > field.greatest):
        raise RefusedJsonError(f"Number {whole} out of range for field '{field.name}'")
    return whole


def _read_base64(field: Field, text: str) -> bytes:
    kept: list[str] = []
    for character in text:
        if character == "=":
            break
        if character in _SPACE:
            continue
        if character not in _BASE64:
            raise RefusedJsonError(
                f"Failed to base64 decode bytes field '{field.name}': Invalid character '{character}'"
            )
        kept.append(character)
    if len(kept) % 4 == 1:
        # Six bits make no byte: Mesos drops them without a word.
        kept.pop()
    return binascii.a2b_base64("".join(kept) + "=" * (-len(kept) % 4))


def _json_kind(value: Json) -> str:
    match value:
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case dict():
            return "object"
        case _:
            return "array"
