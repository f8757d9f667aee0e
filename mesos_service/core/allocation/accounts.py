"""Who is in the books, and what is charged to whom: what :mod:`~mesos_service.core.allocation.ledger` writes with.

A framework is a client in each of its roles, and in those that it left and still holds something in.
"""

from __future__ import annotations

from collections.abc import Iterable

from mesos_service.core.allocation.clients import Client, Minimum, minimum_of
from mesos_service.core.allocation.consumption import count
from mesos_service.core.allocation.drf import Scale
from mesos_service.core.allocation.entries import AgentBook, FrameworkBook, by_role
from mesos_service.core.allocation.filters import RefusalFilters
from mesos_service.core.allocation.flat_tree import FlatTree
from mesos_service.core.allocation.pairs import Pairs
from mesos_service.core.allocation.parts import Parts
from mesos_service.core.allocation.quota import QuotaBook
from mesos_service.core.allocation.recovery import Recovery
from mesos_service.core.allocation.shape_book import ShapeBook
from mesos_service.core.allocation.short_slice import ShortSlice
from mesos_service.core.allocation.sorter import Sorter
from mesos_service.core.allocation.standing import StandingFilters
from mesos_service.core.allocation.table import AgentTable
from mesos_service.domain.errors import InvariantBroken
from mesos_service.domain.ids import AgentId, FrameworkId, Role
from mesos_service.domain.resources import Resources, ResourcesError
from mesos_service.plugins.allocator import AllocatorOptions


class Accounts:
    """The books, and how one of them is changed; what calls for it is the ledger's to know."""

    def __init__(self, options: AllocatorOptions, parts: Parts | None = None) -> None:
        self._parts = parts or Parts()
        self.scale = Scale(options.fair_sharing_excluded)
        self.sorter: Sorter[Client] = Sorter(self.scale, options.weights)
        self.filters = RefusalFilters()
        self.agents: dict[AgentId, AgentBook] = {}
        self.frameworks: dict[FrameworkId, FrameworkBook] = {}
        self.table: AgentTable[AgentBook] = AgentTable()
        self.default_minimum: Minimum = minimum_of(options.min_allocatable)
        self.shapes = ShapeBook(options, self.scale, self.table, self._parts.offer_size)
        self.flat = FlatTree()
        self.pairs = Pairs()
        self.quota = QuotaBook()
        self._quota_is_stale = False
        self.recovery = Recovery(options.recovery_agents_share, options.recovery_seconds)
        self.short_slice = ShortSlice(options.short_slice)
        self.lifts_unanimous = options.lift_unanimous_refusals
        self._options = options
        self._with_own_minimum: dict[int, Client] = {}
        self._aged: dict[int, Client] = {}
        self._whitelist: frozenset[str] | None = None
        self.standing = StandingFilters()
        self._strays: dict[FrameworkId, dict[AgentId, None]] = {}
        """Agents on which frameworks that are not known hold something."""
        self._clients: dict[int, Client] = {}
        self._serials = 0
        for role, quota in options.quotas.items():
            self.quota.set(role, quota)
        self.quota.forget()

    def clients(self) -> Iterable[Client]:
        """All clients: each framework in each of its roles, and in those it left and still holds something in."""
        return self._clients.values()

    # -- within ----------------------------------------------------------------------------------------------
    def _agent(self, agent_id: AgentId) -> AgentBook:
        agent = self.agents.get(agent_id)
        if agent is None:
            raise InvariantBroken(f"the allocator does not know agent {agent_id}")
        return agent

    def _framework(self, framework_id: FrameworkId) -> FrameworkBook:
        framework = self.frameworks.get(framework_id)
        if framework is None:
            raise InvariantBroken(f"the allocator does not know framework {framework_id}")
        return framework

    def _sort_in(self, agent: AgentBook) -> None:
        self.table.open[agent.index] = agent.is_open

    def _take(self, agent: AgentBook, allocated: bool, framework_id: FrameworkId, resources: Resources) -> Resources:
        """What is left of what is offered, or allocated, without ``resources``; nothing is booked yet."""
        holdings = agent.allocated if allocated else agent.offered
        try:
            return holdings.get(framework_id, Resources.EMPTY) - resources
        except ResourcesError as short:
            kind = "allocated" if allocated else "offered"
            raise InvariantBroken(f"{kind} to {framework_id} on {agent.agent_id}: {short}") from short

    def _sort_stray(self, framework_id: FrameworkId, agent: AgentBook) -> None:
        """What a framework that is not known holds on ``agent`` has changed."""
        if framework_id in agent.offered or framework_id in agent.allocated:
            self._strays.setdefault(framework_id, {})[agent.agent_id] = None
        elif framework_id in self._strays:
            agents = self._strays[framework_id]
            agents.pop(agent.agent_id, None)
            if not agents:
                del self._strays[framework_id]

    def _vector(self, resources: Resources) -> list[tuple[int, int]]:
        known = len(self.scale)
        vector = self.scale.vector(resources)
        if len(self.scale) != known:
            self.sorter.widen()
        return vector

    def _rescale(self, total: Resources, sign: int) -> None:
        vector = self._vector(total)
        if sign > 0:
            self.scale.grow(vector)
        else:
            self.scale.shrink(vector)
        self.sorter.rescale()
        if self.quota:
            self.quota.reserve(total, sign)

    def _set_total(self, agent: AgentBook, total: Resources) -> None:
        self._rescale(agent.total, -1)
        self._rescale(total, 1)
        before = agent.free
        agent.set_total(total, self.shapes.traits_of(agent.view))
        self._keep_slice(agent)
        if self.quota:
            self.quota.move_free(before, agent.free)

    def _keep_slice(self, agent: AgentBook) -> None:
        """What is held there has changed, or the total, or who has short tasks."""
        if self.short_slice:
            traits = self.shapes.traits_of(agent.view, self.short_slice.kept_on(agent, self.frameworks))
            if traits is not agent.traits:
                agent.take_traits(traits)

    def _count_free(self, agent: AgentBook) -> None:
        before = agent.free
        agent.count_free()
        if self.quota:
            self.quota.move_free(before, agent.free)

    def _recount_quota(self) -> None:
        """Rare: quota changed, or a framework went that still held something."""
        self._quota_is_stale = False
        count(self.quota, self.agents.values(), self.frameworks, offers=True)

    def _charge(self, framework_id: FrameworkId, resources: Resources) -> None:
        """Account for what a framework already uses."""
        framework = self.frameworks[framework_id]
        for role, part in by_role(resources):
            client = framework.clients.get(role) or self._add_client(framework, role)
            self.sorter.charge(client, self._vector(part))
            if self.quota:
                self.quota.use(role, part, 1)

    def _discharge(self, framework_id: FrameworkId, resources: Resources) -> None:
        framework = self.frameworks[framework_id]
        for role, part in by_role(resources):
            client = framework.clients.get(role)
            if client is None:
                continue
            self.sorter.discharge(client, self._vector(part))
            if self.quota:
                self.quota.use(role, part, -1)
            if role not in framework.view.roles and not any(client.amounts):
                self._remove_client(framework, client)

    def _add_client(self, framework: FrameworkBook, role: Role) -> Client:
        self._serials += 1
        client = Client(framework.view.framework_id, role, self._serials)
        self._clients[client.serial] = client
        framework.clients[role] = client
        self.sorter.add(role, client)
        return client

    def _remove_client(self, framework: FrameworkBook, client: Client) -> None:
        self.filters.drop_client(client.serial)
        self.standing.drop(client)
        self.sorter.remove(client)
        del framework.clients[client.role]
        del self._clients[client.serial]
        self._with_own_minimum.pop(client.serial, None)
        self._aged.pop(client.serial, None)

    def _refresh_clients(self, framework: FrameworkBook) -> None:
        """Make the sorter's clients what the framework's roles, suppression and connection say."""
        view = framework.view
        for role in sorted(view.roles):
            if role not in framework.clients:
                self._add_client(framework, role)
        for role, client in list(framework.clients.items()):
            if role not in view.roles and not any(client.amounts):
                self._remove_client(framework, client)
                continue
            self._serials += 1
            client.stamp = self._serials
            client.capabilities = view.capabilities
            client.short = role in view.short_tasks
            client.aged = view.aged
            if view.aged:
                self._aged[client.serial] = client
            else:
                self._aged.pop(client.serial, None)
            own_minimum = view.min_allocatable.get(role)
            client.minimum = self.default_minimum if own_minimum is None else minimum_of(own_minimum)
            if own_minimum is None:
                self._with_own_minimum.pop(client.serial, None)
            else:
                self._with_own_minimum[client.serial] = client
            if framework.wants_offers(role):
                self.sorter.activate(client)
            else:
                self.sorter.deactivate(client)
            bit = client.bit
            self.sorter.renumber(client)  # any of its vetoes may have become wrong
            self.standing.set(client, view.filters.get(role, ()), bit, self.agents.values())
        if self.sorter.retired.bit_count() > len(self._clients) + 64:
            retired = self.sorter.reclaim()
            for agent in self.agents.values():
                agent.forget_bits(retired)

    @property
    def aged_bits(self) -> int:
        """Clients who come before all others; rarely any."""
        bits = 0
        for client in self._aged.values():
            bits |= client.bit
        return bits

    @property
    def own_minimum_bits(self) -> int:
        """Clients whose minimum is not the default one; rarely any."""
        bits = 0
        for client in self._with_own_minimum.values():
            bits |= client.bit
        return bits
