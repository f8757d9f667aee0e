"""The cluster on a testbed, as somebody sees it who asks its masters and looks at its hosts."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import httpx

from vagrant.hosts import Host, Testbed

Found = TypeVar("Found")
MASTER_PORT: Final = 5050
AGENT_PORT: Final = 5051
ZOOKEEPER_PORT: Final = 2181
_ASK_SECONDS_MAX: Final = 2.0
_POLL_SECONDS: Final = 0.1


class DidNotHold(Exception):
    """What had to hold, or to come about, did not; the text says what."""


def until(what: str, condition: Callable[[], Found | None], seconds_max: float = 60.0) -> Found:
    """Ask until ``condition`` answers something true, and return that; raises :class:`DidNotHold` after a while."""
    deadline = time.monotonic() + seconds_max
    pause = threading.Event()
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise DidNotHold(f"not within {seconds_max:g} s: {what}")
        pause.wait(_POLL_SECONDS)
    return found


class Cluster:
    """Masters, agents and ZooKeeper servers, by the groups of the topology."""

    def __init__(self, testbed: Testbed) -> None:
        self.testbed = testbed
        self.masters = self._in("mesos_masters")
        self.agents = self._in("mesos_agents")
        self.ensemble = self._in("zookeeper")

    def _in(self, group: str) -> list[Host]:
        return [host for host in self.testbed.hosts.values() if group in host.machine.groups]

    @property
    def zk(self) -> str:
        """Where masters contend."""
        return f"zk://{','.join(f'{host.address}:{ZOOKEEPER_PORT}' for host in self.ensemble)}/mesos"

    # -- masters ---------------------------------------------------------------------------------------------
    def leader_named_by(self, master: Host) -> Host | None:
        """Whom ``master`` takes for the leader; ``None`` where it knows none or does not answer."""
        try:
            answer = httpx.get(f"http://{master.address}:{MASTER_PORT}/master/redirect", timeout=_ASK_SECONDS_MAX)
        except httpx.HTTPError:
            return None
        return self.named_in(answer)

    def named_in(self, answer: httpx.Response) -> Host | None:
        """The master that an answer to /master/redirect names."""
        if answer.status_code != httpx.codes.TEMPORARY_REDIRECT:
            return None
        address = urlsplit(answer.headers["location"]).hostname
        return next((host for host in self.masters if host.address == address), None)

    def leader(self, besides: Host | None = None) -> Host:
        """Wait until a master other than ``besides`` says that it leads itself."""
        candidates = [master for master in self.masters if master is not besides]
        return until(
            "a master leads",
            lambda: next((master for master in candidates if self.leader_named_by(master) is master), None),
        )

    # Any: the answer's shape is that of Mesos' /slaves.
    def known_agents(self) -> list[dict[str, Any]]:
        """The agents that the leader lists; empty while nobody can say."""
        for master in self.masters:
            try:
                url = f"http://{master.address}:{MASTER_PORT}/master/slaves"
                answer = httpx.get(url, timeout=_ASK_SECONDS_MAX, follow_redirects=True)
            except httpx.HTTPError:
                continue
            if answer.status_code == httpx.codes.OK:
                agents: list[dict[str, Any]] = answer.json()["slaves"]
                return agents
        return []

    def active_agents(self) -> set[str]:
        """Names of the hosts whose agents the leader takes to be there."""
        return {agent["hostname"] for agent in self.known_agents() if agent["active"]}

    def whole(self) -> bool:
        """Whether every agent is active, and every master names the same leader."""
        leaders = {self.leader_named_by(master) for master in self.masters}
        return len(leaders) == 1 and None not in leaders and self.active_agents() == {host.name for host in self.agents}

    def wait_until_whole(self) -> None:
        """As each scenario finds it and leaves it."""
        until("all masters agree on a leader and all agents are active", self.whole, 120.0)

    def zookeeper_serves(self, host: Host) -> bool:
        """Whether the ZooKeeper server there is part of the ensemble."""
        try:
            with socket.create_connection((host.address, ZOOKEEPER_PORT), _ASK_SECONDS_MAX) as server:
                server.sendall(b"srvr")
                return b"Mode: " in server.recv(4096)
        except OSError:
            return False

    # -- hosts -----------------------------------------------------------------------------------------------
    def processes(self, host: Host, command: str) -> set[str]:
        """Numbers of the processes on ``host`` whose command line is ``command``."""
        return set(host.sh(f"pgrep -fx '{command}'", check=False).split())

    def all_processes(self, command: str) -> set[tuple[str, str]]:
        """Host and number of each such process on the agents' hosts."""
        return {(host.name, number) for host in self.agents for number in self.processes(host, command)}
