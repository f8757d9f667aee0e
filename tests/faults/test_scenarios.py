"""One fault at a time, under load, with every promise checked afterwards (A36)."""

from __future__ import annotations

from tests.faults.cluster import Cluster, Plan
from tests.faults.conftest import Play


def test_a_load_that_nobody_disturbs_keeps_every_promise(play: Play) -> None:
    """What the other tests of this file are measured by."""

    async def nothing(cluster: Cluster) -> None:
        await cluster.steady()

    play(Plan(masters=1), nothing)


def test_a_scheduler_that_is_killed_takes_its_tasks_up_again(play: Play) -> None:
    async def kill(cluster: Cluster) -> None:
        cluster.load.kill()
        await cluster.load.ended(1)
        await cluster.steady()

    play(Plan(masters=1), kill)
