"""How an explanation reads for people."""

from __future__ import annotations

from mesos_service.cli.explain import lines
from mesos_service.wire.explain import ExplainExample, ExplainFrameworkAnswer, ExplainObstacle, ExplainRole


def told_of(*agents: tuple[str, str]) -> list[str]:
    """The lines about these agents, each an id and a hostname, with what stands in the way."""
    examples = tuple(
        ExplainExample(agent_id=agent_id, hostname=hostname, culprit="agent", detail="It is full.")
        for agent_id, hostname in agents
    )
    obstacle = ExplainObstacle(
        reason="nothing_free", agents=len(examples), lasting=False, wakes_on=(), examples=examples
    )
    answer = ExplainFrameworkAnswer(
        framework_id="f",
        framework_name="",
        allocator="hierarchical_drf",
        at=0.0,
        summary="Nothing is free.",
        agents=len(examples),
        offers=0,
        roles=(ExplainRole(role="*", offered=0, obstacles=(obstacle,)),),
    )
    return [line.strip() for line in lines(answer) if "It is full." in line]


def test_n01_agents_are_told_apart() -> None:
    assert told_of(("S0", "web1"), ("S1", "web2")) == ["web1: It is full.", "web2: It is full."]
    assert told_of(("S0", "web1"), ("S1", "web1")) == ["S0: It is full.", "S1: It is full."]
