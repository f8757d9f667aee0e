"""``mesos-service simulate``: many histories, each from its seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mesos_service.plugins.allocator import Allocator, AllocatorOptions
from mesos_service.simulator.cluster import Cluster, Outcome, Plan


def simulate(
    seeds: Iterator[int] | range, make_allocator: Callable[[AllocatorOptions], Allocator], plan: Plan | None = None
) -> Iterator[Outcome]:
    """Run one history after the other; the first that fails raises ``HistoryFailed``."""
    for seed in seeds:
        yield Cluster(seed, make_allocator, plan).run()
