"""How the numbers are written down: ``"name=1 other=2"``, and ``"mode=-"`` where there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import msgspec

Fields: TypeAlias = Mapping[type[msgspec.Struct], str]
"""The numbers of the fields of each message."""
Enums: TypeAlias = Mapping[object, str]
"""The numbers of the values of each enum; its key is the ``Literal`` that lists them."""

NONE = "-"


def read_numbers(text: str) -> dict[str, int | None]:
    """Name to number; ``None`` for what exists in JSON alone. Raises ``ValueError`` for what is said twice."""
    numbers: dict[str, int | None] = {}
    for one in text.split():
        name, _, number = one.partition("=")
        if name in numbers:
            raise ValueError(f"{name} is numbered twice")
        numbers[name] = None if number == NONE else int(number)
    known = [number for number in numbers.values() if number is not None]
    if len(known) != len(set(known)):
        raise ValueError(f"A number is given twice: {text}")
    return numbers
