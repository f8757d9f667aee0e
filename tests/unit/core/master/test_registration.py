"""Agents register, change, and go in an orderly way."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mesos_service.core.effects import Persist, SendAgent
from mesos_service.core.link import (
    AgentUpdated,
    Ping,
    Pong,
    Register,
    Registered,
    Unregister,
)
from mesos_service.core.messages import FromAgent, Persisted
from mesos_service.core.registry.operations import AdmitAgent, RemoveAgent
from mesos_service.domain.errors import InvariantBroken
from mesos_service.domain.ids import AgentId, TaskId
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskState
from tests.unit.core.master.infos import AWARE, TOTAL, framework_info, task_info
from tests.unit.core.master.told import downlinks, fact, facts, only
from tests.unit.core.master.world import Node, World, running

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
