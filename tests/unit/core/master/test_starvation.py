"""Who waits for offers for too long is told of, with the reason (N08)."""

from __future__ import annotations

from mesos_service.core.effects import MasterEffect, Note
from mesos_service.core.master.startup import start
from mesos_service.core.master.state import MasterOptions
from tests.unit.core.master.world import Node, World, framework_info, only, running, task_info

SECONDS = 80.0


def leading(**options: float | None) -> World:
    world = World(options=MasterOptions(**{"starvation_seconds": SECONDS, **options}))  # type: ignore[arg-type] # floats
    start(world.state, world.registry, world.now)
    return world


def live(world: World, seconds: float, *nodes: Node) -> list[MasterEffect]:
    effects: list[MasterEffect] = []
    for _ in range(int(seconds / 10)):
        effects += world.advance(10.0)
        for node in nodes:
            effects += node.pong()
    return effects


def starving(effects: list[MasterEffect]) -> list[Note]:
    return [note for note in only(effects, Note) if note.fact == "framework.starving"]


def test_n08_a_hundred_greedy_ones_and_one_that_gets_nothing() -> None:
    """It is told of once, with how long and who has it all."""
    world = leading()
    node = world.agent("cpus:100;mem:102400")
    for number in range(100):
        greedy = world.framework(framework_info(f"greedy-{number}", roles=["greedy"]))
        world.settle()
        greedy.launch(greedy.offers[0], task_info(f"t{number}", node.agent_id), refuse_seconds=0)
        greedy.suppress()
    big = world.framework(framework_info("big", roles=["big"]))
    assert starving(live(world, 70, node)) == []
    (note,) = starving(live(world, 30, node))
    assert note.attributes["framework_id"] == big.framework_id
    assert float(note.attributes["seconds"]) >= SECONDS
    assert note.attributes["reason"] == "nothing_free"
    assert "master-00" in str(note.attributes["detail"]), "it names who holds it"
    assert set(world.state.starving) == {big.framework_id}
    assert starving(live(world, 600, node)) == [], "once is enough"


def test_n08_an_offer_ends_it_and_it_may_begin_again() -> None:
    world = leading()
    node = world.agent("cpus:1;mem:1024")
    holder = world.framework(framework_info("holder"))
    running(world, node, holder, "t")
    holder.suppress()
    world.framework(framework_info("waiting"))
    assert len(starving(live(world, 110, node))) == 1
    other = world.agent("cpus:1;mem:1024")
    live(world, 20, node, other)
    assert world.state.starving == {}


def test_n08_who_suppressed_or_holds_an_offer_or_is_away_does_not_starve() -> None:
    world = leading(offer_timeout_seconds=None)
    node = world.agent("cpus:1;mem:1024")
    holder = world.framework(framework_info("holder"))
    world.settle()
    assert holder.offers
    world.framework(framework_info("silent")).suppress()
    world.framework(framework_info("away", failover_timeout=1e6)).disconnect()
    assert starving(live(world, 400, node)) == []


def test_n08_it_can_be_switched_off() -> None:
    world = leading(starvation_seconds=None)
    world.framework(framework_info("alone"))
    assert starving(live(world, 2000)) == []
