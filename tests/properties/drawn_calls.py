"""Calls as they may come from a client."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

DEPTH_MAX = 9
"""Enough for ACCEPT, operation, launch, task, container, volume, source, secret, value."""


texts = st.text(st.characters(codec="utf-8"), max_size=6)


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


class Free(dict[str, Any]):
    """JSON whose meaning is a module's: no spelling of it stands for another."""


def value_of(draw: st.DrawFn, kind: inspect.Type, depth: int) -> Any:
    """A JSON value that the strict decoder takes for a field of this type; ``None`` stands for leaving it out."""
    match kind:
        case inspect.UnionType(types):
            choices = [one for one in types if not isinstance(one, inspect.NoneType)]
            return value_of(draw, draw(st.sampled_from(choices)), depth)
        case inspect.StructType():
            return fields_of(draw, kind, depth + 1)
        case inspect.VarTupleType():
            return [value_of(draw, kind.item_type, depth) for _ in range(draw(st.integers(0, 2)))]
        case inspect.DictType():
            return {key: value_of(draw, kind.value_type, depth) for key in draw(st.lists(texts, max_size=2))}
        case inspect.LiteralType():
            return draw(st.sampled_from(sorted(map(str, kind.values))))
        case inspect.IntType():
            return draw(
                st.integers(-(2**63) if kind.ge is None else kind.ge, 2**63 - 1 if kind.le is None else kind.le)
            )
        case inspect.FloatType():
            return draw(st.integers(-5, 2**40) | st.floats(allow_nan=False, allow_infinity=False))
        case inspect.BoolType():
            return draw(st.booleans())
        case inspect.BytesType():
            return msgspec.to_builtins(draw(st.binary(max_size=5)))
        case inspect.StrType():
            return draw(texts)
        case inspect.AnyType():
            return Free(draw(st.dictionaries(texts, junk, max_size=2)))
    raise AssertionError(f"no strategy for {kind}")


def fields_of(draw: st.DrawFn, struct: inspect.StructType, depth: int) -> dict[str, Any]:
    optional = [field for field in struct.fields if not field.required]
    chosen: list[inspect.Field] = []
    if optional and depth < DEPTH_MAX:
        chosen = draw(st.lists(st.sampled_from(optional), unique_by=lambda field: field.name, max_size=4))
    required = [field for field in struct.fields if field.required]
    return {field.encode_name: value_of(draw, field.type, depth) for field in required + chosen}


@st.composite
def calls(draw: st.DrawFn, cls: type[msgspec.Struct]) -> dict[str, Any]:
    info = inspect.type_info(cls)
    assert isinstance(info, inspect.StructType)
    return fields_of(draw, info, 0)
