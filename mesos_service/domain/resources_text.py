"""How an operator writes resources: ``--resources`` as text or JSON (Mesos docs, "Attributes and resources").

Text: ``cpus:4;mem:1024;ports:[1-2];disk(role):10;zones:{a,b}``. JSON: an array of ``Resource`` objects as on the
wire, which can also say reservations, disks and volumes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, cast

from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.resource import (
    DiskInfo,
    DiskSource,
    DiskSourceType,
    Labels,
    Persistence,
    Reservation,
    Resource,
    ResourceKey,
    ResourcesError,
    Value,
    Volume,
    plain_key,
    refuse_old_and_new_format,
    validate,
)
from mesos_service.domain.roles import ANY_ROLE, refuse_role
from mesos_service.domain.values import Ranges, parse_set, to_milli


class ResourcesParseError(ResourcesError, ConfigurationError):
    """What the operator wrote is not lawful; the text quotes the piece at fault."""


def parse_resources(text: str, default_role: str = ANY_ROLE) -> tuple[Resource, ...]:
    """Read ``--resources``, in the order written; what names no role is statically reserved to ``default_role``.

    Zero and empty amounts stay in, so that the caller can tell "no gpus" from "find out how many gpus there are".
    Raises :class:`ResourcesParseError`.
    """
    refusal = refuse_role(default_role)
    if refusal is not None:
        raise ResourcesParseError(f"default role: {refusal}")
    if text.lstrip().startswith("["):
        resources = _parse_json(text, default_role)
    else:
        pieces = (piece.strip() for piece in text.split(";"))
        resources = [_parse_piece(piece, default_role) for piece in pieces if piece]
    refusal = validate(resource for resource in resources if resource.value)
    if refusal is not None:
        raise ResourcesParseError(refusal)
    return tuple(resources)


def _parse_piece(piece: str, default_role: str) -> Resource:
    label, colon, amount = piece.partition(":")
    if not colon:
        raise ResourcesParseError(f"'{piece}' is not of the form name:value or name(role):value")
    name, parenthesis, rest = label.strip().partition("(")
    role = default_role
    if parenthesis:
        if not rest.endswith(")"):
            raise ResourcesParseError(f"'{piece}': the role in parentheses is not closed")
        role = rest[:-1].strip()
        refusal = refuse_role(role)
        if refusal is not None:
            raise ResourcesParseError(f"'{piece}': {refusal}")
    name = name.strip()
    if not name:
        raise ResourcesParseError(f"'{piece}' has no name before the colon")
    try:
        value = _parse_amount(amount.strip())
    except ValueError as error:
        raise ResourcesParseError(f"'{piece}': {error}") from error
    return Resource(_static_key(name, role), value)


def _parse_amount(text: str) -> Value:
    if text.startswith("["):
        return Ranges.parse(text)
    return parse_set(text) if text.startswith("{") else to_milli(text)


def _static_key(name: str, role: str) -> ResourceKey:
    if role == ANY_ROLE:
        return plain_key(name)
    return ResourceKey(name, reservations=(Reservation("STATIC", role),))


# The JSON form. ``_Reader`` walks the decoded objects and knows the path it took, so that a mistake deep inside
# says where it is. Unknown fields are ignored, as everywhere on the wire.


def _parse_json(text: str, default_role: str) -> list[Resource]:
    try:
        # Numbers stay text, so that 0.1 is a tenth and not the double next to it.
        decoded: object = json.loads(text, parse_float=str, parse_int=str, parse_constant=_refuse_constant)
    except ValueError as error:
        raise ResourcesParseError(f"not JSON: {error}") from error
    except RecursionError as error:
        raise ResourcesParseError("not JSON that we read: nested too deeply") from error
    try:
        # JSON can escape half a character, which could never be sent or stored again.
        json.dumps(decoded, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ResourcesParseError(f"not lawful Unicode: {error.reason}") from error
    if not isinstance(decoded, list):
        raise ResourcesParseError("the JSON form is an array of resources")
    return [_read_resource(_Reader(item, f"[{index}]"), default_role) for index, item in enumerate(decoded)]


def _refuse_constant(constant: str) -> object:
    raise ValueError(f"{constant} is not a lawful number")


class _Reader:
    """One decoded JSON object, with typed access to its fields."""

    def __init__(self, value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise ResourcesParseError(f"{path} is not an object")
        # json.loads makes objects with string keys only.
        self._fields = cast(Mapping[str, object], value)
        self.path = path

    def fail(self, why: object) -> ResourcesParseError:
        return ResourcesParseError(f"{self.path}: {why}")

    def has(self, name: str) -> bool:
        return self._fields.get(name) is not None

    def text(self, name: str) -> str:
        value = self._fields.get(name)
        if not isinstance(value, str):
            raise ResourcesParseError(f"{self.path}.{name} is {'missing' if value is None else 'not text'}")
        return value

    def optional_text(self, name: str) -> str | None:
        return self.text(name) if self.has(name) else None

    def record(self, name: str) -> _Reader:
        return _Reader(self._fields.get(name), f"{self.path}.{name}")

    def optional_record(self, name: str) -> _Reader | None:
        return self.record(name) if self.has(name) else None

    def array(self, name: str) -> list[object]:
        value = self._fields.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise ResourcesParseError(f"{self.path}.{name} is not an array")
        return cast(list[object], value)  # isinstance cannot say what the list holds

    def records(self, name: str) -> list[_Reader]:
        return [_Reader(item, f"{self.path}.{name}[{index}]") for index, item in enumerate(self.array(name))]


def _read_resource(reader: _Reader, default_role: str) -> Resource:
    key = ResourceKey(
        name=reader.text("name"),
        allocation_role=None,
        reservations=_read_reservations(reader, default_role),
        disk=_read_disk(disk) if (disk := reader.optional_record("disk")) else None,
        revocable=reader.optional_record("revocable") is not None,
        shared=reader.optional_record("shared") is not None,
        provider_id=provider.text("value") if (provider := reader.optional_record("provider_id")) else None,
    )
    try:
        return Resource(key, _read_value(reader))
    except ResourcesParseError:
        raise
    except ValueError as error:
        raise reader.fail(error) from error


def _read_value(reader: _Reader) -> Value:
    kind = reader.text("type")
    if kind == "SCALAR":
        return to_milli(reader.record("scalar").text("value"))
    if kind == "RANGES":
        ranges = reader.record("ranges").records("range")
        return Ranges.of((_read_bound(item, "begin"), _read_bound(item, "end")) for item in ranges)
    if kind == "SET":
        items = reader.record("set").array("item")
        if not all(isinstance(item, str) and item for item in items):
            raise reader.fail("set.item is not an array of text")
        return frozenset(item for item in items if isinstance(item, str))
    raise reader.fail(f"type '{kind}' is none of SCALAR, RANGES, SET")


_BOUND_DIGITS_MAX: Final = 20


def _read_bound(reader: _Reader, name: str) -> int:
    text = reader.text(name)
    if not (text.isascii() and text.isdecimal() and len(text) <= _BOUND_DIGITS_MAX):
        raise reader.fail(f"{name} '{text}' is not an unsigned integer")
    return int(text)


def _read_reservations(reader: _Reader, default_role: str) -> tuple[Reservation, ...]:
    role = reader.optional_text("role")
    stack = reader.records("reservations")
    dynamic = reader.optional_record("reservation")
    refusal = refuse_old_and_new_format(role, has_reservation=dynamic is not None, has_reservations=bool(stack))
    if refusal is not None:
        raise reader.fail(refusal)
    if stack:
        return tuple(_read_reservation(item) for item in stack)
    if role is None:
        role = default_role
    if role == ANY_ROLE:
        return ()
    if dynamic is None:
        return (Reservation("STATIC", role),)
    return (Reservation("DYNAMIC", role, dynamic.optional_text("principal"), _read_labels(dynamic)),)


def _read_reservation(reader: _Reader) -> Reservation:
    kind = reader.text("type")
    role, principal, labels = reader.text("role"), reader.optional_text("principal"), _read_labels(reader)
    if kind == "STATIC":
        return Reservation("STATIC", role, principal, labels)
    if kind == "DYNAMIC":
        return Reservation("DYNAMIC", role, principal, labels)
    raise reader.fail(f"type '{kind}' is neither STATIC nor DYNAMIC")


def _read_labels(reader: _Reader) -> Labels:
    labels = reader.optional_record("labels")
    if labels is None:
        return ()
    return tuple((item.text("key"), item.optional_text("value")) for item in labels.records("labels"))


def _read_disk(reader: _Reader) -> DiskInfo:
    source = reader.optional_record("source")
    persistence = reader.optional_record("persistence")
    volume = reader.optional_record("volume")
    return DiskInfo(
        source=None if source is None else _read_source(source),
        persistence=None
        if persistence is None
        else Persistence(persistence.text("id"), persistence.optional_text("principal")),
        volume=None if volume is None else _read_volume(volume),
    )


def _read_source(reader: _Reader) -> DiskSource:
    kind = reader.text("type")
    if kind not in DiskSourceType.__members__:
        raise reader.fail(f"type '{kind}' is none of {', '.join(DiskSourceType)}")
    # PATH and MOUNT say their root in an object of their own.
    place = reader.optional_record(kind.lower())
    return DiskSource(
        type=DiskSourceType(kind),
        root=place.optional_text("root") if place is not None else None,
        id=reader.optional_text("id"),
        profile=reader.optional_text("profile"),
        vendor=reader.optional_text("vendor"),
    )


def _read_volume(reader: _Reader) -> Volume:
    mode = reader.text("mode")
    path, host_path = reader.text("container_path"), reader.optional_text("host_path")
    if mode == "RW":
        return Volume(path, "RW", host_path)
    if mode == "RO":
        return Volume(path, "RO", host_path)
    raise reader.fail(f"mode '{mode}' is neither RW nor RO")
