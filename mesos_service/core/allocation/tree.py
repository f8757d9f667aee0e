"""The nodes of the tree of roles and frameworks that :mod:`~mesos_service.core.allocation.sorter` keeps in order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import truediv
from typing import Final

from mesos_service.core.allocation.drf import Amounts, dominant_share

VIRTUAL_LEAF: Final = "."

Entry = tuple[float, int, str, "Node"]
"""Share, times served, name; the name is unique among siblings, so that nodes are never compared."""


class Node:
    """A role, a virtual leaf, or (as :class:`Leaf`) a client."""

    __slots__ = (
        "amounts",
        "children",
        "entry",
        "mask",
        "name",
        "order",
        "parent",
        "served",
        "stale",
        "stale_children",
        "standing",
        "standing_children",
        "unsettled",
        "weight",
    )

    def __init__(self, name: str, parent: Node | None, width: int, weight: float = 1.0) -> None:
        self.name = name
        self.parent = parent
        self.weight = weight
        self.amounts: Amounts = [0] * width
        self.served = 0
        """How many times something was allocated here; it never falls (X31)."""
        self.children: dict[str, Node] = {}
        self.mask = 0
        """Bits of the active clients at or below this node."""
        self.standing = False
        """Whether there is any such client, and this node hence takes part in its parent's order."""
        self.standing_children = 0
        self.order: list[Entry] = []
        """Standing children as of the last settling."""
        self.entry: Entry | None = None
        """As what this node stands in its parent's order now."""
        self.stale = False
        """Whether this node is in its parent's ``stale_children``: its entry is to be renewed."""
        self.stale_children: list[Node] = []
        self.unsettled = False
        """Whether the sorter has this node on its list of parents to settle."""


class Leaf(Node):
    """A client: one framework in one role. ``bit`` is its bit in masks, for as long as it does not change."""

    __slots__ = ("bit", "contested", "contested_at")

    def __init__(self, name: str) -> None:
        super().__init__(name, None, 0)
        self.bit = 0
        self.contested: tuple[tuple[Node, Node], ...] = ()
        """The nodes from here upwards that have standing siblings, and hence need a key; each with its parent."""
        self.contested_at = -1
        """Which state of the tree ``contested`` was found in."""


def entry_of(node: Node, totals: Sequence[int]) -> Entry:
    """As what ``node`` stands among its siblings, worked out from its account."""
    return dominant_share(node.amounts, totals, node.weight), node.served, node.name, node


def renew(nodes: Iterable[Node], totals: Amounts) -> None:
    """Each of many nodes has the :func:`entry_of` its account, or none where it does not stand."""
    all_count = bool(totals) and 0 not in totals
    for node in nodes:
        node.stale = False
        if not node.standing:
            node.entry = None
        elif all_count and node.weight == 1.0:
            # As :func:`dominant_share`, which would ask each time whether all resources count.
            node.entry = max(map(truediv, node.amounts, totals)), node.served, node.name, node
        else:
            node.entry = entry_of(node, totals)


def path_of(client: Leaf) -> list[Entry]:
    """The entries from the top down to ``client``: comparing two such lists compares the clients' places."""
    entries: list[Entry] = []
    node: Node = client
    while node.parent is not None:
        assert node.entry is not None, "the order is settled"
        entries.append(node.entry)
        node = node.parent
    entries.reverse()
    return entries
