"""Shapes of JSON: which keys, in which order, of which types; no values.

A shape is one of

* ``"string"``, ``"integer"``, ``"double"``, ``"boolean"``, ``"null"``: a value of that type. Integers and doubles are
  told apart by their spelling, ``4`` and ``4.0``, as some clients are strict about it;
* ``"string:A|B"``: an enum name, with those that were seen. Others are fine too;
* ``[shape]``: an array of such; ``[]``: an array that was always empty;
* ``{"key": shape, "other?": shape}``: an object; keys with a question mark were not always there;
* ``{"|": [shape, ...]}``: one of several.

The order of an object's keys is that of the recordings. ``"~"`` in an object lists pairs of keys that were never
seen together, so that nothing is known of their order.

``shapes.json`` holds the shapes of what Apache Mesos 1.12.0 answered, derived by ``derive_shapes.py``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

# JSON documents and shapes of them: what is in them is only known when they are looked at.
Json = Any
Shape = Any

ENUM_KEYS: Final = frozenset(
    {
        "type",
        "state",
        "source",
        "reason",
        "status",
        "status_update_state",
        "mode",
        "protocol",
        "visibility",
        "network",
    }
)
"""Keys whose strings are names of the protocol, and not somebody's data."""

APART: Final = "~"
_ENUM_NAME: Final = re.compile(r"IPv[46]|[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")


@cache
def recorded() -> dict[str, Json]:
    """What ``derive_shapes.py`` wrote: ``shapes``, ``exchanges``, ``streams``, ``calls``, ``events``, ``timelines``."""
    found: dict[str, Json] = json.loads((Path(__file__).parent / "shapes.json").read_text())
    return found


def exchange_shape(name: str) -> Shape:
    """The shape of the JSON body of one recorded exchange, by its name in ``exchanges``."""
    found = recorded()
    return found["shapes"][found["exchanges"][name]["shape"]]


# -- deriving ------------------------------------------------------------------------------------------------


def shape_of(value: Json, key: str = "", rename: Callable[[str], str] = str) -> Shape:
    """The shape of a JSON value; ``rename`` makes keys that are somebody's data into what may be written down."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "double"
        case str():
            named = key in ENUM_KEYS and _ENUM_NAME.fullmatch(value)
            return f"string:{value}" if named else "string"
        case list():
            items: Shape = None
            for one in value:
                items = merged(items, shape_of(one, key, rename))
            return [] if items is None else [items]
        case dict():
            shape: dict[str, Shape] = {}
            for name, one in value.items():
                known = rename(name)
                inner = shape_of(one, name, rename)
                shape[known] = merged(shape[known], inner) if known in shape else inner
            return shape
    raise TypeError(f"{value!r} is not JSON")


def merged(one: Shape | None, other: Shape | None) -> Shape:
    """The shape of what has either shape; ``None`` is the shape of nothing."""
    if one is None or one == other:
        return other
    if other is None:
        return one
    if isinstance(one, dict) and isinstance(other, dict) and "|" not in one and "|" not in other:
        return _merged_objects(one, other)
    if isinstance(one, list) and isinstance(other, list):
        items = merged(one[0] if one else None, other[0] if other else None)
        return [] if items is None else [items]
    if _is_string(one) and _is_string(other):
        names = [_enum_names(one), _enum_names(other)]
        return "string:" + "|".join(sorted(names[0] | names[1])) if all(names) else "string"
    return _either(one, other)


def _either(one: Shape, other: Shape) -> Shape:
    choices: list[Shape] = []
    for shape in (one, other):
        for choice in shape["|"] if isinstance(shape, dict) and "|" in shape else [shape]:
            for at, known in enumerate(choices):
                if _kind(known) == _kind(choice):
                    choices[at] = merged(known, choice)
                    break
            else:
                choices.append(choice)
    return choices[0] if len(choices) == 1 else {"|": choices}


def _kind(shape: Shape) -> str:
    if isinstance(shape, dict):
        return "object"
    if isinstance(shape, list):
        return "array"
    return "string" if _is_string(shape) else str(shape)


def _merged_objects(one: dict[str, Shape], other: dict[str, Shape]) -> dict[str, Shape]:
    if list(one) == list(other):
        shapes = {key: merged(one[key], other[key]) for key in one if key != APART}
        return shapes | {APART: [pair for pair in one[APART] if pair in other[APART]]} if APART in one else shapes
    left, right = _keys(one), _keys(other)
    together = _pairs(one) | _pairs(other)
    result: dict[str, Shape] = {}
    for name in _ordered([*left, *right], together):
        optional = name not in left or name not in right or left[name][0] or right[name][0]
        shape = merged(left[name][1] if name in left else None, right[name][1] if name in right else None)
        result[f"{name}?" if optional else name] = shape
    names = list(_keys(result))
    apart = [[a, b] for at, a in enumerate(names) for b in names[at + 1 :] if (a, b) not in together]
    return result | {APART: apart} if apart else result


def _keys(shape: dict[str, Shape]) -> dict[str, tuple[bool, Shape]]:
    return {key.removesuffix("?"): (key.endswith("?"), inner) for key, inner in shape.items() if key != APART}


def _pairs(shape: dict[str, Shape]) -> set[tuple[str, str]]:
    """Keys that were seen in one object, first the one that came first."""
    names = list(_keys(shape))
    apart = {(a, b) for a, b in shape.get(APART, ())}
    return {(a, b) for at, a in enumerate(names) for b in names[at + 1 :]} - apart


def _ordered(names: list[str], pairs: set[tuple[str, str]]) -> Iterator[str]:
    """The names, each once, in an order that agrees with all pairs, and with the list where pairs leave it open."""
    waiting = list(dict.fromkeys(names))
    while waiting:
        # Where recordings contradict each other nobody is free, and the list decides.
        free = (name for name in waiting if not any((before, name) in pairs for before in waiting))
        name = next(free, waiting[0])
        waiting.remove(name)
        yield name


def _is_string(shape: Shape) -> bool:
    return isinstance(shape, str) and shape.partition(":")[0] == "string"


def _enum_names(shape: str) -> set[str]:
    return set(filter(None, shape.partition(":")[2].split("|")))


# -- comparing -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Difference:
    """``kind`` is ``missing``, ``extra``, ``type`` or ``order``; ``path`` reads ``offers[].url.address``."""

    kind: str
    path: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.path or '(all)'}" + (f": {self.detail}" if self.detail else "")


def differences(
    value: Json, shape: Shape, rename: Callable[[str], str] = str, ordered: bool = True
) -> list[Difference]:
    """In what a live answer deviates from a recorded shape; each deviation once, however often it occurs.

    ``rename`` is applied to the answer's keys as it was when the shape was derived. ``ordered`` also compares the
    order of keys.
    """
    return list(dict.fromkeys(_differences(value, shape, "", rename, ordered)))


def _differences(
    value: Json, shape: Shape, path: str, rename: Callable[[str], str], ordered: bool
) -> Iterator[Difference]:
    if isinstance(shape, dict) and "|" in shape:
        choices = [list(_differences(value, one, path, rename, ordered)) for one in shape["|"]]
        yield from min(choices, key=lambda found: (any(one.path == path for one in found), len(found)))
    elif isinstance(shape, dict) and isinstance(value, dict):
        yield from _object_differences(value, shape, path, rename, ordered)
    elif isinstance(shape, list) and isinstance(value, list):
        for one in value if shape else ():
            yield from _differences(one, shape[0], f"{path}[]", rename, ordered)
    elif (found := _kind(shape_of(value))) != _kind(shape):
        yield Difference("type", path, f"{found} instead of {_kind(shape)}")


def _object_differences(
    value: dict[str, Json], shape: dict[str, Shape], path: str, rename: Callable[[str], str], ordered: bool
) -> Iterator[Difference]:
    keys = _keys(shape)
    named = {rename(name): one for name, one in value.items()}
    inside = f"{path}." if path else ""
    for name, (optional, _) in keys.items():
        if name not in named and not optional:
            yield Difference("missing", inside + name)
    for name, one in named.items():
        if name in keys:
            yield from _differences(one, keys[name][1], inside + name, rename, ordered)
        else:
            yield Difference("extra", inside + name)
    if ordered:
        pairs = _pairs(shape)
        common = [name for name in named if name in keys]
        for at, name in enumerate(common):
            for later in common[at + 1 :]:
                if (later, name) in pairs:
                    yield Difference("order", path, f"{name} before {later}")


def samples(shape: Shape) -> Iterator[Json]:
    """JSON values of the shape that between them show every key, type and enum name: the fullest one first.

    Strings are ``AAAA``, which is Base64 too; each further value leaves out what is optional or uses another name.
    """
    yield _sample(shape, 0, True)
    yield _sample(shape, 0, False)
    for turn in range(1, _turns(shape)):
        yield _sample(shape, turn, True)


def _turns(shape: Shape) -> int:
    if isinstance(shape, dict):
        if "|" in shape:
            return max(len(shape["|"]), *(_turns(one) for one in shape["|"]))
        return max((_turns(one) for key, one in shape.items() if key != APART), default=1)
    if isinstance(shape, list):
        return max((_turns(one) for one in shape), default=1)
    return max(1, len(_enum_names(shape)))


def _sample(shape: Shape, turn: int, full: bool) -> Json:
    if isinstance(shape, dict):
        if "|" in shape:
            return _sample(shape["|"][turn % len(shape["|"])], turn, full)
        return {
            key.removesuffix("?"): _sample(one, turn, full)
            for key, one in shape.items()
            if key != APART and (full or not key.endswith("?"))
        }
    if isinstance(shape, list):
        return [_sample(one, turn, full) for one in shape]
    names = sorted(_enum_names(shape))
    if names:
        return names[turn % len(names)]
    return {"string": "AAAA", "integer": 1, "double": 1.5, "boolean": True, "null": None}[shape]
