"""Standing filters: which agents a framework does not want to see at all (B44, N10, M-AL-14).

What a filter says of an agent is worked out when either changes, and kept as a bit of the agent that is among its
vetoes: a pass does not even notice those whom it leaves out. Filters that go by the hour are asked anew when it comes.
"""

from __future__ import annotations

from collections.abc import Iterable

from mesos_service.core.allocation.clients import Client
from mesos_service.core.allocation.entries import AgentBook
from mesos_service.plugins.offer_filter import OfferFilter
from mesos_service.plugins.verdict import Veto


class StandingFilters:
    """Of all clients. ``now`` is that of the last pass: nothing in here looks at a clock."""

    def __init__(self) -> None:
        self._clients: dict[int, Client] = {}
        """Those with any filter, by serial."""
        self._changes: dict[int, float] = {}
        """When the hour of a filter comes, by client."""
        self._now = 0.0

    def set(self, client: Client, filters: tuple[OfferFilter, ...], old: int, agents: Iterable[AgentBook]) -> None:
        """``client`` has these filters from now on, and a new bit in place of ``old``."""
        if not filters and not client.filters:
            return
        kept = filters == client.filters and client.serial not in self._changes
        client.filters = filters
        if filters:
            self._clients[client.serial] = client
        else:
            self.drop(client)
        for agent in agents:
            barred = bool(agent.barred & old) if kept else self._bars(client, agent)
            agent.forget_bits(old)
            if barred:
                agent.bar(client.bit)
        self._plan(client)

    def drop(self, client: Client) -> None:
        """Its bit is retired, and means nothing."""
        self._clients.pop(client.serial, None)
        self._changes.pop(client.serial, None)

    def look_at(self, agent: AgentBook) -> None:
        """The agent is new, or has changed."""
        if not (agent.barred or self._clients):
            return
        agent.vetoed &= ~agent.barred
        agent.barred = 0
        for client in self._clients.values():
            if self._bars(client, agent):
                agent.bar(client.bit)

    def turn(self, now: float, agents: Iterable[AgentBook]) -> None:
        """A pass begins at ``now``: ask those again whose hour has come."""
        self._now = now
        if not self._changes:
            return
        for serial in [serial for serial, at in self._changes.items() if at <= now]:
            client = self._clients[serial]
            for agent in agents:
                agent.forget_bits(client.bit)
                if self._bars(client, agent):
                    agent.bar(client.bit)
            self._plan(client)

    def why(self, client: Client, agent: AgentBook) -> Veto | None:
        """The first filter of ``client`` that keeps ``agent`` from it."""
        for one in client.filters:
            veto = one.about_agent(agent.view, self._now)
            if veto is not None:
                return veto
        return None

    def _bars(self, client: Client, agent: AgentBook) -> bool:
        return self.why(client, agent) is not None

    def _plan(self, client: Client) -> None:
        changes = [at for one in client.filters if (at := one.changes_at(self._now)) is not None]
        if changes:
            self._changes[client.serial] = min(changes)
        else:
            self._changes.pop(client.serial, None)
