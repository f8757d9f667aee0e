"""Updates and acknowledgements as the master handles them."""

from __future__ import annotations

import pytest

from mesos_service.core.events import Update
from mesos_service.core.link import AcknowledgeUpdate, ShutdownFramework
from mesos_service.core.master.state import MasterOptions, Task
from mesos_service.domain.ids import AgentId, TaskId
from mesos_service.domain.tasks import TERMINAL_STATES, Source, TaskState
from tests.unit.core.master.infos import SMALL, TOTAL, framework_info, task_info
from tests.unit.core.master.told import downlinks, fact, facts, replies
from tests.unit.core.master.world import Node, Scheduler, World

T = TaskId("t")


def launched_world(options: MasterOptions | None = None) -> tuple[World, Node, Scheduler]:
    """A framework whose task ``t`` has been sent to the one agent there is."""
    world = World(options=options)
    node = world.agent()
    scheduler = world.framework()
    world.settle()
    scheduler.launch(scheduler.offers[0], task_info("t", node.agent_id), refuse_seconds=3600.0)
    return world, node, scheduler


def task_of(scheduler: Scheduler) -> Task:
    return scheduler.record.tasks[T]


def test_m_se_03_an_update_is_passed_on_as_it_is() -> None:
    _, node, scheduler = launched_world()
    status = node.status("t", TaskState.RUNNING, data=b"payload")
    effects = node.update(scheduler, status)
    assert scheduler.events(effects) == [Update(status)]
    assert task_of(scheduler).state is TaskState.RUNNING


def test_m_sc_09_an_acknowledgement_is_passed_on_to_the_agent() -> None:
    _, node, scheduler = launched_world()
    status = node.status("t", TaskState.RUNNING)
    node.update(scheduler, status)
    effects = scheduler.acknowledge(status)
    assert replies(effects) == [(202, "")]
    assert downlinks(effects, AcknowledgeUpdate) == [
        AcknowledgeUpdate(framework_id=scheduler.framework_id, task_id=T, uuid=status.uuid or b"")
    ]


def test_x04_the_latest_state_frees_resources_while_the_framework_sees_states_in_order() -> None:
    _, node, scheduler = launched_world()
    first = node.status("t", TaskState.STARTING)
    effects = node.update(scheduler, first, latest=TaskState.FINISHED)
    assert scheduler.told(effects) == [("t", TaskState.STARTING, None)]
    task = task_of(scheduler)
    assert task.state is TaskState.FINISHED
    assert task.shown is not None
    assert task.shown.state is TaskState.STARTING
    assert node.record.free == TOTAL
    assert node.record.used == {}
    scheduler.acknowledge(first)
    assert T in scheduler.record.tasks, "its end has not been shown"
    last = node.status("t", TaskState.FINISHED)
    node.update(scheduler, last)
    scheduler.acknowledge(last)
    assert T not in scheduler.record.tasks


def test_x08_a_task_is_removed_when_its_terminal_update_is_acknowledged_and_not_before() -> None:
    _, node, scheduler = launched_world()
    running, finished = node.status("t", TaskState.RUNNING), node.status("t", TaskState.FINISHED)
    node.update(scheduler, running)
    node.update(scheduler, finished)
    assert node.record.free == TOTAL
    scheduler.acknowledge(running)
    assert T in scheduler.record.tasks
    scheduler.acknowledge(finished)
    assert scheduler.record.tasks == {}
    assert node.record.tasks == {}
    (task,) = scheduler.record.completed_tasks
    assert (task.info.task_id, task.state) == ("t", TaskState.FINISHED)


def test_x08_the_history_of_completed_tasks_is_bounded() -> None:
    world = World(options=MasterOptions(max_completed_tasks_per_framework=2))
    node = world.agent()
    scheduler = world.framework()
    for number in range(4):
        world.advance(1.0)
        scheduler.launch(scheduler.offers[-1], task_info(f"t{number}", node.agent_id), refuse_seconds=0.0)
        status = node.status(f"t{number}", TaskState.FINISHED)
        node.update(scheduler, status)
        scheduler.acknowledge(status)
    assert [task.info.task_id for task in scheduler.record.completed_tasks] == ["t2", "t3"]


def test_x08_an_acknowledgement_that_got_lost_is_given_again() -> None:
    _, node, scheduler = launched_world()
    status = node.status("t", TaskState.FINISHED)
    node.update(scheduler, status)
    scheduler.acknowledge(status)
    effects = node.update(scheduler, status)
    assert scheduler.told(effects) == [("t", TaskState.FINISHED, None)]
    assert len(downlinks(scheduler.acknowledge(status), AcknowledgeUpdate)) == 1
    assert len(scheduler.record.completed_tasks) == 1


def test_x11_a_disconnected_framework_hears_nothing_but_the_master_learns() -> None:
    world, node, scheduler = launched_world()
    scheduler.disconnect()
    status = node.status("t", TaskState.FINISHED)
    effects = node.update(scheduler, status)
    assert "task.updated" in facts(effects)
    assert task_of(scheduler).state is TaskState.FINISHED
    assert node.record.free == TOTAL
    scheduler.subscribe_again()
    effects = node.update(scheduler, status)  # the agent repeats it
    assert scheduler.told(effects) == [("t", TaskState.FINISHED, None)]
    assert "task.updated" not in facts(effects), "counted once"
    assert world.state.agents[node.agent_id].tasks


def test_x11_updates_for_a_framework_that_was_torn_down_end_there() -> None:
    _, node, scheduler = launched_world()
    scheduler.tear_down()
    effects = node.update(scheduler, node.status("t", TaskState.KILLED))
    assert downlinks(effects, ShutdownFramework) == [ShutdownFramework(scheduler.framework_id)]
    assert facts(effects) == ["task.update_ignored"]


def test_an_update_for_a_framework_nobody_knows_is_ignored() -> None:
    world, node, _ = launched_world()
    stranger = Scheduler(world, framework_info())
    assert facts(node.update(stranger, node.status("t", TaskState.RUNNING))) == ["task.update_ignored"]


def test_an_update_for_a_task_nobody_knows_is_passed_on() -> None:
    _, node, scheduler = launched_world()
    effects = node.update(scheduler, node.status("ghost", TaskState.FAILED))
    assert scheduler.told(effects) == [("ghost", TaskState.FAILED, None)]


def test_an_update_for_a_task_of_another_agent_changes_nothing() -> None:
    world, node, scheduler = launched_world()
    other = world.agent()
    other.update(scheduler, other.status("t", TaskState.FAILED))
    assert task_of(scheduler).state is TaskState.STAGING
    assert node.record.free == TOTAL - SMALL


@pytest.mark.parametrize("capability", [(), ("PARTITION_AWARE",)])
def test_m_se_03_only_aware_frameworks_are_told_the_ways_of_being_lost(capability: tuple[str, ...]) -> None:
    """An agent that is asked about a task may not know its framework, and says DROPPED (X21)."""
    world = World()
    node = world.agent()
    scheduler = world.framework(framework_info(roles=("*",), capabilities=frozenset(capability)))
    world.settle()
    scheduler.launch(scheduler.offers[0], task_info("t", node.agent_id))
    status = node.status("t", TaskState.DROPPED, source=Source.AGENT, reason="REASON_RECONCILIATION")
    effects = node.update(scheduler, status)
    told = TaskState.DROPPED if capability else TaskState.LOST
    assert scheduler.told(effects) == [("t", told, "REASON_RECONCILIATION")]
    assert scheduler.statuses(effects)[0].uuid == status.uuid
    assert task_of(scheduler).state is told
    scheduler.acknowledge(status)
    assert scheduler.record.tasks == {}


def test_x12_the_history_has_no_data_and_one_entry_for_each_run_of_equal_states() -> None:
    _, node, scheduler = launched_world()
    states = [TaskState.STARTING, TaskState.RUNNING, TaskState.RUNNING, TaskState.RUNNING, TaskState.FAILED]
    for state in states:
        node.update(scheduler, node.status("t", state, data=b"x" * 1000))
    statuses = task_of(scheduler).statuses
    assert [status.state for status in statuses] == [TaskState.STARTING, TaskState.RUNNING, TaskState.FAILED]
    assert {status.data for status in statuses} == {None}
    shown = task_of(scheduler).shown
    assert shown is not None
    assert shown.data is None


def test_x12_the_history_is_bounded() -> None:
    _, node, scheduler = launched_world(MasterOptions(max_statuses_per_task=2))
    for state in (TaskState.STARTING, TaskState.RUNNING, TaskState.KILLING):
        node.update(scheduler, node.status("t", state))
    assert [status.state for status in task_of(scheduler).statuses] == [TaskState.RUNNING, TaskState.KILLING]


@pytest.mark.parametrize("end", sorted(TERMINAL_STATES))
def test_x13_a_terminal_state_is_final(end: TaskState) -> None:
    _, node, scheduler = launched_world()
    node.update(scheduler, node.status("t", end))
    effects = node.update(scheduler, node.status("t", TaskState.RUNNING))
    assert task_of(scheduler).state is end
    assert node.record.free == TOTAL
    assert "task.state_ignored" in facts(effects)


def test_a_task_does_not_go_back_but_its_framework_hears_what_was_said() -> None:
    _, node, scheduler = launched_world()
    node.update(scheduler, node.status("t", TaskState.RUNNING))
    effects = node.update(scheduler, node.status("t", TaskState.STARTING))
    assert scheduler.told(effects) == [("t", TaskState.STARTING, None)]
    assert task_of(scheduler).state is TaskState.RUNNING


def test_a_repeated_update_is_passed_on_again_and_counted_once() -> None:
    _, node, scheduler = launched_world()
    status = node.status("t", TaskState.RUNNING)
    assert facts(node.update(scheduler, status)) == ["task.updated"]
    effects = node.update(scheduler, status)
    assert facts(effects) == []
    assert scheduler.events(effects) == [Update(status)]


def test_facts_of_an_update_carry_what_metrics_count() -> None:
    _, node, scheduler = launched_world()
    effects = node.update(scheduler, node.status("t", TaskState.FAILED, reason="REASON_COMMAND_EXECUTOR_FAILED"))
    assert fact(effects, "task.updated").attributes == {
        "framework_id": scheduler.framework_id,
        "task_id": "t",
        "state": "TASK_FAILED",
        "source": "SOURCE_EXECUTOR",
        "reason": "REASON_COMMAND_EXECUTOR_FAILED",
    }


def test_acknowledging_what_nobody_knows_does_no_harm() -> None:
    _, node, scheduler = launched_world()
    status = node.status("ghost", TaskState.RUNNING)
    assert replies(scheduler.acknowledge(status)) == [(202, "")]
    assert replies(scheduler.acknowledge(status, AgentId("nowhere"))) == [(202, "")]


def test_an_acknowledgement_for_an_agent_that_is_away_is_dropped() -> None:
    _, node, scheduler = launched_world()
    status = node.status("t", TaskState.FINISHED)
    node.update(scheduler, status)
    node.lose_link()
    effects = scheduler.acknowledge(status)
    assert "acknowledgement.dropped" in facts(effects)
    assert T in scheduler.record.tasks, "the agent will say it again"


def test_an_acknowledgement_of_another_update_ends_nothing() -> None:
    _, node, scheduler = launched_world()
    node.update(scheduler, node.status("t", TaskState.FINISHED))
    stale = node.status("t", TaskState.RUNNING)
    scheduler.acknowledge(stale)
    assert T in scheduler.record.tasks
