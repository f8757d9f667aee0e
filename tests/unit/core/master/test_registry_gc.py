"""What the registry may forget (M-HA-09, X15f, X17)."""

from __future__ import annotations

from mesos_service.core.effects import Persist
from mesos_service.core.master.state import MasterOptions
from mesos_service.core.messages import Persisted
from mesos_service.core.registry.operations import MarkAgentReachable, PruneAgents
from mesos_service.domain.ids import AgentId, TaskId
from mesos_service.domain.tasks import TaskState
from tests.unit.core.master.reign import Reign, follow
from tests.unit.core.master.told import facts, only
from tests.unit.core.master.world import running

AGE = 3600.0
GC = MasterOptions(
    agent_ping_timeout_seconds=1.0,
    max_agent_ping_timeouts=2,
    registry_gc_interval_seconds=900.0,
    registry_max_agent_age_seconds=AGE,
    registry_max_agent_count=2,
)


def test_m_ha_09_an_old_entry_goes_and_its_tasks_are_unknown_then() -> None:
    world = Reign(options=GC)
    node, scheduler = world.agent(), world.framework()
    task = running(world, node, scheduler)
    world.advance(3.0)
    assert node.agent_id in world.state.unreachable
    world.advance(AGE)
    assert scheduler.told(scheduler.reconcile(("t", node.agent_id))) == [
        ("t", TaskState.UNREACHABLE, "REASON_RECONCILIATION")
    ]
    assert TaskId("t") in scheduler.record.unreachable_tasks
    world.advance(900.0)
    assert node.agent_id not in world.registry.unreachable
    assert scheduler.record.unreachable_tasks == {}
    assert scheduler.told(scheduler.reconcile(("t", node.agent_id))) == [
        ("t", TaskState.UNKNOWN, "REASON_RECONCILIATION")
    ]
    effects = node.come_back(node.report(scheduler, task), frameworks=[scheduler.record.info])
    assert [one.operation for one in only(effects, Persist)] == [
        MarkAgentReachable(node.agent_id, world.registry.admitted[node.agent_id])
    ]
    assert scheduler.told(effects) == [("t", TaskState.RUNNING, "REASON_AGENT_REREGISTERED")]


def test_m_ha_09_of_too_many_entries_the_oldest_go() -> None:
    world = Reign(options=GC)
    nodes = []
    for _ in range(4):
        nodes.append(world.agent())
        world.advance(10.0)
    for node in nodes[:1]:
        world.mark_gone(node.agent_id)
    assert len(world.state.unreachable) == 3
    world.advance(900.0)
    assert list(world.registry.unreachable) == [node.agent_id for node in nodes[2:]] == list(world.state.unreachable)
    assert list(world.registry.gone) == [nodes[0].agent_id], "they are counted apart"


def test_m_ha_09_gone_agents_are_forgotten_after_their_time() -> None:
    world = Reign(options=GC)
    node = world.agent()
    world.mark_gone(node.agent_id)
    world.advance(AGE)
    assert list(world.registry.gone) == [node.agent_id]
    world.advance(900.0)
    assert world.state.gone == world.registry.gone == {}
    assert "agent.reregistered" in facts(node.come_back()), "it is like one never heard of"


def test_m_ha_09_times_count_over_masters() -> None:
    old = Reign(options=GC)
    node = old.agent()
    old.advance(AGE / 2)
    new = old.successor()
    follow(new, node)
    new.advance(AGE / 2 + 900.0)
    assert new.registry.unreachable == {}


def test_m_ha_09_an_agent_that_is_coming_back_is_not_forgotten_meanwhile() -> None:
    world = Reign(options=GC)
    node = world.agent()
    # Old enough a moment before the registry is looked over for the fifth time.
    world.advance(4499.0)
    assert node.agent_id in world.state.unreachable
    world.stores = False
    (reachable,) = only(node.come_back(), Persist)
    assert [one.operation for one in only(world.advance(2.0), Persist)] == []
    world.take(Persisted(reachable.number))
    assert node.record.active


def test_m_ha_09_nothing_to_forget_is_not_stored() -> None:
    world = Reign(options=GC)
    world.agent(hostname="here")
    effects = world.advance(3000.0)
    assert not any(isinstance(one.operation, PruneAgents) for one in only(effects, Persist))
    assert AgentId("master-1-S0") in world.state.unreachable
