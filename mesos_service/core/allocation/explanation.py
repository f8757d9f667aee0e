"""Why a framework is offered nothing, gathered from one pass: never empty, with what would have to change (N01, N02).

For each role of the framework it says how many agents were offered to it, and which gates stood in the way on how many
of the others, with a few agents by name for each.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from mesos_service.core.allocation import reasons
from mesos_service.domain.ids import AgentId, FrameworkId, Role
from mesos_service.plugins.allocator import Observer
from mesos_service.plugins.verdict import Veto

EXAMPLES_MAX: Final = 10
"""Agents that are named for one reason."""


@dataclass(frozen=True, slots=True)
class Example:
    """``agent_id`` is ``None`` for what concerns the whole cluster."""

    agent_id: AgentId | None
    veto: Veto


@dataclass(slots=True)
class Obstacle:
    """One reason, on ``agents`` agents; 0 where it concerns the whole cluster."""

    reason: str
    agents: int = 0
    examples: list[Example] = field(default_factory=list)

    @property
    def veto(self) -> Veto:
        """The first of them, to speak for all."""
        return self.examples[0].veto


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleExplanation:
    """``offered`` counts the agents of which the pass granted something; ``obstacles`` has the widest first."""

    role: Role
    offered: int
    obstacles: tuple[Obstacle, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What one framework is to know of the full pass at ``at``. Times are unix seconds."""

    framework_id: FrameworkId
    allocator: str
    at: float
    agents: int
    """How many there are in the cluster."""
    offers: int
    """How many of the framework's offers wait for its answer, those of this pass included."""
    last_offered_at: float | None
    """``None``: not since this master leads."""
    roles: tuple[RoleExplanation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OnAgent:
    """One framework in one role, and what kept it from an agent; ``None`` where it was granted something of it."""

    framework_id: FrameworkId
    role: Role
    veto: Veto | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentExplanation:
    """What the full pass at ``at``, unix seconds, made of one agent, for everybody."""

    agent_id: AgentId
    allocator: str
    at: float
    roles: tuple[OnAgent, ...]


class Listener(Observer):
    """Hears a pass for some frameworks, or about some agents, and keeps what it hears in little room."""

    def __init__(self, frameworks: Collection[FrameworkId], agents: Collection[AgentId] = ()) -> None:
        self._asked = self.frameworks = frozenset(frameworks)
        self.agents = frozenset(agents)
        self._heard: dict[tuple[FrameworkId, Role], dict[str, Obstacle]] = {}
        self._of_agents: dict[tuple[FrameworkId, Role, AgentId | None], Veto] = {}

    def refused(self, framework_id: FrameworkId, role: Role, agent_id: AgentId | None, veto: Veto) -> None:
        if self.agents and (agent_id is None or agent_id in self.agents):
            self._of_agents.setdefault((framework_id, role, agent_id), veto)
        if framework_id not in self._asked:
            return
        obstacles = self._heard.setdefault((framework_id, role), {})
        obstacle = obstacles.get(veto.reason)
        if obstacle is None:
            obstacle = obstacles[veto.reason] = Obstacle(veto.reason)
        if agent_id is not None:
            obstacle.agents += 1
        if len(obstacle.examples) < EXAMPLES_MAX:
            obstacle.examples.append(Example(agent_id, veto))

    def role(self, framework_id: FrameworkId, role: Role, offered: int, otherwise: Veto) -> RoleExplanation:
        """What was heard of one role; ``otherwise`` is said where that is nothing, and nothing was offered."""
        obstacles = list(self._heard.get((framework_id, role), {}).values())
        if not obstacles and not offered:
            obstacles = [Obstacle(otherwise.reason, 0, [Example(None, otherwise)])]
        # What concerns the whole cluster comes first: nothing else matters before that is changed.
        obstacles.sort(key=lambda one: (one.agents > 0, -one.agents, one.reason))
        return RoleExplanation(role=role, offered=offered, obstacles=tuple(obstacles))

    def on_agent(self, framework_id: FrameworkId, role: Role, agent_id: AgentId) -> Veto | None:
        """What was heard of one of :attr:`agents`; what concerns the whole cluster first."""
        heard = self._of_agents
        return heard.get((framework_id, role, None)) or heard.get((framework_id, role, agent_id))


def fallback(allocator: str, agents: int) -> Veto:
    """What is said where the allocator said nothing."""
    return reasons.no_agents() if not agents else reasons.allocator_silent(allocator)
