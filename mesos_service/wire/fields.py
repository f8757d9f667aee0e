"""What the annotations of a wire struct say of its fields: shared by all readers and writers but msgspec's own.

Neither the lenient reading of JSON nor protobuf has a table of types; the structs are the only definition.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from itertools import islice
from typing import Any, Final

import msgspec
from msgspec import inspect

# A message before it is made a struct: fields by name, of which nobody has looked at all.
Unread = Any

MISSING_NAMED_MAX: Final = 100
"""Mesos names them all, which lets a small call ask for an answer many times its size."""


class Kind(Enum):
    STRING = auto()
    BYTES = auto()
    INTEGER = auto()
    DOUBLE = auto()
    BOOLEAN = auto()
    ENUM = auto()
    MESSAGE = auto()
    ANY = auto()
    """JSON that a module gives its meaning: nothing here may read "1" as a number or leave a null out."""


class Label(Enum):
    OPTIONAL = auto()
    REQUIRED = auto()
    REPEATED = auto()
    MAP = auto()


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    label: Label
    kind: Kind
    message: type[msgspec.Struct] | None = None
    names: frozenset[str] = frozenset()
    """Of an enum; of a double the strings that are kept as they are."""
    least: int | None = None
    greatest: int | None = None


@cache
def fields_of(cls: type[msgspec.Struct]) -> dict[str, Field]:
    """The fields of a struct, read once from its annotations: there is no table of them."""
    info = inspect.type_info(cls)
    assert isinstance(info, inspect.StructType)
    return {field.encode_name: _field(field) for field in info.fields}


def _field(field: inspect.Field) -> Field:
    label = Label.REQUIRED if field.required else Label.OPTIONAL
    of = field.type
    if isinstance(of, inspect.VarTupleType):
        label, of = Label.REPEATED, of.item_type
    elif isinstance(of, inspect.DictType):
        label, of = Label.MAP, of.value_type
    names: frozenset[str] = frozenset()
    if isinstance(of, inspect.UnionType):
        choices = [one for one in of.types if not isinstance(one, inspect.NoneType)]
        if len(choices) > 1:
            names = frozenset(
                str(name) for one in choices if isinstance(one, inspect.LiteralType) for name in one.values
            )
            choices = [one for one in choices if not isinstance(one, inspect.LiteralType)]
        (of,) = choices
    match of:
        case inspect.StructType():
            return Field(field.encode_name, label, Kind.MESSAGE, message=of.cls)
        case inspect.LiteralType():
            return Field(field.encode_name, label, Kind.ENUM, names=frozenset(map(str, of.values)))
        case inspect.IntType():
            return Field(field.encode_name, label, Kind.INTEGER, least=of.ge, greatest=of.le)
        case inspect.FloatType():
            return Field(field.encode_name, label, Kind.DOUBLE, names=names)
        case inspect.BoolType():
            return Field(field.encode_name, label, Kind.BOOLEAN)
        case inspect.BytesType():
            return Field(field.encode_name, label, Kind.BYTES)
        case inspect.StrType():
            return Field(field.encode_name, label, Kind.STRING)
        case inspect.AnyType():
            return Field(field.encode_name, label, Kind.ANY)
    raise TypeError(f"{field.name}: the wire has no field of type {of}")


def tell_missing(cls: type[msgspec.Struct], fields: dict[str, Unread]) -> str | None:
    """The sentence on the required fields that are not there, if any, in Mesos' words."""
    missing = list(islice(_missing(cls, fields, ""), MISSING_NAMED_MAX))
    return "Missing required fields: " + ", ".join(missing) if missing else None


def _missing(cls: type[msgspec.Struct], value: dict[str, Unread], prefix: str) -> Iterator[str]:
    """Name the required fields that are not there, by protobuf's rules: this message's own first, then below."""
    fields = fields_of(cls)
    for name, field in fields.items():
        if field.label is Label.REQUIRED and name not in value:
            yield prefix + name
    for name, field in fields.items():
        if field.message is None or name not in value:
            continue
        if field.label is Label.REPEATED:
            for index, one in enumerate(value[name]):
                yield from _missing(field.message, one, f"{prefix}{name}[{index}].")
        elif field.label is Label.MAP:
            for key, one in value[name].items():
                yield from _missing(field.message, one, f"{prefix}{name}[{key}].")
        else:
            yield from _missing(field.message, value[name], f"{prefix}{name}.")
