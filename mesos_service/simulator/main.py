"""``mesos-service simulate``: one history from its seed, told in a few lines."""

from __future__ import annotations

import sys

from mesos_service.plugins.loader import ALLOCATORS, load
from mesos_service.simulator.cluster import Cluster, HistoryFailed, Plan


def run(seed: int, seconds: float = 600, allocator: str = "hierarchical_drf") -> int:
    """0 when every promise held, 1 with the story when one did not."""
    try:
        outcome = Cluster(seed, load(ALLOCATORS, allocator), Plan(seconds=seconds)).run()
    except HistoryFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    print(
        f"seed {outcome.seed}: {outcome.steps} steps, {outcome.elections} masters, {outcome.tasks} tasks,"
        f" digest {outcome.digest[:16]}"
    )
    print("  faults: " + (", ".join(f"{count} {kind}" for kind, count in sorted(outcome.faults.items())) or "none"))
    for state, count in sorted(outcome.states.items()):
        print(f"  {count:6d} {state}")
    print("no promise was broken")
    return 0
