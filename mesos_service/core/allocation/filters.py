"""Refusal filters: what a framework does not want to be offered again for a while (X27-X29, M-AL-16).

A filter belongs to a client (one framework in one role) and an agent, and remembers the refused resources. It stands
in the way of an offer that is *contained* in them; when more is free, the offer gets through (X27). Several may stand
for one client and agent, each with its own end; one that another covers in both resources and time is dropped at
once, which changes nothing but the memory used.

A refusal of 0 seconds is kept as a filter without an end on the clock, a *hold*, which the next full pass lifts.

Clients and agents are named by integers that are never given twice.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

from mesos_service.domain.resources import Resources


class Refusal:
    """``expires`` is unix seconds, or ``None`` for a hold."""

    __slots__ = ("expires", "gone", "refused")

    def __init__(self, refused: Resources, expires: float | None) -> None:
        self.refused = refused
        self.expires = expires
        self.gone = False
        """Whether it was lifted early; the timetable drops its line when it comes by."""


class RefusalFilters:
    """All filters of a cluster. Nothing in here looks at a clock: :meth:`lapse` is told the time."""

    def __init__(self) -> None:
        self._filters: dict[int, dict[int, list[Refusal]]] = {}
        self._timetable: list[tuple[float, int, int, int, Refusal]] = []
        self._holds: dict[tuple[int, int], None] = {}
        self._installed = 0
        self._gone = 0

    def __len__(self) -> int:
        """How many stand, holds included."""
        return sum(len(refusals) for agents in self._filters.values() for refusals in agents.values())

    @property
    def timetable_length(self) -> int:
        """Lines in memory, those of lifted filters included."""
        return len(self._timetable)

    def install(self, client: int, agent: int, refused: Resources, expires: float | None) -> None:
        """``refused`` is without allocation role (X48)."""
        refusals = self._filters.setdefault(client, {}).setdefault(agent, [])
        for standing in refusals:
            if _covers(standing, refused, expires):
                return
        new = Refusal(refused, expires)
        for standing in refusals:
            if _covers(new, standing.refused, standing.expires):
                self._discard(standing)
        refusals[:] = [standing for standing in refusals if not standing.gone]
        refusals.append(new)
        if expires is None:
            self._holds[client, agent] = None
        else:
            self._installed += 1
            heappush(self._timetable, (expires, self._installed, client, agent, new))

    def blocking(self, client: int, agent: int, offer: Resources) -> Refusal | None:
        """The filter that ``offer`` (without allocation role) runs into, or ``None``."""
        agents = self._filters.get(client)
        if agents is None:
            return None
        for refusal in agents.get(agent, ()):
            if refusal.refused.contains(offer):
                return refusal
        return None

    def lapse(self, now: float) -> list[tuple[int, int]]:
        """Drop what has ended before ``now``; tell whose, as (client, agent).

        A filter still stands at the very instant of its end (X28): a pass that is due then sees it.
        """
        lapsed: list[tuple[int, int]] = []
        timetable = self._timetable
        while timetable and (timetable[0][4].gone or timetable[0][0] < now):
            _, _, client, agent, refusal = heappop(timetable)
            if refusal.gone:
                self._gone -= 1
            else:
                self._remove(client, agent, refusal)
                lapsed.append((client, agent))
        return lapsed

    def release_holds(self) -> list[tuple[int, int]]:
        """A full pass begins: lift the holds; tell whose, as (client, agent)."""
        released = list(self._holds)
        self._holds.clear()
        for client, agent in released:
            for refusal in [one for one in self._filters[client][agent] if one.expires is None]:
                self._remove(client, agent, refusal)
        return released

    def drop_client(self, client: int) -> None:
        """Every filter of ``client`` goes: it was revived, went away or the like (X29)."""
        for agent, refusals in self._filters.pop(client, {}).items():
            self._discard_all(client, agent, refusals)

    def drop_agent(self, agent: int) -> None:
        """Every filter on ``agent`` goes: it went away, or its attributes changed (X29)."""
        for client in [client for client, agents in self._filters.items() if agent in agents]:
            agents = self._filters[client]
            self._discard_all(client, agent, agents.pop(agent))
            if not agents:
                del self._filters[client]

    def _remove(self, client: int, agent: int, refusal: Refusal) -> None:
        agents = self._filters[client]
        refusals = agents[agent]
        refusals.remove(refusal)
        if not refusals:
            del agents[agent]
            if not agents:
                del self._filters[client]

    def _discard_all(self, client: int, agent: int, refusals: list[Refusal]) -> None:
        self._holds.pop((client, agent), None)
        for refusal in refusals:
            self._discard(refusal)

    def _discard(self, refusal: Refusal) -> None:
        refusal.gone = True
        if refusal.expires is None:
            return
        self._gone += 1
        # Filters may be asked for a year (X28): lines of those lifted long before must not pile up until then.
        if self._gone > 1024 and self._gone * 2 > len(self._timetable):
            self._timetable = [line for line in self._timetable if not line[4].gone]
            heapify(self._timetable)
            self._gone = 0


def _covers(standing: Refusal, refused: Resources, expires: float | None) -> bool:
    """Whether ``standing`` blocks all that a filter for ``refused`` until ``expires`` would, for as long.

    A hold ends at a full pass, whose time nobody knows here; it compares with holds only.
    """
    if standing.expires is None or expires is None:
        outlasts = standing.expires is None and expires is None
    else:
        outlasts = standing.expires >= expires
    return outlasts and standing.refused.contains(refused)
