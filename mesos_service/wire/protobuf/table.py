"""The numbers of all messages and enums of Mesos' v1 API (facts of its .proto files), and what follows from them.

The numbers stand beside this in files by subject. A message that is in none of them exists in JSON alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import Final, get_args

import msgspec

from mesos_service.wire.fields import Field, Kind, Label, fields_of
from mesos_service.wire.protobuf import agent_operator, framework_apis, master_operator, operator_common, tasks, values
from mesos_service.wire.protobuf.notation import read_numbers

_FILES: Final = (values, tasks, framework_apis, operator_common, master_operator, agent_operator)

FIELDS: Final = {cls: numbers for file in _FILES for cls, numbers in file.FIELDS.items()}
ENUMS: Final = {frozenset(get_args(enum)): read_numbers(text) for file in _FILES for enum, text in file.ENUMS.items()}


class WireType(IntEnum):
    """The low three bits of a tag (protobuf's encoding guide)."""

    VARINT = 0
    FIXED64 = 1
    LENGTH = 2
    GROUP = 3
    END_GROUP = 4
    FIXED32 = 5


_WIRE_TYPES: Final = {
    Kind.STRING: WireType.LENGTH,
    Kind.BYTES: WireType.LENGTH,
    Kind.MESSAGE: WireType.LENGTH,
    Kind.INTEGER: WireType.VARINT,
    Kind.BOOLEAN: WireType.VARINT,
    Kind.ENUM: WireType.VARINT,
    Kind.DOUBLE: WireType.FIXED64,
}


@dataclass(frozen=True, slots=True)
class Numbered:
    """A field with its number. ``values`` are those of an enum by their names."""

    field: Field
    number: int
    wire_type: WireType
    """Of the field itself: of one entry where it is a map."""
    values: dict[str, int]

    @property
    def tag(self) -> int:
        return self.number << 3 | self.wire_type


@cache
def numbered_fields(cls: type[msgspec.Struct]) -> tuple[Numbered, ...]:
    """The fields of a message that protobuf has, by number. Raises ``KeyError`` for one that exists in JSON alone."""
    numbers = read_numbers(FIELDS[cls])
    found: list[Numbered] = []
    for field in fields_of(cls).values():
        number = numbers[field.name]
        if number is None:
            continue
        wire_type = WireType.LENGTH if field.label is Label.MAP else _WIRE_TYPES[field.kind]
        values_ = ENUMS[field.names] if field.kind is Kind.ENUM else {}
        known = {name: value for name, value in values_.items() if value is not None}
        found.append(Numbered(field, number, wire_type, known))
    return tuple(sorted(found, key=lambda one: one.number))
