"""Histories in which agents lend, take less and less back, and end borrowers, while all fails (M-AL-19, M-AG-26).

Nobody borrows more than the agent has told the master that it lends; in the end both know the same of it.
"""

from __future__ import annotations

import pytest

from mesos_service.core.master import oversubscription
from mesos_service.core.master.state import Agent
from mesos_service.core.master.turn import Turn
from mesos_service.domain.resources import Resources
from mesos_service.plugins.loader import ALLOCATORS, load
from mesos_service.simulator.cluster import Cluster, HistoryFailed, Outcome, Plan
from tests.support.histories import longer

CORPUS: tuple[int, ...] = ()
"""Seeds that once broke a promise."""

PLAN = Plan(seconds=25.0, lends=True, frameworks=4)


def run(seed: int, plan: Plan = PLAN) -> Outcome:
    return Cluster(seed, load(ALLOCATORS, "hierarchical_drf"), plan).run()


@pytest.mark.parametrize("seed", [*CORPUS, 1, 2, 3])
def test_m_al_19_m_ag_26_nobody_borrows_more_than_is_lent(seed: int) -> None:
    outcome = run(seed)
    assert outcome.notes["agent.oversubscribed"] > 20, outcome
    assert outcome.states.get("TASK_GONE", 0) > 3, "hardly anybody was preempted: the history is too tame"
    assert outcome.states.get("TASK_FINISHED", 0) > 10, outcome


def test_m_al_19_a_master_that_does_not_take_offers_back_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checkers can fail: offers of what is not lent any more would be launched on."""

    def trusting(turn: Turn, agent: Agent, revocable: Resources) -> None:
        del turn, agent, revocable

    monkeypatch.setattr(oversubscription, "_rescind_beyond", trusting)
    with pytest.raises(HistoryFailed):
        for seed in range(1, 10):
            run(seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", longer(3000, 40))
def test_m_al_19_m_ag_26_forty_longer_histories_of_lending(seed: int) -> None:
    run(seed, Plan(seconds=90.0, lends=True, frameworks=5, agents=5, fault_every_seconds=0.8))
