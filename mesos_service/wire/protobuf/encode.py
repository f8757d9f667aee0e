"""Structs into protobuf: the bytes that Mesos' own library writes for the same message, fields by number."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import msgspec

from mesos_service.wire.fields import Field, Kind, Label
from mesos_service.wire.protobuf.table import Numbered, WireType, numbered_fields

# The value of a field; which type it has is the field's matter.
Value = Any
Write = Callable[[Value, bytearray], None]

_64_BITS: Final = 2**64 - 1
_DOUBLE: Final = struct.Struct("<d")
_SHORT: Final = 0x80
"""Numbers below take one byte."""


def encode_protobuf(message: msgspec.Struct) -> bytes:
    """The bytes of one message; framing it is the stream's matter. What protobuf has no number for is left out."""
    out = bytearray()
    for name, _, write in writers(type(message)):
        value = getattr(message, name)
        if value is not None:
            write(value, out)
    return bytes(out)


def varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; negative numbers in two's complement of 64 bits."""
    number &= _64_BITS
    out = bytearray()
    while number >= _SHORT:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


@cache
def writers(cls: type[msgspec.Struct]) -> tuple[tuple[str, bytes, Write], ...]:
    """What writes each field, by number: the attribute's name, the encoded tag, and the writer of tag and value."""
    attributes = dict(zip(cls.__struct_encode_fields__, cls.__struct_fields__, strict=True))
    return tuple((attributes[one.field.name], varint(one.tag), _field_writer(one)) for one in numbered_fields(cls))


def _field_writer(numbered: Numbered) -> Write:
    if numbered.field.label is Label.MAP:
        return _map_writer(numbered)
    write = _writer(numbered, varint(numbered.tag))
    if numbered.field.label is not Label.REPEATED:
        return write

    def write_all(value: Value, out: bytearray) -> None:
        for one in value:
            write(one, out)

    return write_all


def _map_writer(numbered: Numbered) -> Write:
    """A map is a repeated message of a key and a value, numbered 1 and 2."""
    tag = varint(numbered.tag)
    kind = numbered.field.kind
    entry_type = WireType.LENGTH if kind in (Kind.MESSAGE, Kind.STRING) else None
    assert entry_type is not None, "Mesos has no other maps"
    entry = Numbered(Field("value", Label.OPTIONAL, kind, numbered.field.message), 2, entry_type, {})
    write_key = _writer(Numbered(Field("key", Label.OPTIONAL, Kind.STRING), 1, WireType.LENGTH, {}), b"\x0a")
    write_value = _writer(entry, b"\x12")

    def write(value: Value, out: bytearray) -> None:
        for key, one in value.items():
            inner = bytearray()
            write_key(key, inner)
            write_value(one, inner)
            out += tag
            out += varint(len(inner))
            out += inner

    return write


def _writer(numbered: Numbered, tag: bytes) -> Write:
    def write_string(value: Value, out: bytearray) -> None:
        write_bytes(value.encode(), out)

    def write_bytes(value: Value, out: bytearray) -> None:
        out += tag
        size = len(value)
        if size < _SHORT:
            out.append(size)
        else:
            out += varint(size)
        out += value

    def write_integer(value: Value, out: bytearray) -> None:
        out += tag
        if 0 <= value < _SHORT:
            out.append(value)
        else:
            out += varint(value)

    def write_double(value: Value, out: bytearray) -> None:
        out += tag
        out += _DOUBLE.pack(value if isinstance(value, (int, float)) else math.inf)

    def write_boolean(value: Value, out: bytearray) -> None:
        out += tag
        out.append(value)

    values = numbered.values

    def write_enum(value: Value, out: bytearray) -> None:
        number = values.get(value)
        if number is not None:
            write_integer(number, out)

    def write_message(value: Value, out: bytearray) -> None:
        write_bytes(encode_protobuf(value), out)

    match numbered.field.kind:
        case Kind.STRING:
            return write_string
        case Kind.BYTES:
            return write_bytes
        case Kind.INTEGER:
            return write_integer
        case Kind.DOUBLE:
            return write_double
        case Kind.BOOLEAN:
            return write_boolean
        case Kind.ENUM:
            return write_enum
        case Kind.MESSAGE:
            return write_message
    raise TypeError(f"{numbered.field.name}: protobuf has no {numbered.field.kind}")
