"""Agents come and come back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mesos_service.core.effects import Persist, SendAgent
from mesos_service.core.link import (
    AcknowledgeUpdate,
    AgentUpdated,
    FrameworkUpdated,
    Ping,
    Pong,
    Register,
    Registered,
    Reregister,
    Reregistered,
    ShutdownFramework,
    Unregister,
)
from mesos_service.core.messages import FromAgent, Persisted
from mesos_service.core.registry.operations import AdmitAgent, MarkAgentReachable, RemoveAgent
from mesos_service.core.scheduler_messages import LaunchGroupOperation
from mesos_service.domain.errors import InvariantBroken
from mesos_service.domain.executors import ExecutorInfo, ExecutorType
from mesos_service.domain.ids import AgentId, ContainerId, ExecutorId, FrameworkId, TaskId
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import ContainerStatus, Source, TaskState
from tests.unit.core.master.world import (
    AWARE,
    SMALL,
    TOTAL,
    Node,
    Scheduler,
    World,
    custom,
    downlinks,
    fact,
    facts,
    framework_info,
    launched,
    messages_to,
    only,
    running,
    task_info,
)

# -- the first time ------------------------------------------------------------------------------------------


def test_x16_an_agent_is_admitted_in_the_registry_first() -> None:
    world = World()
    world.stores = False
    node = world.agent()
    (persist,) = [Persist(number, operation) for number, (operation, _) in world.state.persisting.items()]
    assert isinstance(persist.operation, AdmitAgent)
    assert persist.operation.agent.agent_id == "master-S0"
    assert world.state.agents == {}
    effects = world.take(Persisted(persist.number))
    assert effects[0] == SendAgent(
        node.link_id, AgentId("master-S0"), Registered(registration="host-1-1", agent_id=AgentId("master-S0"))
    )
    assert facts(effects) == ["agent.registered"]
    assert world.state.agents[AgentId("master-S0")].free == TOTAL


def test_x16_what_was_stored_without_having_been_asked_for_is_our_own_mistake() -> None:
    with pytest.raises(InvariantBroken, match="nobody had asked"):
        World().take(Persisted(1))


def test_a_repeated_registration_gets_the_same_id() -> None:
    world = World()
    world.stores = False
    node = world.agent()
    again = Register(agent=node.info, registration="host-1-1")
    assert node.say(again) == [], "while it is being stored"
    world.take(Persisted(1))
    assert [answer.agent_id for answer in downlinks(node.say(again), Registered)] == ["master-S0"]
    assert list(world.state.agents) == ["master-S0"]


def test_several_agents_on_one_link() -> None:
    world = World()
    node = world.agent()
    for number in range(3):
        message = Register(agent=replace(node.info, hostname=f"h{number}"), registration=f"r{number}")
        effects = world.take(FromAgent(link_id=node.link_id, agent_id=None, message=message))
        assert len(downlinks(effects, Registered)) == 1
    assert len(world.state.agents) == 4
    node.lose_link()
    assert not any(agent.connected for agent in world.state.agents.values())


def test_an_admission_whose_link_is_lost_meanwhile_is_taken_back() -> None:
    world = World()
    world.stores = False
    node = world.agent()
    node.lose_link()
    (taken_back,) = only(world.take(Persisted(1)), Persist)
    assert taken_back.operation == RemoveAgent(AgentId("master-S0"))
    assert world.state.agents == {}
    world.stores = True
    world.take(Persisted(taken_back.number))
    node.link_id = world.new_link()
    node.register()
    assert node.agent_id == "master-S1"


def test_a_new_agent_takes_the_place_of_a_disconnected_one_at_its_address() -> None:
    world = World()
    old = world.agent(hostname="host")
    scheduler = world.framework()
    running(world, old, scheduler)
    old.lose_link()
    new = world.agent(hostname="host")
    assert list(world.state.agents) == [new.agent_id]
    assert scheduler.record.completed_tasks[-1].state is TaskState.LOST
    assert list(world.state.removed) == [old.agent_id]


def test_a_new_agent_on_another_machine_of_the_same_name_takes_nobodys_place() -> None:
    world = World()
    old = world.agent(hostname="host")
    scheduler = world.framework()
    running(world, old, scheduler)
    old.lose_link()
    elsewhere = replace(old.info, ip="10.0.0.2")
    assert elsewhere.ip != old.info.ip
    new = Node(world, elsewhere, world.new_link())
    new.register()
    assert set(world.state.agents) == {old.agent_id, new.agent_id}
    assert TaskId("t") in scheduler.record.tasks, "it may well be back"


def test_a_new_agent_beside_a_connected_one_at_its_address() -> None:
    world = World()
    first, second = world.agent(hostname="host"), world.agent(hostname="host")
    assert set(world.state.agents) == {first.agent_id, second.agent_id}


# -- going in an orderly way ---------------------------------------------------------------------------------


def test_an_agent_that_unregisters_is_removed_and_its_tasks_are_lost_for_all() -> None:
    world = World()
    node = world.agent()
    scheduler = world.framework()
    running(world, node, scheduler)
    world.stores = False
    effects = node.say(Unregister())
    (persist,) = only(effects, Persist)
    assert persist.operation == RemoveAgent(node.agent_id)
    assert scheduler.told(effects) == [], "registry first"
    effects = world.take(Persisted(persist.number))
    assert scheduler.told(effects) == [("t", TaskState.LOST, "REASON_AGENT_REMOVED")]
    assert "agent.unregistered" in facts(effects)
    assert node.agent_id not in world.state.agents
    assert node.agent_id not in world.state.unreachable


def test_unregistering_twice_is_once() -> None:
    world = World()
    node = world.agent()
    world.stores = False
    assert len(only(node.say(Unregister()), Persist)) == 1
    assert node.say(Unregister()) == []


# -- coming back ---------------------------------------------------------------------------------------------


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


# -- frameworks ----------------------------------------------------------------------------------------------


def test_x20_a_framework_that_only_an_agent_knows_is_recovered_and_gets_no_offers() -> None:
    world = World()
    node = world.agent()
    node.agent_id = AgentId("of-another-master")
    ghost = Scheduler(world, framework_info("ghost", framework_id=FrameworkId("ghost-0000")))
    ghost.framework_id = FrameworkId("ghost-0000")
    node.come_back(node.report(ghost, task_info("t", node.agent_id)), frameworks=[ghost.info])
    assert ghost.record.recovered
    assert not ghost.record.connected
    world.advance(5.0)
    assert ghost.record.offers == {}
    effects = ghost.subscribe()
    assert "framework.resubscribed" in facts(effects)
    assert not ghost.record.recovered
    assert ghost.told(ghost.reconcile()) == [("t", TaskState.RUNNING, "REASON_RECONCILIATION")]
    assert len(ghost.offered(world.settle())) == 2, "what its task leaves, and the other agent"


@pytest.mark.parametrize("framework_id", ["", "a\0b", "a/b", "x" * 5000])
def test_x20_a_framework_under_an_id_that_no_master_gave_is_not_recovered(framework_id: str) -> None:
    """Its end would be stored under that id, and there are databases that cannot."""
    world = World()
    node = world.agent()
    node.agent_id = AgentId("of-another-master")
    info = framework_info(framework_id=FrameworkId(framework_id))
    effects = node.come_back(frameworks=[info])
    assert world.state.frameworks == {}
    assert fact(effects, "framework.not_recovered").attributes["name"] == info.name
    assert downlinks(effects, ShutdownFramework) == [ShutdownFramework(FrameworkId(framework_id))]
    assert world.state.agents[node.agent_id].connected


def test_x20_a_recovered_framework_that_never_comes_is_removed_in_the_end() -> None:
    world = World()
    node = world.agent()
    node.agent_id = AgentId("of-another-master")
    info = framework_info(framework_id=FrameworkId("ghost-0000"), failover_timeout=1.0)
    node.come_back(frameworks=[info])
    world.advance(599.0)
    assert info.framework_id in world.state.frameworks
    world.advance(2.0)
    assert info.framework_id in world.state.completed_frameworks


def test_an_agent_hears_what_happened_to_its_frameworks_while_it_was_away() -> None:
    world = World()
    node = world.agent()
    renamed, removed = world.framework(framework_info("a")), world.framework(framework_info("b"))
    before = [renamed.record.info, removed.record.info]
    node.lose_link()
    renamed.update(framework_info("a2"))
    removed.tear_down()
    effects = node.come_back(frameworks=before)
    assert downlinks(effects, FrameworkUpdated) == [FrameworkUpdated(renamed.record.info)]
    assert downlinks(effects, ShutdownFramework) == [ShutdownFramework(removed.framework_id)]


def test_tasks_of_a_framework_that_was_torn_down_are_not_taken_up() -> None:
    world = World()
    node, scheduler = world.agent(), world.framework()
    task = running(world, node, scheduler)
    info = scheduler.record.info
    node.lose_link()
    scheduler.tear_down()
    effects = node.come_back(node.report(scheduler, task), frameworks=[info])
    assert downlinks(effects, ShutdownFramework) == [ShutdownFramework(scheduler.framework_id)]
    assert node.record.tasks == {}


# -- changed agents ------------------------------------------------------------------------------------------


def test_an_agent_that_grew_is_offered_as_it_is_now() -> None:
    world = World()
    node, scheduler = world.agent("cpus:1;mem:1024"), world.framework()
    world.settle()
    (offer,) = scheduler.offers
    effects = node.say(AgentUpdated(agent=replace(node.info, resources=Resources.parse("cpus:2;mem:2048"))))
    assert scheduler.rescinded(effects) == [offer.offer_id]
    assert [one.operation for one in only(effects, Persist)] == [AdmitAgent(node.agent_id, node.record.info)]
    (again,) = scheduler.offered(world.settle())
    assert again.resources.unallocated() == Resources.scalars(cpus=2, mem=2048)


def test_an_agent_that_shrank_below_what_it_runs_offers_nothing_of_that_kind_until_enough_has_ended() -> None:
    world = World()
    node, scheduler = world.agent("cpus:2;mem:4096"), world.framework()
    world.settle()
    tasks = [task_info(name, node.agent_id, Resources.scalars(cpus=1, mem=512)) for name in "ab"]
    scheduler.launch(scheduler.offers[0], *tasks)
    node.info = replace(node.info, resources=Resources.parse("cpus:1;mem:4096"))
    node.say(AgentUpdated(agent=node.info))
    assert node.record.overbooked
    assert node.record.free == Resources.scalars(mem=3072)
    node.update(scheduler, node.status("a", TaskState.FINISHED))
    assert node.record.free == Resources.scalars(mem=3584)
    node.update(scheduler, node.status("b", TaskState.FINISHED))
    assert node.record.free == node.info.resources
    assert not node.record.overbooked


def test_an_agent_that_moved_is_known_by_its_new_address() -> None:
    world = World()
    node = world.agent(hostname="old")
    node.say(AgentUpdated(agent=replace(node.info, hostname="new")))
    assert list(world.state.addresses) == [("new", node.info.ip, 5051)]


# -- strangers -----------------------------------------------------------------------------------------------


def test_x26_an_agent_that_believes_to_be_registered_is_told_to_do_so() -> None:
    world = World()
    node, scheduler = world.agent(), world.framework()
    node.lose_link()
    node.link_id = world.new_link()
    effects = node.update(scheduler, node.status("t", TaskState.RUNNING))
    assert effects[-1] == SendAgent(node.link_id, node.agent_id, Ping(connected=False))
    assert fact(effects, "agent.unknown").attributes == {"agent_id": node.agent_id}
    assert scheduler.told(effects) == []
    assert node.say(Pong()) == [], "or the two would ping for ever"


def test_an_agent_without_an_id_can_only_register() -> None:
    world = World()
    node = world.agent()
    node.agent_id = AgentId("")
    assert node.say(Pong()) == []
    assert node.say(Unregister()) == []
    assert node.come_back() == []


def test_an_agent_with_reservations_of_its_own_takes_part() -> None:
    world = World()
    node = world.agent("cpus(role):2;mem(role):1024;cpus:1;mem:1024")
    scheduler = world.framework(framework_info(capabilities=AWARE | {"RESERVATION_REFINEMENT"}))
    world.settle()
    (offer,) = scheduler.offers
    assert offer.resources.unallocated() == node.info.resources
