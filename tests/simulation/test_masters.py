"""Masters fail, are deposed and follow each other; what was told stays true (A42, A43, B52, B55-B57, X16, X20-X25)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from mesos_service.core import effects, messages, scheduler_messages
from mesos_service.core.events import Update
from mesos_service.core.link import Reregister, RunTask, TaskReport
from mesos_service.core.master import reconciliation, recovery
from mesos_service.core.master.state import Agent, MasterState, Task
from mesos_service.core.master.turn import Turn
from mesos_service.core.registry.operations import Operation
from mesos_service.domain.errors import InvariantBroken
from mesos_service.domain.ids import AgentId, FrameworkId, LinkId, OfferId, TaskId
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskInfo, TaskState, TaskStatus
from mesos_service.plugins.loader import ALLOCATORS, load
from mesos_service.simulator.cluster import Cluster, HistoryFailed, Plan
from mesos_service.simulator.masters import MasterNode, Masters, Store
from mesos_service.simulator.promises import Promises
from tests.support.histories import longer

STORMY = Plan(seconds=25.0, fault_every_seconds=0.7)
CALM = Plan(seconds=6.0, fault_every_seconds=0, run_seconds=(500.0, 600.0))


def cluster(seed: int, plan: Plan = STORMY) -> Cluster:
    return Cluster(seed, load(ALLOCATORS, "hierarchical_drf"), plan)


@pytest.mark.parametrize("seed", range(20, 26))
def test_a42_b52_b55_x16_x24_promises_outlive_masters(seed: int) -> None:
    outcome = cluster(seed).run()
    assert outcome.elections > 2, "the history is too tame"
    assert outcome.states.get("TASK_FINISHED", 0) > 0, outcome


@pytest.mark.long
@pytest.mark.parametrize("seed", longer(3000, 150))
def test_longer_histories_of_many_masters(seed: int) -> None:
    cluster(seed, Plan(seconds=60.0, fault_every_seconds=1.0)).run()


def test_the_histories_go_where_masters_have_trouble() -> None:
    notes: dict[str, int] = {}
    for seed in range(30, 42):
        for fact, count in cluster(seed).run().notes.items():
            notes[fact] = notes.get(fact, 0) + count
    wanted = {"agent.not_returned", "agent.reachable", "agent.gone", "agent.reregistered"}
    assert wanted <= notes.keys(), notes


# -- nothing is different after a failover -------------------------------------------------------------------


@pytest.mark.parametrize("deposed", [False, True])
@pytest.mark.parametrize("seed", range(50, 56))
def test_a42_b52_x20_a_failover_changes_nothing_but_offers(seed: int, deposed: bool) -> None:
    """All that runs before a failover is known after it, and reconciliation answers the same."""
    world = cluster(seed, CALM)
    for agent in world.agents:
        world.clock.after(0.1, partial(agent.connect, world.masters))
    for framework in world.frameworks:
        world.clock.after(0.1, framework.subscribe)
    world.clock.run(CALM.seconds)
    for framework in world.frameworks:
        framework.healed = True
    world.clock.run(15.0)
    before = snapshot(leader(world).state)
    assert sum(len(tasks) for tasks, _, _ in before.values()) > 10, "there is something to lose"
    old = leader(world)
    if deposed:
        world.masters.depose(3.0)
    else:
        world.masters.crash()
    world.clock.run(15.0)
    new = leader(world)
    assert new is not old
    assert not new.state.recovered
    assert all(framework.connected for framework in new.state.frameworks.values())
    assert snapshot(new.state) == before


def leader(world: Cluster) -> MasterNode:
    assert world.masters.leader is not None
    return world.masters.leader


def snapshot(state: MasterState) -> dict[str, tuple[dict[TaskId, object], object, object]]:
    """What a master knows, by framework and by agent, offers and times of the master's own left out."""
    found: dict[str, tuple[dict[TaskId, object], object, object]] = {}
    turn = Turn(state, 0.0)
    for framework in state.frameworks.values():
        tasks: dict[TaskId, object] = {
            task_id: (task.state, task.executor_id, task.agent_id, task.info, told(turn, task))
            for task_id, task in framework.tasks.items()
        }
        found[framework.framework_id] = (tasks, framework.info, framework.executors)
    for agent in state.agents.values():
        found[agent.agent_id] = ({}, agent.info, (agent.used, agent.executors, agent.pending_kills, agent.active))
    return found


def told(turn: Turn, task: Task) -> TaskStatus:
    """What reconciliation answers."""
    framework = turn.state.frameworks[task.framework_id]
    turn.effects.clear()
    reconciliation.answer(turn, framework, task.info.task_id, task.agent_id)
    (sent,) = turn.effects
    assert isinstance(sent, effects.SendScheduler)
    assert isinstance(sent.event, Update)
    return sent.event.status


# -- the promises can be broken ------------------------------------------------------------------------------


def run_until_broken(said: str) -> None:
    """One of a few histories breaks the promise."""
    for seed in range(20, 26):
        try:
            cluster(seed).run()
        except HistoryFailed as failure:
            assert said in str(failure), failure
            return
    raise AssertionError(f"no history found that {said}")


def test_a_master_that_forgets_tasks_of_agents_that_come_back_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest: Callable[[Turn, Agent, Reregister], list[Task]] = recovery.adopt_all

    def forgetful(turn: Turn, agent: Agent, message: Reregister) -> list[Task]:
        kept: tuple[TaskReport, ...] = message.tasks[1:]
        return honest(
            turn,
            agent,
            Reregister(
                agent=message.agent,
                registration=message.registration,
                executors=message.executors,
                tasks=kept,
                frameworks=message.frameworks,
            ),
        )

    monkeypatch.setattr(recovery, "adopt_all", forgetful)
    run_until_broken("does not know it")


def test_a_registry_that_answers_before_it_has_stored_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def hasty(
        self: Store, writer: int, operation: Operation, stored: Callable[[], None], refused: Callable[[], None]
    ) -> None:
        self._clock.after(0.001, stored)

    monkeypatch.setattr(Store, "write", hasty)
    run_until_broken("that is not stored")


def test_masters_that_use_the_same_ids_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Masters.elect

    def nameless(self: Masters) -> None:
        counted = self.elections
        self.elections = 0
        honest(self)
        self.elections = counted + 1

    monkeypatch.setattr(Masters, "elect", nameless)
    run_until_broken("makes offer")


def test_an_end_that_does_not_stay_is_found() -> None:
    promises = Promises()
    over = TaskStatus(task_id=TaskId("t"), state=TaskState.FINISHED, uuid=bytes(16))
    promises.acknowledged("f", over)
    promises.heard("f", over)
    promises.heard("g", TaskStatus(task_id=TaskId("t"), state=TaskState.RUNNING))
    with pytest.raises(InvariantBroken, match=r"acknowledged that t is TASK_FINISHED, and hears TASK_RUNNING"):
        promises.heard("f", TaskStatus(task_id=TaskId("t"), state=TaskState.RUNNING))


def test_a_launch_that_no_offer_of_this_master_allows_is_found() -> None:
    world = cluster(1, CALM)
    master = leader(world)
    info = world.frameworks[0].info
    task = TaskInfo(task_id=TaskId("t"), agent_id=AgentId("a"), name="t", resources=Resources.EMPTY)
    launch = effects.SendAgent(LinkId("l"), AgentId("a"), RunTask(framework=info, task=task))
    call = scheduler_messages.Accept(
        request=1, framework_id=FrameworkId("f"), stream_id="s", offer_ids=(OfferId("old"),)
    )
    with pytest.raises(InvariantBroken, match="what no offer of its own allows"):
        world.promises.stepped(master, call, [launch])
    with pytest.raises(InvariantBroken, match="what no offer of its own allows"):
        world.promises.stepped(master, messages.Tick(), [launch])


def test_an_agent_that_is_not_in_the_registry_in_the_end_is_found() -> None:
    world = cluster(1, CALM)
    with pytest.raises(InvariantBroken, match="is healthy, and the registry does not have it"):
        world.promises.reckon(leader(world), [AgentId("a")])
    world.promises.marked_gone(AgentId("a"))
    with pytest.raises(InvariantBroken, match="an operator was told that these are gone"):
        world.promises.reckon(leader(world), [])
