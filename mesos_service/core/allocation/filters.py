"""Refusal filters: what a framework does not want to be offered again for a while (X27-X29, M-AL-16).

A filter belongs to a client (one framework in one role) and an agent, and remembers the refused resources. It stands
in the way of an offer that is *contained* in them; when more is free, the offer gets through (X27). Several may stand
for one client and agent, each with its own end; one that another covers in both resources and time is dropped at
once, which changes nothing but the memory used.

A refusal of 0 seconds is kept as a filter without an end on the clock, a *hold*, which the next full pass lifts.

Clients are named by integers that are never given twice, agents by their row in tables, from 0 upwards.

**Memory.** Everybody may have refused everything: ten million filters for 50,000 agents and 200 frameworks. What was
refused at one time for equally long, most often one call's worth, is one :class:`Refusal`; from client and agent to it
leads a small number in a table, 4 bytes for each filter. A refusal of few agents lists them; for one of many the table
is searched when it ends.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from heapq import heapify, heappop, heappush
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mesos_service.domain.resources import Resources

SEVERAL: Final = -1
"""In a row: more than one refusal stands here."""

ROW_AFTER: Final = 512
"""From so many filters on a client gets a table of all agents, instead of a dict."""

LISTED: Final = 512
"""A refusal lists so many agents at the most: to search 50,000 of them for it takes as long as to go through these."""

BULK: Final = 64
"""From so many agents on, filters are dropped client by client instead of one after the other."""


class Refusal:
    """What ``client`` does not want to be offered on ``agents``; ``expires`` is unix seconds, or none for a hold."""

    __slots__ = ("agents", "client", "expires", "number", "refused", "standing")

    def __init__(self, client: int, refused: Resources, expires: float | None, number: int) -> None:
        self.client = client
        self.refused = refused
        self.expires = expires
        self.number = number
        self.agents: array[int] | None = array("i")
        """Those it was installed on; it may have been lifted on some since. None: they are in its client's table."""
        self.standing = 0
        """On how many agents it stands."""


class _Row:
    """The filters of one client: by agent the number of a refusal, or ``SEVERAL``. A dict, or an array when many."""

    __slots__ = ("few", "many", "refusals", "several")

    def __init__(self) -> None:
        self.few: dict[int, int] = {}
        self.many: array[int] | None = None
        self.several: dict[int, list[Refusal]] = {}
        self.refusals: dict[Refusal, None] = {}

    def get(self, agent: int) -> int:
        """0 for none."""
        many = self.many
        if many is None:
            return self.few.get(agent, 0)
        return many[agent] if agent < len(many) else 0

    def on(self, agents: int) -> Callable[[NDArray[np.int32]], NDArray[np.bool_]]:
        """A function that says on which of some of so many agents there is any; to be let go before filters change."""
        column = np.zeros(agents, np.bool_)
        if self.many is None:
            column[list(self.few)] = True
        else:
            several = np.frombuffer(self.many, np.int32)[:agents] != 0
            column[: len(several)] = several
        return column.__getitem__

    def agents_of(self, refusal: Refusal) -> Iterable[int]:
        """Those on which it stands, and perhaps others."""
        if refusal.agents is not None:
            return refusal.agents
        assert self.many is not None, "only what is in a table is not listed"
        found: list[int] = np.flatnonzero(np.frombuffer(self.many, np.int32) == refusal.number).tolist()
        return [*found, *self.several]

    def put(self, agent: int, number: int) -> None:
        many = self.many
        if many is None:
            if number:
                self.few[agent] = number
                if len(self.few) > ROW_AFTER:
                    self._spread()
            else:
                self.few.pop(agent, None)
            return
        if agent >= len(many):
            many.frombytes(bytes((agent + 1 + len(many) // 8 - len(many)) * many.itemsize))
        many[agent] = number

    def _spread(self) -> None:
        many = self.many = array("i", bytes((max(self.few) + 1) * 4))
        for agent, number in self.few.items():
            many[agent] = number
        self.few = {}


class RefusalFilters:
    """All filters of a cluster. Nothing in here looks at a clock: :meth:`lapse` is told the time."""

    def __init__(self) -> None:
        self.rows: dict[int, _Row] = {}
        """By client; who is not in here has no filters."""
        self._refusals: list[Refusal | None] = [None]
        self._vacant: list[int] = []
        self._latest: dict[int, dict[Resources, Refusal]] = {}
        """By client those that may still get more agents: of its latest end."""
        self._timetable: list[tuple[float, int, Refusal]] = []
        self._holds: list[Refusal] = []
        self._installed = 0
        self._standing = 0
        self._gone = 0

    def __len__(self) -> int:
        """How many stand, holds included."""
        return self._standing

    def standing(self, client: int) -> int:
        """How many of them are of ``client``."""
        row = self.rows.get(client)
        return 0 if row is None else sum(refusal.standing for refusal in row.refusals)

    @property
    def timetable_length(self) -> int:
        """Lines in memory, those of lifted filters included."""
        return len(self._timetable)

    def install(self, client: int, agent: int, refused: Resources, expires: float | None) -> None:
        """``refused`` is without allocation role (X48)."""
        row = self.rows.get(client)
        if row is None:
            row = self.rows[client] = _Row()
        number = row.get(agent)
        if not number:
            new = self._refusal(row, client, refused, expires)
            new.standing += 1
            row.put(agent, new.number)
        else:
            standing = self._at(row, agent, number)
            for one in standing:
                if _covers(one, refused, expires):
                    return
            new = self._refusal(row, client, refused, expires)
            new.standing += 1
            kept = [one for one in standing if not _covers(new, one.refused, one.expires)]
            for one in standing:
                if one not in kept:
                    self._lift(one)
            self._set(row, agent, [*kept, new])
        if new.agents is not None:
            new.agents.append(agent)
            if len(new.agents) > LISTED and row.many is not None:
                new.agents = None
        self._standing += 1

    def blocking(self, client: int, agent: int, offer: Resources) -> Refusal | None:
        """The filter that ``offer`` (without allocation role) runs into, or ``None``."""
        row = self.rows.get(client)
        if row is None:
            return None
        number = row.get(agent)
        if not number:
            return None
        for refusal in self._at(row, agent, number):
            if refusal.refused is offer or refusal.refused.contains(offer):
                return refusal
        return None

    def lapse(self, now: float) -> list[tuple[int, int]]:
        """Drop what has ended before ``now``; tell whose, as (client, agent).

        A filter still stands at the very instant of its end (X28): a pass that is due then sees it.
        """
        lapsed: list[tuple[int, int]] = []
        timetable = self._timetable
        while timetable and (not timetable[0][2].standing or timetable[0][0] < now):
            refusal = heappop(timetable)[2]
            if refusal.standing:
                lapsed += self._end(refusal)
            else:
                self._gone -= 1
            self._vacate(refusal)
        return lapsed

    def release_holds(self) -> list[tuple[int, int]]:
        """A full pass begins: lift the holds; tell whose, as (client, agent)."""
        released: list[tuple[int, int]] = []
        for refusal in self._holds:
            released += self._end(refusal)
            self._vacate(refusal)
        self._holds.clear()
        return released

    def drop_client(self, client: int) -> None:
        """Every filter of ``client`` goes: it was revived, went away or the like (X29)."""
        row = self.rows.pop(client, None)
        if row is None:
            return
        self._latest.pop(client, None)
        for refusal in row.refusals:
            refusal.agents = array("i")
            if refusal.standing:
                self._standing -= refusal.standing
                refusal.standing = 0
                self._note_gone(refusal)

    def drop_agent(self, agent: int) -> None:
        """Every filter on ``agent`` goes: it went away, or its attributes changed (X29)."""
        for row in self.rows.values():
            number = row.get(agent)
            if number:
                for refusal in self._at(row, agent, number):
                    self._lift(refusal)
                self._set(row, agent, [])

    def drop_agents(self, agents: Sequence[int]) -> None:
        """As :meth:`drop_agent` of each, where everybody may have refused fifty thousand of them."""
        if len(agents) < BULK:
            for agent in agents:
                self.drop_agent(agent)
            return
        named, rows = frozenset(agents), np.array(agents, np.int32)
        for row in self.rows.values():
            times: Iterable[tuple[int, int]]
            if row.many is None:
                found = [agent for agent in row.few if agent in named]
                times = Counter(map(row.few.pop, found)).items()
            else:
                numbers = np.frombuffer(row.many, np.int32)
                here = rows[rows < len(numbers)]
                there = numbers[here]
                numbers[here] = 0
                times = zip(*(each.tolist() for each in np.unique(there, return_counts=True)), strict=True)
                del numbers  # as long as it is there, the row cannot grow
            for number, count in times:
                if number > 0:
                    refusal = self._refusals[number]
                    assert refusal is not None, "a number in a row names a refusal"
                    self._lift(refusal, count)
            for agent in [agent for agent in row.several if agent in named]:
                for refusal in row.several.pop(agent):
                    self._lift(refusal)

    # -- within ----------------------------------------------------------------------------------------------
    def _at(self, row: _Row, agent: int, number: int) -> list[Refusal]:
        if number == SEVERAL:
            return row.several[agent]
        refusal = self._refusals[number]
        assert refusal is not None, "a number in a row names a refusal"
        return [refusal]

    def _set(self, row: _Row, agent: int, refusals: list[Refusal]) -> None:
        if len(refusals) > 1:
            row.several[agent] = refusals
            row.put(agent, SEVERAL)
        else:
            row.several.pop(agent, None)
            row.put(agent, refusals[0].number if refusals else 0)

    def _refusal(self, row: _Row, client: int, refused: Resources, expires: float | None) -> Refusal:
        latest = self._latest.get(client)
        if latest is None:
            latest = self._latest[client] = {}
        known = latest.get(refused)
        if known is not None and known.expires == expires and known.standing:
            return known
        if known is None and len(latest) >= 64:
            latest.clear()
        number = self._vacant.pop() if self._vacant else len(self._refusals)
        new = latest[refused] = Refusal(client, refused, expires, number)
        row.refusals[new] = None
        if number == len(self._refusals):
            self._refusals.append(new)
        else:
            self._refusals[number] = new
        if expires is None:
            self._holds.append(new)
        else:
            self._installed += 1
            heappush(self._timetable, (expires, self._installed, new))
        return new

    def _end(self, refusal: Refusal) -> list[tuple[int, int]]:
        """Lift ``refusal`` wherever it stands."""
        row = self.rows.get(refusal.client)
        if row is None:
            return []
        ended: list[tuple[int, int]] = []
        for agent in row.agents_of(refusal):
            number = row.get(agent)
            if number == refusal.number:
                row.put(agent, 0)
            elif number == SEVERAL and refusal in row.several[agent]:
                self._set(row, agent, [one for one in row.several[agent] if one is not refusal])
            else:
                continue
            ended.append((refusal.client, agent))
        self._standing -= refusal.standing
        refusal.standing = 0
        return ended

    def _lift(self, refusal: Refusal, times: int = 1) -> None:
        """``refusal`` stands on one agent less, or so many."""
        self._standing -= times
        refusal.standing -= times
        if not refusal.standing:
            self._note_gone(refusal)

    def _note_gone(self, refusal: Refusal) -> None:
        if refusal.expires is None:
            return
        self._gone += 1
        # Filters may be asked for a year (X28): lines of those lifted long before must not pile up until then.
        if self._gone > 1024 and self._gone * 2 > len(self._timetable):
            gone = [line[2] for line in self._timetable if not line[2].standing]
            self._timetable = [line for line in self._timetable if line[2].standing]
            heapify(self._timetable)
            self._gone = 0
            for one in gone:
                self._vacate(one)

    def _vacate(self, refusal: Refusal) -> None:
        """Nothing names ``refusal`` any more: its number may be given again."""
        self._refusals[refusal.number] = None
        self._vacant.append(refusal.number)
        row = self.rows.get(refusal.client)
        if row is not None:
            row.refusals.pop(refusal, None)
        latest = self._latest.get(refusal.client)
        if latest is not None and latest.get(refusal.refused) is refusal:
            del latest[refusal.refused]


def _covers(standing: Refusal, refused: Resources, expires: float | None) -> bool:
    """Whether ``standing`` blocks all that a filter for ``refused`` until ``expires`` would, for as long.

    A hold ends at a full pass, whose time nobody knows here; it compares with holds only.
    """
    if standing.expires is None or expires is None:
        outlasts = standing.expires is None and expires is None
    else:
        outlasts = standing.expires >= expires
    return outlasts and standing.refused.contains(refused)
