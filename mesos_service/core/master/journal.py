"""The record of what the deciding allocator was told and granted, for whoever asks later whether it was fair (N23).

Only made where ``--allocation_journal`` asks for it: then :class:`Journaled` stands where a plain guard would. What is
written is what passed between master and module, call by call, so that a reader needs to trust neither's books. An
instance that is made anew after a failure begins with ``begin`` again, and is told everything from the start.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from mesos_service.core.allocation.over_ledger import LedgerAllocator
from mesos_service.core.effects import JournalAllocations, Told
from mesos_service.core.master.guard import Guard
from mesos_service.core.master.shadow import Drawn, Followed, Shadow
from mesos_service.core.master.turn import Turn
from mesos_service.core.watch import Watch
from mesos_service.domain.ids import AgentId, FrameworkId, Role
from mesos_service.domain.randomness import RandomSource
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import (
    PROMISES,
    AgentView,
    Allocator,
    AllocatorOptions,
    FrameworkView,
    Grant,
    Observer,
    Quota,
)


class Began(NamedTuple):
    """An instance of the module ``allocator``, which promises so much, knows nothing but its options."""

    allocator: str
    options: AllocatorOptions
    promises: tuple[str, ...] = tuple(sorted(PROMISES))


class Carried(NamedTuple):
    """What a journal that begins in the middle has to say beside what calls can: what is held, with what of it are
    copies of shared volumes in use; refusals, until when; how often each place in the tree of roles was served; agents
    that a limit left out; and how many agents a new master waits for, until when."""

    held: tuple[tuple[FrameworkId, Role, AgentId, Resources, Resources | None], ...]
    filters: tuple[tuple[str, str, str, Resources, float | None], ...]
    served: dict[str, int]
    left_out: tuple[str, ...]
    missing: int
    waits_until: float


class Decided(NamedTuple):
    """One pass. ``seed`` is the number that was drawn for it, where it was one; ``agents`` those that were touched, and
    ``None`` in a full pass; ``limit`` the most grants."""

    now: float
    seed: int | None
    agents: tuple[AgentId, ...] | None
    limit: int | None
    grants: tuple[Grant, ...]


class Journaled(Guard):
    """A guard that writes down what is said to the module, and what it says. What a broken one is not told is not
    written either."""

    def __init__(self, module: Allocator, watch: Watch | None = None) -> None:
        Guard.__init__(self, module, watch)
        self.written: list[Told] = []
        """What nobody has taken yet."""
        self._begin()

    def _begin(self) -> None:
        promises = tuple(sorted(PROMISES & frozenset(self.module.promises)))
        self.written.append(Told("begin", Began(self.module.name, self.module.options, promises)))

    def _write(self, method: str, *arguments: Any) -> None:  # Any: as the method has them
        if not self.broken:
            self.written.append(Told(method, arguments))

    def replace(self) -> bool:
        # Before: what it is told within belongs to the new instance.
        self._begin()
        return super().replace()

    def add_framework(self, framework: FrameworkView, used: Mapping[AgentId, Resources], active: bool) -> None:
        self._write("add_framework", framework, dict(used), active)
        super().add_framework(framework, used, active)

    def update_framework(self, framework: FrameworkView) -> None:
        self._write("update_framework", framework)
        super().update_framework(framework)

    def remove_framework(self, framework_id: FrameworkId) -> None:
        self._write("remove_framework", framework_id)
        super().remove_framework(framework_id)

    def set_framework_active(self, framework_id: FrameworkId, active: bool) -> None:
        self._write("set_framework_active", framework_id, active)
        super().set_framework_active(framework_id, active)

    def suppress(self, framework_id: FrameworkId, roles: Collection[Role]) -> None:
        self._write("suppress", framework_id, tuple(roles))
        super().suppress(framework_id, roles)

    def revive(self, framework_id: FrameworkId, roles: Collection[Role]) -> None:
        self._write("revive", framework_id, tuple(roles))
        super().revive(framework_id, roles)

    def add_agent(self, agent: AgentView, used: Mapping[FrameworkId, Resources]) -> None:
        super().add_agent(agent, used)
        # By what the built-in allocators put agents in the order of a pass, where that is known.
        number = None
        if isinstance(self.module, LedgerAllocator) and not self.broken:
            number = self.module.ledger.agents[agent.agent_id].serial
        self._write("add_agent", agent, dict(used), number)

    def update_agent(self, agent: AgentView) -> None:
        self._write("update_agent", agent)
        super().update_agent(agent)

    def remove_agent(self, agent_id: AgentId) -> None:
        self._write("remove_agent", agent_id)
        super().remove_agent(agent_id)

    def set_agent_active(self, agent_id: AgentId, active: bool) -> None:
        self._write("set_agent_active", agent_id, active)
        super().set_agent_active(agent_id, active)

    def update_whitelist(self, hostnames: Collection[str] | None) -> None:
        self._write("update_whitelist", None if hostnames is None else tuple(hostnames))
        super().update_whitelist(hostnames)

    def offered_to_allocated(self, framework_id: FrameworkId, agent_id: AgentId, resources: Resources) -> None:
        self._write("offered_to_allocated", framework_id, agent_id, resources)
        super().offered_to_allocated(framework_id, agent_id, resources)

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
        self._write("recover", framework_id, agent_id, resources, refuse_seconds, allocated, now)
        super().recover(framework_id, agent_id, resources, refuse_seconds=refuse_seconds, allocated=allocated, now=now)

    def update_allocation(
        self, framework_id: FrameworkId, agent_id: AgentId, before: Resources, after: Resources
    ) -> None:
        self._write("update_allocation", framework_id, agent_id, before, after)
        super().update_allocation(framework_id, agent_id, before, after)

    def add_offer(self, framework_id: FrameworkId, agent_id: AgentId, resources: Resources) -> None:
        self._write("add_offer", framework_id, agent_id, resources)
        super().add_offer(framework_id, agent_id, resources)

    def update_weights(self, weights: Mapping[Role, float]) -> None:
        self._write("update_weights", dict(weights))
        super().update_weights(weights)

    def update_quota(self, role: Role, quota: Quota) -> None:
        self._write("update_quota", role, quota)
        super().update_quota(role, quota)

    def expect_agents(self, count: int, now: float) -> None:
        self._write("expect_agents", count, now)
        super().expect_agents(count, now)

    def allocate(
        self,
        now: float,
        random: RandomSource,
        *,
        agents: Collection[AgentId] | None,
        limit: int | None = None,
        observer: Observer | None = None,
    ) -> Sequence[Grant]:
        drawn = Drawn(random)
        grants = super().allocate(now, drawn, agents=agents, limit=limit, observer=observer)
        touched = None if agents is None else tuple(agents)
        if not self.broken:
            self.written.append(Told("pass", Decided(now, drawn.only_number(), touched, limit, tuple(grants))))
        return grants


class JournaledFollowed(Journaled, Followed):
    """The same with another module in its shadow, of which nothing is written."""

    def __init__(self, module: Allocator, shadow: Shadow, watch: Watch | None = None) -> None:
        Journaled.__init__(self, module, watch)
        Followed.__init__(self, module, shadow, watch)

    def give_up(self, grant: Grant, now: float) -> None:
        self._write("recover", grant.framework_id, grant.agent_id, grant.resources, None, False, now)
        super().give_up(grant, now)


def hand_over(turn: Turn) -> None:
    """After a pass: let what was written go out."""
    allocator = turn.state.allocator
    if isinstance(allocator, Journaled) and allocator.written:
        written, allocator.written = allocator.written, []
        turn.do(JournalAllocations(tuple(written)))
