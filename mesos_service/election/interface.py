"""What contenders and detectors do, whoever decides."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol, Self

import msgspec

from mesos_service.domain.addresses import join_host_port
from mesos_service.domain.errors import MesosServiceError, OperatingFault
from mesos_service.wire.agents import MasterInfo

_NAME = re.compile(r"[\w.:%-]+", re.ASCII)
_DECODER = msgspec.json.Decoder(MasterInfo)


class ElectionFault(OperatingFault):
    """Who leads cannot be found out, or leading is over. The text says why, without passwords, and the remedy."""


@dataclass(frozen=True, slots=True)
class Leader:
    """A master that leads. One that leads again, after a restart, is another leader: ``election`` differs."""

    host: str
    """Where it is reached: its address, or a name where no address is known."""
    port: int
    hostname: str
    """What it calls itself; redirects name it so."""
    election: int = 0
    """Grows with each contender; 0 where there are no elections."""
    region: str | None = None
    """Where it says that it is."""

    @classmethod
    def of(cls, info: MasterInfo, election: int = 0) -> Self:
        """The master that describes itself so."""
        address = info.address
        host = (address.ip or address.hostname if address is not None else None) or info.hostname or ""
        hostname = info.hostname or (address.hostname if address is not None else None) or host
        place = None if info.domain is None else info.domain.fault_domain
        region = None if place is None else place.region.name
        return cls(host, info.port if address is None else address.port, hostname, election, region)

    @classmethod
    def read(cls, content: bytes, election: int) -> Self:
        """The master that wrote ``content`` into its node.

        Raises:
            ValueError: it is no MasterInfo, or names no address.
        """
        leader = cls.of(_DECODER.decode(content), election)
        if not leader.host or not 0 < leader.port < 65536:
            raise ValueError("it names no address")
        if not all(_NAME.fullmatch(name) for name in (leader.host, leader.hostname)):
            # They go into headers of ours, and whoever may write into ZooKeeper may not write those.
            raise ValueError("its name or address has characters that no name has")
        return leader

    @property
    def location(self) -> str:
        """``hostname:port`` for a redirect."""
        return join_host_port(self.hostname, self.port)

    def __str__(self) -> str:
        return join_host_port(self.host, self.port)


class Detector(Protocol):
    """Knows who leads. To be used on one loop; started before anything is asked."""

    def start(self) -> None:
        """Begin to look."""

    async def detect(self, previous: Leader | None = None) -> Leader | None:
        """Who leads, as soon as that is somebody else than ``previous``; ``None`` when nobody does.

        With ``None`` for ``previous`` it waits until somebody leads.

        Raises:
            ElectionFault: it will never be known.
        """

    async def stop(self) -> None:
        """Look no longer."""


class Tenure(Protocol):
    """One time of leading, from the election on."""

    @property
    def election(self) -> int | None:
        """Grows with each election, for the registry to tell an older leader by; ``None`` where there is no other."""

    def permits(self) -> bool:
        """Whether it is certain at this moment that nobody else leads. Cheap, and may be asked for every message."""


class Candidate(Protocol):
    """Who contends is told so; all on the loop, none of it may wait."""

    def on_leader(self, leader: Leader | None) -> None:
        """Another master leads now, or nobody is known to."""

    def on_elected(self, tenure: Tenure) -> None:
        """This one leads, for as long as the tenure permits. Told once."""

    def on_proved(self) -> None:
        """Leading is certain (again): the tenure permits."""

    def on_over(self, why: MesosServiceError) -> None:
        """This one does not lead any more, or never can. Told once, and nothing after it."""


class Contender(Protocol):
    """Contends for leading in the name of one master."""

    def start(self, candidate: Candidate) -> None:
        """Begin to contend."""

    async def stop(self) -> None:
        """Contend no longer; if this one leads, another one can at once. Nothing is told after it."""
