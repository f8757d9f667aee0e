"""The parts of the stock policies that a module may put others in the place of, each for itself.

Who is asked first among the roles of one level, and who among the frameworks of one role (an :data:`Order`, what Mesos
calls a sorter); how much of what one could have he is offered at once (an :data:`OfferSize`); which tasks end for a
guarantee (a :data:`Revoker`). Books, gates, quota, filters and explanations stay what they are. Parts are pure like the
allocator that has them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mesos_service.core.allocation.drf import Scale
from mesos_service.core.allocation.lots import Lots
from mesos_service.core.allocation.revocation import propose
from mesos_service.core.allocation.tree import VIRTUAL_LEAF, Node
from mesos_service.domain.frameworks import Quantities
from mesos_service.domain.ids import FrameworkId, Role
from mesos_service.domain.resources import Resources
from mesos_service.plugins.revocation import Revocation, Situation


class Sibling(NamedTuple):
    """One of those who compete for an agent: a role among the roles beside it, or a framework in a role."""

    name: str
    """The last part of a role's name, a framework's id, or ``.``: the frameworks of a role itself, beside its
    sub-roles."""
    above: str
    """The role that all of them are in; empty for top-level roles."""
    weight: float
    share: float
    """Its weighted dominant share, offers included."""
    served: int
    """How often it was offered something."""
    held: Quantities
    """Of the cluster's scalars, offers included, thousandths by name."""


Order = Callable[[Sequence[Sibling], Callable[[], float]], Iterable[Sibling]]
"""Those who want an agent, in the order of their shares, to the order in which they are to be asked. Whom it leaves
out is asked after the others, in the order of shares. The second argument draws a number from 0 to 1."""

OfferSize = Callable[[FrameworkId, Role, Resources], Resources]
"""What the framework could be offered of an agent in that role, to the part of it that it is offered. What is left
goes on to the next. Of less than what it gives nothing of, it must give nothing either: a "no" is remembered until more
is free."""

Revoker = Callable[[Situation], Sequence[Revocation]]
"""As :meth:`mesos_service.plugins.allocator.Allocator.revocations`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a policy is made of; by default that of Mesos."""

    role_order: Order | None = None
    """``None``: by the weighted dominant share, or by lot (``--role_sorter``)."""
    framework_order: Order | None = None
    """``None``: by the dominant share, or by lot (``--framework_sorter``)."""
    offer_size: OfferSize | None = None
    """``None``: all of it."""
    revoker: Revoker = propose
    """By default the youngest first, and no more than it takes."""

    @property
    def have_order(self) -> bool:
        return self.role_order is not None or self.framework_order is not None


class Ranked(Lots):
    """Turns as the orders of a module say; where it has none, as without them."""

    __slots__ = ("_parts", "_scale")

    stage = "order"

    def __init__(self, seed: int, roles: bool, frameworks: bool, parts: Parts, scale: Scale) -> None:
        super().__init__(seed, roles, frameworks)
        self._parts = parts
        self._scale = scale

    def of(self, serial: int) -> Ranked:
        return Ranked(self.seed_of(serial), self.roles, self.frameworks, self._parts, self._scale)

    def arranged(self, node: Node, among: list[Node]) -> Iterator[Node]:
        order = self._parts.framework_order if node.name == VIRTUAL_LEAF else self._parts.role_order
        if order is None or len(among) < 2:
            yield from super().arranged(node, among)
            return
        left = {child.name: child for child in among}
        first: list[Node] = []
        for sibling in order([self._sibling(node, child) for child in among], self.chance):
            child = left.pop(sibling.name, None)
            if child is None:
                raise ValueError(f"an order names '{sibling.name}', who does not ask, or whom it has named already")
            first.append(child)
        yield from first
        yield from left.values()

    def _sibling(self, node: Node, child: Node) -> Sibling:
        assert child.entry is not None, "the order is settled"
        share, served, name, _ = child.entry
        amounts = zip(self._scale.names(), child.amounts, strict=True)
        held = {resource: amount for resource, amount in amounts if amount}
        return Sibling(name, _path(node), child.weight, share, served, held)


def _path(node: Node) -> str:
    """The role that a node is, or belongs to."""
    names: list[str] = []
    at: Node | None = node
    while at is not None and at.parent is not None:
        if at.name != VIRTUAL_LEAF:
            names.append(at.name)
        at = at.parent
    return "/".join(reversed(names))
