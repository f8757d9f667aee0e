"""A small cluster around one allocator, for tests: says things in few words and audits the books after each call."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from random import Random

from mesos_service.core.allocation.audit import contradictions
from mesos_service.core.allocation.ledger import Ledger
from mesos_service.domain.attributes import Attribute
from mesos_service.domain.frameworks import Quantities
from mesos_service.domain.ids import AgentId, FrameworkId, Role
from mesos_service.domain.resources import Resources
from mesos_service.domain.values import to_milli
from mesos_service.plugins.allocator import (
    AgentView,
    Allocator,
    AllocatorOptions,
    FrameworkView,
    Grant,
    Observer,
    Quota,
    SorterKind,
)
from mesos_service.plugins.loader import ALLOCATORS, OFFER_FILTERS, load, read_config
from mesos_service.plugins.offer_filter import OfferFilter
from mesos_service.plugins.verdict import Veto

Outcome = dict[tuple[str, str], tuple[int, str]]
"""By framework and role: how many agents were offered, and the sum of it as text."""

Held = Mapping[str, Mapping[str, str]]
"""By framework, by role: resources as text."""


class Reasons(Observer):
    """Writes down every veto."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, str | None, Veto]] = []

    def refused(self, framework_id: FrameworkId, role: Role, agent_id: AgentId | None, veto: Veto) -> None:
        self.heard.append((framework_id, role, agent_id, veto))

    def codes(self, framework: str, agent: str | None = None) -> list[str]:
        return [veto.reason for who, _, where, veto in self.heard if who == framework and where == agent]


class Cluster:
    def __init__(
        self,
        name: str = "hierarchical_drf",
        *,
        weights: Mapping[str, float] | None = None,
        minimum: Sequence[Quantities] | None = None,
        excluded: Collection[str] = (),
        seed: int = 1,
        role_sorter: SorterKind = "drf",
        framework_sorter: SorterKind = "drf",
        region: str | None = None,
        short_slice: float = 0.0,
        filter_gpu_resources: bool = True,
        lift_unanimous_refusals: bool = False,
    ) -> None:
        options = AllocatorOptions(
            short_slice=short_slice,
            filter_gpu_resources=filter_gpu_resources,
            lift_unanimous_refusals=lift_unanimous_refusals,
            role_sorter=role_sorter,
            framework_sorter=framework_sorter,
            region=region,
            weights={Role(role): weight for role, weight in (weights or {}).items()},
            fair_sharing_excluded=frozenset(excluded),
        )
        if minimum is not None:
            options = replace(options, min_allocatable=tuple(minimum))
        self.allocator: Allocator = load(ALLOCATORS, name)(options)
        self.random = Random(seed)
        self.now = 0.0
        self.last: list[Grant] = []
        self._agents: dict[AgentId, AgentView] = {}

    def framework(
        self,
        name: str,
        *roles: str,
        suppressed: Iterable[str] = (),
        capabilities: Iterable[str] = (),
        minimum: Mapping[str, Sequence[Quantities]] | None = None,
        filters: Sequence[OfferFilter] = (),
        used: Mapping[str, Resources] | None = None,
        active: bool = True,
        short: Iterable[str] = (),
    ) -> None:
        held = {AgentId(agent): resources for agent, resources in (used or {}).items()}
        self.allocator.add_framework(view(name, roles, suppressed, capabilities, minimum, filters, short), held, active)
        self.audit()

    def update(
        self,
        name: str,
        *roles: str,
        suppressed: Iterable[str] = (),
        capabilities: Iterable[str] = (),
        minimum: Mapping[str, Sequence[Quantities]] | None = None,
        filters: Sequence[OfferFilter] = (),
        short: Iterable[str] = (),
    ) -> None:
        self.allocator.update_framework(view(name, roles, suppressed, capabilities, minimum, filters, short))
        self.audit()

    def quota(self, role: str, guarantees: str = "", limits: str = "") -> None:
        """Amounts as in ``--resources``, but that a limit may be 0."""
        self.allocator.update_quota(Role(role), Quota(guarantees=amounts(guarantees), limits=amounts(limits)))
        self.audit()

    def weigh(self, role: str, weight: float) -> None:
        self.allocator.update_weights({Role(role): weight})
        self.audit()

    def outcome_of_last(self) -> Outcome:
        """What the last pass granted."""
        return outcome(self.last)

    def request(self, framework: str, *shapes: str) -> None:
        self.allocator.request_resources(
            FrameworkId(framework), [Resources.parse(shape).quantities() for shape in shapes]
        )

    def agent(
        self,
        name: str,
        resources: str,
        used: Held | None = None,
        attributes: tuple[Attribute, ...] = (),
        region: str | None = None,
    ) -> None:
        agent_id = AgentId(name)
        known = AgentView(
            agent_id=agent_id,
            hostname=f"{name}.host",
            total=Resources.parse(resources),
            attributes=attributes,
            region=region,
        )
        if agent_id in self._agents:
            self.allocator.update_agent(known)
        else:
            self.allocator.add_agent(known, holdings(used or {}))
        self._agents[agent_id] = known
        self.audit()

    def resize(self, name: str, total: Resources) -> None:
        """The agent has so much from now on, and is otherwise what it was."""
        known = self._agents[AgentId(name)] = replace(self._agents[AgentId(name)], total=total)
        self.allocator.update_agent(known)
        self.audit()

    def describe(self, name: str, attributes: tuple[Attribute, ...]) -> None:
        """The agent has these attributes from now on, and is otherwise what it was."""
        known = self._agents[AgentId(name)] = replace(self._agents[AgentId(name)], attributes=attributes)
        self.allocator.update_agent(known)
        self.audit()

    def note_total(self, name: str, total: Resources) -> None:
        """An operation on an offer has changed the agent's total; the allocator was told."""
        self._agents[AgentId(name)] = replace(self._agents[AgentId(name)], total=total)

    def agents(self, count: int, resources: str) -> None:
        for number in range(count):
            self.agent(f"agent{number:03}", resources)

    def agents_named(self, names: Iterable[str], resources: str) -> None:
        for name in names:
            self.agent(name, resources)

    def agent_id(self, name: str) -> AgentId:
        assert AgentId(name) in self._agents
        return AgentId(name)

    def remove_agent(self, name: str) -> None:
        self.allocator.remove_agent(AgentId(name))
        del self._agents[AgentId(name)]
        self.audit()

    def set_active(self, framework: str, active: bool) -> None:
        self.allocator.set_framework_active(FrameworkId(framework), active)
        self.audit()

    def suppress(self, framework: str, *roles: str) -> None:
        self.allocator.suppress(FrameworkId(framework), [Role(role) for role in roles])
        self.audit()

    def revive(self, framework: str, *roles: str) -> None:
        self.allocator.revive(FrameworkId(framework), [Role(role) for role in roles])
        self.audit()

    def cycle(
        self, *agents: str, full: bool | None = None, limit: int | None = None, observer: Observer | None = None
    ) -> Outcome:
        """A full pass, or one for ``agents``."""
        touched = None if (not agents if full is None else full) else [AgentId(agent) for agent in agents]
        self.last = list(self.allocator.allocate(self.now, self.random, agents=touched, limit=limit, observer=observer))
        self.audit()
        return outcome(self.last)

    def order(self, *agents: str) -> list[str]:
        """Who was served, in order, by a pass."""
        self.cycle(*agents)
        return [str(grant.framework_id) for grant in self.last]

    def recover(
        self, grant: Grant, *, refuse: float | None = None, part: str | None = None, allocated: bool = False
    ) -> None:
        resources = grant.resources if part is None else Resources.parse(part).allocated_to(grant.role)
        self.allocator.recover(
            grant.framework_id, grant.agent_id, resources, refuse_seconds=refuse, allocated=allocated, now=self.now
        )
        self.audit()

    def decline(self, framework: str, seconds: float | None = 5.0) -> None:
        """Decline all offers of the last pass that went to ``framework``."""
        for grant in self.last:
            if grant.framework_id == framework:
                self.recover(grant, refuse=seconds)

    def launch(self, grant: Grant, resources: str, *, refuse: float | None = None) -> None:
        """Use a part of an offer; the rest is recovered as by an ACCEPT."""
        used = Resources.parse(resources).allocated_to(grant.role)
        self.allocator.offered_to_allocated(grant.framework_id, grant.agent_id, used)
        rest = grant.resources - used
        self.allocator.recover(
            grant.framework_id, grant.agent_id, rest, refuse_seconds=refuse, allocated=False, now=self.now
        )
        self.audit()

    def end(self, grant: Grant, resources: str) -> None:
        """A task that used ``resources`` ended."""
        self.recover(grant, part=resources, allocated=True)

    @property
    def ledger(self) -> Ledger:
        ledger = getattr(self.allocator, "ledger", None)
        assert isinstance(ledger, Ledger), f"{self.allocator.name} keeps no ledger"
        return ledger

    def audit(self) -> None:
        """Allocators that keep the common ledger must not contradict themselves."""
        ledger = getattr(self.allocator, "ledger", None)
        if isinstance(ledger, Ledger):
            assert contradictions(ledger) == []


def view(
    name: str,
    roles: Iterable[str],
    suppressed: Iterable[str] = (),
    capabilities: Iterable[str] = (),
    minimum: Mapping[str, Sequence[Quantities]] | None = None,
    filters: Sequence[OfferFilter] = (),
    short: Iterable[str] = (),
) -> FrameworkView:
    """``filters`` are for every role, ``short`` are roles of short tasks."""
    roles = list(roles)
    return FrameworkView(
        filters={Role(role): tuple(filters) for role in roles} if filters else {},
        framework_id=FrameworkId(name),
        roles=frozenset(map(Role, roles)),
        suppressed=frozenset(map(Role, suppressed)),
        capabilities=frozenset(capabilities),
        short_tasks=frozenset(map(Role, short)),
        min_allocatable={Role(role): tuple(alternatives) for role, alternatives in (minimum or {}).items()},
    )


def amounts(text: str) -> dict[str, int]:
    """Thousandths by name; what is 0 is named, too."""
    pairs = (pair.partition(":") for pair in text.split(";") if pair)
    return {name: to_milli(float(amount)) for name, _, amount in pairs}


def make_filter(name: str, **parameters: object) -> OfferFilter:
    kind = load(OFFER_FILTERS, name)
    return kind(read_config(kind, parameters))


def holdings(used: Held) -> dict[FrameworkId, Resources]:
    result: dict[FrameworkId, Resources] = {}
    for framework, roles in used.items():
        held = Resources.EMPTY
        for role, text in roles.items():
            held = held + Resources.parse(text).allocated_to(role)
        result[FrameworkId(framework)] = held
    return result


def outcome(grants: Iterable[Grant]) -> Outcome:
    sums: dict[tuple[str, str], Resources] = {}
    agents: dict[tuple[str, str], set[str]] = {}
    for grant in grants:
        who = (str(grant.framework_id), str(grant.role))
        sums[who] = sums.get(who, Resources.EMPTY) + grant.resources.unallocated()
        agents.setdefault(who, set()).add(grant.agent_id)
    return {who: (len(agents[who]), "; ".join(sorted(map(str, sums[who])))) for who in sums}
