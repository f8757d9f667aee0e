"""The wire structs as protobuf's own library knows messages: an oracle for our reader and writer.

Types and labels come from the structs, numbers from the table; what is made of bytes is the library's.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from mesos_service.wire.fields import Field, Kind, Label, fields_of
from mesos_service.wire.protobuf.table import ENUMS, FIELDS, Numbered, numbered_fields

Proto = descriptor_pb2.FieldDescriptorProto
TYPES = {
    Kind.STRING: Proto.TYPE_STRING,
    Kind.BYTES: Proto.TYPE_BYTES,
    Kind.DOUBLE: Proto.TYPE_DOUBLE,
    Kind.BOOLEAN: Proto.TYPE_BOOL,
    Kind.ENUM: Proto.TYPE_ENUM,
    Kind.MESSAGE: Proto.TYPE_MESSAGE,
}
LABELS = {
    Label.OPTIONAL: Proto.LABEL_OPTIONAL,
    Label.REQUIRED: Proto.LABEL_REQUIRED,
    Label.REPEATED: Proto.LABEL_REPEATED,
    Label.MAP: Proto.LABEL_REPEATED,
}
INTEGERS = {
    (-(2**31), 2**31 - 1): Proto.TYPE_INT32,
    (-(2**63), 2**63 - 1): Proto.TYPE_INT64,
    (0, 2**32 - 1): Proto.TYPE_UINT32,
    (0, None): Proto.TYPE_UINT64,
}


def name_of(cls: type[msgspec.Struct]) -> str:
    return f"{cls.__module__.rpartition('.')[2]}_{cls.__name__}"


def library_class(cls: type[msgspec.Struct]) -> Any:
    """The library's class for the message that ``cls`` stands for."""
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(name_of(cls)))


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


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(name="table.proto", syntax="proto2")
    enums: dict[frozenset[str], str] = {}
    for cls in FIELDS:
        message = file.message_type.add(name=name_of(cls))
        for numbered in numbered_fields(cls):
            _add(message, numbered, file, enums)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _add(message: Any, numbered: Numbered, file: Any, enums: dict[frozenset[str], str]) -> None:
    field = numbered.field
    added = message.field.add(name=field.name, number=numbered.number, label=LABELS[field.label])
    if field.label is Label.MAP:
        entry_name = "".join(part.capitalize() for part in field.name.split("_")) + "Entry"
        entry = message.nested_type.add(name=entry_name)
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, label=Proto.LABEL_OPTIONAL, type=Proto.TYPE_STRING)
        value = entry.field.add(name="value", number=2, label=Proto.LABEL_OPTIONAL)
        _type(value, field, numbered, file, enums)
        added.type, added.type_name = Proto.TYPE_MESSAGE, f".{message.name}.{entry_name}"
        return
    _type(added, field, numbered, file, enums)


def _type(added: Any, field: Field, numbered: Numbered, file: Any, enums: dict[frozenset[str], str]) -> None:
    if field.kind is Kind.INTEGER:
        added.type = INTEGERS[field.least if field.least is not None else 0, field.greatest]
        return
    added.type = TYPES[field.kind]
    if field.kind is Kind.MESSAGE:
        assert field.message is not None
        added.type_name = f".{name_of(field.message)}"
    elif field.kind is Kind.ENUM:
        if field.names not in enums:
            enums[field.names] = f"Enum{len(enums)}"
            enum = file.enum_type.add(name=enums[field.names])
            for name, number in numbered.values.items():
                # Names of enums share one space with the file's; only their numbers are on the wire.
                enum.value.add(name=f"{enums[field.names]}_{name}", number=number)
        added.type_name = f".{enums[field.names]}"
