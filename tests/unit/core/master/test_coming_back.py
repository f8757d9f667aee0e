"""Agents that come back: after a break, after they were given up, and to a master that has not seen them before."""

from __future__ import annotations

from dataclasses import replace

from mesos_service.core.effects import Persist
from mesos_service.core.link import (
    AcknowledgeUpdate,
    Reregister,
    Reregistered,
)
from mesos_service.core.messages import Persisted
from mesos_service.core.registry.operations import MarkAgentReachable
from mesos_service.core.scheduler_messages import LaunchGroupOperation
from mesos_service.domain.executors import ExecutorInfo, ExecutorType
from mesos_service.domain.ids import AgentId, ContainerId, ExecutorId, TaskId
from mesos_service.domain.tasks import ContainerStatus, Source, TaskState
from tests.unit.core.master.infos import SMALL, TOTAL, custom, framework_info, task_info
from tests.unit.core.master.told import downlinks, facts, launched, messages_to, only
from tests.unit.core.master.world import World, running


def test_x21_a_known_agent_comes_back_without_anything_being_stored() -> None:
    world = World()
    node, scheduler = world.agent(), world.framework()
    task = running(world, node, scheduler)
    node.lose_link()
    effects = node.come_back(node.report(scheduler, task), frameworks=[scheduler.record.info])
    assert only(effects, Persist) == []
    assert downlinks(effects, Reregistered) == [Reregistered(registration="host-1-2", agent_id=node.agent_id)]
    assert facts(effects) == ["agent.reregistered"]
    assert node.record.connected
    assert node.record.active
    assert [offer.agent_id for offer in scheduler.offered(world.advance(6.0))] == [node.agent_id]


def test_x21_tasks_that_the_agent_does_not_name_are_asked_about() -> None:
    world = World()
    node, scheduler = world.agent(), world.framework()
    task = running(world, node, scheduler, "known")
    world.advance(7.0)
    scheduler.launch(scheduler.offers[0], task_info("lost", node.agent_id))
    node.lose_link()
    effects = node.come_back(node.report(scheduler, task))
    (answer,) = downlinks(effects, Reregistered)
    assert answer.asked == ((scheduler.framework_id, "lost"),)
    assert TaskId("lost") in scheduler.record.tasks, "its agent answers for it"
    dropped = node.status("lost", TaskState.DROPPED, source=Source.AGENT, reason="REASON_RECONCILIATION")
    assert scheduler.told(node.update(scheduler, dropped)) == [("lost", TaskState.DROPPED, "REASON_RECONCILIATION")]
    assert node.record.free == TOTAL - SMALL


def test_x21_a_task_that_ended_meanwhile_is_freed() -> None:
    world = World()
    node, scheduler = world.agent(), world.framework()
    task = running(world, node, scheduler)
    node.lose_link()
    node.come_back(node.report(scheduler, task, TaskState.FINISHED))
    assert node.record.free == TOTAL
    assert scheduler.record.tasks[TaskId("t")].state is TaskState.FINISHED


def test_x21_executors_that_are_not_there_any_more_are_removed() -> None:
    world = World()
    node, scheduler = world.agent(), world.framework()
    world.settle()
    executors = [custom("stays"), custom("goes")]
    tasks = [task_info(one.executor_id, node.agent_id, executor=one) for one in executors]
    sent = launched(scheduler.launch(scheduler.offers[0], *tasks))
    for task in sent:
        node.update(scheduler, node.status(task.task_id, TaskState.FINISHED))
    assert node.record.free == TOTAL - executors[0].resources - executors[1].resources
    node.lose_link()
    stays = sent[0].executor
    assert stays is not None
    node.come_back(executors=[(scheduler.framework_id, stays)])
    assert node.record.free == TOTAL - executors[0].resources
    assert list(node.record.executors[scheduler.framework_id]) == ["stays"]


def test_a_repeated_registration_is_answered_and_believed_no_more() -> None:
    world = World()
    node, scheduler = world.agent(), world.framework()
    node.lose_link()
    node.come_back()
    world.settle()
    scheduler.launch(scheduler.offers[0], task_info("t", node.agent_id, executor=custom()))
    again = Reregister(agent=node.info, registration=f"host-1-{node.registrations}")
    effects = node.say(again)
    assert downlinks(effects, Reregistered) == [Reregistered(registration=again.registration, agent_id=node.agent_id)]
    assert len(node.record.executors) == 1, "it was given work since it said that"


def test_an_agent_that_moves_to_another_link_is_not_lost_with_the_old_one() -> None:
    world = World()
    node = world.agent()
    old = node.link_id
    node.come_back()
    new, node.link_id = node.link_id, old
    node.lose_link()
    assert node.record.connected
    assert node.record.link_id == new


CONTAINER = ContainerStatus(container_id=ContainerId("c"), executor_pid=7)


def test_x17_an_unreachable_agent_comes_back_with_its_tasks() -> None:
    world = World()
    node, scheduler = world.agent(), world.framework()
    task = running(world, node, scheduler)
    old = world.framework(framework_info("old", roles=("*",), capabilities=frozenset()))
    world.advance(30.0)
    scheduler.suppress()
    world.advance(30.0)
    other = running(world, node, old, "b")
    world.advance(100.0)
    world.stores = False
    last = replace(node.status("t", TaskState.RUNNING), container=CONTAINER)
    effects = node.come_back(
        replace(node.report(scheduler, task), statuses=(last,)),
        node.report(old, other, TaskState.KILLING),
        frameworks=[scheduler.record.info, old.record.info],
    )
    (persist,) = only(effects, Persist)
    assert persist.operation == MarkAgentReachable(node.agent_id, replace(node.info, agent_id=node.agent_id))
    assert node.agent_id in world.state.unreachable
    effects = world.take(Persisted(persist.number))
    assert isinstance(messages_to(effects, node.agent_id)[0], Reregistered)
    assert scheduler.told(effects) == [("t", TaskState.RUNNING, "REASON_AGENT_REREGISTERED")]
    assert old.told(effects) == [("b", TaskState.KILLING, "REASON_AGENT_REREGISTERED")]
    status = scheduler.statuses(effects)[0]
    assert status.message == "Unreachable agent re-reregistered"
    assert (status.uuid, status.source) == (None, Source.MASTER)
    assert status.container == CONTAINER
    assert "agent.reachable" in facts(effects)
    assert node.record.reregistered_at == world.now, "Mesos shows both times of an agent that was away"
    assert node.record.used == {
        scheduler.framework_id: SMALL.allocated_to("role"),
        old.framework_id: SMALL.allocated_to("*"),
    }
    assert scheduler.record.unreachable_tasks == {}
    assert node.agent_id not in world.state.unreachable


def test_x17_tasks_that_ended_while_it_was_unreachable_are_told_of_by_the_agent() -> None:
    world = World()
    node, scheduler = world.agent(), world.framework()
    task = running(world, node, scheduler)
    world.advance(100.0)
    effects = node.come_back(node.report(scheduler, task, TaskState.FINISHED))
    assert scheduler.told(effects) == []
    assert node.record.free == TOTAL
    status = node.status("t", TaskState.FINISHED)
    assert scheduler.told(node.update(scheduler, status)) == [("t", TaskState.FINISHED, None)]
    assert len(downlinks(scheduler.acknowledge(status), AcknowledgeUpdate)) == 1
    assert scheduler.record.tasks == {}


def test_an_end_whose_acknowledgement_got_lost_is_not_in_the_history_twice() -> None:
    world = World()
    node, scheduler = world.agent(), world.framework()
    task = running(world, node, scheduler)
    status = node.status("t", TaskState.FINISHED)
    node.update(scheduler, status)
    scheduler.acknowledge(status)
    node.lose_link()
    node.come_back(node.report(scheduler, task, TaskState.FINISHED))
    assert list(scheduler.record.tasks) == ["t"]
    node.update(scheduler, status)
    scheduler.acknowledge(status)
    assert [one.info.task_id for one in scheduler.record.completed_tasks] == ["t"]


def test_x17_an_agent_nobody_has_heard_of_is_admitted() -> None:
    world = World()
    scheduler = world.framework()
    node = world.agent()
    node.agent_id = AgentId("from-long-ago")
    effects = node.come_back(
        node.report(scheduler, replace(task_info("t", node.agent_id), resources=SMALL)),
        frameworks=[scheduler.record.info],
    )
    assert AgentId("from-long-ago") in world.state.agents
    assert scheduler.told(effects) == [("t", TaskState.RUNNING, "REASON_AGENT_REREGISTERED")]
    assert scheduler.statuses(effects)[0].message == "Unknown agent reregistered"
    assert node.record.used == {scheduler.framework_id: SMALL.allocated_to("role")}


def test_an_agent_that_asks_again_while_it_is_stored_is_believed_in_what_it_says_last() -> None:
    world = World()
    scheduler = world.framework()
    node = world.agent()
    node.agent_id = AgentId("from-long-ago")
    world.stores = False
    node.come_back()
    (number,) = world.state.persisting
    assert node.come_back(node.report(scheduler, task_info("t", node.agent_id))) == []
    effects = world.take(Persisted(number))
    assert [answer.registration for answer in downlinks(effects, Reregistered)] == ["host-1-3"]
    assert list(scheduler.record.tasks) == ["t"]


def test_an_agent_whose_link_is_lost_while_it_is_stored_is_known_but_not_connected() -> None:
    world = World()
    node = world.agent()
    node.agent_id = AgentId("from-long-ago")
    world.stores = False
    node.come_back()
    (number,) = world.state.persisting
    node.lose_link()
    effects = world.take(Persisted(number))
    assert downlinks(effects, Reregistered) == []
    assert not node.record.connected
    assert not node.record.active


def test_a_pod_comes_back_with_its_executor() -> None:
    world = World()
    node, scheduler = world.agent(), world.framework()
    world.settle()
    pod = ExecutorInfo(executor_id=ExecutorId("pod"), type=ExecutorType.DEFAULT, resources=SMALL)
    scheduler.accept(scheduler.offers, LaunchGroupOperation(pod, (task_info("a", node.agent_id),)))
    task = scheduler.record.tasks[TaskId("a")].info
    kept = node.record.executors[scheduler.framework_id][pod.executor_id]
    report = replace(node.report(scheduler, task), executor_id=pod.executor_id)
    world.advance(100.0)
    node.come_back(report, executors=[(scheduler.framework_id, kept)])
    assert scheduler.record.tasks[TaskId("a")].executor_id == "pod"
    assert node.record.free == TOTAL - SMALL - SMALL
