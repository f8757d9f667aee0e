"""Durations and sizes as Mesos writes them: ``15secs``, ``10mins``, ``2GB`` (stout: ``Duration`` and ``Bytes``)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

_DURATION_UNITS: Final = {
    "weeks": 604_800_000_000_000,
    "days": 86_400_000_000_000,
    "hrs": 3_600_000_000_000,
    "mins": 60_000_000_000,
    "secs": 1_000_000_000,
    "ms": 1_000_000,
    "us": 1_000,
    "ns": 1,
}
"""Nanoseconds by unit, largest first."""

_SIZE_UNITS: Final = {"TB": 1024**4, "GB": 1024**3, "MB": 1024**2, "KB": 1024, "B": 1}
"""Bytes by unit, largest first."""

_AMOUNT: Final = re.compile(r"(-?\d+(?:\.\d+)?)([A-Za-z]+)", re.ASCII)
# Mesos keeps durations in signed 64-bit nanoseconds (292 years), sizes in unsigned 64-bit bytes.
_NANOSECONDS_MAX: Final = 2**63 - 1
_BYTES_MAX: Final = 2**64 - 1
_CHARACTERS_MAX: Final = 64


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A length of time, exact to the nanosecond and never negative."""

    nanoseconds: int

    @classmethod
    def parse(cls, text: str) -> Duration:
        """Read ``15secs``, ``0.5mins`` or ``2weeks``; raises ``ValueError`` with a sentence that shows the form.

        A bare number is refused: whether it means seconds or milliseconds would be a guess.
        """
        nanoseconds = _parse(text, _DURATION_UNITS, "a duration such as 500ms, 15secs, 10mins or 2weeks")
        if nanoseconds > _NANOSECONDS_MAX:
            raise ValueError(f"'{text}' is longer than 292 years")
        return cls(nanoseconds)

    @property
    def seconds(self) -> float:
        """The length in seconds."""
        return self.nanoseconds / 1_000_000_000

    def __str__(self) -> str:
        """In the largest unit that shows it whole, as Mesos prints it: ``90secs``, ``1500ms``, ``0ns``."""
        return _format(self.nanoseconds, _DURATION_UNITS)


@dataclass(frozen=True, slots=True, order=True)
class Size:
    """An amount of memory or disk in bytes; KB, MB, GB and TB are powers of 1024."""

    octets: int

    @classmethod
    def parse(cls, text: str) -> Size:
        """Read ``2GB`` or ``512MB``; raises ``ValueError`` with a sentence that shows the form."""
        octets = _parse(text, _SIZE_UNITS, "a size such as 512MB or 2GB")
        if octets > _BYTES_MAX:
            raise ValueError(f"'{text}' is larger than 64 bits can say")
        return cls(octets)

    def __str__(self) -> str:
        """In the largest unit that shows it whole: ``2GB``, ``1536MB``, ``0B``."""
        return _format(self.octets, _SIZE_UNITS)


def _parse(text: str, units: dict[str, int], form: str) -> int:
    match = _AMOUNT.fullmatch(text.strip()) if len(text) <= _CHARACTERS_MAX else None
    if match is None:
        raise ValueError(f"'{text}' is not {form}")
    number, unit = match.groups()
    if unit not in units:
        raise ValueError(f"'{text}' has the unknown unit '{unit}'; units are {', '.join(units)}")
    if number.startswith("-"):
        raise ValueError(f"'{text}' is negative")
    # Decimal, because 0.1 of a unit is exact in nanoseconds and not in binary floating point.
    return int(Decimal(number) * units[unit])


def _format(amount: int, units: dict[str, int]) -> str:
    if amount:
        for unit, factor in units.items():
            if amount % factor == 0:
                return f"{amount // factor}{unit}"
    return f"0{list(units)[-1]}"
