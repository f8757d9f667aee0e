"""Operators take agents out of use, have them drained, and put them back (M-OM-12, M-AG-25)."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from mesos_service.core.effects import MasterEffect, Persist, Reply
from mesos_service.core.link import KillTask, ShutdownAgent
from mesos_service.core.master.state import MasterOptions
from mesos_service.core.messages import Persisted
from mesos_service.core.registry.operations import DeactivateAgent, MarkAgentDrained, RemoveAgent, apply
from mesos_service.core.registry.registry import Registry
from mesos_service.domain.agents import AgentInfo, Deactivation, Drain
from mesos_service.domain.ids import AgentId, TaskId
from mesos_service.domain.tasks import TaskState
from tests.unit.core.master.infos import framework_info
from tests.unit.core.master.operating import deactivate, drain, killed, reactivate
from tests.unit.core.master.reign import Reign, follow
from tests.unit.core.master.told import downlinks, facts, only, replies
from tests.unit.core.master.world import Node, running

FAST = MasterOptions(agent_ping_timeout_seconds=1.0, max_agent_ping_timeouts=2)
SINCE = 1000.0


def kills(effects: list[MasterEffect]) -> list[tuple[str, float | None]]:
    return [(kill.task_id, kill.grace_seconds) for kill in downlinks(effects, KillTask)]


def test_m_om_12_a_deactivated_agent_is_offered_to_nobody_and_its_tasks_run_on() -> None:
    world = Reign()
    node, scheduler = world.agent(), world.framework()
    running(world, node, scheduler)
    world.advance(7.0)
    effects = deactivate(world, node.agent_id)
    assert replies(effects) == [(200, "")]
    assert kills(effects) == []
    assert scheduler.told(effects) == []
    assert len(scheduler.rescinded(effects)) == 1
    assert scheduler.offered(world.advance(20.0)) == []
    assert world.registry.deactivated == {node.agent_id: Deactivation(since=world.now - 20.0)}
    assert replies(deactivate(world, node.agent_id)) == [(200, "")]
    effects = reactivate(world, node.agent_id)
    assert replies(effects) == [(200, "")]
    assert world.registry.deactivated == {}
    assert len(scheduler.offered(world.advance(1.0))) == 1


def test_m_om_12_draining_kills_everything_and_ends_when_all_ends_are_acknowledged() -> None:
    world = Reign()
    node, scheduler = world.agent(), world.framework()
    running(world, node, scheduler, "a")
    world.advance(7.0)
    running(world, node, scheduler, "b")
    world.advance(7.0)
    effects = drain(world, node.agent_id, 2.0)
    assert replies(effects) == [(200, "")]
    assert kills(effects) == [("a", 2.0), ("b", 2.0)]
    assert len(scheduler.rescinded(effects)) == 1
    assert world.state.deactivated[node.agent_id].is_draining
    for task_id in ("a", "b"):
        assert not world.state.deactivated[node.agent_id].drained
        effects = killed(node, scheduler, task_id)
        (told,) = scheduler.statuses(effects)
        assert (told.state, told.reason) == (TaskState.KILLED, "REASON_AGENT_DRAINING")
        assert not world.state.deactivated[node.agent_id].drained, "its framework has not heard of it for certain"
        effects = scheduler.acknowledge(told)
    assert "agent.drained" in facts(effects)
    assert world.registry.deactivated[node.agent_id].drained
    assert scheduler.offered(world.advance(20.0)) == []
    assert replies(reactivate(world, node.agent_id)) == [(200, "")]
    assert len(scheduler.offered(world.advance(1.0))) == 1


def test_m_om_12_an_empty_agent_is_drained_at_once() -> None:
    world = Reign()
    node = world.agent()
    effects = drain(world, node.agent_id)
    assert facts(effects) == ["agent.draining", "agent.drained"]


def test_x16_what_is_asked_is_stored_before_it_is_done() -> None:
    world = Reign()
    node, scheduler = world.agent(), world.framework()
    running(world, node, scheduler)
    world.advance(7.0)
    world.stores = False
    effects = drain(world, node.agent_id)
    (persist,) = only(effects, Persist)
    wanted = Deactivation(since=world.now, drain=Drain())
    assert persist.operation == DeactivateAgent(node.agent_id, wanted)
    assert len(effects) == 1, "nothing is said, nobody killed and nothing rescinded before it is stored"
    effects = world.take(Persisted(persist.number))
    assert kills(effects) == [("t", None)]
    effects = killed(node, scheduler, "t")
    effects = scheduler.acknowledge(scheduler.statuses(effects)[0])
    (drained,) = only(effects, Persist)
    assert drained.operation == MarkAgentDrained(node.agent_id)
    assert only(node.pong(), Persist) == [], "it is being stored already"
    assert facts(world.take(Persisted(drained.number))) == ["agent.drained"]


@pytest.mark.parametrize(
    ("own", "asked", "sent"),
    [(None, None, None), (None, 1.0, 1.0), (30.0, None, None), (30.0, 5.0, 5.0), (2.0, 5.0, 2.0), (30.0, 0.0, 0.0)],
)
def test_m_om_12_no_task_has_longer_than_was_asked_or_than_it_wanted(
    own: float | None, asked: float | None, sent: float | None
) -> None:
    world = Reign()
    node, scheduler = world.agent(), world.framework()
    running(world, node, scheduler)
    task = world.state.agents[node.agent_id].tasks[scheduler.framework_id][TaskId("t")]
    task.info = replace(task.info, kill_grace_seconds=own)
    assert kills(drain(world, node.agent_id, asked)) == [("t", sent)]


def test_m_om_12_asked_again_with_less_grace_kills_again() -> None:
    world = Reign()
    node, scheduler = world.agent(), world.framework()
    running(world, node, scheduler)
    drain(world, node.agent_id, 60.0)
    assert kills(drain(world, node.agent_id, 1.0)) == [("t", 1.0)]
    assert world.registry.deactivated[node.agent_id].drain == Drain(max_grace_seconds=1.0)


def test_m_om_12_mark_gone_makes_its_tasks_gone_and_then_itself() -> None:
    world = Reign()
    node, aware = world.agent(), world.framework()
    running(world, node, aware, "a")
    old = world.framework(framework_info("old", roles=("*",), capabilities=frozenset()))
    aware.suppress()
    world.advance(10.0)
    node.pong()
    running(world, node, old, "b")
    drain(world, node.agent_id, mark_gone=True)
    effects = killed(node, aware, "a")
    assert aware.told(effects) == [("a", TaskState.GONE_BY_OPERATOR, "REASON_AGENT_DRAINING")]
    aware.acknowledge(aware.statuses(effects)[0])
    assert node.agent_id in world.state.agents
    effects = killed(node, old, "b")
    assert old.told(effects) == [("b", TaskState.KILLED, "REASON_AGENT_DRAINING")]
    effects = old.acknowledge(old.statuses(effects)[0])
    assert downlinks(effects, ShutdownAgent) == [ShutdownAgent("Agent has been marked gone")]
    assert world.state.agents == {}
    assert world.registry.gone == {node.agent_id: world.now}
    assert world.registry.deactivated == world.state.deactivated == {}


def test_m_ag_25_a_new_master_goes_on_where_the_old_one_stopped() -> None:
    world = Reign()
    node, scheduler = world.agent(), world.framework()
    info = running(world, node, scheduler)
    drain(world, node.agent_id, 3.0)
    world = world.successor()
    follow(world, node, scheduler)
    scheduler.subscribe_again()
    effects = node.come_back(node.report(scheduler, info))
    assert kills(effects) == [("t", 3.0)]
    assert scheduler.offered(world.advance(20.0)) == []
    effects = killed(node, scheduler, "t")
    assert scheduler.told(effects) == [("t", TaskState.KILLED, "REASON_AGENT_DRAINING")]
    assert "agent.drained" in facts(scheduler.acknowledge(scheduler.statuses(effects)[0]))
    again = world.successor()
    follow(again, node, scheduler)
    scheduler.subscribe_again()
    assert kills(node.come_back()) == []
    assert scheduler.offered(again.advance(20.0)) == []
    assert again.registry.deactivated[node.agent_id].drained


def test_m_ag_25_kills_that_a_lost_connection_swallowed_are_repeated() -> None:
    world = Reign()
    node, scheduler = world.agent(), world.framework()
    info = running(world, node, scheduler)
    node.lose_link()
    assert kills(drain(world, node.agent_id, 3.0)) == []
    assert ("t", 3.0) in kills(node.come_back(node.report(scheduler, info)))
    assert scheduler.offered(world.advance(20.0)) == []


def test_m_ag_25_an_unreachable_agent_is_drained_when_it_is_back() -> None:
    world = Reign(options=FAST)
    node, scheduler = world.agent(), world.framework()
    info = running(world, node, scheduler)
    world.advance(10.0)
    assert node.agent_id in world.state.unreachable
    assert replies(drain(world, node.agent_id)) == [(200, "")]
    effects = node.come_back(node.report(scheduler, info))
    assert kills(effects) == [("t", None)]
    assert scheduler.offered(world.advance(1.0)) == []


def test_m_om_12_tasks_of_a_framework_that_is_torn_down_no_longer_hold_it_up() -> None:
    world = Reign()
    node, scheduler = world.agent(), world.framework()
    running(world, node, scheduler)
    drain(world, node.agent_id)
    effects = scheduler.tear_down()
    assert "agent.drained" in facts(effects)


def test_m_om_12_what_cannot_be_done_is_refused() -> None:
    world = Reign()
    node, scheduler = world.agent(), world.framework()
    running(world, node, scheduler)
    nobody = AgentId("nope")
    for effects in (deactivate(world, nobody), drain(world, nobody), reactivate(world, nobody)):
        assert replies(effects) == [(400, "Unknown agent")]
    assert replies(reactivate(world, node.agent_id)) == [(400, "Agent is not deactivated")]
    drain(world, node.agent_id)
    ((status, text),) = replies(reactivate(world, node.agent_id))
    assert (status, "still draining" in text) == (409, True)
    world.mark_gone(node.agent_id)
    assert replies(drain(world, node.agent_id)) == [(400, "Unknown agent")]
    assert world.state.deactivated == world.registry.deactivated == {}


def test_an_agent_that_leaves_while_it_is_being_stored_is_not_kept_in_the_list() -> None:
    agent_id = AgentId("a")
    registry = Registry(admitted={agent_id: AgentInfo(hostname="h")})
    late = (DeactivateAgent(agent_id, Deactivation(since=SINCE)), MarkAgentDrained(agent_id))
    assert apply(registry, (RemoveAgent(agent_id), *late)).deactivated == {}
    world = Reign()
    node = world.agent()
    world.stores = False
    (gone,) = only(world.mark_gone(node.agent_id), Persist)
    (drained,) = only(drain(world, node.agent_id), Persist)
    world.take(Persisted(gone.number))
    assert replies(world.take(Persisted(drained.number))) == [(200, "")]
    assert world.state.deactivated == world.registry.deactivated == {}


@pytest.mark.parametrize("seed", range(12))
def test_m_ag_25_whatever_happens_the_list_is_the_registrys_and_nobody_on_it_is_offered(seed: int) -> None:
    """Random histories of two agents: invariants hold after each step, and the memory agrees with the registry."""
    source = random.Random(seed)
    world = Reign(options=FAST)
    scheduler = world.framework()
    nodes: list[Node] = [world.agent() for _ in range(2)]
    numbers = iter(range(10_000))
    for _ in range(60):
        node = source.choice(nodes)
        agent = world.state.agents.get(node.agent_id)
        action = source.choice(("run", "end", "drain", "deactivate", "reactivate", "lose", "back", "wait", "fail"))
        effects: list[MasterEffect] = []
        if action == "run" and agent is not None and agent.active:
            world.settle()
            if any(one.agent_id == node.agent_id for one in scheduler.offers):
                running(world, node, scheduler, f"t{next(numbers)}")
        elif action == "end" and agent is not None and agent.connected:
            for on_agent in list(agent.tasks.values()):
                for task_id in list(on_agent):
                    for one in scheduler.statuses(killed(node, scheduler, task_id)):
                        scheduler.acknowledge(one)
        elif action == "drain":
            effects = drain(world, node.agent_id, 1.0)
        elif action == "deactivate":
            effects = deactivate(world, node.agent_id)
        elif action == "reactivate":
            effects = reactivate(world, node.agent_id)
        elif action == "lose" and agent is not None and agent.connected:
            effects = node.lose_link()
        elif action == "back" and (agent is None or not agent.connected):
            effects = node.come_back()
        elif action == "wait":
            effects = world.advance(1.0)
        elif action == "fail":
            world = world.successor()
            follow(world, scheduler, *nodes)
            scheduler.subscribe_again()
        assert world.state.deactivated == world.registry.deactivated
        for offer in world.state.offers.values():
            assert offer.agent_id not in world.state.deactivated
        assert len([one for one in effects if isinstance(one, Reply)]) <= 1
