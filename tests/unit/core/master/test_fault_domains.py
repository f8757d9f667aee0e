"""Agents that are somewhere, and masters that know where they are themselves (M-AL-21)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mesos_service.core.link import Registered, Reregistered
from mesos_service.core.master.state import MasterOptions
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.fault_domains import FaultDomain
from mesos_service.domain.frameworks import REGION_AWARE
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import AllocatorOptions
from mesos_service.plugins.loader import ALLOCATORS, load
from tests.unit.core.master.infos import AWARE, framework_info
from tests.unit.core.master.told import downlinks
from tests.unit.core.master.world import Node, World

HERE = FaultDomain("eu", "rack1")
RESOURCES = Resources.parse("cpus:4;mem:4096")


def world(domain: FaultDomain | None, required: bool = False) -> World:
    region = None if domain is None else domain.region
    return World(
        load(ALLOCATORS, "hierarchical_drf")(AllocatorOptions(region=region)),
        MasterOptions(fault_domain=domain, require_agent_domain=required),
    )


def agent(at: World, region: str | None) -> Node:
    zone = None if region is None else "z"
    info = AgentInfo(hostname=f"in-{region}", resources=RESOURCES, region=region, zone=zone)
    return Node(at, info, at.new_link())


@pytest.mark.parametrize(
    ("domain", "required", "region"), [(None, False, "eu"), (HERE, True, None)], ids=["no domain here", "required"]
)
def test_m_al_21_one_that_cannot_be_placed_is_not_answered(
    domain: FaultDomain | None, required: bool, region: str | None
) -> None:
    at = world(domain, required)
    node = agent(at, region)
    assert downlinks(node.register(), Registered) == []
    assert not at.state.agents and not at.state.registering
    other = agent(at, None if region else "eu")
    assert len(downlinks(other.register(), Registered)) == 1, "others are"


def test_m_al_21_one_that_comes_back_to_a_master_that_requires_more_keeps_its_tasks_until_it_is_placed() -> None:
    at = world(HERE)
    node = agent(at, None)
    node.register()
    after = at.fail_over()
    after.state.options = MasterOptions(fault_domain=HERE, require_agent_domain=True)
    node.world = after
    assert downlinks(node.come_back(), Reregistered) == []
    assert node.agent_id in after.state.recovered
    node.info = replace(node.info, region="eu", zone="z")
    assert len(downlinks(node.come_back(), Reregistered)) == 1


def test_m_al_21_remote_regions_are_for_those_who_know_of_them() -> None:
    at = world(HERE)
    near, far, nowhere = (agent(at, region) for region in ("eu", "us", None))
    for node in (near, far, nowhere):
        node.register()
    local = at.framework(framework_info("local"))
    at.settle()
    assert {offer.agent_id for offer in local.offers} == {near.agent_id, nowhere.agent_id}
    traveller = at.framework(framework_info("traveller", capabilities=AWARE | {REGION_AWARE}))
    at.advance(1.0)
    assert {offer.agent_id for offer in traveller.offers} == {far.agent_id}
