"""The three kinds of amount a resource or attribute may have: scalars, ranges and sets (X40, X41; M-AL-25).

Scalars are integers of thousandths everywhere inside ("milli"), so that 0.1 + 0.2 is 0.3 and sums never drift
(X40, MESOS-4687, MESOS-3552). Ranges are a value type of their own below; sets are plain ``frozenset[str]``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import ClassVar, Final

Milli = int
"""Thousandths of a unit: of a CPU, of a megabyte of mem or disk, of a GPU."""

MILLI_MAX: Final = 2**63 - 1
"""The allocator keeps amounts in signed 64-bit integers; nothing larger may come in."""
RANGE_BOUND_MAX: Final = 2**64 - 1

_NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_NUMBER_CHARACTERS_MAX: Final = 64
# Wide enough for any amount we accept, so that quantizing rounds once, and from the text as written.
_EXACT: Final = Context(prec=80, rounding=ROUND_HALF_UP)
_THOUSANDTH: Final = Decimal("0.001")


def to_milli(value: float | int | str) -> Milli:
    """Thousandths of ``value``, rounded half away from zero (X40).

    A float is scaled in floating point, as Mesos does it, and an integer or decimal string exactly. Raises
    ``ValueError`` for NaN, infinities, negative amounts, text that is no number, and what exceeds
    :data:`MILLI_MAX`.
    """
    milli = to_milli_signed(value)
    if milli < 0 or (milli == 0 and _is_below_zero(value)):
        raise ValueError(f"{value} is negative")
    return milli


def to_milli_signed(value: float | int | str) -> Milli:
    """As :func:`to_milli`, but negative amounts pass: attributes may be negative, and refusals quote them."""
    if isinstance(value, int):
        milli = value * 1000
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} is not a finite number")
        scaled = value * 1000
        if not math.isfinite(scaled):
            raise ValueError(f"{value} is too large")
        milli = int(scaled)
        # The difference of a double and its truncation is exact, unlike floor(scaled + 0.5).
        if abs(scaled - milli) >= 0.5:
            milli += 1 if scaled > 0 else -1
    else:
        milli = _decimal_to_milli(value)
    if not -MILLI_MAX <= milli <= MILLI_MAX:
        raise ValueError(f"{value} is too large")
    return milli


def from_milli(milli: Milli) -> float:
    """What the wire prints: the double nearest to ``milli`` thousandths."""
    return milli / 1000


def format_milli(milli: Milli) -> str:
    """The shortest decimal text for ``milli`` thousandths, exact at any size: ``4``, ``0.25``, ``-1``."""
    whole, thousandths = divmod(abs(milli), 1000)
    text = f"{whole}.{thousandths:03d}".rstrip("0").rstrip(".")
    return f"-{text}" if milli < 0 else text


def is_number(text: str) -> bool:
    """Whether ``text`` is a decimal number as operators write it (no hexadecimal, no ``nan`` or ``inf``)."""
    return len(text) <= _NUMBER_CHARACTERS_MAX and _NUMBER.fullmatch(text) is not None


def _decimal_to_milli(text: str) -> Milli:
    text = text.strip()
    if not is_number(text):
        raise ValueError(f"'{text}' is not a number")
    amount = Decimal(text)
    if amount and amount.adjusted() > 20:
        # Said before quantizing, which fails less clearly when the exponent is enormous.
        raise ValueError(f"{text} is too large")
    return int(amount.quantize(_THOUSANDTH, context=_EXACT).scaleb(3, context=_EXACT))


def _is_below_zero(value: float | int | str) -> bool:
    return Decimal(value.strip()) < 0 if isinstance(value, str) else value < 0


Span = tuple[int, int]
"""Begin and end, both included."""


@dataclass(frozen=True, slots=True)
class Ranges:
    """A set of unsigned 64-bit integers as inclusive spans (X41), for instance the ports of an agent.

    Invariant: ``spans`` is sorted, and between two spans at least one number is missing. Whatever the constructor
    is given is brought into that form, so equal sets are equal values. Raises ``ValueError`` when a span ends
    before it begins or leaves 0 .. 2**64 - 1.
    """

    spans: tuple[Span, ...] = ()

    EMPTY: ClassVar[Ranges]

    def __post_init__(self) -> None:
        for begin, end in self.spans:
            if begin > end:
                raise ValueError(f"range {begin}-{end} ends before it begins")
            if begin < 0 or end > RANGE_BOUND_MAX:
                raise ValueError(f"range {begin}-{end} is outside 0-{RANGE_BOUND_MAX}")
        object.__setattr__(self, "spans", _coalesce(self.spans))

    @classmethod
    def of(cls, spans: Iterable[Span]) -> Ranges:
        """The union of ``spans``, in any order and overlapping as they like."""
        return cls(tuple(spans))

    @classmethod
    def parse(cls, text: str) -> Ranges:
        """Read ``[31000-32000, 4-5]``; raises ``ValueError`` naming the piece that is wrong."""
        stripped = text.strip()
        if not (stripped.startswith("[") and stripped.endswith("]")) or len(stripped) < 2:
            raise ValueError(f"ranges '{text}' are not in brackets, as in [31000-32000]")
        inner = stripped[1:-1].strip()
        if not inner:
            return cls.EMPTY
        return cls(tuple(_parse_span(piece) for piece in inner.split(",")))

    def __str__(self) -> str:
        return "[" + ", ".join(f"{begin}-{end}" for begin, end in self.spans) + "]"

    def __iter__(self) -> Iterator[Span]:
        return iter(self.spans)

    def __bool__(self) -> bool:
        return bool(self.spans)

    def __len__(self) -> int:
        """How many spans there are; :meth:`size` says how many numbers."""
        return len(self.spans)

    def __or__(self, other: Ranges) -> Ranges:
        if not other.spans:
            return self
        if not self.spans:
            return other
        return _trusted(_coalesce(self.spans + other.spans))

    def __sub__(self, other: Ranges) -> Ranges:
        """The numbers of ``self`` that ``other`` lacks; may split spans."""
        if not other.spans or not self.spans:
            return self
        left: list[Span] = []
        takes = other.spans
        first = 0
        for begin, end in self.spans:
            while first < len(takes) and takes[first][1] < begin:
                first += 1
            position = first
            while position < len(takes) and takes[position][0] <= end:
                take_begin, take_end = takes[position]
                if begin < take_begin:
                    left.append((begin, take_begin - 1))
                begin = take_end + 1
                position += 1
            if begin <= end:
                left.append((begin, end))
        return _trusted(tuple(left))

    def __and__(self, other: Ranges) -> Ranges:
        return self - (self - other)

    def contains(self, other: Ranges) -> bool:
        """Whether every number of ``other`` is in ``self``."""
        spans = self.spans
        position = 0
        for begin, end in other.spans:
            while position < len(spans) and spans[position][1] < begin:
                position += 1
            # Spans are coalesced, so a span of other must lie whole within one of ours.
            if position == len(spans) or spans[position][0] > begin or spans[position][1] < end:
                return False
        return True

    def size(self) -> int:
        """How many numbers there are."""
        return sum(end - begin + 1 for begin, end in self.spans)

    def numbers(self) -> Iterator[int]:
        """Every number, ascending. A caller who does not know how many there are looks at :meth:`size` first."""
        for begin, end in self.spans:
            yield from range(begin, end + 1)


def _trusted(spans: tuple[Span, ...]) -> Ranges:
    """Wrap spans that already satisfy the invariant, without checking them again (ports are on the hot path)."""
    ranges = object.__new__(Ranges)
    object.__setattr__(ranges, "spans", spans)
    return ranges


def _coalesce(spans: tuple[Span, ...]) -> tuple[Span, ...]:
    if len(spans) < 2:
        return spans
    ordered = sorted(spans)
    merged: list[Span] = []
    last_begin, last_end = ordered[0]
    for begin, end in ordered:
        if begin <= last_end + 1:
            last_end = max(last_end, end)
        else:
            merged.append((last_begin, last_end))
            last_begin, last_end = begin, end
    merged.append((last_begin, last_end))
    return tuple(merged)


def _parse_span(piece: str) -> Span:
    begin, dash, end = (part.strip() for part in piece.partition("-"))
    # isdecimal alone admits digits of other scripts.
    if not dash or not all(part.isascii() and part.isdecimal() and len(part) <= 20 for part in (begin, end)):
        raise ValueError(f"'{piece.strip()}' is not a range such as 31000-32000")
    return int(begin), int(end)


def parse_set(text: str) -> frozenset[str]:
    """Read ``{a, b}``; raises ``ValueError`` naming what is wrong."""
    stripped = text.strip()
    if not (stripped.startswith("{") and stripped.endswith("}")) or len(stripped) < 2:
        raise ValueError(f"set '{text}' is not in braces, as in {{a, b}}")
    inner = stripped[1:-1].strip()
    if not inner:
        return frozenset()
    items = [item.strip() for item in inner.split(",")]
    if not all(items):
        raise ValueError(f"set '{stripped}' has an empty item")
    return frozenset(items)


Ranges.EMPTY = Ranges()
