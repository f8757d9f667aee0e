"""The update streams on their own (X01-X12)."""

from __future__ import annotations

import pytest

from mesos_service.core.agent.state import AgentOptions
from mesos_service.core.agent.update_stream import ACKNOWLEDGED_MAX
from mesos_service.core.agent_messages import ContainerExited, ContainerLaunched, FromMaster
from mesos_service.core.effects import LaunchContainer
from mesos_service.core.link import AcknowledgeUpdate, FrameworkUpdated, ShutdownFramework, UpdateStatus
from mesos_service.domain.ids import FrameworkId, TaskId
from mesos_service.domain.tasks import TaskState, TaskStatus
from tests.unit.core.agent.world import (
    FRAMEWORK_ID,
    LINK,
    World,
    deeds,
    facts,
    framework_info,
    only,
    states,
    statuses,
    task_info,
    uplinks,
)


def launched(world: World, task_id: str = "t1") -> list[TaskStatus]:
    container_id = only(world.run(task_info(task_id)), LaunchContainer)[0].container_id
    return statuses(world.take(ContainerLaunched(container_id, 1)))


def test_x01_only_the_head_is_in_flight_and_terminal_updates_wait_too(world: World) -> None:
    (starting,) = launched(world)
    effects = world.take(ContainerExited(world.executor("t1").container_id, 0))
    assert statuses(effects) == []
    (running,) = statuses(world.acknowledge(starting))
    assert running.state is TaskState.RUNNING
    (finished,) = statuses(world.acknowledge(running))
    assert finished.state is TaskState.FINISHED
    assert statuses(world.acknowledge(finished)) == []


def test_x01_streams_of_different_tasks_do_not_wait_for_each_other(world: World) -> None:
    assert [one.state for one in launched(world, "a")] == [TaskState.STARTING]
    assert [one.state for one in launched(world, "b")] == [TaskState.STARTING]


def test_x02_the_head_is_repeated_after_10_s_doubling_to_10_minutes(world: World) -> None:
    (starting,) = launched(world)
    for pause in (10, 20, 40, 80, 160, 320, 600, 600, 600):
        assert statuses(world.wait(pause - 0.1)) == []
        repeated = statuses(world.wait(0.1))
        assert [one.uuid for one in repeated] == [starting.uuid]


def test_x02_a_framework_that_is_back_is_told_at_once(world: World) -> None:
    (starting,) = launched(world)
    world.wait(11.0)
    back = FrameworkUpdated(framework_info())
    repeated = statuses(world.take(FromMaster(link_id=LINK, message=back)))
    assert [one.uuid for one in repeated] == [starting.uuid]
    assert statuses(world.wait(9.9)) == []
    assert len(statuses(world.wait(0.1))) == 1, "and the pause starts anew"


def test_x02_the_pause_starts_anew_for_the_next_update(world: World) -> None:
    (starting,) = launched(world)
    world.wait(75.0)
    (running,) = statuses(world.acknowledge(starting))
    assert statuses(world.wait(9.9)) == []
    assert [one.uuid for one in statuses(world.wait(0.2))] == [running.uuid]


def test_m_sc_09_an_acknowledged_update_is_never_repeated(world: World) -> None:
    for status in launched(world):
        world.acknowledge_all(world.acknowledge(status))
    assert statuses(world.wait(3600.0)) == []


def test_x03_the_pause_starts_anew_after_a_new_registration(world: World) -> None:
    (starting,) = launched(world)
    world.wait(75.0)
    world.lose_master()
    assert [one.uuid for one in statuses(world.reregister())] == [starting.uuid]
    assert statuses(world.wait(9.9)) == []
    assert len(statuses(world.wait(0.2))) == 1


def test_x04_each_update_tells_the_latest_state(world: World) -> None:
    container_id = only(world.run(task_info("t1")), LaunchContainer)[0].container_id
    first = uplinks(world.take(ContainerLaunched(container_id, 1)), UpdateStatus)
    assert [(one.status.state, one.latest_state) for one in first] == [(TaskState.STARTING, TaskState.STARTING)]
    world.take(ContainerExited(container_id, 0))
    second = uplinks(world.acknowledge(first[0].status), UpdateStatus)
    assert [(one.status.state, one.latest_state) for one in second] == [(TaskState.RUNNING, TaskState.FINISHED)]
    repeated = uplinks(world.wait(10.0), UpdateStatus)
    assert [(one.status.state, one.latest_state) for one in repeated] == [(TaskState.RUNNING, TaskState.FINISHED)]
    assert {one.executor_id for one in (*first, *second, *repeated)} == {"t1"}


@pytest.mark.parametrize("what", ["another uuid", "another task", "another framework", "the next update"])
def test_x06_an_acknowledgement_of_anything_but_the_head_is_ignored(world: World, what: str) -> None:
    (starting,) = launched(world)
    assert starting.uuid is not None
    stream = world.state.streams[FRAMEWORK_ID, TaskId("t1")]
    _, following = stream.pending
    message = AcknowledgeUpdate(
        framework_id=FrameworkId("M-0009") if what == "another framework" else FRAMEWORK_ID,
        task_id=TaskId("t9") if what == "another task" else TaskId("t1"),
        uuid={"another uuid": bytes(16), "the next update": following}.get(what, starting.uuid),
    )
    effects = world.master(message)
    assert deeds(effects) == []
    assert facts(effects) == ["acknowledgement.ignored"]
    assert len(stream.pending) == 2


def test_x06_the_memory_for_acknowledged_updates_is_bounded(world: World) -> None:
    world.start_custom("c1")
    for number in range(ACKNOWLEDGED_MAX + 50):
        world.acknowledge_all(world.update("c1", TaskState.RUNNING, uuid=number + 1))
    assert len(world.state.streams[FRAMEWORK_ID, TaskId("c1")].acknowledged) == ACKNOWLEDGED_MAX


def test_x08_a_stream_lives_until_its_terminal_update_is_acknowledged(world: World) -> None:
    container_id = world.start_command()
    assert (FRAMEWORK_ID, TaskId("t1")) in world.state.streams
    (finished,) = statuses(world.gone(container_id))
    assert (FRAMEWORK_ID, TaskId("t1")) in world.state.streams
    world.acknowledge(finished)
    assert world.state.streams == {}
    assert world.wait(3600.0) == []


def test_x09_the_agents_own_updates_have_a_uuid_and_are_repeated(world: World) -> None:
    world.run(task_info("t1"))
    (killed,) = statuses(world.kill("t1"))
    assert killed.uuid is not None
    assert len(killed.uuid) == 16
    assert [one.uuid for one in statuses(world.wait(10.0))] == [killed.uuid]


def test_x11_nothing_is_told_of_a_framework_that_is_torn_down(world: World) -> None:
    (starting,) = launched(world)
    container_id = world.executor("t1").container_id
    world.master(ShutdownFramework(FRAMEWORK_ID))
    assert world.state.streams == {}
    assert deeds(world.acknowledge(starting)) == []
    assert states(world.gone(container_id, 15)) == []
    assert states(world.wait(60.0)) == []


def test_x02_the_bounds_are_options() -> None:
    world = World(
        AgentOptions(
            status_update_retry_interval_min_seconds=1.0,
            status_update_retry_interval_max_seconds=2.0,
        )
    )
    world.register()
    launched(world)
    assert len(statuses(world.wait(7.5))) == 4
