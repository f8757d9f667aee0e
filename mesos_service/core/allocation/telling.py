"""Tells an observer, when a pass is over, why whom it listens for was not offered what was free (N01).

A pass does not stop to explain itself: it would be slow for everybody. What was free on each agent before it is written
down, and after it the same gates are asked once more for the few that somebody listens for, with the quota as the pass
left it. Of those that no gate kept away, somebody else was served first: the grants are gone through in order,
with all shares as they were, to say what put him ahead. The answer is that of the pass which decided, and an observer
changes no decision.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from mesos_service.core.allocation import reasons
from mesos_service.core.allocation.clients import Client
from mesos_service.core.allocation.drf import dominant_share
from mesos_service.core.allocation.entries import AgentBook
from mesos_service.core.allocation.ledger import Ledger
from mesos_service.core.allocation.quota import Sizing
from mesos_service.core.allocation.tree import VIRTUAL_LEAF, Node
from mesos_service.domain.errors import InvariantBroken
from mesos_service.domain.ids import AgentId, FrameworkId
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import Grant, Observer
from mesos_service.plugins.verdict import Remedy, Veto

WhyNot = Callable[[Client, AgentBook], Veto | None]
"""A policy's own "no" to a client on an agent, asked before the common gates."""

Stage = tuple[int, str]
"""From which grant on, and by what they were decided: guarantees, requests, shares, lots, or an order of a module's."""


class Teller:
    """One pass as one observer hears of it. Made before the pass, when the sorter can be settled."""

    def __init__(self, ledger: Ledger, observer: Observer) -> None:
        self._ledger = ledger
        self._observer = observer
        self._wanted = observer.frameworks
        # An observer of somebody else's may be from before there was this.
        self._of_agents = frozenset(getattr(observer, "agents", ()))
        self._open: list[tuple[AgentBook, Resources]] = []
        self._everybody: list[Client] = []
        self._clients: list[Client] = []
        self._levels: Sequence[int] = ()
        self._amounts: dict[Node, list[int]] = {}

    def tell_all(self, veto: Veto) -> None:
        """Nobody is offered anything, for one reason."""
        for client in self._ledger.clients():
            if self._hears(client.framework_id):
                self._observer.refused(client.framework_id, client.role, None, veto)

    def begin(self, agents: Collection[AgentId]) -> None:
        """The pass is about to begin, over ``agents``: tell who is out of it, and write down what is free."""
        ledger = self._ledger
        for framework_id, framework in ledger.frameworks.items():
            for role in sorted(framework.view.roles):
                if not self._hears(framework_id):
                    continue
                if not framework.active:
                    self._observer.refused(framework_id, role, None, reasons.framework_inactive())
                elif role in framework.suppressed:
                    self._observer.refused(framework_id, role, None, reasons.role_suppressed(role))
        self._everybody = [one for one in ledger.clients() if one.standing]
        self._clients = [one for one in self._everybody if self._wanted is None or one.framework_id in self._wanted]
        for agent in ledger.books_of(agents):
            clients = self._heard_on(agent.agent_id)
            if not clients:
                continue
            if agent.is_open:
                self._open.append((agent, agent.free))
                continue
            veto = why_closed(agent)
            for client in clients:
                self._observer.refused(client.framework_id, client.role, agent.agent_id, veto)
        ledger.sorter.settle()
        for client in ledger.clients():
            node: Node | None = client
            while node is not None and node not in self._amounts:
                self._amounts[node] = list(node.amounts)
                node = node.parent

    def end(
        self,
        grants: Sequence[Grant],
        stages: Sequence[Stage],
        sizing: Sizing | None,
        why_not: WhyNot | None,
        levels: Sequence[int],
    ) -> None:
        """The pass is over: tell everybody of every agent that he was not offered any of."""
        self._levels = levels
        if sizing is not None:
            sizing.ask_anew()
        granted: dict[AgentId, list[Grant]] = {}
        for grant in grants:
            granted.setdefault(grant.agent_id, []).append(grant)
        behind: dict[AgentId, list[Client]] = {}
        for agent, free in self._open:
            there = granted.get(agent.agent_id, ())
            for client in self._heard_on(agent.agent_id):
                if any(one.framework_id == client.framework_id and one.role == client.role for one in there):
                    continue
                veto = (why_not(client, agent) if why_not is not None else None) or self._gate(
                    agent, free, client, sizing
                )
                if veto is None and there:
                    behind.setdefault(agent.agent_id, []).append(client)
                else:
                    self._refuse(client, agent.agent_id, veto or reasons.pass_full(len(grants)))
        self._tell_who_was_first(grants, stages, behind)

    # -- gates -----------------------------------------------------------------------------------------------
    def _gate(self, agent: AgentBook, free: Resources, client: Client, sizing: Sizing | None) -> Veto | None:
        """The first gate in order (X29b) that keeps ``client`` from what was ``free``."""
        ledger = self._ledger
        if agent.barred & client.bit:
            return ledger.standing.why(client, agent)
        shape = ledger.shapes.shape_of(agent.traits, free)
        prepared = ledger.shapes.prepared(shape, client)
        if prepared.blocked is None and sizing is not None:
            prepared = sizing.sized(shape, client, prepared)
        if prepared.blocked is not None:
            return prepared.veto()
        refusal = ledger.filters.blocking(client.serial, agent.index, prepared.offer)
        return None if refusal is None else reasons.refusal_filter(client.role, refusal.refused, refusal.expires)

    # -- whose turn it was -----------------------------------------------------------------------------------
    def _tell_who_was_first(
        self, grants: Sequence[Grant], stages: Sequence[Stage], behind: Mapping[AgentId, Sequence[Client]]
    ) -> None:
        """Go through the grants in order, as of each with the shares that everybody had then."""
        told: set[AgentId] = set()
        ahead = list(stages)
        stage = "shares"
        for number, grant in enumerate(grants):
            while ahead and ahead[0][0] <= number:
                stage = ahead.pop(0)[1]
            framework = self._ledger.frameworks[grant.framework_id]
            winner = framework.clients[grant.role]
            if grant.agent_id not in told:
                told.add(grant.agent_id)
                for client in behind.get(grant.agent_id, ()):
                    self._refuse(client, grant.agent_id, self._why_first(winner, client, stage))
            vector = self._ledger.scale.vector_of(grant.resources.quantities())
            node: Node | None = winner
            while node is not None:
                amounts = self._amounts[node]
                for position, amount in vector:
                    amounts[position] += amount
                node = node.parent

    def _why_first(self, winner: Client, client: Client, stage: str) -> Veto:
        who = winner.framework_id
        if stage == "guarantees":
            return reasons.guarantees_first(who, winner.role)
        if stage == "lots":
            return reasons.others_first(who, "Lots are drawn, by weight.")
        if stage == "order":
            return reasons.others_first(who, "The allocator asks in an order of its own.")
        level, own = self._level(winner), self._level(client)
        if level != own and winner.aged:
            return reasons.others_first(who, "It has waited for offers for too long, and comes first until it has one.")
        if level != own:
            how = f"Role '{winner.role}' has a higher priority than '{client.role}'."
            return reasons.others_first(who, how)
        left, right = _parting(winner, client)
        share, mine = self._share(left), self._share(right)
        names = f"{_name(left)} held {share:.4g} of its dominant resource and {_name(right)} {mine:.4g}"
        how = f"{names}{', weights counted' if left.weight != 1 or right.weight != 1 else ''}"
        if share == mine:
            return reasons.others_first(who, f"{how}; of equals, who was offered things less often is first.")
        remedies: tuple[Remedy, ...] = ()
        if share > 0 and right.children and right.name != VIRTUAL_LEAF:
            # One part in a hundred more than what makes the two equal: rounding must not undo it.
            remedies = (reasons.raise_weight(_role(right), float(f"{mine * right.weight / share * 1.01:.4g}")),)
        return reasons.others_first(who, how + ".", remedies)

    def _share(self, node: Node) -> float:
        return dominant_share(self._amounts[node], self._ledger.scale.totals, node.weight)

    def _level(self, client: Client) -> int:
        return next((place for place, bits in enumerate(self._levels) if bits & client.bit), -1)

    # -- within ----------------------------------------------------------------------------------------------
    def _hears(self, framework_id: FrameworkId) -> bool:
        """Whether it is told what keeps the framework from the whole cluster."""
        return self._wanted is None or bool(self._of_agents) or framework_id in self._wanted

    def _heard_on(self, agent_id: AgentId) -> Sequence[Client]:
        return self._everybody if agent_id in self._of_agents else self._clients

    def _refuse(self, client: Client, agent_id: AgentId, veto: Veto) -> None:
        self._observer.refused(client.framework_id, client.role, agent_id, veto)


def why_closed(agent: AgentBook) -> Veto:
    """Why nothing of ``agent`` can be offered to anybody."""
    if not agent.active:
        return reasons.agent_inactive()
    if not agent.whitelisted:
        return reasons.agent_not_whitelisted(agent.view.hostname)
    return reasons.nothing_free(agent.offered, agent.allocated)


def _parting(one: Client, other: Client) -> tuple[Node, Node]:
    """The siblings of the tree below which ``one`` and ``other`` stand: comparing them decides who is first."""
    for left, right in zip(_path(one), _path(other), strict=False):
        if left is not right:
            return left, right
    raise InvariantBroken(f"{one.framework_id} stands ahead of itself")


def _path(client: Client) -> list[Node]:
    """From the top of the tree down to ``client``, without the root."""
    path: list[Node] = []
    node: Node = client
    while node.parent is not None:
        path.append(node)
        node = node.parent
    path.reverse()
    return path


def _name(node: Node) -> str:
    if not node.children:
        return f"framework {node.name}"
    if node.name == VIRTUAL_LEAF and node.parent is not None:
        return f"role '{_role(node.parent)}' itself"
    return f"role '{_role(node)}'"


def _role(node: Node) -> str:
    names: list[str] = []
    at: Node = node
    while at.parent is not None:
        names.append(at.name)
        at = at.parent
    return "/".join(reversed(names))
