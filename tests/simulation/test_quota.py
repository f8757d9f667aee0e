"""Histories in which an operator gives roles quota, changes it and takes it away, while all fails (M-OM-08, X36-X39).

Every leader goes by what is stored, what the operator was told stays so, no offer goes beyond a limit; and the journals
of all masters are certified afterwards: guarantees are served, and head-room is kept for them.
"""

from __future__ import annotations

import pytest

from mesos_service.core.allocation.quota import Sizing
from mesos_service.core.allocation.shapes import Prepared, Shape
from mesos_service.core.effects import Told
from mesos_service.core.master import policy
from mesos_service.core.master.state import MasterState
from mesos_service.core.registry.registry import Registry
from mesos_service.fairness.certificate import Certifier
from mesos_service.plugins.allocator import GUARANTEES, LIMITS
from mesos_service.plugins.loader import ALLOCATORS, load
from mesos_service.simulator.cluster import Cluster, HistoryFailed, Outcome, Plan
from tests.support.histories import longer

CORPUS: tuple[int, ...] = ()
"""Seeds that once broke a promise."""

LONGER_CORPUS = (4029,)
"""In longer histories: an agent was offered when its drain was stored, and the leader had not heard of that yet."""

PLAN = Plan(seconds=25.0, governs=True, operations=0.2)


def run(seed: int, plan: Plan = PLAN) -> Outcome:
    """Certified, as well."""
    told: dict[str, list[Told]] = {}
    cluster = Cluster(seed, load(ALLOCATORS, "hierarchical_drf"), plan, told)
    outcome = cluster.run()
    assert len(told) == outcome.elections
    promises = set[str]()
    for journal in told.values():
        certifier = Certifier()
        for one in journal:
            certifier.take(one)
        found = certifier.close()
        assert found.is_fair, found
        promises |= set(found.promises)
    assert {GUARANTEES, LIMITS} <= promises
    assert cluster.governor.answers[200] > 5, "hardly any quota was ever given: the history is too tame"
    return outcome


@pytest.mark.parametrize("seed", [*CORPUS, 1, 2, 3, 4])
def test_m_om_08_x37_x38_quota_holds_whoever_leads(seed: int) -> None:
    outcome = run(seed)
    assert outcome.elections > 1, outcome
    assert outcome.notes["quota.updated"] > 5, outcome
    assert outcome.states.get("TASK_FINISHED", 0) > 10, outcome


def test_x16_a_leader_who_forgets_quota_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checkers can fail: a new leader does not read quota again."""

    def forgetful(state: MasterState, registry: Registry) -> None:
        del state, registry

    monkeypatch.setattr(policy, "recover", forgetful)
    with pytest.raises(HistoryFailed, match="goes by"):
        for seed in range(1, 10):
            run(seed)


def test_x37_an_allocator_that_offers_beyond_limits_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def generous(self: Sizing, shape: Shape, client: object, prepared: Prepared) -> Prepared:
        del self, shape, client
        return prepared

    monkeypatch.setattr(Sizing, "sized", generous)
    with pytest.raises(HistoryFailed, match="whose limit of"):
        for seed in range(1, 10):
            run(seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", sorted({*LONGER_CORPUS, *longer(4000, 40)}))
def test_m_om_08_x37_x38_forty_longer_histories_of_quota(seed: int) -> None:
    lends = seed % 2 == 0
    plan = Plan(seconds=90.0, governs=True, operations=0.0 if lends else 0.2, drains=True, lends=lends, agents=5)
    run(seed, plan)
