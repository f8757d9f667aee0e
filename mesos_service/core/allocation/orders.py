"""The order of all clients during a long queue, group by group, for :mod:`~mesos_service.core.allocation.by_levels`.

It begins as that of the sorter, which is brought up to date when the queue has been served.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mesos_service.core.allocation import rounds
from mesos_service.core.allocation.clients import Client
from mesos_service.core.allocation.drf import Contest, Vector
from mesos_service.core.allocation.flat_tree import FlatTree
from mesos_service.core.allocation.shapes import Prepared
from mesos_service.core.allocation.tree import entry_of

NOBODY: Final = -1

EXACT: Final = 1 << 53
"""Whole numbers below this are exact as floats."""

Indices = NDArray[np.int64]

Masks = NDArray[np.uint64] | NDArray[np.object_]
"""Integers of so many bits as a group has members, by agent."""

Entry = Any  # Any: rounds.Plain or rounds.General, the same in all of a group


class Choice(NamedTuple):
    """Of many agents who would get each, by number, and for each group that was asked: of which of the agents, in
    ascending order; which of its members won them; and how it would stand afterwards."""

    who: NDArray[np.int32]
    asked: list[tuple[int, Indices, rounds.Places, list[Entry]]]


class Columns(NamedTuple):
    """By group: its order, and by place there bits of clients, and the client or the complement of the group below; by
    shape: the amounts that count; by group: whether its entries are plain; and the totals of what counts."""

    orders: list[list[Entry]]
    masks: list[list[int]]
    below: list[list[int]]
    floats: list[rounds.Amounts]
    is_plain: list[bool]
    totals: rounds.Amounts


class Orders:
    """Of the groups of ``flat``, whose nodes hold these ``amounts``, while at most ``length`` times one of ``vectors``,
    amounts by resource, is given to somebody."""

    def __init__(
        self,
        flat: FlatTree,
        totals: Sequence[int],
        vectors: NDArray[np.int64],
        length: int,
        contest: Contest | None,
        amounts: NDArray[np.int64],
    ) -> None:
        self._flat = flat
        self._groups = groups = flat.groups
        self._clients = flat.clients
        self._totals = totals
        self._below: list[list[int]] = [group.below.tolist() for group in groups]
        self._masks = [[node.mask for node in group.nodes] for group in groups]
        self._words_of: list[NDArray[np.uint64] | None] = [None] * len(groups)
        dense: list[list[int]] = vectors.tolist()
        self._contest = contest
        self._kept = _contested(totals, dense, contest)
        self.is_upset = False
        """Somebody was given a piece that may make a resource dominant that is left out here: the order is not to be
        followed any further."""
        most = max(map(max, dense), default=0) * length if totals else 0
        held = int(amounts.max(initial=0))
        is_exact = len(self._kept) <= rounds.WIDTH and max(totals, default=0) < EXACT and held + most < EXACT
        self._is_plain = [is_exact and all(node.weight == 1.0 for node in group.nodes) for group in groups]
        self._dense = [tuple(vector) for vector in dense]
        self._floats = [self._of_kept(vector) if is_exact else _NONE for vector in dense]
        self._of_totals = self._of_kept(totals, 1.0) if is_exact else _NONE
        self._orders = self._in_order(amounts) if is_exact else list(map(self._general, range(len(groups))))

    def _of_kept(self, amounts: Sequence[int], others: float = 0.0) -> rounds.Amounts:
        kept = self._kept
        if len(kept) == rounds.WIDTH:
            return float(amounts[kept[0]]), float(amounts[kept[1]]), float(amounts[kept[2]])
        one, two, three = [*(float(amounts[place]) for place in kept), others, others, others][: rounds.WIDTH]
        return one, two, three

    def _in_order(self, amounts: NDArray[np.int64]) -> list[list[Entry]]:
        """All groups as they stand. It is worked out from what is held, and the sorter's order need not be settled: a
        pass over changed agents finds nearly everybody with less than before."""
        counting = [place for place, total in enumerate(self._totals) if total]
        fractions = amounts[:, counting] / np.array(self._totals, np.int64)[counting]
        shares = fractions.max(axis=1, initial=0.0).tolist()
        served = [node.served for node in self._flat.nodes]
        held = np.zeros((rounds.WIDTH, len(amounts)))
        held[: len(self._kept)] = amounts[:, self._kept].T
        one, two, three = held.tolist()
        orders: list[list[Entry]] = []
        end = 0
        for number, group in enumerate(self._groups):
            begin, end = end, end + len(group.nodes)
            if self._is_plain[number]:
                here = slice(begin, end)
                orders.append(
                    sorted(zip(shares[here], served[here], range(end), one[here], two[here], three[here], strict=False))
                )
            else:
                orders.append(self._general(number))
        return orders

    def _general(self, number: int) -> list[Entry]:
        """A group as it stands, with integers and weights."""
        return sorted(
            (*entry_of(node, self._totals)[:2], place, tuple(node.amounts), *node.weight.as_integer_ratio())
            for place, node in enumerate(self._groups[number].nodes)
        )

    # -- of many agents --------------------------------------------------------------------------------------
    def choose(
        self,
        shapes: NDArray[np.int32],
        kinds: NDArray[np.int32],
        asked: Sequence[int],
        wanted: NDArray[np.uint64] | None,
    ) -> Choice:
        """Who would get each of so many agents, by number, if all of a shape is given; and how the groups would stand.

        Who may have something of them is told by ``wanted``, words of bits by agent; or else it is that of ``asked``
        which ``kinds`` has for the shape.
        """
        who = np.full(len(shapes), NOBODY, np.int32)
        chosen = Choice(who, [])
        waiting: list[tuple[int, Indices]] = [(0, np.arange(len(shapes)))]
        while waiting:
            number, here = waiting.pop()
            here, masks, live = self._allowed(number, shapes, kinds, asked, wanted, here)
            if not len(here):
                continue
            order, rest = self._orders[number].copy(), list[Entry]()
            if not all(live):
                order, rest = [one for one in order if live[one[2]]], [one for one in order if not live[one[2]]]
            places = self._rounds(number, order, shapes[here], masks)
            chosen.asked.append((number, here, places, sorted([*order, *rest]) if rest else order))
            group = self._groups[number]
            who[here] = group.below[places]
            if group.is_inner:
                by_place = here[np.argsort(places, kind="stable")]
                ends = np.cumsum(np.bincount(places, minlength=len(group.below))).tolist()
                for begin, end, child in zip((0, *ends), ends, self._below[number], strict=False):
                    if child < 0 and begin != end:
                        waiting.append((~child, by_place[begin:end]))
        return chosen

    def keep(self, chosen: Choice, shapes: NDArray[np.int32], done: int) -> None:
        """It is so, of the first ``done`` of those agents, of which these ``shapes`` were free."""
        for number, here, winners, order in chosen.asked:
            until = len(here) if done == len(shapes) else int(np.searchsorted(here, done))
            if until == len(here):
                self._orders[number] = order
            elif until:
                self._orders[number] = self._replayed(number, shapes[here[:until]], winners[:until])

    def _replayed(self, number: int, shapes: NDArray[np.int32], winners: rounds.Places) -> list[Entry]:
        """How a group stands when these have won."""
        before = self._orders[number]
        width = len(self._dense)
        times = np.bincount(winners.astype(np.int64) * width + shapes, minlength=len(before) * width)
        won = times.reshape(len(before), width)
        served = won.sum(axis=1).tolist()
        after: list[Entry] = []
        if self._is_plain[number]:
            gained = (won @ np.array(self._floats)).tolist()
            for entry in before:
                place = entry[2]
                after.append(rounds.moved(entry, gained[place], self._of_totals, served[place]))
        else:
            gained = (won.astype(object) @ np.array(self._dense, object)).tolist()
            for entry in before:
                place = entry[2]
                after.append(rounds.moved_general(entry, gained[place], self._totals, served[place]))
        after.sort()
        return after

    def _rounds(
        self, number: int, order: list[Entry], shapes: NDArray[np.int32], allowed: Masks | None
    ) -> rounds.Places:
        local = shapes.tolist()
        masks: list[int] | None = None if allowed is None else allowed.tolist()
        winners = rounds.places(len(self._masks[number]))
        if not self._is_plain[number]:
            rounds.general(order, map(self._dense.__getitem__, local), self._totals, masks, winners)
        else:
            given = map(self._floats.__getitem__, local)
            if allowed is None or masks is None:
                rounds.plain(order, given, self._of_totals, winners)
            elif np.bitwise_count(allowed).sum() <= rounds.HARDLY_ANY * len(masks):
                rounds.scattered(order, given, self._of_totals, masks, winners)
            else:
                rounds.masked(order, given, self._of_totals, masks, winners)
        return rounds.as_array(winners)

    def _allowed(
        self,
        number: int,
        shapes: NDArray[np.int32],
        kinds: NDArray[np.int32],
        asked: Sequence[int],
        wanted: NDArray[np.uint64] | None,
        here: Indices,
    ) -> tuple[Indices, Masks | None, list[bool]]:
        """Of ``here`` those agents of which somebody of the group may have something; masks of who, unless these are
        the same for all of them; and for each of the group whether he is in any of the masks."""
        if not len(here):
            return here, None, []
        if wanted is None:
            lives = [[mask & one != 0 for mask in self._masks[number]] for one in asked]
            if len(lives) == 1:
                return here if any(lives[0]) else here[:0], None, lives[0]
            table = np.array(lives, np.bool_)[kinds[shapes[here]]]
        else:
            table = self._columns(number, wanted[here])
        masks = _masks(table)
        some = masks != 0
        if not some.all():
            here, masks = here[some], masks[some]
            if not len(here):
                return here, None, []
        either = int(np.bitwise_or.reduce(masks))
        live = [either >> place & 1 != 0 for place in range(table.shape[1])]
        return here, None if (masks == either).all() else masks, live

    def _columns(self, number: int, wanted: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """By agent and place, whether anybody of the latter may have something of the former."""
        masks = self._words_of[number]
        if masks is None:
            masks = self._words_of[number] = words(self._masks[number], wanted.shape[1])
        used = np.flatnonzero(masks.any(axis=0)).tolist()
        table = np.zeros((len(wanted), len(masks)), np.bool_)
        for word in used:
            table |= (wanted[:, word, None] & masks[:, word]) != 0
        return table

    # -- of one agent ----------------------------------------------------------------------------------------
    def columns(self) -> Columns:
        """What a loop over agents needs to find who is first and to move him. Entries may be moved while no walk is
        under way."""
        return Columns(self._orders, self._masks, self._below, self._floats, self._is_plain, self._of_totals)

    def exact(self, shape: int) -> tuple[Sequence[int], Sequence[int]]:
        """All amounts of a shape, and the totals."""
        return self._dense[shape], self._totals

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
        if self._contest is not None and self._contest.is_upset_by(prepared.vector):
            self.is_upset = True
        self._charge(self._flat.places()[client.serial], prepared.vector)

    def _charge(self, at: tuple[int, int] | None, vector: Vector) -> None:
        """Lists are replaced and not changed: a walk may be under way in them."""
        amounts = [0] * len(self._totals)
        for position, amount in vector:
            amounts[position] = amount
        kept = self._of_kept(amounts) if any(self._is_plain) else _NONE
        while at is not None:
            number, place = at
            at = self._groups[number].owner
            others = self._orders[number].copy()
            here = 0
            while others[here][2] != place:
                here += 1
            entry = others.pop(here)
            if self._is_plain[number]:
                insort(others, rounds.moved(entry, kept, self._of_totals, 1))
            else:
                insort(others, rounds.moved_general(entry, amounts, self._totals, 1))
            self._orders[number] = others


_NONE: Final[rounds.Amounts] = (0.0, 0.0, 0.0)


def _contested(totals: Sequence[int], vectors: Sequence[Sequence[int]], contest: Contest | None) -> list[int]:
    """The resources that can be anybody's dominant one."""
    if contest is None or any(contest.is_upset_by(list(enumerate(vector))) for vector in vectors):
        return [place for place, total in enumerate(totals) if total]
    return contest.kept


def words(bits: Sequence[int], width: int) -> NDArray[np.uint64]:
    """Each of these integers in so many words, the lowest first."""
    orders: repeat[Literal["little"]] = repeat("little")
    text = b"".join(map(int.to_bytes, bits, repeat(width * 8), orders))
    return np.frombuffer(text, np.uint64).reshape(len(bits), width)


def _masks(table: NDArray[np.bool_]) -> Masks:
    """The rows as integers, the first column as the lowest bit."""
    packed = np.packbits(table, axis=1, bitorder="little")
    size = packed.shape[1]
    if size <= 8:
        wide = np.zeros((len(packed), 8), np.uint8)
        wide[:, :size] = packed
        return wide.view(np.uint64)[:, 0]
    text = packed.tobytes()
    found = np.empty(len(packed), np.object_)
    found[:] = [int.from_bytes(text[at : at + size], "little") for at in range(0, len(text), size)]
    return found
