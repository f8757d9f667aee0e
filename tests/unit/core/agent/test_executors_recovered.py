"""Executors of frameworks while their agent is gone: those that come back, those that do not, and those that go."""

from __future__ import annotations

from mesos_service.core.agent.state import ExecutorState
from mesos_service.core.agent_messages import (
    ContainerDestroyed,
    ContainerExited,
    ContainerLaunched,
    ExecutorDisconnected,
    MasterConnected,
)
from mesos_service.core.effects import (
    DestroyContainer,
)
from mesos_service.core.events import Acknowledged
from mesos_service.core.link import (
    ExitedExecutor,
)
from mesos_service.domain.ids import ExecutorId, LinkId
from mesos_service.domain.tasks import TaskState
from tests.unit.core.agent.reborn import alive, come_back, ended, reborn, recover
from tests.unit.core.agent.world import (
    FRAMEWORK_ID,
    World,
    custom,
    executor_status,
    only,
    sent_uplinks,
    statuses,
    task_info,
    told,
)


def test_x53_an_executor_that_comes_back_goes_on_and_only_then_the_agent_registers(world: World) -> None:
    container_id, _ = world.start_custom("c1")
    world.acknowledge_all(world.update("c1", TaskState.RUNNING))
    after = reborn(world)
    recover(after, alive(container_id))
    after.take(MasterConnected(LinkId("link-2")))
    after.link = LinkId("link-2")
    assert sent_uplinks(after.wait(1.0)) == []
    effects = after.subscribe(tasks=(task_info("c1", custom()),))
    assert after.executor().state is ExecutorState.RUNNING
    assert {type(one).__name__ for one in sent_uplinks(effects)} == {"Reregister"}


def test_x53_one_that_does_not_is_killed_and_its_tasks_are_told(world: World) -> None:
    container_id, _ = world.start_custom("c1")
    world.acknowledge_all(world.update("c1", TaskState.RUNNING))
    after = reborn(world)
    recover(after, alive(container_id))
    after.take(MasterConnected(LinkId("link-2")))
    after.link = LinkId("link-2")
    assert sent_uplinks(after.wait(1.9)) == []
    assert DestroyContainer(container_id) in after.wait(0.2)
    after.take(ContainerDestroyed(container_id))
    [status] = statuses(come_back(after))
    assert (status.state, status.reason) == (TaskState.FAILED, "REASON_EXECUTOR_REREGISTRATION_TIMEOUT")
    assert status.message == "Executor did not reregister within 2secs"


def test_x10_an_executor_repeats_what_it_has_not_seen_acknowledged(world: World) -> None:
    container_id, _ = world.start_custom("c1", "c2")
    world.acknowledge_all(world.update("c1", TaskState.RUNNING, uuid=5))
    after = reborn(world)
    recover(after, alive(container_id))
    effects = after.subscribe(
        tasks=(task_info("c1", custom()),),
        updates=(executor_status("c1", TaskState.RUNNING, 5), executor_status("c1", TaskState.FINISHED, 6)),
    )
    # What is known already is acknowledged without another word, and what it does not know never came to it.
    assert [event.uuid[-1] for event in told(effects) if isinstance(event, Acknowledged)] == [5, 6]
    seen = {status.task_id: status.state for status in after.acknowledge_all(come_back(after))}
    assert seen == {"c1": TaskState.FINISHED, "c2": TaskState.DROPPED}


def test_m_ex_04_one_that_had_not_registered_has_its_time_for_that(world: World) -> None:
    world.run(task_info("c1", custom()))
    container_id = world.executor().container_id
    world.take(ContainerLaunched(container_id, 300))
    after = reborn(world)
    recover(after, alive(container_id))
    come_back(after)
    after.subscribe()
    assert [type(event).__name__ for event in told(after.wait(0.0))] == []
    assert after.executor().launched.keys() == {"c1"}


def test_an_executor_that_ended_meanwhile_leaves_its_tasks_failed(world: World) -> None:
    container_id, _ = world.start_custom("c1")
    after = reborn(world)
    recover(after, ended(container_id, 256))
    after.take(ContainerDestroyed(container_id))
    effects = come_back(after)
    assert [one for one in sent_uplinks(effects) if isinstance(one, ExitedExecutor)] == []
    [status] = statuses(effects)
    assert (status.state, status.reason) == (TaskState.FAILED, "REASON_EXECUTOR_TERMINATED")


def test_an_executor_that_leaves_while_it_is_waited_for_is_waited_for_no_more(world: World) -> None:
    container_id, _ = world.start_custom("c1")
    after = reborn(world)
    recover(after, alive(container_id))
    after.take(ContainerExited(container_id, 0))
    assert after.state.recovering is None


def test_m_ex_05_an_executor_that_came_back_may_go_again(world: World) -> None:
    container_id, _ = world.start_custom("c1")
    after = reborn(world)
    recover(after, alive(container_id))
    after.subscribe(tasks=(task_info("c1", custom()),))
    stream_id = after.executor().stream_id
    assert stream_id is not None
    after.take(ExecutorDisconnected(framework_id=FRAMEWORK_ID, executor_id=ExecutorId("custom-1"), stream_id=stream_id))
    assert only(after.wait(800.0), DestroyContainer) == []
