"""How an agent finds the leading master: ``--master`` names it, or the ZooKeeper that knows (M-HA-01)."""

from __future__ import annotations

from dataclasses import dataclass

from mesos_service.configuration.forms import split_host_port
from mesos_service.domain.addresses import join_host_port
from mesos_service.election.detector import ZooKeeperDetector
from mesos_service.election.interface import Detector
from mesos_service.election.standalone import StandaloneDetector
from mesos_service.election.url import ZooKeeperUrl, names_zookeeper, read_url

MASTER_PORT = 5050


@dataclass(frozen=True, slots=True)
class MasterAddress:
    """Where a master answers."""

    host: str
    port: int

    def __str__(self) -> str:
        return join_host_port(self.host, self.port)


def read_master(text: str) -> str:
    """A ``--master`` that can be used: as given, or what the file holds that it names.

    Raises:
        ValueError: it is neither ``host:port`` nor a URL of ZooKeeper; without passwords.
    """
    if names_zookeeper(text):
        return read_url(text)
    _named(text)
    return text


def make_detector(master: str, session_seconds: float) -> Detector:
    """The detector for a ``--master`` that :func:`read_master` has taken."""
    if names_zookeeper(master):
        return ZooKeeperDetector(ZooKeeperUrl.parse(master), session_seconds)
    return StandaloneDetector(*_named(master))


def some_address(master: str) -> MasterAddress:
    """Somebody in the direction of the masters: the one named, or the first server of ZooKeeper."""
    if names_zookeeper(master):
        return MasterAddress(*ZooKeeperUrl.parse(master).hosts[0])
    return MasterAddress(*_named(master))


def _named(master: str) -> tuple[str, int]:
    return split_host_port(master.removeprefix("http://").removeprefix("https://"), MASTER_PORT)
