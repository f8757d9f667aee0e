"""Whether agents are there (A43; as recorded of Mesos)."""

from __future__ import annotations

import pytest

from mesos_service.core.effects import Persist, SendAgent
from mesos_service.core.events import Failure
from mesos_service.core.link import Ping, Pong
from mesos_service.core.master.state import MasterOptions
from mesos_service.core.messages import LinkLost, Persisted
from mesos_service.core.registry.operations import MarkAgentUnreachable
from mesos_service.domain.ids import LinkId, TaskId
from mesos_service.domain.tasks import TaskState
from tests.unit.core.master.infos import AWARE, SMALL, TOTAL, framework_info
from tests.unit.core.master.told import downlinks, facts, only
from tests.unit.core.master.world import Node, World, running

FAST = MasterOptions(agent_ping_timeout_seconds=1.0, max_agent_ping_timeouts=2)

# -- links ---------------------------------------------------------------------------------------------------


def test_x23_a_lost_connection_is_not_a_lost_agent() -> None:
    world = World()
    node, scheduler = world.agent(), world.framework()
    running(world, node, scheduler)
    world.advance(7.0)
    (offer,) = scheduler.offers
    effects = node.lose_link()
    assert scheduler.rescinded(effects) == [offer.offer_id], "at once (as recorded of Mesos)"
    assert scheduler.told(effects) == []
    assert "agent.disconnected" in facts(effects)
    assert TaskId("t") in scheduler.record.tasks
    assert scheduler.offered(world.advance(10.0)) == []
    assert node.record.used == {scheduler.framework_id: SMALL.allocated_to("role")}


def test_x23_tasks_of_frameworks_that_do_not_checkpoint_are_kept_too() -> None:
    world = World()
    node, scheduler = world.agent(), world.framework(framework_info(checkpoint=False))
    running(world, node, scheduler)
    effects = node.lose_link()
    assert scheduler.told(effects) == []
    assert TaskId("t") in scheduler.record.tasks


def test_a_link_nobody_used_may_be_lost() -> None:
    assert World().take(LinkLost(LinkId("unused"))) == []


# -- pings ---------------------------------------------------------------------------------------------------


def pings(world: World, node: Node, seconds: float, answer: bool) -> list[Ping]:
    """The pings of some seconds, each answered or none."""
    heard: list[Ping] = []
    until = world.now + seconds
    while world.now < until:
        found = downlinks(world.advance(0.5), Ping)
        heard += found
        if found and answer:
            node.pong()
    return heard


def test_an_agent_that_answers_stays() -> None:
    world = World(options=FAST)
    node = world.agent()
    assert pings(world, node, 10.0, answer=True) == [Ping(connected=True)] * 10
    assert node.record.connected


def test_an_agent_that_does_not_answer_is_unreachable_after_so_many_pings() -> None:
    world = World(options=FAST)
    node = world.agent()
    assert pings(world, node, 2.5, answer=False) == [Ping(connected=True)] * 2
    assert node.agent_id in world.state.agents
    world.advance(0.6)
    assert node.agent_id in world.state.unreachable


def test_x16_unreachable_is_stored_before_it_is_said() -> None:
    world = World(options=FAST)
    node, scheduler = world.agent(), world.framework()
    running(world, node, scheduler)
    world.stores = False
    effects = world.advance(3.0)
    (persist,) = only(effects, Persist)
    assert persist.operation == MarkAgentUnreachable(node.agent_id, world.now)
    assert scheduler.told(effects) == []
    assert scheduler.hears(effects, Failure) == []
    effects = world.take(Persisted(persist.number))
    assert scheduler.told(effects) == [("t", TaskState.UNREACHABLE, "REASON_AGENT_REMOVED")]
    assert scheduler.hears(effects, Failure) == [Failure(node.agent_id)]


def test_x16_nothing_is_offered_of_an_agent_on_its_way_out() -> None:
    world = World(options=FAST)
    node, scheduler = world.agent(), world.framework()
    world.settle()
    (offer,) = scheduler.offers
    world.stores = False
    effects = world.advance(3.0)
    assert scheduler.rescinded(effects) == [offer.offer_id]
    node.pong()
    assert scheduler.offered(world.advance(10.0)) == []
    assert only(world.advance(100.0), Persist) == [], "once is enough"
    assert facts(node.come_back()) == ["agent.asked_to_wait"]


def test_a43_and_m_se_05_every_framework_hears_of_the_agent_and_its_own_of_their_tasks() -> None:
    world = World(options=FAST)
    node = world.agent()
    aware = world.framework(framework_info("aware", roles=("a",)))
    running(world, node, aware, "a1")
    old = world.framework(framework_info("old", roles=("b",), capabilities=AWARE - {"PARTITION_AWARE"}))
    running(world, node, old, "b1")
    idle = world.framework(framework_info("idle", roles=("c",)))
    effects = world.advance(3.0)
    assert aware.told(effects) == [("a1", TaskState.UNREACHABLE, "REASON_AGENT_REMOVED")]
    assert old.told(effects) == [("b1", TaskState.LOST, "REASON_AGENT_REMOVED")]
    for status in (*aware.statuses(effects), *old.statuses(effects)):
        assert status.message == "health check timed out"
        assert status.unreachable_at == world.state.unreachable[node.agent_id]
        assert status.uuid is None
    for scheduler in (aware, old, idle):
        assert scheduler.hears(effects, Failure) == [Failure(node.agent_id)]
    assert [type(event).__name__ for event in aware.events(effects)][-2:] == ["Update", "Failure"]
    assert list(aware.record.unreachable_tasks) == ["a1"]
    assert list(old.record.unreachable_tasks) == ["b1"]
    assert (aware.record.tasks, old.record.tasks) == ({}, {})


def test_a_task_that_had_ended_is_not_unreachable() -> None:
    world = World(options=FAST)
    node, scheduler = world.agent(), world.framework()
    running(world, node, scheduler)
    node.update(scheduler, node.status("t", TaskState.FINISHED))
    effects = world.advance(3.0)
    assert scheduler.told(effects) == []
    assert [task.state for task in scheduler.record.completed_tasks] == [TaskState.FINISHED]


def test_unreachable_tasks_are_bounded() -> None:
    options = MasterOptions(
        agent_ping_timeout_seconds=1.0, max_agent_ping_timeouts=2, max_unreachable_tasks_per_framework=1
    )
    world = World(options=options)
    scheduler = world.framework()
    for name in "ab":
        running(world, world.agent(), scheduler, name)
        scheduler.decline(*scheduler.offers)
    world.advance(10.0)
    assert list(scheduler.record.unreachable_tasks) == ["b"]


def test_x26_an_agent_that_hung_is_told_to_register_again() -> None:
    world = World(options=FAST)
    node = world.agent()
    effects = world.advance(3.0)
    assert effects[-1] == SendAgent(node.link_id, node.agent_id, Ping(connected=False))
    assert node.say(Pong()) == []
    assert "agent.reachable" in facts(node.come_back(new_link=False))


def test_x23_an_agent_that_stays_away_is_unreachable_after_agent_reregister_timeout() -> None:
    options = MasterOptions(agent_ping_timeout_seconds=1e6, agent_reregister_timeout_seconds=60.0)
    world = World(options=options)
    node, scheduler = world.agent(), world.framework()
    running(world, node, scheduler)
    node.lose_link()
    world.advance(59.9)
    assert node.agent_id in world.state.agents
    effects = world.advance(0.2)
    assert scheduler.told(effects) == [("t", TaskState.UNREACHABLE, "REASON_AGENT_REMOVED")]
    assert scheduler.statuses(effects)[0].message == "agent did not register again in time"


def test_coming_back_in_time_calls_it_off() -> None:
    options = MasterOptions(agent_ping_timeout_seconds=1e6, agent_reregister_timeout_seconds=60.0)
    world = World(options=options)
    node = world.agent()
    node.lose_link()
    world.advance(50.0)
    node.come_back()
    world.advance(50.0)
    assert node.record.connected


@pytest.mark.parametrize("away", [False, True])
def test_the_resources_of_an_unreachable_agent_are_gone_with_it(away: bool) -> None:
    world = World(options=FAST)
    node, scheduler = world.agent(), world.framework()
    running(world, node, scheduler)
    if away:
        node.lose_link()
    world.advance(5.0)
    assert world.state.agents == {}
    assert world.state.addresses == {}
    assert all(not agents for agents in world.state.links.values())
    fresh = world.agent()
    (offer,) = scheduler.offered(world.settle())
    assert offer.agent_id == fresh.agent_id
    assert offer.resources.unallocated() == TOTAL
