"""Frameworks that a master knows only by what agents say of them, and what agents hear of frameworks that are gone."""

from __future__ import annotations

import pytest

from mesos_service.core.link import (
    FrameworkUpdated,
    ShutdownFramework,
)
from mesos_service.domain.ids import AgentId, FrameworkId
from mesos_service.domain.tasks import TaskState
from tests.unit.core.master.infos import framework_info, task_info
from tests.unit.core.master.told import downlinks, fact, facts
from tests.unit.core.master.world import Scheduler, World, running


def test_x20_a_framework_that_only_an_agent_knows_is_recovered_and_gets_no_offers() -> None:
    world = World()
    node = world.agent()
    node.agent_id = AgentId("of-another-master")
    ghost = Scheduler(world, framework_info("ghost", framework_id=FrameworkId("ghost-0000")))
    ghost.framework_id = FrameworkId("ghost-0000")
    node.come_back(node.report(ghost, task_info("t", node.agent_id)), frameworks=[ghost.info])
    assert ghost.record.recovered
    assert not ghost.record.connected
    world.advance(5.0)
    assert ghost.record.offers == {}
    effects = ghost.subscribe()
    assert "framework.resubscribed" in facts(effects)
    assert not ghost.record.recovered
    assert ghost.told(ghost.reconcile()) == [("t", TaskState.RUNNING, "REASON_RECONCILIATION")]
    assert len(ghost.offered(world.settle())) == 2, "what its task leaves, and the other agent"


@pytest.mark.parametrize("framework_id", ["", "a\0b", "a/b", "x" * 5000])
def test_x20_a_framework_under_an_id_that_no_master_gave_is_not_recovered(framework_id: str) -> None:
    """Its end would be stored under that id, and there are databases that cannot."""
    world = World()
    node = world.agent()
    node.agent_id = AgentId("of-another-master")
    info = framework_info(framework_id=FrameworkId(framework_id))
    effects = node.come_back(frameworks=[info])
    assert world.state.frameworks == {}
    assert fact(effects, "framework.not_recovered").attributes["name"] == info.name
    assert downlinks(effects, ShutdownFramework) == [ShutdownFramework(FrameworkId(framework_id))]
    assert world.state.agents[node.agent_id].connected


def test_x20_a_recovered_framework_that_never_comes_is_removed_in_the_end() -> None:
    world = World()
    node = world.agent()
    node.agent_id = AgentId("of-another-master")
    info = framework_info(framework_id=FrameworkId("ghost-0000"), failover_timeout=1.0)
    node.come_back(frameworks=[info])
    world.advance(599.0)
    assert info.framework_id in world.state.frameworks
    world.advance(2.0)
    assert info.framework_id in world.state.completed_frameworks


def test_an_agent_hears_what_happened_to_its_frameworks_while_it_was_away() -> None:
    world = World()
    node = world.agent()
    renamed, removed = world.framework(framework_info("a")), world.framework(framework_info("b"))
    before = [renamed.record.info, removed.record.info]
    node.lose_link()
    renamed.update(framework_info("a2"))
    removed.tear_down()
    effects = node.come_back(frameworks=before)
    assert downlinks(effects, FrameworkUpdated) == [FrameworkUpdated(renamed.record.info)]
    assert downlinks(effects, ShutdownFramework) == [ShutdownFramework(removed.framework_id)]


def test_tasks_of_a_framework_that_was_torn_down_are_not_taken_up() -> None:
    world = World()
    node, scheduler = world.agent(), world.framework()
    task = running(world, node, scheduler)
    info = scheduler.record.info
    node.lose_link()
    scheduler.tear_down()
    effects = node.come_back(node.report(scheduler, task), frameworks=[info])
    assert downlinks(effects, ShutdownFramework) == [ShutdownFramework(scheduler.framework_id)]
    assert node.record.tasks == {}
