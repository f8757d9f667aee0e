"""After a change of the leading master: wait until enough agents are back for guarantees to mean something (X39)."""

from __future__ import annotations

from fractions import Fraction
from math import ceil


class Recovery:
    """``share`` (0 to 1) of the expected agents must come, or ``seconds`` pass."""

    def __init__(self, share: float, seconds: float) -> None:
        self._share = share
        self._seconds = seconds
        self._missing = 0
        self._until = 0.0

    def begin(self, expected: int, now: float) -> None:
        """``expected`` agents are known to the registry; ``now`` is unix seconds."""
        # As it was written: 0.55 of 100 are 55, of which a product of doubles makes a little more.
        self._missing = ceil(expected * Fraction(repr(self._share)))
        self._until = now + self._seconds

    def count_one(self) -> None:
        """An agent was added."""
        if self._missing:
            self._missing -= 1

    def miss_one(self) -> None:
        """An agent that was added is removed: while others are waited for it counts no more, or one that comes and goes
        would stand for all of them."""
        if self._missing:
            self._missing += 1

    def lasts(self, now: float) -> tuple[int, float] | None:
        """How many more are waited for, and until when at most; ``None`` when it is over, which is for good."""
        if self._missing and now >= self._until:
            self._missing = 0
        return (self._missing, self._until) if self._missing else None
