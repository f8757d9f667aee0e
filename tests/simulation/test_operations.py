"""Histories in which frameworks and operators reserve, make volumes and undo it, while all fails (X14c, M-SC-15).

In the end master, agent and the agent's disk agree, and every framework knows what became of each of its operations.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest

from mesos_service.core.link import OperationReport
from mesos_service.core.master import books
from mesos_service.core.master import operations as master_operations
from mesos_service.core.master.state import Agent
from mesos_service.core.master.turn import Turn
from mesos_service.domain.ids import FrameworkId
from mesos_service.domain.resources import Resources
from mesos_service.plugins.loader import ALLOCATORS, load
from mesos_service.simulator.cluster import Cluster, HistoryFailed, Plan
from mesos_service.simulator.operating import OperatingFramework
from tests.support.histories import longer

CORPUS: tuple[int, ...] = ()
"""Seeds that once broke a promise."""

PLAN = Plan(seconds=20.0, operations=0.5, fault_every_seconds=1.0)


def run(seed: int, plan: Plan = PLAN) -> Counter[str]:
    """What frameworks were told of operations, and how often."""
    cluster = Cluster(seed, load(ALLOCATORS, "hierarchical_drf"), plan)
    cluster.run()
    operating = [one for one in cluster.frameworks if isinstance(one, OperatingFramework)]
    return Counter(state for one in operating for state in one.operations.values())


@pytest.mark.parametrize("seed", [*CORPUS, 1, 2])
def test_x14c_m_sc_15_master_and_agent_agree_and_no_operation_is_forgotten(seed: int) -> None:
    told = run(seed)
    assert told["OPERATION_FINISHED"] > 20, told
    assert told["OPERATION_ERROR"] > 20, told


def test_x14c_a_master_that_does_not_compare_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checkers can fail: without the comparison an operation that never arrived is under way for ever."""

    def believing(turn: Turn, agent: Agent, reports: Iterable[OperationReport]) -> None:
        del turn, agent, reports

    monkeypatch.setattr(master_operations, "compare", believing)
    with pytest.raises(HistoryFailed):
        for seed in range(1, 10):
            run(seed, Plan(seconds=12.0, operations=0.9, fault_every_seconds=0.3))


def test_m_al_11_x45_in_such_histories_volumes_are_used_by_several_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the checkers look at holds shared volumes, and tasks that share them."""
    users: Counter[int] = Counter()
    use = books.use_offered

    def counting(turn: Turn, framework_id: FrameworkId, agent: Agent, resources: Resources) -> None:
        use(turn, framework_id, agent, resources)
        for volume in resources.shared().unallocated():
            users[sum(held.unallocated().copies(volume) for held in agent.used.values())] += 1

    monkeypatch.setattr(books, "use_offered", counting)
    run(3, Plan(seconds=40.0, operations=0.7, fault_every_seconds=3.0, agents=2))
    assert max(users) > 2, users


@pytest.mark.long
@pytest.mark.parametrize("seed", longer(2000, 40))
def test_x14c_m_sc_15_forty_longer_histories_of_operations(seed: int) -> None:
    run(seed, Plan(seconds=90.0, operations=0.5, fault_every_seconds=0.7, agents=5))
