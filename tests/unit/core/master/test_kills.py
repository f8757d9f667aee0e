"""KILL (M-SC-07, X14j; as recorded of Mesos)."""

from __future__ import annotations

from mesos_service.core.link import KillTask
from mesos_service.domain.ids import AgentId, TaskId
from mesos_service.domain.tasks import TaskState
from tests.unit.core.master.infos import framework_info
from tests.unit.core.master.told import downlinks, facts, replies
from tests.unit.core.master.world import World, running


def test_m_sc_07_a_kill_goes_to_the_task_s_agent() -> None:
    world = World()
    node, scheduler = world.agent(), world.framework()
    running(world, node, scheduler)
    effects = scheduler.kill("t", grace=3.0)
    assert replies(effects) == [(202, "")]
    assert downlinks(effects, KillTask) == [
        KillTask(framework_id=scheduler.framework_id, task_id=TaskId("t"), grace_seconds=3.0)
    ]


def test_x14j_the_right_agent_may_be_named_and_a_wrong_one_is_ignored() -> None:
    world = World()
    node, scheduler = world.agent(), world.framework()
    running(world, node, scheduler)
    assert len(downlinks(scheduler.kill("t", node.agent_id), KillTask)) == 1
    effects = scheduler.kill("t", AgentId("elsewhere"))
    assert downlinks(effects, KillTask) == []
    assert facts(effects) == ["kill.ignored"]


def test_x14j_an_unknown_task_is_answered_as_reconciliation_would() -> None:
    world = World()
    node, scheduler = world.agent(), world.framework()
    effects = scheduler.kill("ghost")
    assert scheduler.told(effects) == [("ghost", TaskState.UNKNOWN, "REASON_RECONCILIATION")]
    assert scheduler.statuses(effects)[0].message == "Reconciliation: Task is unknown"
    effects = scheduler.kill("ghost", node.agent_id)
    assert scheduler.told(effects) == [("ghost", TaskState.GONE, "REASON_RECONCILIATION")]


def test_x14j_an_old_framework_is_told_lost() -> None:
    world = World()
    scheduler = world.framework(framework_info(roles=("*",), capabilities=frozenset()))
    assert scheduler.told(scheduler.kill("ghost")) == [("ghost", TaskState.LOST, "REASON_RECONCILIATION")]


def test_x14j_a_kill_for_an_agent_that_is_away_is_sent_when_it_is_back() -> None:
    world = World()
    node, scheduler = world.agent(), world.framework()
    task = running(world, node, scheduler)
    node.lose_link()
    assert downlinks(scheduler.kill("t", grace=2.0), KillTask) == []
    effects = node.come_back(node.report(scheduler, task), frameworks=[scheduler.record.info])
    assert [(kill.task_id, kill.grace_seconds) for kill in downlinks(effects, KillTask)] == [("t", 2.0)]


def test_x21_a_kill_that_may_have_got_lost_is_repeated_and_one_that_worked_is_not() -> None:
    world = World()
    node, scheduler = world.agent(), world.framework()
    task = running(world, node, scheduler)
    scheduler.kill("t")
    node.lose_link()
    effects = node.come_back(node.report(scheduler, task))
    assert len(downlinks(effects, KillTask)) == 1
    node.update(scheduler, node.status("t", TaskState.KILLED))
    node.lose_link()
    effects = node.come_back(node.report(scheduler, task, TaskState.KILLED))
    assert downlinks(effects, KillTask) == []


def test_a_task_that_has_ended_is_not_killed_again() -> None:
    world = World()
    node, scheduler = world.agent(), world.framework()
    running(world, node, scheduler)
    node.update(scheduler, node.status("t", TaskState.FINISHED))
    assert downlinks(scheduler.kill("t"), KillTask) == []
    assert node.record.pending_kills == {}
