"""Hierarchical DRF written down as slowly and plainly as possible (DRF paper, section 4; X27-X35): the oracle.

Nothing is remembered that can be worked out: shares, orders and what is free are computed anew each time they are
asked for, shares as exact fractions. Only the order of agents within a pass is taken from the real thing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from mesos_service.core.allocation.shuffle import place
from mesos_service.domain.resources import Resources

Said = list[tuple[str, str, str, str]]
"""Framework, role, agent and resources of grants, in order."""


@dataclass
class NaiveFramework:
    roles: set[str]
    suppressed: set[str] = field(default_factory=set)
    active: bool = True


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
class Naive:
    minimum: Mapping[str, int]
    frameworks: dict[str, NaiveFramework] = field(default_factory=dict)
    agents: dict[str, NaiveAgent] = field(default_factory=dict)
    held: dict[tuple[str, str, str], Resources] = field(default_factory=dict)
    """By framework, role and agent; without allocation role."""
    filters: list[NaiveFilter] = field(default_factory=list)
    weights: dict[str, float] = field(default_factory=dict)
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

    def key(self, where: str) -> tuple[Fraction, int]:
        """Weighted dominant share and times served of one place in the tree."""
        share = Fraction(0)
        for resource in ("cpus", "mem", "disk"):
            total = self.total(resource)
            amount = sum(
                held.scalar(resource)
                for (framework, role, _), held in self.held.items()
                if framework in self.frameworks and where in self.places(framework, role)
            )
            if total:
                share = max(share, Fraction(amount, total))
        return share / Fraction(self.weights.get(where, 1.0)), self.served.get(where, 0)

    def order(self) -> list[tuple[str, str]]:
        active = [
            (name, role)
            for name, role in self.clients()
            if self.frameworks[name].active
            and role in self.frameworks[name].roles
            and role not in self.frameworks[name].suppressed
        ]
        keys: dict[str, tuple[Fraction, int]] = {}

        def rank(client: tuple[str, str]) -> list[tuple[Fraction, int, str]]:
            path: list[tuple[Fraction, int, str]] = []
            for where in self.places(*client):
                if where not in keys:
                    keys[where] = self.key(where)
                path.append((*keys[where], where.rsplit("/", 1)[-1].removeprefix(". ")))
            return path

        return sorted(active, key=rank)

    def refuses(self, framework: str, role: str, agent: str, offer: Resources) -> bool:
        if not offer or any(offer.scalar(name) < amount for name, amount in self.minimum.items()):
            return True
        return any(
            (one.framework, one.role, one.agent) == (framework, role, agent) and one.refused.contains(offer)
            for one in self.filters
        )

    def allocate(self, now: float, seed: int, agents: set[str] | None) -> Said:
        self.filters = [one for one in self.filters if one.until is None or one.until >= now]
        if agents is None:
            self.filters = [one for one in self.filters if one.until is not None]
        grants: Said = []
        names = [name for name, one in self.agents.items() if one.active and (agents is None or name in agents)]
        for name in sorted(names, key=lambda name: place(seed, self.agents[name].number)):
            for framework, role in self.order():
                offer = self.free(name).allocatable_to(role)
                if not self.refuses(framework, role, name, offer):
                    self.hold(framework, role, name, offer)
                    self.serve(framework, role)
                    grants.append((framework, role, name, text_of(offer)))
        return grants


def text_of(resources: Resources) -> str:
    return "; ".join(sorted(map(str, resources.unallocated())))
