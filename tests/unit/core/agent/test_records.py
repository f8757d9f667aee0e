"""What an agent writes down is what it reads back."""

from __future__ import annotations

from dataclasses import replace

from mesos_service.core.agent.recording import snapshot
from mesos_service.core.agent.records import (
    ExecutorKept,
    TaskKept,
    TaskMoved,
    UpdateAcknowledged,
)
from mesos_service.core.agent.replay import replay
from mesos_service.core.agent.state import AgentState
from mesos_service.domain.ids import ContainerId, TaskId
from mesos_service.domain.tasks import TaskState
from tests.unit.core.agent.reborn import reborn
from tests.unit.core.agent.world import (
    FRAMEWORK_ID,
    World,
    custom,
    task_info,
)


def comparable(state: AgentState) -> object:
    """All of a state that records are to give back."""
    return [
        (
            framework.info,
            framework.terminating,
            [
                (
                    executor.info,
                    executor.container_id,
                    executor.state,
                    executor.termination,
                    *(
                        [replace(task, trace=None, launch_trace=None, running_trace=None) for task in tasks.values()]
                        for tasks in (executor.queued, executor.launched, executor.terminated)
                    ),
                )
                for executor in framework.executors.values()
            ],
        )
        for framework in state.frameworks.values()
    ], [
        (key, [(uuid, one.status) for uuid, one in stream.pending.items()], list(stream.acknowledged))
        for key, stream in state.streams.items()
    ]


def test_x07_reading_gives_back_what_was_written_and_so_does_a_snapshot(world: World) -> None:
    world.start_command()
    world.start_group("g1", "g2")
    world.start_custom("c1", "c2")
    world.update("c1", TaskState.RUNNING)
    world.update("c1", TaskState.FINISHED)
    world.kill("g1", grace=60.0)
    world.run(task_info("t2"))
    read = reborn(world)
    assert comparable(read.state) == comparable(world.state)
    again = reborn(world, snapshot(read.state))
    assert comparable(again.state) == comparable(world.state)
    # Written twice is read as once.
    assert comparable(reborn(world, [*snapshot(read.state), *world.records]).state)[1] == comparable(world.state)[1]  # type: ignore[index]


def test_records_about_what_is_gone_mean_nothing() -> None:
    world = World()
    info = custom()
    nobody = FRAMEWORK_ID
    replay(
        world.state,
        [
            ExecutorKept(framework_id=nobody, info=info, container_id=ContainerId("c"), launched_at=1.0),
            TaskKept(framework_id=nobody, executor_id=info.executor_id, info=task_info("t"), received_at=1.0),
            TaskMoved(
                framework_id=nobody,
                task_id=TaskId("t"),
                launched_at=1.0,
                kill_started_at=None,
                kill_grace_seconds=None,
                overdue=False,
                termination=None,
            ),
            UpdateAcknowledged(framework_id=nobody, task_id=TaskId("t"), uuid=b"x"),
        ],
    )
    assert world.state.frameworks == {}
    assert world.state.streams == {}
