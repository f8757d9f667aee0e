"""How many tasks of a shape fit now, and how many would in one place (N16)."""

from __future__ import annotations

from mesos_service.core.operator_messages import OperatorUpdateQuota
from mesos_service.domain.ids import Role
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import Quota
from mesos_service.wire.render.fragmentation import fragmentation_answer
from tests.unit.core.master.infos import framework_info, task_info
from tests.unit.core.master.world import World, running


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


SHAPE = {"cpus": 1000, "mem": 64_000, "ports": 1000}
"""A task that listens at one port."""


def test_n16_offers_without_ports_are_seen_and_merge_again_when_they_come_back() -> None:
    """MESOS-9324: a limit cuts scalars and not ports, which go whole with the first piece; whoever is offered the rest
    cannot start anything that listens. The lens shows it, and as pieces of an agent come back they are one again."""
    world = World()
    for _ in range(4):
        world.agent("cpus:4;mem:4096;ports:[31000-31009]")
    quota = (Role("limited"), Quota(limits={"cpus": 4000, "mem": 4_096_000}))
    world.take(OperatorUpdateQuota(request=world.request(), quotas=(quota,)))
    limited = world.framework(framework_info("limited", roles=("limited",)))
    world.settle()
    # It starts three quarters of what it may have, so that what it is offered next is cut, and has all ports there.
    offer = limited.offers[0]
    limited.launch(offer, task_info("t", offer.agent_id, Resources.scalars(cpus=3, mem=3072)), refuse_seconds=3600)
    limited.decline(*limited.offers, refuse_seconds=0)
    world.advance(1.5)
    other = world.framework(framework_info("other", roles=("other",)))
    world.settle()
    without = [one for one in other.offers if "ports" not in {item.key.name for item in one.resources}]
    assert len(without) == 1, "the other part of the agent of which the first has the ports"
    seen = fragmentation_answer(world.state, SHAPE)
    assert (seen.fits, seen.fits_as_offered) == (13, 10), "three tasks' worth of cpus cannot be used as it is offered"
    before = without[0].agent_id
    # What is declined merges before it is offered again: the one that may have it all is offered the ports with it.
    limited.suppress()
    limited.decline(*limited.offers, refuse_seconds=0)
    other.decline(*other.offers, refuse_seconds=0)
    world.advance(1.5)
    (whole,) = [one for one in other.offers if one.agent_id == before]
    assert "ports" in {item.key.name for item in whole.resources}
    seen = fragmentation_answer(world.state, SHAPE)
    assert seen.fits == seen.fits_as_offered == 13
    assert "ports" not in {name for one in seen.agents for name in one.short_of}
