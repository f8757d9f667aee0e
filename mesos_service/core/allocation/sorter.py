"""Whose turn it is: the tree of roles and frameworks in the order of their shares (X30-X35).

Of the tree in :mod:`~mesos_service.core.allocation.role_tree`, siblings stand in order of (weighted dominant share,
times served, name); the order of clients is the order in which a walk of the tree, siblings in order, meets them.

**Cost.** A grant changes the keys of one path only. Nodes whose key may have changed are noted as stale, and
:meth:`Sorter.settle` moves just these within their parent's sorted list, so that a pass pays for what changed and
never re-sorts everyone for every agent. Two more savings: a node without siblings in the order needs no key, and each
client has a bit, so that a walk can leave out all clients that need not be asked, and every branch without others.
A pass over many agents does even less: :meth:`Sorter.first` finds the next client, :meth:`Sorter.serve` moves it to its
new place, and what concerns nobody's place is accounted for later, once for many grants (:meth:`Sorter.settle_owed`).

Only active clients are in the order (X35). The rest cost nothing, but what they hold still counts in the accounts of
their roles.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from math import isqrt
from typing import Final, TypeVar, cast

from mesos_service.core.allocation.drf import Contest, Counted
from mesos_service.core.allocation.lots import Lots
from mesos_service.core.allocation.role_tree import RoleTree
from mesos_service.core.allocation.tree import Leaf, Node, entry_of, path_of, renew

FEW: Final = 16
"""When less than one in this many clients is to be asked, sorting those beats walking past the others."""

L = TypeVar("L", bound=Leaf)


class Sorter(RoleTree[L]):
    """The tree, and the order in it."""

    def serve(self, client: L, counted: Counted) -> None:
        """As :meth:`charge` for what counts in shares, where it matters for the order, which stays settled.

        The rest of the charge is to follow with :meth:`settle_owed`, before anybody reads an account.
        """
        if client.contested_at != self._standings:
            self._find_contested(client)
        for node, parent in client.contested:
            entry = node.entry
            assert entry is not None, "the order is settled"
            share, served, name, _ = entry
            amounts = node.amounts
            if node.weight == 1.0:
                for position, amount, total in counted:
                    amounts[position] = held = amounts[position] + amount
                    fraction = held / total
                    if fraction > share:
                        share = fraction
            else:
                numerator, denominator = node.weight.as_integer_ratio()
                for position, amount, total in counted:
                    amounts[position] = held = amounts[position] + amount
                    fraction = held * denominator / (total * numerator)
                    if fraction > share:
                        share = fraction
            node.served = served = served + 1
            node.entry = fresh = (share, served, name, node)
            order = parent.order
            if order[0] is entry:
                del order[0]
            else:
                del order[bisect_left(order, entry)]
            if order[-1] < fresh:
                order.append(fresh)
            else:
                insort(order, fresh)

    def contest(self) -> Contest:
        """Which resources matter from here on, as long as clients are only given more."""
        contested: set[Node] = set()
        for client in self._by_bit:
            if client is not None and client.standing:
                if client.contested_at != self._standings:
                    self._find_contested(client)
                contested.update(node for node, _ in client.contested)
        return Contest(self._scale.totals, [node.amounts for node in contested])

    def full_contest(self) -> Contest:
        """All resources matter; for few grants that is less work than to find out which do."""
        if self._full_contest is None:
            self._full_contest = Contest(self._scale.totals, (), keep_all=True)
        return self._full_contest

    # -- order -----------------------------------------------------------------------------------------------
    @property
    def active(self) -> int:
        """Bits of all active clients."""
        return self._root.mask

    def settle(self) -> None:
        """Bring the order up to date with the accounts. Walks are valid until the next settling."""
        if self._rescaled:
            self._rescaled = False
            for parent in self._nodes():
                for child in parent.children.values():
                    if child.standing and not child.stale:
                        self._note_stale(child, parent)
        if self._unsettled:
            for parent in self._unsettled:
                parent.unsettled = False
                self._settle_children(parent)
            self._unsettled.clear()

    def leader(self) -> L:
        """The first of all active clients; there must be one."""
        node = self._root
        while order := node.order:
            node = order[0][3]
        return cast(L, node)  # what has no children is a client

    def first(self, wanted: int) -> L:
        """The first of :meth:`walk`; ``wanted`` must not be empty."""
        if self._counted_at != self._standings:
            self._counted_at = self._standings
            # Walking passes some of the widest siblings; sorting looks at each that is wanted, at ten times the cost.
            widest = max(node.standing_children for node in self._nodes())
            self._few = isqrt(widest // 10) + 1
        if wanted.bit_count() < self._few:
            return self._sorted(wanted)[0]
        node = self._root
        while wanted & (wanted - 1):
            for entry in node.order:
                node = entry[3]
                below = node.mask & wanted
                if below:
                    wanted = below
                    break
        client = self._by_bit[wanted.bit_length() - 1]
        assert client is not None, "a standing client has its bit"
        return client

    def walk(self, wanted: int) -> Iterator[L]:
        """Clients whose bit is in ``wanted``, in order. All of them must be active."""
        if wanted.bit_count() * FEW < self._root.mask.bit_count():
            return iter(self._sorted(wanted))
        return self._walk(self._root, wanted)

    def _walk(self, node: Node, wanted: int) -> Iterator[L]:
        for entry in node.order:
            child = entry[3]
            below = child.mask & wanted
            if below:
                if below & (below - 1):
                    yield from self._walk(child, below)
                else:
                    yield self._client(below)

    def drawn(self, wanted: int, lots: Lots) -> Iterator[L]:
        """As :meth:`walk`, but siblings in the order that ``lots`` says (M-AL-03)."""
        return self._drawn(self._root, wanted, lots)

    def _drawn(self, node: Node, wanted: int, lots: Lots) -> Iterator[L]:
        for child in lots.arranged(node, [entry[3] for entry in node.order if entry[3].mask & wanted]):
            below = child.mask & wanted
            if below & (below - 1):
                yield from self._drawn(child, below, lots)
            else:
                yield self._client(below)

    def _sorted(self, wanted: int) -> list[L]:
        clients: list[L] = []
        while wanted:
            bit = wanted & -wanted
            clients.append(self._client(bit))
            wanted ^= bit
        if len(clients) > 1:
            clients.sort(key=path_of)
        return clients

    def contradictions(self) -> list[str]:
        """Role accounts that are not the sums of what is below them, and settled orders that are out of order."""
        self.settle()
        found: list[str] = []
        for node in self._nodes():
            below = list(node.children.values())
            if below and node.parent is not None:
                sums = [sum(column) for column in zip(*(child.amounts for child in below), strict=True)]
                if sums != node.amounts:
                    found.append(f"the account of node {node.name!r} says {node.amounts}, its children's {sums}")
            standing = [child for child in below if child.standing]
            if len(standing) > 1:
                fresh = sorted(entry_of(child, self._scale.totals) for child in standing)
                if fresh != node.order:
                    found.append(f"the order below node {node.name!r} is not that of the shares")
            elif [entry[3] for entry in node.order] != standing:
                found.append(f"the order below node {node.name!r} is not who stands there")
            mask = node.mask if not below else 0
            for child in below:
                mask |= child.mask
            if mask != node.mask:
                found.append(f"node {node.name!r} has the wrong mask")
        return found

    def _settle_children(self, parent: Node) -> None:
        stale = parent.stale_children
        if parent.standing_children < 2:
            # Nobody to compare with: the key is left for when a sibling comes, and so is the note that it is stale.
            parent.order = []
            kept: list[Node] = []
            for child in stale:
                child.entry = None
                if child.standing:
                    kept.append(child)
                else:
                    child.stale = False
            if parent.standing_children:
                only = kept[0] if kept else next(node for node in parent.children.values() if node.standing)
                if not only.stale:
                    only.stale = True
                    kept.append(only)
                only.entry = (0.0, 0, only.name, only)
                parent.order.append(only.entry)
            parent.stale_children = kept
            return
        order = parent.order
        totals = self._scale.totals
        if len(stale) * 4 > len(order):
            renew(stale, totals)
            parent.order = sorted([child.entry for child in parent.children.values() if child.entry is not None])
        else:
            for child in stale:
                child.stale = False
                if child.entry is not None:
                    del order[bisect_left(order, child.entry)]
                    child.entry = None
                if child.standing:
                    child.entry = entry_of(child, totals)
                    insort(order, child.entry)
        stale.clear()

    def _find_contested(self, client: L) -> None:
        contested: list[tuple[Node, Node]] = []
        node: Node = client
        while (parent := node.parent) is not None:
            if parent.standing_children > 1:
                contested.append((node, parent))
            node = parent
        client.contested = tuple(contested)
        client.contested_at = self._standings
