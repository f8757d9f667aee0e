"""Metrics carry Mesos' names, count what happened, and read their gauges from the state (M-OM-03)."""

from __future__ import annotations

import random
from _collections_abc import dict_items
from collections import defaultdict

import pytest

from mesos_service.core import link
from mesos_service.core.agent.state import AgentOptions, AgentState, Executor, ExecutorState
from mesos_service.core.agent.state import Framework as AgentFramework
from mesos_service.core.agent.state import Task as AgentTask
from mesos_service.core.allocation import kernel
from mesos_service.core.effects import MasterEffect, Note
from mesos_service.core.link import OperationStatus, UpdateOperation
from mesos_service.core.master.state import Framework
from mesos_service.core.oversubscription.estimators import lent
from mesos_service.core.scheduler_messages import UnsupportedOperation
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.executors import ExecutorInfo
from mesos_service.domain.frameworks import FrameworkInfo
from mesos_service.domain.ids import (
    ContainerId,
    ExecutorId,
    FrameworkId,
    Role,
    StreamId,
    TaskId,
)
from mesos_service.domain.operations import Create, Reserve
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskInfo, TaskState
from mesos_service.telemetry.agent_metrics import AgentMetrics
from mesos_service.telemetry.counters import TaskKey
from mesos_service.telemetry.master_metrics import MasterMetrics
from tests.unit.core.master.resource_world import applied, ask, capable_agent, finish, reserved, volumes
from tests.unit.core.master.told import only
from tests.unit.core.master.world import World
from tests.unit.telemetry.masters import A1, F1, PART, T1, TOTAL, a_master


def test_m_om_03_gauges_are_read_from_the_state() -> None:
    metrics = MasterMetrics().snapshot(a_master(), now=160.0)
    expected = {
        "master/uptime_secs": 60.0,
        "master/elected": 1.0,
        "master/cpus_total": 4.0,
        "master/cpus_used": 1.0,
        "master/cpus_percent": 0.25,
        "master/mem_used": 1024.0,
        "master/gpus_percent": 0.0,
        "master/slaves_active": 1.0,
        "master/slaves_disconnected": 0.0,
        "master/frameworks_connected": 1.0,
        "master/outstanding_offers": 1.0,
        "master/tasks_running": 1.0,
        "master/tasks_staging": 0.0,
        "allocator/mesos/resources/cpus/total": 4.0,
        "allocator/mesos/resources/cpus/offered_or_allocated": 3.0,
        "master/frameworks/my%20framework%2F1/m-0000/subscribed": 1.0,
        "master/frameworks/my%20framework%2F1/m-0000/offers/sent": 7.0,
        "master/frameworks/my%20framework%2F1/m-0000/roles/b/suppressed": 1.0,
        "master/frameworks/my%20framework%2F1/m-0000/roles/a/suppressed": 0.0,
        "master/frameworks/my%20framework%2F1/m-0000/tasks/active/task_running": 1.0,
    }
    assert {name: metrics.get(name) for name in expected} == expected
    assert list(metrics) == sorted(metrics)
    assert all(type(value) is float for value in metrics.values())
    assert metrics["system/mem_total_bytes"] > metrics["system/mem_free_bytes"] > 0


def test_m_al_19_what_is_lent_has_gauges_of_its_own() -> None:
    state = a_master()
    agent = state.agents[A1]
    borrowed = lent(Resources.scalars(cpus=1))
    agent.total += lent(Resources.scalars(cpus=4))
    agent.used = {F1: agent.used[F1] + borrowed.allocated_to("a")}
    found = MasterMetrics().snapshot(state, now=160.0)
    expected = {
        "master/cpus_total": 4.0,
        "master/cpus_used": 1.0,
        "master/cpus_revocable_total": 4.0,
        "master/cpus_revocable_used": 1.0,
        "master/cpus_revocable_percent": 0.25,
        "master/mem_revocable_total": 0.0,
        "master/gpus_revocable_percent": 0.0,
        "allocator/mesos/resources/cpus/total": 8.0,
    }
    assert {name: found.get(name) for name in expected} == expected


def test_which_kernel_allocates_is_a_gauge(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, expected in ((object(), 1.0), (None, 0.0)):
        monkeypatch.setattr(kernel, "compiled", module)
        assert MasterMetrics().snapshot(a_master(), now=160.0)["allocator/kernel_compiled"] == expected


def test_m_om_03_calls_events_and_agent_messages_are_counted() -> None:
    metrics = MasterMetrics()
    metrics.call("SUBSCRIBE", None)
    metrics.call("SUBSCRIBE", F1)
    for _ in range(3):
        metrics.call("ACCEPT", F1)
    for _ in range(4):
        metrics.call("ACKNOWLEDGE", F1)
    metrics.note(Note("acknowledgement.dropped", {"task_id": T1}))
    metrics.event("OFFERS", F1)
    metrics.uplink(link.Pong())
    metrics.uplink(link.ExitedExecutor(framework_id=F1, executor_id=ExecutorId("e"), status=9))
    found = metrics.snapshot(a_master(), now=160.0)
    expected = {
        "master/messages_register_framework": 1.0,
        "master/messages_reregister_framework": 1.0,
        "master/messages_launch_tasks": 3.0,
        "master/messages_decline_offers": 0.0,
        "master/messages_exited_executor": 1.0,
        "master/messages_status_update": 0.0,
        "master/valid_status_update_acknowledgements": 3.0,
        "master/invalid_status_update_acknowledgements": 1.0,
        "master/valid_status_updates": 0.0,
        "master/frameworks/my%20framework%2F1/m-0000/calls": 8.0,
        "master/frameworks/my%20framework%2F1/m-0000/calls/accept": 3.0,
        "master/frameworks/my%20framework%2F1/m-0000/calls/kill": 0.0,
        "master/frameworks/my%20framework%2F1/m-0000/events": 1.0,
        "master/frameworks/my%20framework%2F1/m-0000/events/offers": 1.0,
    }
    assert {name: found.get(name) for name in expected} == expected


def test_m_ob_08_what_was_not_passed_on_is_invalid_and_the_rest_is_valid() -> None:
    metrics = MasterMetrics()
    for _ in range(3):
        metrics.call("MESSAGE", F1)
        metrics.call("ACKNOWLEDGE_OPERATION_STATUS", F1)
        metrics.uplink(link.MessageFromExecutor(framework_id=F1, executor_id=ExecutorId("e"), data=b""))
    for fact in ("framework.message_dropped", "executor.message_dropped", "operation.acknowledgement_ignored"):
        metrics.note(Note(fact, {}))
    found = metrics.snapshot(a_master(), now=160.0)
    for name in (
        "framework_to_executor_messages",
        "executor_to_framework_messages",
        "operation_status_update_acknowledgements",
    ):
        assert (found[f"master/valid_{name}"], found[f"master/invalid_{name}"]) == (2.0, 1.0)


def test_m_ob_03_operations_that_frameworks_ask_for_are_counted() -> None:
    metrics = MasterMetrics()
    metrics.call("ACCEPT", F1, ["LAUNCH", "RESERVE", "LAUNCH", "NOT_AN_OPERATION"])
    found = metrics.snapshot(a_master(), now=160.0)
    prefix = "master/frameworks/my%20framework%2F1/m-0000/operations"
    assert (found[prefix], found[f"{prefix}/launch"], found[f"{prefix}/reserve"]) == (3.0, 2.0, 1.0)
    assert found[f"{prefix}/destroy_disk"] == 0.0


def an_update(state: TaskState, **told: str) -> Note:
    return Note("task.updated", {"framework_id": F1, "task_id": T1, "state": state, **told})


def test_m_om_03_task_ends_are_counted_by_state_source_and_reason() -> None:
    metrics = MasterMetrics()
    metrics.note(an_update(TaskState.RUNNING, source="SOURCE_EXECUTOR"))
    metrics.note(an_update(TaskState.FINISHED, source="SOURCE_EXECUTOR"))
    metrics.note(an_update(TaskState.ERROR, source="SOURCE_MASTER", reason="REASON_TASK_INVALID"))
    metrics.note(an_update(TaskState.ERROR, source="SOURCE_MASTER", reason="REASON_TASK_INVALID"))
    metrics.note(Note("agent.registered", {"agent_id": A1}))
    metrics.note(Note("agent.unreachable", {"agent_id": A1}))
    metrics.note(Note("agent.machine_down", {"agent_id": A1}))
    found = metrics.snapshot(a_master(), now=160.0)
    expected = {
        "master/tasks_finished": 1.0,
        "master/tasks_error": 2.0,
        "master/tasks_failed": 0.0,
        "master/task_error/source_master/reason_task_invalid": 2.0,
        "master/frameworks/my%20framework%2F1/m-0000/tasks/terminal/task_error": 2.0,
        "master/slave_registrations": 1.0,
        "master/slave_removals": 2.0,
        "master/slave_removals/reason_unhealthy": 1.0,
    }
    assert {name: found.get(name) for name in expected} == expected
    assert "master/task_running/source_executor/reason_" not in found


def test_a_forgotten_framework_takes_its_names_along_and_leaves_the_sums() -> None:
    metrics = MasterMetrics()
    state = a_master()
    metrics.call("SUBSCRIBE", None)
    metrics.call("SUBSCRIBE", F1)
    metrics.call("ACCEPT", F1)
    metrics.note(an_update(TaskState.FINISHED))
    state.frameworks.clear()
    for _ in range(4):
        found = metrics.snapshot(state, now=160.0)
        assert not [name for name in found if name.startswith("master/frameworks/")]
        assert found["master/messages_launch_tasks"] == 1.0
        assert found["master/messages_register_framework"] == 1.0
        assert found["master/messages_reregister_framework"] == 1.0
        assert found["master/tasks_finished"] == 1.0


def test_adapters_may_add_what_they_count() -> None:
    metrics = MasterMetrics(sources=[lambda: {"telemetry/spans_dropped": 3}])
    assert metrics.snapshot(a_master(), now=160.0)["telemetry/spans_dropped"] == 3


def test_m_om_03_an_agent_counts_its_own() -> None:
    info = AgentInfo(hostname="h", agent_id=A1, resources=TOTAL)
    state = AgentState(info=info, options=AgentOptions(), random=random.Random(1), started_at=100.0, registered=True)
    executor = Executor(
        ExecutorInfo(executor_id=ExecutorId("t1")), F1, ContainerId("c"), launched_at=1.0, state=ExecutorState.RUNNING
    )
    task = TaskInfo(task_id=T1, agent_id=A1, resources=PART)
    executor.launched[T1] = AgentTask(task, F1, ExecutorId("t1"), received_at=1.0, state=TaskState.RUNNING)
    framework = AgentFramework(F1, FrameworkInfo(name="f", user="u"))
    framework.executors[ExecutorId("t1")] = executor
    executor.launched[TaskId("lent")] = AgentTask(
        TaskInfo(task_id=TaskId("lent"), agent_id=A1, resources=lent(Resources.scalars(cpus=1))),
        F1,
        ExecutorId("t1"),
        received_at=1.0,
    )
    state.oversubscribed = lent(Resources.scalars(cpus=2))
    state.frameworks[F1] = framework
    metrics = AgentMetrics()
    metrics.note(Note("executor.preempted", {"executor_id": "t0"}))
    metrics.note(an_update(TaskState.FAILED, source="SOURCE_EXECUTOR"))
    metrics.note(Note("executor.terminated", {"executor_id": "t0"}))
    found = metrics.snapshot(state, now=107.0)
    expected = {
        "slave/registered": 1.0,
        "slave/uptime_secs": 7.0,
        "slave/cpus_total": 4.0,
        "slave/cpus_used": 1.0,
        "slave/cpus_revocable_total": 2.0,
        "slave/cpus_revocable_used": 1.0,
        "slave/cpus_revocable_percent": 0.5,
        "slave/executors_preempted": 1.0,
        "slave/mem_percent": 0.25,
        "slave/executors_running": 1.0,
        "slave/executors_registering": 0.0,
        "slave/executors_terminated": 1.0,
        "slave/frameworks_active": 1.0,
        "slave/tasks_running": 1.0,
        "slave/tasks_failed": 1.0,
        "slave/tasks_finished": 0.0,
    }
    assert {name: found.get(name) for name in expected} == expected


def test_m_om_03_operations_are_counted_by_kind_and_by_what_became_of_them() -> None:
    """Once each, however often an agent repeats itself; the names are Mesos'."""
    world = World()
    node = capable_agent(world)
    scheduler = world.framework()
    world.settle()
    metrics = MasterMetrics()

    def count(effects: list[MasterEffect]) -> list[MasterEffect]:
        for note in only(effects, Note):
            metrics.note(note)
        return effects

    asked = [ask(Reserve(reserved("disk:64")), "op"), ask(Create(volumes(8))), ask(Create(volumes(8)))]
    reserve, _ = applied(count(scheduler.accept(scheduler.offers, *asked, UnsupportedOperation("CREATE_DISK"))))
    count(finish(node, reserve))
    status = OperationStatus(state="OPERATION_FINISHED", uuid=world.uuid())
    count(node.say(UpdateOperation(uuid=reserve.uuid, status=status)))
    found = metrics.snapshot(world.state, world.now)
    named = {name: found[f"master/operations/{name}"] for name in ("finished", "error", "pending", "total")}
    assert named == {"finished": 1.0, "error": 2.0, "pending": 1.0, "total": 4.0}
    assert (found["master/operations/reserve/finished"], found["master/operations/create/pending"]) == (1.0, 1.0)
    assert (found["master/operations/create/error"], found["master/operations/create_disk/error"]) == (1.0, 1.0)
    node.lose_link()
    count(node.come_back())
    found = metrics.snapshot(world.state, world.now)
    assert (found["master/operations/create/dropped"], found["master/operations/pending"]) == (1.0, 0.0)


class Walked(defaultdict[TaskKey, int]):
    """Counts how often somebody goes through all of it."""

    walks = 0

    def items(self) -> dict_items[TaskKey, int]:
        self.walks += 1
        return super().items()


def test_m_om_03_counts_are_gone_through_once_for_all_frameworks() -> None:
    """For each of a thousand frameworks it took most of a second, in which the master does nothing else."""
    walks: list[int] = []
    for frameworks in (1, 20):
        state, metrics = a_master(), MasterMetrics()
        info = FrameworkInfo(name="another", user="u", roles=(Role("a"),))
        for number in range(1, frameworks):
            framework_id = FrameworkId(f"m-{number:04}")
            state.frameworks[framework_id] = Framework(framework_id, info, StreamId("s"), registered_at=102.0)
        counted = metrics._counters.updates = Walked(int)
        for framework_id in state.frameworks:
            attributes = {"framework_id": framework_id, "state": "TASK_FAILED", "source": "", "reason": ""}
            metrics.note(Note("task.updated", attributes))
        found = metrics.snapshot(state, now=160.0)
        ends = [value for name, value in found.items() if name.endswith("/tasks/terminal/task_failed")]
        assert ends == [1.0] * frameworks
        walks.append(counted.walks)
    assert walks[0] == walks[1] > 0
