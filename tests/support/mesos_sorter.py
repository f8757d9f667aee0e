"""The order in which Apache Mesos serves clients (1.12's DRF sorter): a tree of shares, kept up as things happen.

Told again from its behaviour, step by step, so that what depends on history does here, too: counters outlive clients
that share a place in the tree. Shares are quotients of floating-point numbers, as there, or exact, as ours are.
``mesos_service.fairness`` states the same order; this one is apart from it on purpose, and shares no line with it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from fractions import Fraction

Amounts = Mapping[str, int]
"""Thousandths by name."""

VIRTUAL = "."
"""A client that has children stands among them under this name."""


class Place:
    """One node. A leaf is a client; it is out of the order while it is not ``active``."""

    def __init__(self, name: str, parent: Place | None, *, leaf: bool) -> None:
        self.name = name
        self.parent = parent
        self.leaf = leaf
        self.active = False
        self.children: dict[str, Place] = {}
        self.sums: dict[str, int] = {}
        self.times = 0

    @property
    def path(self) -> str:
        if self.parent is None or self.parent.parent is None:
            return self.name
        return f"{self.parent.path}/{self.name}"

    def up(self) -> Iterator[Place]:
        here: Place | None = self
        while here is not None:
            yield here
            here = here.parent

    def child(self, name: str, *, leaf: bool) -> Place:
        made = self.children[name] = Place(name, self, leaf=leaf)
        return made


class Sorter:
    """Clients are paths. ``totals`` are those of the whole cluster, and whoever makes this keeps them."""

    def __init__(
        self, totals: Amounts, weights: Mapping[str, float], excluded: Collection[str], *, exact: bool
    ) -> None:
        self._totals = totals
        self._weights = weights
        self._excluded = excluded
        self._exact = exact
        self._root = Place("", None, leaf=False)
        self._clients: dict[str, Place] = {}

    def __contains__(self, client: str) -> bool:
        return client in self._clients

    def __len__(self) -> int:
        return len(self._clients)

    @property
    def sums(self) -> Amounts:
        return self._root.sums

    def holds(self, client: str) -> Amounts:
        return self._clients[client].sums

    def add(self, client: str) -> None:
        here = self._root
        names = client.split("/")
        while names:
            if here.leaf:
                # Whoever stood here alone gets company: he moves below, with what he has and how often he was served.
                here.leaf = False
                own = here.child(VIRTUAL, leaf=True)
                own.active, own.sums, own.times = here.active, dict(here.sums), here.times
                self._clients[here.path] = own
            known = here.children.get(names[0])
            here = known if known is not None else here.child(names[0], leaf=len(names) == 1)
            del names[0]
            if known is None and here.leaf:
                self._clients[client] = here
                return
        self._clients[client] = here.child(VIRTUAL, leaf=True)

    def remove(self, client: str) -> None:
        gone = self._clients.pop(client)
        for here in list(gone.up()):
            parent = here.parent
            if parent is None:
                return
            for name, amount in gone.sums.items():
                parent.sums[name] -= amount
            if not here.children:
                del parent.children[here.name]
            elif list(here.children) == [VIRTUAL]:
                # The last child went. The counter stays that of the whole place.
                own = here.children.pop(VIRTUAL)
                here.leaf, here.active = True, own.active
                self._clients[here.path] = here

    def activate(self, client: str, active: bool) -> None:
        self._clients[client].active = active

    def take(self, client: str, amounts: Amounts) -> None:
        for here in self._clients[client].up():
            here.times += 1
            for name, amount in amounts.items():
                here.sums[name] = here.sums.get(name, 0) + amount

    def give(self, client: str, amounts: Amounts) -> None:
        for here in self._clients[client].up():
            for name, amount in amounts.items():
                here.sums[name] -= amount

    def order(self) -> list[str]:
        return [here.parent.path if here.name == VIRTUAL and here.parent else here.path for here in self._below()]

    def _below(self, here: Place | None = None) -> Iterator[Place]:
        here = here or self._root
        inner = [one for one in here.children.values() if one.active or not one.leaf]
        for one in sorted(inner, key=lambda one: (self._share(one), one.times, one.path)):
            if one.leaf:
                yield one
            else:
                yield from self._below(one)

    def _share(self, here: Place) -> float:
        held = [
            (here.sums.get(name, 0), total)
            for name, total in self._totals.items()
            if total > 0 and name not in self._excluded
        ]
        weight = self._weights.get(here.path, 1.0)
        if self._exact:
            return float(max((Fraction(*one) for one in held), default=Fraction(0)) / Fraction(weight))
        return max(((mine / 1000.0) / (total / 1000.0) for mine, total in held), default=0.0) / weight
