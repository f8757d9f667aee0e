"""Amounts of bytes in flags of isolators."""

from __future__ import annotations

import re
from typing import Final

_UNITS: Final = {"": 1, "B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}


def read_bytes(text: str) -> int:
    """``10MB`` in bytes, which are more than none. Raises ``ValueError``."""
    found = re.fullmatch(r"([0-9]+)([KMG]?B|)", text)
    if found is None or int(found[1]) == 0:
        raise ValueError(f"'{text}' is no amount of bytes a second, such as 10MB")
    return int(found[1]) * _UNITS[found[2]]
