"""Every way to harm a cluster, each held for a while and then healed; and histories of several, drawn from a seed.

A harm may be done at any time, whatever else has been done and is still going on: where there is nothing to harm just
then (no master leads, a process is between two starts) it passes.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tests.faults.cluster import Cluster, Master
from tests.support.supervisor import Supervised
from tests.support.tcp_proxy import TcpProxy

Harm = Callable[[Cluster, int, float], Awaitable[None]]
"""Called with the cluster, a number that chooses among its parts, and how many seconds to hold the harm."""


async def _leader_or_any(cluster: Cluster, number: int) -> Master:
    return await cluster.leading() or cluster.masters[number % len(cluster.masters)]


async def kill_leader(cluster: Cluster, number: int, seconds: float) -> None:
    (await _leader_or_any(cluster, number)).kill()


async def hand_over(cluster: Cluster, number: int, seconds: float) -> None:
    """SIGTERM: the leader ends in order."""
    (await _leader_or_any(cluster, number)).terminate()


async def freeze_leader(cluster: Cluster, number: int, seconds: float) -> None:
    await _freeze(await _leader_or_any(cluster, number), seconds)


async def kill_some_master(cluster: Cluster, number: int, seconds: float) -> None:
    cluster.masters[number % len(cluster.masters)].kill()


async def cut_leader_from_zookeeper(cluster: Cluster, number: int, seconds: float) -> None:
    """Connections are reset and refused: it knows at once."""
    await _cut((await _leader_or_any(cluster, number)).zookeeper_cables, seconds)


async def stall_leader_from_zookeeper(cluster: Cluster, number: int, seconds: float) -> None:
    """Nothing comes through, and nothing says so."""
    await _stall((await _leader_or_any(cluster, number)).zookeeper_cables, seconds)


async def cut_leader_from_database(cluster: Cluster, number: int, seconds: float) -> None:
    cable = (await _leader_or_any(cluster, number)).database_cable
    await _cut([] if cable is None else [cable], seconds)


async def stall_leader_from_database(cluster: Cluster, number: int, seconds: float) -> None:
    cable = (await _leader_or_any(cluster, number)).database_cable
    await _stall([] if cable is None else [cable], seconds)


async def kill_agent(cluster: Cluster, number: int, seconds: float) -> None:
    cluster.agents[number % len(cluster.agents)].kill()


async def restart_agent(cluster: Cluster, number: int, seconds: float) -> None:
    """SIGTERM, as ``systemctl restart`` sends it."""
    cluster.agents[number % len(cluster.agents)].terminate()


async def freeze_agent(cluster: Cluster, number: int, seconds: float) -> None:
    await _freeze(cluster.agents[number % len(cluster.agents)], seconds)


async def kill_scheduler(cluster: Cluster, number: int, seconds: float) -> None:
    cluster.load.kill()


async def freeze_scheduler(cluster: Cluster, number: int, seconds: float) -> None:
    await _freeze(cluster.load, seconds)


async def _freeze(process: Supervised, seconds: float) -> None:
    process.freeze()
    try:
        await asyncio.sleep(seconds)
    finally:
        process.thaw()


async def _cut(cables: Sequence[TcpProxy], seconds: float) -> None:
    for cable in cables:
        cable.cut()
    try:
        await asyncio.sleep(seconds)
    finally:
        for cable in cables:
            cable.heal()


async def _stall(cables: Sequence[TcpProxy], seconds: float) -> None:
    for cable in cables:
        cable.stall()
    try:
        await asyncio.sleep(seconds)
    finally:
        for cable in cables:
            cable.heal()


HARMS: Final[tuple[Harm, ...]] = (
    kill_leader,
    hand_over,
    freeze_leader,
    kill_some_master,
    cut_leader_from_zookeeper,
    stall_leader_from_zookeeper,
    cut_leader_from_database,
    stall_leader_from_database,
    kill_agent,
    restart_agent,
    freeze_agent,
    kill_scheduler,
    freeze_scheduler,
)


@dataclass(frozen=True, slots=True)
class Step:
    """One harm of a schedule: when, which, to whom, for how long; in seconds."""

    at: float
    harm: Harm
    number: int
    seconds: float

    def __str__(self) -> str:
        return f"at {self.at:.2f} s: {self.harm.__name__}, number {self.number}, for {self.seconds:.2f} s"


def draw_schedule(seed: int) -> list[Step]:
    """Two to five harms within six seconds, some at once, some held beyond every time-out and some not."""
    source = random.Random(seed)
    return sorted(
        (
            Step(
                at=source.uniform(0.0, 6.0),
                harm=source.choice(HARMS),
                number=source.randrange(6),
                seconds=source.choice((0.3, 1.0, 4.0)) * source.uniform(0.5, 1.2),
            )
            for _ in range(source.randint(2, 5))
        ),
        key=lambda step: step.at,
    )


async def carry_out(cluster: Cluster, schedule: Sequence[Step]) -> None:
    """Do all of it; returns when the last harm is healed."""

    async def take(step: Step) -> None:
        await asyncio.sleep(step.at)
        await step.harm(cluster, step.number, step.seconds)

    async with asyncio.TaskGroup() as all_of_it:
        for step in schedule:
            all_of_it.create_task(take(step))
