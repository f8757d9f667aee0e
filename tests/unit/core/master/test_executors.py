"""Messages to and from executors, and their end (M-SC-08, M-SC-11, M-SE-04, M-SE-05)."""

from __future__ import annotations

from mesos_service.core.effects import Note
from mesos_service.core.events import Failure, Message
from mesos_service.core.link import ExitedExecutor, MessageFromExecutor, MessageToAgent, ShutdownExecutor
from mesos_service.core.scheduler_messages import MessageCall, Shutdown
from mesos_service.domain.ids import AgentId, ExecutorId, FrameworkId
from mesos_service.domain.tasks import TaskState
from tests.unit.core.master.infos import SMALL, TOTAL, custom, task_info
from tests.unit.core.master.told import downlinks, facts, replies
from tests.unit.core.master.world import Node, Scheduler, World

EXECUTOR = ExecutorId("executor")


def world_with_executor() -> tuple[World, Node, Scheduler]:
    world = World()
    node, scheduler = world.agent(), world.framework()
    world.settle()
    scheduler.launch(scheduler.offers[0], task_info("t", node.agent_id, executor=custom()), refuse_seconds=3600.0)
    node.update(scheduler, node.status("t", TaskState.RUNNING))
    return world, node, scheduler


def test_m_se_05_the_end_of_an_executor_is_told_and_frees_what_it_held() -> None:
    _, node, scheduler = world_with_executor()
    effects = node.say(ExitedExecutor(framework_id=scheduler.framework_id, executor_id=EXECUTOR, status=1792))
    assert scheduler.events(effects) == [Failure(node.agent_id, EXECUTOR, 1792)]
    assert facts(effects) == ["executor.exited"]
    assert node.record.free == TOTAL - SMALL, "its task is reported apart"
    assert scheduler.record.executors == {}


def test_m_se_05_an_executor_that_we_did_not_list_is_told_of_too() -> None:
    _, node, scheduler = world_with_executor()
    other = ExitedExecutor(framework_id=scheduler.framework_id, executor_id=ExecutorId("other"), status=0)
    assert scheduler.hears(node.say(other), Failure) == [Failure(node.agent_id, ExecutorId("other"), 0)]
    stranger = ExitedExecutor(framework_id=FrameworkId("nobody"), executor_id=EXECUTOR, status=0)
    assert node.say(stranger) == []


def test_m_se_04_an_executor_s_message_reaches_its_framework() -> None:
    _, node, scheduler = world_with_executor()
    message = MessageFromExecutor(framework_id=scheduler.framework_id, executor_id=EXECUTOR, data=b"\x00up")
    assert scheduler.events(node.say(message)) == [Message(node.agent_id, EXECUTOR, b"\x00up")]
    scheduler.disconnect()
    assert node.say(message) == [
        Note("executor.message_dropped", {"framework_id": scheduler.framework_id, "executor_id": EXECUTOR})
    ]


def message_call(world: World, scheduler: Scheduler, agent_id: AgentId) -> MessageCall:
    return MessageCall(
        request=world.request(),
        framework_id=scheduler.framework_id,
        stream_id=scheduler.stream_id,
        agent_id=agent_id,
        executor_id=EXECUTOR,
        data=b"down",
    )


def test_m_sc_11_a_message_reaches_the_executor_s_agent_or_is_lost_without_a_word() -> None:
    world, node, scheduler = world_with_executor()
    effects = world.take(message_call(world, scheduler, node.agent_id))
    assert replies(effects) == [(202, "")]
    assert downlinks(effects, MessageToAgent) == [
        MessageToAgent(framework_id=scheduler.framework_id, executor_id=EXECUTOR, data=b"down")
    ]
    assert replies(world.take(message_call(world, scheduler, AgentId("nowhere")))) == [(202, "")]
    node.lose_link()
    assert downlinks(world.take(message_call(world, scheduler, node.agent_id)), MessageToAgent) == []


def test_m_sc_08_a_shutdown_reaches_the_executor_s_agent() -> None:
    world, node, scheduler = world_with_executor()
    for agent_id, wanted in ((node.agent_id, 1), (AgentId("nowhere"), 0)):
        call = Shutdown(
            request=world.request(),
            framework_id=scheduler.framework_id,
            stream_id=scheduler.stream_id,
            executor_id=EXECUTOR,
            agent_id=agent_id,
        )
        effects = world.take(call)
        assert replies(effects) == [(202, "")]
        assert (
            downlinks(effects, ShutdownExecutor)
            == [ShutdownExecutor(framework_id=scheduler.framework_id, executor_id=EXECUTOR)][:wanted]
        )
