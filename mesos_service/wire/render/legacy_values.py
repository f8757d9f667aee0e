"""Resources and attributes as the old paths print them: flat, every number a double, ranges as text.

Many agents have the same resources, and most tasks look like others, so what was printed once is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Annotated, Final

import msgspec

from mesos_service.domain.attributes import Attribute
from mesos_service.domain.resource import Value
from mesos_service.domain.resources import Resources
from mesos_service.domain.values import Ranges, from_milli
from mesos_service.wire import resources as wire
from mesos_service.wire.convert.values import resources_to_wire
from mesos_service.wire.encode import encode_fragment

_ENCODER: Final = msgspec.json.Encoder()

_NUMBERS_OR_TEXT: Final = {
    "type": "object",
    "additionalProperties": {"anyOf": [{"type": "number"}, {"type": "string"}]},
}
_NUMBERS: Final = {"type": "object", "additionalProperties": {"type": "number"}}
_RESOURCES: Final = {"type": "array", "items": {"$ref": "#/components/schemas/Resource"}}

Amounts = Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema=_NUMBERS_OR_TEXT)]
"""``{"disk": 0.0, "mem": 32.0, "gpus": 0.0, "cpus": 0.1, "ports": "[31000-31001]"}``"""
AmountsByRole = Annotated[
    msgspec.Raw, msgspec.Meta(extra_json_schema={"type": "object", "additionalProperties": _NUMBERS_OR_TEXT})
]
Quantities = Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema=_NUMBERS)]
"""Only the scalars that are there, by name: ``{"cpus": 0.1}``"""
Attributes = Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema=_NUMBERS_OR_TEXT)]
FullResources = Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema=_RESOURCES)]
FullResourcesByRole = Annotated[
    msgspec.Raw, msgspec.Meta(extra_json_schema={"type": "object", "additionalProperties": _RESOURCES})
]

_ALWAYS: Final = ("disk", "mem", "gpus", "cpus")
"""Printed even where there is nothing of them, and in this order (recorded)."""


def total(parts: Iterable[Resources]) -> Resources:
    """The sum; of one part, that part."""
    result = Resources.EMPTY
    for part in parts:
        result = result + part if result else part
    return result


@lru_cache(maxsize=8192)
def amounts(resources: Resources) -> msgspec.Raw:
    """All amounts by name, whoever they are reserved for; revocable ones under ``<name>_revocable`` (Mesos)."""
    return msgspec.Raw(_ENCODER.encode(_amounts(resources)))


def amounts_by_role(resources: Resources) -> msgspec.Raw:
    """What is reserved, by the role it is reserved for."""
    reserved = resources.reservations()
    return msgspec.Raw(_ENCODER.encode({role: _amounts(one) for role, one in sorted(reserved.items())}))


def _amounts(resources: Resources) -> dict[str, float | str]:
    scalars = dict.fromkeys(_ALWAYS, 0)
    ranges: dict[str, Ranges] = {}
    sets: dict[str, frozenset[str]] = {}
    for key, value in resources.shared_once():
        name = f"{key.name}_revocable" if key.revocable else key.name
        if isinstance(value, int):
            scalars[name] = scalars.get(name, 0) + value
        elif isinstance(value, Ranges):
            ranges[name] = ranges.get(name, Ranges.EMPTY) | value
        else:
            sets[name] = sets.get(name, frozenset()) | value
    return {
        **{name: from_milli(milli) for name, milli in scalars.items()},
        **{name: str(value) for name, value in ranges.items()},
        **{name: _text(value) for name, value in sets.items()},
    }


def _text(value: Value) -> str:
    return "{" + ", ".join(sorted(value)) + "}" if isinstance(value, frozenset) else str(value)


def quantities(milli: Mapping[str, int]) -> msgspec.Raw:
    """Scalars in thousandths, printed as doubles and sorted by name; what is zero is not there."""
    return msgspec.Raw(_ENCODER.encode({name: from_milli(one) for name, one in sorted(milli.items()) if one}))


def all_quantities(milli: Mapping[str, int]) -> msgspec.Raw:
    """As :func:`quantities`, zeros included: a limit of nothing is one."""
    return msgspec.Raw(_ENCODER.encode({name: from_milli(one) for name, one in sorted(milli.items())}))


@lru_cache(maxsize=8192)
def attributes(given: tuple[Attribute, ...]) -> msgspec.Raw:
    """By name; of several attributes of one name the first counts (X49)."""
    flat: dict[str, float | str] = {}
    for name, value in given:
        flat.setdefault(name, from_milli(value) if isinstance(value, int) else str(value))
    return msgspec.Raw(_ENCODER.encode(flat))


def endpoint_resources(resources: Resources) -> tuple[wire.Resource, ...]:
    """In both spellings of reservations at once, as only endpoints print them (recorded).

    A refined reservation has no old spelling.
    """
    both = zip(resources_to_wire(resources, refined=False), resources_to_wire(resources), strict=True)
    return tuple(_in_both(old, new) for old, new in both)


def _in_both(old: wire.Resource, new: wire.Resource) -> wire.Resource:
    if not new.reservations:
        return old
    return new if len(new.reservations) > 1 else msgspec.structs.replace(old, reservations=new.reservations)


def full(resources: Resources) -> msgspec.Raw:
    """All items, for programs."""
    # Volumes do not count in comparisons, so what was kept could be that of another volume.
    if any(key.disk is not None for key, _ in resources):
        return encode_fragment(endpoint_resources(resources))
    return _full(resources)


@lru_cache(maxsize=8192)
def _full(resources: Resources) -> msgspec.Raw:
    return encode_fragment(endpoint_resources(resources))


def full_by_role(resources: Resources) -> msgspec.Raw:
    """What is reserved, by the role it is reserved for."""
    reserved = resources.reservations()
    return msgspec.Raw(_ENCODER.encode({role: full(one) for role, one in sorted(reserved.items())}))
