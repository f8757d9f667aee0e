"""Roles in use: those with frameworks, weights, quota, allocations or reservations, and their ancestors (M-AL-06).

A role's amounts are those of its whole subtree, its frameworks are its own (Mesos docs, "Hierarchical roles").
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

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
    allocated: defaultdict[str, Milli] = defaultdict(dict)
    offered: defaultdict[str, Milli] = defaultdict(dict)
    reserved: defaultdict[str, Milli] = defaultdict(dict)
    uncounted: defaultdict[str, Milli] = defaultdict(dict)
    for agent in state.agents.values():
        for item in agent.total:
            if item.key.reservations:
                _count(reserved[item.key.role], item)
        for used in agent.used.values():
            _count_allocations(allocated, uncounted, used.shared_once())
    for offer in state.offers.values():
        _count_allocations(offered, None, offer.resources)
    frameworks: defaultdict[str, list[FrameworkId]] = defaultdict(list)
    for framework in state.frameworks.values():
        for role in framework.info.roles:
            frameworks[role].append(framework.framework_id)
    named = {*state.weights, *state.quotas, *frameworks, *allocated, *offered, *reserved}
    uses = {
        role: RoleUse(weight=state.weights.get(Role(role), 1.0), frameworks=frameworks.get(role, []))
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
    return uses


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
