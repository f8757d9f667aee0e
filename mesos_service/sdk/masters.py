"""Where a scheduler looks for the leading master: at masters it was told of, or where ZooKeeper says it is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

from mesos_service.election.detector import ZooKeeperDetector
from mesos_service.election.interface import ElectionFault, Leader
from mesos_service.election.url import ZooKeeperUrl, names_zookeeper, read_url
from mesos_service.http.client import ConnectionFault
from mesos_service.sdk.subscription import Address

DEFAULT_PORT: Final = 5050
FIND_SECONDS_MAX: Final = 2.0
"""A leader that is not known after so long is asked for again later."""


class Masters(Protocol):
    """Those that may lead."""

    names_leader: bool
    """Whether :meth:`addresses` says who leads, and not only who may know it."""

    def start(self) -> None:
        """Begin to look; on the loop that all else is called on."""

    async def addresses(self) -> Sequence[Address]:
        """Where to ask now; of those that do not lead, whoever knows the leader redirects there.

        Raises:
            ConnectionFault: nobody is known to lead.
        """

    async def news(self) -> None:
        """Returns when the answer has become another one."""

    async def stop(self) -> None:
        """Look no longer."""


class NamedMasters:
    """``host:port``, or several separated by commas."""

    names_leader = False

    def __init__(self, masters: str) -> None:
        self._addresses = tuple(Address.parse(one.strip(), DEFAULT_PORT) for one in masters.split(","))

    def start(self) -> None:
        """There is nothing to look for."""

    async def addresses(self) -> Sequence[Address]:
        return self._addresses

    async def news(self) -> None:
        await asyncio.get_running_loop().create_future()  # They stay the same.

    async def stop(self) -> None:
        """There is nothing to stop."""


class DetectedMasters:
    """The leader under ``zk://[user:password@]host:port,.../path``."""

    names_leader = True

    def __init__(self, url: str) -> None:
        self._url = ZooKeeperUrl.parse(read_url(url))
        self._detector: ZooKeeperDetector | None = None
        self._leader: Leader | None = None

    def start(self) -> None:
        self._detector = ZooKeeperDetector(self._url)
        self._detector.start()

    async def addresses(self) -> Sequence[Address]:
        assert self._detector is not None, "it was started"
        try:
            async with asyncio.timeout(FIND_SECONDS_MAX):
                self._leader = await self._detector.detect()
        except TimeoutError:
            raise ConnectionFault(self._detector.trouble) from None
        except ElectionFault as fault:
            raise ConnectionFault(str(fault)) from fault
        assert self._leader is not None, "it was waited for"
        return (Address(self._leader.host, self._leader.port),)

    async def news(self) -> None:
        assert self._detector is not None, "it was started"
        while True:
            try:
                self._leader = await self._detector.detect(self._leader)
            except ElectionFault:
                await asyncio.sleep(FIND_SECONDS_MAX)
            else:
                return

    async def stop(self) -> None:
        if self._detector is not None:
            await self._detector.stop()


def masters(text: str) -> Masters:
    """For a ``--master``.

    Raises:
        ValueError: it is none; the sentence repeats no password.
    """
    return DetectedMasters(text) if names_zookeeper(text) else NamedMasters(text)
