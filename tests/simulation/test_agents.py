"""Agents that crash in the middle of anything and are started again, under masters and schedulers that fail too."""

from __future__ import annotations

import pytest

from mesos_service.core.agent import checkpointing
from mesos_service.core.agent.turn import Turn
from mesos_service.core.effects import AgentEffect
from mesos_service.plugins.loader import ALLOCATORS, load
from mesos_service.simulator.cluster import Cluster, HistoryFailed, Plan
from tests.support.histories import longer

RESTLESS = Plan(seconds=20.0, fault_every_seconds=0.6)


@pytest.mark.parametrize("seed", range(70, 74))
def test_m_ag_16_x05_x52_agents_that_crash_keep_every_promise(seed: int) -> None:
    """No acknowledged update is contradicted, no task forgotten, and every end is told as it was."""
    cluster = Cluster(seed, load(ALLOCATORS, "hierarchical_drf"), RESTLESS)
    cluster.run()
    assert sum(agent.restarts for agent in cluster.agents), "nobody crashed"


@pytest.mark.long
@pytest.mark.parametrize("seed", longer(5000, 100))
def test_a_hundred_longer_histories_of_agents_that_crash(seed: int) -> None:
    Cluster(seed, load(ALLOCATORS, "hierarchical_drf"), Plan(seconds=90.0, fault_every_seconds=0.8)).run()


def test_an_agent_that_acts_before_it_has_written_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def at_once(turn: Turn) -> list[AgentEffect]:
        return turn.effects

    monkeypatch.setattr(checkpointing, "withhold", at_once)
    with pytest.raises(HistoryFailed):
        for seed in range(70, 80):
            Cluster(seed, load(ALLOCATORS, "hierarchical_drf"), RESTLESS).run()
