"""The JSON of what agents say of themselves, for a registry that stores those of a whole cluster at once.

Agents of one kind differ in their names and in amounts. Their JSON is made once, by the conversion that everybody uses,
and cut where those stand; for the next ones the pieces are joined. What is out of the ordinary goes the long way.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import replace
from typing import Final

import msgspec

from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.ids import AgentId
from mesos_service.domain.resource import Resource
from mesos_service.domain.resources import Resources
from mesos_service.domain.values import from_milli
from mesos_service.wire.convert.link import agent_description_to_wire

KINDS_MAX: Final = 1024
"""Past this the older half is forgotten."""

_encode: Final = msgspec.json.Encoder().encode

# What stands in a pattern where one agent differs from the next. An agent that says such a thing of itself makes a
# pattern with a hole too many, which is not used.
_NAME: Final = "where the name of an agent goes"
_ID: Final = AgentId("where the id of an agent goes")
_ADDRESS: Final = "where the address of an agent goes"
_MILLI: Final = 8_070_605_040_302_010

_HOLE: Final = re.compile(
    b"(" + b"|".join(map(re.escape, map(_encode, (_NAME, _ID, _ADDRESS, from_milli(_MILLI))))) + b")"
)

_Kind = tuple[Hashable, ...]
_kinds: Final[dict[_Kind, tuple[bytes, ...] | None]] = {}
"""The pieces between the holes; ``None`` for what has to go the long way."""


def agent_description_json(info: AgentInfo) -> bytes:
    """The JSON of ``agent_description_to_wire(info)``, in a third of the time that it takes.

    It may be asked from several threads: the worst that happens is that a pattern is made twice.
    """
    pairs = info.resources.pairs()
    if pairs is None or info.agent_id is None:
        return _encode(agent_description_to_wire(info))
    filling = [_encode(info.hostname)]
    features: list[Hashable] = [info.port, info.attributes, info.region, info.zone, info.version, info.capabilities]
    for key, value in pairs:
        if key.disk is not None:  # Disks that equal each other may be printed differently.
            return _encode(agent_description_to_wire(info))
        features.append(key)
        if type(value) is int:
            filling.append(_encode(from_milli(value)))
        else:
            features.append(value)
    kind = tuple(features)
    pieces = _kinds.get(kind, ())
    if pieces == ():
        pieces = _keep(kind, _pattern(info, len(filling) - 1))
    if pieces is None:
        return _encode(agent_description_to_wire(info))
    filling.append(_encode(info.agent_id))
    filling.append(_encode(info.ip))
    made = [b""] * (2 * len(filling) + 1)
    made[::2] = pieces
    made[1::2] = filling
    return b"".join(made)


def _pattern(info: AgentInfo, amounts: int) -> tuple[bytes, ...] | None:
    resources = Resources.of(Resource(key, _MILLI if type(value) is int else value) for key, value in info.resources)
    like = replace(info, hostname=_NAME, agent_id=_ID, ip=_ADDRESS, resources=resources)
    cut = _HOLE.split(_encode(agent_description_to_wire(like)))
    holes = [_encode(_NAME), *[_encode(from_milli(_MILLI))] * amounts, _encode(_ID), _encode(_ADDRESS)]
    return tuple(cut[::2]) if cut[1::2] == holes else None


def _keep(kind: _Kind, pieces: tuple[bytes, ...] | None) -> tuple[bytes, ...] | None:
    if len(_kinds) >= KINDS_MAX:
        for old in tuple(_kinds)[: KINDS_MAX // 2]:
            _kinds.pop(old, None)
    _kinds[kind] = pieces
    return pieces
