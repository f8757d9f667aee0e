"""Explanations as others read them (N01)."""

from __future__ import annotations

from collections import Counter

from mesos_service.core.allocation.explanation import (
    AgentExplanation,
    Example,
    Explanation,
    Obstacle,
    OnAgent,
    RoleExplanation,
)
from mesos_service.core.master.state import MasterState
from mesos_service.plugins.verdict import Remedy
from mesos_service.wire.explain import (
    ExplainAgentAnswer,
    ExplainExample,
    ExplainFrameworkAnswer,
    ExplainObstacle,
    ExplainOnAgent,
    ExplainRemedy,
    ExplainRole,
)


def explain_framework(explanation: Explanation, state: MasterState) -> ExplainFrameworkAnswer:
    """``state`` gives the names of the framework and of hosts, where they are still there."""
    framework = state.frameworks.get(explanation.framework_id)
    return ExplainFrameworkAnswer(
        framework_id=explanation.framework_id,
        framework_name="" if framework is None else framework.info.name,
        allocator=explanation.allocator,
        at=explanation.at,
        summary=_summary(explanation),
        agents=explanation.agents,
        offers=explanation.offers,
        last_offered_at=explanation.last_offered_at,
        roles=tuple(_role(one, state) for one in explanation.roles),
    )


def explain_agent(explanation: AgentExplanation, state: MasterState) -> ExplainAgentAnswer:
    """As :func:`explain_framework`, of an agent."""
    agent = state.agents.get(explanation.agent_id)
    offered = sum(one.veto is None for one in explanation.roles)
    kept = [one.veto for one in explanation.roles if one.veto is not None]
    if offered:
        summary = f"The last full pass offered something of it in {offered} of {len(explanation.roles)} roles."
    elif kept:
        counts = Counter(one.reason for one in kept)
        widest, times = counts.most_common(1)[0]
        detail = next(one.detail for one in kept if one.reason == widest)
        summary = f"In {times} of {len(kept)} roles: {detail}"
    else:
        summary = "There is no framework."
    return ExplainAgentAnswer(
        agent_id=explanation.agent_id,
        hostname="" if agent is None else agent.info.hostname,
        allocator=explanation.allocator,
        at=explanation.at,
        summary=summary,
        roles=tuple(_on_agent(one, state) for one in explanation.roles),
    )


def _on_agent(one: OnAgent, state: MasterState) -> ExplainOnAgent:
    framework = state.frameworks.get(one.framework_id)
    name = "" if framework is None else framework.info.name
    veto = one.veto
    if veto is None:
        return ExplainOnAgent(framework_id=one.framework_id, framework_name=name, role=one.role, offered=True)
    return ExplainOnAgent(
        framework_id=one.framework_id,
        framework_name=name,
        role=one.role,
        offered=False,
        reason=veto.reason,
        culprit=veto.culprit,
        detail=veto.detail,
        lasting=veto.lasting,
        wakes_on=tuple(sorted(veto.wakes_on)),
        until=veto.until,
        remedies=tuple(_remedy(each) for each in veto.remedies),
    )


def _summary(explanation: Explanation) -> str:
    """One sentence: what was offered, or what stood in the way the most."""
    offered = sum(one.offered for one in explanation.roles)
    if offered:
        return f"The last full pass offered it something of {_agents(offered)}."
    holds = f"It holds {explanation.offers} unanswered offers. " if explanation.offers else ""
    widest = max(
        (one for role in explanation.roles for one in role.obstacles), key=lambda one: (not one.agents, one.agents)
    )
    where = f"On {_agents(widest.agents)} of {explanation.agents}: " if widest.agents else ""
    return f"{holds}{where}{widest.veto.detail}"


def _agents(count: int) -> str:
    return f"{count} agent{'' if count == 1 else 's'}"


def _role(role: RoleExplanation, state: MasterState) -> ExplainRole:
    return ExplainRole(
        role=role.role, offered=role.offered, obstacles=tuple(_obstacle(one, state) for one in role.obstacles)
    )


def _obstacle(obstacle: Obstacle, state: MasterState) -> ExplainObstacle:
    return ExplainObstacle(
        reason=obstacle.reason,
        agents=obstacle.agents,
        lasting=obstacle.veto.lasting,
        wakes_on=tuple(sorted(obstacle.veto.wakes_on)),
        examples=tuple(_example(one, state) for one in obstacle.examples),
    )


def _example(example: Example, state: MasterState) -> ExplainExample:
    agent = None if example.agent_id is None else state.agents.get(example.agent_id)
    veto = example.veto
    return ExplainExample(
        agent_id=example.agent_id,
        hostname=None if agent is None else agent.info.hostname,
        culprit=veto.culprit,
        detail=veto.detail,
        until=veto.until,
        remedies=tuple(_remedy(one) for one in veto.remedies),
    )


def _remedy(remedy: Remedy) -> ExplainRemedy:
    return ExplainRemedy(action=remedy.action, by=remedy.by, detail=remedy.detail, arguments=dict(remedy.arguments))
