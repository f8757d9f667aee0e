"""How many tasks of a shape fit now, and how many would in one place (N16)."""

from __future__ import annotations

from mesos_service.wire.render.fragmentation import fragmentation_answer
from tests.unit.core.master.world import World, framework_info, running


def test_n16_what_is_stranded_and_for_want_of_what() -> None:
    """Three agents that lack something each: nothing fits, and two would."""
    world = World()
    for resources in ("cpus:1.5;mem:512", "cpus:0.5;mem:4096", "cpus:0.5;mem:1024;cpus(a):8"):
        world.agent(resources)
    answer = fragmentation_answer(world.state, {"cpus": 1000, "mem": 1_024_000})
    assert (answer.fits, answer.fits_if_defragmented) == (0, 2)
    assert answer.free == {"cpus": 2.5, "mem": 5632.0}
    assert answer.stranded == {"cpus": 2.5, "mem": 5632.0}
    assert [one.short_of for one in answer.agents] == [("mem",), ("cpus",), ("cpus",)]


def test_n16_offers_count_as_free_and_what_runs_does_not() -> None:
    world = World()
    node = world.agent("cpus:4;mem:4096")
    scheduler = world.framework(framework_info())
    running(world, node, scheduler)
    scheduler.revive()
    world.settle()
    assert scheduler.offers
    answer = fragmentation_answer(world.state, {"cpus": 1000, "mem": 1_024_000})
    assert (answer.fits, answer.fits_if_defragmented) == (3, 3)
    (agent,) = answer.agents
    assert (agent.fits, agent.free, agent.stranded, agent.short_of) == (
        3,
        {"cpus": 3.0, "mem": 3072.0},
        {},
        ("cpus", "mem"),
    )


def test_n16_agents_that_are_away_have_nothing() -> None:
    world = World()
    world.agent("cpus:4;mem:4096").lose_link()
    answer = fragmentation_answer(world.state, {"cpus": 1000})
    assert (answer.fits, answer.fits_if_defragmented, answer.agents) == (0, 0, ())
