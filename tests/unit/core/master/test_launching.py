"""Launches against what is offered (M-OP-01, M-OP-02; X14c, X14d, X14i; as recorded of Mesos)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from mesos_service.core.link import ExitedExecutor, RunTask, RunTaskGroup
from mesos_service.core.scheduler_messages import LaunchGroupOperation, LaunchOperation
from mesos_service.domain.executors import ExecutorInfo, ExecutorType
from mesos_service.domain.frameworks import REVOCABLE_RESOURCES
from mesos_service.domain.ids import AgentId, ExecutorId, FrameworkId, TaskId
from mesos_service.domain.resources import Resource, ResourceKey, Resources
from mesos_service.domain.tasks import Source, TaskInfo, TaskState
from mesos_service.wire import tasks
from mesos_service.wire.convert.infos import executor_from_wire
from tests.unit.core.master.infos import AWARE, SMALL, TOTAL, custom, framework_info, task_info
from tests.unit.core.master.told import downlinks, launched
from tests.unit.core.master.world import Node, Scheduler, World, running

ERROR = (TaskState.ERROR, "REASON_TASK_INVALID")
GROUP_ERROR = (TaskState.ERROR, "REASON_TASK_GROUP_INVALID")


def offered_world(total: Resources | str = TOTAL) -> tuple[World, Node, Scheduler]:
    """A framework that holds an offer of the one agent there is."""
    world = World()
    node = world.agent(total)
    scheduler = world.framework()
    world.settle()
    return world, node, scheduler


def pod(executor_id: str = "pod", resources: Resources | None = None) -> ExecutorInfo:
    return ExecutorInfo(
        executor_id=ExecutorId(executor_id),
        type=ExecutorType.DEFAULT,
        resources=Resources.scalars(cpus="0.1", mem=32) if resources is None else resources,
    )


# -- one by one ----------------------------------------------------------------------------------------------


def test_m_op_01_a_command_task_goes_to_its_agent() -> None:
    _, node, scheduler = offered_world()
    effects = scheduler.launch(scheduler.offers[0], task_info("t", node.agent_id))
    (message,) = downlinks(effects, RunTask)
    assert message.framework == scheduler.record.info
    assert message.framework.framework_id == scheduler.framework_id
    assert message.task.task_id == "t"
    task = scheduler.record.tasks[TaskId("t")]
    assert (task.state, task.executor_id, task.charged) == (TaskState.STAGING, None, SMALL.allocated_to("role"))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"task_id": "bad/id"}, "'bad/id' contains invalid characters"),
        ({"task_id": ""}, "ID must not be empty"),
        ({"task_id": ".."}, "'..' is disallowed"),
        ({"task_id": "x" * 256}, "ID must not be greater than 255 characters"),
        ({"agent_id": "elsewhere"}, "Task uses invalid agent elsewhere while agent master-S0 is expected"),
        (
            {"command": None},
            "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present",
        ),
        (
            {"executor": custom()},
            "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present",
        ),
        (
            {"command": None, "executor": replace(custom(), type=ExecutorType.DEFAULT, command=None)},
            "A task on a 'DEFAULT' executor is launched in a task group, with a command of its own",
        ),
        (
            {"shares_cgroups": False},
            "A task with an executor of its own cannot set 'share_cgroups' to false: nobody else is there to share",
        ),
        ({"resources": Resources.EMPTY}, "Task uses no resources"),
        ({"refusal": "Resource 'cpus:-1' is invalid"}, "Resource 'cpus:-1' is invalid"),
        ({"kill_grace_seconds": -1.0}, "Task's 'kill_policy.grace_period' must not be negative"),
        ({"max_completion_seconds": -1.0}, "Task's 'max_completion_time' must not be negative"),
        (
            {"resources": SMALL.allocated_to("other")},
            "Resource 'cpus(allocated: other)' is for role 'other', but the offer is for role 'role'",
        ),
    ],
)
def test_x14d_and_x14i_a_bad_task_fails_alone(change: dict[str, object], text: str) -> None:
    _, node, scheduler = offered_world()
    bad = replace(task_info("bad", node.agent_id), **change)  # type: ignore[arg-type] # one field of many types
    effects = scheduler.launch(scheduler.offers[0], bad, task_info("good", node.agent_id))
    assert scheduler.told(effects) == [(bad.task_id, *ERROR)]
    status = scheduler.statuses(effects)[0]
    assert (status.message, status.source, status.uuid) == (text, Source.MASTER, None)
    assert [task.task_id for task in launched(effects)] == ["good"]
    assert list(scheduler.record.tasks) == ["good"]


def test_x14d_a_task_bigger_than_its_offer() -> None:
    _, node, scheduler = offered_world()
    big = task_info("big", node.agent_id, Resources.scalars(cpus=1000, mem=32))
    effects = scheduler.launch(scheduler.offers[0], big)
    assert scheduler.told(effects) == [("big", *ERROR)]
    assert scheduler.statuses(effects)[0].message == (
        "Total resources cpus(allocated: role):1000; mem(allocated: role):32 required by task and its executor is"
        " more than available cpus(allocated: role):4; mem(allocated: role):4096;"
        " ports(allocated: role):[31000-32000]"
    )
    assert node.record.free == TOTAL


def test_x14d_ports_are_taken_exactly() -> None:
    world, node, scheduler = offered_world()
    with_port = SMALL + Resources.parse("ports:[31000-31000]")
    effects = scheduler.launch(
        scheduler.offers[0],
        task_info("a", node.agent_id, with_port),
        task_info("b", node.agent_id, with_port),
        refuse_seconds=0.0,
    )
    assert scheduler.told(effects) == [("b", *ERROR)]
    (left,) = scheduler.offered(world.advance(1.0))
    assert left.resources.ports().spans == ((31001, 32000),)


def test_x14i_a_task_id_is_unique_in_its_framework() -> None:
    world, node, scheduler = offered_world()
    scheduler.launch(scheduler.offers[0], task_info("dup", node.agent_id), refuse_seconds=0.0)
    world.advance(1.0)
    effects = scheduler.launch(scheduler.offers[0], task_info("dup", node.agent_id))
    assert scheduler.told(effects) == [("dup", *ERROR)]
    assert scheduler.statuses(effects)[0].message == "Task has duplicate ID: dup"


def test_x14i_two_frameworks_may_use_one_task_id() -> None:
    world, node, first = offered_world()
    second = world.framework(framework_info("second", roles=("b",)))
    first.launch(first.offers[0], task_info("t", node.agent_id))
    world.settle()
    effects = second.launch(second.offers[0], task_info("t", node.agent_id))
    assert [task.task_id for task in launched(effects)] == ["t"]


def test_x14d_a_launch_must_not_be_named() -> None:
    _, node, scheduler = offered_world()
    tasks = (task_info("a", node.agent_id), task_info("b", node.agent_id))
    effects = scheduler.accept(scheduler.offers, LaunchOperation(tasks, operation_id="named"))
    assert scheduler.told(effects) == [("a", *ERROR), ("b", *ERROR)]
    assert launched(effects) == []


def test_many_tasks_in_one_call() -> None:
    _, node, scheduler = offered_world("cpus:100;mem:100000")
    tasks = [task_info(f"t{n}", node.agent_id, Resources.scalars(cpus="0.1", mem=10)) for n in range(1001)]
    effects = scheduler.launch(scheduler.offers[0], *tasks)
    assert len(launched(effects)) == 1000
    assert scheduler.told(effects) == [("t1000", *ERROR)]
    assert node.record.free == Resources.scalars(mem=90000)


# -- executors -----------------------------------------------------------------------------------------------


def test_m_op_01_an_executor_s_resources_are_counted_once() -> None:
    world, node, scheduler = offered_world()
    executor = custom()
    effects = scheduler.launch(
        scheduler.offers[0],
        task_info("a", node.agent_id, executor=executor),
        task_info("b", node.agent_id, executor=executor),
        refuse_seconds=0.0,
    )
    assert node.record.free == TOTAL - SMALL - SMALL - executor.resources
    kept = node.record.executors[scheduler.framework_id][executor.executor_id]
    assert kept.framework_id == scheduler.framework_id
    assert kept.resources == executor.resources.allocated_to("role")
    assert [task.executor for task in launched(effects)] == [kept, kept]
    world.advance(1.0)
    scheduler.launch(scheduler.offers[0], task_info("c", node.agent_id, executor=executor))
    assert node.record.free == TOTAL - SMALL - SMALL - SMALL - executor.resources


def test_x14i_an_executor_id_means_one_executor_on_an_agent() -> None:
    _, node, scheduler = offered_world()
    effects = scheduler.launch(
        scheduler.offers[0],
        task_info("a", node.agent_id, executor=custom(command="this")),
        task_info("b", node.agent_id, executor=custom(command="that")),
    )
    assert scheduler.told(effects) == [("b", *ERROR)]
    assert scheduler.statuses(effects)[0].executor_id == "executor"


def test_an_executor_that_does_not_fit_any_more_fails_its_task() -> None:
    _, node, scheduler = offered_world("cpus:1;mem:1024")
    effects = scheduler.launch(scheduler.offers[0], task_info("t", node.agent_id, executor=custom()))
    assert scheduler.told(effects) == [("t", *ERROR)]
    assert node.record.executors == {}


@pytest.mark.parametrize(
    "executor",
    [
        replace(custom(), executor_id=ExecutorId("a/b")),
        replace(custom(), framework_id=FrameworkId("another")),
        replace(custom(), command=None),
        replace(pod(), command="run"),
        replace(custom(), shutdown_grace_seconds=-1.0),
        replace(custom(), refusal="Resource 'cpus:-1' is invalid"),
        replace(custom(), resources=Resources.scalars(cpus=1).allocated_to("other")),
    ],
)
def test_x14i_a_bad_executor_fails_its_task(executor: ExecutorInfo) -> None:
    _, node, scheduler = offered_world()
    effects = scheduler.launch(scheduler.offers[0], task_info("t", node.agent_id, executor=executor))
    assert scheduler.told(effects) == [("t", *ERROR)]
    assert node.record.free == TOTAL


def test_m_sc_03_what_is_wrong_with_an_executor_is_told_in_its_own_words() -> None:
    _, node, scheduler = offered_world()
    wire = {"executor_id": {"value": "e"}, "command": {"environment": {"variables": [{"name": "A"}]}}}
    executor = executor_from_wire(msgspec.convert(wire, tasks.ExecutorInfo))
    effects = scheduler.launch(scheduler.offers[0], task_info("t", node.agent_id, executor=executor))
    [status] = scheduler.statuses(effects)
    assert status.message == (
        "Executor's `CommandInfo` is invalid: Environment variable 'A' of type 'VALUE' must have a value set"
    )


def test_an_executor_may_name_its_own_framework() -> None:
    _, node, scheduler = offered_world()
    executor = replace(custom(), framework_id=scheduler.framework_id)
    effects = scheduler.launch(scheduler.offers[0], task_info("t", node.agent_id, executor=executor))
    assert len(launched(effects)) == 1


def test_x14i_revocable_and_plain_amounts_do_not_mix_in_one_executor() -> None:
    world = World()
    revocable = Resources.of([Resource(ResourceKey("cpus", revocable=True), 2000)])
    node = world.agent(TOTAL + revocable)
    scheduler = world.framework(framework_info(capabilities=AWARE | {REVOCABLE_RESOURCES}))
    world.settle()
    mixed = task_info("t", node.agent_id, revocable, executor=custom())
    pure = task_info("u", node.agent_id, revocable)
    effects = scheduler.launch(scheduler.offers[0], mixed, pure)
    assert scheduler.told(effects) == [("t", *ERROR)]
    assert [task.task_id for task in launched(effects)] == ["u"]


def test_an_executor_of_which_only_a_drop_was_heard_never_was() -> None:
    _, node, scheduler = offered_world()
    executor = custom()
    tasks = (task_info("a", node.agent_id, executor=executor), task_info("b", node.agent_id, executor=executor))
    scheduler.launch(scheduler.offers[0], *tasks)
    for task, left in zip(tasks, (executor.resources + SMALL, Resources.EMPTY), strict=True):
        dropped = node.status(task.task_id, TaskState.DROPPED, source=Source.AGENT, reason="REASON_GC_ERROR")
        node.update(scheduler, dropped)
        assert node.record.free == TOTAL - left
    assert node.record.executors == {}


def test_an_executor_that_has_shown_itself_outlives_a_dropped_task() -> None:
    _, node, scheduler = offered_world()
    executor = custom()
    tasks = (task_info("a", node.agent_id, executor=executor), task_info("b", node.agent_id, executor=executor))
    scheduler.launch(scheduler.offers[0], *tasks)
    node.update(scheduler, node.status("a", TaskState.FINISHED))
    node.update(scheduler, node.status("b", TaskState.DROPPED, source=Source.AGENT))
    assert node.record.free == TOTAL - executor.resources
    node.say(ExitedExecutor(framework_id=scheduler.framework_id, executor_id=executor.executor_id, status=0))
    assert node.record.free == TOTAL


# -- groups --------------------------------------------------------------------------------------------------


def grouped(node: Node, *ids: str, resources: Resources = SMALL) -> tuple[TaskInfo, ...]:
    return tuple(task_info(task_id, node.agent_id, resources) for task_id in ids)


def test_m_op_02_a_group_is_launched_as_one() -> None:
    _, node, scheduler = offered_world()
    effects = scheduler.accept(scheduler.offers, LaunchGroupOperation(pod(), grouped(node, "a", "b")))
    (message,) = downlinks(effects, RunTaskGroup)
    assert [task.task_id for task in message.tasks] == ["a", "b"]
    assert message.executor.framework_id == scheduler.framework_id
    assert {task.executor_id for task in scheduler.record.tasks.values()} == {"pod"}
    assert node.record.free == TOTAL - SMALL - SMALL - pod().resources


def test_m_op_02_one_bad_task_fails_them_all() -> None:
    _, node, scheduler = offered_world()
    bad = replace(task_info("bad", node.agent_id), refusal="Resource 'cpus:-1' is invalid")
    effects = scheduler.accept(scheduler.offers, LaunchGroupOperation(pod(), (*grouped(node, "a"), bad)))
    assert scheduler.told(effects) == [("a", *GROUP_ERROR), ("bad", *GROUP_ERROR)]
    assert scheduler.statuses(effects)[0].message == "Task 'bad' is invalid: Resource 'cpus:-1' is invalid"
    assert downlinks(effects, RunTaskGroup) == []
    assert node.record.free == TOTAL
    assert node.record.executors == {}


@pytest.mark.parametrize(
    "operation",
    [
        LaunchGroupOperation(pod(), (task_info("a", AgentId("master-S0")),), operation_id="named"),
        LaunchGroupOperation(custom(), (task_info("a", AgentId("master-S0")),)),
        LaunchGroupOperation(pod(), (task_info("a", AgentId("master-S0"), executor=custom()),)),
        LaunchGroupOperation(pod(), (task_info("a", AgentId("master-S0")), task_info("a", AgentId("master-S0")))),
        LaunchGroupOperation(pod(), (task_info("a", AgentId("master-S0"), TOTAL),)),
        LaunchGroupOperation(replace(pod(), refusal="bad"), (task_info("a", AgentId("master-S0")),)),
    ],
)
def test_m_op_02_and_x14d_a_bad_group_fails_as_a_whole(operation: LaunchGroupOperation) -> None:
    _, node, scheduler = offered_world()
    effects = scheduler.accept(scheduler.offers, operation)
    assert scheduler.told(effects) == [("a", *GROUP_ERROR)] * len(operation.tasks)
    assert node.record.free == TOTAL


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            ({"shares_cgroups": False}, {}),
            "All tasks of a task group must have the same value of 'share_cgroups'",
        ),
        (
            ({}, {"limits": {"mem": None}}),
            "A task of a group that has limits must set 'share_cgroups' to false: what is shared has none of one task",
        ),
        (({"shares_cgroups": False}, {"shares_cgroups": False, "limits": {"mem": None}}), None),
    ],
)
def test_m_ag_23_whether_a_group_shares_is_said_by_all_of_it_alike(
    changes: tuple[dict[str, Any], ...], text: str | None
) -> None:
    _, node, scheduler = offered_world()
    sent = tuple(replace(one, **change) for one, change in zip(grouped(node, "a", "b"), changes, strict=True))
    effects = scheduler.accept(scheduler.offers, LaunchGroupOperation(pod(), sent))
    assert [status.message for status in scheduler.statuses(effects)] == ([] if text is None else [text] * 2)
    assert len(downlinks(effects, RunTaskGroup)) == (1 if text is None else 0)


def test_m_op_02_and_x14c_two_tasks_of_a_group_cannot_have_one_port() -> None:
    world, node, scheduler = offered_world()
    with_port = SMALL + Resources.parse("ports:[31000-31000]")
    operation = LaunchGroupOperation(pod(), grouped(node, "a", "b", resources=with_port))
    effects = scheduler.accept(scheduler.offers, operation, refuse_seconds=0.0)
    assert scheduler.told(effects) == [("a", *GROUP_ERROR), ("b", *GROUP_ERROR)]
    world.advance(1.0)
    clash = replace(custom(), resources=Resources.parse("ports:[31000-31000]"))
    effects = scheduler.launch(scheduler.offers[0], task_info("c", node.agent_id, with_port, executor=clash))
    assert scheduler.told(effects) == [("c", *ERROR)]
    assert node.record.free == TOTAL


def test_m_op_02_a_second_group_on_the_same_executor() -> None:
    world, node, scheduler = offered_world()
    scheduler.accept(scheduler.offers, LaunchGroupOperation(pod(), grouped(node, "a")), refuse_seconds=0.0)
    world.advance(1.0)
    effects = scheduler.accept(scheduler.offers, LaunchGroupOperation(pod(), grouped(node, "b")), refuse_seconds=0.0)
    assert len(downlinks(effects, RunTaskGroup)) == 1
    assert node.record.free == TOTAL - SMALL - SMALL - pod().resources
    world.advance(1.0)
    other = pod(resources=Resources.scalars(cpus="0.2", mem=32))
    effects = scheduler.accept(scheduler.offers, LaunchGroupOperation(other, grouped(node, "c")))
    assert scheduler.told(effects) == [("c", *GROUP_ERROR)]


def test_x14i_an_unreachable_task_s_id_is_still_taken() -> None:
    world, node, scheduler = offered_world()
    running(world, node, scheduler, "t")
    world.advance(100.0)
    assert node.agent_id in world.state.unreachable
    other = world.agent()
    world.settle()
    effects = scheduler.launch(scheduler.offers[0], task_info("t", other.agent_id))
    assert scheduler.told(effects) == [("t", *ERROR)]
