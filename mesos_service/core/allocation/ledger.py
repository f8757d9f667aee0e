"""The books: who holds what on which agent, and what is free there.

Two equations hold between any two calls (:mod:`~mesos_service.core.allocation.audit` checks them, and tests ask it
after each call):

- on each agent, ``free`` + all that is held there = ``total``. Only when an agent came back smaller than what runs on
  it do holdings exceed the total; nothing of a kind that is short counts as free then;
- what a client's account in the :class:`~mesos_service.core.allocation.sorter.Sorter` says is the sum of what it
  holds on all agents, and a role's account is the sum of its clients'.

Offered counts as held (A39), so that nothing is offered twice (E60a). What is allocated of a shared volume is copies:
the volume itself is free unless it is offered, and counts once for who holds it on an agent, however often (X45).
Holdings of a framework that is not known (it was removed, or has not come back yet) are not free either, but count for
no role.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from mesos_service.core.allocation.accounts import Accounts
from mesos_service.core.allocation.clients import Client
from mesos_service.core.allocation.entries import AgentBook, FrameworkBook, by_role, holding
from mesos_service.core.allocation.lots import Lots
from mesos_service.core.allocation.parts import Ranked
from mesos_service.core.allocation.shapes import Prepared
from mesos_service.core.allocation.table import NOTHING
from mesos_service.domain.errors import InvariantBroken
from mesos_service.domain.ids import AgentId, FrameworkId, Role
from mesos_service.domain.resources import Resources, ResourcesError
from mesos_service.plugins.allocator import AgentView, FrameworkView, Grant, Quota


class Ledger(Accounts):
    """All books of one allocator. Unknown ids raise :class:`InvariantBroken`, save where said otherwise."""

    # -- frameworks ------------------------------------------------------------------------------------------
    def add_framework(self, view: FrameworkView, used: Mapping[AgentId, Resources], active: bool) -> None:
        """What agents brought with them before the framework came is replaced by ``used`` or else kept."""
        if view.framework_id in self.frameworks:
            raise InvariantBroken(f"framework {view.framework_id} is in the allocator already")
        framework = self.frameworks[view.framework_id] = FrameworkBook(view, active)
        for agent_id, resources in used.items():
            agent = self.agents.get(agent_id)
            if agent is not None:
                agent.allocated = holding(agent.allocated, view.framework_id, resources)
                self._count_free(agent)
                self._keep_slice(agent)
                self._sort_in(agent)
                self._strays.setdefault(view.framework_id, {})[agent_id] = None
        for agent_id in self._strays.pop(view.framework_id, ()):
            self._charge(view.framework_id, self.agents[agent_id].held_by(view.framework_id))
        self._refresh_clients(framework)

    def update_framework(self, view: FrameworkView) -> None:
        framework = self._framework(view.framework_id)
        was = framework.view
        released = (was.roles - view.roles) | (framework.suppressed - view.suppressed)
        framework.view = view
        framework.suppressed = view.suppressed
        if self.short_slice and was.short_tasks != view.short_tasks:
            for agent in self.agents.values():
                self._keep_slice(agent)
        for role, client in framework.clients.items():
            if role in released:
                self.filters.drop_client(client.serial)
        self._refresh_clients(framework)

    def remove_framework(self, framework_id: FrameworkId) -> None:
        """What it holds stays taken on the agents until it is recovered."""
        framework = self._framework(framework_id)
        holds = any(any(client.amounts) for client in framework.clients.values())
        for client in list(framework.clients.values()):
            self._remove_client(framework, client)
        del self.frameworks[framework_id]
        strays = {
            agent.agent_id: None
            for agent in self.agents.values()
            if framework_id in agent.offered or framework_id in agent.allocated
        }
        if strays:
            self._strays[framework_id] = strays
        if holds and self.quota:
            self._recount_quota()

    def set_framework_active(self, framework_id: FrameworkId, active: bool) -> None:
        framework = self._framework(framework_id)
        framework.active = active
        if not active:
            for client in framework.clients.values():
                self.filters.drop_client(client.serial)
        self._refresh_clients(framework)

    def suppress(self, framework_id: FrameworkId, roles: Collection[Role]) -> None:
        framework = self._framework(framework_id)
        framework.suppressed |= frozenset(roles) or framework.view.roles
        self._refresh_clients(framework)

    def revive(self, framework_id: FrameworkId, roles: Collection[Role]) -> None:
        framework = self._framework(framework_id)
        revived = frozenset(roles) or framework.view.roles
        framework.suppressed -= revived
        for role, client in framework.clients.items():
            if role in revived:
                self.filters.drop_client(client.serial)
        self._refresh_clients(framework)

    # -- agents ----------------------------------------------------------------------------------------------
    def add_agent(self, view: AgentView, used: Mapping[FrameworkId, Resources]) -> None:
        if view.agent_id in self.agents:
            raise InvariantBroken(f"agent {view.agent_id} is in the allocator already")
        self._serials += 1
        held = {framework_id: resources for framework_id, resources in used.items() if resources}
        agent = AgentBook(view, self._serials, self.table, self.shapes.traits_of(view), held or NOTHING)
        self.recovery.count_one()
        self.agents[view.agent_id] = agent
        self._rescale(view.total, 1)
        for framework_id, resources in held.items():
            if framework_id in self.frameworks:
                self._charge(framework_id, resources)
            else:
                self._sort_stray(framework_id, agent)
        agent.whitelisted = self._is_whitelisted(agent)
        self.standing.look_at(agent)
        self._keep_slice(agent)
        if self.quota:
            self.quota.move_free(Resources.EMPTY, agent.free)
        self._sort_in(agent)

    def update_agent(self, view: AgentView) -> None:
        agent = self._agent(view.agent_id)
        if agent.view.attributes != view.attributes:
            self.filters.drop_agent(agent.index)
        agent.view = view
        agent.whitelisted = self._is_whitelisted(agent)
        self.standing.look_at(agent)
        self._set_total(agent, view.total)
        self._sort_in(agent)

    def remove_agent(self, agent_id: AgentId) -> None:
        """All that was held there is gone with it; recovering it later does nothing."""
        agent = self._agent(agent_id)
        self.recovery.miss_one()
        for framework_id in {**agent.offered, **agent.allocated}:
            if framework_id in self.frameworks:
                self._discharge(framework_id, agent.held_by(framework_id))
        agent.offered = agent.allocated = NOTHING
        for framework_id in list(self._strays):
            self._sort_stray(framework_id, agent)
        self._rescale(agent.total, -1)
        if self.quota:
            self.quota.move_free(agent.free, Resources.EMPTY)
        self.filters.drop_agent(agent.index)
        self.table.remove(agent.index)
        del self.agents[agent_id]

    def set_agent_active(self, agent_id: AgentId, active: bool) -> None:
        agent = self._agent(agent_id)
        agent.active = active
        self._sort_in(agent)

    def update_whitelist(self, hostnames: Collection[str] | None) -> None:
        self._whitelist = None if hostnames is None else frozenset(hostnames)
        for agent in self.agents.values():
            agent.whitelisted = self._is_whitelisted(agent)
            self._sort_in(agent)

    # -- resources -------------------------------------------------------------------------------------------
    def give(self, agent: AgentBook, prepared: Prepared) -> Grant:
        """Book ``prepared``, which was made of what is free on ``agent``, as offered."""
        agent.take(prepared)
        if not prepared.rest:
            self.table.open[agent.index] = False
        elif prepared.client.short:
            # What is left goes on to others, who may have more of it now.
            self._keep_slice(agent)
        if self.quota:
            self.quota.grant(prepared, 1)
        client = prepared.client
        self.sorter.charge(client, prepared.vector)
        return Grant(client.framework_id, client.role, agent.agent_id, prepared.granted)

    def close(self, taken: Sequence[int], given: Mapping[Prepared, int]) -> None:
        """What :meth:`give` does, but for many agents of which all was taken; the sorter's account is kept already."""
        if taken:
            self.table.open[taken] = False
        if self.quota:
            for prepared, times in given.items():
                self.quota.grant(prepared, times)

    def add_offer(self, framework_id: FrameworkId, agent_id: AgentId, resources: Resources) -> None:
        """Book as offered what somebody else has granted."""
        agent = self._agent(agent_id)
        self._framework(framework_id)
        offered = agent.offered.get(framework_id, Resources.EMPTY)
        self._charge(framework_id, agent.new_to(framework_id, resources))
        agent.offered = holding(agent.offered, framework_id, offered + resources)
        self._count_free(agent)
        self._keep_slice(agent)
        self._sort_in(agent)

    def offered_to_allocated(self, framework_id: FrameworkId, agent_id: AgentId, resources: Resources) -> None:
        """What was merely offered is now used; it counts the same for shares, but not for quota (X36)."""
        agent = self._agent(agent_id)
        offered = self._take(agent, False, framework_id, resources.non_shared())
        allocated = agent.allocated.get(framework_id, Resources.EMPTY)
        agent.allocated = holding(agent.allocated, framework_id, allocated + resources)
        agent.offered = holding(agent.offered, framework_id, offered)
        self._keep_slice(agent)

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
        """Tolerates a framework or agent that has gone; giving back what is not held is a contradiction."""
        agent = self.agents.get(agent_id)
        if agent is None or not resources:
            return
        framework = self.frameworks.get(framework_id)
        holdings = agent.allocated if allocated else agent.offered
        if framework is None and framework_id not in holdings:
            return
        left = holding(holdings, framework_id, self._take(agent, allocated, framework_id, resources))
        if allocated:
            agent.allocated = left
        else:
            agent.offered = left
        if framework is None:
            self._sort_stray(framework_id, agent)
        if agent.overbooked:
            self._count_free(agent)
        else:
            # A volume may have been mounted elsewhere by its user; what is free is as the agent has it.
            freed = (resources.non_shared() if allocated else resources).unallocated().spelt_as_in(agent.total)
            free = agent.free
            agent.set_free(freed if free is Resources.EMPTY else free + freed)
            if self.quota:
                self.quota.move_free(Resources.EMPTY, freed)
        self._keep_slice(agent)
        self._sort_in(agent)
        if framework is None:
            return
        if refuse_seconds is not None and framework.active:
            expires = now + refuse_seconds if refuse_seconds > 0 else None
            for role, part in by_role(resources):
                client = framework.clients.get(role)
                if client is not None:
                    self.refuse(agent, client, part.unallocated(), expires)
        self._discharge(framework_id, agent.new_to(framework_id, resources))

    def fitted(self, agent: AgentBook, prepared: Prepared) -> Prepared:
        """``prepared`` as it counts on ``agent``: shared volumes that the client uses there count already."""
        client, offer = prepared.client, prepared.offer
        if not offer.has_shared:
            return prepared
        new = agent.new_to(client.framework_id, prepared.granted)
        if new is prepared.granted:
            return prepared
        return Prepared(client, agent.free, offer, new.quantities(), self.scale)

    def refuse(self, agent: AgentBook, client: Client, refused: Resources, expires: float | None) -> None:
        """Install a refusal filter; ``refused`` is without allocation role, ``expires`` unix seconds or a hold."""
        self.filters.install(client.serial, agent.index, refused, expires)
        if refused is agent.free or refused.contains(agent.free):
            # Whatever of this might be offered runs into the filter: nobody needs to ask.
            agent.remember_veto(client.bit)

    def update_allocation(
        self, framework_id: FrameworkId, agent_id: AgentId, before: Resources, after: Resources
    ) -> None:
        """The agent's total changes along: a reservation or volume made from an offer is there to stay."""
        agent = self._agent(agent_id)
        framework = self._framework(framework_id)
        rest = self._take(agent, False, framework_id, before)
        try:
            total = agent.total - before.unallocated() + after.unallocated()
        except ResourcesError as short:
            raise InvariantBroken(f"the total of {agent_id} cannot change with its offer: {short}") from short
        if before.quantities() != after.quantities():
            for part, sign in ((before, 1), (after, -1)):
                for role, share in by_role(part):
                    vector = [(position, sign * amount) for position, amount in self._vector(share)]
                    self.sorter.discharge(framework.clients[role], vector)
        if self.quota:
            for part, sign in ((before, -1), (after, 1)):
                for role, share in by_role(part):
                    self.quota.use(role, share, sign)
        agent.offered = holding(agent.offered, framework_id, rest + after)
        agent.view = replace(agent.view, total=total)
        self._set_total(agent, total)
        self._sort_in(agent)

    # -- policy ----------------------------------------------------------------------------------------------
    def update_weights(self, weights: Mapping[Role, float]) -> None:
        self.sorter.update_weights(weights)

    def update_quota(self, role: Role, quota: Quota) -> None:
        """Raises :class:`ConfigurationError` for a quota that is not lawful; then nothing changes."""
        self.quota.set(role, quota)
        self._quota_is_stale = True

    def settle_quota(self) -> None:
        """Count what is consumed of quota that was set since the last pass: once, however many roles it was set for."""
        if self._quota_is_stale:
            self._recount_quota()

    # -- filters ---------------------------------------------------------------------------------------------
    def lapse_filters(self, now: float) -> None:
        self.standing.turn(now, self.agents.values())
        self._forget_vetoes(self.filters.lapse(now))

    def release_holds(self) -> None:
        self._forget_vetoes(self.filters.release_holds())

    def drop_refusals(self, rows: Sequence[int]) -> None:
        """Nobody refuses these agents any more."""
        self.filters.drop_agents(rows)
        for index in rows:
            agent = self.table.books[index]
            assert agent is not None, "who is refused is there"
            agent.vetoed = agent.barred

    def books_of(self, agent_ids: Iterable[AgentId]) -> list[AgentBook]:
        """In the order agents were added, whatever order they are named in; those that have gone are left out."""
        books = [self.agents[agent_id] for agent_id in agent_ids if agent_id in self.agents]
        books.sort(key=lambda agent: agent.serial)
        return books

    def lots(self, seed: int) -> Lots | None:
        """Lots for a pass, where roles or frameworks are not asked in the order of their shares."""
        roles, frameworks = self._options.role_sorter == "random", self._options.framework_sorter == "random"
        if self._parts.have_order:
            return Ranked(seed, roles, frameworks, self._parts, self.scale)
        return Lots(seed, roles, frameworks) if roles or frameworks else None

    # -- within ----------------------------------------------------------------------------------------------
    def _is_whitelisted(self, agent: AgentBook) -> bool:
        return self._whitelist is None or agent.view.hostname in self._whitelist

    def _forget_vetoes(self, pairs: Iterable[tuple[int, int]]) -> None:
        vetoed, books = self.table.vetoed, self.table.books
        for client, index in pairs:
            agent = books[index]
            assert agent is not None, "filters go with their agent"
            vetoed[index] = vetoed[index] & ~self._clients[client].bit | agent.barred
