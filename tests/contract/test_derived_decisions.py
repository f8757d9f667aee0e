"""More small clusters, each with what the rules of Apache Mesos' allocator say it would offer: ours offers that.

The clusters are in ``derived_decisions.txt``, with the reason for each outcome.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.contract.clusters import DERIVED, FILE, SEEDS
from tests.contract.derive_decisions import derive
from tests.contract.small_clusters import run


@pytest.mark.parametrize(("name", "why", "steps"), DERIVED, ids=[one[0] for one in DERIVED])
def test_x32_x36_x37_x38_ours_offers_what_the_rules_of_mesos_say(name: str, why: str, steps: Sequence[str]) -> None:
    """X27, X29, X30, X31, X33, X34, X35, X44, M-AL-13, M-AL-14, M-AL-15, M-AL-17, M-AL-18, M-AL-20, M-AL-21."""
    [cluster] = derive([{"name": name, "steps": list(steps)}])
    assert any(step["do"] == "expect" for step in cluster["steps"])
    for seed in range(SEEDS):
        for ours, rules in run(cluster["steps"], seed):
            assert [ours] == rules, why


def test_no_cluster_is_left_out() -> None:
    assert len(DERIVED) == len({name for name, _, _ in DERIVED}) == FILE.read_text(encoding="utf-8").count("\n# ")
    assert len(DERIVED) > 130
