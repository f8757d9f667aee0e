"""Thousands of histories of small clusters, each decided by ours and by the rules of Apache Mesos: the same is offered.

Those rules are told in ``tests/support/mesos_rules.py``, apart from the definition that ``test_generated_clusters.py``
holds ours to, and with the state that Mesos keeps. Clusters are of the kinds that were put to Mesos' own allocator:
nested roles, weights, quota, reservations that are refined, filters, gpus, regions, disks, minimum sizes, constraints,
whatever comes and goes, in any order. What differs on purpose stands in ``docs/differences_from_mesos.md``.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.support.mesos_histories import Disagreement, run
from tests.support.mesos_more_histories import MoreKinds


@pytest.mark.parametrize("part", range(3))
def test_x27_x38_histories_are_decided_by_the_rules_of_mesos(part: int) -> None:
    seen = sum((run(seed) for seed in range(80 * part, 80 * part + 80)), Counter[str]())
    assert seen["offers"] > 1000
    assert min(seen[kind] for kind in ("cut", "reserved", "refined", "revocable", "gpus", "refused")) > 5, seen


@pytest.mark.parametrize("seed", [461, 2418, 2596])
def test_x31_only_rounding_sets_us_apart(seed: int) -> None:
    """Mesos' quotients of floating-point numbers make shares unequal that are equal on paper."""
    run(seed)
    with pytest.raises(Disagreement):
        run(seed, exact=False)


@pytest.mark.long
@pytest.mark.parametrize("thousand", range(1, 9))
def test_x27_x38_many_more_histories(thousand: int) -> None:
    for seed in range(1000 * thousand, 1000 * thousand + 1000):
        run(seed)


@pytest.mark.parametrize("part", range(3))
def test_x27_x48_histories_of_more_kinds_are_decided_by_the_rules_of_mesos(part: int) -> None:
    """M-AL-09, M-AL-10, M-AL-12, M-AL-13, M-AL-20, M-AL-25: operations, volumes, sets, what changes in between."""
    seen = sum((run(seed, MoreKinds) for seed in range(60 * part, 60 * part + 60)), Counter[str]())
    assert seen["offers"] > 1000
    assert min(seen[kind] for kind in MoreKinds.HAVE_TO_COME_UP) > 2, seen


@pytest.mark.long
@pytest.mark.parametrize("thousand", range(1, 9))
def test_x27_x48_many_more_histories_of_more_kinds(thousand: int) -> None:
    for seed in range(1000 * thousand, 1000 * thousand + 1000):
        run(seed, MoreKinds)
