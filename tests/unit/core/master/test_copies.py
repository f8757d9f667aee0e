"""An id that was used again while its first agent was away: one of the two is the task, the other is ended."""

from __future__ import annotations

import pytest

from mesos_service.core.effects import MasterEffect
from mesos_service.core.link import AcknowledgeUpdate, KillTask, ShutdownFramework
from mesos_service.domain.tasks import TaskInfo, TaskState
from tests.unit.core.master.infos import SMALL, TOTAL, task_info
from tests.unit.core.master.reign import follow
from tests.unit.core.master.told import downlinks, facts, messages_to
from tests.unit.core.master.world import Node, Scheduler, World

ROLE = "role"


class Scene:
    """Task "t" ran on ``away``; a new master, which has not heard of that, let it be launched on ``here``."""

    def __init__(self) -> None:
        first = World()
        self.away = first.agent()
        self.scheduler = first.framework()
        self.old = _launch(self.away, self.scheduler)
        self.world = first.fail_over()
        follow(self.world, self.away, self.scheduler)
        self.scheduler.subscribe_again()
        self.here = self.world.agent(hostname="other")
        self.new = _launch(self.here, self.scheduler)

    def return_away(self, state: TaskState = TaskState.RUNNING) -> list[MasterEffect]:
        return self.away.come_back(
            self.away.report(self.scheduler, self.old, state), frameworks=[self.scheduler.record.info]
        )

    def kills(self, effects: list[MasterEffect]) -> list[str]:
        return [one.task_id for one in messages_to(effects, self.away.agent_id) if isinstance(one, KillTask)]


def _launch(node: Node, scheduler: Scheduler) -> TaskInfo:
    node.world.settle()
    (offer,) = [one for one in scheduler.offers if one.agent_id == node.agent_id]
    task = task_info("t", node.agent_id, SMALL.allocated_to(ROLE))
    scheduler.launch(offer, task)
    node.update(scheduler, node.status("t", TaskState.RUNNING))
    return task


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_x17_what_comes_back_under_an_id_that_was_used_again_is_killed_and_charged_until_it_has_ended(
    scene: Scene,
) -> None:
    effects = scene.return_away()
    assert "task.duplicate" in facts(effects)
    assert scene.kills(effects) == ["t"]
    assert scene.scheduler.statuses(effects) == [], "to the framework that is the task that runs"
    assert scene.scheduler.record.tasks["t"].agent_id == scene.here.agent_id  # type: ignore[index]
    assert scene.away.record.used == {scene.scheduler.framework_id: SMALL.allocated_to(ROLE)}
    assert scene.away.record.free == TOTAL - SMALL, "what it holds is offered to nobody"
    ended = scene.away.status("t", TaskState.KILLED)
    effects = scene.away.update(scene.scheduler, ended)
    assert scene.scheduler.statuses(effects) == []
    (acknowledged,) = downlinks(effects, AcknowledgeUpdate)
    assert acknowledged.uuid == ended.uuid
    assert scene.away.record.free == TOTAL
    assert scene.away.record.used == {}
    assert scene.scheduler.record.tasks["t"].state is TaskState.RUNNING  # type: ignore[index]


def test_x17_its_steps_until_then_are_acknowledged_too(scene: Scene) -> None:
    """Or its agent would never get to say that it has ended (X01)."""
    scene.return_away()
    running = scene.away.status("t", TaskState.RUNNING)
    effects = scene.away.update(scene.scheduler, running, latest=TaskState.KILLED)
    assert [one.uuid for one in downlinks(effects, AcknowledgeUpdate)] == [running.uuid]
    assert scene.away.record.free == TOTAL, "its latest state is known already (X04)"
    ended = scene.away.status("t", TaskState.KILLED)
    assert len(downlinks(scene.away.update(scene.scheduler, ended), AcknowledgeUpdate)) == 1
    again = scene.away.update(scene.scheduler, ended)
    assert len(downlinks(again, AcknowledgeUpdate)) == 1
    assert scene.scheduler.statuses(again) == []


def test_x21_the_kill_is_repeated_whenever_its_agent_registers(scene: Scene) -> None:
    scene.return_away()
    scene.away.lose_link()
    assert scene.kills(scene.return_away()) == ["t"]
    assert scene.away.record.used == {scene.scheduler.framework_id: SMALL.allocated_to(ROLE)}


def test_x21_one_that_its_agent_does_not_name_any_more_holds_nothing(scene: Scene) -> None:
    scene.return_away()
    scene.away.lose_link()
    effects = scene.away.come_back(frameworks=[scene.scheduler.record.info])
    assert scene.kills(effects) == []
    assert scene.away.record.free == TOTAL


def test_x15_the_end_of_a_former_task_is_not_told_as_that_of_the_one_that_runs(scene: Scene) -> None:
    """Its end was acknowledged, the acknowledgement was lost, and the id was used again."""
    effects = scene.return_away(TaskState.FINISHED)
    assert scene.kills(effects) == []
    assert scene.away.record.free == TOTAL
    effects = scene.away.update(scene.scheduler, scene.away.status("t", TaskState.FINISHED))
    assert scene.scheduler.statuses(effects) == []
    assert len(downlinks(effects, AcknowledgeUpdate)) == 1
    assert scene.scheduler.record.tasks["t"].state is TaskState.RUNNING  # type: ignore[index]


def test_while_it_lives_its_id_is_not_used_a_third_time_on_its_agent(scene: Scene) -> None:
    scene.return_away()
    ended = scene.here.status("t", TaskState.FINISHED)
    scene.here.update(scene.scheduler, ended)
    scene.scheduler.acknowledge(ended)
    assert not scene.scheduler.record.tasks
    scene.world.settle()
    (offer,) = [one for one in scene.scheduler.offers if one.agent_id == scene.away.agent_id]
    effects = scene.scheduler.launch(offer, task_info("t", scene.away.agent_id))
    (status,) = scene.scheduler.statuses(effects)
    assert (status.state, status.message) == (TaskState.ERROR, "Task has duplicate ID: t")


def test_a_copy_of_what_is_unreachable_now_is_ended_all_the_same(scene: Scene) -> None:
    for _ in range(9):
        scene.world.advance(10.0)
    assert list(scene.scheduler.record.unreachable_tasks) == ["t"]
    effects = scene.return_away()
    assert scene.kills(effects) == ["t"]
    assert scene.scheduler.statuses(effects) == []
    assert scene.scheduler.record.unreachable_tasks["t"].agent_id == scene.here.agent_id  # type: ignore[index]


def test_a_copy_leaves_with_its_framework(scene: Scene) -> None:
    scene.return_away()
    effects = scene.scheduler.tear_down()
    told = [one.framework_id for one in messages_to(effects, scene.away.agent_id) if isinstance(one, ShutdownFramework)]
    assert told == [scene.scheduler.framework_id]
    assert scene.away.record.free == TOTAL


def test_a_copy_leaves_with_its_agent(scene: Scene) -> None:
    scene.return_away()
    scene.away.lose_link()
    for _ in range(9):
        scene.world.advance(10.0)
    assert scene.away.agent_id in scene.world.state.unreachable
    assert list(scene.scheduler.record.copies) == []
    assert scene.kills(scene.return_away()) == ["t"], "and is one again when that comes back"


def test_a_copy_that_an_agent_turns_up_with_later_is_charged_as_well(scene: Scene) -> None:
    """As when it knew of nothing when it registered first, which no agent of ours does."""
    scene.away.come_back(frameworks=[scene.scheduler.record.info])
    scene.world.settle()
    assert [one.resources.unallocated() for one in scene.away.record.offers.values()] == [TOTAL]
    scene.away.lose_link()
    assert scene.kills(scene.return_away()) == ["t"]
    assert scene.away.record.used == {scene.scheduler.framework_id: SMALL.allocated_to(ROLE)}
    assert scene.away.record.free == TOTAL - SMALL
