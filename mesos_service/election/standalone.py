"""One master, which leads from the first moment; whether it is there is found out by calling it (M-HA-15)."""

from __future__ import annotations

import asyncio

from mesos_service.election.interface import Candidate, Leader
from mesos_service.wire.agents import MasterInfo


class Unlimited:
    """Leading that nobody contests."""

    election = None

    def permits(self) -> bool:
        return True


class StandaloneContender:
    """Is elected as soon as it starts."""

    def __init__(self, info: MasterInfo) -> None:
        self._leader = Leader.of(info)

    def start(self, candidate: Candidate) -> None:
        candidate.on_leader(self._leader)
        candidate.on_elected(Unlimited())

    async def stop(self) -> None:
        """There is nobody to hand over to."""


class StandaloneDetector:
    """The master that somebody named."""

    def __init__(self, host: str, port: int) -> None:
        self._leader = Leader(host, port, host)

    def start(self) -> None:
        """There is nothing to look for."""

    async def detect(self, previous: Leader | None = None) -> Leader | None:
        if previous == self._leader:
            await asyncio.get_running_loop().create_future()  # Nobody else ever leads.
        return self._leader

    async def stop(self) -> None:
        """There is nothing to stop."""
