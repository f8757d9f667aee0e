"""Hierarchical DRF written down as slowly and plainly as possible (DRF paper, section 4; X27-X39): the oracle.

Nothing is remembered that can be worked out: shares, orders and what is free are computed anew each time they are
asked for, shares as fractions that are rounded once. Only the order of agents within a pass is taken from the real
thing. Tests hold the allocator to it, and :mod:`~mesos_service.fairness.certificate` the decisions of a run.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from copy import copy
from functools import partial
from typing import Final

from mesos_service.domain.frameworks import (
    GPU_RESOURCES,
    REGION_AWARE,
    RESERVATION_REFINEMENT,
    REVOCABLE_RESOURCES,
    SHARED_RESOURCES,
)
from mesos_service.domain.resources import Resource, Resources
from mesos_service.fairness.cluster import NaiveCluster, add, counts, is_in, unmet

Given = tuple[str, str, str, Resources]
"""Framework, role, agent, and resources without allocation role."""

Said = list[Given]
"""Grants, in order."""

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


class Naive(NaiveCluster):
    """The decision itself."""

    def copied(self) -> Naive:
        """Whatever a pass changes is another's."""
        made = copy(self)
        made.held, made.served = dict(self.held), dict(self.served)
        made.filters, made.left_out = list(self.filters), list(self.left_out)
        return made

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

        What can only be taken whole is, or not at all, and the largest of it comes first.
        """
        left: dict[str, int] = {}
        for limit in limits:
            for name, most in limit.items():
                left[name] = min(left.get(name, most), most)
        kept = []
        for resource in sorted(offer, key=_largest_whole_first):
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
            if self.lifts_unanimous:
                refused = {name for name in self.agents if self.is_refused_by_all(name)}
                self.filters = [one for one in self.filters if one.agent not in refused]

    def is_refused_by_all(self, agent: str) -> bool:
        """Whether everybody in the order who may have what is free there refuses it, and somebody does (X29)."""
        asked = self.standing()
        refusing = {(one.framework, one.role) for one in self.filters if one.agent == agent}
        return (
            self.open(agent)
            and not refusing.isdisjoint(asked)
            and all(
                not offer or self.refuses(framework, role, agent, offer)
                for framework, role, offer in ((*client, self.may_have(*client, agent)) for client in asked)
            )
        )

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


def merged(grants: list[Given]) -> list[Given]:
    """What one was granted on one agent in both stages is one offer."""
    sums: dict[tuple[str, str, str], Resources] = {}
    for framework, role, agent, resources in grants:
        key = (framework, role, agent)
        sums[key] = sums.get(key, Resources.EMPTY) + resources
    return [(*key, resources) for key, resources in sums.items()]


def _is_named(names: Mapping[str, int], resource: Resource) -> bool:
    return resource.name in names


def _is_open_to(role: str, resource: Resource) -> bool:
    return not resource.key.reservations or resource.role == role


def _is_not_refined(resource: Resource) -> bool:
    return len(resource.key.reservations) < 2


def _largest_whole_first(resource: Resource) -> tuple[bool, int, str]:
    amount = resource.value if isinstance(resource.value, int) else 0
    return not resource.key.is_counted, -amount, str(resource)
