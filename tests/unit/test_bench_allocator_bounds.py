"""``bench allocator --bounds``: the figures beside which a pass in Python is to be read."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator

import pytest

from mesos_service.bench import allocator
from mesos_service.bench.allocator_bounds import bounds_ms


@pytest.fixture(autouse=True)
def _nothing_old_is_looked_at() -> Iterator[None]:
    """The bench collects garbage before each pass; what other tests of this process have left would be gone through."""
    gc.freeze()
    yield
    gc.unfreeze()


def test_each_smallest_loop_is_measured_and_their_sum() -> None:
    bounds = bounds_ms(agents=40, changed=10, runs=2)
    whole = bounds.pop("bound_of_changed_ms")
    assert set(bounds) == {
        "bound_rows_ms",
        "bound_free_ms",
        "bound_choosing_ms",
        "bound_grants_ms",
        "bound_columns_ms",
    }
    assert all(value >= 0.0 for value in bounds.values()) and bounds["bound_choosing_ms"] > 0.0
    assert whole == sum(bounds.values())


def test_the_bench_tells_them_when_asked_only() -> None:
    without = asyncio.run(allocator.measure(40, 20, 20, 5, 1, (0.5,)))
    bounded = asyncio.run(allocator.measure(40, 20, 20, 5, 1, (0.5,), bounded=True))
    assert set(bounded.figures) - set(without.figures) == set(bounds_ms(4, 2, 1))
    assert "bound_of_changed_ms" in bounded.legend
