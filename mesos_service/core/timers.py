"""Deadlines as data: what is to be done when, so that ``next_deadline(state)`` can say when to call again."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterator


class Timers:
    """Named deadlines in unix seconds. Setting a name again replaces it; cancelling an unknown name does nothing.

    Cancelled entries stay in the heap until they surface, or until they outnumber the live ones.
    """

    __slots__ = ("_deadlines", "_heap", "_sequence")

    def __init__(self) -> None:
        self._deadlines: dict[Hashable, tuple[float, int]] = {}
        self._heap: list[tuple[float, int, Hashable]] = []
        self._sequence = 0

    def set(self, name: Hashable, deadline: float) -> None:
        self._sequence += 1
        self._deadlines[name] = (deadline, self._sequence)
        heapq.heappush(self._heap, (deadline, self._sequence, name))
        if len(self._heap) > 2 * len(self._deadlines) + 64:
            self._heap = [(at, sequence, key) for key, (at, sequence) in self._deadlines.items()]
            heapq.heapify(self._heap)

    def cancel(self, name: Hashable) -> None:
        self._deadlines.pop(name, None)

    def deadline(self, name: Hashable) -> float | None:
        entry = self._deadlines.get(name)
        return entry[0] if entry else None

    def next(self) -> float | None:
        """The earliest deadline, or ``None`` when nothing is planned."""
        while self._heap:
            at, sequence, name = self._heap[0]
            if self._deadlines.get(name) == (at, sequence):
                return at
            heapq.heappop(self._heap)
        return None

    def due(self, now: float) -> Iterator[Hashable]:
        """Take out, earliest first, every name whose deadline is at or before ``now``."""
        while (at := self.next()) is not None and at <= now:
            name = heapq.heappop(self._heap)[2]
            del self._deadlines[name]
            yield name
