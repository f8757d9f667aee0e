"""Virtual time: what is planned happens in the order of its time, and of its planning where times are equal."""

from __future__ import annotations

import heapq
from collections.abc import Callable

START: float = 1_000_000_000.0
"""Unix seconds at which every history begins."""


class VirtualClock:
    """An agenda of actions. :meth:`run` is the only thing that moves time."""

    def __init__(self) -> None:
        self.now = START
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = 0

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        self.at(self.now + seconds, action)

    def at(self, time: float, action: Callable[[], None]) -> None:
        """Do ``action`` at ``time``; a time that has passed means now."""
        self._sequence += 1
        heapq.heappush(self._agenda, (max(time, self.now), self._sequence, action))

    def run(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        end = self.now + seconds
        while self._agenda and self._agenda[0][0] <= end:
            self.now, _, action = heapq.heappop(self._agenda)
            action()
        self.now = end
