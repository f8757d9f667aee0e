"""How an explanation reads for people."""

from __future__ import annotations

from mesos_service.cli.explain import lines
from mesos_service.wire.explain import ExplainExample, ExplainFrameworkAnswer, ExplainObstacle, ExplainRole


def explained(*obstacles: tuple[tuple[str, str], ...]) -> list[str]:
    """The lines of an answer whose obstacles stand at these agents, each an id and a hostname."""
    answer = ExplainFrameworkAnswer(
        framework_id="f",
        framework_name="",
        allocator="hierarchical_drf",
        at=0.0,
        summary="Nothing is free.",
        agents=sum(len(agents) for agents in obstacles),
        offers=0,
        roles=(ExplainRole(role="*", offered=0, obstacles=tuple(obstacle(agents) for agents in obstacles)),),
    )
    return [line.strip() for line in lines(answer)]


def obstacle(agents: tuple[tuple[str, str], ...]) -> ExplainObstacle:
    examples = tuple(
        ExplainExample(agent_id=agent_id, hostname=hostname, culprit="agent", detail="It is full.")
        for agent_id, hostname in agents
    )
    return ExplainObstacle(reason="nothing_free", agents=len(examples), lasting=False, wakes_on=(), examples=examples)


def told_of(*obstacles: tuple[tuple[str, str], ...]) -> list[str]:
    return [line for line in explained(*obstacles) if "It is full." in line]


def test_n01_agents_are_told_apart() -> None:
    assert told_of((("S0", "web1"), ("S1", "web2"))) == ["web1: It is full.", "web2: It is full."]
    assert told_of((("S0", "web1"), ("S1", "web1"))) == ["S0: It is full.", "S1: It is full."]


def test_n01_agents_of_one_machine_are_told_apart_where_different_reasons_keep_them() -> None:
    assert told_of((("S0", "web1"),), (("S1", "web1"), ("S2", "web2"))) == [
        *("S0: It is full.", "S1: It is full.", "web2: It is full."),
    ]
    # One agent that two reasons name is one agent.
    assert told_of((("S0", "web1"),), (("S0", "web1"),)) == ["web1: It is full."] * 2


def test_n01_one_agent_is_counted_as_one() -> None:
    assert "nothing_free (1 agent)" in explained((("S0", "web1"),))
    assert "nothing_free (2 agents)" in explained((("S0", "web1"), ("S1", "web2")))
