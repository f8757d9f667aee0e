"""Who waits for offers for too long is told of, with the reason (N08)."""

from __future__ import annotations

import pytest

from mesos_service.core.effects import MasterEffect, Note
from mesos_service.core.link import Pong
from mesos_service.core.master import frameworks
from mesos_service.core.master.startup import start
from mesos_service.core.master.starvation import LOOKS
from mesos_service.core.master.state import MasterOptions
from mesos_service.core.messages import FromAgent
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskState
from tests.unit.core.master.infos import framework_info, task_info
from tests.unit.core.master.told import only
from tests.unit.core.master.world import Node, Scheduler, World, running

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


def greedy_and_patient(boost: bool) -> tuple[World, Node, Scheduler, Scheduler, Scheduler]:
    """One agent, held by ``holder``; when it falls free it is the turn of ``greedy``, who holds nothing, and who always
    takes it. ``patient`` holds something elsewhere, and so is never asked first."""
    world = leading(starvation_boost=boost)
    own = world.agent("cpus:8;mem:8192", hostname="own")
    patient = world.framework(framework_info("patient", roles=["patient"]))
    running(world, own, patient, "long", Resources.scalars(cpus=8, mem=8192))
    contested = world.agent("cpus:1;mem:1024", hostname="contested")
    patient.suppress()
    holder = world.framework(framework_info("holder", roles=["holder"]))
    running(world, contested, holder, "first")
    holder.suppress()
    greedy = world.framework(framework_info("greedy", roles=["greedy"]))
    patient.revive()
    live(world, 20, own, contested)
    return world, contested, patient, holder, greedy


@pytest.mark.parametrize("boost", [True, False])
def test_n08_who_has_waited_too_long_comes_first_where_that_is_asked_for(boost: bool) -> None:
    world, contested, patient, holder, greedy = greedy_and_patient(boost)
    own = next(node for node in world.state.agents if node != contested.agent_id)
    assert starving(live_all(world, 110)), "both of them wait"
    assert patient.record.aged is boost
    # Only one of both has waited: greedy was offered something a moment ago.
    greedy.record.aged = False
    world.state.allocator.update_framework(frameworks.view(greedy.record, world.state.options))
    contested.update(holder, contested.status("first", TaskState.FINISHED))
    world.settle()
    winner, loser = (patient, greedy) if boost else (greedy, patient)
    assert [offer.agent_id for offer in winner.offers] == [contested.agent_id]
    assert loser.offers == []
    assert own in world.state.agents
    assert not patient.record.aged, "an offer ends it at once"


@pytest.mark.parametrize("boost", [True, False])
def test_n08_a_big_one_among_a_hundred_greedy_ones_has_an_offer_within_the_bound(boost: bool) -> None:
    """A task of the hundred ends each second, and its framework, which then holds nothing, takes the place again. The
    big one holds more than any of them, so that it is never its turn; told of, or boosted, after 150 s."""
    world = leading(starvation_seconds=150.0, starvation_boost=boost)
    own = world.agent("cpus:8;mem:8192", hostname="own")
    big = world.framework(framework_info("big", roles=["big"]))
    running(world, own, big, "long", Resources.scalars(cpus=8, mem=8192))
    big.suppress()
    contested = world.agent("cpus:100;mem:102400", hostname="contested")
    greedy = []
    for number in range(100):
        one = world.framework(framework_info(f"greedy-{number}", roles=[f"greedy-{number}"]))
        world.settle()
        one.launch(one.offers[0], task_info(f"t{number}", contested.agent_id), refuse_seconds=0)
        greedy.append(one)
    world.settle()
    assert not big.offers and not any(one.offers for one in greedy)
    big.revive()
    began, heard = world.now, list[Note]()
    for second in range(200):
        one = greedy[second % 100]
        (task_id,) = one.record.tasks
        status = contested.status(task_id, TaskState.FINISHED)
        contested.update(one, status)
        one.acknowledge(status)
        heard += starving(world.advance(1.0))
        own.pong()
        contested.pong()
        if big.offers:
            break
        (offer,) = one.offers
        one.launch(offer, task_info(f"again-{second}", contested.agent_id), refuse_seconds=0)
    if boost:
        assert [offer.agent_id for offer in big.offers] == [contested.agent_id]
        assert 150.0 <= world.now - began <= 150.0 * (1 + 2 / LOOKS), "it is looked for so often"
    else:
        assert not big.offers
    (note,) = [note for note in heard if note.attributes["framework_id"] == big.framework_id]
    assert any(one.framework_id in str(note.attributes["detail"]) for one in greedy)


def live_all(world: World, seconds: float) -> list[MasterEffect]:
    """As ``live``, for all agents."""
    effects: list[MasterEffect] = []
    for _ in range(int(seconds / 10)):
        effects += world.advance(10.0)
        for agent in list(world.state.agents.values()):
            assert agent.link_id is not None
            effects += world.take(FromAgent(link_id=agent.link_id, agent_id=agent.agent_id, message=Pong()))
    return effects


def test_n08_nobody_comes_first_for_longer_than_he_wants_offers() -> None:
    world, _, patient, _, greedy = greedy_and_patient(True)
    live_all(world, 110)
    assert patient.record.aged and greedy.record.aged
    patient.suppress()
    live_all(world, 20)
    assert not patient.record.aged
    greedy.disconnect()
    live_all(world, 20)
    assert world.state.starving == {}
    assert all(not framework.aged for framework in world.state.frameworks.values())
