"""The order of all clients during a long queue, group by group, for :mod:`~mesos_service.core.allocation.by_levels`.

It begins as that of the sorter, which is brought up to date when the queue has been served.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mesos_service.core.allocation import rounds
from mesos_service.core.allocation.drf import Contest, Vector
from mesos_service.core.allocation.entries import Client
from mesos_service.core.allocation.flat_tree import Group
from mesos_service.core.allocation.shapes import Prepared

NOBODY: Final = -1

EXACT: Final = 1 << 53
"""Whole numbers below this are exact as floats."""

Indices = NDArray[np.int64]

Entry = Any  # Any: rounds.Plain or rounds.General, the same in all of a group

Path = list[tuple[int, Entry]]
"""From the top to a client: the group, and as what it stands there."""

Fresh = dict[int, list[Entry]]
"""Groups as they would stand."""


class Orders:
    """Of ``groups``, while at most ``length`` times one of ``vectors``, amounts by resource, is given to somebody."""

    def __init__(
        self,
        groups: Sequence[Group],
        clients: Sequence[Client],
        totals: Sequence[int],
        vectors: NDArray[np.int64],
        length: int,
        contest: Contest | None,
    ) -> None:
        self._groups = groups
        self._clients = clients
        self._totals = totals
        self._below: list[list[int]] = [group.below.tolist() for group in groups]
        self._masks = [[node.mask for node in group.nodes] for group in groups]
        self._words_of = [_words_of(masks) for masks in self._masks]
        self._place_of = {
            clients[number].serial: (group_number, place)
            for group_number, below in enumerate(self._below)
            for place, number in enumerate(below)
            if number >= 0
        }
        dense: list[list[int]] = vectors.tolist()
        self._kept = _contested(totals, dense, contest)
        most = max(map(max, dense), default=0) * length if totals else 0
        held = max((max(node.amounts) for group in groups for node in group.nodes), default=0) if totals else 0
        is_exact = len(self._kept) <= rounds.WIDTH and max(totals, default=0) < EXACT and held + most < EXACT
        self._is_plain = [is_exact and all(node.weight == 1.0 for node in group.nodes) for group in groups]
        self._dense = [tuple(vector) for vector in dense]
        self._floats = [self._of_kept(vector) if is_exact else _NONE for vector in dense]
        self._of_totals = self._of_kept(totals, 1.0) if is_exact else _NONE
        self._orders = [self._order(number) for number in range(len(groups))]

    def _of_kept(self, amounts: Sequence[int], others: float = 0.0) -> rounds.Amounts:
        one, two, three = [*(float(amounts[place]) for place in self._kept), others, others, others][: rounds.WIDTH]
        return one, two, three

    def _order(self, number: int) -> list[Entry]:
        group = self._groups[number]
        if self._is_plain[number]:
            return [(*key, *self._of_kept(group.nodes[key[2]].amounts)) for key in group.standing]
        nodes = ((key, group.nodes[key[2]]) for key in group.standing)
        return [(*key, tuple(node.amounts), *node.weight.as_integer_ratio()) for key, node in nodes]

    # -- of many agents --------------------------------------------------------------------------------------
    def choose(
        self,
        shapes: NDArray[np.int32],
        kinds: NDArray[np.int32],
        asked: Sequence[int],
        wanted: NDArray[np.uint64] | None,
    ) -> tuple[NDArray[np.int32], Fresh]:
        """Who would get each of so many agents, by number, if all of a shape is given; and how the groups would stand.

        Who may have something of them is told by ``wanted``, words of bits by agent; or else it is that of ``asked``
        which ``kinds`` has for the shape.
        """
        who = np.full(len(shapes), NOBODY, np.int32)
        fresh: Fresh = {}
        waiting: list[tuple[int, Indices]] = [(0, np.arange(len(shapes)))]
        while waiting:
            number, here = waiting.pop()
            here, masks, live = self._allowed(number, kinds[shapes[here]], asked, wanted, here)
            if not len(here):
                continue
            order = [entry for entry in self._orders[number] if live[entry[2]]]
            rest = [] if len(order) == len(live) else [entry for entry in self._orders[number] if not live[entry[2]]]
            winners = self._rounds(number, order, shapes[here], masks)
            fresh[number] = sorted([*order, *rest]) if rest else order
            below = self._groups[number].below
            found = below[np.array(winners, np.int32)]
            who[here] = found
            waiting += [(~child, here[found == child]) for child in below[below < 0].tolist()]
        return who, fresh

    def keep(self, fresh: Fresh) -> None:
        """It is so."""
        for number, order in fresh.items():
            self._orders[number] = order

    def _rounds(self, number: int, order: list[Entry], shapes: NDArray[np.int32], masks: list[int] | None) -> list[int]:
        local = shapes.tolist()
        if not self._is_plain[number]:
            return rounds.general(order, map(self._dense.__getitem__, local), self._totals, masks)
        given = map(self._floats.__getitem__, local)
        if masks is None:
            return rounds.plain(order, given, self._of_totals)
        return rounds.masked(order, given, self._of_totals, masks)

    def _allowed(
        self,
        number: int,
        kinds: NDArray[np.int32],
        asked: Sequence[int],
        wanted: NDArray[np.uint64] | None,
        here: Indices,
    ) -> tuple[Indices, list[int] | None, list[bool]]:
        """Of ``here`` those agents of which somebody of the group may have something; masks of who, unless these are
        the same for all of them; and for each of the group whether he is in any of the masks."""
        if not len(here):
            return here, None, []
        if wanted is None:
            table = np.array([[mask & one != 0 for mask in self._masks[number]] for one in asked], np.bool_)
            if len(table) == 1:
                return here if table.any() else here[:0], None, table[0].tolist()
            table = table[kinds]
        else:
            table = self._columns(number, wanted[here])
        some = table.any(axis=1)
        if not some.all():
            here, table = here[some], table[some]
        live: list[bool] = np.logical_or.reduce(table, axis=0).tolist()
        return here, None if table[:, live].all() else _masks(table), live

    def _columns(self, number: int, wanted: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """By agent and place, whether anybody of the latter may have something of the former."""
        table = np.empty((len(wanted), len(self._masks[number])), np.bool_)
        for place, words in enumerate(self._words_of[number]):
            (word, bits), *more = words
            found = wanted[:, word] & bits
            for word, bits in more:
                found |= wanted[:, word] & bits
            np.not_equal(found, 0, out=table[:, place])
        return table

    # -- of one agent ----------------------------------------------------------------------------------------
    def first(self, wanted: int) -> tuple[int, Path]:
        """The number of the first client of ``wanted``, and its path; or ``NOBODY``."""
        path: Path = []
        number = 0
        while True:
            masks = self._masks[number]
            for entry in self._orders[number]:
                if masks[entry[2]] & wanted:
                    break
            else:
                return NOBODY, path
            path.append((number, entry))
            number = self._below[number][entry[2]]
            if number >= 0:
                return number, path
            number = ~number

    def give(self, path: Path, shape: int) -> None:
        """The client at the end of ``path``, and all above it, get all of a shape."""
        self._move(path, self._floats[shape], self._dense[shape])

    def walk(self, wanted: int) -> Iterator[Client]:
        """The clients of ``wanted`` in the order in which they stand now, whatever is charged meanwhile."""
        return self._walk(0, wanted)

    def _walk(self, number: int, wanted: int) -> Iterator[Client]:
        belows, masks = self._below[number], self._masks[number]
        for entry in self._orders[number]:
            place = entry[2]
            if masks[place] & wanted:
                below = belows[place]
                if below < 0:
                    yield from self._walk(~below, wanted)
                else:
                    yield self._clients[below]

    def charge(self, client: Client, prepared: Prepared) -> None:
        """The books were charged by who granted it; the order here is not yet."""
        self._charge(self._place_of[client.serial], prepared.vector)

    def _charge(self, at: tuple[int, int] | None, vector: Vector) -> None:
        path: Path = []
        while at is not None:
            number, place = at
            path.append((number, next(entry for entry in self._orders[number] if entry[2] == place)))
            at = self._groups[number].owner
        amounts = [0] * len(self._totals)
        for position, amount in vector:
            amounts[position] = amount
        self._move(path, self._of_kept(amounts) if any(self._is_plain) else _NONE, tuple(amounts))

    def _move(self, path: Path, kept: rounds.Amounts, amounts: tuple[int, ...]) -> None:
        """Lists are replaced and not changed: a walk may be under way in them."""
        for number, entry in path:
            others = list(self._orders[number])
            del others[0 if others[0] is entry else bisect_left(others, entry)]
            if self._is_plain[number]:
                insort(others, rounds.moved(entry, kept, self._of_totals))
            else:
                one = [entry]
                rounds.general(one, (amounts,), self._totals, None)
                insort(others, one[0])
            self._orders[number] = others


_NONE: Final[rounds.Amounts] = (0.0, 0.0, 0.0)


def _contested(totals: Sequence[int], vectors: Sequence[Sequence[int]], contest: Contest | None) -> list[int]:
    """The resources that can be anybody's dominant one."""
    if contest is None or any(contest.is_upset_by(list(enumerate(vector))) for vector in vectors):
        return [place for place, total in enumerate(totals) if total]
    return contest.kept


def _words_of(masks: Sequence[int]) -> list[list[tuple[int, np.uint64]]]:
    """The words of each mask that are not 0, by number."""
    found: list[list[tuple[int, np.uint64]]] = []
    for mask in masks:
        words = [(mask >> at & 0xFFFF_FFFF_FFFF_FFFF, at // 64) for at in range(0, mask.bit_length(), 64)]
        found.append([(number, np.uint64(word)) for word, number in words if word])
    return found


def _masks(table: NDArray[np.bool_]) -> list[int]:
    """The rows as integers, the first column as the lowest bit."""
    packed = np.packbits(table, axis=1, bitorder="little")
    size = packed.shape[1]
    if size <= 8:
        wide = np.zeros((len(packed), 8), np.uint8)
        wide[:, :size] = packed
        found: list[int] = wide.view(np.uint64)[:, 0].tolist()
        return found
    text = packed.tobytes()
    return [int.from_bytes(text[at : at + size], "little") for at in range(0, len(text), size)]
