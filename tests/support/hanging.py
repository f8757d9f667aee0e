"""Code that hangs, and the clock by which it does: on a machine that stands still nobody else is taken for it."""

from __future__ import annotations

from typing import Final, NoReturn


class Clock:
    """Time that passes only where somebody hangs; in seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


CLOCK: Final = Clock()
"""For the watches of tests in which something hangs, of which the limit is below :data:`HANGS_SECONDS`."""
HANGS_SECONDS: Final = 1.0


def hang() -> NoReturn:
    """Never come back; by :data:`CLOCK` it is :data:`HANGS_SECONDS` later at once."""
    CLOCK.now += HANGS_SECONDS
    while True:
        pass
