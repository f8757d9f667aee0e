"""Roles in use: those with frameworks, weights, quota, allocations or reservations, and their ancestors (M-AL-06).

A role's amounts are those of its whole subtree, its frameworks are its own (Mesos docs, "Hierarchical roles").
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Generator, Mapping
from dataclasses import dataclass, field

from mesos_service.core.allocation.quota import top_of
from mesos_service.core.master.state import MasterState
from mesos_service.domain.ids import FrameworkId, Role
from mesos_service.domain.resource import Resource
from mesos_service.domain.resources import Resources
from mesos_service.domain.roles import ancestors

Milli = dict[str, int]


@dataclass(slots=True)
class RoleUse:
    """Amounts are scalars in thousandths, by name."""

    weight: float
    frameworks: list[FrameworkId] = field(default_factory=list)
    allocated: Milli = field(default_factory=dict)
    offered: Milli = field(default_factory=dict)
    reserved: Milli = field(default_factory=dict)
    uncounted: Milli = field(default_factory=dict)
    """The part of ``allocated`` that no quota counts: it is also in ``reserved``, or may be revoked (X37)."""

    def resources(self) -> Milli:
        """Allocated and offered."""
        return _added(self.allocated, self.offered)

    def consumed(self) -> Milli:
        """What counts against a quota: reserved, or allocated though not reserved (X36); no zeros."""
        counted = _added(self.reserved, self.allocated, minus=self.uncounted)
        return {name: milli for name, milli in counted.items() if milli}


def roles_in_use(state: MasterState) -> Mapping[str, RoleUse]:
    """By name, sorted. Linear in agents and offers."""
    steps = count_roles(state)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            uses: Mapping[str, RoleUse] = done.value
            return uses


def count_roles(state: MasterState) -> Generator[None, None, Mapping[str, RoleUse]]:
    """:func:`roles_in_use` in steps, of an agent, an offer or a role each, for who lets others have a turn in between.

    It is of the moment of the first step.
    """
    totals = [agent.total for agent in state.agents.values()]
    holdings = [resources for agent in state.agents.values() for resources in agent.used.values()]
    offers = [offer.resources for offer in state.offers.values()]
    weights, quotas = dict(state.weights), tuple(state.quotas)
    frameworks: defaultdict[str, list[FrameworkId]] = defaultdict(list)
    for framework in state.frameworks.values():
        for role in framework.info.roles:
            frameworks[role].append(framework.framework_id)
    yield
    allocated: defaultdict[str, Milli] = defaultdict(dict)
    offered: defaultdict[str, Milli] = defaultdict(dict)
    reserved: defaultdict[str, Milli] = defaultdict(dict)
    uncounted: defaultdict[str, Milli] = defaultdict(dict)
    for total in totals:
        for item in total:
            if item.key.reservations:
                _count(reserved[item.key.role], item)
        yield
    for used in holdings:
        _count_allocations(allocated, uncounted, used.shared_once())
        yield
    for resources in offers:
        _count_allocations(offered, None, resources)
        yield
    named = {*weights, *quotas, *frameworks, *allocated, *offered, *reserved}
    uses = {
        role: RoleUse(weight=weights.get(Role(role), 1.0), frameworks=frameworks.get(role, []))
        for role in sorted(named.union(*map(ancestors, named)))
    }
    for own in named:
        for above in (str(own), *ancestors(own)):
            use = uses[above]
            for amounts, found in (
                (use.allocated, allocated),
                (use.offered, offered),
                (use.reserved, reserved),
                (use.uncounted, uncounted),
            ):
                _add(amounts, found.get(own, {}))
        yield
    return uses


def uses_of(state: MasterState, tops: Collection[Role]) -> Mapping[Role, RoleUse]:
    """Of these top-level roles; linear in agents, offers, frameworks and these, however many others there are."""
    uses = {role: RoleUse(weight=state.weights.get(role, 1.0)) for role in tops}
    for framework in state.frameworks.values():
        for role in framework.info.roles:
            if role in uses:
                uses[role].frameworks.append(framework.framework_id)
    for agent in state.agents.values():
        for item in agent.total:
            use = uses.get(top_of(item.key.role)) if item.key.reservations else None
            if use is not None:
                _count(use.reserved, item)
        for used in agent.used.values():
            for item in used.shared_once():
                use = uses.get(_holder(item))
                if use is not None:
                    _count(use.allocated, item)
                    if item.key.reservations or item.key.revocable:
                        _count(use.uncounted, item)
    for offer in state.offers.values():
        use = uses.get(top_of(offer.role))
        if use is not None:
            for item in offer.resources:
                _count(use.offered, item)
    return uses


def _holder(item: Resource) -> Role:
    role = item.key.allocation_role
    assert role is not None, "what is used or offered is allocated to a role (X48)"
    return top_of(role)


def has_roles(state: MasterState) -> bool:
    """Whether any role is in use."""
    return bool(
        state.weights
        or state.quotas
        or state.offers
        or any(framework.info.roles for framework in state.frameworks.values())
        or any(agent.used or agent.total.reserved() for agent in state.agents.values())
    )


def _count_allocations(
    by_role: Mapping[str, Milli], uncounted_by_role: Mapping[str, Milli] | None, resources: Resources
) -> None:
    for item in resources:
        role = item.key.allocation_role
        assert role is not None, "what is used or offered is allocated to a role (X48)"
        _count(by_role[role], item)
        if uncounted_by_role is not None and (item.key.reservations or item.key.revocable):
            _count(uncounted_by_role[role], item)


def _count(amounts: Milli, item: Resource) -> None:
    if isinstance(item.value, int):
        amounts[item.key.name] = amounts.get(item.key.name, 0) + item.value


def _add(amounts: Milli, more: Mapping[str, int]) -> None:
    for name, milli in more.items():
        amounts[name] = amounts.get(name, 0) + milli


def _added(*parts: Mapping[str, int], minus: Mapping[str, int] | None = None) -> Milli:
    amounts: Milli = {}
    for part in parts:
        _add(amounts, part)
    for name, milli in (minus or {}).items():
        amounts[name] = amounts.get(name, 0) - milli
    return amounts
