"""Hierarchical DRF written down as slowly and plainly as possible (DRF paper, section 4; X27-X39): the oracle.

Nothing is remembered that can be worked out: shares, orders and what is free are computed anew each time they are
asked for, shares as fractions that are rounded once. Only the order of agents within a pass is taken from the real
thing. Tests hold the allocator to it, and :mod:`~mesos_service.fairness.certificate` the decisions of a run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from math import ceil
from typing import Final

from mesos_service.domain.frameworks import (
    GPU_RESOURCES,
    REGION_AWARE,
    RESERVATION_REFINEMENT,
    REVOCABLE_RESOURCES,
    SHARED_RESOURCES,
)
from mesos_service.domain.resources import Resource, Resources
from mesos_service.domain.roles import counted_weight

Given = tuple[str, str, str, Resources]
"""Framework, role, agent, and resources without allocation role."""

Said = list[Given]
"""Grants, in order."""

Amounts = Mapping[str, int]
"""Thousandths by resource name."""

Minimum = Sequence[Amounts]
"""Alternatives, of which an offer covers one; without any, all that is not empty is large enough."""

SLICED: Final = ("cpus", "mem", "disk")
"""Of which a slice may be kept for short tasks."""

_MASK: Final = (1 << 64) - 1


def place(seed: int, number: int) -> int:
    """Where agent ``number`` stands in the pass that drew ``seed``: splitmix64 of both."""
    mixed = (seed + number * 0x9E3779B97F4A7C15) & _MASK
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB & _MASK
    return mixed ^ (mixed >> 31)


def second(seed: int) -> int:
    """The seed of the second stage's order."""
    return place(seed, _MASK)


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
class Naive:
    """All that a decision depends on, and the decision itself."""

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
        """A place in the tree is forgotten, with its counter, as soon as nobody is there."""
        alive = {where for framework, role in self.clients() for where in self.places(framework, role)}
        self.served = {where: count for where, count in self.served.items() if where in alive}

    def expect(self, count: int, now: float, *, share: float, seconds: float) -> None:
        """A new master knows of ``count`` agents, and waits for ``share`` of them for ``seconds`` at most."""
        self.missing = ceil(count * share)
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

    def refuses_size(self, framework: str, role: str, offer: Resources) -> bool:
        minimum = self.frameworks[framework].minimum.get(role, self.minimum)
        amounts = offer.quantities()
        return not offer or (
            bool(minimum)
            and not any(all(amounts.get(name, 0) >= least for name, least in one.items()) for one in minimum)
        )

    def refuses_kind(self, framework: str, role: str, offer: Resources) -> bool:
        """Whether the framework's own wishes are in the way: how little it takes, and its standing filters."""
        wants = self.frameworks[framework].wants.get(role)
        return self.refuses_size(framework, role, offer) or (wants is not None and not wants(offer))

    def refuses(self, framework: str, role: str, agent: str, offer: Resources) -> bool:
        return self.refuses_kind(framework, role, offer) or any(
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
            for name, amount in unmet(quota, consumed[role]).items():
                sums[name] = sums.get(name, 0) + amount
        return sums

    def available(self) -> dict[str, int]:
        sums: dict[str, int] = {}
        for name in self.agents:
            for resource in self.free(name):
                if counts(resource):
                    add(sums, resource)
        return sums

    def cut(self, offer: Resources, *limits: Mapping[str, int]) -> Resources:
        """``offer`` with its countable scalars cut so that their sums keep every one of ``limits`` that names them.

        What can only be taken whole is, or not at all.
        """
        left: dict[str, int] = {}
        for limit in limits:
            for name, most in limit.items():
                left[name] = min(left.get(name, most), most)
        kept = []
        for resource in offer:
            if not counts(resource):
                kept.append(resource)
                continue
            assert isinstance(resource.value, int)
            amount = min(resource.value, left.get(resource.name, resource.value))
            if amount <= 0 or (resource.key.is_counted and amount < resource.value):
                continue
            if resource.name in left:
                left[resource.name] -= amount
            kept.append(Resource(resource.key, amount))
        return Resources.of(kept)

    # -- passes ----------------------------------------------------------------------------------------------
    def may_have(self, framework: str, role: str, agent: str) -> Resources:
        """What gates leave of what is free, before quota and filters."""
        offer = self.free(agent).allocatable_to(role)
        one, where = self.frameworks[framework], self.agents[agent]
        if (framework, role) in where.barred or self.refuses_kind(framework, role, offer):
            return Resources.EMPTY
        if self.keep_gpus and where.total.scalar("gpus") and GPU_RESOURCES not in one.capabilities:
            return Resources.EMPTY
        if where.remote and REGION_AWARE not in one.capabilities:
            return Resources.EMPTY
        if REVOCABLE_RESOURCES not in one.capabilities:
            offer = offer.non_revocable()
        if SHARED_RESOURCES not in one.capabilities:
            offer = offer.non_shared()
        if RESERVATION_REFINEMENT not in one.capabilities:
            offer = offer.filter(_is_not_refined)
        if self.short_slice and role not in one.short:
            free, kept = self.free(agent), self.kept(agent)
            offer = self.cut(offer, {name: free.filter(counts).scalar(name) - amount for name, amount in kept.items()})
        return Resources.EMPTY if self.refuses_kind(framework, role, offer) else offer

    def kept(self, agent: str) -> dict[str, int]:
        """What of an agent is for short tasks and not held by any (A54)."""
        kept: dict[str, int] = {}
        for resource in self.agents[agent].total:
            if counts(resource) and resource.name in SLICED:
                add(kept, resource)
        kept = {name: int(amount * self.short_slice) for name, amount in kept.items()}
        for (framework, role, where), held in self.held.items():
            if where == agent and framework in self.frameworks and role in self.frameworks[framework].short:
                for resource in held:
                    if counts(resource) and resource.name in kept and isinstance(resource.value, int):
                        kept[resource.name] = max(0, kept[resource.name] - resource.value)
        return kept

    def begin(self, now: float, *, full: bool) -> None:
        """Time has come so far: filters lapse, and a full pass lifts those without an end."""
        self.filters = [one for one in self.filters if one.until is None or one.until >= now]
        if full and not self.waits(now):
            self.filters = [one for one in self.filters if one.until is not None]

    def waits(self, now: float) -> bool:
        """Whether a new master still waits for agents before it offers anything (X39)."""
        return bool(self.quotas) and self.missing > 0 and now < self.waits_until

    def open(self, name: str) -> bool:
        one = self.agents[name]
        return one.active and one.listed and bool(self.free(name))

    def allocate(self, now: float, seed: int, agents: Collection[str] | None, limit: int | None = None) -> Said:
        self.begin(now, full=agents is None)
        if self.waits(now):
            return []
        first = [] if agents is None else [name for name in self.left_out if name in self.agents and self.open(name)]
        names = [
            name
            for name in dict.fromkeys(self.agents if agents is None else agents)
            if name in self.agents and name not in first
        ]
        names = [name for name in names if self.open(name)]
        order = [*first, *sorted(names, key=lambda name: place(seed, self.agents[name].number))]
        grants: Said = []
        consumed = {role: self.consumed(role) for role in self.quotas}
        if self.quotas:
            self._first_stage(order, consumed, grants, limit)
            seed = second(seed)
        order = [*first, *sorted(names, key=lambda name: place(seed, self.agents[name].number))]
        self.left_out = []
        for aged in (True, False) if any(one.aged for one in self.frameworks.values()) else (None,):
            if self._second_stage(order, consumed, grants, limit, aged):
                self.left_out = [name for name in order if self.free(name)]
                break
        return merged(grants)

    def _grant(self, framework: str, role: str, agent: str, offer: Resources) -> Given:
        self.hold(framework, role, agent, offer)
        self.serve(framework, role)
        return (framework, role, agent, offer)

    def towards(self, role: str, free: Resources, consumed: Mapping[str, int]) -> Resources:
        """What of ``free`` brings ``role`` nearer to its guarantee."""
        missing = unmet(self.quotas[role], consumed)
        return self.cut(free.filter(counts).filter(partial(_is_named, missing)), missing)

    def _first_stage(
        self, order: list[str], consumed: dict[str, dict[str, int]], grants: Said, limit: int | None
    ) -> None:
        for name in order:
            if not any(unmet(quota, consumed[role]) for role, quota in self.quotas.items()):
                return
            for framework, role in self.order():
                if role not in self.quotas or len(grants) == limit:
                    continue
                free = self.may_have(framework, role, name)
                if self.refuses_kind(framework, role, free):
                    continue
                quota, mine = self.quotas[role], consumed[role]
                scalars = free.filter(counts)
                towards = self.towards(role, free, mine)
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

    def _second_stage(
        self, order: list[str], consumed: dict[str, dict[str, int]], grants: Said, limit: int | None, aged: bool | None
    ) -> list[str]:
        """The agents that the limit left out; ``aged`` says who is asked, ``None``: all."""
        required = self.required(consumed) if self.quotas else {}
        for position, name in enumerate(order):
            if not self.free(name):
                continue
            if len(grants) == limit:
                return order[position:]
            for framework, role in self.order():
                if len(grants) == limit:
                    break
                if aged is not None and self.frameworks[framework].aged is not aged:
                    continue
                free = self.may_have(framework, role, name)
                if self.refuses_kind(framework, role, free):
                    continue
                offer = self.sized(role, free, consumed, required)
                if not self.refuses(framework, role, name, offer):
                    grants.append(self._grant(framework, role, name, offer))
                    if role in self.quotas:
                        for resource in offer.filter(counts):
                            add(consumed[role], resource)
            if len(grants) == limit and self.free(name):
                return order[position:]
        return []

    def sized(
        self, role: str, free: Resources, consumed: Mapping[str, Mapping[str, int]], required: Mapping[str, int]
    ) -> Resources:
        """``free`` cut to what the limit of ``role`` and the head-room leave."""
        if not self.quotas:
            return free
        available = self.available()
        surplus = {n: available.get(n, 0) - amount for n, amount in required.items()}
        left: dict[str, int] = {}
        if role in self.quotas:
            left = {n: most - consumed[role].get(n, 0) for n, most in self.quotas[role].limits.items()}
        return self.cut(free, left, surplus)


def unmet(quota: NaiveQuota, consumed: Mapping[str, int]) -> dict[str, int]:
    """What of a guarantee is not consumed yet; no zeros."""
    guarantees = quota.guarantees.items()
    return {name: amount - consumed.get(name, 0) for name, amount in guarantees if amount > consumed.get(name, 0)}


def counts(resource: Resource) -> bool:
    """Whether quota counts it."""
    return resource.is_scalar and not resource.key.reservations and not resource.key.revocable


def _is_named(names: Mapping[str, int], resource: Resource) -> bool:
    return resource.name in names


def _is_open_to(role: str, resource: Resource) -> bool:
    return not resource.key.reservations or resource.role == role


def _is_not_refined(resource: Resource) -> bool:
    return len(resource.key.reservations) < 2


def add(sums: dict[str, int], resource: Resource) -> None:
    """Add an amount to ``sums``; what is no amount counts for nothing."""
    if isinstance(resource.value, int):
        sums[resource.name] = sums.get(resource.name, 0) + resource.value


def is_in(role: str, top: str) -> bool:
    return role == top or role.startswith(top + "/")


def top_of(role: str) -> str:
    """The top-level role above ``role``, or itself."""
    return role.partition("/")[0]


def merged(grants: list[Given]) -> list[Given]:
    """What one was granted on one agent in both stages is one offer."""
    sums: dict[tuple[str, str, str], Resources] = {}
    for framework, role, agent, resources in grants:
        key = (framework, role, agent)
        sums[key] = sums.get(key, Resources.EMPTY) + resources
    return [(*key, resources) for key, resources in sums.items()]


def text_of(resources: Resources) -> str:
    return "; ".join(sorted(map(str, resources.unallocated())))
