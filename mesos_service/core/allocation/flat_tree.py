"""The tree of roles and frameworks laid flat for a long queue: who competes, siblings together in groups."""

from __future__ import annotations

import numpy as np

from mesos_service.core.allocation.entries import Client
from mesos_service.core.allocation.tree import Entry, Node


class Group:
    """Siblings. ``below`` is by their place by name: the number of a client, or the complement of that of a group."""

    __slots__ = ("below", "nodes", "owner", "standing")

    def __init__(self, parent: Node, owner: tuple[int, int] | None) -> None:
        self.owner = owner
        """The group above, and the place there; none at the top."""
        # A cluster with one client only: it competes with nobody, and stands there alone.
        entries: list[Entry] = parent.order if parent.children else [(0.0, parent.served, parent.name, parent)]
        by_name = sorted(entries, key=lambda entry: entry[2])
        names = {entry[2]: place for place, entry in enumerate(by_name)}
        self.nodes = [entry[3] for entry in by_name]
        self.standing = [(entry[0], entry[1], names[entry[2]]) for entry in entries]
        """Share, times served, and place by name, in the order of these."""
        self.below = np.zeros(len(entries), np.int32)


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
