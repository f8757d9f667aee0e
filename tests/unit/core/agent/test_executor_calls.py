"""What custom executors call, and what is said to it (M-EX-01, M-EX-02, X05, X06)."""

from __future__ import annotations

import pytest

from mesos_service.core.agent_messages import ExecutorDisconnected, ExecutorHeartbeat, ExecutorMessage
from mesos_service.core.effects import (
    Reply,
    SendExecutor,
)
from mesos_service.core.events import (
    Acknowledged,
    Heartbeat,
    MessageToExecutor,
)
from mesos_service.core.link import (
    MessageFromExecutor,
    MessageToAgent,
)
from mesos_service.domain.ids import ExecutorId, StreamId, TaskId
from mesos_service.domain.tasks import ContainerStatus, TaskState
from tests.unit.core.agent.world import (
    AGENT_ID,
    EXECUTOR_ID,
    FRAMEWORK_ID,
    World,
    custom,
    deeds,
    facts,
    only,
    statuses,
    task_info,
    told,
    uplinks,
)


def test_x05_state_first_then_the_stream_then_the_executors_acknowledgement(world: World) -> None:
    container_id, stream_id = world.start_custom("c1")
    effects = deeds(world.update("c1", TaskState.RUNNING, uuid=5, data=b"some data"))
    reply, sent, acknowledged = effects
    assert isinstance(reply, Reply)
    assert reply.status == 202
    (status,) = statuses([sent])
    assert acknowledged == SendExecutor(stream_id, Acknowledged(TaskId("c1"), (5).to_bytes(16, "big")))
    assert status.agent_id == AGENT_ID
    assert status.executor_id == EXECUTOR_ID
    assert status.timestamp == world.now
    assert status.data == b"some data"
    assert status.container == ContainerStatus(container_id=container_id, executor_pid=300, ip_addresses=("127.0.0.1",))
    task = world.executor().launched[TaskId("c1")]
    assert task.state is TaskState.RUNNING
    # History keeps no data (X12).
    assert [one.data for one in task.statuses] == [None]


def test_x12_equal_states_in_a_row_are_one_entry_of_history(world: World) -> None:
    world.start_custom("c1")
    for number in range(5):
        world.update("c1", TaskState.RUNNING, uuid=number + 1)
    assert len(world.executor().launched[TaskId("c1")].statuses) == 1
    assert len(world.state.streams[FRAMEWORK_ID, TaskId("c1")].pending) == 5


def test_x06_a_repeated_update_is_acknowledged_and_told_nobody(world: World) -> None:
    world.start_custom("c1")
    world.update("c1", TaskState.RUNNING, uuid=5)
    again = world.update("c1", TaskState.RUNNING, uuid=5)
    assert [type(event) for event in told(again)] == [Acknowledged]
    assert statuses(again) == []
    world.acknowledge_all(world.wait(10.0))
    after = world.update("c1", TaskState.RUNNING, uuid=5)
    assert [type(event) for event in told(after)] == [Acknowledged]
    assert statuses(after) == []


def test_a_task_that_is_over_stays_over(world: World) -> None:
    world.start_custom("c1")
    (finished,) = statuses(world.update("c1", TaskState.FINISHED))
    for when in ("unacknowledged", "acknowledged"):
        late = world.update("c1", TaskState.RUNNING)
        assert [type(event) for event in told(late)] == [Acknowledged], when
        assert statuses(late) == []
        assert "update.ignored" in facts(late)
        world.acknowledge(finished)


def test_an_update_of_a_task_that_was_never_given_to_it_is_not_passed_on(world: World) -> None:
    world.start_custom("c1")
    effects = world.update("invented", TaskState.RUNNING)
    assert statuses(effects) == []
    assert len(told(effects)) == 1


@pytest.mark.parametrize(
    ("framework", "executor", "status", "text"),
    [
        ("nobody", "custom-1", 400, "Framework cannot be found"),
        (FRAMEWORK_ID, "nobody", 400, "Executor cannot be found"),
        # Nobody can pose as a built-in executor.
        (FRAMEWORK_ID, "cmd", 400, "Executor cannot be found"),
        (FRAMEWORK_ID, "registering", 403, "Executor is not subscribed"),
    ],
)
def test_calls_of_those_that_are_not_there_are_refused(
    world: World, framework: str, executor: str, status: int, text: str
) -> None:
    world.start_custom("c1")
    world.start_command(task_info("cmd"))
    world.run(task_info("c9", custom("registering")))
    call = ExecutorHeartbeat(request=42, framework_id=type(FRAMEWORK_ID)(framework), executor_id=ExecutorId(executor))
    assert world.take(call) == [Reply(42, status, text)]
    message = ExecutorMessage(
        request=43, framework_id=type(FRAMEWORK_ID)(framework), executor_id=ExecutorId(executor), data=b""
    )
    assert world.take(message) == [Reply(43, status, text)]


@pytest.mark.parametrize("executor", ["nobody", "cmd"])
def test_an_executor_that_was_not_launched_cannot_subscribe(world: World, executor: str) -> None:
    world.start_command(task_info("cmd"))
    assert world.subscribe(executor) == [Reply(world.requests, 400, "Executor cannot be found")]


def test_subscribing_to_an_unknown_framework_is_refused(world: World) -> None:
    assert world.subscribe() == [Reply(world.requests, 400, "Framework cannot be found")]


def test_staging_is_no_state_that_an_executor_may_send(world: World) -> None:
    world.start_custom("c1")
    (reply,) = world.update("c1", TaskState.STAGING)
    assert reply == Reply(
        world.requests,
        400,
        "Failed to validate Executor::Call: Received TASK_STAGING from executor custom-1 of framework M-0000"
        " which is not allowed",
    )


def test_m_ex_01_heartbeat_is_accepted(world: World) -> None:
    world.start_custom("c1")
    call = ExecutorHeartbeat(request=9, framework_id=FRAMEWORK_ID, executor_id=EXECUTOR_ID)
    assert world.take(call) == [Reply(9, 202)]


def test_m_ex_02_the_agent_beats_every_half_hour(world: World) -> None:
    _, stream_id = world.start_custom("c1")
    assert deeds(world.wait(1799.0)) == []
    assert deeds(world.wait(2.0)) == [SendExecutor(stream_id, Heartbeat())]
    assert deeds(world.wait(1800.0)) == [SendExecutor(stream_id, Heartbeat())]


def test_m_sc_11_messages_travel_both_ways_while_there_is_a_way(world: World) -> None:
    _, stream_id = world.start_custom("c1")
    down = MessageToAgent(framework_id=FRAMEWORK_ID, executor_id=EXECUTOR_ID, data=b"to executor")
    assert deeds(world.master(down)) == [SendExecutor(stream_id, MessageToExecutor(b"to executor"))]
    call = ExecutorMessage(request=5, framework_id=FRAMEWORK_ID, executor_id=EXECUTOR_ID, data=b"from executor")
    effects = world.take(call)
    assert only(effects, Reply) == [Reply(5, 202)]
    assert [message.data for message in uplinks(effects, MessageFromExecutor)] == [b"from executor"]
    world.lose_master()
    assert deeds(world.take(call)) == [Reply(5, 202)]
    world.reregister()
    world.take(ExecutorDisconnected(framework_id=FRAMEWORK_ID, executor_id=EXECUTOR_ID, stream_id=stream_id))
    assert deeds(world.master(down)) == []


def test_an_unknown_stream_breaking_is_nobodys_concern(world: World) -> None:
    gone = ExecutorDisconnected(framework_id=FRAMEWORK_ID, executor_id=EXECUTOR_ID, stream_id=StreamId("x"))
    assert world.take(gone) == []
