"""An operator gives agents up (M-OM-13, X15e, X17; the answers and events as recorded of Mesos)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mesos_service.core.effects import Persist
from mesos_service.core.events import Failure, Update
from mesos_service.core.link import AgentUpdated, Reregistered, ShutdownAgent, Unregister
from mesos_service.core.master.state import MasterOptions
from mesos_service.core.messages import Persisted
from mesos_service.core.registry.operations import MarkAgentGone
from mesos_service.domain.ids import AgentId, TaskId
from mesos_service.domain.tasks import TaskState
from tests.unit.core.master.infos import framework_info
from tests.unit.core.master.registry import registry
from tests.unit.core.master.reign import Reign, follow
from tests.unit.core.master.told import downlinks, facts, only, replies
from tests.unit.core.master.world import running

BY_OPERATOR = "REASON_AGENT_REMOVED_BY_OPERATOR"
FAST = MasterOptions(agent_ping_timeout_seconds=1.0, max_agent_ping_timeouts=2)


def test_m_om_13_x15e_tasks_of_an_agent_marked_gone_are_gone_by_operator() -> None:
    world = Reign()
    node, aware = world.agent(), world.framework()
    running(world, node, aware)
    old = world.framework(framework_info("old", roles=("*",), capabilities=frozenset()))
    aware.suppress()
    world.advance(10.0)
    node.pong()
    running(world, node, old, "b")
    effects = world.mark_gone(node.agent_id)
    assert replies(effects) == [(200, "")]
    assert aware.told(effects) == [("t", TaskState.GONE_BY_OPERATOR, BY_OPERATOR)]
    assert old.told(effects) == [("b", TaskState.LOST, BY_OPERATOR)]
    assert [type(event) for event in aware.events(effects)] == [Update, Failure]
    assert downlinks(effects, ShutdownAgent) == [ShutdownAgent("Agent has been marked gone")]
    assert world.state.agents == {}
    assert world.registry.gone == {node.agent_id: world.now}
    (told,) = aware.statuses(aware.reconcile(("t", node.agent_id)))
    assert (told.state, told.message) == (TaskState.GONE_BY_OPERATOR, "Reconciliation: Task is gone")
    assert aware.told(aware.reconcile(("other", node.agent_id))) == [
        ("other", TaskState.GONE_BY_OPERATOR, "REASON_RECONCILIATION")
    ]
    assert old.told(old.reconcile(("b", node.agent_id))) == [("b", TaskState.LOST, "REASON_RECONCILIATION")]


def test_x16_gone_is_stored_before_it_is_said() -> None:
    world = Reign()
    node, scheduler = world.agent(), world.framework()
    running(world, node, scheduler)
    world.advance(7.0)
    world.stores = False
    effects = world.mark_gone(node.agent_id)
    (persist,) = only(effects, Persist)
    assert persist.operation == MarkAgentGone(node.agent_id, world.now)
    assert replies(effects) == []
    assert scheduler.told(effects) == []
    assert len(scheduler.rescinded(effects)) == 1, "what is on its way out is offered to nobody"
    assert scheduler.offered(world.advance(20.0)) == []
    assert facts(node.come_back()) == ["agent.asked_to_wait"]
    effects = world.take(Persisted(persist.number))
    assert replies(effects) == [(200, "")]
    assert scheduler.told(effects) == [("t", TaskState.GONE_BY_OPERATOR, BY_OPERATOR)]


def test_m_om_13_an_agent_that_nobody_knows_is_not_found() -> None:
    assert replies(Reign().mark_gone(AgentId("nope"))) == [(404, "Agent 'nope' not found")]


def test_m_om_13_twice_is_as_good_as_once() -> None:
    world = Reign()
    node = world.agent()
    world.stores = False
    (first,) = only(world.mark_gone(node.agent_id), Persist)
    (second,) = only(world.mark_gone(node.agent_id), Persist)
    at = world.now
    world.now += 1.0
    assert replies(world.take(Persisted(first.number))) == [(200, "")]
    assert replies(world.take(Persisted(second.number))) == [(200, "")]
    assert replies(world.mark_gone(node.agent_id)) == [(200, "")]
    assert world.state.gone == {node.agent_id: at}
    assert world.state.leaving == {}


@pytest.mark.parametrize("leaves", ["gone", "unreachable", "unregistered"])
def test_x16_an_agent_on_its_way_out_is_not_stored_as_admitted_again_when_it_changes(leaves: str) -> None:
    world = Reign(options=FAST)
    node = world.agent()
    world.stores = False
    match leaves:
        case "gone":
            effects = world.mark_gone(node.agent_id)
        case "unreachable":
            effects = world.advance(3.0)
        case _:
            effects = node.say(Unregister())
    (leaving,) = only(effects, Persist)
    changed = node.say(AgentUpdated(agent=replace(node.info, hostname="other")))
    for persist in [leaving, *only(changed, Persist)]:
        world.take(Persisted(persist.number))
    assert world.registry.admitted == {}
    assert (node.agent_id in world.registry.gone) == (leaves == "gone")
    assert (node.agent_id in world.registry.unreachable) == (leaves == "unreachable")


def test_x17_an_agent_that_was_marked_gone_is_told_to_shut_down_also_by_the_next_master() -> None:
    world = Reign()
    node, scheduler = world.agent(), world.framework()
    task = running(world, node, scheduler)
    world.mark_gone(node.agent_id)
    effects = node.come_back(node.report(scheduler, task), frameworks=[scheduler.record.info])
    assert downlinks(effects, ShutdownAgent) == [ShutdownAgent("Agent has been marked gone")]
    assert downlinks(effects, Reregistered) == []
    assert TaskId("t") not in scheduler.record.tasks
    new = world.successor()
    follow(new, node)
    assert len(downlinks(node.come_back(), ShutdownAgent)) == 1
    assert new.state.agents == {}


def test_m_om_13_an_agent_that_is_not_back_yet_may_be_given_up() -> None:
    world = Reign(registry("a"))
    scheduler = world.framework()
    effects = world.mark_gone(AgentId("a"))
    assert scheduler.hears(effects, Failure) == [Failure(AgentId("a"))]
    assert world.state.recovered == {}
    assert scheduler.told(scheduler.reconcile(("t", AgentId("a")))) == [
        ("t", TaskState.GONE_BY_OPERATOR, "REASON_RECONCILIATION")
    ]


def test_m_om_13_tasks_on_an_unreachable_agent_are_not_waited_for_any_more() -> None:
    world = Reign(options=FAST)
    node, scheduler = world.agent(), world.framework()
    running(world, node, scheduler)
    assert scheduler.told(world.advance(3.0)) == [("t", TaskState.UNREACHABLE, "REASON_AGENT_REMOVED")]
    assert TaskId("t") in scheduler.record.unreachable_tasks
    effects = world.mark_gone(node.agent_id)
    assert scheduler.told(effects) == [("t", TaskState.GONE_BY_OPERATOR, BY_OPERATOR)]
    assert scheduler.hears(effects, Failure) == [], "of its end they know already"
    assert scheduler.record.unreachable_tasks == {}
    assert world.state.unreachable == {}


def test_m_om_13_given_up_while_it_is_stored_that_it_is_unreachable() -> None:
    world = Reign(options=FAST)
    node, scheduler = world.agent(), world.framework()
    running(world, node, scheduler)
    world.stores = False
    (unreachable,) = only(world.advance(3.0), Persist)
    (gone,) = only(world.mark_gone(node.agent_id), Persist)
    assert scheduler.told(world.take(Persisted(unreachable.number))) == [
        ("t", TaskState.UNREACHABLE, "REASON_AGENT_REMOVED")
    ]
    assert facts(node.come_back()) == ["agent.asked_to_wait"], "or it would be back when it is stored that it is gone"
    assert scheduler.told(world.take(Persisted(gone.number))) == [("t", TaskState.GONE_BY_OPERATOR, BY_OPERATOR)]
    assert len(downlinks(node.come_back(), ShutdownAgent)) == 1
    assert node.agent_id in world.registry.gone
    assert node.agent_id not in world.registry.unreachable


def test_m_om_13_given_up_while_its_return_is_being_stored() -> None:
    world = Reign(options=FAST)
    node, scheduler = world.agent(), world.framework()
    task = running(world, node, scheduler)
    world.advance(3.0)
    world.stores = False
    (reachable,) = only(node.come_back(node.report(scheduler, task), frameworks=[scheduler.record.info]), Persist)
    (gone,) = only(world.mark_gone(node.agent_id), Persist)
    assert reachable.number < gone.number
    world.take(Persisted(reachable.number))
    assert not node.record.active, "it is back, and on its way out"
    effects = world.take(Persisted(gone.number))
    assert scheduler.told(effects) == [("t", TaskState.GONE_BY_OPERATOR, BY_OPERATOR)]
    assert len(downlinks(effects, ShutdownAgent)) == 1
    assert list(world.registry.gone) == [node.agent_id]


def test_m_om_13_given_up_while_its_removal_is_being_stored() -> None:
    world = Reign()
    node = world.agent()
    world.stores = False
    (removed,) = only(node.say(Unregister()), Persist)
    (gone,) = only(world.mark_gone(node.agent_id), Persist)
    world.take(Persisted(removed.number))
    assert world.state.agents == {}
    assert replies(world.take(Persisted(gone.number))) == [(200, "")]
    assert list(world.state.gone) == list(world.registry.gone) == [node.agent_id]


def test_a_gone_agents_machine_may_register_as_a_new_agent() -> None:
    world = Reign()
    node = world.agent()
    world.mark_gone(node.agent_id)
    given_up = node.agent_id
    node.info = replace(node.info, agent_id=None)
    node.agent_id = AgentId("")
    node.link_id = world.new_link()
    node.register()
    assert node.agent_id != given_up
    assert node.record.active
