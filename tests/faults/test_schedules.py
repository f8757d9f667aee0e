"""Histories of several faults, some at once, drawn from a seed; every promise is checked after each (A36, A43).

A schedule that fails names its seed; ``pytest tests/faults/test_schedules.py --fault-seed SEED`` plays it again. Real
processes do not repeat themselves exactly, but the same harm comes to the same parts at the same moments.
"""

from __future__ import annotations

import pytest

from tests.faults.cluster import Cluster
from tests.faults.conftest import MakePlan, Play
from tests.faults.harm import carry_out, draw_schedule


def play_schedule(play: Play, plan: MakePlan, seed: int) -> None:
    schedule = draw_schedule(seed)

    async def harm(cluster: Cluster) -> None:
        await carry_out(cluster, schedule)
        await cluster.steady()

    try:
        play(plan(master_flags={"registry_store_timeout": "2secs"}), harm)
    except BaseException as error:
        steps = "\n".join(map(str, schedule))
        error.add_note(f"-- the schedule; --fault-seed {seed} plays it again:\n{steps}")
        raise


def test_a_schedule_of_faults_breaks_no_promise(play: Play, replicated: MakePlan, fault_seed: int) -> None:
    play_schedule(play, replicated, fault_seed)


@pytest.mark.long
def test_no_schedule_of_faults_breaks_a_promise(play: Play, replicated: MakePlan, drawn_fault_seed: int) -> None:
    play_schedule(play, replicated, drawn_fault_seed)


def test_one_seed_is_one_schedule() -> None:
    assert draw_schedule(7) == draw_schedule(7)
    assert len({tuple(map(str, draw_schedule(seed))) for seed in range(50)}) == 50
