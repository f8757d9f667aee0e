"""``bench allocator --bounds``: the smallest loops in Python that do one thing each of a pass over changed agents.

Whatever decides such a pass in Python and numpy does at least these things, in this order. Each loop does one of them
and nothing else, with data as large as a cluster's and agents that lie anywhere in it. Their sum is a lower bound:
gates, quota, cut offers, the order that is laid out, and the books of roles are not in it.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from itertools import repeat
from operator import itemgetter
from random import Random
from typing import Final

from mesos_service.core.allocation import rounds
from mesos_service.domain.ids import AgentId, FrameworkId, Role
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import Grant

LEVELS: Final = 2
SIBLINGS: Final = 20
TOTALS: Final = (1_200_000_000.0, 2_700_000_000_000.0, 410_000_000_000.0)
"""Thousandths, as those of four kinds of machines, 50,000 in all."""
SHAPES: Final = (
    (24_000.0, 4_096_000.0, 4_096_000.0),
    (16_000.0, 65_536_000.0, 8_192_000.0),
    (48_000.0, 131_072_000.0, 4_096_000.0),
    (8_000.0, 16_384_000.0, 16_384_000.0),
)


def bounds_ms(agents: int, changed: int, runs: int) -> dict[str, float]:
    """CPU milliseconds of each smallest loop, the least of ``runs``, and their sum."""
    draw = Random(1)
    ids = [AgentId(f"agent-{number:06}") for number in range(agents)]
    row_of = {agent_id: row for row, agent_id in enumerate(ids)}
    least: dict[str, float] = {}
    for _ in range(runs):
        for name, loop in _loops(ids, row_of, draw.sample(range(agents), changed)).items():
            begin = time.process_time()
            loop()
            least[name] = min(least.get(name, float("inf")), (time.process_time() - begin) * 1e3)
    return {**least, "bound_of_changed_ms": sum(least.values())}


def _loops(ids: list[AgentId], row_of: dict[AgentId, int], rows: list[int]) -> dict[str, Callable[[], object]]:
    kinds = [Resources.parse(f"cpus:{number + 1}") for number in range(len(SHAPES))]
    framework_id, role, granted = FrameworkId("framework"), Role("role"), kinds[0]
    named = [ids[row] for row in rows]
    free: list[object] = [kinds[row % len(kinds)] for row in range(len(ids))]
    offered: list[object] = [None] * len(ids)
    given = [SHAPES[row % len(SHAPES)] for row in rows]
    gc.collect()
    return {
        "bound_rows_ms": lambda: itemgetter(*named)(row_of),
        "bound_free_ms": lambda: itemgetter(*rows)(free),
        "bound_choosing_ms": lambda: _choose(given),
        "bound_grants_ms": lambda: [tuple.__new__(Grant, (framework_id, role, ids[row], granted)) for row in rows],
        "bound_columns_ms": lambda: _write(rows, free, offered, {framework_id: granted}),
    }


def _choose(given: list[rounds.Amounts]) -> None:
    for _ in range(LEVELS):
        order: list[rounds.Plain] = [(0.0, 0, place, 0.0, 0.0, 0.0) for place in range(SIBLINGS)]
        rounds.plain(order, given, TOTALS, rounds.places(SIBLINGS))


def _write(rows: list[int], free: list[object], offered: list[object], holdings: object) -> None:
    """As all of it is offered. In a pass what is offered differs, so that it is one by one."""
    for row, held in zip(rows, repeat(holdings), strict=False):
        free[row] = Resources.EMPTY
        offered[row] = held
