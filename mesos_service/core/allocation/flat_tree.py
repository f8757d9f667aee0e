"""The tree of roles and frameworks laid flat for a long queue: who competes, siblings together in groups."""

from __future__ import annotations

from itertools import chain

import numpy as np
from numpy.typing import NDArray

from mesos_service.core.allocation.clients import Client
from mesos_service.core.allocation.quota import top_of
from mesos_service.core.allocation.sorter import Sorter
from mesos_service.core.allocation.tree import Entry, Node
from mesos_service.domain.ids import Role


class Group:
    """Siblings. ``below`` is by their place by name: the number of a client, or the complement of that of a group."""

    __slots__ = ("_names", "_parent", "below", "is_inner", "nodes", "owner")

    def __init__(self, parent: Node, owner: tuple[int, int] | None) -> None:
        self.owner = owner
        """The group above, and the place there; none at the top."""
        # A cluster with one client only: it competes with nobody, and stands there alone.
        entries: list[Entry] = parent.order if parent.children else [(0.0, parent.served, parent.name, parent)]
        by_name = sorted(entries, key=lambda entry: entry[2])
        self._parent = parent
        self._names = {entry[2]: place for place, entry in enumerate(by_name)}
        self.nodes = [entry[3] for entry in by_name]
        self.below = np.zeros(len(entries), np.int32)
        self.is_inner = False
        """Whether any of them has a group below."""

    def standing(self) -> list[tuple[float, int, int, Node]]:
        """Share, times served, place by name, and the node, in the order of these."""
        names = self._names
        if self._parent.children:
            return [(share, served, names[name], node) for share, served, name, node in self._parent.order]
        return [(0.0, self._parent.served, 0, self._parent)]


class FlatTree:
    """The tree of a sorter laid flat, which is kept from pass to pass for as long as the same ones stand in it."""

    def __init__(self) -> None:
        self.groups: list[Group] = []
        self.clients: list[Client] = []
        self.nodes: list[Node] = []
        """Those of all groups, one behind the other."""
        self._standings = -1
        self._paths: tuple[list[Node], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]] | None = None
        self._below: dict[Role, list[int]] = {}
        self._columns: dict[str, NDArray[np.int32]] = {}
        self._places: dict[int, tuple[int, int]] = {}

    def follow(self, sorter: Sorter[Client]) -> None:
        """Be as the sorter is, in which somebody must stand."""
        if self._standings == sorter.standings:
            return
        sorter.settle()
        self._standings = sorter.standings
        self.groups, self.clients = flattened(sorter.root)
        self.nodes = [node for group in self.groups for node in group.nodes]
        self._paths = None
        self._below.clear()
        self._columns.clear()
        self._places.clear()

    def amounts(self) -> NDArray[np.int64] | None:
        """What each of the nodes holds of each resource; none when it is too much for such numbers."""
        count, width = len(self.nodes), len(self.nodes[0].amounts)
        try:
            every = np.fromiter(chain.from_iterable([node.amounts for node in self.nodes]), np.int64, count * width)
        except OverflowError:
            return None
        return every.reshape(count, width)

    def sums(self, of_clients: NDArray[np.int64]) -> tuple[list[Node], NDArray[np.int64]]:
        """All nodes below the top that clients stand at or below; and of the rows, one for a client, the sum for each.

        The clients below a node follow on each other when the tree is gone through branch by branch: the sum of some
        that do is a difference.
        """
        if self._paths is None:
            self._paths = self._spans()
        nodes, by_branch, begins, ends = self._paths
        sums = np.zeros((len(by_branch) + 1, of_clients.shape[1]), np.int64)
        np.cumsum(of_clients[by_branch], axis=0, out=sums[1:])
        return nodes, sums[ends] - sums[begins]

    def _spans(self) -> tuple[list[Node], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """The nodes; the clients, branch by branch; and where those of each node begin and end among them."""
        by_branch: list[int] = []
        waiting = [~0]
        while waiting:
            at = waiting.pop()
            if at < 0:
                waiting += self.groups[~at].below.tolist()
            else:
                by_branch.append(at)
        spans: dict[Node, list[int]] = {}
        for position, number in enumerate(by_branch):
            node: Node = self.clients[number]
            while node.parent is not None:
                spans.setdefault(node, [position, position])[1] = position + 1
                node = node.parent
        begins, ends = np.array(list(spans.values()), np.int64).T
        return list(spans), np.array(by_branch, np.int64), begins, ends

    def places(self) -> dict[int, tuple[int, int]]:
        """By the serial of a client the number of its group, and its place there."""
        if not self._places:
            for number, group in enumerate(self.groups):
                for place, client in enumerate(group.below.tolist()):
                    if client >= 0:
                        self._places[self.clients[client].serial] = number, place
        return self._places

    def below(self, top: Role) -> list[int]:
        """The numbers of the clients in a role at the top, and in those below it."""
        if not self._below:
            for number, client in enumerate(self.clients):
                self._below.setdefault(top_of(client.role), []).append(number)
        return self._below.get(top, [])

    def columns(self) -> dict[str, NDArray[np.int32]]:
        """The groups in columns: their nodes are numbered through, as they stand by name. By group the node that owns
        it, and where its nodes begin; by node its place by name, its group, and its client or the group below; by
        client its node. -1 is none."""
        if not self._columns:
            owner, begin = [-1], [0]
            rank: list[int] = []
            of: list[int] = []
            below: list[int] = []
            for number, group in enumerate(self.groups):
                if group.owner is not None:
                    owner.append(begin[group.owner[0]] + group.owner[1])
                rank += range(len(group.nodes))
                of += [number] * len(group.nodes)
                below += group.below.tolist()
                begin.append(len(below))
            under = np.array(below, np.int32)
            node_of = np.zeros(len(self.clients), np.int32)
            node_of[under[under >= 0]] = np.flatnonzero(under >= 0)
            columns = {"owner": owner, "begin": begin, "rank": rank, "group": of}
            self._columns = {name: np.array(values, np.int32) for name, values in columns.items()}
            self._columns |= {"client": np.maximum(under, -1), "child": np.maximum(~under, -1), "node_of": node_of}
        return self._columns


def flattened(root: Node) -> tuple[list[Group], list[Client]]:
    """The groups, each after the one above it, and the clients by number; who has no sibling is passed over.

    The order of the sorter must be settled, and somebody must stand in it.
    """
    groups = [Group(_branching(root), None)]
    clients: list[Client] = []
    for number, group in enumerate(groups):
        for place, node in enumerate(group.nodes):
            below = _branching(node)
            if below.children:
                group.below[place] = ~len(groups)
                group.is_inner = True
                groups.append(Group(below, (number, place)))
            else:
                group.below[place] = len(clients)
                clients.append(_as_client(below))
    return groups, clients


def _branching(node: Node) -> Node:
    """The first node from here downwards at which somebody has to be chosen, or the client where there is none."""
    while node.standing_children == 1:
        node = node.order[0][3]
    return node


def _as_client(node: Node) -> Client:
    assert isinstance(node, Client), "what has no children is a client"
    return node
