"""Connections as TCP has them: what is sent arrives late but in order, or the connection breaks and loses it."""

from __future__ import annotations

import random
from collections.abc import Callable

from mesos_service.simulator.clock import VirtualClock


class Network:
    """Delays are drawn between ``latency_seconds`` bounds, anew for each message."""

    def __init__(
        self, clock: VirtualClock, source: random.Random, latency_seconds: tuple[float, float] = (0.0005, 0.02)
    ) -> None:
        self.clock = clock
        self._source = source
        self._latency = latency_seconds

    def latency(self) -> float:
        low, high = self._latency
        return low + (high - low) * self._source.random()


class Connection:
    """A pair of ordered pipes. Cutting it drops what is under way; each end learns of it a little later, by itself."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._arrival = [0.0, 0.0]
        self._broken: list[Callable[[], None]] = []
        self.open = True

    def on_broken(self, action: Callable[[], None]) -> None:
        """Called once for each end that asked, when it notices that the connection is gone, or was already."""
        if self.open:
            self._broken.append(action)
        else:
            self._network.clock.after(self._network.latency(), action)

    def send(self, direction: int, deliver: Callable[[], None]) -> None:
        """Deliver after a delay, behind everything sent before in the same direction (0 or 1)."""
        if not self.open:
            return
        clock = self._network.clock
        arrival = max(clock.now + self._network.latency(), self._arrival[direction])
        self._arrival[direction] = arrival

        def arrive() -> None:
            if self.open:
                deliver()

        clock.at(arrival, arrive)

    def cut(self) -> None:
        """Break it; safe to call again."""
        if not self.open:
            return
        self.open = False
        for action in self._broken:
            self._network.clock.after(self._network.latency(), action)
