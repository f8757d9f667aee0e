"""Small clusters that were put to Apache Mesos' own allocator (1.12), and ours with them: the same is offered.

``decisions.json`` is made by ``derive_decisions.py``. Mesos shuffles agents, and so do we; where an outcome depends on
the order, each one seen from Mesos is found here too, and otherwise every order gives the one outcome.
"""

from __future__ import annotations

import pytest

from tests.contract.clusters import CLUSTERS, SEEDS, SEEDS_MANY
from tests.contract.derive_decisions import Json, operation, outcome
from tests.contract.small_clusters import run


@pytest.mark.parametrize("cluster", CLUSTERS, ids=[one["name"] for one in CLUSTERS])
def test_x32_ours_offers_what_mesos_offered(cluster: Json) -> None:
    runs = [run(cluster["steps"], seed) for seed in range(SEEDS)]
    for number, (_, seen) in enumerate(runs[0]):
        if len(seen) == 1:
            assert [one[number][0] for one in runs] == seen * SEEDS
        else:
            ours = [run(cluster["steps"], seed)[number][0] for seed in range(SEEDS_MANY)]
            assert [one for one in seen if one not in ours] == []


def test_the_tool_reads_steps_and_outcomes() -> None:
    assert operation("framework f roles a b suppressed a +GPU_RESOURCES") == {
        "do": "framework",
        "name": "f",
        "roles": ["a", "b"],
        "suppressed": ["a"],
        "capabilities": ["GPU_RESOURCES"],
    }
    assert operation("agent x cpus:1 used by f in role a: cpus:1")["used"] == [["f", "a", "cpus:1"]]
    assert outcome("=> nothing") == {}
    assert outcome("=> f role a: 2 agents, mem:1; cpus:2") == {"f a": [2, "cpus:2; mem:1"]}
    with pytest.raises(ValueError, match="cannot read the step"):
        operation("something else")
