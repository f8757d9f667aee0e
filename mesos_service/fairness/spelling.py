"""The journal of allocations as text: one call to the allocator on each line, in JSON.

``{"do": METHOD, "with": [ARGUMENTS]}``; resources and attributes as the v1 API writes them. Amounts of quota are in
thousandths, times in unix seconds.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec

from mesos_service.core.effects import Told
from mesos_service.core.master import filtering
from mesos_service.core.master.filtering import Guarded
from mesos_service.core.master.journal import Began, Carried, Decided
from mesos_service.domain.attributes import Attribute
from mesos_service.domain.errors import ConfigurationError, MesosServiceError
from mesos_service.domain.frameworks import FilterSpec
from mesos_service.domain.ids import AgentId, FrameworkId, Role
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import PROMISES, AgentView, AllocatorOptions, FrameworkView, Grant, Quota
from mesos_service.plugins.offer_filter import OfferFilter
from mesos_service.wire import resources as wire
from mesos_service.wire.convert.values import (
    attributes_from_wire,
    attributes_to_wire,
    resources_from_wire,
    resources_to_wire,
)

Json = Any  # what ``json`` reads and writes

Kinds = Mapping[str, type[OfferFilter]]


class JournalFault(MesosServiceError):
    """The journal cannot be read; the text names the line."""


def spell(told: Told) -> bytes:
    """One line, with its end."""
    arguments = told.arguments
    if isinstance(arguments, Began):
        spelt: list[Json] = [arguments.allocator, _options(arguments.options), list(arguments.promises)]
    else:
        spelt = [_spell(one) for one in arguments]
    return json.dumps({"do": told.method, "with": spelt}, separators=(",", ":")).encode() + b"\n"


def _spell(value: object) -> Json:
    match value:
        case Resources():
            return msgspec.to_builtins(resources_to_wire(value))
        case FrameworkView():
            return _framework(value)
        case AgentView():
            return _agent(value)
        case Quota():
            return _quota(value)
        case Grant(framework_id, role, agent_id, resources):
            return [framework_id, role, agent_id, _spell(resources)]
        case dict():
            return {key: _spell(one) for key, one in value.items()}
        case tuple():
            return [_spell(one) for one in value]
        case str() | int() | float() | None:
            return value
        case other:
            raise TypeError(f"the journal knows no {type(other).__name__}")


def _options(options: AllocatorOptions) -> Json:
    return {
        **{name: getattr(options, name) for name in _OPTIONS},
        "min_allocatable": [dict(one) for one in options.min_allocatable],
        "fair_sharing_excluded": sorted(options.fair_sharing_excluded),
        "weights": dict(options.weights),
        "quotas": {role: _quota(quota) for role, quota in options.quotas.items()},
    }


def _quota(quota: Quota) -> Json:
    return {"guarantees": dict(quota.guarantees), "limits": dict(quota.limits)}


def _framework(view: FrameworkView) -> Json:
    return {
        "id": view.framework_id,
        "roles": sorted(view.roles),
        "suppressed": sorted(view.suppressed),
        "capabilities": sorted(view.capabilities),
        "aged": view.aged,
        "short_tasks": sorted(view.short_tasks),
        "min_allocatable": {role: [dict(one) for one in minimum] for role, minimum in view.min_allocatable.items()},
        "filters": {role: [_filter(one) for one in filters] for role, filters in view.filters.items() if filters},
    }


def _filter(one: OfferFilter) -> Json:
    if isinstance(one, Guarded):
        return {"name": one.module, "parameters": dict(one.parameters)}
    raise TypeError(f"the filter '{one.name}' was not made by the master")


def _agent(view: AgentView) -> Json:
    return {
        "id": view.agent_id,
        "hostname": view.hostname,
        "total": _spell(view.total),
        "attributes": msgspec.to_builtins(attributes_to_wire(view.attributes)),
        "region": view.region,
        "zone": view.zone,
    }


# -- reading ---------------------------------------------------------------------------------------------------


def read(path: Path, kinds: Kinds, lines_max: int | None = None) -> Iterator[tuple[int, Told]]:
    """Each call with the number of its line, from 1. A last line without its end was cut off, and is left out.

    Raises:
        JournalFault: a line is not of a journal.
        OSError: the file cannot be read.
    """
    with path.open("rb") as lines:
        for number, line in enumerate(islice(lines, lines_max), 1):
            if not line.endswith(b"\n"):
                return
            yield number, parse(line, number, kinds)


def parse(line: bytes, number: int, kinds: Kinds) -> Told:
    """The call on line ``number``; ``kinds`` are the offer filters there are. Raises :class:`JournalFault`."""
    try:
        sent = json.loads(line, parse_constant=_refuse_constant)
        method, arguments = sent["do"], sent["with"]
        readers = _READERS.get(method)
        if readers is None:
            raise ValueError(f"there is no '{method}'")
        if method == "begin" and len(arguments) == 2:
            arguments = [*arguments, sorted(PROMISES)]  # written before allocators said what they promise
        if len(arguments) != len(readers):
            raise ValueError(f"'{method}' has {len(arguments)} arguments in place of {len(readers)}")
        made = tuple(reader(one, kinds) for reader, one in zip(readers, arguments, strict=True))
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
        OverflowError,
    ) as error:
        missing = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise JournalFault(f"Line {number} is not of a journal of allocations: {missing}.") from error
    except ConfigurationError as error:
        raise JournalFault(
            f"Line {number}: {error} Where filters of your own are: --modules_dir, --modules."
        ) from error
    match method:
        case "begin":
            return Told(method, Began(*made))
        case "pass":
            return Told(method, Decided(*made))
        case "carry":
            return Told(method, Carried(*made))
        case _:
            return Told(method, made)


Reader = Callable[[Json, Kinds], Any]  # Any: as the method has it


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _text(value: Json, _: Kinds) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is no text")
    return value


def _truth(value: Json, _: Kinds) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r:.40} is neither true nor false")
    return value


def _number(value: Json, _: Kinds) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"{value!r:.40} is no number")
    return value


def _whole(value: Json, _: Kinds) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r:.40} is no whole number")
    return value


def _or_none(reader: Reader) -> Reader:
    return lambda value, kinds: None if value is None else reader(value, kinds)


def _listed(reader: Reader) -> Reader:
    def read_all(value: Json, kinds: Kinds) -> tuple[Any, ...]:  # Any: as above
        if not isinstance(value, list):
            raise TypeError(f"{value!r:.40} is no list")
        return tuple(reader(one, kinds) for one in value)

    return read_all


def _mapped(reader: Reader) -> Reader:
    return lambda value, kinds: {key: reader(one, kinds) for key, one in value.items()}


def _resources(value: Json, _: Kinds) -> Resources:
    made, refusal = resources_from_wire(tuple(msgspec.convert(value, tuple[wire.Resource, ...])))
    if refusal is not None:
        raise ValueError(refusal)
    return made


def _read_quota(value: Json, kinds: Kinds) -> Quota:
    amounts = _mapped(_whole)
    return Quota(guarantees=amounts(value["guarantees"], kinds), limits=amounts(value["limits"], kinds))


def _read_framework(value: Json, kinds: Kinds) -> FrameworkView:
    texts = _listed(_text)
    return FrameworkView(
        framework_id=FrameworkId(_text(value["id"], kinds)),
        roles=frozenset(map(Role, texts(value["roles"], kinds))),
        suppressed=frozenset(map(Role, texts(value["suppressed"], kinds))),
        capabilities=frozenset(texts(value["capabilities"], kinds)),
        aged=_truth(value["aged"], kinds),
        short_tasks=frozenset(map(Role, texts(value["short_tasks"], kinds))),
        min_allocatable=_mapped(_listed(_mapped(_whole)))(value["min_allocatable"], kinds),
        filters=_mapped(_listed(_read_filter))(value["filters"], kinds),
    )


def _read_filter(value: Json, kinds: Kinds) -> OfferFilter:
    return filtering.make(FilterSpec(_text(value["name"], kinds), dict(value["parameters"])), kinds)


def _read_agent(value: Json, kinds: Kinds) -> AgentView:
    return AgentView(
        agent_id=AgentId(_text(value["id"], kinds)),
        hostname=_text(value["hostname"], kinds),
        total=_resources(value["total"], kinds),
        attributes=_attributes(value["attributes"]),
        region=_or_none(_text)(value["region"], kinds),
        zone=_or_none(_text)(value["zone"], kinds),
    )


def _attributes(value: Json) -> tuple[Attribute, ...]:
    return attributes_from_wire(msgspec.convert(value, tuple[wire.Attribute, ...]))


def _read_options(value: Json, kinds: Kinds) -> AllocatorOptions:
    return AllocatorOptions(
        **{
            name: reader(value[name], kinds) for name, reader in _OPTIONS.items() if name in value or name not in _LATER
        },
        min_allocatable=_listed(_mapped(_whole))(value["min_allocatable"], kinds),
        fair_sharing_excluded=frozenset(_listed(_text)(value["fair_sharing_excluded"], kinds)),
        weights=_mapped(_weight)(value["weights"], kinds),
        quotas=_mapped(_read_quota)(value["quotas"], kinds),
    )


def _weight(value: Json, kinds: Kinds) -> float:
    weight = _number(value, kinds)
    if weight <= 0:
        raise ValueError(f"a weight of {weight}")
    return weight


def _read_grant(value: Json, kinds: Kinds) -> Grant:
    framework_id, role, agent_id, resources = value
    return Grant(
        FrameworkId(_text(framework_id, kinds)),
        Role(_text(role, kinds)),
        AgentId(_text(agent_id, kinds)),
        _resources(resources, kinds),
    )


def _read_held(value: Json, kinds: Kinds) -> tuple[FrameworkId, Role, AgentId, Resources, Resources | None]:
    framework_id, role, agent_id, held, copies = value
    return (
        FrameworkId(_text(framework_id, kinds)),
        Role(_text(role, kinds)),
        AgentId(_text(agent_id, kinds)),
        _resources(held, kinds),
        _or_none(_resources)(copies, kinds),
    )


def _read_refusal(value: Json, kinds: Kinds) -> tuple[str, str, str, Resources, float | None]:
    framework_id, role, agent_id, refused, until = value
    texts = _text(framework_id, kinds), _text(role, kinds), _text(agent_id, kinds)
    return *texts, _resources(refused, kinds), _or_none(_number)(until, kinds)


def _promise(value: Json, _: Kinds) -> str:
    if value not in PROMISES:
        raise ValueError(f"nobody can promise {value!r:.40}")
    return str(value)


def _sorter(value: Json, _: Kinds) -> str:
    if value not in ("drf", "random"):
        raise ValueError(f"there is no sorter {value!r:.40}")
    return str(value)


_OPTIONS: Final[Mapping[str, Reader]] = {
    "allocation_interval_seconds": _number,
    "role_sorter": _sorter,
    "framework_sorter": _sorter,
    "filter_gpu_resources": _truth,
    "lift_unanimous_refusals": _truth,
    "region": _or_none(_text),
    "short_slice": _number,
    "recovery_agents_share": _number,
    "recovery_seconds": _number,
}
"""Those that are written as they are."""

_LATER: Final = frozenset({"lift_unanimous_refusals"})
"""Of them those that journals of older versions do not have: there they were what they are by default."""

_READERS: Final[Mapping[str, tuple[Reader, ...]]] = {
    "segment": (_whole,),
    "begin": (_text, _read_options, _listed(_promise)),
    "carry": (
        _listed(_read_held),
        _listed(_read_refusal),
        _mapped(_whole),
        _listed(_text),
        _whole,
        _number,
    ),
    "add_framework": (_read_framework, _mapped(_resources), _truth),
    "update_framework": (_read_framework,),
    "remove_framework": (_text,),
    "set_framework_active": (_text, _truth),
    "suppress": (_text, _listed(_text)),
    "revive": (_text, _listed(_text)),
    "add_agent": (_read_agent, _mapped(_resources), _or_none(_whole)),
    "update_agent": (_read_agent,),
    "remove_agent": (_text,),
    "set_agent_active": (_text, _truth),
    "update_whitelist": (_or_none(_listed(_text)),),
    "offered_to_allocated": (_text, _text, _resources),
    "recover": (_text, _text, _resources, _or_none(_number), _truth, _number),
    "update_allocation": (_text, _text, _resources, _resources),
    "add_offer": (_text, _text, _resources),
    "update_weights": (_mapped(_weight),),
    "update_quota": (_text, _read_quota),
    "expect_agents": (_whole, _number),
    "pass": (_number, _or_none(_whole), _or_none(_listed(_text)), _or_none(_whole), _listed(_read_grant)),
}
"""What each method is called with."""
