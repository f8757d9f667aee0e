"""A cluster as the definition of DRF sees it: who holds what, what of each agent is free, and who comes first.

Nothing is remembered that can be worked out; see :mod:`~mesos_service.fairness.definition`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil

from mesos_service.domain.resources import Resource, Resources
from mesos_service.domain.roles import counted_weight

Amounts = Mapping[str, int]
"""Thousandths by resource name."""

Minimum = Sequence[Amounts]
"""Alternatives, of which an offer covers one; without any, all that is not empty is large enough."""


@dataclass
class NaiveFramework:
    roles: set[str]
    suppressed: set[str] = field(default_factory=set)
    active: bool = True
    capabilities: frozenset[str] = frozenset()
    minimum: Mapping[str, Minimum] = field(default_factory=dict)
    """By role, where it asks for another one than the cluster's."""
    wants: Mapping[str, Callable[[Resources], bool]] = field(default_factory=dict)
    """By role, what its standing filters say of what is free."""
    aged: bool = False
    """Whether it comes before all who are not (N08)."""
    short: frozenset[str] = frozenset()
    """Roles in which all its tasks are short."""


@dataclass
class NaiveAgent:
    number: int
    total: Resources
    active: bool = True
    remote: bool = False
    """In another region than the master."""
    listed: bool = True
    """On the whitelist."""
    barred: frozenset[tuple[str, str]] = frozenset()
    """Framework and role of those whose standing filters do not want it."""


@dataclass
class NaiveFilter:
    framework: str
    role: str
    agent: str
    refused: Resources
    until: float | None


@dataclass
class NaiveQuota:
    """Thousandths by name."""

    guarantees: Mapping[str, int]
    limits: Mapping[str, int]


@dataclass
class NaiveCluster:
    """All that a decision depends on."""

    minimum: Minimum
    frameworks: dict[str, NaiveFramework] = field(default_factory=dict)
    agents: dict[str, NaiveAgent] = field(default_factory=dict)
    held: dict[tuple[str, str, str], Resources] = field(default_factory=dict)
    """By framework, role and agent; without allocation role."""
    copies: dict[tuple[str, str, str], Resources] = field(default_factory=dict)
    """What of ``held`` is used of shared volumes: the volumes themselves are free unless they are offered (X45)."""
    filters: list[NaiveFilter] = field(default_factory=list)
    weights: dict[str, float] = field(default_factory=dict)
    quotas: dict[str, NaiveQuota] = field(default_factory=dict)
    served: dict[str, int] = field(default_factory=dict)
    """Times served, by place in the tree: ``a``, ``a/.`` (the virtual leaf of a) or ``a/. f`` (framework f there)."""
    excluded: frozenset[str] = frozenset()
    """Resources that count for nobody's share."""
    short_slice: float = 0.0
    """The share of each agent that is kept for short tasks (A54)."""
    keep_gpus: bool = True
    """Whether agents with gpus are for frameworks that know of them."""
    lifts_unanimous: bool = False
    """Whether an agent that all who may have it refuse is refused by nobody any more (X29)."""
    left_out: list[str] = field(default_factory=list)
    """Agents that a limit left out, which come first in the next pass."""
    missing: int = 0
    """Agents that a new master still waits for where there is quota, until ``waits_until`` at most (X39)."""
    waits_until: float = 0.0

    def places(self, framework: str, role: str) -> list[str]:
        parts = role.split("/")
        roles = ["/".join(parts[: length + 1]) for length in range(len(parts))]
        return [*roles, f"{role}/.", f"{role}/. {framework}"]

    def clients(self) -> list[tuple[str, str]]:
        found = {(name, role) for name, one in self.frameworks.items() for role in one.roles}
        found |= {(name, role) for (name, role, _), held in self.held.items() if name in self.frameworks and held}
        return sorted(found)

    def serve(self, framework: str, role: str) -> None:
        for where in self.places(framework, role):
            self.served[where] = self.served.get(where, 0) + 1

    def forget(self) -> None:
        """A place in the tree is forgotten, with its counter, as soon as nobody is there.

        A role without sub-roles is one with its virtual leaf: both have been served as often.
        """
        alive = {where for framework, role in self.clients() for where in self.places(framework, role)}
        self.served = {where: count for where, count in self.served.items() if where in alive}
        parents = {where.rpartition("/")[0] for where in alive if not where.rpartition("/")[2].startswith(".")}
        for leaf in (where for where in alive if where.endswith("/.")):
            role = leaf.removesuffix("/.")
            if role in self.served and role not in parents:
                self.served[leaf] = self.served[role]

    def expect(self, count: int, now: float, *, share: float, seconds: float) -> None:
        """A new master knows of ``count`` agents, and waits for ``share`` of them for ``seconds`` at most."""
        self.missing = ceil(count * Fraction(repr(share)))
        self.waits_until = now + seconds

    def hold(self, framework: str, role: str, agent: str, resources: Resources) -> None:
        key = (framework, role, agent)
        self.held[key] = self.held.get(key, Resources.EMPTY) + resources

    def release(self, framework: str, role: str, agent: str, resources: Resources) -> None:
        """Raises ``ResourcesError`` where so much is not held."""
        key = (framework, role, agent)
        self.held[key] = self.held.get(key, Resources.EMPTY) - resources
        if not self.held[key]:
            del self.held[key]

    def use(self, framework: str, role: str, agent: str, resources: Resources) -> None:
        """What was held is used from now on; of what is shared, copies are."""
        shared = resources.shared()
        if shared:
            key = (framework, role, agent)
            self.hold(framework, role, agent, shared)
            self.copies[key] = self.copies.get(key, Resources.EMPTY) + shared

    def end_use(self, framework: str, role: str, agent: str, resources: Resources) -> None:
        """It is used no more, and to be released."""
        shared = resources.shared()
        if shared:
            key = (framework, role, agent)
            self.copies[key] = self.copies.get(key, Resources.EMPTY) - shared
            if not self.copies[key]:
                del self.copies[key]

    def free(self, agent: str) -> Resources:
        taken = Resources.EMPTY
        for (framework, role, where), held in self.held.items():
            if where == agent:
                taken = taken + (held - self.copies.get((framework, role, where), Resources.EMPTY))
        return self.agents[agent].total.without(taken)[0]

    def total(self, name: str) -> int:
        return sum(agent.total.scalar(name) for agent in self.agents.values())

    def share(self, where: str) -> Fraction:
        """The dominant share of one place in the tree, before it is weighted."""
        sums: dict[str, int] = {}
        for (framework, role, _), held in self.held.items():
            if framework in self.frameworks and where in self.places(framework, role):
                for name, amount in held.quantities().items():
                    sums[name] = sums.get(name, 0) + amount
        totals = {name: self.total(name) for name in sums.keys() - self.excluded}
        return max((Fraction(sums[name], total) for name, total in totals.items() if total), default=Fraction(0))

    def key(self, where: str) -> tuple[float, int]:
        """Weighted dominant share and times served of one place in the tree.

        The share is exact until it is rounded, once: no float is 1.1, so that shares which a weight of 1.1 makes equal
        on paper are not quite equal as fractions.
        """
        weight = counted_weight(self.weights.get(where, 1.0))
        return float(self.share(where) / Fraction(weight)), self.served.get(where, 0)

    def standing(self) -> list[tuple[str, str]]:
        """Framework and role of those who want offers, in no particular order."""
        return [
            (name, role)
            for name, role in self.clients()
            if self.frameworks[name].active
            and role in self.frameworks[name].roles
            and role not in self.frameworks[name].suppressed
        ]

    def order(self) -> list[tuple[str, str]]:
        keys: dict[str, tuple[float, int]] = {}

        def rank(client: tuple[str, str]) -> list[tuple[float, int, str]]:
            path: list[tuple[float, int, str]] = []
            for where in self.places(*client):
                if where not in keys:
                    keys[where] = self.key(where)
                path.append((*keys[where], where.rsplit("/", 1)[-1].removeprefix(". ")))
            return path

        return sorted(self.standing(), key=rank)


def unmet(quota: NaiveQuota, consumed: Mapping[str, int]) -> dict[str, int]:
    """What of a guarantee is not consumed yet; no zeros."""
    guarantees = quota.guarantees.items()
    return {name: amount - consumed.get(name, 0) for name, amount in guarantees if amount > consumed.get(name, 0)}


def counts(resource: Resource) -> bool:
    """Whether quota counts it."""
    return resource.is_scalar and not resource.key.reservations and not resource.key.revocable


def add(sums: dict[str, int], resource: Resource) -> None:
    """Add an amount to ``sums``; what is no amount counts for nothing."""
    if isinstance(resource.value, int):
        sums[resource.name] = sums.get(resource.name, 0) + resource.value


def is_in(role: str, top: str) -> bool:
    return role == top or role.startswith(top + "/")


def top_of(role: str) -> str:
    """The top-level role above ``role``, or itself."""
    return role.partition("/")[0]


def text_of(resources: Resources) -> str:
    return "; ".join(sorted(map(str, resources.unallocated())))
