"""Spans of the agent: told only when the launch carried a trace (N03)."""

from __future__ import annotations

import random

from mesos_service.core.agent_messages import ContainerExited, ContainerLaunched, ContainerLaunchFailed
from mesos_service.core.effects import LaunchContainer, OpenExecutorStream, Span
from mesos_service.core.link import UpdateStatus
from mesos_service.core.trace import start_trace
from mesos_service.domain.tasks import TaskState
from tests.unit.core.agent.world import World, custom, only, statuses, task_info, uplinks

TRACE = start_trace(random.Random(1))
TRACE_ID = TRACE.split("-")[1]


def test_n03_a_command_task_tells_launch_run_and_each_update(world: World) -> None:
    received = world.now
    (launch,) = only(world.run(task_info("t1"), trace=TRACE), LaunchContainer)
    world.now += 2
    launched_at = world.now
    effects = world.take(ContainerLaunched(launch.container_id, 1))
    (span,) = only(effects, Span)
    assert (span.name, span.parent, span.start, span.end) == ("agent.launch", TRACE, received, launched_at)
    assert span.error is None
    assert span.attributes == {"task_id": "t1"}
    (first,) = uplinks(effects, UpdateStatus)
    world.now += 3
    (told,) = only(world.acknowledge(first.status), Span)
    assert (told.name, told.trace, told.parent) == ("agent.update", first.trace, TRACE)
    assert (told.start, told.end) == (launched_at, world.now)
    assert told.attributes == {"task_id": "t1", "state": TaskState.STARTING, "sent": 1}
    world.now += 4
    (ran,) = only(world.take(ContainerExited(launch.container_id, 256)), Span)
    assert (ran.name, ran.trace, ran.parent) == ("task.running", launch.trace, TRACE)
    assert (ran.start, ran.end) == (launched_at, world.now)
    assert ran.error == "Command exited with status 1"
    contexts = [span.trace, told.trace, ran.trace, TRACE]
    assert len(set(contexts)) == len(contexts)
    assert {context.split("-")[1] for context in contexts if context} == {TRACE_ID}


def test_n03_a_launch_that_fails_is_told_with_its_error(world: World) -> None:
    (launch,) = only(world.run(task_info("t1"), trace=TRACE), LaunchContainer)
    effects = world.take(ContainerLaunchFailed(launch.container_id, "REASON_CONTAINER_LAUNCH_FAILED", "no disk"))
    assert [(span.name, span.error) for span in only(effects, Span)] == [
        ("agent.launch", "Failed to launch container: no disk")
    ]


def test_n03_a_kill_during_launch_ends_the_launch_span(world: World) -> None:
    world.run(task_info("t1"), trace=TRACE)
    assert [span.name for span in only(world.kill("t1"), Span)] == ["agent.launch"]


def test_n03_a_custom_executors_launch_ends_with_the_delivery(world: World) -> None:
    (launch,) = only(world.run(task_info("c1", custom()), trace=TRACE), LaunchContainer)
    assert launch.trace is not None
    assert launch.trace.split("-")[1] == TRACE_ID
    world.now += 1
    effects = world.subscribe()
    assert len(only(effects, OpenExecutorStream)) == 1
    assert [span.name for span in only(effects, Span)] == ["agent.launch"]
    world.now += 1
    effects = world.update("c1", TaskState.FINISHED)
    (ran,) = only(effects, Span)
    assert (ran.name, ran.error) == ("task.running", None)
    assert ran.end - ran.start == 1


class CountingRandom(random.Random):
    """Counts what is drawn from it."""

    drawn = 0

    def getrandbits(self, k: int, /) -> int:
        self.drawn += 1
        return super().getrandbits(k)


def test_n03_without_a_trace_there_are_no_spans_and_nothing_is_drawn_for_them(world: World) -> None:
    source = world.state.random = CountingRandom(1)
    effects = world.run(task_info("t1"))
    container_id = only(effects, LaunchContainer)[0].container_id
    effects += world.take(ContainerLaunched(container_id, 1))
    (starting,) = statuses(effects)
    effects += world.acknowledge(starting)
    effects += world.take(ContainerExited(container_id, 0))
    assert only(effects, Span) == []
    assert [update.trace for update in uplinks(effects, UpdateStatus)] == [None, None]
    # One container id, and the uuids of STARTING, RUNNING and FINISHED.
    assert source.drawn == 4
