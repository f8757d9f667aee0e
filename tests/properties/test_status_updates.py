"""The promise of status updates, whatever the network does (X01-X12).

Every update reaches the master, in order, and is repeated until its acknowledgement has come back, and never after it.
Updates, acknowledgements and connections get lost, late and doubled here; in the end the network is well again and
everything must have arrived.
"""

from __future__ import annotations

import random

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from mesos_service.core.agent_messages import ContainerDestroyed, ContainerExited, ContainerLaunched
from mesos_service.core.effects import AgentEffect, LaunchContainer
from mesos_service.core.link import AcknowledgeUpdate, UpdateStatus
from mesos_service.domain.ids import ContainerId, TaskId
from mesos_service.domain.tasks import TaskState
from tests.unit.core.agent.world import FRAMEWORK_ID, World, custom, only, task_info, uplinks

LIVE_STATES = (TaskState.STARTING, TaskState.RUNNING, TaskState.KILLING)
LAST_STATES = (TaskState.FINISHED, TaskState.FAILED, TaskState.KILLED)
PATIENCE_SECONDS = 601.0
"""Longer than the longest pause between two repetitions."""


class UpdateStreams(RuleBasedStateMachine):
    """One agent, a custom executor with many tasks, command tasks, and a master at the end of a bad connection."""

    tasks = Bundle("tasks")
    commands = Bundle("commands")

    def __init__(self) -> None:
        super().__init__()
        self.world = World(seed=1)
        self.connected = False
        self.counter = 0
        self.made: dict[TaskId, list[TaskState]] = {}
        """What was said of each task, in order: what the master must come to see."""
        self.over: set[TaskId] = set()
        self.on_the_way: list[UpdateStatus] = []
        self.seen: dict[TaskId, list[tuple[bytes, TaskState]]] = {}
        """What the master saw for the first time, in order."""
        self.to_acknowledge: list[tuple[TaskId, bytes]] = []
        self.settled: set[bytes] = set()
        """Updates whose acknowledgement the agent has heard as it had them in flight."""

    # -- the agent's side ------------------------------------------------------------------------------------
    @initialize()
    def start(self) -> None:
        self.heed(self.world.register())
        self.connected = True
        self.heed(self.world.run(task_info("first", custom())))
        self.made[TaskId("first")] = []
        self.heed(self.world.subscribe())

    def heed(self, effects: list[AgentEffect]) -> None:
        for update in uplinks(effects, UpdateStatus):
            assert update.status.uuid not in self.settled, "an acknowledged update was sent again"
            self.on_the_way.append(update)

    @precondition(lambda self: self.connected)
    @rule(target=tasks)
    def launch(self) -> TaskId:
        self.counter += 1
        task_id = TaskId(f"c{self.counter}")
        self.heed(self.world.run(task_info(task_id, custom())))
        self.made[task_id] = []
        return task_id

    @rule(task_id=tasks, state=st.sampled_from(LIVE_STATES + LAST_STATES), twice=st.booleans())
    def update(self, task_id: TaskId, state: TaskState, twice: bool) -> None:
        self.counter += 1
        if task_id not in self.over:
            self.made[task_id].append(state)
        if state in LAST_STATES:
            self.over.add(task_id)
        for _ in range(1 + twice):
            self.heed(self.world.update(task_id, state, uuid=self.counter))

    @precondition(lambda self: self.connected)
    @rule(target=commands)
    def run(self) -> tuple[TaskId, ContainerId]:
        self.counter += 1
        task_id = TaskId(f"t{self.counter}")
        effects = self.world.run(task_info(task_id))
        container_id = only(effects, LaunchContainer)[0].container_id
        self.heed(self.world.take(ContainerLaunched(container_id, self.counter)))
        self.made[task_id] = [TaskState.STARTING, TaskState.RUNNING]
        return task_id, container_id

    @rule(command=commands, status=st.sampled_from([0, 256, 15]))
    def exit(self, command: tuple[TaskId, ContainerId], status: int) -> None:
        task_id, container_id = command
        if task_id in self.over:
            return
        self.over.add(task_id)
        self.made[task_id].append(TaskState.FAILED if status else TaskState.FINISHED)
        self.heed(self.world.take(ContainerExited(container_id, status)))
        self.heed(self.world.take(ContainerDestroyed(container_id)))

    @rule(seconds=st.sampled_from([0.0, 1.0, 10.0, 30.0, 700.0]))
    def wait(self, seconds: float) -> None:
        self.heed(self.world.wait(seconds))

    # -- the network -----------------------------------------------------------------------------------------
    @precondition(lambda self: self.on_the_way)
    @rule(lost=st.booleans(), doubled=st.booleans())
    def deliver(self, lost: bool, doubled: bool) -> None:
        update = self.on_the_way.pop(0)
        if not lost:
            self.arrive(update)
            if doubled:
                self.arrive(update)

    def arrive(self, update: UpdateStatus) -> None:
        status = update.status
        assert status.uuid is not None
        seen = self.seen.setdefault(status.task_id, [])
        if status.uuid not in [uuid for uuid, _ in seen]:
            seen.append((status.uuid, status.state))
        assert [state for _, state in seen] == self.made[status.task_id][: len(seen)], "out of order, or invented"
        # The latest state is never behind what is shown (X04).
        assert update.latest_state in self.made[status.task_id][len(seen) - 1 :] or seen[-1][0] != status.uuid
        self.to_acknowledge.append((status.task_id, status.uuid))

    @precondition(lambda self: self.to_acknowledge and self.connected)
    @rule(lost=st.booleans(), late=st.booleans())
    def acknowledge(self, lost: bool, late: bool) -> None:
        task_id, uuid = self.to_acknowledge.pop(0)
        if late:
            self.to_acknowledge.append((task_id, uuid))
        elif not lost:
            self.hear(task_id, uuid)

    def hear(self, task_id: TaskId, uuid: bytes) -> None:
        stream = self.world.state.streams.get((FRAMEWORK_ID, task_id))
        if stream is not None and next(iter(stream.pending), None) == uuid:
            self.settled.add(uuid)
        message = AcknowledgeUpdate(framework_id=FRAMEWORK_ID, task_id=task_id, uuid=uuid)
        self.heed(self.world.master(message))

    @precondition(lambda self: self.connected)
    @rule(data=st.randoms(use_true_random=False))
    def cut(self, data: random.Random) -> None:
        """The connection breaks, with whatever was still on it."""
        self.connected = False
        # Of what was under way, the front part may have got through.
        del self.on_the_way[data.randint(0, len(self.on_the_way)) :]
        self.to_acknowledge.clear()
        self.heed(self.world.lose_master())

    @precondition(lambda self: not self.connected)
    @rule()
    def come_back(self) -> None:
        self.connected = True
        before = {key for key, stream in self.world.state.streams.items() if stream.pending}
        effects = self.world.reregister()
        # Every stream's head goes out again at once (X03).
        assert {(FRAMEWORK_ID, one.status.task_id) for one in uplinks(effects, UpdateStatus)} == before
        self.heed(effects)

    # -- the promise -----------------------------------------------------------------------------------------
    @invariant()
    def one_update_of_a_task_is_in_flight_at_a_time(self) -> None:
        for (_, task_id), stream in self.world.state.streams.items():
            if stream.pending:
                told = len(self.seen.get(task_id, []))
                waiting = len(stream.pending)
                assert told <= len(self.made[task_id]) - waiting + 1, "the master saw more than the head"

    def teardown(self) -> None:
        """The network is well again: everything arrives, once and in order."""
        if not self.connected:
            self.come_back()
        for _ in range(sum(map(len, self.made.values())) + 2):
            while self.on_the_way or self.to_acknowledge:
                while self.on_the_way:
                    self.arrive(self.on_the_way.pop(0))
                while self.to_acknowledge:
                    self.hear(*self.to_acknowledge.pop(0))
            if not any(stream.pending for stream in self.world.state.streams.values()):
                break
            self.wait(PATIENCE_SECONDS)
        told = {task_id: [state for _, state in seen] for task_id, seen in self.seen.items()}
        assert told == {task_id: states for task_id, states in self.made.items() if states}
        framework = self.world.state.frameworks.get(FRAMEWORK_ID)
        assert framework is not None
        assert not self.over & framework.tasks.keys(), "a task that is over and acknowledged is still held"
        self.heed(self.world.wait(3600.0))
        assert not self.on_the_way


TestUpdateStreams = UpdateStreams.TestCase
TestUpdateStreams.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
