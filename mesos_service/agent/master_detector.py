"""Finds the leading master (Mesos: ``MasterDetector``). Standalone for now: the address that ``--master`` names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from urllib.parse import SplitResult, urlsplit

from mesos_service.domain.errors import ConfigurationError

MASTER_PORT = 5050
"""Where a master listens when an address names no port."""


@dataclass(frozen=True, slots=True)
class MasterAddress:
    """Where a master answers, and below which path: a redirect may name one (``/master/api/v1/agent``)."""

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

    def __init__(self, address: MasterAddress) -> None:
        self._address = address

    async def detect(self) -> MasterAddress:
        return self._address


def parse_address(text: str) -> MasterAddress:
    """Read ``host:port``, ``host`` or ``[ipv6]:port``; raise ``ConfigurationError`` with what is wrong."""
    address = split_address(urlsplit(f"//{text}"))
    if address is None or "/" in text or "@" in text:
        raise ConfigurationError(f"--master={text} is not an address such as 127.0.0.1:{MASTER_PORT}")
    return address


def split_address(url: SplitResult) -> MasterAddress | None:
    """The host and port of a URL, or ``None`` when they cannot be read."""
    try:
        port = url.port
    except ValueError:
        return None
    if not url.hostname:
        return None
    return MasterAddress(url.hostname, MASTER_PORT if port is None else port)


def make_detector(master: str) -> MasterDetector:
    """The detector for what ``--master`` says; raise ``ConfigurationError`` when it cannot be used."""
    if master.startswith(("zk://", "file://")):
        kind = master.partition("://")[0]
        raise ConfigurationError(f"--master={kind}://... is not supported yet; name the master as host:port")
    return StandaloneDetector(parse_address(master))
