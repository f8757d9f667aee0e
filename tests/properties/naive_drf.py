"""Hierarchical DRF written down as slowly and plainly as possible (DRF paper, section 4; X27-X38): the oracle.

Nothing is remembered that can be worked out: shares, orders and what is free are computed anew each time they are
asked for, shares as fractions that are rounded once. Only the order of agents within a pass is taken from the real
thing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial

from mesos_service.core.allocation.shuffle import place, second
from mesos_service.domain.resources import Resource, Resources

Given = tuple[str, str, str, Resources]
"""Framework, role, agent, and resources without allocation role."""

Said = list[Given]
"""Grants, in order."""


@dataclass
class NaiveFramework:
    roles: set[str]
    suppressed: set[str] = field(default_factory=set)
    active: bool = True
    capabilities: frozenset[str] = frozenset()


@dataclass
class NaiveAgent:
    number: int
    total: Resources
    active: bool = True


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

    guarantees: dict[str, int]
    limits: dict[str, int]


@dataclass
class Naive:
    minimum: Mapping[str, int]
    frameworks: dict[str, NaiveFramework] = field(default_factory=dict)
    agents: dict[str, NaiveAgent] = field(default_factory=dict)
    held: dict[tuple[str, str, str], Resources] = field(default_factory=dict)
    """By framework, role and agent; without allocation role."""
    filters: list[NaiveFilter] = field(default_factory=list)
    weights: dict[str, float] = field(default_factory=dict)
    quotas: dict[str, NaiveQuota] = field(default_factory=dict)
    served: dict[str, int] = field(default_factory=dict)
    """Times served, by place in the tree: ``a``, ``a/.`` (the virtual leaf of a) or ``a/. f`` (framework f there)."""

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
        """A place in the tree is forgotten, with its counter, as soon as nobody is there."""
        alive = {where for framework, role in self.clients() for where in self.places(framework, role)}
        self.served = {where: count for where, count in self.served.items() if where in alive}

    def hold(self, framework: str, role: str, agent: str, resources: Resources) -> None:
        key = (framework, role, agent)
        self.held[key] = self.held.get(key, Resources.EMPTY) + resources

    def release(self, framework: str, role: str, agent: str, resources: Resources) -> None:
        key = (framework, role, agent)
        self.held[key] = self.held[key] - resources
        if not self.held[key]:
            del self.held[key]

    def free(self, agent: str) -> Resources:
        rest = self.agents[agent].total
        for (_, _, where), held in self.held.items():
            if where == agent:
                rest = rest - held
        return rest

    def total(self, name: str) -> int:
        return sum(agent.total.scalar(name) for agent in self.agents.values())

    def key(self, where: str) -> tuple[float, int]:
        """Weighted dominant share and times served of one place in the tree.

        The share is exact until it is rounded, once: no float is 1.1, so that shares which a weight of 1.1 makes equal
        on paper are not quite equal as fractions.
        """
        share = Fraction(0)
        for resource in ("cpus", "mem", "disk", "gpus"):
            total = self.total(resource)
            amount = sum(
                held.scalar(resource)
                for (framework, role, _), held in self.held.items()
                if framework in self.frameworks and where in self.places(framework, role)
            )
            if total:
                share = max(share, Fraction(amount, total))
        return float(share / Fraction(self.weights.get(where, 1.0))), self.served.get(where, 0)

    def order(self) -> list[tuple[str, str]]:
        active = [
            (name, role)
            for name, role in self.clients()
            if self.frameworks[name].active
            and role in self.frameworks[name].roles
            and role not in self.frameworks[name].suppressed
        ]
        keys: dict[str, tuple[float, int]] = {}

        def rank(client: tuple[str, str]) -> list[tuple[float, int, str]]:
            path: list[tuple[float, int, str]] = []
            for where in self.places(*client):
                if where not in keys:
                    keys[where] = self.key(where)
                path.append((*keys[where], where.rsplit("/", 1)[-1].removeprefix(". ")))
            return path

        return sorted(active, key=rank)

    def refuses_size(self, offer: Resources) -> bool:
        return not offer or any(offer.scalar(name) < amount for name, amount in self.minimum.items())

    def refuses(self, framework: str, role: str, agent: str, offer: Resources) -> bool:
        return self.refuses_size(offer) or any(
            (one.framework, one.role, one.agent) == (framework, role, agent) and one.refused.contains(offer)
            for one in self.filters
        )

    # -- quota -----------------------------------------------------------------------------------------------
    def consumed(self, role: str) -> dict[str, int]:
        """What is reserved to the role or below it, and what is held there of the unreserved (X36)."""
        sums: dict[str, int] = {}
        for agent in self.agents.values():
            for resource in agent.total:
                if resource.key.reservations and is_in(resource.role, role):
                    add(sums, resource)
        for (framework, holder, _), held in self.held.items():
            if framework in self.frameworks and is_in(holder, role):
                for resource in held:
                    if counts(resource):
                        add(sums, resource)
        return sums

    def required(self, consumed: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
        """The head-room: guarantees that are not consumed yet."""
        sums: dict[str, int] = {}
        for role, quota in self.quotas.items():
            for name, amount in quota.guarantees.items():
                missing = amount - consumed[role].get(name, 0)
                if missing > 0:
                    sums[name] = sums.get(name, 0) + missing
        return sums

    def available(self) -> dict[str, int]:
        sums: dict[str, int] = {}
        for name in self.agents:
            for resource in self.free(name):
                if counts(resource):
                    add(sums, resource)
        return sums

    def cut(self, offer: Resources, *limits: Mapping[str, int]) -> Resources:
        """``offer`` with its countable scalars cut to every one of ``limits`` that names them."""
        kept = []
        for resource in offer:
            if counts(resource):
                assert isinstance(resource.value, int)
                amount = min(resource.value, *(limit.get(resource.name, resource.value) for limit in limits))
                if amount > 0:
                    kept.append(Resource(resource.key, amount))
            else:
                kept.append(resource)
        return Resources.of(kept)

    # -- passes ----------------------------------------------------------------------------------------------
    def may_have(self, framework: str, role: str, agent: str) -> Resources:
        """What gates leave of what is free, before quota and filters."""
        offer = self.free(agent).allocatable_to(role)
        capabilities = self.frameworks[framework].capabilities
        if self.agents[agent].total.scalar("gpus") and "GPU_RESOURCES" not in capabilities:
            return Resources.EMPTY
        if "REVOCABLE_RESOURCES" not in capabilities:
            offer = offer.non_revocable()
        return offer

    def allocate(self, now: float, seed: int, agents: set[str] | None) -> Said:
        self.filters = [one for one in self.filters if one.until is None or one.until >= now]
        if agents is None:
            self.filters = [one for one in self.filters if one.until is not None]
        names = [name for name, one in self.agents.items() if one.active and (agents is None or name in agents)]
        order = sorted(names, key=lambda name: place(seed, self.agents[name].number))
        if not self.quotas:
            return self._second_stage(order, {})
        consumed = {role: self.consumed(role) for role in self.quotas}
        grants = self._first_stage(order, consumed)
        order = sorted(names, key=lambda name: place(second(seed), self.agents[name].number))
        return merged([*grants, *self._second_stage(order, consumed)])

    def _grant(self, framework: str, role: str, agent: str, offer: Resources) -> Given:
        self.hold(framework, role, agent, offer)
        self.serve(framework, role)
        return (framework, role, agent, offer)

    def _first_stage(self, order: list[str], consumed: dict[str, dict[str, int]]) -> list[Given]:
        grants: list[Given] = []
        for name in order:
            for framework, role in self.order():
                if role not in self.quotas:
                    continue
                free = self.may_have(framework, role, name)
                if self.refuses_size(free):
                    continue
                quota, mine = self.quotas[role], consumed[role]
                missing = {
                    resource: amount - mine.get(resource, 0)
                    for resource, amount in quota.guarantees.items()
                    if amount > mine.get(resource, 0)
                }
                scalars = free.filter(counts)
                towards = self.cut(scalars.filter(partial(_is_named, missing)), missing)
                if not towards:
                    continue
                progress = towards.quantities()
                left = {n: most - mine.get(n, 0) - progress.get(n, 0) for n, most in quota.limits.items()}
                required, available = self.required(consumed), self.available()
                surplus = {n: available.get(n, 0) - amount for n, amount in required.items()}
                more = self.cut(scalars - towards, left, surplus)
                others = free.filter(lambda one: not counts(one)).filter(partial(_is_open_to, role))
                offer = towards + more + others
                if not self.refuses(framework, role, name, offer):
                    grants.append(self._grant(framework, role, name, offer))
                    for resource in towards + more:
                        add(mine, resource)
        return grants

    def _second_stage(self, order: list[str], consumed: dict[str, dict[str, int]]) -> list[Given]:
        grants: list[Given] = []
        required = self.required(consumed) if self.quotas else {}
        for name in order:
            for framework, role in self.order():
                free = self.may_have(framework, role, name)
                if self.refuses_size(free):
                    continue
                available = self.available()
                surplus = {n: available.get(n, 0) - amount for n, amount in required.items()}
                left: dict[str, int] = {}
                if role in self.quotas:
                    limits = self.quotas[role].limits
                    left = {n: most - consumed[role].get(n, 0) for n, most in limits.items()}
                offer = self.cut(free, left, surplus)
                if not self.refuses(framework, role, name, offer):
                    grants.append(self._grant(framework, role, name, offer))
                    if role in self.quotas:
                        for resource in offer.filter(counts):
                            add(consumed[role], resource)
        return grants


def counts(resource: Resource) -> bool:
    """Whether quota counts it."""
    return resource.is_scalar and not resource.key.reservations and not resource.key.revocable


def _is_named(names: Mapping[str, int], resource: Resource) -> bool:
    return resource.name in names


def _is_open_to(role: str, resource: Resource) -> bool:
    return not resource.key.reservations or resource.role == role


def add(sums: dict[str, int], resource: Resource) -> None:
    if isinstance(resource.value, int):
        sums[resource.name] = sums.get(resource.name, 0) + resource.value


def is_in(role: str, top: str) -> bool:
    return role == top or role.startswith(top + "/")


def merged(grants: list[Given]) -> list[Given]:
    """What one was granted on one agent in both stages is one offer."""
    sums: dict[tuple[str, str, str], Resources] = {}
    for framework, role, agent, resources in grants:
        key = (framework, role, agent)
        sums[key] = sums.get(key, Resources.EMPTY) + resources
    return [(*key, resources) for key, resources in sums.items()]


def text_of(resources: Resources) -> str:
    return "; ".join(sorted(map(str, resources.unallocated())))
