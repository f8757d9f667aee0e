"""Amounts of bytes in flags of isolators."""

from __future__ import annotations

import re
from typing import Final

_UNITS: Final = {"": 1, "B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}
_BYTES_MAX: Final = 1 << 63


def read_bytes(text: str) -> int:
    """``10MB`` in bytes, which are more than none and less than 2**63. Raises ``ValueError``."""
    found = re.fullmatch(r"([0-9]{1,19})([KMG]?B|)", text)
    amount = int(found[1]) * _UNITS[found[2]] if found is not None else 0
    # The kernel keeps what is left of more than 64 bits.
    if not 0 < amount < _BYTES_MAX:
        raise ValueError(f"'{text}' is no amount of bytes a second, such as 10MB")
    return amount
