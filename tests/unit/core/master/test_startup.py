"""A new master and the agents of the old one (X15b, X17, X20, X24; A42, B52)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mesos_service.core.effects import Exit, Persist
from mesos_service.core.events import Failure
from mesos_service.core.link import Reregistered
from mesos_service.core.master.state import MasterOptions
from mesos_service.core.messages import Persisted
from mesos_service.core.registry.operations import AdmitAgent, MarkAgentReachable, MarkAgentUnreachable
from mesos_service.domain.ids import AgentId, TaskId
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskState
from tests.unit.core.master.infos import SMALL, TOTAL, framework_info, task_info
from tests.unit.core.master.registry import registry
from tests.unit.core.master.reign import Reign, follow
from tests.unit.core.master.told import downlinks, facts, only
from tests.unit.core.master.world import Node, running

TIMEOUT = MasterOptions().agent_reregister_timeout_seconds


# -- coming back ---------------------------------------------------------------------------------------------


def test_b52_x20_a_blank_master_gets_everything_back_from_agents_and_schedulers() -> None:
    old = Reign()
    node, scheduler = old.agent(), old.framework()
    task = running(old, node, scheduler)
    used, principal = node.record.used, scheduler.record.principal
    new = old.successor()
    follow(new, node, scheduler)
    assert list(new.state.recovered) == [node.agent_id]
    effects = node.come_back(node.report(scheduler, task), frameworks=[scheduler.record.info])
    assert only(effects, Persist) == [], "the registry knows it already"
    (answer,) = downlinks(effects, Reregistered)
    assert answer.agent_id == node.agent_id
    assert new.state.recovered == {}
    assert node.record.used == used
    assert scheduler.record.recovered
    scheduler.subscribe_again()
    assert not scheduler.record.recovered
    assert scheduler.record.principal == principal
    assert scheduler.record.tasks[TaskId("t")].state is TaskState.RUNNING
    (offer,) = scheduler.offered(new.advance(2.0))
    assert offer.resources.unallocated() == TOTAL - SMALL


def test_x17_nobody_is_told_that_tasks_are_there_of_which_nobody_said_that_they_were_not() -> None:
    old = Reign()
    node, scheduler = old.agent(), old.framework()
    task = running(old, node, scheduler)
    new = old.successor()
    follow(new, node, scheduler)
    scheduler.subscribe_again()
    effects = node.come_back(node.report(scheduler, task), frameworks=[scheduler.record.info])
    assert scheduler.told(effects) == []
    assert scheduler.record.tasks[TaskId("t")].state is TaskState.RUNNING


def test_b52_while_agents_come_back_what_they_bring_is_offered_together_and_soon() -> None:
    old = Reign()
    nodes = [old.agent() for _ in range(40)]
    scheduler = old.framework()
    old.settle()
    new = old.successor()
    follow(new, *nodes, scheduler)
    scheduler.subscribe_again()
    new.settle()
    passes: list[str] = []
    back_at: dict[AgentId, float] = {}
    offered_at: dict[AgentId, float] = {}
    for node in nodes:
        # 40 agents within 0.8 s, of which none is far behind the one before.
        effects = new.advance(0.02)
        passes += [fact for fact in facts(effects) if fact == "allocation.ran"]
        offered_at |= {offer.agent_id: new.now for offer in scheduler.offered(effects)}
        node.come_back()
        back_at[node.agent_id] = new.now
    assert len(passes) <= 5, "one at once, and then one every quarter of a second"
    while len(offered_at) < len(nodes):
        effects = new.advance(0.02)
        offered_at |= {offer.agent_id: new.now for offer in scheduler.offered(effects)}
    assert max(offered_at[agent_id] - at for agent_id, at in back_at.items()) <= 0.25 + 0.02 + 1e-9
    new.advance(0.2)
    late = new.agent()
    assert [offer.agent_id for offer in scheduler.offered(new.settle())] == [late.agent_id], "then at once again"


def test_x24_an_agent_that_comes_back_changed_is_stored_first() -> None:
    old = Reign()
    node = old.agent()
    new = old.successor()
    follow(new, node)
    node.info = replace(node.info, resources=Resources.parse("cpus:8;mem:4096"))
    new.stores = False
    effects = node.come_back()
    (persist,) = only(effects, Persist)
    assert persist.operation == AdmitAgent(node.agent_id, node.info)
    assert downlinks(effects, Reregistered) == []
    assert node.agent_id in new.state.recovered, "until then questions about its tasks are met with silence"
    new.stores = True
    assert len(downlinks(new.take(Persisted(persist.number)), Reregistered)) == 1
    assert new.state.recovered == {}
    assert new.registry.admitted[node.agent_id] == node.info


def test_x17_an_agent_unreachable_under_the_old_master_comes_back_to_the_new_one() -> None:
    old = Reign()
    node = old.agent()
    old.advance(200.0)
    assert node.agent_id in old.state.unreachable
    new = old.successor()
    follow(new, node)
    assert new.state.unreachable == old.state.unreachable
    (persist,) = only(node.come_back(), Persist)
    assert persist.operation == MarkAgentReachable(node.agent_id, node.info)
    assert node.record.active


def test_ids_of_a_new_master_are_new() -> None:
    old = Reign()
    first, scheduler = old.agent(), old.framework()
    old.settle()
    (offer,) = scheduler.offers
    new = old.successor()
    second, other = new.agent(), new.framework()
    new.settle()
    assert second.agent_id != first.agent_id
    assert other.framework_id != scheduler.framework_id
    assert [one.offer_id for one in other.offers] != [offer.offer_id]


def test_x14g_offers_of_the_old_master_are_worth_nothing_to_the_new_one() -> None:
    old = Reign()
    node, scheduler = old.agent(), old.framework()
    old.settle()
    (offer,) = scheduler.offers
    new = old.successor()
    follow(new, node, scheduler)
    node.come_back()
    scheduler.subscribe_again()
    effects = scheduler.launch(offer, task_info("t", node.agent_id))
    assert scheduler.told(effects) == [("t", TaskState.DROPPED, "REASON_INVALID_OFFERS")]


# -- questions meanwhile -------------------------------------------------------------------------------------


def test_x15b_questions_about_agents_on_their_way_back_are_met_with_silence() -> None:
    world = Reign(registry("a", "b"))
    scheduler = world.framework()
    assert scheduler.told(scheduler.reconcile(("t", AgentId("a")))) == []
    assert scheduler.told(scheduler.reconcile(("t", None))) == [], "it may run on any of them"
    assert scheduler.told(scheduler.reconcile(("t", AgentId("elsewhere")))) == [
        ("t", TaskState.UNKNOWN, "REASON_RECONCILIATION")
    ]
    assert scheduler.told(scheduler.kill("t", AgentId("a"))) == []
    world.advance(TIMEOUT)
    assert scheduler.told(scheduler.reconcile(("t", AgentId("a")))) == [
        ("t", TaskState.UNREACHABLE, "REASON_RECONCILIATION")
    ]
    assert scheduler.told(scheduler.reconcile(("t", None))) == [("t", TaskState.UNKNOWN, "REASON_RECONCILIATION")]


def test_x15b_until_it_is_stored_that_an_agent_is_unreachable_nothing_is_said() -> None:
    world = Reign(registry("a"))
    scheduler = world.framework()
    world.stores = False
    effects = world.advance(TIMEOUT)
    (persist,) = only(effects, Persist)
    assert persist.operation == MarkAgentUnreachable(AgentId("a"), world.now)
    assert scheduler.hears(effects, Failure) == []
    assert scheduler.told(scheduler.reconcile(("t", AgentId("a")))) == []
    effects = world.take(Persisted(persist.number))
    assert scheduler.hears(effects, Failure) == [Failure(AgentId("a"))]
    assert scheduler.told(scheduler.reconcile(("t", AgentId("a")))) == [
        ("t", TaskState.UNREACHABLE, "REASON_RECONCILIATION")
    ]


# -- not coming back -----------------------------------------------------------------------------------------


def test_x24_who_does_not_come_back_in_time_is_unreachable_and_may_come_later() -> None:
    old = Reign()
    here, away = old.agent(), old.agent()
    new = old.successor()
    follow(new, here, away)
    here.come_back()
    for _ in range(int(TIMEOUT / 10)):
        assert new.state.unreachable == {}
        assert away.agent_id in new.state.recovered
        new.advance(10.0)
        here.pong()
    assert list(new.state.unreachable) == [away.agent_id]
    assert new.registry.unreachable == {away.agent_id: new.now}
    assert "agent.reachable" in facts(away.come_back())
    assert {here.agent_id, away.agent_id} == set(new.state.agents)


def test_an_agent_that_asks_while_its_time_runs_out_is_taken_back_afterwards() -> None:
    old = Reign()
    node = old.agent()
    new = old.successor()
    follow(new, node)
    new.stores = False
    (persist,) = only(new.advance(TIMEOUT), Persist)
    assert facts(node.come_back()) == ["agent.asked_to_wait"]
    new.stores = True
    new.take(Persisted(persist.number))
    assert "agent.reachable" in facts(node.come_back())


def test_an_agent_whose_return_is_being_stored_is_not_given_up() -> None:
    old = Reign()
    node = old.agent()
    new = old.successor()
    follow(new, node)
    node.info = replace(node.info, port=5052)
    new.advance(TIMEOUT - 1.0)
    new.stores = False
    (persist,) = only(node.come_back(), Persist)
    effects = new.advance(2.0)
    assert only(effects, Persist) == []
    assert only(effects, Exit) == []
    new.take(Persisted(persist.number))
    assert node.record.active


@pytest.mark.parametrize(("missing", "gives_up"), [(1, False), (2, True)])
def test_m_ha_07_a_master_that_misses_too_many_agents_gives_up(missing: int, gives_up: bool) -> None:
    names = [f"a{number}" for number in range(10)]
    world = Reign(registry(*names), MasterOptions(recovery_agent_removal_limit=0.1, agent_ping_timeout_seconds=1000.0))
    for name in names[missing:]:
        node = Node(world, world.registry.admitted[AgentId(name)], world.new_link())
        node.agent_id = AgentId(name)
        node.come_back(new_link=False)
    effects = world.advance(TIMEOUT)
    exits = only(effects, Exit)
    if gives_up:
        (end,) = exits
        assert end.status != 0
        assert "2 of the 10 agents in the registry (20%)" in end.message
        assert "at most 10%" in end.message
        assert only(effects, Persist) == []
        assert len(world.state.recovered) == 2
        assert world.advance(10 * TIMEOUT) == [], "it decides nothing any more"
    else:
        assert exits == []
        assert len(world.state.unreachable) == 1


def test_m_ha_07_exactly_the_limit_may_be_missing() -> None:
    """29 of 100 are 29 %, though in floating-point numbers 0.29 * 100 is less than 29."""
    names = [f"a{number}" for number in range(100)]
    world = Reign(registry(*names), MasterOptions(recovery_agent_removal_limit=0.29, agent_ping_timeout_seconds=1000.0))
    for name in names[29:]:
        node = Node(world, world.registry.admitted[AgentId(name)], world.new_link())
        node.agent_id = AgentId(name)
        node.come_back(new_link=False)
    assert only(world.advance(TIMEOUT), Exit) == []
    assert len(world.state.unreachable) == 29


def test_m_ha_07_nobody_may_be_missing_where_the_limit_is_nothing() -> None:
    world = Reign(registry("a"), MasterOptions(recovery_agent_removal_limit=0.0))
    assert len(only(world.advance(TIMEOUT), Exit)) == 1


def test_an_empty_registry_asks_for_no_patience() -> None:
    world = Reign(options=MasterOptions(recovery_agent_removal_limit=0.0))
    scheduler = world.framework()
    assert scheduler.told(scheduler.reconcile(("t", None))) == [("t", TaskState.UNKNOWN, "REASON_RECONCILIATION")]
    assert only(world.advance(TIMEOUT), Exit) == []


# -- frameworks ----------------------------------------------------------------------------------------------


def test_x20_a_recovered_framework_gets_no_offers_until_it_subscribes() -> None:
    old = Reign()
    node, scheduler = old.agent(), old.framework(framework_info(failover_timeout=3600.0))
    task = running(old, node, scheduler)
    new = old.successor()
    follow(new, node, scheduler)
    info = replace(scheduler.info, framework_id=scheduler.framework_id)
    node.come_back(node.report(scheduler, task), frameworks=[info])
    for _ in range(10):
        new.advance(10.0)
        node.pong()
    assert new.state.offers == {}
    assert scheduler.record.tasks[TaskId("t")].state is TaskState.RUNNING


def test_an_agent_that_comes_anew_takes_the_place_of_a_recovered_one_at_its_address() -> None:
    """As when an agent was admitted, and the master died before it had told so: nobody will ever use that id."""
    old = Reign()
    node = old.agent()
    new = old.successor()
    scheduler = new.framework()
    abandoned = node.agent_id
    follow(new, node)
    node.info, node.agent_id, node.link_id = replace(node.info, agent_id=None), AgentId(""), new.new_link()
    effects = node.register()
    assert "agent.replaced" in facts(effects)
    assert scheduler.hears(effects, Failure) == [Failure(abandoned)]
    assert list(new.registry.admitted) == [node.agent_id]
    assert scheduler.told(scheduler.reconcile(("t", abandoned))) == [("t", TaskState.UNKNOWN, "REASON_RECONCILIATION")]
    assert list(new.state.agents) == [node.agent_id] != [abandoned]
