"""The books of the definition, kept from what the allocator was told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from mesos_service.core.effects import Told
from mesos_service.core.master.journal import Began, Decided
from mesos_service.domain.errors import MesosServiceError
from mesos_service.domain.resources import Resources, ResourcesError
from mesos_service.fairness.cluster import NaiveAgent, NaiveFilter, NaiveFramework, NaiveQuota, unmet
from mesos_service.fairness.definition import Naive
from mesos_service.plugins.allocator import AgentView, AllocatorOptions, FrameworkView, Quota
from mesos_service.plugins.offer_filter import OfferFilter


class Contradiction(MesosServiceError):
    """The journal tells of something that cannot be: a framework twice, or given back what nobody held."""


@dataclass
class Replay:
    """What is so after the calls that were :meth:`tell`-ed; ``books`` is ``None`` before the first ``begin``."""

    books: Naive | None = None
    allocator: str = ""
    options: AllocatorOptions = field(default_factory=AllocatorOptions)
    promises: tuple[str, ...] = ()
    numbered: bool = False
    """Whether it is known in which order the agents of a pass come."""
    agents: dict[str, AgentView] = field(default_factory=dict)
    """As they were described last; what is so of them now is in the books."""
    frameworks: dict[str, FrameworkView] = field(default_factory=dict)
    whitelist: Collection[str] | None = None

    def tell(self, told: Told) -> None:
        """Every call but passes. Raises :class:`Contradiction`."""
        if isinstance(told.arguments, Began):
            self._begin(*told.arguments)
            return
        if self.books is None:
            raise Contradiction("nothing has begun yet")
        handler: Callable[..., None] = getattr(self, f"_on_{told.method}")
        try:
            handler(self.books, *told.arguments)
        except KeyError as error:
            raise Contradiction(f"{told.method}: nobody knows {error}") from error
        except ResourcesError as error:
            raise Contradiction(f"{told.method}: {error}") from error

    @property
    def drawn_by_lot(self) -> bool:
        """Whether roles or frameworks come in random order, so that nobody is ever next."""
        return "random" in (self.options.role_sorter, self.options.framework_sorter)

    def look_at_agents(self, now: float) -> None:
        """Standing filters say at a time what they say of agents."""
        assert self.books is not None, "a pass comes after its beginning"
        by_client = [
            (name, role, one)
            for name, described in self.frameworks.items()
            for role, filters in described.filters.items()
            for one in filters
        ]
        for name, agent in self.books.agents.items():
            view = self.agents[name]
            agent.barred = frozenset(
                (framework, role) for framework, role, one in by_client if one.about_agent(view, now) is not None
            )

    def book(self, decided: Decided) -> None:
        """What was granted is held from now on, whether it was right or not."""
        books = self.books
        if books is None:
            raise Contradiction("a pass, and nothing has begun yet")
        given = [
            (str(one.framework_id), str(one.role), str(one.agent_id), one.resources.unallocated())
            for one in decided.grants
        ]
        owed = any(unmet(quota, books.consumed(role)) for role, quota in books.quotas.items())
        limited = decided.limit is not None and 2 * len(given) >= decided.limit
        if (owed or limited) and self.numbered and decided.seed is not None and not self.drawn_by_lot:
            # In which order agents were left out, and who was served twice, follows from deciding again.
            self.look_at_agents(decided.now)
            trial = books.copied()
            if trial.allocate(decided.now, decided.seed, decided.agents, decided.limit) == given:
                self.books = trial
                return
        books.begin(decided.now, full=decided.agents is None)
        for framework, role, agent, resources in given:
            books.hold(framework, role, agent, resources)
            books.serve(framework, role)
        if not books.waits(decided.now):
            books.left_out = [name for name in books.agents if books.free(name)] if limited else []

    def _begin(self, allocator: str, options: AllocatorOptions, promises: tuple[str, ...]) -> None:
        self.allocator, self.options, self.promises = allocator, options, promises
        self.books = Naive(
            options.min_allocatable,
            weights={str(role): weight for role, weight in options.weights.items()},
            quotas={str(role): _quota(quota) for role, quota in options.quotas.items() if quota},
            excluded=options.fair_sharing_excluded,
            short_slice=options.short_slice,
            keep_gpus=options.filter_gpu_resources,
            lifts_unanimous=options.lift_unanimous_refusals,
        )
        self.numbered = True
        self.agents, self.frameworks, self.whitelist = {}, {}, None

    # -- frameworks ------------------------------------------------------------------------------------------
    def _on_add_framework(self, books: Naive, view: FrameworkView, used: Mapping[str, Resources], active: bool) -> None:
        name = view.framework_id
        if name in books.frameworks:
            raise Contradiction(f"framework {name} was added twice")
        books.frameworks[name] = NaiveFramework(set(view.roles), active=active)
        for agent_id, resources in used.items():
            if agent_id in books.agents:
                for key in [key for key in books.held if key[0] == name and key[2] == agent_id]:
                    del books.held[key]
                    books.copies.pop(key, None)
                for role, part in resources.allocations().items():
                    books.hold(name, role, agent_id, part.non_shared().unallocated())
                    books.use(name, role, agent_id, part.unallocated())
        for _, role, _ in [key for key in books.held if key[0] == name]:
            books.serve(name, role)
        self._describe(books, view)

    def _describe(self, books: Naive, view: FrameworkView) -> None:
        one = books.frameworks[view.framework_id]
        one.roles, one.suppressed = set(view.roles), set(view.suppressed)
        one.capabilities = view.capabilities
        one.aged = view.aged
        one.short = frozenset(map(str, view.short_tasks))
        one.minimum = {str(role): minimum for role, minimum in view.min_allocatable.items()}
        one.wants = {role: _wants(filters) for role, filters in view.filters.items() if filters}
        self.frameworks[view.framework_id] = view

    def _on_update_framework(self, books: Naive, view: FrameworkView) -> None:
        one = books.frameworks[view.framework_id]
        self._drop_filters(books, view.framework_id, (one.roles - view.roles) | (one.suppressed - view.suppressed))
        self._describe(books, view)
        books.forget()

    def _on_remove_framework(self, books: Naive, name: str) -> None:
        del books.frameworks[name]
        self.frameworks.pop(name, None)
        self._drop_filters(books, name)
        books.forget()

    def _on_set_framework_active(self, books: Naive, name: str, active: bool) -> None:
        books.frameworks[name].active = active
        if not active:
            self._drop_filters(books, name)

    def _on_suppress(self, books: Naive, name: str, roles: Collection[str]) -> None:
        books.frameworks[name].suppressed |= set(roles) or books.frameworks[name].roles

    def _on_revive(self, books: Naive, name: str, roles: Collection[str]) -> None:
        revived = set(roles) or set(books.frameworks[name].roles)
        books.frameworks[name].suppressed -= revived
        self._drop_filters(books, name, revived)

    def _drop_filters(self, books: Naive, framework: str, roles: Collection[str] | None = None) -> None:
        books.filters = [
            one for one in books.filters if one.framework != framework or (roles is not None and one.role not in roles)
        ]

    # -- agents ----------------------------------------------------------------------------------------------
    def _on_add_agent(self, books: Naive, view: AgentView, used: Mapping[str, Resources], number: int | None) -> None:
        name = view.agent_id
        if name in books.agents:
            raise Contradiction(f"agent {name} was added twice")
        self.numbered = self.numbered and number is not None
        books.agents[name] = NaiveAgent(number or 0, view.total)
        books.missing = max(0, books.missing - 1)
        self._see(books, view)
        for framework, resources in used.items():
            for role, part in resources.allocations().items():
                books.hold(framework, role, name, part.non_shared().unallocated())
                books.use(framework, role, name, part.unallocated())
                if framework in books.frameworks:
                    books.serve(framework, role)

    def _see(self, books: Naive, view: AgentView) -> None:
        self.agents[view.agent_id] = view
        one = books.agents[view.agent_id]
        one.total = view.total
        region = self.options.region
        one.remote = region is not None and view.region is not None and view.region != region
        one.listed = self.whitelist is None or view.hostname in self.whitelist

    def _on_update_agent(self, books: Naive, view: AgentView) -> None:
        if self.agents[view.agent_id].attributes != view.attributes:
            books.filters = [one for one in books.filters if one.agent != view.agent_id]
        self._see(books, view)

    def _on_remove_agent(self, books: Naive, name: str) -> None:
        del books.agents[name], self.agents[name]
        if books.missing:
            books.missing += 1
        books.held = {key: held for key, held in books.held.items() if key[2] != name}
        books.copies = {key: copies for key, copies in books.copies.items() if key[2] != name}
        books.filters = [one for one in books.filters if one.agent != name]
        books.left_out = [one for one in books.left_out if one != name]
        books.forget()

    def _on_set_agent_active(self, books: Naive, name: str, active: bool) -> None:
        books.agents[name].active = active

    def _on_update_whitelist(self, books: Naive, hostnames: Collection[str] | None) -> None:
        self.whitelist = hostnames
        for name, one in books.agents.items():
            one.listed = hostnames is None or self.agents[name].hostname in hostnames

    # -- resources -------------------------------------------------------------------------------------------
    def _on_offered_to_allocated(self, books: Naive, framework: str, agent: str, resources: Resources) -> None:
        # What is offered and what is used count the same for whatever is decided; that it was held is to be seen.
        for role, part in resources.allocations().items():
            once = part.non_shared().unallocated()
            books.release(framework, role, agent, once)
            books.hold(framework, role, agent, once)
            books.use(framework, role, agent, part.unallocated())

    def _on_recover(
        self,
        books: Naive,
        framework: str,
        agent: str,
        resources: Resources,
        refuse_seconds: float | None,
        allocated: bool,
        now: float,
    ) -> None:
        if agent not in books.agents or not resources:
            return
        known = books.frameworks.get(framework)
        if known is None and not any(key[0] == framework and key[2] == agent for key in books.held):
            return
        clients = set(books.clients())
        for role, part in resources.allocations().items():
            refused = part.unallocated()
            if allocated:
                books.end_use(framework, role, agent, refused)
            books.release(framework, role, agent, refused)
            if refuse_seconds is not None and known is not None and known.active and (framework, role) in clients:
                until = now + refuse_seconds if refuse_seconds > 0 else None
                books.filters.append(NaiveFilter(framework, role, agent, refused, until))
        books.forget()
        left = set(books.clients())
        books.filters = [one for one in books.filters if (one.framework, one.role) in left]

    def _on_update_allocation(
        self, books: Naive, framework: str, agent: str, before: Resources, after: Resources
    ) -> None:
        for role, part in before.allocations().items():
            books.release(framework, role, agent, part.unallocated())
        for role, part in after.allocations().items():
            books.hold(framework, role, agent, part.unallocated())
        one = books.agents[agent]
        one.total = one.total - before.unallocated() + after.unallocated()

    def _on_add_offer(self, books: Naive, framework: str, agent: str, resources: Resources) -> None:
        if framework not in books.frameworks or agent not in books.agents:
            raise Contradiction(f"an offer of {agent} to {framework}, and one of both is not there")
        for role, part in resources.allocations().items():
            books.hold(framework, role, agent, part.unallocated())
            books.serve(framework, role)

    # -- policy ----------------------------------------------------------------------------------------------
    def _on_update_weights(self, books: Naive, weights: Mapping[str, float]) -> None:
        books.weights.update(weights)

    def _on_update_quota(self, books: Naive, role: str, quota: Quota) -> None:
        if quota:
            books.quotas[role] = _quota(quota)
        else:
            books.quotas.pop(role, None)

    def _on_carry(
        self,
        books: Naive,
        held: Collection[tuple[str, str, str, Resources, Resources | None]],
        filters: Collection[tuple[str, str, str, Resources, float | None]],
        served: Mapping[str, int],
        left_out: Collection[str],
        missing: int,
        waits_until: float,
    ) -> None:
        books.held = {(framework, role, agent): resources for framework, role, agent, resources, _ in held}
        books.copies = {(framework, role, agent): copies for framework, role, agent, _, copies in held if copies}
        books.filters = [NaiveFilter(*one) for one in filters]
        books.served, books.left_out = dict(served), list(left_out)
        books.missing, books.waits_until = missing, waits_until
        unknown = {agent for _, _, agent in books.held} | set(books.left_out)
        unknown -= books.agents.keys()
        if unknown:
            raise Contradiction(f"something is held on agent {min(unknown)}, which is not there")

    def _on_expect_agents(self, books: Naive, count: int, now: float) -> None:
        options = self.options
        books.expect(count, now, share=options.recovery_agents_share, seconds=options.recovery_seconds)


def _quota(quota: Quota) -> NaiveQuota:
    return NaiveQuota(quota.guarantees, quota.limits)


def _wants(filters: tuple[OfferFilter, ...]) -> Callable[[Resources], bool]:
    def wants(free: Resources) -> bool:
        return all(one.about_free(free) is None for one in filters)

    return wants
