"""Many histories of the production cores on a virtual clock: safety at every step, then peace and progress.

A seed is a history. A seed that ever failed joins ``CORPUS`` and stays there.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Collection, Sequence

import pytest

from mesos_service.core import agent_messages as messages
from mesos_service.core.agent import step as agent_core
from mesos_service.core.agent.state import AgentState
from mesos_service.core.effects import AgentEffect
from mesos_service.domain.ids import AgentId, FrameworkId
from mesos_service.domain.randomness import RandomSource
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import Allocator, AllocatorOptions, Grant, Observer
from mesos_service.plugins.loader import ALLOCATORS, load
from mesos_service.simulator.cluster import Cluster, HistoryFailed, Outcome, Plan
from tests.support.histories import longer

CORPUS: tuple[int, ...] = (116,)
"""Seeds that once broke a promise."""

HANDFUL = (1, 2, 3, 4, 5)
SHORT = Plan(seconds=25.0)


def run(seed: int, plan: Plan = SHORT) -> Outcome:
    return Cluster(seed, load(ALLOCATORS, "hierarchical_drf"), plan).run()


@pytest.mark.parametrize("seed", [*CORPUS, *HANDFUL])
def test_a23_a36_b55_histories_with_broken_connections_keep_every_promise(seed: int) -> None:
    outcome = run(seed)
    assert outcome.states.get("TASK_FINISHED", 0) > 20, outcome
    assert outcome.notes["offer.rescinded"] > 0, "no offer was ever taken back: the history is too tame"


def test_histories_reach_the_states_that_are_to_be_tried() -> None:
    """The histories are worth something only while they go where trouble is."""
    seen: dict[str, int] = {}
    notes: dict[str, int] = {}
    for seed in HANDFUL:
        outcome = run(seed)
        for state, count in outcome.states.items():
            seen[state] = seen.get(state, 0) + count
        for fact, count in outcome.notes.items():
            notes[fact] = notes.get(fact, 0) + count
    wanted = {"TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_ERROR", "TASK_DROPPED"}
    assert wanted <= seen.keys(), seen
    assert {"agent.unreachable", "agent.reregistered", "framework.resubscribed"} <= notes.keys(), notes


REUSING = Plan(seconds=60.0, id_reuse=0.3, fault_every_seconds=1.0, run_seconds=(2.0, 30.0))


@pytest.mark.parametrize("seed", range(21, 24))
def test_x15_x17_ids_that_are_used_again_while_their_agent_is_away_lose_nothing(seed: int) -> None:
    """What two processes hold under one id is in the books of both, and free again in the end."""
    outcome = run(seed, REUSING)
    assert outcome.notes.get("task.duplicate", 0) > 0, "no id ever stood for two: the history is too tame"


def test_one_seed_is_one_history() -> None:
    """The cores draw on nothing but what they are handed: the same seed gives the same steps, to the letter."""
    first, second, other = run(7), run(7), run(8)
    assert first == second
    assert first.digest != other.digest


def test_one_seed_is_one_history_in_every_process() -> None:
    """Texts hash differently in each process: an order that came from a set would show here."""
    told = {
        subprocess.run(
            [sys.executable, "-m", "mesos_service.cli.main", "simulate", "--seed=7", "--seconds=10"],
            env={**os.environ, "PYTHONHASHSEED": str(hashing)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hashing in (1, 2, 3)
    }
    assert len(told) == 1, told


@pytest.mark.long
@pytest.mark.parametrize("seed", longer(1000, 200))
def test_two_hundred_longer_histories(seed: int) -> None:
    run(seed, Plan(seconds=120.0, agents=6, frameworks=4))


@pytest.mark.long
@pytest.mark.parametrize("seed", longer(1200, 40))
def test_x15_x17_forty_histories_in_which_ids_are_used_again(seed: int) -> None:
    run(seed, REUSING)


def test_a_promise_that_is_broken_is_found_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checkers can fail: an agent that overlooks the end of some processes leaves tasks open for ever."""
    honest = agent_core.step
    overlooked = 0

    def forgetful(state: AgentState, message: messages.AgentMessage, now: float) -> list[AgentEffect]:
        nonlocal overlooked
        if isinstance(message, messages.ContainerExited):
            overlooked += 1
            if overlooked % 5 == 0:
                return []
        return honest(state, message, now)

    monkeypatch.setattr(agent_core, "step", forgetful)
    with pytest.raises(HistoryFailed, match=r"(?s)never told how these ended.*Replay: make sim SEED=1"):
        run(1)


class _Twice(load(ALLOCATORS, "hierarchical_drf")):  # type: ignore[misc]  # the class is found at run time
    """An allocator that grants everything twice, and knows which grants it never booked."""

    name = "twice"

    def __init__(self, options: AllocatorOptions, config: object = None) -> None:
        super().__init__(options, config)
        self.invented: list[Grant] = []

    def allocate(
        self,
        now: float,
        random: RandomSource,
        *,
        agents: Collection[AgentId] | None,
        limit: int | None = None,
        observer: Observer | None = None,
    ) -> Sequence[Grant]:
        grants = super().allocate(now, random, agents=agents, limit=limit, observer=observer)
        self.invented = list(grants)
        return [*grants, *grants]

    def recover(
        self,
        framework_id: FrameworkId,
        agent_id: AgentId,
        resources: Resources,
        *,
        refuse_seconds: float | None,
        allocated: bool,
        now: float,
    ) -> None:
        for invented in self.invented:
            if (invented.framework_id, invented.agent_id, invented.resources) == (framework_id, agent_id, resources):
                self.invented.remove(invented)
                return
        super().recover(framework_id, agent_id, resources, refuse_seconds=refuse_seconds, allocated=allocated, now=now)


def test_e60a_an_allocator_that_promises_twice_is_not_believed() -> None:
    def make(options: AllocatorOptions) -> Allocator:
        allocator: Allocator = _Twice(options)
        return allocator

    cluster = Cluster(1, make, Plan(seconds=5.0, fault_every_seconds=0))
    outcome = cluster.run()
    assert outcome.notes["grant.refused"] > 0
