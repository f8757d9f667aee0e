"""Operations on an agent: done, written down, told, and there after any crash (X14c, M-AL-10, M-SC-15)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mesos_service.checkpoints.spelling import decode, encode
from mesos_service.core.agent import invariants
from mesos_service.core.agent.recording import snapshot
from mesos_service.core.agent.records import OperationForgotten, ResourcesKept
from mesos_service.core.agent.replay import kept_resources, replay
from mesos_service.core.agent_messages import Checkpointed, ContainersRecovered, FromMaster, Recover, VolumeRemoved
from mesos_service.core.effects import (
    AgentEffect,
    AttachVolumes,
    Checkpoint,
    ForgetVolume,
    LaunchContainer,
    MakeVolume,
    RecoverVolumes,
    RemoveVolume,
    SendExecutor,
)
from mesos_service.core.link import (
    AcknowledgeOperation,
    ApplyOperation,
    Ping,
    Register,
    Registered,
    Reregister,
    ShutdownFramework,
    UpdateOperation,
)
from mesos_service.domain.ids import AgentId, OperationId
from mesos_service.domain.operations import Create, Destroy, Operation, Reserve, Unreserve, VolumePlace
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskState
from tests.unit.core.agent.world import (
    AGENT_ID,
    FRAMEWORK_ID,
    SMALL,
    World,
    custom,
    facts,
    only,
    states,
    task_info,
    uplinks,
)
from tests.unit.core.master.resource_world import reserved, volumes

PLACE = VolumePlace("role", "v")
CONFIGURED = Resources.parse("cpus:4;mem:4096;disk:1024")


def fresh(seed: int = 7) -> World:
    """An agent with a disk."""
    world = World(seed=seed)
    world.state.info = replace(world.state.info, resources=CONFIGURED)
    world.state.total = CONFIGURED
    return world


def registered() -> World:
    world = fresh()
    world.register()
    return world


def apply(
    world: World, operation: Operation, operation_id: str | None = None, uuid: bytes | None = None
) -> list[AgentEffect]:
    world.requests += 1
    return world.master(
        ApplyOperation(
            uuid=uuid or world.requests.to_bytes(16, "big"),
            operation=operation,
            framework_id=FRAMEWORK_ID,
            operation_id=None if operation_id is None else OperationId(operation_id),
        )
    )


def reborn(world: World) -> World:
    """The agent after a crash, with what it had written down, spelt and read as on disk."""
    again = fresh(seed=8)
    replay(again.state, [decode(encode(record)) for record in world.records])
    return again


def recover(world: World) -> list[AgentEffect]:
    return world.take(Recover()) + world.take(ContainersRecovered())


def test_m_op_03_a_reservation_is_written_down_before_it_is_told() -> None:
    world = registered()
    effects = world.step(
        FromMaster(
            link_id=world.link,
            message=ApplyOperation(
                uuid=b"u" * 16,
                operation=Reserve(reserved("cpus:1")),
                framework_id=FRAMEWORK_ID,
                operation_id=OperationId("op"),
            ),
        )
    )
    [checkpoint] = only(effects, Checkpoint)
    assert isinstance(checkpoint.record, ResourcesKept)
    assert checkpoint.record.made == reserved("cpus:1")
    assert uplinks(effects, UpdateOperation) == []
    [update] = uplinks(world.step(Checkpointed(checkpoint.number)), UpdateOperation)
    assert (update.uuid, update.status.state, update.status.converted) == (
        b"u" * 16,
        "OPERATION_FINISHED",
        reserved("cpus:1"),
    )
    assert world.state.total.reserved("role") == reserved("cpus:1")


def test_m_sc_15_a_status_is_repeated_until_it_is_acknowledged() -> None:
    """As tasks' updates are: after 10 seconds, then 20, through restarts (X02, X07)."""
    world = registered()
    [update] = uplinks(apply(world, Reserve(reserved("cpus:1")), "op"), UpdateOperation)
    assert uplinks(world.wait(9.0), UpdateOperation) == []
    assert uplinks(world.wait(2.0), UpdateOperation) == [update]
    assert uplinks(world.wait(18.0), UpdateOperation) == []
    assert uplinks(world.wait(2.0), UpdateOperation) == [update]
    again = reborn(world)
    recover(again)
    request = again.connect()
    assert isinstance(request, Reregister)
    [report] = request.operations
    assert (report.uuid, report.operation_id, report.status) == (update.uuid, "op", update.status)
    assert request.total == again.state.total == world.state.total
    assert update.status.uuid is not None
    again.wait(1.0)
    world.master(AcknowledgeOperation(uuid=update.uuid, status_uuid=bytes(16)))
    assert world.state.operations
    world.master(AcknowledgeOperation(uuid=update.uuid, status_uuid=update.status.uuid))
    assert world.records[-1] == OperationForgotten(update.uuid)
    assert uplinks(world.wait(100.0), UpdateOperation) == []
    assert reborn(world).state.operations == {}


def test_m_sc_15_nothing_is_kept_of_an_operation_without_id() -> None:
    world = registered()
    [update] = uplinks(apply(world, Reserve(reserved("cpus:1"))), UpdateOperation)
    assert update.status.uuid is None
    assert world.state.operations == {}
    assert uplinks(world.wait(100.0), UpdateOperation) == []


def test_x14c_an_operation_that_comes_twice_is_done_once() -> None:
    world = registered()
    apply(world, Reserve(reserved("cpus:1")), "op", b"u" * 16)
    effects = apply(world, Reserve(reserved("cpus:1")), "op", b"u" * 16)
    assert facts(effects) == ["operation.ignored"]
    assert world.state.total.reserved() == reserved("cpus:1")


def test_x14c_an_agent_that_registers_again_takes_no_operation_before_it_has() -> None:
    """Whatever was under way is not in what it tells: both sides go on from there."""
    world = registered()
    effects = world.master(Ping(connected=False))
    [request] = uplinks(effects, Reregister)
    assert request.total == CONFIGURED
    assert facts(apply(world, Reserve(reserved("cpus:1")), "op")) == ["operation.ignored"]
    assert world.state.total == CONFIGURED
    used = world.run(task_info("t", resources=reserved("cpus:1")))
    assert states(used) == [] and only(used, LaunchContainer) == []
    dropped = world.state.streams[FRAMEWORK_ID, task_info("t").task_id]
    status = next(iter(dropped.pending.values())).status
    assert (status.state, status.reason) == (TaskState.DROPPED, "REASON_RESOURCES_UNKNOWN")


def test_x14c_an_operation_that_cannot_be_done_is_told_and_the_books_are_compared() -> None:
    world = registered()
    effects = apply(world, Unreserve(reserved("cpus:1")), "op")
    [update] = uplinks(effects, UpdateOperation)
    assert update.status.state == "OPERATION_FAILED"
    assert "does not contain" in update.status.message
    [request] = uplinks(effects, Reregister)
    assert request.total == CONFIGURED
    assert [one.status for one in request.operations] == [update.status]
    assert reborn(world).state.operations.keys() == {update.uuid}
    silent = uplinks(apply(registered(), Unreserve(reserved("cpus:1"))), UpdateOperation)
    assert [one.status.uuid for one in silent] == [None]


def test_m_op_04_a_volume_is_made_and_removed_after_that_is_written_down() -> None:
    world = registered()
    apply(world, Reserve(reserved("disk:64")))
    effects = apply(world, Create(volumes(64)))
    assert only(effects, MakeVolume) == [MakeVolume(PLACE)]
    effects = apply(world, Destroy(volumes(64)))
    [removal] = only(effects, RemoveVolume)
    assert removal.place == PLACE
    assert world.state.doomed == {removal.token: PLACE}
    effects = world.take(VolumeRemoved(removal.token))
    assert only(effects, ForgetVolume) == [ForgetVolume(removal.token)]
    assert world.state.doomed == {}
    assert world.take(VolumeRemoved(removal.token)) == [], "an echo"


def test_m_al_10_what_a_crash_left_undone_is_done_in_order() -> None:
    world = registered()
    apply(world, Reserve(reserved("disk:64")))
    apply(world, Create(volumes(64)))
    apply(world, Destroy(volumes(64)))
    apply(world, Create(volumes(32)))
    [token] = world.state.doomed
    again = reborn(world)
    effects = again.take(Recover())
    assert [one for one in effects if isinstance(one, RecoverVolumes | RemoveVolume | MakeVolume)] == [
        RecoverVolumes((token,)),
        RemoveVolume(token, PLACE),
        MakeVolume(PLACE),
    ]
    assert again.state.total.persistent_volumes() == volumes(32)


def test_m_al_09_reservations_outlive_the_agents_id() -> None:
    """M-AL-10: the volumes of a place are those of whoever works there."""
    world = registered()
    apply(world, Reserve(reserved("cpus:1")))
    other = fresh(seed=9)
    replay(other.state, [ResourcesKept(kept_resources(world.records))])
    recover(other)
    request = other.connect()
    assert isinstance(request, Register)
    assert request.total == world.state.total
    other.master(Registered(registration=request.registration, agent_id=AgentId("M-S9")))
    assert [type(record).__name__ for record in other.records] == ["AgentKept", "ResourcesKept"]


def test_x52_all_that_is_kept_is_in_a_snapshot() -> None:
    world = registered()
    apply(world, Reserve(reserved("disk:64;cpus:1")), "a")
    apply(world, Create(volumes(64)), "b")
    apply(world, Destroy(volumes(64)))
    again = fresh(seed=8)
    replay(again.state, [decode(encode(record)) for record in snapshot(world.state)])
    assert (again.state.total, again.state.doomed) == (world.state.total, world.state.doomed)
    assert {uuid: one.report for uuid, one in again.state.operations.items()} == {
        uuid: one.report for uuid, one in world.state.operations.items()
    }


def test_m_sc_02_the_end_of_a_framework_ends_what_is_told_of_its_operations() -> None:
    world = registered()
    apply(world, Reserve(reserved("cpus:1")), "op")
    world.master(ShutdownFramework(FRAMEWORK_ID))
    assert world.state.operations == {}
    assert world.state.total.reserved() == reserved("cpus:1")
    assert reborn(world).state.operations == {}


@pytest.mark.parametrize("resources", [reserved("cpus:1"), volumes(8)], ids=["reserved", "volume"])
def test_x14c_a_task_on_what_is_not_there_is_dropped(resources: Resources) -> None:
    world = registered()
    effects = world.run(task_info("t", resources=resources + Resources.scalars(cpus=1)))
    assert states(effects) == [("t", TaskState.DROPPED)]
    invariants.check(world.state)
    assert world.state.info.agent_id == AGENT_ID


def test_m_al_10_a_running_executor_finds_the_volumes_of_later_tasks() -> None:
    """Before the task is delivered to it."""
    world = registered()
    apply(world, Reserve(reserved("disk:64")))
    apply(world, Create(volumes(64)))
    container_id, stream_id = world.start_custom("first")
    effects = world.run(task_info("second", custom(), resources=volumes(64) + SMALL))
    done = [one for one in effects if isinstance(one, AttachVolumes | SendExecutor)]
    assert [type(one) for one in done] == [AttachVolumes, SendExecutor]
    [attached] = only(effects, AttachVolumes)
    assert (attached.launched.container_id, attached.launched.executor) == (container_id, world.executor().info)
    assert attached.launched.resources.persistent_volumes() == volumes(64)
    assert only(effects, SendExecutor)[0].stream_id == stream_id
