"""The tree of roles and frameworks: who is in it, who may be asked, and what everybody holds (X30, X33-X35).

Inner nodes are roles; a role's own frameworks hang below its *virtual leaf*, a child called ``.`` that competes with
the role's sub-roles (X34); the leaves of the whole tree are clients: one framework in one role. What a client holds
is charged to every node above it. In which order siblings stand is :mod:`~mesos_service.core.allocation.sorter`'s to
say; here is noted whose place may have changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import inf
from operator import add
from typing import Generic, TypeVar

from mesos_service.core.allocation.drf import Amounts, Contest, Counted, Scale, Vector, dominant_share
from mesos_service.core.allocation.tree import VIRTUAL_LEAF, Leaf, Node
from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.ids import Role
from mesos_service.domain.roles import counted_weight

L = TypeVar("L", bound=Leaf)


class RoleTree(Generic[L]):
    """The tree. ``scale`` is shared with whoever counts the agents; tell :meth:`rescale` when it changed."""

    def __init__(self, scale: Scale, weights: Mapping[Role, float]) -> None:
        self._scale = scale
        self._weights: dict[str, float] = {}
        self._set_weights(weights)
        self._root = Node("", None, len(scale))
        self._unsettled: list[Node] = []
        self._rescaled = False
        self._standings = 0
        """How often a node began or ceased to stand."""
        self._full_contest: Contest | None = None
        self._few = 0
        self._counted_at = -1
        self._by_bit: list[L | None] = []
        self._retired = 0
        self._blank_bits: list[int] = []

    # -- clients ---------------------------------------------------------------------------------------------
    def add(self, role: Role, client: L) -> None:
        """Put ``client`` below ``role``, inactive and holding nothing."""
        leaf = self._child(self._role(role), VIRTUAL_LEAF)
        client.parent = leaf
        client.amounts = [0] * len(self._scale)
        leaf.children[client.name] = client
        self.renumber(client)

    def remove(self, client: L) -> None:
        """Take ``client`` out; what it held no longer counts for its role. Roles left empty go with it."""
        self.deactivate(client)
        held = [(position, amount) for position, amount in enumerate(client.amounts) if amount]
        if held:
            self.discharge(client, held)
        self._retire(client)
        node: Node = client
        while node.parent is not None and not node.children:
            del node.parent.children[node.name]
            node = node.parent
        alone = node.children.get(VIRTUAL_LEAF) if len(node.children) == 1 else None
        if alone is not None and alone.served != node.served:
            # As in Mesos, who has a role to himself is it: if it gets sub-roles again, he was served as often as it.
            alone.served = node.served
            if not alone.stale:
                self._note_stale(alone, node)

    def activate(self, client: L) -> None:
        if not client.standing:
            self._set_bit(client, client.bit)

    def deactivate(self, client: L) -> None:
        if client.standing:
            self._clear_bit(client, client.bit)

    def renumber(self, client: L) -> None:
        """Give ``client`` a bit that nobody remembers: what was remembered by the old one is void everywhere."""
        old = client.bit
        self._retire(client)
        if self._blank_bits:
            number = self._blank_bits.pop()
            self._by_bit[number] = client
        else:
            number = len(self._by_bit)
            self._by_bit.append(client)
        client.bit = 1 << number
        if client.standing:
            node: Node | None = client
            while node is not None:
                node.mask = node.mask & ~old | client.bit
                node = node.parent

    @property
    def root(self) -> Node:
        """The top of the tree, which nobody competes with."""
        return self._root

    @property
    def standings(self) -> int:
        """Another number whenever somebody began or ceased to stand."""
        return self._standings

    @property
    def width(self) -> int:
        """How many bits there are, retired ones included."""
        return len(self._by_bit)

    @property
    def retired(self) -> int:
        """Bits that mean nobody any more, but that somebody may still remember."""
        return self._retired

    def reclaim(self) -> int:
        """Use the retired bits again, which are returned: the caller sees to it that nobody remembers them."""
        retired = rest = self._retired
        while rest:
            bit = rest & -rest
            self._blank_bits.append(bit.bit_length() - 1)
            rest ^= bit
        self._retired = 0
        return retired

    def _retire(self, client: L) -> None:
        if client.bit:
            self._by_bit[client.bit.bit_length() - 1] = None
            self._retired |= client.bit

    # -- accounts --------------------------------------------------------------------------------------------
    def charge(self, client: L, vector: Vector) -> None:
        """``client`` was given something: it and all above it hold more, and were served once more (X31)."""
        node: Node = client
        while (parent := node.parent) is not None:
            amounts = node.amounts
            for position, amount in vector:
                amounts[position] += amount
            node.served += 1
            if not node.stale:
                self._note_stale(node, parent)
            node = parent

    def discharge(self, client: L, vector: Vector) -> None:
        """``client`` gave something back."""
        node: Node = client
        while (parent := node.parent) is not None:
            amounts = node.amounts
            for position, amount in vector:
                amounts[position] -= amount
            if not node.stale:
                self._note_stale(node, parent)
            node = parent

    def settle_owed(self, owed: Iterable[tuple[L, Vector, Counted, int]]) -> None:
        """What :meth:`serve` left out: so many grants of a vector to a client, and what of it was counted then.

        A node that competes has been moved already, and lacks only what did not count; the others lack all of it. What
        is owed below a node is summed before the node is looked at, so that each is looked at once.
        """
        width = len(self._scale)
        level: dict[Node, tuple[Amounts, Amounts, int]] = {}
        for client, vector, counted, times in owed:
            missing, done, served = level.get(client) or ([0] * width, [0] * width, 0)
            for position, amount in vector:
                missing[position] += times * amount
            for position, amount, _ in counted:
                done[position] += times * amount
            level[client] = (missing, done, served + times)
        while level:
            above: dict[Node, tuple[Amounts, Amounts, int]] = {}
            for node, (missing, done, served) in level.items():
                parent = node.parent
                if parent is None:
                    continue
                if parent.standing_children > 1:
                    node.amounts = [
                        mine + more - had for mine, more, had in zip(node.amounts, missing, done, strict=True)
                    ]
                else:
                    node.amounts = _sum(node.amounts, missing)
                    node.served += served
                    if not node.stale:
                        self._note_stale(node, parent)
                sums = above.get(parent)
                if sums is None:
                    above[parent] = (missing, done, served)
                else:
                    above[parent] = (_sum(sums[0], missing), _sum(sums[1], done), sums[2] + served)
            level = above

    def charge_many(self, charged: Iterable[tuple[Node, Amounts, int]]) -> None:
        """Each of these nodes holds so much more, and was served so many times more. With a client come those above."""
        for node, amounts, times in charged:
            if times and node.parent is not None:
                node.amounts = _sum(node.amounts, amounts)
                node.served += times
                if not node.stale:
                    self._note_stale(node, node.parent)

    def widen(self) -> None:
        """The scale knows more resource names than before."""
        width = len(self._scale)
        for node in self._nodes():
            node.amounts.extend([0] * (width - len(node.amounts)))

    def rescale(self) -> None:
        """The cluster's totals changed, and every share with them."""
        self._rescaled = True
        self._full_contest = None

    def update_weights(self, weights: Mapping[Role, float]) -> None:
        """Weights belong to paths and outlive their clients (X33). A virtual leaf's weight is always 1.

        Raises :class:`ConfigurationError` for a weight that is no positive number; then nothing changes.
        """
        self._set_weights(weights)
        for path in weights:
            node = self._find(path)
            if node is not None and node.parent is not None:
                node.weight = self._weights[path]
                if not node.stale:
                    self._note_stale(node, node.parent)

    def weight(self, role: Role) -> float:
        return self._weights.get(role, 1.0)

    def share(self, client: L) -> float:
        """The client's own dominant share of the cluster, whatever its role weighs."""
        return dominant_share(client.amounts, self._scale.totals, client.weight)

    def role_share(self, role: Role) -> float:
        """The weighted share of ``role`` and all below it; 0 for a role that nobody is in."""
        node = self._find(role)
        return 0.0 if node is None else dominant_share(node.amounts, self._scale.totals, node.weight)

    def _client(self, bit: int) -> L:
        client = self._by_bit[bit.bit_length() - 1]
        assert client is not None, "a standing client has its bit"
        return client

    # -- the tree --------------------------------------------------------------------------------------------
    def _note_stale(self, node: Node, parent: Node) -> None:
        node.stale = True
        parent.stale_children.append(node)
        if not parent.unsettled:
            parent.unsettled = True
            self._unsettled.append(parent)

    def _set_bit(self, client: L, bit: int) -> None:
        node: Node = client
        node.mask |= bit
        while (parent := node.parent) is not None:
            stood = parent.mask
            parent.mask |= bit
            self._stand(node, parent, True)
            if stood:
                # Everyone above stands already; only the bit is missing there.
                above = parent.parent
                while above is not None:
                    above.mask |= bit
                    above = above.parent
                return
            node = parent

    def _clear_bit(self, client: L, bit: int) -> None:
        node: Node | None = client
        while node is not None:
            node.mask &= ~bit
            if not node.mask and node.parent is not None:
                self._stand(node, node.parent, False)
            node = node.parent

    def _stand(self, node: Node, parent: Node, standing: bool) -> None:
        self._standings += 1
        node.standing = standing
        parent.standing_children += 1 if standing else -1
        if not node.stale:
            self._note_stale(node, parent)
        elif not parent.unsettled:
            parent.unsettled = True
            self._unsettled.append(parent)

    def _set_weights(self, weights: Mapping[Role, float]) -> None:
        for path, weight in weights.items():
            if not 0.0 < weight < inf:
                raise ConfigurationError(f"The weight of role '{path}' must be a positive number, not {weight:g}.")
        for path, weight in weights.items():
            self._weights[path] = counted_weight(float(weight))

    def _role(self, role: Role) -> Node:
        node = self._root
        path = ""
        for segment in role.split("/"):
            path = f"{path}/{segment}" if path else segment
            node = self._child(node, segment, self._weights.get(path, 1.0))
        return node

    def _child(self, parent: Node, name: str, weight: float = 1.0) -> Node:
        child = parent.children.get(name)
        if child is None:
            child = parent.children[name] = Node(name, parent, len(self._scale), weight)
        return child

    def _find(self, role: str) -> Node | None:
        node = self._root
        for segment in role.split("/"):
            found = node.children.get(segment)
            if found is None:
                return None
            node = found
        return node

    def _nodes(self) -> Iterator[Node]:
        waiting = [self._root]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(node.children.values())


def _sum(one: Amounts, other: Amounts) -> Amounts:
    return list(map(add, one, other))
