"""Protobuf into structs, by the rules of proto2 (protobuf's encoding guide).

Fields may come in any order; of one that is not repeated the last one counts, and messages are merged; fields nobody
knows, and known ones of another wire type, are skipped; an enum's unknown value is as good as none; a required field
that is missing spoils the message. Stricter than Mesos' library: strings are UTF-8, numbers that are not finite are
refused save for limits (as in JSON, ``lenient``), and a message holds at most ``FIELDS_MAX`` fields, as a body of empty
ones would keep everybody waiting.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Self, TypeVar

import msgspec

from mesos_service.wire.errors import WireError
from mesos_service.wire.fields import Field, Kind, Label, tell_missing
from mesos_service.wire.protobuf.table import Numbered, WireType, numbered_fields

S = TypeVar("S", bound=msgspec.Struct)

# A field as it was read; only the struct that is made of all of them knows its type.
Unread = Any

DEPTH_MAX: Final = 100
"""As in protobuf's own library."""
FIELDS_MAX: Final = 500_000
"""5,000 tasks in one ACCEPT are some 100,000."""

_UNPARSED: Final = "Failed to parse body into Call protobuf"
_TAG_MAX: Final = 2**32 - 1
_DOUBLE: Final = struct.Struct("<d")


class RefusedProtobufError(Exception):
    """The bytes are not the message they should be; the text says why, or nothing where they are no protobuf at all."""


def decode_protobuf_call(cls: type[S], body: bytes, unparsed: str = _UNPARSED) -> S:
    """The body of a call. Raises ``WireError`` 400 in Mesos' words, ``unparsed``, and ours where they can say more."""
    try:
        return read_message(cls, body)
    except RefusedProtobufError as refusal:
        why = str(refusal)
        raise WireError(400, f"{unparsed}: {why}" if why else unparsed) from None


def read_message(cls: type[S], body: bytes) -> S:
    """Make a ``cls`` of bytes; raises ``RefusedProtobufError``."""
    fields: dict[str, Unread] = {}
    _Reader(body).read_fields(_plan(cls), fields, len(body), 0)
    missing = tell_missing(cls, fields)
    if missing is not None:
        raise RefusedProtobufError(missing)
    # Nothing is left to refuse; converting by the strict rules proves it, and builds the structs.
    return msgspec.convert(fields, cls, strict=True)


@dataclass(frozen=True, slots=True)
class _Known:
    """How a field is read."""

    field: Field
    names: dict[int, str]
    """Of an enum's values."""
    read: Callable[[_Reader, _Known, dict[str, Unread], int, int], Unread]
    packed: bool = False
    """Many numbers under one tag."""
    single: bool = False
    """Neither repeated nor a map."""
    message: bool = False

    @classmethod
    def of(cls, numbered: Numbered, packed: bool = False) -> Self:
        field = numbered.field
        return cls(
            field,
            {value: name for name, value in numbered.values.items()},
            _READERS[field.kind],
            packed,
            single=field.label in (Label.OPTIONAL, Label.REQUIRED),
            message=field.kind is Kind.MESSAGE,
        )


@cache
def _plan(cls: type[msgspec.Struct]) -> dict[int, _Known]:
    """Known fields by their tag."""
    plan: dict[int, _Known] = {}
    for numbered in numbered_fields(cls):
        plan[numbered.tag] = _Known.of(numbered)
        if numbered.field.label is Label.REPEATED and numbered.wire_type is not WireType.LENGTH:
            plan[numbered.number << 3 | WireType.LENGTH] = _Known.of(numbered, packed=True)
    return plan


@cache
def _entry_plan(field: Field) -> dict[int, _Known]:
    """Of an entry of a map."""
    key = Numbered(Field("key", Label.OPTIONAL, Kind.STRING), 1, WireType.LENGTH, {})
    value = Numbered(Field("value", Label.OPTIONAL, field.kind, field.message), 2, WireType.LENGTH, {})
    return {one.tag: _Known.of(one) for one in (key, value)}


class _Reader:
    """Goes through one body, once."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0
        self._fields = 0

    def read_fields(self, plan: dict[int, _Known], into: dict[str, Unread], end: int, depth: int) -> None:
        """The fields from here to ``end``."""
        if depth > DEPTH_MAX:
            raise RefusedProtobufError("Nested too deeply")
        while self._at < end:
            tag = self._varint(end)
            self._count()
            known = plan.get(tag)
            if known is None:
                self._skip(tag, end, depth)
                continue
            name = known.field.name
            if known.single:
                # A message that comes twice is the sum of both.
                before = into.get(name) if known.message else None
                one = known.read(self, known, {} if before is None else before, end, depth)
                if one is not None:
                    into[name] = one
            elif known.packed:
                self._read_packed(known, into, end)
            elif known.field.label is Label.MAP:
                self._read_entry(known.field, into, end, depth)
            else:
                one = known.read(self, known, {}, end, depth)
                if one is not None:
                    into.setdefault(name, []).append(one)

    def _read_packed(self, known: _Known, into: dict[str, Unread], end: int) -> None:
        end = self._length(end)
        many = into.setdefault(known.field.name, [])
        while self._at < end:
            self._count()
            one = known.read(self, known, {}, end, 0)
            if one is not None:
                many.append(one)

    def _read_entry(self, field: Field, into: dict[str, Unread], end: int, depth: int) -> None:
        entry: dict[str, Unread] = {}
        self.read_fields(_entry_plan(field), entry, self._length(end), depth + 1)
        value = entry.get("value", {} if field.kind is Kind.MESSAGE else "")
        into.setdefault(field.name, {})[entry.get("key", "")] = value

    # One for each kind of field: reads one value; ``None`` for an enum's that nobody knows.
    def read_message(self, known: _Known, into: dict[str, Unread], end: int, depth: int) -> Unread:
        """Into what an earlier part of the same message has filled, if there is one."""
        assert known.field.message is not None
        self.read_fields(_plan(known.field.message), into, self._length(end), depth + 1)
        return into

    def read_string(self, known: _Known, into: dict[str, Unread], end: int, depth: int) -> Unread:
        try:
            return self._bytes(end).decode()
        except UnicodeDecodeError:
            raise RefusedProtobufError(f"Not valid UTF-8 in field '{known.field.name}'") from None

    def read_bytes(self, known: _Known, into: dict[str, Unread], end: int, depth: int) -> Unread:
        return self._bytes(end)

    def read_integer(self, known: _Known, into: dict[str, Unread], end: int, depth: int) -> Unread:
        return _whole(known.field, self._varint(end))

    def read_boolean(self, known: _Known, into: dict[str, Unread], end: int, depth: int) -> Unread:
        return self._varint(end) != 0

    def read_enum(self, known: _Known, into: dict[str, Unread], end: int, depth: int) -> Unread:
        return known.names.get(_signed(self._varint(end), 32))

    def read_double(self, known: _Known, into: dict[str, Unread], end: int, depth: int) -> Unread:
        return _finite(known.field, self._double(end))

    def _count(self) -> None:
        self._fields += 1
        if self._fields > FIELDS_MAX:
            raise RefusedProtobufError(f"More than {FIELDS_MAX} fields")

    # -- bytes -----------------------------------------------------------------------------------------------
    def _varint(self, end: int) -> int:
        body, at = self._body, self._at
        if at >= end:
            raise RefusedProtobufError
        byte = body[at]
        if byte < 0x80:
            self._at = at + 1
            return byte
        result = byte & 0x7F
        for shift in range(7, 70, 7):
            at += 1
            if at >= end:
                raise RefusedProtobufError
            byte = body[at]
            result |= (byte & 0x7F) << shift
            if byte < 0x80:
                self._at = at + 1
                return result & 0xFFFFFFFFFFFFFFFF
        raise RefusedProtobufError

    def _length(self, end: int) -> int:
        """Where what has its length in front of it ends."""
        size = self._varint(end)
        if size > end - self._at:
            raise RefusedProtobufError
        return self._at + size

    def _bytes(self, end: int) -> bytes:
        until = self._length(end)
        found = self._body[self._at : until]
        self._at = until
        return found

    def _double(self, end: int) -> float:
        self._advance(8, end)
        number: float = _DOUBLE.unpack_from(self._body, self._at - 8)[0]
        return number

    def _advance(self, size: int, end: int) -> None:
        self._at += size
        if self._at > end:
            raise RefusedProtobufError

    def _skip(self, tag: int, end: int, depth: int) -> None:
        """Over a field that nobody knows."""
        if tag > _TAG_MAX or tag >> 3 == 0:
            raise RefusedProtobufError
        match tag & 7:
            case WireType.VARINT:
                self._varint(end)
            case WireType.FIXED64:
                self._advance(8, end)
            case WireType.LENGTH:
                self._at = self._length(end)
            case WireType.FIXED32:
                self._advance(4, end)
            case WireType.GROUP:
                self._skip_group(tag >> 3, end, depth + 1)
            case _:
                raise RefusedProtobufError

    def _skip_group(self, number: int, end: int, depth: int) -> None:
        if depth > DEPTH_MAX:
            raise RefusedProtobufError("Nested too deeply")
        while True:
            tag = self._varint(end)
            self._count()
            if tag == number << 3 | WireType.END_GROUP:
                return
            self._skip(tag, end, depth)


_READERS: Final = {
    Kind.STRING: _Reader.read_string,
    Kind.BYTES: _Reader.read_bytes,
    Kind.MESSAGE: _Reader.read_message,
    Kind.INTEGER: _Reader.read_integer,
    Kind.BOOLEAN: _Reader.read_boolean,
    Kind.ENUM: _Reader.read_enum,
    Kind.DOUBLE: _Reader.read_double,
}


def _whole(field: Field, number: int) -> int:
    """Of the 64 bits that came as many as the field has, with a sign if it has one: so protobuf reads them."""
    if field.least is not None and field.least < 0:
        return _signed(number, 32 if field.least == -(2**31) else 64)
    return number & 0xFFFFFFFF if field.greatest == 2**32 - 1 else number


def _signed(number: int, bits: int) -> int:
    number &= (1 << bits) - 1
    return number - (1 << bits) if number >> (bits - 1) else number


def _finite(field: Field, number: float) -> float | str:
    if math.isfinite(number):
        return number
    name = "Infinity" if number > 0 else "-Infinity" if number < 0 else "NaN"
    if name in field.names:
        return name
    raise RefusedProtobufError(f"Number out of range for field '{field.name}'")
