"""Somebody who watches how long a module's code takes, handed in like time and randomness: the core has no clock."""

from __future__ import annotations

from typing import Protocol


class OutOfTime(BaseException):
    """Raised by a :class:`Watch` inside the code that it watches. No ``Exception``, so that few catch it by accident.

    ``culprit`` is who was at work, where somebody nearer to it than the watch could say so.
    """

    culprit: str = ""


class Watch(Protocol):
    """Between :meth:`begin` and :meth:`end` foreign code runs, on the thread that called."""

    limit_seconds: float
    """What takes longer is interrupted."""
    slow_seconds: float
    """What takes longer is told."""

    def begin(self) -> None: ...

    def end(self) -> float:
        """Seconds since :meth:`begin`. After this nothing is raised any more."""
        ...


class Unwatched:
    """Nobody watches, as in simulations: no time passes, and a loop without end has none."""

    limit_seconds = slow_seconds = float("inf")

    def begin(self) -> None:
        return

    def end(self) -> float:
        return 0.0
