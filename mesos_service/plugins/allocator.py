"""The allocator: who is offered which resources, and how much (M-AL-01..26; Mesos ``allocator.hpp``).

An allocator is pure like the core: no clock, no randomness of its own, no I/O. The core tells it what happened in
calls that only change its books, and asks :meth:`Allocator.allocate` for grants, either for some agents (something
happened there) or for all (every ``--allocation_interval``). It returns grants; the core turns them into offers.

The books it keeps: per agent the total and what is offered or allocated to whom; per framework its roles, which of
them are suppressed, and whether it is connected. Two facts hold at all times, and the core checks the first after
each pass: what is granted on an agent fits into what is free there (no resource is offered twice, E60a), and offered
resources count as used (A39).

Resources in these calls carry their allocation role where they belong to a framework, and none where they are an
agent's total (X48).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Literal, NamedTuple, Protocol

from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.frameworks import Quantities
from mesos_service.domain.ids import AgentId, FrameworkId, Role
from mesos_service.domain.randomness import RandomSource
from mesos_service.domain.resources import Resources
from mesos_service.plugins.offer_filter import OfferFilter
from mesos_service.plugins.revocation import Revocation, Situation
from mesos_service.plugins.verdict import Veto
from mesos_service.plugins.views import AgentView as AgentView
from mesos_service.plugins.views import Quota as Quota

API_VERSION = 1

SorterKind = Literal["drf", "random"]

FAIR_SHARES: Final = "fair_shares"
"""Who has the smaller weighted dominant share is served first, and nobody is kept below his part for long."""
WORK_CONSERVING: Final = "work_conserving"
"""Nothing stays free at the end of a pass that somebody could have had."""
GUARANTEES: Final = "guarantees"
"""A guarantee that can be served is, and what is still missing of one stays free."""
LIMITS: Final = "limits"
"""No role is offered more than its limit leaves."""
PROMISES: Final = frozenset({FAIR_SHARES, WORK_CONSERVING, GUARANTEES, LIMITS})
"""What an allocator may promise of each pass, and ``certify`` holds it to. That it grants only what is free, to those
who may have and want it, is promised by all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocatorOptions:
    """What the operator said once, at the start."""

    allocation_interval_seconds: float = 1.0
    min_allocatable: tuple[Quantities, ...] = ({"cpus": 10}, {"mem": 32_000})
    """Alternatives, thousandths: an offer must cover one of them (M-AL-13; the default is ``cpus:0.01|mem:32``)."""
    fair_sharing_excluded: frozenset[str] = frozenset()
    weights: Mapping[Role, float] = field(default_factory=dict)
    quotas: Mapping[Role, Quota] = field(default_factory=dict)
    role_sorter: SorterKind = "drf"
    framework_sorter: SorterKind = "drf"
    filter_gpu_resources: bool = True
    """Whether agents with gpus are kept for frameworks with GPU_RESOURCES (M-AL-20)."""
    lift_unanimous_refusals: bool = False
    """Whether an agent that all who may have it refuse is refused by nobody any more (X29)."""
    region: str | None = None
    """The master's; agents of another one are for frameworks with REGION_AWARE (M-AL-21)."""
    short_slice: float = 0.0
    """The share, 0 to 1, of each agent that is kept for short tasks (A54)."""
    recovery_agents_share: float = 0.8
    recovery_seconds: float = 600.0
    """See :meth:`Allocator.expect_agents`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameworkView:
    """What an allocator may know of a framework."""

    framework_id: FrameworkId
    roles: frozenset[Role]
    suppressed: frozenset[Role] = frozenset()
    capabilities: frozenset[str] = frozenset()
    min_allocatable: Mapping[Role, tuple[Quantities, ...]] = field(default_factory=dict)
    aged: bool = False
    """Whether it has waited for offers for so long that it is to come first (N08)."""
    short_tasks: frozenset[Role] = frozenset()
    """Roles in which it has said that all its tasks are short (A54)."""
    filters: Mapping[Role, tuple[OfferFilter, ...]] = field(default_factory=dict)
    """Standing filters; equal ones are the same object as long as the framework does not change them."""


class Grant(NamedTuple):
    """Offer ``resources`` (with allocation role ``role``) of ``agent_id`` to ``framework_id``."""

    framework_id: FrameworkId
    role: Role
    agent_id: AgentId
    resources: Resources


class Observer(Protocol):
    """Listens to a pass, and is told every "no" of it (N01).

    The master listens for those who ask why they are offered nothing, in the next full pass.
    """

    frameworks: Collection[FrameworkId] | None = None
    """For whom it listens; ``None``: for all."""
    agents: Collection[AgentId] = ()
    """Of these it is told whom it is, also for those whom it does not listen for otherwise."""

    def refused(self, framework_id: FrameworkId, role: Role, agent_id: AgentId | None, veto: Veto) -> None: ...


class Allocator(ABC):
    """Base of every allocator module; one file, one class (``docs/writing_modules.md``).

    Unknown ids are programming errors of the core, except in :meth:`recover`, which must tolerate a framework or
    agent that has just gone.
    """

    name: ClassVar[str]
    api_version: ClassVar[int] = API_VERSION
    Config: ClassVar[type[Any] | None] = None  # Any: a pydantic model of the module author's choosing
    promises: ClassVar[frozenset[str]] = frozenset()
    """Of :data:`PROMISES`, what ``mesos-service certify`` may hold its decisions to."""

    def __init__(self, options: AllocatorOptions, config: Any = None) -> None:
        self.options = options
        self.config = config

    # -- frameworks ------------------------------------------------------------------------------------------
    @abstractmethod
    def add_framework(self, framework: FrameworkView, used: Mapping[AgentId, Resources], active: bool) -> None:
        """Track a framework. ``used`` is what it holds on agents already known; later agents bring their own."""

    @abstractmethod
    def update_framework(self, framework: FrameworkView) -> None:
        """Roles, suppression or capabilities changed; filters of dropped and un-suppressed roles go (X29)."""

    @abstractmethod
    def remove_framework(self, framework_id: FrameworkId) -> None: ...

    @abstractmethod
    def set_framework_active(self, framework_id: FrameworkId, active: bool) -> None:
        """Connected or not. Going inactive drops its filters (X18g); its holdings stay in the books (X35)."""

    @abstractmethod
    def suppress(self, framework_id: FrameworkId, roles: Collection[Role]) -> None:
        """No offers for these roles; an empty collection means all (M-SC-06)."""

    @abstractmethod
    def revive(self, framework_id: FrameworkId, roles: Collection[Role]) -> None:
        """Un-suppress and drop the refusal filters of these roles; empty means all (M-SC-05)."""

    @abstractmethod
    def request_resources(self, framework_id: FrameworkId, requests: Sequence[Quantities]) -> None:
        """A REQUEST call; the stock allocator ignores it (M-SC-12)."""

    # -- agents ----------------------------------------------------------------------------------------------
    @abstractmethod
    def add_agent(self, agent: AgentView, used: Mapping[FrameworkId, Resources]) -> None: ...

    @abstractmethod
    def update_agent(self, agent: AgentView) -> None:
        """Total or attributes changed; filters for it go only when attributes changed (X29)."""

    @abstractmethod
    def remove_agent(self, agent_id: AgentId) -> None: ...

    @abstractmethod
    def set_agent_active(self, agent_id: AgentId, active: bool) -> None:
        """Inactive agents are offered to nobody but stay in the totals (X30)."""

    @abstractmethod
    def update_whitelist(self, hostnames: Collection[str] | None) -> None:
        """``None``: every host; empty: nobody (M-AL-15)."""

    # -- resources -------------------------------------------------------------------------------------------
    @abstractmethod
    def offered_to_allocated(self, framework_id: FrameworkId, agent_id: AgentId, resources: Resources) -> None:
        """A launch was accepted: these offered resources are now allocated."""

    @abstractmethod
    def recover(
        self,
        framework_id: FrameworkId,
        agent_id: AgentId,
        resources: Resources,
        *,
        refuse_seconds: float | None,
        allocated: bool,
        now: float,
    ) -> None:
        """Give back offered (or, with ``allocated``, allocated) resources.

        ``refuse_seconds`` is ``None`` after a rescind or a task's end: no filter. Otherwise it is the refusal
        filter's length with X28's rules already applied by the core, save that 0 asks for no filter: then the same
        framework and role see this agent again at the next full pass, not in one that an event caused, so that a
        framework which declines everything with 0 cannot spin the master.
        """

    @abstractmethod
    def update_allocation(
        self, framework_id: FrameworkId, agent_id: AgentId, before: Resources, after: Resources
    ) -> None:
        """Operations changed the shape of offered resources (reserve, create, ...); quantities are kept.

        The agent's total changes along. Operations of operators, on what is free, come as :meth:`update_agent`.
        """

    def add_offer(self, framework_id: FrameworkId, agent_id: AgentId, resources: Resources) -> None:
        """An offer is out that this instance did not grant: book it as if it had.

        Called when a module that failed is made anew, and of one that runs in shadow for what the other one decided.

        Raises :class:`ConfigurationError`, as here, when the allocator cannot be told (:meth:`takes_offers`).
        """
        raise ConfigurationError(f"The allocator '{self.name}' cannot be told of offers that it did not grant.")

    def takes_offers(self) -> bool:
        """Whether :meth:`add_offer` can be called; so it is for a module that overrides it."""
        return type(self).add_offer is not Allocator.add_offer

    # -- policy ----------------------------------------------------------------------------------------------
    @abstractmethod
    def update_weights(self, weights: Mapping[Role, float]) -> None:
        """These roles weigh so much from the next pass on, others what they did; nothing is rebalanced (X33).

        Called with what an operator has set, and at a master's start with what the registry has; ``--weights`` are
        told in ``AllocatorOptions``.
        """

    def update_quota(self, role: Role, quota: Quota) -> None:
        """Takes effect with the next pass; nobody loses what he has. An empty quota takes quota away (X36-X38).

        Called with what an operator has set, and at a master's start with what the registry has. A module that does
        not override it knows no quota, and operators are refused one (:meth:`knows_quota`).

        Raises :class:`ConfigurationError` where the quota is not lawful, and, as here, when the allocator knows none.
        """
        raise ConfigurationError(f"The allocator '{self.name}' does not know quota.")

    def knows_quota(self) -> bool:
        """Whether operators may set quota; so it is for a module that overrides :meth:`update_quota`."""
        return type(self).update_quota is not Allocator.update_quota

    def quota_consumption(self, role: Role) -> Quantities:
        """What ``role`` has consumed of its quota, offers left out (X36); nothing where the allocator knows no quota.

        For tests and tools: what operators are told is counted in the master's own books.
        """
        return {}

    def active_filters(self) -> Mapping[Role, int]:
        """How many refusal filters stand, by role; without one, nothing is told of them. For metrics alone."""
        return {}

    def expect_agents(self, count: int, now: float) -> None:
        """This master leads from ``now`` on, and its registry names so many agents (X39).

        With quota in force, nothing is offered until ``recovery_agents_share`` of as many are there, or until
        ``recovery_seconds`` have passed: guarantees could not be kept on the first few. Does nothing by default.
        """
        return

    def revocations(self, situation: Situation) -> Sequence[Revocation]:
        """Tasks that should be revoked now so that guarantees can be kept; by default none ever (B36a, B36c).

        Asked every ``--allocation_interval`` where ``--revocation`` is set, and whenever somebody wants a preview; must
        change nothing. The core refuses what would take a role below its own guarantee.
        """
        return ()

    # -- deciding --------------------------------------------------------------------------------------------
    @abstractmethod
    def allocate(
        self,
        now: float,
        random: RandomSource,
        *,
        agents: Collection[AgentId] | None,
        limit: int | None = None,
        observer: Observer | None = None,
    ) -> Sequence[Grant]:
        """Decide, and book what was granted as offered.

        ``agents`` are those touched since the last pass, or ``None`` for a full pass. ``limit`` bounds the number of
        grants, so that a cold start cannot bury the master; agents left out stay candidates of the next pass. An
        agent in ``agents`` that has gone since is left out. An observer changes no decision: it is told why
        those whom it listens for were granted nothing, of the whole cluster (no agent named) or of each agent.
        """
