"""Operators drain agents while everything fails: nobody is offered them, and what was asked outlives every master."""

from __future__ import annotations

import pytest

from mesos_service.core.master import draining
from mesos_service.core.master.state import Agent
from mesos_service.core.master.turn import Turn
from mesos_service.plugins.loader import ALLOCATORS, load
from mesos_service.simulator.cluster import Cluster, HistoryFailed, Plan

DRAINS = Plan(seconds=25.0, fault_every_seconds=0.6, drains=True)


@pytest.mark.parametrize("seed", range(40, 46))
def test_m_om_12_m_ag_25_draining_outlives_whatever_fails(seed: int) -> None:
    outcome = Cluster(seed, load(ALLOCATORS, "hierarchical_drf"), DRAINS).run()
    assert outcome.faults.get("drain"), "nobody drained anything"
    assert outcome.notes.get("agent.drained"), "nothing was ever drained"


def test_a_master_that_forgets_at_an_agents_return_that_it_drains_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def forget(turn: Turn, agent: Agent) -> None:
        turn.state.deactivated.pop(agent.agent_id, None)

    monkeypatch.setattr(draining, "hold_back", forget)
    with pytest.raises(HistoryFailed):
        for seed in range(40, 60):
            Cluster(seed, load(ALLOCATORS, "hierarchical_drf"), DRAINS).run()
