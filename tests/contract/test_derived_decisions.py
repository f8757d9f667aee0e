"""More small clusters, each with what the rules of Apache Mesos' allocator say it would offer: ours offers that.

The clusters are in ``derived_decisions.txt``, with the reason for each outcome.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.contract.derive_decisions import derive
from tests.contract.small_clusters import run
from tests.contract.test_decisions import SEEDS

FILE = Path(__file__).parent / "derived_decisions.txt"


def read(text: str) -> Iterator[tuple[str, str, Sequence[str]]]:
    """Name, reason and steps of each cluster; comments begin with a semicolon."""
    lines = [line for line in text.splitlines() if not line.startswith(";")]
    for block in "\n".join(lines).strip().split("\n\n"):
        name, why, *steps = block.splitlines()
        yield name.removeprefix("# "), why, steps


DERIVED = list(read(FILE.read_text(encoding="utf-8")))


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
