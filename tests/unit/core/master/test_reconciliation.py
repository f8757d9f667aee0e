"""RECONCILE: row by row (M-SC-10; as recorded of Mesos)."""

from __future__ import annotations

import pytest

from mesos_service.domain.ids import AgentId
from mesos_service.domain.tasks import ContainerStatus, Source, TaskState, TaskStatus
from tests.unit.core.master.infos import AWARE, framework_info, task_info
from tests.unit.core.master.told import replies
from tests.unit.core.master.world import Node, Scheduler, World, running

BOTH = pytest.mark.parametrize("aware", [True, False])


def world_with(aware: bool = True) -> tuple[World, Node, Scheduler]:
    world = World()
    capabilities = AWARE if aware else AWARE - {"PARTITION_AWARE"}
    return world, world.agent(), world.framework(framework_info(capabilities=capabilities))


def answer(scheduler: Scheduler, task_id: str, agent_id: AgentId | None) -> TaskStatus:
    """The one answer, which is the master's and has no uuid (X09)."""
    effects = scheduler.reconcile((task_id, agent_id))
    assert replies(effects) == [(202, "")]
    (status,) = scheduler.statuses(effects)
    assert (status.source, status.reason, status.uuid) == (Source.MASTER, "REASON_RECONCILIATION", None)
    assert status.task_id == task_id
    return status


def test_m_ha_11_m_sc_10_x15a_a_known_task_s_last_shown_state_without_data() -> None:
    world, node, scheduler = world_with()
    running(world, node, scheduler)
    shown = TaskStatus(
        task_id=node.status("t", TaskState.RUNNING).task_id,
        state=TaskState.RUNNING,
        source=Source.EXECUTOR,
        agent_id=node.agent_id,
        uuid=world.uuid(),
        healthy=True,
        data=b"secret",
        container=ContainerStatus(container_id="c"),  # type: ignore[arg-type] # any text does
    )
    node.update(scheduler, shown, latest=TaskState.FINISHED)
    status = answer(scheduler, "t", node.agent_id)
    assert (status.state, status.message) == (TaskState.RUNNING, "Reconciliation: Latest task state")
    assert (status.data, status.healthy, status.container) == (None, True, shown.container)
    assert (status.agent_id, status.timestamp) == (node.agent_id, world.now)


def test_x15a_a_task_of_which_nothing_was_heard_is_staging() -> None:
    world, node, scheduler = world_with()
    world.settle()
    scheduler.launch(scheduler.offers[0], task_info("t", node.agent_id))
    assert answer(scheduler, "t", None).state is TaskState.STAGING


def test_x15b_silence_while_an_agent_is_on_its_way_back() -> None:
    world, node, scheduler = world_with()
    world.stores = False
    node.agent_id = AgentId("of-another-master")
    node.come_back()
    assert scheduler.statuses(scheduler.reconcile(("t", node.agent_id))) == []


@BOTH
def test_x15c_unknown_to_an_agent_that_is_registered(aware: bool) -> None:
    _, node, scheduler = world_with(aware)
    status = answer(scheduler, "nope", node.agent_id)
    assert status.state is (TaskState.GONE if aware else TaskState.LOST)
    assert (status.message, status.agent_id) == ("Reconciliation: Task is unknown to the agent", node.agent_id)


@BOTH
def test_m_ha_08_x15d_on_an_agent_that_is_unreachable(aware: bool) -> None:
    world, node, scheduler = world_with(aware)
    running(world, node, scheduler)
    world.advance(100.0)
    for agent_id in (node.agent_id, None):
        status = answer(scheduler, "t", agent_id)
        assert status.state is (TaskState.UNREACHABLE if aware else TaskState.LOST)
        assert status.message == "Reconciliation: Task is unreachable"
        assert status.unreachable_at == world.state.unreachable[node.agent_id]


@BOTH
def test_x15f_neither_task_nor_agent_known(aware: bool) -> None:
    _, _, scheduler = world_with(aware)
    for agent_id in (AgentId("no-such-agent"), None):
        status = answer(scheduler, "nope", agent_id)
        assert status.state is (TaskState.UNKNOWN if aware else TaskState.LOST)
        assert (status.message, status.agent_id) == ("Reconciliation: Task is unknown", agent_id)


def test_x15g_implicit_reconciliation_tells_of_every_task_in_memory_and_no_other() -> None:
    world, node, scheduler = world_with()
    running(world, node, scheduler, "a")
    world.advance(7.0)
    running(world, node, scheduler, "b")
    node.update(scheduler, node.status("b", TaskState.FINISHED))
    gone = world.agent()
    world.advance(6.0)
    assert scheduler.told(scheduler.reconcile()) == [
        ("a", TaskState.RUNNING, "REASON_RECONCILIATION"),
        ("b", TaskState.FINISHED, "REASON_RECONCILIATION"),
    ]
    assert gone.record.tasks == {}


def test_x15g_unreachable_tasks_are_not_part_of_it() -> None:
    world, node, scheduler = world_with()
    running(world, node, scheduler)
    world.advance(100.0)
    assert scheduler.told(scheduler.reconcile()) == []


def test_several_tasks_are_answered_in_order() -> None:
    world, node, scheduler = world_with()
    running(world, node, scheduler)
    effects = scheduler.reconcile(("nope", None), ("t", None))
    assert [task_id for task_id, _, _ in scheduler.told(effects)] == ["nope", "t"]
