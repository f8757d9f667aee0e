"""How fast agents may become unreachable (M-HA-05, M-HA-06)."""

from __future__ import annotations

from mesos_service.core.link import Unregister
from mesos_service.core.master.state import MasterOptions
from tests.unit.core.master.registry import registry
from tests.unit.core.master.reign import Reign, follow
from tests.unit.core.master.told import facts
from tests.unit.core.master.world import Node, World

PERIOD = 600.0
SLOW = MasterOptions(agent_ping_timeout_seconds=1.0, max_agent_ping_timeouts=2, agent_removal_interval_seconds=PERIOD)


def gone(world: World) -> int:
    return len(world.state.unreachable)


def test_m_ha_05_an_agent_has_all_of_its_pings_to_answer() -> None:
    world = World()
    node = world.agent()
    world.advance(89.0)
    assert node.agent_id in world.state.agents
    world.advance(1.0)
    assert node.agent_id in world.state.unreachable


def test_m_ha_06_ten_dead_agents_leave_one_per_period() -> None:
    world = World(options=SLOW)
    for _ in range(10):
        world.agent()
    world.advance(3.0)
    for left in range(1, 11):
        assert gone(world) == left
        world.advance(PERIOD - 0.1)
        assert gone(world) == left, "not before its time"
        world.advance(0.1)
    assert world.state.removals == {}


def test_m_ha_05_a_pong_cancels_a_scheduled_removal() -> None:
    world = World(options=SLOW)
    nodes = [world.agent() for _ in range(3)]
    world.advance(3.0)
    assert list(world.state.removals) == [nodes[1].agent_id, nodes[2].agent_id]
    assert facts(nodes[1].pong()) == ["agent.removal_cancelled"]
    keep(world, nodes[1], PERIOD)
    assert nodes[1].record.active
    assert set(world.state.unreachable) == {nodes[0].agent_id, nodes[2].agent_id}, "the next in line takes its turn"


def test_m_ha_06_a_limit_that_was_not_used_does_not_add_up() -> None:
    world = World(options=SLOW)
    nodes = [world.agent() for _ in range(3)]
    for node in nodes:
        keep(world, node, 0.5)
    while world.now < 10 * PERIOD:
        world.advance(0.5)
        for node in nodes:
            node.pong()
    world.advance(PERIOD - 1.0)
    assert gone(world) == 1


def test_m_ha_06_registering_again_cancels_it_too() -> None:
    world = World(options=SLOW)
    first, second = world.agent(), world.agent()
    world.advance(3.0)
    second.lose_link()
    assert "agent.removal_cancelled" in facts(second.come_back())
    assert world.state.removals == {}
    assert gone(world) == 1
    assert first.agent_id in world.state.unreachable


def test_m_ha_06_agents_that_leave_by_themselves_do_not_wait() -> None:
    world = World(options=SLOW)
    nodes = [world.agent() for _ in range(3)]
    world.advance(3.0)
    assert len(world.state.removals) == 2
    nodes[2].say(Unregister())
    assert nodes[2].agent_id not in world.state.agents
    assert list(world.state.removals) == [nodes[1].agent_id]
    nodes[1].say(Unregister())
    assert world.state.removals == {}
    world.advance(3 * PERIOD)
    assert gone(world) == 1


def test_m_ha_06_agents_that_do_not_come_back_to_a_new_master_leave_at_the_same_pace() -> None:
    world = Reign(registry("a", "b", "c"), SLOW)
    world.advance(SLOW.agent_reregister_timeout_seconds)
    assert (gone(world), len(world.state.recovered)) == (1, 2)
    late = Node(world, world.registry.admitted[next(iter(world.state.recovered))], world.new_link())
    late.agent_id = next(iter(world.state.recovered))
    follow(world, late)
    assert "agent.removal_cancelled" in facts(late.come_back())
    keep(world, late, PERIOD)
    assert (gone(world), len(world.state.recovered)) == (2, 0)
    assert late.record.active


def keep(world: World, node: Node, seconds: float) -> None:
    """Let time pass in which this agent answers."""
    until = world.now + seconds
    while world.now < until:
        world.advance(min(0.5, until - world.now))
        node.pong()
