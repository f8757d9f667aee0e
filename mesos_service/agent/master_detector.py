"""Finds the leading master (Mesos: ``MasterDetector``). Standalone for now: the address that ``--master`` names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class MasterAddress:
    """Where a master answers."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class MasterDetector(Protocol):
    """Knows who leads."""

    async def detect(self) -> MasterAddress:
        """The leading master; waits while there is none."""


class StandaloneDetector:
    """There is one master and it leads; whether it is there is found out by calling it."""

    def __init__(self, host: str, port: int) -> None:
        self._address = MasterAddress(host, port)

    async def detect(self) -> MasterAddress:
        return self._address
