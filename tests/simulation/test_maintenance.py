"""Operators take machines out of service while everything fails: what is down stays down for every master (M-OM-11)."""

from __future__ import annotations

import pytest

from mesos_service.core.master import maintenance
from mesos_service.core.master.turn import Turn
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.ids import AgentId, LinkId
from mesos_service.plugins.loader import ALLOCATORS, load
from mesos_service.simulator.cluster import Cluster, HistoryFailed, Outcome, Plan
from tests.support.histories import longer

CORPUS: tuple[int, ...] = ()
"""Seeds that once broke a promise."""

MAINTAINS = Plan(seconds=40.0, fault_every_seconds=0.6, maintains=True)


def run(seed: int, plan: Plan = MAINTAINS) -> Outcome:
    return Cluster(seed, load(ALLOCATORS, "hierarchical_drf"), plan).run()


@pytest.mark.parametrize("seed", [*CORPUS, *range(60, 64)])
def test_m_om_11_m_ha_12_what_is_down_stays_down_whatever_fails(seed: int) -> None:
    outcome = run(seed)
    assert outcome.faults.get("maintain"), "nothing was maintained"
    assert outcome.elections > 1, "the history is too tame"


def test_m_om_11_the_histories_take_agents_out_of_service() -> None:
    notes: dict[str, int] = {}
    for seed in range(60, 63):
        for fact, count in run(seed).notes.items():
            notes[fact] = notes.get(fact, 0) + count
    assert {"agent.machine_down", "agent.refused", "maintenance.updated"} <= notes.keys(), notes


@pytest.mark.long
@pytest.mark.parametrize("seed", longer(6000, 30))
def test_m_om_11_thirty_longer_histories_of_maintenance(seed: int) -> None:
    run(seed, Plan(seconds=90.0, fault_every_seconds=0.8, maintains=True, drains=True))


def test_a_master_that_lets_agents_register_on_a_machine_that_is_down_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def lax(turn: Turn, info: AgentInfo, link_id: LinkId, agent_id: AgentId | None) -> bool:
        del turn, info, link_id, agent_id
        return False

    monkeypatch.setattr(maintenance, "refused", lax)
    monkeypatch.setattr(maintenance, "end_if_down", lambda turn, agent: False)
    with pytest.raises(HistoryFailed, match="which is down"):
        for seed in range(60, 70):
            run(seed)
